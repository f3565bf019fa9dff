//! `PATCH` of a session: candidates that come late, as RFC 8840 writes them.
//!
//! The server is ICE-lite: it learns where a peer is from the peer's own checks and never checks anything itself. So late
//! candidates are understood and need no keeping. A restart is refused: a peer that lost its way makes a new session.

use crate::registry::{Listed, Unlisted};
use thiserror::Error;

/// Why a `PATCH` is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TrickleRefused {
    /// There is no such session.
    #[error(transparent)]
    Unlisted(#[from] Unlisted),
    /// `If-Match` names another state of the session.
    #[error("If-Match is not this session's ETag")]
    OtherTag,
    /// The body is no fragment of a session description.
    #[error("the body is no trickle-ice-sdpfrag: it has no a=ice-ufrag and no a=candidate")]
    Unreadable,
    /// The peer asks for an ICE restart.
    #[error("ICE is not restarted here: end this session and make a new one")]
    Restart,
}

/// Judges a fragment that was sent for the session.
pub(crate) fn judge(
    listed: &Listed,
    if_match: Option<&str>,
    fragment: &str,
) -> Result<(), TrickleRefused> {
    if let Some(tag) = if_match {
        if tag.trim() == "*" {
            return Err(TrickleRefused::Restart);
        }
        if tag.trim().trim_matches('"') != listed.etag {
            return Err(TrickleRefused::OtherTag);
        }
    }
    let attribute = |name: &'static str| {
        fragment
            .lines()
            .filter_map(move |line| line.trim_end().strip_prefix(name))
    };
    let mut fragments = attribute("a=ice-ufrag:").peekable();
    if fragments.peek().is_none() && attribute("a=candidate:").next().is_none() {
        return Err(TrickleRefused::Unreadable);
    }
    if fragments.any(|named| named != listed.remote_fragment) {
        return Err(TrickleRefused::Restart);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Side;

    #[test]
    fn candidates_are_welcome_and_restarts_are_refused() {
        let listed = Listed {
            id: 1,
            side: Side::Viewer,
            key: "demo".to_owned(),
            etag: "tag".to_owned(),
            remote_fragment: "frag".to_owned(),
        };
        let of = |tag, fragment| judge(&listed, tag, fragment);
        let late =
            "a=ice-ufrag:frag\r\na=ice-pwd:x\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n";
        assert_eq!(of(None, late), Ok(()));
        assert_eq!(of(Some("\"tag\""), late), Ok(()));
        assert_eq!(of(Some("\"old\""), late), Err(TrickleRefused::OtherTag));
        assert_eq!(of(Some("*"), late), Err(TrickleRefused::Restart));
        let restart = "a=ice-ufrag:other\r\na=ice-pwd:y\r\n";
        assert_eq!(of(None, restart), Err(TrickleRefused::Restart));
        assert_eq!(of(None, "hello"), Err(TrickleRefused::Unreadable));
    }
}
