//! Reads records, and believes none whose tag is not its own.

use crate::key::{Beside, Form, Key, Unsupported};
use crate::{CONTENT_BYTES_MAX, HEAD_BYTES, TAG_BYTES};
use aws_lc_rs::aead::{Aad, Nonce};
use rustls::{AlertDescription, ConnectionTrafficSecrets, ContentType, ProtocolVersion};
use std::ops::Range;

/// Reads the records of one direction.
#[derive(Debug)]
pub struct Opener(Key);

/// What stands at the front of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum Opened {
    /// The beginning of a record, or nothing: so many bytes are needed, at least.
    Needs(usize),
    /// A record.
    Record {
        /// What its content is.
        kind: ContentType,
        /// Where its content is now, decrypted.
        content: Range<usize>,
        /// Bytes of the whole record.
        len: usize,
    },
}

/// Why a connection cannot go on, as its peer is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0:?}")]
pub struct Refused(pub AlertDescription);

impl Opener {
    /// With what a handshake agreed for this direction, and the number of the next record.
    pub fn new(
        version: ProtocolVersion,
        secrets: (u64, ConnectionTrafficSecrets),
    ) -> Result<Self, Unsupported> {
        Key::new(version, secrets).map(Self)
    }

    /// Decrypts the record at the front of `raw`, in its place, if it is there as a whole.
    pub fn open(&mut self, raw: &mut [u8]) -> Result<Opened, Refused> {
        let Some((&head, rest)) = raw.split_first_chunk::<HEAD_BYTES>() else {
            return Ok(Opened::Needs(HEAD_BYTES));
        };
        let [shown, version @ .., high, low] = head;
        let form = self.0.form;
        let sealed = usize::from(u16::from_be_bytes([high, low]));
        let beside = form.before() + form.behind() + TAG_BYTES;
        if sealed > CONTENT_BYTES_MAX + beside + form.padding_bytes_max() {
            return Err(Refused(AlertDescription::RecordOverflow));
        }
        let shown = ContentType::from(shown);
        let is_known = match form {
            Form::Hidden => shown == ContentType::ApplicationData,
            Form::Explicit | Form::Bare => matches!(
                shown,
                ContentType::ApplicationData | ContentType::Alert | ContentType::Handshake
            ),
        };
        if !is_known {
            return Err(Refused(AlertDescription::UnexpectedMessage));
        }
        if version != [3, 3] {
            return Err(Refused(AlertDescription::ProtocolVersion));
        }
        if sealed < beside {
            return Err(Refused(AlertDescription::BadRecordMac));
        }
        let len = HEAD_BYTES + sealed;
        if rest.len() < sealed {
            return Ok(Opened::Needs(len));
        }
        let from = HEAD_BYTES + form.before();
        let number = self.0.nonces.take();
        let mut nonce = self.0.nonces.of(number);
        // A peer may choose what it sends of it.
        let sent = &raw[HEAD_BYTES..from];
        let chosen = nonce.len() - sent.len();
        nonce[chosen..].copy_from_slice(sent);
        let beside: Beside = self.0.beside(number, head, sealed - beside);
        let opened = self.0.aead.open_in_place(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(beside),
            &mut raw[from..len],
        );
        let opened = opened.map_err(|_| Refused(AlertDescription::BadRecordMac))?;
        let (kind, content) = match form {
            Form::Hidden => {
                let at = opened.iter().rposition(|&byte| byte != 0);
                // Padding alone has no type.
                let at = at.ok_or(Refused(AlertDescription::UnexpectedMessage))?;
                (ContentType::from(opened[at]), at)
            }
            Form::Explicit | Form::Bare => (shown, opened.len()),
        };
        if content > CONTENT_BYTES_MAX {
            return Err(Refused(AlertDescription::RecordOverflow));
        }
        Ok(Opened::Record {
            kind,
            content: from..from + content,
            len,
        })
    }
}
