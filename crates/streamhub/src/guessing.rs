//! Tokens that publishers chose. They can be guessed, as none can that the server made.
//!
//! A wrong one counts twice: against the address that showed it, which is the [`Gate`]'s to know, and against all addresses
//! together, which is known here. Invariants: a right token takes nothing; other addresses hold up nobody who showed the
//! right one before, or has the seat.

use crate::gate::Gate;
use crate::grant::neighbourhood;
use crate::room::Room;
use abanico_core::key::PublishToken;
use abanico_core::rate::{Bucket, Rate};
use abanico_core::rights::Refused;
use abanico_core::stream::Right;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Wrong tokens of one stream from all addresses together. Beyond it only those are looked at that come from where the
/// right one was shown before.
const ALL: Rate = Rate {
    burst: 200,
    per_second: 2.0,
};

/// When it is worth to try again where too many came from all addresses.
const BUSY_RETRY: Duration = Duration::from_secs(1);

/// Addresses from which the right token was shown that are remembered, the newest.
const KNOWN_MAX: usize = 8;

/// The chosen token of one stream.
pub(crate) struct Guessable {
    token: PublishToken,
    gate: Arc<dyn Gate>,
    tried: Mutex<Tried>,
}

struct Tried {
    all: Bucket,
    known: VecDeque<IpAddr>,
}

impl Guessable {
    /// A token that was chosen at an address.
    pub(crate) fn new(token: PublishToken, gate: &Arc<dyn Gate>, from: IpAddr) -> Self {
        Self {
            token,
            gate: Arc::clone(gate),
            tried: Mutex::new(Tried {
                all: Bucket::new(ALL),
                known: VecDeque::from([neighbourhood(from)]),
            }),
        }
    }

    /// Counts a token if it is wrong. `apart` counts it against its address apart from those of all other streams.
    ///
    /// # Errors
    /// When nobody looks at it, right or wrong.
    fn count(
        &self,
        shown: &PublishToken,
        from: IpAddr,
        apart: Option<Uuid>,
        now: Instant,
    ) -> Result<(), Refused> {
        let is_right = self.token.matches(shown);
        let network = neighbourhood(from);
        let mut tried = self.tried.lock();
        let is_known = tried.known.contains(&network);
        if !is_known && !tried.all.take(now) {
            return Err(Refused::Busy {
                retry_after: BUSY_RETRY,
            });
        }
        let counted = self.gate.guess(from, apart, is_right);
        if !is_known && (is_right || counted.is_err()) {
            tried.all.give_back();
        }
        counted?;
        if is_right && !is_known {
            tried.known.push_back(network);
            if tried.known.len() > KNOWN_MAX {
                tried.known.pop_front();
            }
        }
        Ok(())
    }
}

impl Room {
    /// Whether a token is looked at that is shown for the stream from an address. If it is, the stream says whether it is
    /// right; a wrong one is counted here.
    ///
    /// # Errors
    /// When too many wrong ones were shown.
    pub(crate) fn heed(&self, right: &Right, from: IpAddr) -> Result<(), Refused> {
        let (Right::Token(shown), Some(guessable)) = (right, &self.guessable) else {
            return Ok(());
        };
        // Of a private stream nobody learns by what is said of another that there is one.
        let apart = self.private.then_some(self.id);
        guessable.count(shown, from, apart, Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::Answer;
    use abanico_core::rights::Question;
    use abanico_socketio::Handshake;

    /// Holds up no address.
    struct Patient;

    impl Gate for Patient {
        fn ask<'a>(&'a self, _: &'a Handshake, _: Question<'a>) -> Answer<'a> {
            unreachable!("nobody asks here")
        }

        fn guess(&self, _: IpAddr, _: Option<Uuid>, _: bool) -> Result<(), Refused> {
            Ok(())
        }

        fn speaks_for_many(&self, _: IpAddr) -> bool {
            false
        }

        fn newcomer(&self, _: IpAddr) -> Result<(), Rate> {
            unreachable!("nobody registers here")
        }

        fn address(&self, _: &Handshake) -> IpAddr {
            unreachable!("nobody asks here")
        }
    }

    #[test]
    fn many_addresses_guess_at_a_pace_and_hold_up_nobody_who_was_right_before() {
        let gate: Arc<dyn Gate> = Arc::new(Patient);
        let at = |number: u32| IpAddr::from(std::net::Ipv4Addr::from_bits(number));
        let (right, wrong) = (PublishToken::new("hackme"), PublishToken::new("letmein"));
        let stream = Guessable::new(right.clone(), &gate, at(1));
        let now = Instant::now();
        let count = |shown, from, now| stream.count(shown, at(from), None, now);
        // It came back from elsewhere before anybody guessed, again and again.
        for _ in 0..2 * ALL.burst {
            assert_eq!(count(&right, 2, now), Ok(()));
        }
        let looked_at = (0..10 * ALL.burst).filter(|n| count(&wrong, 100 + n, now).is_ok());
        assert_eq!(looked_at.count(), ALL.burst as usize);
        let retry_after = BUSY_RETRY;
        assert_eq!(count(&right, 3, now), Err(Refused::Busy { retry_after }));
        for known in [1, 2] {
            assert_eq!(count(&right, known, now), Ok(()));
        }
        assert_eq!(count(&right, 3, now + BUSY_RETRY), Ok(()));
        assert_eq!(count(&right, 3, now), Ok(()), "it is known from now on");
    }

    #[test]
    fn no_more_addresses_are_remembered_than_are_needed() {
        let gate: Arc<dyn Gate> = Arc::new(Patient);
        let at = |number: u32| IpAddr::from(std::net::Ipv4Addr::from_bits(number));
        let right = PublishToken::new("hackme");
        let stream = Guessable::new(right.clone(), &gate, at(0));
        for from in 0..100 {
            let counted = stream.count(&right, at(from), None, Instant::now());
            assert_eq!(counted, Ok(()));
        }
        assert_eq!(stream.tried.lock().known.len(), KNOWN_MAX);
    }
}
