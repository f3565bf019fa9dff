//! A viewer that says nothing: it is asked whether it is there, and is sent nothing until it says something again.
//!
//! Players report about once a second. One whose page was closed says nothing any more, and what it was sent would fill the
//! line of those beside it until its session is over.

use std::time::{Duration, Instant};

/// A viewer that has said nothing for so long is asked, and again so long after.
const ASKED_AFTER: Duration = Duration::from_millis(1_200);
const ASKED_EVERY: Duration = Duration::from_millis(400);

/// One that has said nothing for so long, and was asked, is sent nothing.
const PAUSED_AFTER: Duration = Duration::from_millis(2_500);

/// When a viewer was last asked whether it is there.
#[derive(Default)]
pub(crate) struct Silence {
    asked: Option<Instant>,
    /// How often, since it said something.
    times: u32,
}

/// What is to be done about a viewer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Due {
    /// It is to be asked now.
    pub(crate) asks: bool,
    /// It is sent nothing, and looked at again then.
    pub(crate) paused_until: Option<Instant>,
}

impl Silence {
    /// It was last heard then.
    pub(crate) fn look(&mut self, heard: Instant, now: Instant) -> Due {
        let silent = now.saturating_duration_since(heard);
        if self.asked.is_some_and(|asked| asked < heard) {
            *self = Self::default();
        }
        let is_soon = |asked| now.saturating_duration_since(asked) < ASKED_EVERY;
        let asks = silent >= ASKED_AFTER && !self.asked.is_some_and(is_soon);
        // Whoever was never asked may have had nothing to say.
        let is_paused = silent >= PAUSED_AFTER && self.times > 1;
        if asks {
            self.asked = Some(now);
            self.times = self.times.saturating_add(1);
        }
        let next = self.asked.map_or(now, |asked| asked) + ASKED_EVERY;
        Due {
            asks,
            paused_until: is_paused.then_some(next),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_says_nothing_is_asked_and_then_sent_nothing_until_it_says_something() {
        let begun = Instant::now();
        let at = |millis| begun + Duration::from_millis(millis);
        let mut silence = Silence::default();
        let mut asked = Vec::new();
        let mut look = |heard: u64, millis: u64| {
            let due = silence.look(at(heard), at(millis));
            if due.asks {
                asked.push(millis);
            }
            due.paused_until
        };
        for millis in (0..2_500).step_by(40) {
            assert_eq!(look(0, millis), None, "{millis}");
        }
        assert!(look(0, 2_520).is_some());
        assert!(look(0, 9_000).is_some_and(|until| until > at(9_000)));
        assert_eq!(look(9_010, 9_020), None, "it is there");
        // Nothing was to be sent for long, and nobody asked.
        assert_eq!(look(9_010, 15_000), None);
        assert_eq!(look(9_010, 15_420), None);
        assert!(look(9_010, 15_440).is_some());
        let first: Vec<u64> = asked.iter().copied().take(3).collect();
        assert_eq!(first, [1_200, 1_600, 2_000]);
    }
}
