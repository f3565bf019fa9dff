//! TLS 1.3 records with the keys of a finished handshake, of which only the bytes that somebody looks at are decrypted.
//!
//! A record says how long it is, so what nobody looks at need not be decrypted to know where it ends; and AES in GCM is a
//! counter, so a few bytes can be decrypted alone. What is read that way is not authenticated: a load tester meets nobody
//! but the server before it. Only TLS_AES_128_GCM_SHA256 is spoken, which browsers ask for first.

use crate::link::LinkError;
use abanico_records::{HEAD_BYTES, Nonces, TAG_BYTES};
use aws_lc_rs::cipher::{AES_128, DecryptingKey, DecryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use rustls::ConnectionTrafficSecrets;

/// What follows the content: its true type, and the tag.
const TAIL_BYTES: usize = 1 + TAG_BYTES;
const BLOCK_BYTES: usize = 16;
const APPLICATION_DATA: u8 = 23;
const ALERT: u8 = 21;

/// The key of one direction, and where its numbers begin, as a handshake leaves them.
fn keys(
    (number, secrets): (u64, ConnectionTrafficSecrets),
) -> Result<(Vec<u8>, Nonces), LinkError> {
    let ConnectionTrafficSecrets::Aes128Gcm { key, iv } = secrets else {
        return Err(LinkError::NoFrame);
    };
    let iv = iv.as_ref().try_into().map_err(|_| LinkError::NoFrame)?;
    Ok((key.as_ref().to_vec(), Nonces::new(iv, number)))
}

/// Where in a record we are.
#[derive(Debug, Clone, Copy)]
enum Part {
    /// In its head, of which so many bytes are known.
    Head([u8; HEAD_BYTES], usize),
    /// In its content: at this place, with so many bytes left.
    Content { at: usize, left: usize },
    /// In what follows, with so many bytes left.
    Tail(usize),
}

const BEGIN: Part = Part::Head([0; HEAD_BYTES], 0);

/// Reads records.
#[derive(Debug)]
pub(crate) struct Opener {
    key: DecryptingKey,
    nonces: Nonces,
    part: Part,
}

impl Opener {
    /// With what a handshake agreed for this direction.
    pub(crate) fn new(secrets: (u64, ConnectionTrafficSecrets)) -> Result<Self, LinkError> {
        let (key, nonces) = keys(secrets)?;
        Self::with(&key, nonces)
    }

    fn with(key: &[u8], nonces: Nonces) -> Result<Self, LinkError> {
        let key = UnboundCipherKey::new(&AES_128, key).and_then(DecryptingKey::ctr);
        Ok(Self {
            key: key.map_err(|_| LinkError::NoFrame)?,
            nonces,
            part: BEGIN,
        })
    }

    /// Bytes of the socket that bring no more than `content` bytes, and at least something.
    pub(crate) fn wanted(&self, content: usize) -> usize {
        match self.part {
            Part::Head(_, have) => HEAD_BYTES - have + content,
            Part::Content { left, .. } if left > content => content,
            Part::Content { left, .. } => left + TAIL_BYTES,
            Part::Tail(left) => left,
        }
    }

    /// Bytes of the socket that may be thrown away to be rid of `content` bytes. `None` if its next bytes are needed.
    pub(crate) fn dispensable(&self, content: usize) -> Option<usize> {
        match self.part {
            Part::Head(..) => None,
            Part::Content { left, .. } if left > content => Some(content),
            Part::Content { left, .. } => Some(left + TAIL_BYTES),
            Part::Tail(left) => Some(left),
        }
    }

    /// So many bytes were thrown away, no more than are dispensable. Returns how much content that was.
    pub(crate) fn skip(&mut self, count: usize) -> usize {
        let (content, tail) = match self.part {
            Part::Head(..) => (0, 0),
            Part::Content { at, left } if count < left => {
                let (at, left) = (at + count, left - count);
                self.part = Part::Content { at, left };
                return count;
            }
            Part::Content { left, .. } => (left, TAIL_BYTES - (count - left)),
            Part::Tail(left) => (0, left - count),
        };
        self.part = if tail > 0 { Part::Tail(tail) } else { BEGIN };
        content
    }

    /// Takes bytes of the socket, and appends what they say.
    pub(crate) fn open(&mut self, mut raw: &[u8], out: &mut Vec<u8>) -> Result<(), LinkError> {
        while !raw.is_empty() {
            match &mut self.part {
                Part::Head(head, have) => {
                    let count = raw.len().min(HEAD_BYTES - *have);
                    head[*have..*have + count].copy_from_slice(&raw[..count]);
                    *have += count;
                    raw = &raw[count..];
                    if *have == HEAD_BYTES {
                        let head = *head;
                        raw = &raw[self.begin(head, raw)?..];
                    }
                }
                Part::Content { at, left } => {
                    let count = raw.len().min(*left);
                    let at = *at;
                    self.decrypt(at, &raw[..count], out)?;
                    self.skip(count);
                    raw = &raw[count..];
                }
                Part::Tail(left) => {
                    let count = raw.len().min(*left);
                    self.skip(count);
                    raw = &raw[count..];
                }
            }
        }
        Ok(())
    }

    /// A head is complete; `raw` follows it. Returns how much of that is nothing to anybody.
    fn begin(&mut self, head: [u8; HEAD_BYTES], raw: &[u8]) -> Result<usize, LinkError> {
        let [kind, _, _, high, low] = head;
        let len = usize::from(u16::from_be_bytes([high, low]));
        let content = len.checked_sub(TAIL_BYTES);
        let Some(left) = content.filter(|_| kind == APPLICATION_DATA) else {
            return Err(LinkError::NoFrame);
        };
        self.nonces.take();
        self.part = Part::Content { at: 0, left };
        // What is not media is short, and comes in one piece.
        if raw.len() < len {
            return Ok(0);
        }
        let mut kind = Vec::with_capacity(BLOCK_BYTES);
        self.decrypt(left, &raw[left..=left], &mut kind)?;
        match kind[..] {
            [APPLICATION_DATA] => Ok(0),
            [ALERT] => Err(LinkError::Closed),
            _ => {
                self.part = BEGIN;
                Ok(len)
            }
        }
    }

    /// Appends what `sealed` says, which stands at a place of the record's content.
    fn decrypt(&self, at: usize, sealed: &[u8], out: &mut Vec<u8>) -> Result<(), LinkError> {
        let mut counter = [0; BLOCK_BYTES];
        counter[..12].copy_from_slice(&self.nonces.of(self.nonces.number() - 1));
        // The first block makes the tag.
        let block = u32::try_from(at / BLOCK_BYTES + 2).map_err(|_| LinkError::NoFrame)?;
        counter[12..].copy_from_slice(&block.to_be_bytes());
        let (begin, before) = (out.len(), at % BLOCK_BYTES);
        out.resize(begin + before, 0);
        out.extend_from_slice(sealed);
        let context = DecryptionContext::Iv128(FixedLength::from(counter));
        self.key
            .decrypt(&mut out[begin..], context)
            .map_err(|_| LinkError::NoFrame)?;
        out.drain(begin..begin + before);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use abanico_records::Sealer;
    use rustls::ContentType;

    const KEY: [u8; 16] = [7; 16];

    fn nonces() -> Nonces {
        Nonces::new([9; 12], 3)
    }

    fn content() -> Vec<u8> {
        (0..40_000u32).map(|n| n.to_le_bytes()[0]).collect()
    }

    fn sealed() -> Vec<u8> {
        let mut out = Vec::new();
        let mut sealer = Sealer::aes_128(&KEY, nonces());
        sealer.append(&content(), &mut out);
        sealer.append(b"more", &mut out);
        out
    }

    #[test]
    fn what_was_sealed_is_opened_however_it_is_cut() {
        let (sealed, content) = (sealed(), content());
        for part in [1, 7, 1000, sealed.len()] {
            let mut opener = Opener::with(&KEY, nonces()).unwrap();
            let mut out = Vec::new();
            for part in sealed.chunks(part) {
                opener.open(part, &mut out).unwrap();
            }
            assert_eq!(out[..content.len()], content, "in parts of {part}");
            assert_eq!(&out[content.len()..], b"more");
        }
    }

    #[test]
    fn what_is_thrown_away_is_counted_and_the_rest_is_read() {
        let (sealed, content) = (sealed(), content());
        let mut opener = Opener::with(&KEY, nonces()).unwrap();
        let (mut at, mut out, mut skipped) = (opener.wanted(100), Vec::new(), 0);
        opener.open(&sealed[..at], &mut out).unwrap();
        assert_eq!(out, content[..100]);
        while skipped < 39_000 {
            if let Some(count) = opener.dispensable(39_000 - skipped) {
                skipped += opener.skip(count);
                at += count;
            } else {
                opener.open(&sealed[at..at + 5], &mut out).unwrap();
                at += 5;
            }
        }
        opener.open(&sealed[at..], &mut out).unwrap();
        assert_eq!(out[100..1000], content[39_100..]);
        assert_eq!(&out[1000..], b"more");
    }

    #[test]
    fn a_goodbye_is_the_end_and_no_content() {
        let mut goodbye = Vec::new();
        Sealer::aes_128(&KEY, nonces()).say(ContentType::Alert, &[1, 0], &mut goodbye);
        let mut opener = Opener::with(&KEY, nonces()).unwrap();
        let closed = opener.open(&goodbye, &mut Vec::new()).unwrap_err();
        assert!(matches!(closed, LinkError::Closed), "{closed}");
    }
}
