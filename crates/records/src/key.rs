//! The key of one direction: how its records look, and the nonce of each.

use crate::TAG_BYTES;
use aws_lc_rs::aead::{self, AES_128_GCM, AES_256_GCM, CHACHA20_POLY1305, LessSafeKey, UnboundKey};
use rustls::{ConnectionTrafficSecrets, ProtocolVersion};

/// Why there are no records with some keys.
#[derive(Debug, thiserror::Error)]
#[error("records of {0} are not known with these keys")]
pub struct Unsupported(pub(crate) String);

/// How a record is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// TLS 1.3: the content's type is encrypted with it, behind it.
    Hidden,
    /// TLS 1.2 with AES in GCM: a part of the nonce stands before the content.
    Explicit,
    /// TLS 1.2 with ChaCha20: the content alone.
    Bare,
}

impl Form {
    /// Bytes between head and content.
    pub(crate) fn before(self) -> usize {
        match self {
            Self::Explicit => EXPLICIT_BYTES,
            Self::Hidden | Self::Bare => 0,
        }
    }

    /// Bytes that a record may have to make it longer than its content, beyond what all have.
    pub(crate) fn padding_bytes_max(self) -> usize {
        match self {
            // RFC 8446 has 256 for type, padding and tag.
            Self::Hidden => 256 - 1 - TAG_BYTES,
            Self::Explicit | Self::Bare => 0,
        }
    }

    /// Bytes between content and tag.
    pub(crate) fn behind(self) -> usize {
        usize::from(self == Self::Hidden)
    }
}

/// The part of a nonce that TLS 1.2 sends.
pub(crate) const EXPLICIT_BYTES: usize = 8;

/// What the nonces of a key's records are made of.
#[derive(Debug)]
pub struct Nonces {
    iv: [u8; aead::NONCE_LEN],
    next: u64,
}

impl Nonces {
    /// Those of `iv`, from the record with this number on.
    pub fn new(iv: [u8; aead::NONCE_LEN], next: u64) -> Self {
        Self { iv, next }
    }

    /// Of the record with this number.
    pub fn of(&self, number: u64) -> [u8; aead::NONCE_LEN] {
        let mut nonce = self.iv;
        for (byte, number) in nonce[4..].iter_mut().zip(number.to_be_bytes()) {
            *byte ^= number;
        }
        nonce
    }

    /// How many records there were.
    pub fn number(&self) -> u64 {
        self.next
    }

    /// Takes the next number, once and for all.
    pub fn take(&mut self) -> u64 {
        let number = self.next;
        // Sealers are renewed and openers ended long before.
        self.next = number.checked_add(1).expect("keys do not last that long");
        number
    }
}

/// The key of one direction.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) aead: LessSafeKey,
    pub(crate) nonces: Nonces,
    pub(crate) form: Form,
    /// Records that it may be used for.
    pub(crate) records_max: u64,
}

impl Key {
    /// As a handshake, or what renews its keys, leaves it.
    pub(crate) fn new(
        version: ProtocolVersion,
        (number, secrets): (u64, ConnectionTrafficSecrets),
    ) -> Result<Self, Unsupported> {
        let unsupported = || Unsupported(format!("{version:?}"));
        let (algorithm, key, iv) = match &secrets {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (&AES_128_GCM, key, iv),
            ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (&AES_256_GCM, key, iv),
            ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => (&CHACHA20_POLY1305, key, iv),
            _ => return Err(unsupported()),
        };
        let is_gcm = algorithm != &CHACHA20_POLY1305;
        let form = match version {
            ProtocolVersion::TLSv1_3 => Form::Hidden,
            ProtocolVersion::TLSv1_2 if is_gcm => Form::Explicit,
            ProtocolVersion::TLSv1_2 => Form::Bare,
            _ => return Err(unsupported()),
        };
        let iv = iv.as_ref().try_into().map_err(|_| unsupported())?;
        let key = UnboundKey::new(algorithm, key.as_ref()).map_err(|_| unsupported())?;
        Ok(Self {
            aead: LessSafeKey::new(key),
            nonces: Nonces::new(iv, number),
            form,
            records_max: if is_gcm {
                GCM_RECORDS_MAX
            } else {
                OTHER_RECORDS_MAX
            },
        })
    }

    /// Of TLS 1.3 with AES-128 in GCM.
    pub(crate) fn aes_128(key: &[u8; 16], nonces: Nonces) -> Self {
        let key = UnboundKey::new(&AES_128_GCM, key).expect("it is as long as it must be");
        Self {
            aead: LessSafeKey::new(key),
            nonces,
            form: Form::Hidden,
            records_max: GCM_RECORDS_MAX,
        }
    }

    /// What is authenticated beside the content: the head in TLS 1.3, and before it the number, the type and the content's
    /// length.
    pub(crate) fn beside(&self, number: u64, head: [u8; 5], content: usize) -> Beside {
        if self.form == Form::Hidden {
            return Beside::Head(head);
        }
        let [kind, major, minor, ..] = head;
        let [.., high, low] = content.to_be_bytes();
        let mut beside = [0; 13];
        beside[..8].copy_from_slice(&number.to_be_bytes());
        beside[8..].copy_from_slice(&[kind, major, minor, high, low]);
        Beside::Numbered(beside)
    }
}

/// What is authenticated and not encrypted.
pub(crate) enum Beside {
    Head([u8; 5]),
    Numbered([u8; 13]),
}

impl AsRef<[u8]> for Beside {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Head(bytes) => bytes,
            Self::Numbered(bytes) => bytes,
        }
    }
}

/// As rustls and RFC 8446, 5.5, have it for whole records.
const GCM_RECORDS_MAX: u64 = 1 << 24;
/// As rustls has it for suites without such a limit: before numbers come again.
const OTHER_RECORDS_MAX: u64 = u64::MAX - 0xffff;
