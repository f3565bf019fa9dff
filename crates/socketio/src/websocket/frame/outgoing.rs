//! Frames that a server sends: whole, and not masked.

use bytes::Bytes;

/// What a server may put into a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outgoing {
    /// A whole text message.
    Text,
    /// A whole binary message.
    Binary,
    /// Asks for a pong.
    Ping,
    /// The answer to a ping.
    Pong,
    /// Goodbye.
    Close,
}

/// Longest header that [`header`] gives.
pub const SERVER_HEADER_BYTES_MAX: usize = 10;

/// The header of an unmasked, unfragmented frame: the bytes and how many of them count.
pub fn header(kind: Outgoing, len: usize) -> ([u8; SERVER_HEADER_BYTES_MAX], usize) {
    let mut header = [0; SERVER_HEADER_BYTES_MAX];
    header[0] = 0x80
        | match kind {
            Outgoing::Text => 1,
            Outgoing::Binary => 2,
            Outgoing::Close => 8,
            Outgoing::Ping => 9,
            Outgoing::Pong => 10,
        };
    if let Ok(short @ 0..=125) = u8::try_from(len) {
        header[1] = short;
        (header, 2)
    } else if let Ok(medium) = u16::try_from(len) {
        header[1] = 126;
        header[2..4].copy_from_slice(&medium.to_be_bytes());
        (header, 4)
    } else {
        header[1] = 127;
        header[2..].copy_from_slice(&(len as u64).to_be_bytes());
        (header, 10)
    }
}

/// A whole frame of a few bytes: a pong, a close.
pub fn small(kind: Outgoing, payload: &[u8]) -> Bytes {
    let (header, len) = header(kind, payload.len());
    [&header[..len], payload].concat().into()
}

/// A close frame with a code and a reason, which is cut to what fits.
pub fn close(code: u16, reason: &str) -> Bytes {
    let reason = &reason[..reason.floor_char_boundary(123)];
    small(
        Outgoing::Close,
        &[&code.to_be_bytes(), reason.as_bytes()].concat(),
    )
}
