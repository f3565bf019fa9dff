//! A frame as the payloads of its RTP packets, made once for all viewers: RFC 7741 (VP8), 9628 (VP9), 6184 (H.264),
//! 7587 (Opus) and AV1's own.
//!
//! Pure: bytes in, bytes out. What differs from viewer to viewer, the numbers of VP9's pictures, has its place here and is
//! filled in by whoever sends.

use abanico_live::Packet;
use abanico_media::frame::Codec;
use std::sync::Arc;

/// A payload has no more bytes. With all that comes around it, it passes any network.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 1_120;

/// What one frame is on the wire: one payload after the other, without what each viewer's packets have of their own.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Payloads {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// Each begins with VP9's descriptor: the picture's number and its layer's are for the sender to write.
    pub(crate) numbered: bool,
}

impl Payloads {
    /// Those of a packet's frame in that codec, made for the first viewer and shared by all.
    pub(crate) fn shared<'a>(packet: &'a Packet, codec: &Codec) -> &'a Arc<Self> {
        packet.framed(|packet| Arc::new(Self::of(&packet.payload, codec)))
    }

    pub(crate) fn of(frame: &[u8], codec: &Codec) -> Self {
        let mut made = Self {
            bytes: Vec::with_capacity(frame.len() + frame.len() / 64 + 64),
            ..Self::default()
        };
        match codec {
            Codec::Vp8 => made.vp8(frame),
            Codec::Vp9 => made.vp9(frame),
            Codec::H264 => made.h264(frame),
            Codec::Av1 => made.av1(frame),
            // One packet of sound is one frame, if there is any. Anything else has no place in WebRTC and does not get here.
            _ if frame.is_empty() => {}
            _ => made.add(&[], frame),
        }
        made
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Of all of them together.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn get(&self, index: usize) -> Option<&[u8]> {
        let end = *self.ends.get(index)?;
        let begin = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(&self.bytes[begin..end])
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    fn add(&mut self, head: &[u8], body: &[u8]) {
        self.bytes.extend_from_slice(head);
        self.bytes.extend_from_slice(body);
        self.close();
    }

    fn close(&mut self) {
        self.ends.push(self.bytes.len());
    }

    fn vp8(&mut self, frame: &[u8]) {
        for (n, part) in frame.chunks(PAYLOAD_BYTES_MAX - 1).enumerate() {
            // Whether the partition begins here.
            let descriptor = if n == 0 { 0x10 } else { 0 };
            self.add(&[descriptor], part);
        }
    }

    /// Not flexible, one layer: Safari takes nothing else.
    fn vp9(&mut self, frame: &[u8]) {
        self.numbered = true;
        let keyframe = is_vp9_keyframe(frame);
        let parts = frame.chunks(PAYLOAD_BYTES_MAX - 6);
        let last = parts.len().saturating_sub(1);
        for (n, part) in parts.enumerate() {
            // It has the picture's number and its layer.
            let mut flags = 0xa0;
            if !keyframe {
                flags |= 0x40;
            }
            if n == 0 {
                flags |= 0x08;
            }
            if n == last {
                flags |= 0x04;
            }
            let descriptor = [flags, 0x80, 0, 0x10, 0, 0];
            if keyframe && n == 0 {
                // One layer in space, and no plan of those in time.
                let descriptor = [flags | 0x02, 0x80, 0, 0x10, 0, 0];
                self.add(&descriptor, part);
            } else {
                self.add(&descriptor[..5], part);
            }
        }
    }

    fn h264(&mut self, frame: &[u8]) {
        // Parameter sets travel together, right before what needs them.
        let mut sets: Vec<&[u8]> = Vec::new();
        for unit in units(frame) {
            match unit[0] & 0x1f {
                // Where an access unit begins, the time stamp says.
                9 => {}
                7 | 8 => sets.push(unit),
                _ => {
                    self.h264_sets(&sets);
                    sets.clear();
                    self.h264_unit(unit);
                }
            }
        }
        self.h264_sets(&sets);
    }

    fn h264_sets(&mut self, sets: &[&[u8]]) {
        let together = 1 + sets.iter().map(|set| set.len() + 2).sum::<usize>();
        if sets.len() < 2 || together > PAYLOAD_BYTES_MAX {
            return sets.iter().for_each(|set| self.h264_unit(set));
        }
        let importance = sets.iter().map(|set| set[0] & 0x60).max().unwrap_or(0);
        self.bytes.push(24 | importance);
        for set in sets {
            let length = u16::try_from(set.len()).unwrap_or(u16::MAX);
            self.bytes.extend_from_slice(&length.to_be_bytes());
            self.bytes.extend_from_slice(set);
        }
        self.close();
    }

    fn h264_unit(&mut self, unit: &[u8]) {
        if unit.len() <= PAYLOAD_BYTES_MAX {
            return self.add(&[], unit);
        }
        let (head, body) = (unit[0], &unit[1..]);
        let parts = body.chunks(PAYLOAD_BYTES_MAX - 2);
        let last = parts.len() - 1;
        for (n, part) in parts.enumerate() {
            let mut kind = head & 0x1f;
            if n == 0 {
                kind |= 0x80;
            }
            if n == last {
                kind |= 0x40;
            }
            self.add(&[28 | (head & 0xe0), kind], part);
        }
    }

    /// Each element has its length before it, so that any number fits.
    fn av1(&mut self, frame: &[u8]) {
        let mut open = false;
        let mut begins_sequence = false;
        let mut begin = 0;
        for unit in obus(frame) {
            begins_sequence |= unit.kind() == 1;
            let mut rest = 0;
            while rest < unit.len() {
                if open && PAYLOAD_BYTES_MAX - (self.bytes.len() - begin) < 4 {
                    self.close();
                    open = false;
                }
                if !open {
                    begin = self.bytes.len();
                    self.bytes.push(if rest > 0 { 0x80 } else { 0 });
                    open = true;
                }
                // Two bytes are enough for the length of what fits.
                let room = PAYLOAD_BYTES_MAX - (self.bytes.len() - begin) - 2;
                let length = (unit.len() - rest).min(room);
                leb128(length, &mut self.bytes);
                unit.write(rest, length, &mut self.bytes);
                rest += length;
                if rest < unit.len() {
                    self.bytes[begin] |= 0x40;
                    self.close();
                    open = false;
                }
            }
        }
        if open {
            self.close();
        }
        // The first packet says so, wherever in the frame the sequence's header stands.
        if begins_sequence && let Some(first) = self.bytes.first_mut() {
            *first |= 0x08;
        }
    }
}

/// The units of a frame with start codes.
fn units(frame: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = after_start_code(frame).unwrap_or(frame);
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let (unit, next) = match find_start_code(rest) {
                Some(at) => (&rest[..at], &rest[at + 3..]),
                None => (rest, &[][..]),
            };
            rest = next;
            // Zeros before a start code belong to nobody: no unit ends with one.
            let end = unit
                .iter()
                .rposition(|byte| *byte != 0)
                .map_or(0, |last| last + 1);
            if end > 0 {
                return Some(&unit[..end]);
            }
        }
        None
    })
}

