//! How a device beside the machine gets the right to go live without the operator's key: by a code, and a pass for it.
//!
//! A code is shown where only somebody at the machine sees it, holds for a short time, and is good for one exchange. The
//! pass that it is exchanged for opens streams until the server stops. Both are kept in memory alone, as hashes.
//!
//! Invariant: neither is logged, and no address has one before its `#`.

use super::secret::{Kind, Secret};
use super::{Asker, Keeper};
use abanico_core::rights::{Deed, Place, Publishing, Refused, Shown};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long a code holds: to install a certificate on a phone takes some minutes of it.
pub(crate) const CODE_FOR: Duration = Duration::from_secs(15 * 60);

/// Codes at one time. A further one takes the place of the oldest.
const CODES_MAX: usize = 16;

/// Passes at one time. A further one takes the place of the oldest, whose device has to be paired anew.
const PASSES_MAX: usize = 64;

impl Keeper {
    /// A code with which a device beside this machine gets a pass, for this machine's terminal. None where nobody needs one.
    pub(crate) fn make_code(&self) -> Option<Secret> {
        let is_needed = self.0.publishing != Publishing::Open;
        is_needed.then(|| self.0.pairing.make_code(Instant::now()))
    }

    /// The same for who asks over HTTP: at this machine, if that is enough to go live.
    pub(crate) fn code_for(&self, asker: Asker) -> Option<Secret> {
        let may = |place| self.0.publishing.may(Deed::Publish, place, Shown::Nothing);
        let is_enough = asker.place == Place::Here && may(asker.place).is_ok();
        is_enough.then(|| self.make_code()).flatten()
    }

    /// Why no code would do that somebody shows, if there is none at the moment.
    pub(crate) fn refuses_codes(&self, asker: Asker) -> Option<Refused> {
        let is_shown = self.0.pairing.has_codes(Instant::now());
        (!is_shown).then(|| self.0.keys.wrong(asker.address))
    }

    /// The pass for a code.
    pub(crate) fn pair(&self, asker: Asker, code: &str) -> Result<Secret, Refused> {
        let code = Secret::read(code).filter(|_| Kind::of(code) == Some(Kind::Code));
        code.and_then(|code| self.0.pairing.exchange(&code, Instant::now()))
            .ok_or_else(|| self.0.keys.wrong(asker.address))
    }
}

/// The codes and passes that hold at the moment.
#[derive(Debug, Default)]
pub(super) struct Pairing(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    codes: VecDeque<(Hash, Instant)>,
    passes: VecDeque<Hash>,
}

type Hash = [u8; 32];

impl Pairing {
    /// Another code.
    pub(super) fn make_code(&self, now: Instant) -> Secret {
        let code = Secret::make(Kind::Code);
        let codes = &mut self.0.lock().codes;
        codes.push_back((hash(&code), now));
        if codes.len() > CODES_MAX {
            codes.pop_front();
        }
        code
    }

    /// Whether a code holds.
    fn has_codes(&self, now: Instant) -> bool {
        let codes = &self.0.lock().codes;
        codes.iter().any(|(_, made)| holds(*made, now))
    }

    /// The pass for a code, if the code holds. It does not hold any more then.
    pub(super) fn exchange(&self, code: &Secret, now: Instant) -> Option<Secret> {
        let inner = &mut *self.0.lock();
        inner.codes.retain(|(_, made)| holds(*made, now));
        let wanted = hash(code);
        let at = inner.codes.iter().position(|(code, _)| *code == wanted)?;
        inner.codes.remove(at);
        let pass = Secret::make(Kind::Pass);
        inner.passes.push_back(hash(&pass));
        if inner.passes.len() > PASSES_MAX {
            inner.passes.pop_front();
        }
        Some(pass)
    }

    /// Whether a pass holds.
    pub(super) fn has(&self, pass: &Secret) -> bool {
        self.0.lock().passes.contains(&hash(pass))
    }
}

/// Whether a code that was made then is good now.
fn holds(made: Instant, now: Instant) -> bool {
    now.saturating_duration_since(made) < CODE_FOR
}

/// What is kept of a secret, and compared: how much of a hash is alike tells nobody anything.
fn hash(secret: &Secret) -> Hash {
    Sha256::digest(secret.reveal()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_good_for_one_pass_and_the_pass_holds() {
        let (pairing, now) = (Pairing::default(), Instant::now());
        assert!(!pairing.has_codes(now));
        let code = pairing.make_code(now);
        assert!(pairing.has_codes(now));
        assert!(!pairing.has_codes(now + CODE_FOR));
        let pass = pairing.exchange(&code, now).unwrap();
        assert!(pairing.has(&pass));
        assert_eq!(pairing.exchange(&code, now), None);
        assert!(!pairing.has(&code));
        let other = Secret::make(Kind::Code);
        assert_eq!(pairing.exchange(&other, now), None);
    }

    #[test]
    fn a_code_runs_out() {
        let (pairing, now) = (Pairing::default(), Instant::now());
        let (early, late) = (pairing.make_code(now), pairing.make_code(now));
        let shortly_before = now + CODE_FOR - Duration::from_secs(1);
        assert!(pairing.exchange(&early, shortly_before).is_some());
        assert_eq!(pairing.exchange(&late, now + CODE_FOR), None);
    }

    #[test]
    fn there_are_so_many_codes_and_passes_and_the_oldest_goes_first() {
        let (pairing, now) = (Pairing::default(), Instant::now());
        let first = pairing.make_code(now);
        let second = pairing.make_code(now);
        for _ in 2..=CODES_MAX {
            pairing.make_code(now);
        }
        assert_eq!(pairing.exchange(&first, now), None);
        let pass = pairing.exchange(&second, now).unwrap();
        for _ in 0..PASSES_MAX {
            assert!(pairing.has(&pass));
            let code = pairing.make_code(now);
            pairing.exchange(&code, now).unwrap();
        }
        assert!(!pairing.has(&pass));
    }
}
