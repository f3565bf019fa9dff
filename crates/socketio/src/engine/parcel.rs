//! What goes out, in the bytes of the wire, built once and shared by all who get it.
//!
//! A parcel is a few packets that belong together: a text, and the binary messages that it announces. Over a WebSocket
//! each is a frame; over polling each is a packet of a payload. A clone is a count, never a copy.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};

use bytes::Bytes;

use crate::websocket::frame::{self, SERVER_HEADER_BYTES_MAX};

/// Packets that belong together, encoded once.
#[derive(Debug, Clone)]
pub struct Parcel(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// The text packet with its type, empty when the parcel is binary only.
    text: Bytes,
    /// WebSocket frames in slices: the text with its header, then a header and a payload for each binary message.
    frames: Box<[Bytes]>,
    len: usize,
    /// The frames in one slice, made when it has been put to some sockets as it is: the kernel takes one slice more
    /// cheaply than several, and for many viewers that pays for the copy.
    joined: OnceLock<[Bytes; 1]>,
    /// How often it was put to a socket before `joined` was made.
    puts: AtomicU32,
    /// Packets of polling, made when the first poll asks for them: the binary ones are base64.
    packets: OnceLock<Box<[Bytes]>>,
}

impl Parcel {
    /// A message of text.
    pub fn text(text: &str) -> Self {
        Self::build(Vec::new(), |buffer| {
            buffer.push(b'4');
            buffer.extend_from_slice(text.as_bytes());
        })
    }

    /// A message of bytes.
    pub fn binary(bytes: Bytes) -> Self {
        let (header, header_len) = frame::header(frame::Outgoing::Binary, bytes.len());
        let header = Bytes::copy_from_slice(&header[..header_len]);
        Self(Arc::new(Inner {
            text: Bytes::new(),
            len: header.len() + bytes.len(),
            frames: Box::new([header, bytes]),
            joined: OnceLock::new(),
            puts: AtomicU32::new(0),
            packets: OnceLock::new(),
        }))
    }

    /// A text packet whose bytes, type included, `write` appends to the buffer, and the binary messages after it.
    pub(crate) fn build(attachments: Vec<Bytes>, write: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut buffer = vec![0; SERVER_HEADER_BYTES_MAX];
        write(&mut buffer);
        let text_end = buffer.len();
        let text_len = text_end - SERVER_HEADER_BYTES_MAX;
        let (header, header_len) = frame::header(frame::Outgoing::Text, text_len);
        let start = SERVER_HEADER_BYTES_MAX - header_len;
        buffer[start..SERVER_HEADER_BYTES_MAX].copy_from_slice(&header[..header_len]);
        let mut headers = Vec::with_capacity(attachments.len());
        for attachment in &attachments {
            let (header, header_len) = frame::header(frame::Outgoing::Binary, attachment.len());
            let from = buffer.len();
            buffer.extend_from_slice(&header[..header_len]);
            headers.push(from..buffer.len());
        }
        let buffer = Bytes::from(buffer);
        let mut frames = Vec::with_capacity(1 + 2 * attachments.len());
        frames.push(buffer.slice(start..text_end));
        for (header, attachment) in headers.into_iter().zip(attachments) {
            frames.push(buffer.slice(header));
            frames.push(attachment);
        }
        Self(Arc::new(Inner {
            text: buffer.slice(SERVER_HEADER_BYTES_MAX..text_end),
            len: frames.iter().map(Bytes::len).sum(),
            frames: frames.into(),
            joined: OnceLock::new(),
            puts: AtomicU32::new(0),
            packets: OnceLock::new(),
        }))
    }

    /// A WebSocket frame that carries no packet; polling would send nonsense for it.
    pub(crate) fn frame(frame: Bytes) -> Self {
        let len = frame.len();
        Self(Arc::new(Inner {
            text: frame.clone(),
            frames: Box::new([frame]),
            len,
            joined: OnceLock::new(),
            puts: AtomicU32::new(0),
            packets: OnceLock::new(),
        }))
    }

