//! `PATCH` of a session: candidates that come late and new ICE credentials, as RFC 8840 writes them.
//!
//! The server is ICE-lite: it learns where a peer is from the peer's own checks and never checks anything itself. So late
//! candidates are understood and need no keeping. A restart only changes the credentials; media flows on meanwhile.

use crate::registry::{Listed, Unlisted, random_name};
use str0m::{Candidate, IceCreds};
use thiserror::Error;

/// Why a `PATCH` is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TrickleRefused {
    /// There is no such session.
    #[error(transparent)]
    Unlisted(#[from] Unlisted),
    /// `If-Match` names another state of the session.
    #[error("If-Match is not this session's ETag; for an ICE restart it is *")]
    OtherTag,
    /// The body is no fragment of a session description.
    #[error("the body is no trickle-ice-sdpfrag: it has no a=ice-ufrag and no a=candidate")]
    Unreadable,
    /// The body asks for a restart, and its credentials cannot be used.
    #[error(
        "an ICE restart has one new a=ice-ufrag of 4 to 256 and one a=ice-pwd of 22 to 256 characters"
    )]
    Credentials,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Patched {
    /// The candidates were understood.
    Understood,
    /// The session has new credentials.
    Restarted {
        /// Its ETag from now on, without quotes.
        etag: String,
        /// The fragment for the peer.
        fragment: String,
    },
}

/// What a fragment asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Nothing: its candidates are not needed.
    Nothing,
    /// The peer's credentials are these from now on.
    Restart(IceCreds),
}

/// Judges a fragment that was sent for the session.
pub(crate) fn judge(
    listed: &Listed,
    if_match: Option<&str>,
    fragment: &str,
) -> Result<Asked, TrickleRefused> {
    let named = if_match.map(|tag| tag.trim().trim_matches('"'));
    if named.is_some_and(|tag| tag != "*" && tag != listed.etag) {
        return Err(TrickleRefused::OtherTag);
    }
    let attribute = |name: &'static str| {
        fragment
            .lines()
            .filter_map(move |line| line.trim_end().strip_prefix(name))
    };
    let mut fragments: Vec<&str> = attribute("a=ice-ufrag:").collect();
    fragments.dedup();
    match fragments[..] {
        [] if attribute("a=candidate:").next().is_none() => Err(TrickleRefused::Unreadable),
        [] => Ok(Asked::Nothing),
        [known] if known == listed.remote_fragment => Ok(Asked::Nothing),
        [ufrag] => {
            let mut passwords: Vec<&str> = attribute("a=ice-pwd:").collect();
            passwords.dedup();
            let [pass] = passwords[..] else {
                return Err(TrickleRefused::Credentials);
            };
            let is_fit = is_ice_text(ufrag, FRAGMENT_MIN) && is_ice_text(pass, PASSWORD_MIN);
            is_fit
                .then(|| {
                    Asked::Restart(IceCreds {
                        ufrag: ufrag.to_owned(),
                        pass: pass.to_owned(),
                    })
                })
                .ok_or(TrickleRefused::Credentials)
        }
        [..] => Err(TrickleRefused::Credentials),
    }
}

/// What is answered to a fragment that restarts ICE: our new credentials, and where we are.
pub(crate) fn answer(
    fragment: &str,
    ours: &IceCreds,
    candidates: impl Iterator<Item = Candidate>,
) -> String {
    let mut answer = format!(
        "a=ice-lite\r\na=ice-ufrag:{}\r\na=ice-pwd:{}\r\n",
        ours.ufrag, ours.pass
    );
    // The first line of media stands for all of the bundle.
    let line = |line: &&str| line.starts_with("m=") || line.starts_with("a=mid:");
    for line in fragment.lines().map(str::trim_end).filter(line).take(2) {
        answer.extend([line, "\r\n"]);
    }
    for candidate in candidates {
        answer.extend(["a=", &candidate.to_sdp_string(), "\r\n"]);
    }
    answer.push_str("a=end-of-candidates\r\n");
    answer
}

/// ICE credentials that no other session has.
pub(crate) fn new_credentials() -> IceCreds {
    IceCreds {
        ufrag: random_name(),
        pass: random_name(),
    }
}

/// The characters that ICE's credentials have at least. RFC 8839, 5.4.
pub(crate) const FRAGMENT_MIN: usize = 4;
pub(crate) const PASSWORD_MIN: usize = 22;

/// Whether it is of so many characters, at most 256, that ICE allows.
pub(crate) fn is_ice_text(text: &str, at_least: usize) -> bool {
    const MOST: usize = 256;
    let is_ice_char = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    (at_least..=MOST).contains(&text.len()) && text.bytes().all(is_ice_char)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Side;

    #[test]
    fn candidates_are_welcome_and_new_credentials_are_a_restart() {
        let listed = Listed {
            id: 1,
            side: Side::Viewer,
            key: "demo".to_owned(),
            etag: "tag".to_owned(),
            remote_fragment: "frag".to_owned(),
        };
        let of = |tag, fragment: &str| judge(&listed, tag, fragment);
        let late =
            "a=ice-ufrag:frag\r\na=ice-pwd:x\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n";
        assert_eq!(of(None, late), Ok(Asked::Nothing));
        assert_eq!(of(Some("\"tag\""), late), Ok(Asked::Nothing));
        assert_eq!(of(Some("*"), late), Ok(Asked::Nothing));
        assert_eq!(of(Some("\"old\""), late), Err(TrickleRefused::OtherTag));
        assert_eq!(of(None, "hello"), Err(TrickleRefused::Unreadable));

        let pass = "0123456789012345678901";
        let restart = format!("a=ice-ufrag:other\r\na=ice-pwd:{pass}\r\n");
        let asked = Asked::Restart(IceCreds {
            ufrag: "other".to_owned(),
            pass: pass.to_owned(),
        });
        assert_eq!(of(Some("*"), &restart), Ok(asked));
        assert_eq!(of(Some("\"old\""), &restart), Err(TrickleRefused::OtherTag));
        for wrong in [
            "a=ice-ufrag:other\r\n".to_owned(),
            "a=ice-ufrag:other\r\na=ice-pwd:short\r\n".to_owned(),
            format!("a=ice-ufrag:o:r\r\na=ice-pwd:{pass}\r\n"),
            format!("a=ice-ufrag:{}\r\na=ice-pwd:{pass}\r\n", "o".repeat(257)),
            format!("a=ice-ufrag:frag\r\n{restart}"),
        ] {
            assert_eq!(of(Some("*"), &wrong), Err(TrickleRefused::Credentials));
        }
    }
}
