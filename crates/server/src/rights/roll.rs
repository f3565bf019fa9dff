//! The publish tokens as the running server knows them: read again when their file has changed, with a lessor for each,
//! so that what was granted with a token that is gone ends.
//!
//! Invariant: a token that cannot be read is none: a file that was spoilt takes all of them back.

use super::file::Stamp;
use super::secret::Secret;
use super::tokens::{Token, TokenFile, hash};
use abanico_streamhub::grant::{Lease, Lessor};
use abanico_streamhub::time::Timestamp;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::Duration;
use tracing::error;

/// How often it is looked whether the file has changed. What is granted with a token that is revoked ends as soon.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(300);

/// The tokens that hold.
#[derive(Debug)]
pub(super) struct Roll {
    file: TokenFile,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    stamp: Option<Stamp>,
    /// By the hash of the secret.
    tokens: HashMap<String, (Token, Lessor)>,
}

impl Roll {
    pub(super) fn new(file: TokenFile) -> Self {
        let roll = Self {
            file,
            known: Mutex::default(),
        };
        roll.look();
        roll
    }

    pub(super) fn file(&self) -> &TokenFile {
        &self.file
    }

    /// Reads the file again if it has changed.
    pub(super) fn look(&self) {
        let stamp = self.file.stamp();
        let mut known = self.known.lock();
        if known.stamp == stamp {
            return;
        }
        known.stamp = stamp;
        let tokens = self.file.read().unwrap_or_else(|error| {
            error!("no publish token holds until this is mended: {error:#}");
            Vec::new()
        });
        let mut before = std::mem::take(&mut known.tokens);
        for token in tokens {
            let kept = before.remove(&token.hash);
            // One that was changed by hand is another.
            let kept = kept.filter(|(same, _)| *same == token);
            let entry = kept.unwrap_or_else(|| (token.clone(), Lessor::default()));
            known.tokens.insert(token.hash, entry);
        }
    }

    /// The token with this secret, and how long it holds. `None` if there is none that does.
    pub(super) fn find(&self, secret: &Secret) -> Option<(Token, Lease)> {
        self.look();
        let known = self.known.lock();
        // What is compared is a hash: how long that takes tells nothing of the secret.
        let (token, lessor) = known.tokens.get(&hash(secret))?;
        let now = Timestamp::now().millis();
        if !token.holds(now) {
            return None;
        }
        let lease = lessor.lease();
        let lease = match token.expires_at {
            Some(end) => lease.ending_in(Duration::from_millis(end.saturating_sub(now))),
            None => lease,
        };
        Some((token.clone(), lease))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rights::secret::Kind;
    use crate::rights::tokens::{Pattern, Wanted};
    use futures_util::FutureExt;

    #[tokio::test]
    async fn a_token_that_is_revoked_ends_what_it_gave_and_others_do_not() {
        let data = tempfile::tempdir().unwrap();
        let file = TokenFile::of(data.path());
        let roll = Roll::new(file.clone());
        let make = |name: &str| {
            let wanted = Wanted {
                name: name.to_owned(),
                streams: Pattern::any(),
                may: Vec::new(),
                expires_at: None,
            };
            file.add(wanted, 0).unwrap().1
        };
        let (studio, phone) = (make("studio"), make("phone"));
        let (_, first) = roll.find(&studio).unwrap();
        let (_, second) = roll.find(&phone).unwrap();
        assert!(roll.find(&Secret::make(Kind::Token)).is_none());

        file.revoke("studio").unwrap();
        roll.look();
        assert!(first.over().now_or_never().is_some());
        assert!(second.over().now_or_never().is_none());
        assert!(roll.find(&studio).is_none());

        std::fs::write(data.path().join("publish-tokens.json"), "nonsense").unwrap();
        roll.look();
        assert!(second.over().now_or_never().is_some());
    }
}