    /// A packet that is no message: its type and what follows.
    fn signal(packet: &str) -> Self {
        Self::build(Vec::new(), |buffer| {
            buffer.extend_from_slice(packet.as_bytes())
        })
    }

    /// A message of text over a plain WebSocket.
    pub fn plain_text(text: &str) -> Self {
        Self::frame(frame::small(frame::Outgoing::Text, text.as_bytes()))
    }

    /// A message of bytes over a plain WebSocket, from parts in their order. They are not copied.
    pub fn plain_binary(parts: impl IntoIterator<Item = Bytes>) -> Self {
        let mut frames = vec![Bytes::new()];
        frames.extend(parts);
        let len = frames.iter().map(Bytes::len).sum();
        let (header, header_len) = frame::header(frame::Outgoing::Binary, len);
        frames[0] = Bytes::copy_from_slice(&header[..header_len]);
        Self(Arc::new(Inner {
            text: Bytes::new(),
            len: len + header_len,
            frames: frames.into(),
            joined: OnceLock::new(),
            puts: AtomicU32::new(0),
            packets: OnceLock::new(),
        }))
    }

    /// Bytes as they are, for the body of an HTTP answer.
    pub fn body(parts: impl IntoIterator<Item = Bytes>) -> Self {
        let frames: Box<[Bytes]> = parts.into_iter().collect();
        Self(Arc::new(Inner {
            text: Bytes::new(),
            len: frames.iter().map(Bytes::len).sum(),
            frames,
            joined: OnceLock::new(),
            puts: AtomicU32::new(0),
            packets: OnceLock::new(),
        }))
    }

    /// A ping of the WebSocket itself.
    pub(crate) fn plain_ping() -> Self {
        static PING: LazyLock<Parcel> =
            LazyLock::new(|| Parcel::frame(frame::small(frame::Outgoing::Ping, b"")));
        PING.clone()
    }

    /// The opening packet of a session.
    pub(crate) fn open(json: &str) -> Self {
        Self::build(Vec::new(), |buffer| {
            buffer.push(b'0');
            buffer.extend_from_slice(json.as_bytes());
        })
    }

    /// The packet that ends a session.
    pub(crate) fn close() -> Self {
        static CLOSE: LazyLock<Parcel> = LazyLock::new(|| Parcel::signal("1"));
        CLOSE.clone()
    }

    /// A ping.
    pub(crate) fn ping() -> Self {
        static PING: LazyLock<Parcel> = LazyLock::new(|| Parcel::signal("2"));
        PING.clone()
    }

    /// The answer to a probe.
    pub(crate) fn probe() -> Self {
        static PROBE: LazyLock<Parcel> = LazyLock::new(|| Parcel::signal("3probe"));
        PROBE.clone()
    }

    /// The packet that only ends a poll.
    pub(crate) fn noop() -> Self {
        static NOOP: LazyLock<Parcel> = LazyLock::new(|| Parcel::signal("6"));
        NOOP.clone()
    }