fn after_start_code(bytes: &[u8]) -> Option<&[u8]> {
    find_start_code(bytes).map(|at| &bytes[at + 3..])
}

fn find_start_code(bytes: &[u8]) -> Option<usize> {
    bytes.windows(3).position(|three| three == [0, 0, 1])
}

/// One unit of AV1, without its length.
struct Obu<'a> {
    head: [u8; 2],
    head_length: usize,
    body: &'a [u8],
}

impl Obu<'_> {
    fn kind(&self) -> u8 {
        self.head[0] >> 3 & 0x0f
    }

    fn len(&self) -> usize {
        self.head_length + self.body.len()
    }

    /// Writes so much of it, from there on.
    fn write(&self, from: usize, length: usize, out: &mut Vec<u8>) {
        let head = &self.head[..self.head_length];
        let end = from + length;
        let of_head = from.min(head.len())..end.min(head.len());
        out.extend_from_slice(&head[of_head]);
        let in_body = |at: usize| at.saturating_sub(head.len());
        out.extend_from_slice(&self.body[in_body(from)..in_body(end)]);
    }
}

/// The units of a frame of AV1 that travel. What follows a unit whose length is wrong does not.
fn obus(frame: &[u8]) -> impl Iterator<Item = Obu<'_>> {
    let mut rest = frame;
    std::iter::from_fn(move || {
        loop {
            let first = *rest.first()?;
            let head_length = if first & 0x04 == 0 { 1 } else { 2 };
            let second = rest.get(1).copied().unwrap_or(0);
            rest = rest.get(head_length..)?;
            let length = if first & 0x02 == 0 {
                rest.len()
            } else {
                read_leb128(&mut rest)?
            };
            let body = rest.get(..length)?;
            rest = &rest[length..];
            let obu = Obu {
                head: [first & !0x02, second],
                head_length,
                body,
            };
            // Temporal delimiters, lists of tiles and padding stay behind.
            if !matches!(obu.kind(), 2 | 8 | 15) {
                return Some(obu);
            }
        }
    })
}

