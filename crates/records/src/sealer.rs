//! Makes records.

use crate::key::{Form, Key, Nonces, Unsupported};
use crate::{CONTENT_BYTES_MAX, HEAD_BYTES, TAG_BYTES};
use aws_lc_rs::aead::{Aad, Nonce};
use rustls::{ConnectionTrafficSecrets, ContentType, ProtocolVersion};
use std::io::IoSlice;

/// What a record has beside its content, at most.
pub const OVERHEAD_BYTES_MAX: usize = HEAD_BYTES + 8 + TAG_BYTES;

/// Records of a key that are kept for saying that it is renewed, or that this is the end.
const FAREWELL_RECORDS: u64 = 4;

/// What follows a long slice goes into its record without a copy of the slice if it is no longer than this.
const TAIL_BYTES_MAX: usize = 256;

/// Makes the records of one direction.
#[derive(Debug)]
pub struct Sealer(Key);

impl Sealer {
    /// With what a handshake agreed for this direction, and the number of the next record.
    pub fn new(
        version: ProtocolVersion,
        secrets: (u64, ConnectionTrafficSecrets),
    ) -> Result<Self, Unsupported> {
        Key::new(version, secrets).map(Self)
    }

    /// With a key for TLS 1.3 and AES-128 in GCM.
    pub fn aes_128(key: &[u8; 16], nonces: Nonces) -> Self {
        Self(Key::aes_128(key, nonces))
    }

    /// Whether the key was used for as many records as it may be: it is to be renewed, or nothing more is said.
    pub fn is_worn(&self) -> bool {
        self.0.nonces.number() >= self.0.records_max - FAREWELL_RECORDS
    }

    /// Has it be worn after so many records more, if not earlier.
    pub fn wear_after(&mut self, records: u64) {
        let key = &mut self.0;
        let max = key.nonces.number().saturating_add(records);
        key.records_max = key.records_max.min(max.saturating_add(FAREWELL_RECORDS));
    }

    /// Bytes of the records for so much content in one piece, at most.
    pub fn sealed_bytes(content: usize) -> usize {
        content + content.div_ceil(CONTENT_BYTES_MAX) * OVERHEAD_BYTES_MAX
    }