    /// Bytes over a WebSocket, frame headers included.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.0.len
    }

    /// The text packet with its type; empty when there is none.
    pub(crate) fn text_packet(&self) -> &Bytes {
        &self.0.text
    }

    /// The binary messages.
    pub(crate) fn attachments(&self) -> impl Iterator<Item = &Bytes> {
        let payloads = if self.0.text.is_empty() {
            &self.0.frames[1..]
        } else {
            &self.0.frames[2.min(self.0.frames.len())..]
        };
        payloads.iter().step_by(2)
    }

    /// How many packets it is.
    pub(crate) fn packets_len(&self) -> usize {
        self.0.frames.len().div_ceil(2)
    }

    /// The slices of its WebSocket frames from packet `first` on.
    pub(crate) fn frames_from(&self, first: usize) -> &[Bytes] {
        let skip = match (first, self.0.text.is_empty()) {
            (0, _) => 0,
            (first, false) => 2 * first - 1,
            (first, true) => 2 * first,
        };
        &self.0.frames[skip..]
    }

    /// The slices of its WebSocket frames, in as few as pay, for one of many sockets.
    pub(crate) fn frames_for_many(&self) -> &[Bytes] {
        /// So many sockets pay for a copy.
        const PUTS_MIN: u32 = 8;
        /// A longer one is not copied: there the number of slices does not matter.
        const LEN_MAX: usize = 64 * 1024;
        if self.0.frames.len() == 1 || self.0.len > LEN_MAX {
            return &self.0.frames;
        }
        if let Some(joined) = self.0.joined.get() {
            return joined;
        }
        if self.0.puts.fetch_add(1, Ordering::Relaxed) < PUTS_MIN {
            return &self.0.frames;
        }
        self.0
            .joined
            .get_or_init(|| [self.0.frames.concat().into()])
    }

    /// Its packets as polling carries them.
    pub(crate) fn packets(&self) -> &[Bytes] {
        self.0.packets.get_or_init(|| {
            let text = (!self.0.text.is_empty()).then(|| self.0.text.clone());
            text.into_iter()
                .chain(self.attachments().map(base64_packet))
                .collect()
        })
    }
}

fn base64_packet(bytes: &Bytes) -> Bytes {
    let mut packet = Vec::with_capacity(1 + base64_simd::STANDARD.encoded_length(bytes.len()));
    packet.push(b'b');
    base64_simd::STANDARD.encode_append(bytes, &mut packet);
    packet.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_one_frame_and_one_packet() {
        let parcel = Parcel::text("hello");
        assert_eq!(parcel.frames_from(0), [&b"\x81\x064hello"[..]]);
        assert_eq!(parcel.packets(), [&b"4hello"[..]]);
        assert_eq!(parcel.len(), 8);
        assert_eq!(parcel.attachments().count(), 0);
    }

    #[test]
    fn bytes_are_one_frame_or_base64() {
        let parcel = Parcel::binary(Bytes::from_static(&[1, 2, 3, 4]));
        assert_eq!(parcel.frames_from(0), [&[0x82, 4][..], &[1, 2, 3, 4][..]]);
        assert_eq!(parcel.packets(), [&b"bAQIDBA=="[..]]);
        assert_eq!(parcel.packets_len(), 1);
    }

    #[test]
    fn attachments_follow_their_text_and_are_not_copied() {
        let picture = Bytes::from(vec![7; 300]);
        let parcel = Parcel::build(vec![picture.clone(), Bytes::from_static(b"z")], |buffer| {
            buffer.extend_from_slice(b"4x");
        });
        assert_eq!(parcel.packets_len(), 3);
        let frames = parcel.frames_from(0);
        assert_eq!(frames[0], &b"\x81\x024x"[..]);
        assert_eq!(frames[1], &[0x82, 126, 1, 44][..]);
        assert_eq!(frames[2].as_ptr(), picture.as_ptr());
        assert_eq!(parcel.frames_from(2), [&[0x82, 1][..], &b"z"[..]]);
        assert_eq!(parcel.packets()[2], &b"beg=="[..]);
        assert_eq!(parcel.attachments().count(), 2);
    }

    #[test]
    fn for_many_sockets_it_becomes_one_slice_of_the_same_bytes() {
        let parcel = Parcel::build(vec![Bytes::from_static(b"picture")], |text| {
            text.extend(b"4x")
        });
        (0..8).for_each(|_| assert_eq!(parcel.frames_for_many().len(), 3));
        assert_eq!(parcel.frames_for_many(), [parcel.frames_from(0).concat()]);
    }

    #[test]
    fn a_long_text_has_its_header_right_before_it() {
        let text = "x".repeat(70_000);
        let parcel = Parcel::text(&text);
        let [frame] = parcel.frames_from(0) else {
            panic!("one slice")
        };
        assert_eq!(frame.len(), 10 + 1 + 70_000);
        assert_eq!(
            &frame[..11],
            [0x81, 127, 0, 0, 0, 0, 0, 1, 0x11, 0x71, b'4']
        );
    }
}
