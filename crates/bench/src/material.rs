//! What is published: made-up pictures that carry their own number and time, or pieces of a recording.
//!
//! A picture begins with a comment in which [`Stamp`] stands, so that a viewer needs the first bytes of a message only.
//! The frame around it is built once; for each sending the stamp alone is written anew.

use crate::content::{PART_TAIL, part_head};
use crate::door::Door;
use crate::native;
use crate::way::Way;
use crate::words::{self, opcode};
use base64_simd::STANDARD;

/// Which picture this is, and when it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Counted from 0 in each stream.
    pub(crate) number: u64,
    /// On the clock of [`crate::machine::now_us`].
    pub(crate) sent_us: u64,
}

/// Start of image, and a comment of the stamp's length.
const BEGINNING: [u8; 6] = [0xff, 0xd8, 0xff, 0xfe, 0x00, 0x1a];
/// [`BEGINNING`] in base64: six bytes are eight characters, so the stamp begins a group of its own.
const BEGINNING_TEXT: &[u8] = b"/9j//gAa";
const STAMP_BYTES: usize = 24;
const STAMP_CHARS: usize = 32;
const MAGIC: [u8; 8] = *b"abanico\n";
/// A frame header that says 640 × 480, grey: how large a picture is must be known to be passed on over some doors.
const DIMENSIONS: [u8; 13] = [
    0xff, 0xc0, 0x00, 0x0b, 0x08, 0x01, 0xe0, 0x02, 0x80, 0x01, 0x01, 0x11, 0x00,
];
/// The smallest picture that can be made.
pub(crate) const PICTURE_BYTES_MIN: usize = 64;
/// The mask of everything that our clients send. It guards against proxies, and there is none on this machine.
const MASK: [u8; 4] = [0x5a, 0xc3, 0x17, 0xe9];

impl Stamp {
    fn bytes(self) -> [u8; STAMP_BYTES] {
        let mut bytes = [0; STAMP_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..16].copy_from_slice(&self.number.to_be_bytes());
        bytes[16..].copy_from_slice(&self.sent_us.to_be_bytes());
        bytes
    }

    /// Reads what begins with a stamp.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (magic, rest) = bytes.split_first_chunk::<8>()?;
        let (number, rest) = rest.split_first_chunk::<8>()?;
        let (sent_us, _) = rest.split_first_chunk::<8>()?;
        (*magic == MAGIC).then(|| Self {
            number: u64::from_be_bytes(*number),
            sent_us: u64::from_be_bytes(*sent_us),
        })
    }

    /// Reads the stamp of a picture that is an attachment.
    pub(crate) fn of_binary(head: &[u8]) -> Option<Self> {
        Self::from_bytes(head.strip_prefix(&BEGINNING)?)
    }

    /// Finds the stamp of a picture that is base64 somewhere in a text.
    pub(crate) fn of_text(head: &[u8]) -> Option<Self> {
        let at = memchr::memmem::find(head, BEGINNING_TEXT)? + BEGINNING_TEXT.len();
        let mut bytes = [0; STAMP_BYTES];
        let chars = head.get(at..at + STAMP_CHARS)?;
        STANDARD
            .decode(chars, base64_simd::Out::from_slice(&mut bytes))
            .ok()?;
        Self::from_bytes(&bytes)
    }
}

/// A JPEG of nothing but its size and comments: recognised as a picture by its first bytes, ended as one by its last.
fn picture(size: usize) -> Vec<u8> {
    const COMMENT_BYTES_MAX: usize = 65_000;
    let size = size.max(PICTURE_BYTES_MIN);
    let mut picture = Vec::with_capacity(size);
    picture.extend_from_slice(&BEGINNING);
    picture.extend_from_slice(&[0; STAMP_BYTES]);
    picture.extend_from_slice(&DIMENSIONS);
    let mut noise = noise();
    while picture.len() + 2 < size {
        // A comment is at least its marker and its length; what is too little for one more goes into this.
        let rest = size - 2 - picture.len();
        if rest < 4 {
            picture.resize(size - 2, 0xff);
            break;
        }
        let part = if rest > COMMENT_BYTES_MAX + 4 {
            COMMENT_BYTES_MAX
        } else {
            rest
        };
        let len = u16::try_from(part - 2).expect("a comment is shorter than 64 KiB");
        picture.extend_from_slice(&[0xff, 0xfe]);
        picture.extend_from_slice(&len.to_be_bytes());
        picture.extend(noise.by_ref().take(part - 4));
    }
    picture.extend_from_slice(&[0xff, 0xd9]);
    picture
}

