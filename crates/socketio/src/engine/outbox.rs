//! What has been taken for the wire and is not wholly on it yet: at most one batch.
//!
//! Everything else waits where it can still be dropped. Pure.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::Bytes;

use crate::body::Body;
use crate::engine::packet::SEPARATOR;
use crate::engine::parcel::Parcel;

/// Most slices in one vectored write.
pub(crate) const SLICES_MAX: usize = 64;

/// Bytes after which a batch takes no further parcel. The last one may pass it.
pub(crate) const BATCH_BYTES: usize = 64 * 1024;

/// Parcels on their way, the first of them perhaps in part.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    parcels: VecDeque<Parcel>,
    bytes: usize,
    packets: usize,
    /// Packets of the first parcel that are gone.
    packet: usize,
    /// Within the rest of the first parcel: slices that are gone, and bytes of the next.
    slice: usize,
    offset: usize,
}

impl Outbox {
    pub(crate) fn is_empty(&self) -> bool {
        self.parcels.is_empty()
    }

    pub(crate) fn push(&mut self, parcel: Parcel) {
        self.bytes += parcel.len();
        self.packets += parcel.packets_len();
        self.parcels.push_back(parcel);
    }

    /// Takes a parcel of which `written` bytes are on the wire, before any other.
    pub(crate) fn push_begun(&mut self, parcel: Parcel, written: usize) {
        debug_assert!(self.is_empty(), "what has begun comes first");
        self.push(parcel);
        self.advance(written);
    }

    /// Whether a vectored write can take another parcel.
    pub(crate) fn has_room(&self) -> bool {
        self.bytes < BATCH_BYTES && 2 * self.packets < SLICES_MAX
    }

    /// Whether a polling answer can take another parcel.
    pub(crate) fn has_room_in_answer(&self, packets_max: usize, bytes_max: usize) -> bool {
        self.packets < packets_max && self.bytes < bytes_max
    }

    /// Drops all parcels of which nothing has been written.
    pub(crate) fn keep_begun(&mut self) {
        let begun = self.packet > 0 || self.slice > 0 || self.offset > 0;
        self.parcels.truncate(usize::from(begun));
    }

    /// The slices to write next, and their bytes.
    pub(crate) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>; SLICES_MAX]) -> (usize, usize) {
        let mut count = 0;
        let mut bytes = 0;
        let mut offset = self.offset;
        for (at, parcel) in self.parcels.iter().enumerate() {
            let frames = match at {
                0 => &parcel.frames_from(self.packet)[self.slice..],
                _ => parcel.frames_from(0),
            };
            for frame in frames {
                if count == SLICES_MAX {
                    return (count, bytes);
                }
                let rest = &frame[std::mem::take(&mut offset)..];
                slices[count] = IoSlice::new(rest);
                count += 1;
                bytes += rest.len();
            }
        }
        (count, bytes)
    }

    /// Forgets bytes that were written.
    pub(crate) fn advance(&mut self, mut written: usize) {
        while let Some(parcel) = self.parcels.front() {
            let frames = &parcel.frames_from(self.packet)[self.slice..];
            let Some(frame) = frames.first() else {
                self.finish_front();
                continue;
            };
            let rest = frame.len() - self.offset;
            if written < rest {
                self.offset += written;
                return;
            }
            written -= rest;
            self.slice += 1;
            self.offset = 0;
        }
    }

    fn finish_front(&mut self) {
        if let Some(parcel) = self.parcels.pop_front() {
            self.bytes = self.bytes.saturating_sub(parcel.len());
            self.packets = self.packets.saturating_sub(parcel.packets_len());
        }
        self.packet = 0;
        self.slice = 0;
        self.offset = 0;
    }

    /// Takes packets out as a polling answer: as many as the bounds allow, at least one.
    pub(crate) fn take_answer(&mut self, packets_max: usize, bytes_max: usize) -> Body {
        let mut body = Body::empty();
        let mut count = 0;
        let mut bytes = 0;
        while let Some(parcel) = self.parcels.front() {
            for packet in &parcel.packets()[self.packet..] {
                if count > 0 && (count >= packets_max || bytes + packet.len() > bytes_max) {
                    return body;
                }
                if count > 0 {
                    body.push(Bytes::from_static(&[SEPARATOR]));
                }
                body.push(packet.clone());
                count += 1;
                bytes += packet.len() + 1;
                self.packet += 1;
            }
            self.finish_front();
        }
        body
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parcels() -> Vec<Parcel> {
        vec![
            Parcel::text("one"),
            Parcel::build(vec![Bytes::from_static(b"picture"), Bytes::new()], |text| {
                text.extend(b"4two")
            }),
            Parcel::binary(Bytes::from_static(b"bytes")),
        ]
    }

    fn outbox() -> Outbox {
        let mut outbox = Outbox::default();
        parcels().into_iter().for_each(|parcel| outbox.push(parcel));
        outbox
    }

    fn written(outbox: &Outbox) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let (count, len) = outbox.slices(&mut slices);
        let bytes: Vec<u8> = slices[..count]
            .iter()
            .flat_map(|slice| slice.to_vec())
            .collect();
        assert_eq!(bytes.len(), len);
        bytes
    }

    #[test]
    fn an_answer_takes_no_more_packets_than_allowed_and_the_rest_follows() {
        let mut outbox = outbox();
        let text = |body: Body| String::from_utf8(body.concat().to_vec()).unwrap();
        assert_eq!(text(outbox.take_answer(2, 1000)), "4one\u{1e}4two");
        assert_eq!(text(outbox.take_answer(16, 1)), "bcGljdHVyZQ==");
        assert_eq!(text(outbox.take_answer(16, 1000)), "b\u{1e}bYnl0ZXM=");
        assert!(outbox.is_empty());
    }

    #[test]
    fn a_parcel_begun_by_polling_is_ended_by_websocket() {
        let mut outbox = outbox();
        outbox.take_answer(3, 1000);
        assert_eq!(written(&outbox), b"\x82\0\x82\x05bytes");
    }

    #[test]
    fn closing_keeps_only_what_is_half_written() {
        let mut outbox = outbox();
        outbox.advance(8);
        outbox.keep_begun();
        assert_eq!(written(&outbox), b"4two\x82\x07picture\x82\0");
    }

    proptest! {
        #[test]
        fn however_the_socket_takes_it_the_same_bytes_are_written(steps in prop::collection::vec(1usize..9, 0..40)) {
            let mut outbox = outbox();
            let whole = written(&outbox);
            let mut sent = Vec::new();
            for step in steps.into_iter().chain([usize::MAX]) {
                let pending = written(&outbox);
                let step = step.min(pending.len());
                sent.extend_from_slice(&pending[..step]);
                outbox.advance(step);
            }
            prop_assert_eq!(sent, whole);
            prop_assert!(outbox.is_empty());
            prop_assert_eq!((outbox.bytes, outbox.packets), (0, 0));
        }
    }
}
