//! Names of streams and sessions, and the two rights that the wire must never mix up: to watch and to publish.
//!
//! Whoever knows a [`StreamKey`] may watch. Whoever shows the [`PublishToken`] may publish, end and resume. They are two
//! types, so that one cannot be passed for the other.

use std::fmt;

/// The public name of a stream: whoever has it may watch.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamKey(Box<str>);

impl StreamKey {
    /// Takes a key as it stands on the wire.
    pub fn new(key: impl Into<Box<str>>) -> Self {
        Self(key.into())
    }

    /// The key as it stands on the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key as it may stand in a log.
    pub fn shortened(&self) -> String {
        shortened(&self.0)
    }
}

/// The first characters of a key, enough to tell streams apart in a log and too few to watch one: never more than half.
pub fn shortened(key: &str) -> String {
    let shown = (key.chars().count() / 2).min(6);
    key.chars().take(shown).chain(['…']).collect()
}

impl fmt::Debug for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamKey({})", self.shortened())
    }
}

impl fmt::Display for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shortened())
    }
}

impl std::borrow::Borrow<str> for StreamKey {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// The secret that lets its holder publish to one stream, end it and take it up again. Never printed.
#[derive(Clone)]
pub struct PublishToken(Box<str>);

impl PublishToken {
    /// Takes a token as it stands on the wire.
    pub fn new(token: impl Into<Box<str>>) -> Self {
        Self(token.into())
    }

    /// The token itself, for the one message that hands it to the publisher.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether both are the same token. Takes the same time wherever they differ.
    pub fn matches(&self, other: &Self) -> bool {
        let (a, b) = (self.0.as_bytes(), other.0.as_bytes());
        let differing = a.iter().zip(b).fold(0u8, |seen, (x, y)| seen | (x ^ y));
        a.len() == b.len() && differing == 0
    }
}

impl fmt::Debug for PublishToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublishToken(…)")
    }
}

/// One peer over one transport, from accept to close. Never used twice within a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_key_nor_token_is_printed_whole() {
        let key = StreamKey::new("0123456789abcdef0123456789abcdef");
        assert_eq!(format!("{key} {key:?}"), "012345… StreamKey(012345…)");
        assert_eq!(StreamKey::new("secret").to_string(), "sec…");
        assert_eq!(StreamKey::new("").to_string(), "…");
        let token = PublishToken::new("secret");
        assert_eq!(format!("{token:?}"), "PublishToken(…)");
    }

    #[test]
    fn tokens_match_only_when_equal() {
        let token = PublishToken::new("abcd");
        assert!(token.matches(&PublishToken::new("abcd")));
        for other in ["", "abc", "abce", "abcde"] {
            assert!(!token.matches(&PublishToken::new(other)), "{other}");
        }
    }
}