/// Bytes without end that nothing makes shorter, always the same.
pub(crate) fn noise() -> impl Iterator<Item = u8> {
    let mut noise = 0x2545_f491_4f6c_dd1du64;
    std::iter::repeat_with(move || {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        noise.to_be_bytes()[0]
    })
}

/// One message in the bytes of the wire, with a place for the stamp.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    bytes: Vec<u8>,
    stamp_at: usize,
    stamp_is_text: bool,
    /// Where the time stands as a number of microseconds, in a header of the native door.
    timestamp_at: Option<usize>,
    /// What is masked begins here, and is xored with this.
    payload_at: usize,
    mask: [u8; 4],
}

impl Template {
    /// What a publisher sends: a picture of `size` bytes for the stream `key`; as bytes rather than as text if `binary`.
    pub(crate) fn published(way: Way, key: &str, size: usize, binary: bool) -> Self {
        match way {
            Way::SocketIo => {
                let head = format!(r#"["stream:data:send",{{"streamKey":"{key}","data":"#);
                Self::build(&head, "}]", size, binary, Some(MASK))
            }
            Way::Native => {
                let head = native::frame_head(true);
                Self::framed_to_publish(&head, &picture(size), BEGINNING.len())
            }
            Way::Http => {
                let picture = picture(size);
                let part = [part_head(size).as_bytes(), &picture, PART_TAIL].concat();
                let picture_at = part.len() - PART_TAIL.len() - picture.len();
                let mut bytes = Vec::new();
                let part_at = chunk(&mut bytes, &part);
                Self::plain(bytes, part_at + picture_at)
            }
        }
    }

    /// What a server sends to a viewer over a door, in the same number of bytes as ours does.
    pub(crate) fn delivered(key: &str, size: usize, door: Door) -> Self {
        match door {
            Door::SocketIo | Door::SocketIoBinary | Door::Polling => {
                let head = format!(r#"["stream:data",{{"streamKey":"{key}","data":"#);
                let tail = r#","timestamp":1767225600000}]"#;
                Self::build(&head, tail, size, door.is_binary(), None)
            }
            Door::Native => {
                let head = native::frame_head(true);
                Self::framed(&head, &picture(size), BEGINNING.len(), None)
            }
            Door::Http | Door::Webm | Door::Mp4 | Door::Whep => {
                let picture = picture(size);
                let mut bytes = part_head(picture.len()).into_bytes();
                let picture_at = bytes.len();
                bytes.extend_from_slice(&picture);
                bytes.extend_from_slice(PART_TAIL);
                Self::plain(bytes, picture_at)
            }
        }
    }

    /// With a picture as it is at a place.
    fn plain(bytes: Vec<u8>, picture_at: usize) -> Self {
        Self {
            bytes,
            stamp_at: picture_at + BEGINNING.len(),
            stamp_is_text: false,
            timestamp_at: None,
            payload_at: 0,
            mask: [0; 4],
        }
    }

    /// What a publisher sends over the native door: a frame whose stamp stands at a place, and its header.
    pub(crate) fn framed_to_publish(head: &[u8], frame: &[u8], stamp_at: usize) -> Self {
        let mut template = Self::framed(head, frame, stamp_at, Some(MASK));
        template.timestamp_at = Some(template.payload_at + native::TIMESTAMP_AT);
        template
    }

    fn framed(head: &[u8], frame: &[u8], stamp_at: usize, mask: Option<[u8; 4]>) -> Self {
        let payload = [head, frame].concat();
        let mut bytes = Vec::new();
        let payload_at = words::frame(&mut bytes, opcode::BINARY, &payload, mask);
        Self {
            bytes,
            stamp_at: payload_at + head.len() + stamp_at,
            stamp_is_text: false,
            timestamp_at: None,
            payload_at,
            mask: mask.unwrap_or_default(),
        }
    }

    fn build(head: &str, tail: &str, size: usize, binary: bool, mask: Option<[u8; 4]>) -> Self {
        let picture = picture(size);
        let mut bytes = Vec::new();
        let (payload_at, stamp_at) = if binary {
            let text = format!(r#"451-{head}{{"_placeholder":true,"num":0}}{tail}"#);
            words::frame(&mut bytes, opcode::TEXT, text.as_bytes(), mask);
            let payload_at = words::frame(&mut bytes, opcode::BINARY, &picture, mask);
            (payload_at, payload_at + BEGINNING.len())
        } else {
            let data = format!(r#"42{head}"data:image/jpeg;base64,"#);
            let picture = STANDARD.encode_to_string(&picture);
            let text = format!(r#"{data}{picture}"{tail}"#);
            let payload_at = words::frame(&mut bytes, opcode::TEXT, text.as_bytes(), mask);
            (payload_at, payload_at + data.len() + BEGINNING_TEXT.len())
        };
        Self {
            bytes,
            stamp_at,
            stamp_is_text: !binary,
            timestamp_at: None,
            payload_at,
            mask: mask.unwrap_or_default(),
        }
    }

    /// The message as it goes out now.
    pub(crate) fn stamped(&mut self, stamp: Stamp) -> &[u8] {
        let plain = stamp.bytes();
        let mut text = [0; STAMP_CHARS];
        let written: &[u8] = if self.stamp_is_text {
            STANDARD.encode(&plain, base64_simd::Out::from_slice(&mut text))
        } else {
            &plain
        };
        self.put(self.stamp_at, written);
        if let Some(at) = self.timestamp_at {
            self.put(at, &stamp.sent_us.to_be_bytes());
        }
        &self.bytes
    }

    fn put(&mut self, at: usize, written: &[u8]) {
        let place = &mut self.bytes[at..at + written.len()];
        for (at, (to, from)) in (at - self.payload_at..).zip(place.iter_mut().zip(written)) {
            *to = from ^ self.mask[at % 4];
        }
    }
}

/// Appends a chunk of an HTTP body. Returns where its data begin.
pub(crate) fn chunk(out: &mut Vec<u8>, data: &[u8]) -> usize {
    out.extend_from_slice(format!("{:x}\r\n", data.len()).as_bytes());
    let begin = out.len();
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
    begin
}

/// A piece of a recording in the bytes of the wire. Its number travels in `captured_at`.
pub(crate) fn piece(key: &str, bytes: &[u8], captured_at: u64, binary: bool) -> Vec<u8> {
    let head = format!(r#"["stream:data:send",{{"streamKey":"{key}","data":"#);
    let tail = format!(r#","capturedAt":{captured_at}}}]"#);
    let mut out = Vec::new();
    if binary {
        let text = format!(r#"451-{head}{{"_placeholder":true,"num":0}}{tail}"#);
        words::frame(&mut out, opcode::TEXT, text.as_bytes(), Some(MASK));
        words::frame(&mut out, opcode::BINARY, bytes, Some(MASK));
    } else {
        let data = STANDARD.encode_to_string(bytes);
        let text = format!(r#"42{head}"data:video/webm;base64,{data}"{tail}"#);
        words::frame(&mut out, opcode::TEXT, text.as_bytes(), Some(MASK));
    }
    out
}

/// The number in `capturedAt` of a message whose end this is.
pub(crate) fn captured_at(tail: &[u8]) -> Option<u64> {
    const NAME: &[u8] = br#""capturedAt":"#;
    let at = memchr::memmem::rfind(tail, NAME)? + NAME.len();
    let digits = tail[at..].iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(None, |number, digit| {
        number
            .unwrap_or(0u64)
            .checked_mul(10)?
            .checked_add(u64::from(digit - b'0'))
            .map(Some)
            .unwrap_or_default()
    })
}

/// Appends a small text message as a client sends it.
pub(crate) fn say(out: &mut Vec<u8>, text: &str) {
    words::frame(out, opcode::TEXT, text.as_bytes(), Some(MASK));
}

/// Appends the answer to a ping of the WebSocket.
pub(crate) fn answer_ping(out: &mut Vec<u8>, payload: &[u8]) {
    words::frame(out, opcode::PONG, payload, Some(MASK));
}

/// Appends a text in fragments of one byte each.
pub(crate) fn say_in_bytes(out: &mut Vec<u8>, text: &str) {
    for (at, byte) in text.bytes().enumerate() {
        let opcode = if at == 0 {
            opcode::TEXT
        } else {
            opcode::CONTINUATION
        };
        let is_last = at + 1 == text.len();
        let begin = out.len();
        words::frame(out, opcode, &[byte], Some(MASK));
        if !is_last {
            out[begin] &= !opcode::FINAL;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use abanico_media::jpeg;

    /// The payload of the last frame in `bytes`, unmasked.
    fn payload(bytes: &[u8], len: usize, masked: bool) -> Vec<u8> {
        let mut payload = bytes[bytes.len() - len..].to_vec();
        if masked {
            for (at, byte) in payload.iter_mut().enumerate() {
                *byte ^= MASK[at % 4];
            }
        }
        payload
    }

    #[test]
    fn the_stamp_is_found_in_text_and_in_bytes_masked_or_not() {
        let stamp = Stamp {
            number: 7,
            sent_us: 1_234_567,
        };
        for key in ["k", "key", "a-longer-key"] {
            let mut text = Template::published(Way::SocketIo, key, 3_000, false);
            // A client's header of a message of this length has eight bytes.
            let text = text.stamped(stamp);
            let text = payload(text, text.len() - 8, true);
            assert!(text.starts_with(b"42[\"stream:data:send\""));
            assert_eq!(Stamp::of_text(&text), Some(stamp));

            let mut binary = Template::published(Way::SocketIo, key, 3_000, true);
            let binary = payload(binary.stamped(stamp), 3_000, true);
            assert_eq!(Stamp::of_binary(&binary), Some(stamp));

            for door in [Door::SocketIoBinary, Door::Native] {
                let mut delivered = Template::delivered(key, 3_000, door);
                let delivered = payload(delivered.stamped(stamp), 3_000, false);
                assert_eq!(Stamp::of_binary(&delivered), Some(stamp), "{door:?}");
            }
        }
        assert_eq!(Stamp::of_text(b"no picture at all"), None);
    }

    #[test]
    fn what_is_published_is_a_frame_of_its_door() {
        let stamp = Stamp {
            number: 7,
            sent_us: 0x0102_0304_0506,
        };
        let mut native = Template::published(Way::Native, "key", 3_000, true);
        let frame = payload(native.stamped(stamp), 28 + 3_000, true);
        let timestamp = frame[native::TIMESTAMP_AT..][..8].try_into().unwrap();
        assert_eq!(u64::from_be_bytes(timestamp), stamp.sent_us);
        assert_eq!(Stamp::of_binary(&frame[28..]), Some(stamp));
        assert_eq!(frame[28..].len(), 3_000);

        let mut http = Template::published(Way::Http, "key", 3_000, true);
        let chunk = http.stamped(stamp);
        let (size, part) = chunk.split_at(memchr::memmem::find(chunk, b"\r\n").unwrap() + 2);
        let part = part.strip_suffix(b"\r\n").unwrap();
        assert_eq!(size, format!("{:x}\r\n", part.len()).as_bytes());
        let part = part.strip_suffix(PART_TAIL).unwrap();
        let picture = part.strip_prefix(part_head(3_000).as_bytes()).unwrap();
        assert_eq!(Stamp::of_binary(picture), Some(stamp));
        assert_eq!(picture.len(), 3_000);
    }

    #[test]
    fn a_picture_has_the_size_that_was_asked_for_and_ends_as_a_jpeg() {
        for size in [64, 65, 66, 67, 70, 30_000, 65_037, 65_038, 65_041, 200_000] {
            let picture = picture(size);
            assert_eq!(picture.len(), size);
            assert!(picture.starts_with(&BEGINNING) && picture.ends_with(&[0xff, 0xd9]));
            let size = jpeg::dimensions(&picture).unwrap();
            assert_eq!((size.width, size.height), (640, 480));
        }
    }

    #[test]
    fn the_number_of_a_piece_stands_at_the_end_of_its_message() {
        let tail = br#"AAAA","timestamp":1767225600000,"capturedAt":1767225600042}]"#;
        assert_eq!(captured_at(tail), Some(1_767_225_600_042));
        assert_eq!(captured_at(b"none here"), None);
    }

    #[test]
    fn fragments_carry_one_byte_each_and_the_last_is_final() {
        let mut out = Vec::new();
        say_in_bytes(&mut out, "42[]");
        let frames: Vec<_> = out.chunks(7).map(|frame| frame[0]).collect();
        assert_eq!(frames, [0x01, 0x00, 0x00, 0x80]);
    }
}
