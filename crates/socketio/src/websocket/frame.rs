//! WebSocket frames: a push decoder for what clients send, and what servers send.
//!
//! Pure: bytes in, messages out. The caller brings the bytes in pieces cut anywhere and answers pings and closes.
//!
//! Invariant: a message that is too large is refused from a frame's header, before any of that frame is kept.

mod error;
mod header;
mod outgoing;

use bytes::Bytes;
use bytestring::ByteString;

pub use error::{FrameError, code};
use header::{Frame, HEADER_BYTES_MAX, Opcode, header_len};
pub use outgoing::{Outgoing, SERVER_HEADER_BYTES_MAX, close, header, small};

/// What a client sent: a whole data message, or a control frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// A text message.
    Text(ByteString),
    /// A binary message.
    Binary(Bytes),
    /// A ping, to be answered with a pong of the same bytes.
    Ping(Bytes),
    /// A pong.
    Pong(Bytes),
    /// The client says goodbye; nothing after it counts.
    Close {
        /// Its code, if it gave one.
        code: Option<u16>,
    },
}

/// Bounds of one connection.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most bytes of one message, over all its frames.
    pub message_bytes_max: usize,
    /// Most frames of one message.
    pub fragments_max: usize,
}

/// Takes what a client sends, cut anywhere.
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    header: [u8; HEADER_BYTES_MAX],
    header_len: u8,
    frame: Option<Frame>,
    message: Option<Fragments>,
    control: Vec<u8>,
    /// Bytes of the message before this one: for so many there is room at once.
    before: usize,
}

impl Decoder {
    /// A decoder at the beginning of a connection.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            header: [0; HEADER_BYTES_MAX],
            header_len: 0,
            frame: None,
            message: None,
            control: Vec::new(),
            before: 0,
        }
    }

    /// Bounds messages otherwise from the next frame on.
    pub(crate) fn limit(&mut self, message_bytes_max: usize) {
        self.limits.message_bytes_max = message_bytes_max;
    }

    /// Takes bytes off the front of `input` until something is whole. `None` means that all was taken and that more is
    /// needed. After an error the decoder must not be used again.
    pub fn decode(&mut self, input: &mut &[u8]) -> Result<Option<Incoming>, FrameError> {
        loop {
            if self.frame.is_none() {
                let Some(frame) = self.take_header(input)? else {
                    return Ok(None);
                };
                self.open(&frame)?;
                self.frame = Some(frame);
            }
            if !self.take_payload(input) {
                return Ok(None);
            }
            let frame = self.frame.take().expect("a frame was opened above");
            if let Some(incoming) = self.close(&frame)? {
                return Ok(Some(incoming));
            }
        }
    }

    /// Bytes that are kept for a message that is not whole, if one has begun.
    pub(crate) fn unfinished(&self) -> Option<usize> {
        let message = self.message.as_ref()?;
        Some(message.payload.capacity())
    }

    /// Lets go of the message that is not whole. The decoder must not be used again.
    pub(crate) fn forget(&mut self) {
        self.message = None;
    }

    fn take_header(&mut self, input: &mut &[u8]) -> Result<Option<Frame>, FrameError> {
        loop {
            let have = usize::from(self.header_len);
            let need = header_len(&self.header[..have])?;
            if have == need {
                self.header_len = 0;
                return Ok(Some(Frame::parse(&self.header[..need])?));
            }
            let count = (need - have).min(input.len());
            if count == 0 {
                return Ok(None);
            }
            let (taken, rest) = input.split_at(count);
            self.header[have..have + count].copy_from_slice(taken);
            self.header_len = u8::try_from(have + count).expect("a header has at most 14 bytes");
            *input = rest;
        }
    }

    /// Checks a frame against what came before it, and makes its message ready.
    fn open(&mut self, frame: &Frame) -> Result<(), FrameError> {
        let kind = match frame.opcode {
            Opcode::Ping | Opcode::Pong | Opcode::Close => return Ok(()),
            Opcode::Continuation if self.message.is_none() => {
                return Err(FrameError::StrayContinuation);
            }
            Opcode::Continuation => None,
            Opcode::Text | Opcode::Binary if self.message.is_some() => {
                return Err(FrameError::Interleaved);
            }
            Opcode::Text => Some(Kind::Text),
            Opcode::Binary => Some(Kind::Binary),
        };
        let message = match kind {
            Some(kind) => self.message.insert(Fragments {
                kind,
                payload: Vec::new(),
                count: 0,
            }),
            None => self
                .message
                .as_mut()
                .expect("a continuation without a message is refused above"),
        };
        let max = self.limits.message_bytes_max;
        if frame.remaining > max.saturating_sub(message.payload.len()) as u64 {
            return Err(FrameError::TooLarge { max });
        }
        message.count += 1;
        if message.count > self.limits.fragments_max {
            return Err(FrameError::TooManyFragments {
                max: self.limits.fragments_max,
            });
        }
        Ok(())
    }

    /// Whether the frame is whole now.
    fn take_payload(&mut self, input: &mut &[u8]) -> bool {
        let frame = self.frame.as_mut().expect("only called with an open frame");
        let available = input
            .len()
            .min(usize::try_from(frame.remaining).unwrap_or(usize::MAX));
        let (taken, rest) = input.split_at(available);
        *input = rest;
        let target = match (&mut self.message, frame.opcode.is_control()) {
            (Some(message), false) => &mut message.payload,
            _ => &mut self.control,
        };
        let ahead = GROW_BYTES.max(self.before);
        reserve(target, available, frame.remaining, ahead);
        let from = target.len();
        target.extend_from_slice(taken);
        unmask(&mut target[from..], frame.mask);
        frame.mask = frame
            .mask
            .rotate_left(8 * u32::try_from(available % 4).expect("below four"));
        frame.remaining -= available as u64;
        frame.remaining == 0
    }

    fn close(&mut self, frame: &Frame) -> Result<Option<Incoming>, FrameError> {
        if frame.opcode.is_control() {
            let payload = std::mem::take(&mut self.control);
            return match frame.opcode {
                Opcode::Ping => Ok(Some(Incoming::Ping(payload.into()))),
                Opcode::Pong => Ok(Some(Incoming::Pong(payload.into()))),
                _ => Ok(Some(Incoming::Close {
                    code: close_code(&payload)?,
                })),
            };
        }
        if !frame.last {
            return Ok(None);
        }
        let message = self.message.take().expect("a data frame has a message");
        self.before = message.payload.len();
        match message.kind {
            Kind::Binary => Ok(Some(Incoming::Binary(message.payload.into()))),
            Kind::Text => match String::from_utf8(message.payload) {
                Ok(text) => Ok(Some(Incoming::Text(text.into()))),
                Err(_) => Err(FrameError::Utf8),
            },
        }
    }
}

