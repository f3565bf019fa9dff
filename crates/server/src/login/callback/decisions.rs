//! Decisions that are kept for a short while, where whoever decided says so: a crowd need not be asked about one by one.

use super::answer::Verdict;
use super::{Allowed, Denied, Wish};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::time::{Instant, SystemTime};

/// Decisions that are kept. Of more, the one is forgotten whose time is up first.
const DECISIONS_MAX: usize = 10_000;

/// What a decision is about: the event, the stream, and what was shown, as a hash. Where somebody stands, and over which
/// connection it came, is no part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Subject([u8; 32]);

#[derive(Debug, Default)]
pub(super) struct Decisions(Mutex<HashMap<Subject, Kept>>);

#[derive(Debug)]
struct Kept {
    decided: Result<Allowed, Denied>,
    until: Instant,
}

impl Subject {
    pub(super) fn of(wish: &Wish<'_>) -> Self {
        let mut hash = Sha256::new();
        hash.update([wish.event as u8]);
        for part in [wish.stream, wish.user, wish.token] {
            // With its length before it no part can be taken for another.
            hash.update(
                part.map_or(u64::MAX, |part| part.len() as u64)
                    .to_le_bytes(),
            );
            hash.update(part.unwrap_or_default());
        }
        Self(hash.finalize().into())
    }
}

impl Decisions {
    /// What was decided, while it is kept and has not run out itself.
    pub(super) fn known(&self, subject: &Subject, now: Instant) -> Option<Result<Allowed, Denied>> {
        let kept = self.0.lock();
        let known = kept.get(subject)?;
        if known.until <= now {
            return None;
        }
        let ends = known
            .decided
            .as_ref()
            .ok()
            .and_then(|allowed| allowed.until);
        let has_ended = ends.is_some_and(|ends| ends <= SystemTime::now());
        (!has_ended).then(|| known.decided.clone())
    }

    pub(super) fn keep(&self, subject: Subject, verdict: &Verdict, now: Instant) {
        if verdict.kept_for.is_zero() {
            return;
        }
        let mut all = self.0.lock();
        if all.len() >= DECISIONS_MAX && !all.contains_key(&subject) {
            all.retain(|_, kept| kept.until > now);
            let first = all.iter().min_by_key(|(_, kept)| kept.until);
            if all.len() >= DECISIONS_MAX
                && let Some(first) = first.map(|(subject, _)| *subject)
            {
                all.remove(&first);
            }
        }
        let kept = Kept {
            decided: verdict.decided.clone(),
            until: now + verdict.kept_for,
        };
        all.insert(subject, kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login::callback::Event;
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::Duration;
    use uuid::Uuid;

    fn subject(stream: &str, user: Option<&str>, token: Option<&str>) -> Subject {
        Subject::of(&Wish {
            event: Event::Watch,
            stream: Some(stream),
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            connection: Uuid::new_v4(),
            user,
            token,
        })
    }

    fn yes(seconds: u64) -> Verdict {
        Verdict {
            decided: Ok(Allowed::default()),
            kept_for: Duration::from_secs(seconds),
            unclear: None,
        }
    }

    #[test]
    fn a_decision_is_about_one_stream_and_what_was_shown() {
        let one = subject("a", Some("b"), Some("c"));
        for other in [
            subject("ab", None, Some("c")),
            subject("a", None, Some("bc")),
            subject("a", Some("b"), None),
            subject("a", Some("c"), Some("b")),
            subject("x", Some("b"), Some("c")),
        ] {
            assert_ne!(one, other);
        }
        assert_eq!(one, subject("a", Some("b"), Some("c")));
    }

    #[test]
    fn a_decision_is_forgotten_in_its_time() {
        let (decisions, now) = (Decisions::default(), Instant::now());
        let (one, two) = (subject("a", None, None), subject("b", None, None));
        decisions.keep(one, &yes(2), now);
        decisions.keep(two, &yes(0), now);
        assert!(decisions.known(&one, now).is_some());
        assert!(decisions.known(&two, now).is_none());
        assert!(
            decisions
                .known(&one, now + Duration::from_secs(2))
                .is_none()
        );
    }

    #[test]
    fn a_yes_that_has_run_out_is_not_known() {
        let (decisions, now) = (Decisions::default(), Instant::now());
        let one = subject("a", None, None);
        let mut ended = yes(100);
        ended.decided = Ok(Allowed {
            until: Some(SystemTime::UNIX_EPOCH),
            user: None,
        });
        decisions.keep(one, &ended, now);
        assert!(decisions.known(&one, now).is_none());
    }

    #[test]
    fn of_too_many_the_first_to_end_is_forgotten() {
        let (decisions, now) = (Decisions::default(), Instant::now());
        let of = |at: usize| subject(&at.to_string(), None, None);
        for at in 0..DECISIONS_MAX {
            decisions.keep(of(at), &yes(if at == 7 { 1 } else { 100 }), now);
        }
        decisions.keep(of(DECISIONS_MAX), &yes(100), now);
        assert_eq!(decisions.0.lock().len(), DECISIONS_MAX);
        assert!(decisions.known(&of(7), now).is_none());
        assert!(decisions.known(&of(DECISIONS_MAX), now).is_some());
    }
}