fn read_leb128(bytes: &mut &[u8]) -> Option<usize> {
    let mut value = 0;
    for shift in (0..35).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= usize::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// A number below 2^14.
fn leb128(value: usize, out: &mut Vec<u8>) {
    let [high, low] = u16::try_from(value).unwrap_or(u16::MAX).to_be_bytes();
    if value < 0x80 {
        out.push(low);
    } else {
        out.extend_from_slice(&[low | 0x80, high << 1 | low >> 7]);
    }
}

/// Whether a frame of VP9 needs none before it, as its first bits say.
fn is_vp9_keyframe(frame: &[u8]) -> bool {
    let Some(first) = frame.first() else {
        return false;
    };
    // The marker, two bits of the profile, one more reserved bit for profile 3, and whether an old frame is shown again.
    let profile_3 = first & 0x30 == 0x30;
    let bits = if profile_3 { first << 1 } else { *first };
    first & 0xc0 == 0x80 && bits & 0x0c == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(frame: &[u8], codec: &Codec) -> Vec<Vec<u8>> {
        let payloads = Payloads::of(frame, codec);
        assert!(
            payloads
                .iter()
                .all(|payload| payload.len() <= PAYLOAD_BYTES_MAX)
        );
        payloads.iter().map(<[u8]>::to_vec).collect()
    }

    fn counted(length: usize) -> Vec<u8> {
        (0..length).map(|n| (n % 251) as u8 | 1).collect()
    }

    #[test]
    fn a_frame_of_vp8_is_cut_and_its_begin_is_marked() {
        let frame = counted(3_000);
        let payloads = of(&frame, &Codec::Vp8);
        let heads: Vec<u8> = payloads.iter().map(|payload| payload[0]).collect();
        assert_eq!(heads, [0x10, 0, 0]);
        let bodies: Vec<u8> = payloads
            .iter()
            .flat_map(|payload| payload[1..].to_vec())
            .collect();
        assert_eq!(bodies, frame);
    }

    #[test]
    fn a_frame_of_vp9_says_where_it_begins_and_ends_and_whether_it_needs_another() {
        let mut frame = counted(2_000);
        frame[0] = 0x82;
        let keyframe = of(&frame, &Codec::Vp9);
        assert_eq!(keyframe[0][..6], [0xaa, 0x80, 0, 0x10, 0, 0]);
        assert_eq!(keyframe[1][..5], [0xa4, 0x80, 0, 0x10, 0]);
        assert_eq!([&keyframe[0][6..], &keyframe[1][5..]].concat(), frame);
        frame[0] = 0x86;
        let delta = of(&frame[..100], &Codec::Vp9);
        assert_eq!(delta[0][..5], [0xec, 0x80, 0, 0x10, 0]);
        assert_eq!(delta[0][5..], frame[..100]);
    }

    #[test]
    fn parameter_sets_travel_together_and_long_units_in_parts() {
        let long = [&[0x65][..], &counted(2_500)].concat();
        let frame = [
            &[
                0, 0, 0, 1, 9, 0xf0, 0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x68, 3,
            ][..],
            &[0, 0, 0, 1],
            &long,
        ]
        .concat();
        let payloads = of(&frame, &Codec::H264);
        assert_eq!(payloads[0], [0x78, 0, 3, 0x67, 1, 2, 0, 2, 0x68, 3]);
        let heads: Vec<_> = payloads[1..]
            .iter()
            .map(|payload| [payload[0], payload[1]])
            .collect();
        assert_eq!(heads, [[0x7c, 0x85], [0x7c, 0x05], [0x7c, 0x45]]);
        let bodies: Vec<u8> = payloads[1..]
            .iter()
            .flat_map(|payload| payload[2..].to_vec())
            .collect();
        assert_eq!(bodies, long[1..]);
        assert_eq!(of(&[0, 0, 1, 0x41, 5], &Codec::H264), [[0x41, 5]]);
    }

    /// What a receiver puts together again: units without lengths.
    fn put_together(payloads: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut units: Vec<Vec<u8>> = Vec::new();
        let mut is_open = false;
        for payload in payloads {
            let head = payload[0];
            assert_eq!(head & 0x30, 0, "all elements have lengths");
            assert_eq!(head & 0x80 != 0, is_open);
            let mut rest = &payload[1..];
            let mut continues = is_open;
            while !rest.is_empty() {
                let length = read_leb128(&mut rest).unwrap();
                let (element, after) = rest.split_at(length);
                rest = after;
                if continues {
                    units.last_mut().unwrap().extend_from_slice(element);
                } else {
                    units.push(element.to_vec());
                }
                continues = false;
            }
            is_open = head & 0x40 != 0;
        }
        assert!(!is_open);
        units
    }

    #[test]
    fn units_of_av1_come_together_again_whatever_their_lengths() {
        for length in (1..40).chain(1_080..1_140).chain([3_000, 20_000]) {
            let body = counted(length);
            let mut frame = vec![0x12, 0, 0x0a, 3, 7, 8, 9, 0x32];
            frame.extend_from_slice(&[
                (length & 0x7f) as u8 | 0x80,
                (length >> 7) as u8 & 0x7f | 0x80,
            ]);
            frame.push((length >> 14) as u8);
            frame.extend_from_slice(&body);
            // One more, that goes on to the frame's end, with an extension.
            frame.extend_from_slice(&[0x34, 0x08, 5, 6]);
            let payloads = of(&frame, &Codec::Av1);
            assert_eq!(payloads[0][0] & 0x08, 0x08, "a sequence begins");
            assert!(payloads[1..].iter().all(|payload| payload[0] & 0x08 == 0));
            let units = put_together(&payloads);
            let expected = [
                vec![0x08, 7, 8, 9],
                [&[0x30][..], &body].concat(),
                vec![0x34, 0x08, 5, 6],
            ];
            assert_eq!(units, expected, "{length}");
        }
    }

    #[test]
    fn hostile_frames_are_cut_somehow() {
        let codecs = [Codec::Vp8, Codec::Vp9, Codec::H264, Codec::Av1, Codec::Opus];
        let frames: [&[u8]; 6] = [
            &[],
            &[0],
            &[0, 0, 1],
            &[0, 0, 1, 0, 0, 1],
            &[0x36],
            &[0x0e, 1, 0xff, 0xff, 0xff, 0xff, 0xff],
        ];
        for codec in codecs {
            for frame in frames {
                of(frame, &codec);
            }
        }
    }
}
