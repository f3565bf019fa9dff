//! The timer of a session.
//!
//! Thousands of sessions that do nothing still ping, and each ping at a moment of its own wakes a sleeping thread, which
//! costs ten times what the ping does. So what is seconds away is waited for in company: sessions wake at the same beats
//! of one clock, a little late.

use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// The beats of the clock. So much later than asked for an alarm may ring, and a hundredth of the usual time between pings is
/// nothing to it; what thousands of sessions do at one beat must not be felt by those who watch.
const BEAT: Duration = Duration::from_millis(250);

/// Who waits for less than this wants to be woken exactly then.
const LONG: Duration = Duration::from_secs(2);

/// One timer for all that a session waits for.
pub(super) struct Alarm {
    sleep: Pin<Box<Sleep>>,
}

impl Alarm {
    pub(super) fn new(at: Instant, now: Instant) -> Self {
        Self {
            sleep: Box::pin(tokio::time::sleep_until(in_company(at, now))),
        }
    }

    /// Rings at that time, instead of when it was to ring.
    pub(super) fn set(&mut self, at: Instant, now: Instant) {
        self.sleep.as_mut().reset(in_company(at, now));
    }

    /// Rings at that time if it was to ring later, and says whether it was.
    pub(super) fn not_after(&mut self, at: Instant, now: Instant) -> bool {
        let at = in_company(at, now);
        let is_earlier = at < self.sleep.deadline();
        if is_earlier {
            self.sleep.as_mut().reset(at);
        }
        is_earlier
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.sleep.as_mut().poll(cx)
    }
}

/// The next beat from `at` on, if that is far away.
fn in_company(at: Instant, now: Instant) -> Instant {
    static FIRST: LazyLock<Instant> = LazyLock::new(Instant::now);
    if at.saturating_duration_since(now) < LONG {
        return at;
    }
    let since = at.saturating_duration_since(*FIRST).as_nanos();
    let over = since % BEAT.as_nanos();
    let Ok(over) = u64::try_from(over) else {
        return at;
    };
    match over {
        0 => at,
        over => at + (BEAT - Duration::from_nanos(over)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_long_is_woken_with_others_and_never_early() {
        let now = Instant::now();
        let mut beats = std::collections::BTreeSet::new();
        for ms in 0..2_500 {
            let at = now + Duration::from_secs(25) + Duration::from_millis(ms);
            let rings = in_company(at, now);
            assert!(rings >= at && rings < at + BEAT, "{ms}");
            beats.insert(rings);
        }
        // Of ten beats at most the first and the last are cut.
        assert!(beats.len() <= 11, "{}", beats.len());
    }

    #[test]
    fn who_waits_for_a_moment_is_woken_exactly_then() {
        let now = Instant::now();
        for ms in [0, 2, 999, 1_999] {
            let at = now + Duration::from_millis(ms);
            assert_eq!(in_company(at, now), at);
        }
    }
}