/// How far the payload's buffer grows ahead of what has arrived, unless the message before was longer. A client that
/// announces much and sends nothing costs no more than this.
const GROW_BYTES: usize = 64 * 1024;

#[derive(Debug, Clone, Copy)]
enum Kind {
    Text,
    Binary,
}

/// A message whose last frame is not there yet.
#[derive(Debug)]
struct Fragments {
    kind: Kind,
    payload: Vec<u8>,
    count: usize,
}

/// Makes room for what arrived and, `ahead` of it, for part of what is announced.
fn reserve(target: &mut Vec<u8>, arrived: usize, announced: u64, ahead: usize) {
    if target.capacity() - target.len() < arrived {
        let announced = usize::try_from(announced).unwrap_or(usize::MAX);
        let ahead = target.len().max(ahead).max(arrived);
        target.reserve_exact(announced.min(ahead));
    }
}

/// `mask` begins with the byte for the first byte of `payload`.
fn unmask(payload: &mut [u8], mask: u32) {
    let mask = mask.to_be_bytes();
    let wide: [u8; 16] = std::array::from_fn(|index| mask[index % 4]);
    let mut chunks = payload.chunks_exact_mut(16);
    for chunk in &mut chunks {
        for (byte, key) in chunk.iter_mut().zip(wide) {
            *byte ^= key;
        }
    }
    for (byte, key) in chunks.into_remainder().iter_mut().zip(wide) {
        *byte ^= key;
    }
}

fn close_code(payload: &[u8]) -> Result<Option<u16>, FrameError> {
    match payload {
        [] => Ok(None),
        [_] => Err(FrameError::Close),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            let allowed = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
            if allowed && std::str::from_utf8(reason).is_ok() {
                Ok(Some(code))
            } else {
                Err(FrameError::Close)
            }
        }
    }
}

#[cfg(test)]
mod tests;
