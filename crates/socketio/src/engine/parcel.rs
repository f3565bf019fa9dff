//! What goes out, in the bytes of the wire, built once and shared by all who get it.
//!
//! A parcel is a few packets that belong together: a text, and the binary messages that it announces. Over a WebSocket
//! each is a frame; over polling each is a packet of a payload. A clone is a count, never a copy.

use std::cell::RefCell;
use std::sync::{Arc, LazyLock, OnceLock};

use bytes::Bytes;

use crate::websocket::frame::{self, SERVER_HEADER_BYTES_MAX};

/// What becomes of a parcel for a session that is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It waits; a session for which too much does is closed.
    Kept,
    /// The oldest of its kind is left out for it.
    Skippable,
    /// It is not taken, and who sends it is told.
    Refusable,
}

/// Packets that belong together, encoded once.
#[derive(Debug, Clone)]
pub struct Parcel(Arc<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    /// The text packet with its type, empty when the parcel is binary only.
    text: Bytes,
    /// WebSocket frames in slices: the text with its header, then a header and a payload for each binary message.
    frames: Box<[Bytes]>,
    len: usize,
    manner: Manner,
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
            manner: Manner::Kept,
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
            manner: Manner::Kept,
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
            manner: Manner::Kept,
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
            manner: Manner::Kept,
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
            manner: Manner::Kept,
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

    /// The same, dealt with in this manner for a session that is behind.
    #[must_use]
    pub(crate) fn in_manner(mut self, manner: Manner) -> Self {
        if self.0.manner != manner {
            Arc::make_mut(&mut self.0).manner = manner;
        }
        self
    }

    /// What becomes of it for who is behind.
    pub(crate) fn manner(&self) -> Manner {
        self.0.manner
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

    /// Gives `put` the slices of its WebSocket frames, in as few as pay, for one of many sockets.
    pub(crate) fn put<R>(&self, put: impl FnOnce(&[Bytes]) -> R) -> R {
        if self.0.frames.len() == 1 || self.0.len > JOINED_BYTES_MAX {
            return put(&self.0.frames);
        }
        JOINED.with_borrow_mut(|joined| put(joined.slices_of(self)))
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

/// A longer parcel is not joined: there the number of slices does not matter.
const JOINED_BYTES_MAX: usize = 64 * 1024;

thread_local! {
    static JOINED: RefCell<Joined> = const { RefCell::new(Joined { turns: [const { None }; 4], last: 0, filled: 0 }) };
}

/// The parcels that a thread puts to many sockets at the moment, each of them in one slice: the kernel takes one slice more
/// cheaply than several, and for many sockets that pays for the copy.
///
/// The copies are the thread's and not the parcels', which are held for a while after they were put: with a copy each would
/// weigh twice.
struct Joined {
    /// As many as there may be couriers that take turns on a thread.
    turns: [Option<Turn>; 4],
    /// Where the last one was.
    last: usize,
    /// Where a place was last taken; the next one along is the oldest.
    filled: usize,
}

struct Turn {
    parcel: Parcel,
    puts: u32,
    copy: Option<[Bytes; 1]>,
}

impl Joined {
    fn slices_of(&mut self, parcel: &Parcel) -> &[Bytes] {
        /// So many sockets pay for a copy.
        const PUTS_MIN: u32 = 8;
        let is_it = |turn: &Option<Turn>| {
            turn.as_ref()
                .is_some_and(|turn| Arc::ptr_eq(&turn.parcel.0, &parcel.0))
        };
        if !is_it(&self.turns[self.last]) {
            self.last = self.turns.iter().position(is_it).unwrap_or_else(|| {
                self.filled = (self.filled + 1) % self.turns.len();
                self.turns[self.filled] = Some(Turn {
                    parcel: parcel.clone(),
                    puts: 0,
                    copy: None,
                });
                self.filled
            });
        }
        let turn = self.turns[self.last]
            .as_mut()
            .expect("it was found or made above");
        turn.puts += 1;
        if turn.puts > PUTS_MIN {
            let frames = &turn.parcel.0.frames;
            turn.copy.get_or_insert_with(|| [frames.concat().into()])
        } else {
            &turn.parcel.0.frames
        }
    }
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
    fn for_many_sockets_it_is_put_in_one_slice_of_the_same_bytes() {
        let parcels = ["one", "two", "three"].map(|name| {
            Parcel::build(vec![Bytes::from_static(b"picture")], |text| {
                text.extend(name.bytes())
            })
        });
        let slices = |parcel: &Parcel| parcel.put(<[Bytes]>::to_vec);
        for _ in 0..8 {
            for parcel in &parcels {
                assert_eq!(slices(parcel), parcel.frames_from(0));
            }
        }
        for parcel in &parcels {
            assert_eq!(slices(parcel), [parcel.frames_from(0).concat()]);
        }
    }

    #[test]
    fn a_thread_keeps_no_more_copies_than_it_has_turns() {
        let parcels: Vec<_> = (0..50u8)
            .map(|number| {
                Parcel::build(vec![Bytes::from(vec![number; 100])], |text| text.push(b'4'))
            })
            .collect();
        for parcel in &parcels {
            for _ in 0..20 {
                parcel.put(|slices| assert_eq!(slices.concat(), parcel.frames_from(0).concat()));
            }
        }
        let kept = parcels
            .iter()
            .filter(|parcel| Arc::strong_count(&parcel.0) > 1);
        assert_eq!(kept.count(), 4);
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
