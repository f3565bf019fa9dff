//! The header of a client's frame (RFC 6455, 5.2).

use super::FrameError;

/// Longest header of a client's frame: two bytes, a length of eight, a mask of four.
pub(super) const HEADER_BYTES_MAX: usize = 14;

#[derive(Debug)]
pub(super) struct Frame {
    pub(super) last: bool,
    pub(super) opcode: Opcode,
    /// Its highest byte is for the next byte of the payload.
    pub(super) mask: u32,
    /// Bytes of the payload that have not come.
    pub(super) remaining: u64,
}

impl Frame {
    /// Reads a whole header, of the length that [`header_len`] gave.
    pub(super) fn parse(header: &[u8]) -> Result<Self, FrameError> {
        let opcode = Opcode::parse(header[0] & 0x0f)?;
        let last = header[0] & 0x80 != 0;
        let (length, mask) = header[2..].split_at(header.len() - 2 - 4);
        let remaining = match length {
            [] => u64::from(header[1] & 0x7f),
            _ => length
                .iter()
                .fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
        };
        if remaining >> 63 != 0 {
            return Err(FrameError::Length);
        }
        if opcode.is_control() {
            if !last {
                return Err(FrameError::FragmentedControl);
            }
            if remaining > 125 {
                return Err(FrameError::LongControl(remaining));
            }
        }
        let mask = u32::from_be_bytes(mask.try_into().expect("a mask has four bytes"));
        Ok(Self {
            last,
            opcode,
            mask,
            remaining,
        })
    }
}

/// Bytes that the header beginning with `have` takes; what is wrong with its first two bytes is found at once.
pub(super) fn header_len(have: &[u8]) -> Result<usize, FrameError> {
    if let Some(first) = have.first() {
        if first & 0x70 != 0 {
            return Err(FrameError::ReservedBits);
        }
        Opcode::parse(first & 0x0f)?;
    }
    match have.get(1) {
        None => Ok(2),
        Some(second) if second & 0x80 == 0 => Err(FrameError::Unmasked),
        Some(second) => Ok(match second & 0x7f {
            126 => 2 + 2 + 4,
            127 => 2 + 8 + 4,
            _ => 2 + 4,
        }),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    fn parse(bits: u8) -> Result<Self, FrameError> {
        match bits {
            0 => Ok(Self::Continuation),
            1 => Ok(Self::Text),
            2 => Ok(Self::Binary),
            8 => Ok(Self::Close),
            9 => Ok(Self::Ping),
            10 => Ok(Self::Pong),
            _ => Err(FrameError::Opcode(bits)),
        }
    }

    pub(super) fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}
