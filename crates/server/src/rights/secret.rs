//! The form of the secrets that this server makes for people: a beginning that says what it is, and five groups of five.
//!
//! Everything that begins as one does is taken for one, so that a secret with a slip in it does not become the token of a
//! stream by mistake.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use std::fmt;

/// What a secret is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The operator's key.
    Key,
    /// A publish token that has a name.
    Token,
    /// A code with which a device gets a pass.
    Code,
    /// What such a device goes live with.
    Pass,
}

impl Kind {
    fn beginning(self) -> &'static str {
        match self {
            Self::Key => "abk-",
            Self::Token => "abt-",
            Self::Code => "abc-",
            Self::Pass => "abp-",
        }
    }

    /// What a text is meant for, rightly written or not.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let text = text.trim_start();
        let all = [Self::Key, Self::Token, Self::Code, Self::Pass];
        all.into_iter().find(|kind| {
            let beginning = kind.beginning();
            let start = text.get(..beginning.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(beginning))
        })
    }
}

/// 32 letters and digits of which no two look alike.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Five groups of five: 125 random bits.
const GROUPS: usize = 5;
const GROUP_CHARS: usize = 5;

/// A secret, or what somebody shows for one.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret {
    kind: Kind,
    text: String,
}

impl Secret {
    /// Reads a secret as a person may have typed it.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let kind = Kind::of(text)?;
        let text = text.trim().to_ascii_lowercase();
        let groups = text.strip_prefix(kind.beginning())?.split('-');
        let mut count = 0;
        for group in groups {
            let is_group = group.len() == GROUP_CHARS
                && group.bytes().all(|letter| ALPHABET.contains(&letter));
            if !is_group {
                return None;
            }
            count += 1;
        }
        (count == GROUPS).then_some(Self { kind, text })
    }

    pub(crate) fn make(kind: Kind) -> Self {
        let mut random = [0; GROUPS * GROUP_CHARS];
        getrandom::fill(&mut random).expect("the system gives random bytes");
        let mut text = String::from(kind.beginning());
        for (at, byte) in random.iter().enumerate() {
            if at > 0 && at % GROUP_CHARS == 0 {
                text.push('-');
            }
            text.push(char::from(ALPHABET[usize::from(byte % 32)]));
        }
        Self { kind, text }
    }

    /// The first group: tells one token from another, and is no secret.
    pub(crate) fn id(&self) -> &str {
        let start = self.kind.beginning().len();
        &self.text[start..start + GROUP_CHARS]
    }

    /// The secret itself, for the one time that it is shown.
    pub(crate) fn reveal(&self) -> &str {
        &self.text
    }

    /// What is kept of it.
    pub(super) fn hash(&self) -> anyhow::Result<String> {
        let hash = Argon2::default().hash_password(self.text.as_bytes());
        let hash = hash.map_err(|error| anyhow::anyhow!("a secret cannot be hashed: {error}"))?;
        Ok(hash.to_string())
    }

    /// Whether the hash is this one's. Takes tens of milliseconds of a processor, and 19 MiB.
    pub(super) fn has(&self, hash: &str) -> bool {
        PasswordHash::new(hash).is_ok_and(|hash| {
            let checked = Argon2::default().verify_password(self.text.as_bytes(), &hash);
            checked.is_ok()
        })
    }
}

/// Whether a text is a hash as it is kept.
pub(super) fn is_hash(text: &str) -> bool {
    PasswordHash::new(text).is_ok()
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}(…)", self.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_as_it_is_shown_and_as_people_type_it() {
        for kind in [Kind::Key, Kind::Token] {
            let secret = Secret::make(kind);
            assert_eq!(Secret::read(secret.reveal()), Some(secret.clone()));
            let typed = format!(" {}\n", secret.reveal().to_uppercase());
            assert_eq!(Secret::read(&typed), Some(secret.clone()));
            assert_eq!(Kind::of(&typed), Some(kind));
            assert_eq!(secret.id(), &secret.reveal()[4..9]);
            assert_ne!(secret, Secret::make(kind));
            assert_eq!(format!("{secret:?}"), format!("{kind:?}(…)"));
        }
    }

    #[test]
    fn a_secret_with_a_slip_in_it_is_meant_for_one_and_is_none() {
        for slip in [
            "abk-",
            "abt-00000-00000-00000-00000",
            "abk-00000-00000-00000-00000-0000o",
            "abk-00000-00000-00000-00000-00000-00000",
        ] {
            assert_eq!(Secret::read(slip), None, "{slip}");
            assert!(Kind::of(slip).is_some(), "{slip}");
        }
        for other in ["", "secret", "my-abk-1", "ab", "abk€", "ABK 00000"] {
            assert_eq!(Kind::of(other), None, "{other}");
        }
    }

    #[test]
    fn only_the_hash_is_kept() {
        let secret = Secret::make(Kind::Key);
        let kept = secret.hash().unwrap();
        assert!(kept.starts_with("$argon2id$v=19$") && !kept.contains(secret.id()));
        assert!(secret.has(&kept) && is_hash(&kept));
        assert!(!Secret::make(Kind::Key).has(&kept) && !secret.has("nonsense"));
    }
}
