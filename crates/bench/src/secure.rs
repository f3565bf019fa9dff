//! The encrypted side of a [`crate::link::Link`]: a handshake by rustls, and then records of our own.
//!
//! rustls is fed whole records, one at a time, so that none is half inside it when the first content has come and its keys
//! are taken over ([`crate::records`]).

use crate::link::{LinkError, receive, receive_nothing};
use crate::records::Opener;
use crate::tls::{agreed, refusal};
use abanico_records::{HEAD_BYTES, Sealer};
use rustls::ClientConnection;
use socket2::Socket;
use std::io::{Read, Write};

/// How far it has come.
#[derive(Debug)]
pub(crate) enum Secure {
    /// Hands are being shaken: with what there is of the next record.
    Shaking(Box<ClientConnection>, Vec<u8>),
    /// Both have the keys.
    Agreed(Box<(Opener, Sealer)>),
    /// The handshake came to nothing.
    Failed,
}

impl Secure {
    /// Before the first byte. The first record goes to `sealed`.
    pub(crate) fn new(tls: ClientConnection, sealed: &mut Vec<u8>) -> Result<Self, LinkError> {
        let mut tls = Box::new(tls);
        write(&mut tls, sealed)?;
        Ok(Self::Shaking(tls, Vec::new()))
    }

    /// Encrypts what is to be said, as soon as that is possible.
    pub(crate) fn seal(&mut self, said: &[u8], sealed: &mut Vec<u8>) -> Result<(), LinkError> {
        match self {
            // It keeps what is said until hands are shaken.
            Self::Shaking(tls, _) => {
                tls.writer().write_all(said)?;
                write(tls, sealed)
            }
            Self::Agreed(agreed) => {
                agreed.1.append(said, sealed);
                Ok(())
            }
            Self::Failed => Err(LinkError::Closed),
        }
    }

    /// Reads what is there, up to `max` bytes of content. Says whether there may be more.
    pub(crate) fn read(
        &mut self,
        socket: &Socket,
        max: usize,
        content: &mut Vec<u8>,
        sealed: &mut Vec<u8>,
    ) -> Result<bool, LinkError> {
        if matches!(self, Self::Shaking(..)) {
            while self.shake(socket, content, sealed)? {
                if matches!(self, Self::Agreed(..)) {
                    return Ok(true);
                }
            }
            return Ok(false);
        }
        let opener = match self {
            Self::Shaking(..) => return Ok(false),
            Self::Agreed(agreed) => &mut agreed.0,
            Self::Failed => return Err(LinkError::Closed),
        };
        let wanted = opener.wanted(max);
        let mut raw = [0; 4096];
        let mut heap = Vec::new();
        let raw = if wanted > raw.len() {
            heap.resize(wanted, 0);
            &mut heap[..]
        } else {
            &mut raw[..wanted]
        };
        let Some(count) = receive(socket, raw)? else {
            return Ok(false);
        };
        opener.open(&raw[..count], content)?;
        Ok(count == wanted)
    }

    /// Reads up to `max` bytes of content for nothing. Says how many there were.
    pub(crate) fn discard(
        &mut self,
        socket: &Socket,
        scratch: &mut [u8],
        max: usize,
    ) -> Result<usize, LinkError> {
        let Self::Agreed(agreed) = self else {
            return Err(LinkError::Closed);
        };
        let opener = &mut agreed.0;
        let mut all = 0;
        while all < max {
            let (wanted, count) = if let Some(count) = opener.dispensable(max - all) {
                let wanted = count.min(scratch.len());
                (wanted, receive_nothing(socket, &mut scratch[..wanted])?)
            } else {
                let mut raw = [0; HEAD_BYTES];
                let wanted = opener.wanted(0);
                let count = receive(socket, &mut raw[..wanted])?;
                opener.open(&raw[..count.unwrap_or(0)], &mut Vec::new())?;
                if count == Some(wanted) {
                    continue;
                }
                (wanted, None)
            };
            let Some(count) = count else { break };
            all += opener.skip(count);
            if count < wanted {
                break;
            }
        }
        Ok(all)
    }

    fn shake(
        &mut self,
        socket: &Socket,
        content: &mut Vec<u8>,
        sealed: &mut Vec<u8>,
    ) -> Result<bool, LinkError> {
        let Self::Shaking(tls, record) = self else {
            return Ok(false);
        };
        let wanted = match record[..] {
            [_, _, _, high, low, ..] => HEAD_BYTES + usize::from(u16::from_be_bytes([high, low])),
            _ => HEAD_BYTES,
        };
        let have = record.len();
        record.resize(wanted, 0);
        let count = receive(socket, &mut record[have..]);
        let count = count.inspect_err(|_| record.truncate(have))?;
        record.truncate(have + count.unwrap_or(0));
        if record.len() < wanted || wanted == HEAD_BYTES {
            return Ok(count.is_some_and(|count| have + count == wanted));
        }
        let mut fed = &std::mem::take(record)[..];
        while !fed.is_empty() {
            tls.read_tls(&mut fed)?;
            let processed = tls.process_new_packets();
            write(tls, sealed)?;
            processed.map_err(|error| LinkError::Refused(refusal(&error)))?;
            // That there is nothing yet is no error here.
            let _ = tls.reader().read_to_end(content);
        }
        if content.is_empty() {
            return Ok(true);
        }
        if let Self::Shaking(tls, _) = std::mem::replace(self, Self::Failed) {
            *self = Self::Agreed(Box::new(agreed(tls.dangerous_extract_secrets())?));
        }
        Ok(true)
    }
}

/// Takes over what rustls has to say.
fn write(tls: &mut ClientConnection, sealed: &mut Vec<u8>) -> Result<(), LinkError> {
    while tls.wants_write() {
        tls.write_tls(sealed)?;
    }
    Ok(())
}
