//! Ids of sessions and sockets: 15 random bytes as 20 characters of `[A-Za-z0-9_-]`.

use std::fmt;

/// An id that nobody can guess.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Id([u8; 20]);

impl Id {
    pub(crate) fn random() -> Self {
        let mut bytes = [0; 15];
        getrandom::fill(&mut bytes).expect("the system has randomness once it runs servers");
        let mut text = [0; 20];
        let encoded =
            base64_simd::URL_SAFE_NO_PAD.encode(&bytes, base64_simd::Out::from_slice(&mut text));
        debug_assert_eq!(encoded.len(), 20);
        Self(text)
    }

    /// The id with this text, if it can be one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        text.as_bytes()
            .try_into()
            .ok()
            .filter(|bytes: &[u8; 20]| bytes.is_ascii())
            .map(Self)
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("ids are ASCII by construction")
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_20_safe_characters_and_differ() {
        let (one, two) = (Id::random(), Id::random());
        assert_ne!(one, two);
        assert!(
            one.as_str()
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        );
        assert_eq!(Id::parse(one.as_str()), Some(one));
        assert_eq!(Id::parse("short"), None);
    }
}
