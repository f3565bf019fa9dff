//! Asking the publisher for a keyframe, at most twice a second, however many viewers wish for one.
//!
//! Pure: time is an argument. A wish that comes too soon is kept until it may be told, unless a keyframe comes first.

use std::time::{Duration, Instant};

/// The publisher is asked at most this often.
const ASKED_EVERY: Duration = Duration::from_millis(500);

/// What was wished for.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    asked_at: Option<Instant>,
    pending: bool,
}

impl Wishes {
    /// A viewer wishes for a keyframe. True when the publisher is to be asked now.
    pub(crate) fn wish(&mut self, now: Instant) -> bool {
        self.pending = true;
        self.is_due(now)
    }

    /// A frame came. True when the publisher is to be asked now for what was wished earlier.
    pub(crate) fn frame(&mut self, keyframe: bool, now: Instant) -> bool {
        self.pending &= !keyframe;
        self.pending && self.is_due(now)
    }

    fn is_due(&mut self, now: Instant) -> bool {
        let due = self
            .asked_at
            .is_none_or(|at| now.saturating_duration_since(at) >= ASKED_EVERY);
        if due {
            self.asked_at = Some(now);
            self.pending = false;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_publisher_is_asked_twice_a_second_and_never_for_what_has_come() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut wishes = Wishes::default();
        assert!(wishes.wish(at(0)));
        assert!(!wishes.wish(at(10)), "too soon");
        assert!(!wishes.frame(false, at(300)), "still too soon");
        assert!(wishes.frame(false, at(510)), "what was wished earlier");
        assert!(!wishes.frame(false, at(2000)), "nobody wishes any more");
        assert!(!wishes.wish(at(900)));
        assert!(!wishes.frame(true, at(950)));
        assert!(!wishes.frame(false, at(1100)), "it has come");
    }
}
