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
    /// An ICE restart says by `If-Match` which state of the session it follows.
    #[error("an ICE restart has If-Match: *")]
    NoTag,
    /// The body is of before an ICE restart.
    #[error("its a=ice-ufrag is of before an ICE restart: the session has other credentials now")]
    Former,
    /// The body is no fragment of a session description.
    #[error("the body is no trickle-ice-sdpfrag: it has no a=ice-ufrag and no a=candidate")]
    Unreadable,
    /// The body asks for a restart, and its credentials cannot be used.
    #[error(
        "an ICE restart has one new a=ice-ufrag of 4 to 256 and one new a=ice-pwd of 22 to 256 characters"
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
    if if_match.is_some_and(|if_match| !fits(if_match, &listed.etag)) {
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
        [known] if known == listed.remote.ufrag => Ok(Asked::Nothing),
        // What was sent before a restart may come after it.
        [former] if listed.former.iter().any(|known| known == former) => {
            Err(TrickleRefused::Former)
        }
        [_] if if_match.is_none() => Err(TrickleRefused::NoTag),
        [ufrag] => {
            let mut passwords: Vec<&str> = attribute("a=ice-pwd:").collect();
            passwords.dedup();
            let [pass] = passwords[..] else {
                return Err(TrickleRefused::Credentials);
            };
            let is_fit = is_ice_text(ufrag, FRAGMENT_MIN)
                && is_ice_text(pass, PASSWORD_MIN)
                && pass != listed.remote.pass;
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

/// Whether an `If-Match` lets through to what has that tag: `*` does, and a list with the tag in it. A weak tag is another one, and what is
/// no such header fits nothing. RFC 9110, 13.1.1 and 8.8.3.
fn fits(if_match: &str, etag: &str) -> bool {
    const SPACE: [char; 2] = [' ', '\t'];
    if if_match.trim_matches(SPACE) == "*" {
        return true;
    }
    let mut rest = if_match;
    let mut is_there = false;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return is_there;
        }
        let quoted = rest.strip_prefix("W/").unwrap_or(rest).strip_prefix('"');
        let Some((tag, after)) = quoted.and_then(|quoted| quoted.split_once('"')) else {
            return false;
        };
        is_there |= rest.starts_with('"') && tag == etag;
        rest = after.trim_start_matches(SPACE);
        if !rest.is_empty() && !rest.starts_with(',') {
            return false;
        }
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

    fn listed(ufrag: &str, pass: &str) -> Listed {
        let remote = IceCreds {
            ufrag: ufrag.to_owned(),
            pass: pass.to_owned(),
        };
        Listed {
            etag: "tag".to_owned(),
            ..Listed::new(1, Side::Viewer, "demo", remote)
        }
    }

    #[test]
    fn an_if_match_fits_by_a_star_or_by_a_strong_tag_in_its_list() {
        for if_match in [
            "*",
            " * ",
            "\"tag\"",
            "\"x\", \"tag\"",
            "\"tag\",W/\"x\"",
            ",, \"a,b\" ,\t\"tag\" ,",
        ] {
            assert!(fits(if_match, "tag"), "{if_match}");
        }
        for if_match in [
            "",
            "tag",
            "\"TAG\"",
            "W/\"tag\"",
            "\"x\", W/\"tag\"",
            "\"*\"",
            "\"tag",
            "\"tag\" \"x\"",
            "\"x,\"tag\",\"",
            "*, \"x\"",
        ] {
            assert!(!fits(if_match, "tag"), "{if_match}");
        }
    }

    #[test]
    fn what_belongs_to_before_a_restart_does_not_restart_again() {
        let pass = |n: usize| format!("{n:0>24}");
        let fragment = |n: usize| format!("a=ice-ufrag:frag{n}\r\na=ice-pwd:{}\r\n", pass(n));
        let mut listed = listed("frag0", &pass(0));
        for n in 1..=3 {
            let asked = judge(&listed, Some("*"), &fragment(n));
            let Ok(Asked::Restart(remote)) = asked else {
                panic!("{asked:?}");
            };
            listed.restart(remote);
            for former in 0..n {
                for if_match in [Some("*"), None] {
                    let judged = judge(&listed, if_match, &fragment(former));
                    assert_eq!(judged, Err(TrickleRefused::Former), "{former} after {n}");
                }
            }
            assert_eq!(judge(&listed, None, &fragment(n)), Ok(Asked::Nothing));
        }
        for n in 4..100 {
            listed.restart(IceCreds {
                ufrag: format!("frag{n}"),
                pass: pass(n),
            });
        }
        assert_eq!(
            judge(&listed, None, &fragment(98)),
            Err(TrickleRefused::Former)
        );
        assert!(listed.former.len() < 20, "{}", listed.former.len());
    }

    #[test]
    fn candidates_are_welcome_and_new_credentials_are_a_restart() {
        let listed = listed("frag", "9876543210987654321098");
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
        assert_eq!(of(None, &restart), Err(TrickleRefused::NoTag));
        for wrong in [
            "a=ice-ufrag:other\r\n".to_owned(),
            "a=ice-ufrag:other\r\na=ice-pwd:short\r\n".to_owned(),
            format!("a=ice-ufrag:o:r\r\na=ice-pwd:{pass}\r\n"),
            format!("a=ice-ufrag:{}\r\na=ice-pwd:{pass}\r\n", "o".repeat(257)),
            format!("a=ice-ufrag:frag\r\n{restart}"),
            // The password of before.
            restart.replace(pass, &listed.remote.pass),
        ] {
            assert_eq!(of(Some("*"), &wrong), Err(TrickleRefused::Credentials));
        }
    }
}