    /// Writes records for what is in `slices` from a place on to the front of `out`: as much as it has room for and the key is
    /// good for. Says how much content that was, and how many bytes of `out` it takes.
    ///
    /// Content is encrypted straight from its slice, but for short slices that share a record.
    pub fn seal(&mut self, slices: &[IoSlice<'_>], from: usize, out: &mut [u8]) -> (usize, usize) {
        let mut rest = Rest::new(slices, from);
        let all = bytes_of(slices).saturating_sub(from);
        let (mut taken, mut written) = (0, 0);
        while taken < all && !self.is_worn() {
            let room = out.len().saturating_sub(written + OVERHEAD_BYTES_MAX);
            // No short record for want of room, unless there is nothing else.
            let whole = CONTENT_BYTES_MAX.min(all - taken);
            if room == 0 || (written > 0 && room < whole) {
                break;
            }
            let Some((part, more)) = rest.next(room.min(CONTENT_BYTES_MAX)) else {
                break;
            };
            taken += part.len() + bytes_of(more);
            written += self.record(
                ContentType::ApplicationData,
                part,
                more,
                &mut out[written..],
            );
        }
        (taken, written)
    }

    /// Appends the records for all of some content.
    ///
    /// # Panics
    /// If the key is worn.
    pub fn append(&mut self, content: &[u8], out: &mut Vec<u8>) {
        let before = out.len();
        out.resize(before + Self::sealed_bytes(content.len()), 0);
        let (taken, written) = self.seal(&[IoSlice::new(content)], 0, &mut out[before..]);
        assert_eq!(taken, content.len(), "the key is worn");
        out.truncate(before + written);
    }

    /// Appends the record of a short message that is not content.
    pub fn say(&mut self, kind: ContentType, message: &[u8], out: &mut Vec<u8>) {
        let before = out.len();
        out.resize(before + message.len() + OVERHEAD_BYTES_MAX, 0);
        let written = self.record(kind, message, &[], &mut out[before..]);
        out.truncate(before + written);
    }

    /// Writes one record to the front of `out`, which has room. Returns its bytes.
    fn record(
        &mut self,
        kind: ContentType,
        part: &[u8],
        more: &[IoSlice<'_>],
        out: &mut [u8],
    ) -> usize {
        let key = &mut self.0;
        let number = key.nonces.take();
        let nonce = key.nonces.of(number);
        let more_bytes = bytes_of(more);
        let content = part.len() + more_bytes;
        let form = key.form;
        let len = form.before() + content + form.behind() + TAG_BYTES;
        let [high, low] = u16::try_from(len)
            .expect("a record is bounded")
            .to_be_bytes();
        let shown = match form {
            Form::Hidden => ContentType::ApplicationData,
            Form::Explicit | Form::Bare => kind,
        };
        let head = [u8::from(shown), 3, 3, high, low];
        let (record_head, record) = out[..HEAD_BYTES + len].split_at_mut(HEAD_BYTES);
        record_head.copy_from_slice(&head);
        let (explicit, sealed) = record.split_at_mut(form.before());
        explicit.copy_from_slice(&nonce[nonce.len() - form.before()..]);
        let aad = Aad::from(key.beside(number, head, content));
        let nonce = Nonce::assume_unique_for_key(nonce);
        let kind = [u8::from(kind)];
        let hidden = &kind[..form.behind()];
        if more_bytes <= TAIL_BYTES_MAX {
            let mut tail = [0; TAIL_BYTES_MAX + 1];
            join(more, hidden, &mut tail);
            let tail = &tail[..more_bytes + hidden.len()];
            let (sealed, tail_and_tag) = sealed.split_at_mut(part.len());
            key.aead
                .seal_out_of_place_scatter(nonce, aad, part, sealed, tail, tail_and_tag)
                .expect("all lengths are as they must be");
        } else {
            let (sealed, tag) = sealed.split_at_mut(content + hidden.len());
            let (first, others) = sealed.split_at_mut(part.len());
            first.copy_from_slice(part);
            join(more, hidden, others);
            let made = key.aead.seal_in_place_separate_tag(nonce, aad, sealed);
            tag.copy_from_slice(made.expect("all lengths are as they must be").as_ref());
        }
        HEAD_BYTES + len
    }
}

/// Copies slices, and what stands behind them, to the front of `out`.
fn join(slices: &[IoSlice<'_>], behind: &[u8], out: &mut [u8]) {
    let mut at = 0;
    for slice in slices.iter().map(|slice| &slice[..]).chain([behind]) {
        out[at..at + slice.len()].copy_from_slice(slice);
        at += slice.len();
    }
}

fn bytes_of(slices: &[IoSlice<'_>]) -> usize {
    slices.iter().map(|slice| slice.len()).sum()
}

/// What is still to be sealed.
struct Rest<'a> {
    slices: &'a [IoSlice<'a>],
    /// Bytes of the first of them that are.
    offset: usize,
}

impl<'a> Rest<'a> {
    fn new(mut slices: &'a [IoSlice<'a>], mut offset: usize) -> Self {
        while let Some((first, others)) = slices.split_first()
            && first.len() <= offset
        {
            (slices, offset) = (others, offset - first.len());
        }
        Self { slices, offset }
    }

    /// What the next record has of one slice, and the whole slices that follow it there: `max` bytes at most.
    fn next(&mut self, max: usize) -> Option<(&'a [u8], &'a [IoSlice<'a>])> {
        loop {
            let (first, others) = self.slices.split_first()?;
            let left = &first[self.offset..];
            if left.len() > max {
                self.offset += max;
                return Some((&left[..max], &[]));
            }
            (self.slices, self.offset) = (others, 0);
            if left.is_empty() {
                continue;
            }
            let mut len = left.len();
            let follow = |slice: &&IoSlice<'_>| {
                len += slice.len();
                len <= max
            };
            let count = others.iter().take_while(follow).count();
            let (more, others) = others.split_at(count);
            self.slices = others;
            return Some((left, more));
        }
    }
}
