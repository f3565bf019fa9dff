//! When a room is told who came and who went.
//!
//! Telling everybody of everybody costs N² messages. While a stream is small each coming and going is told as it happens;
//! above a bound only the count is, at most once per interval, so that N viewers joining cost O(N) messages a second at
//! the worst and not O(N²) in all. Nor does it help to come and go again and again: names have a rate as well.

use crate::rate::{Bucket, Rate};
use std::time::{Duration, Instant};

/// From which size on a room is told counts only, and how often.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// Up to this many viewers each coming and going is told by name.
    pub named_max: usize,
    /// So many of them are.
    pub named_rate: Rate,
    /// Above that the count is told at most once in this time.
    pub count_every: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            named_max: 50,
            named_rate: Rate {
                burst: 200,
                per_second: 10.0,
            },
            count_every: Duration::from_millis(500),
        }
    }
}

/// What to tell of one coming or going.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Telling {
    /// Who it was, and the count, at once.
    Named,
    /// Nothing now: the count follows when [`Presence::deadline`] comes.
    Later,
}

/// What one room has been told.
#[derive(Debug)]
pub struct Presence {
    policy: Policy,
    names: Bucket,
    told_at: Option<Instant>,
    due: Option<Instant>,
}

impl Presence {
    /// A room that was told nothing yet.
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            names: Bucket::new(policy.named_rate),
            told_at: None,
            due: None,
        }
    }

    /// Somebody came or went, and `count` viewers are there now.
    pub fn changed(&mut self, count: usize, now: Instant) -> Telling {
        if count <= self.policy.named_max && self.names.take(now) {
            self.told_at = Some(now);
            self.due = None;
            return Telling::Named;
        }
        let earliest = self
            .told_at
            .map_or(now, |told_at| told_at + self.policy.count_every);
        self.due.get_or_insert(earliest.max(now));
        Telling::Later
    }

    /// When the count is to be told, if it is.
    pub fn deadline(&self) -> Option<Instant> {
        self.due
    }

    /// Whether the count is to be told now. Says so once.
    pub fn count_is_due(&mut self, now: Instant) -> bool {
        if self.due.is_none_or(|due| due > now) {
            return false;
        }
        self.due = None;
        self.told_at = Some(now);
        true
    }
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "a test needs some moment to begin at"
)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_that_comes_at_once_is_told_a_few_counts_a_second() {
        let start = Instant::now();
        let mut presence = Presence::new(Policy::default());
        let (mut named, mut counts) = (0, 0);
        for count in 1..=2000u32 {
            let now = start + Duration::from_millis(u64::from(count));
            counts += u32::from(presence.count_is_due(now));
            named += u32::from(presence.changed(count as usize, now) == Telling::Named);
        }
        assert_eq!(named, 50);
        assert_eq!(counts, 3, "1.95 s of crowd, one count every 0.5 s");
        assert!(
            presence.deadline().is_some(),
            "the last count is still to be told"
        );
    }

    #[test]
    fn who_comes_and_goes_without_end_is_named_at_a_pace_and_counted_in_the_end() {
        let start = Instant::now();
        let mut presence = Presence::new(Policy::default());
        let (mut named, mut counts) = (0, 0);
        for millis in 1..=2000u32 {
            let now = start + Duration::from_millis(u64::from(millis));
            counts += u32::from(presence.count_is_due(now));
            let count = 1 + (millis % 2) as usize;
            named += u32::from(presence.changed(count, now) == Telling::Named);
        }
        assert_eq!(named, 219, "200 at once, and ten a second");
        assert!(counts <= 3, "{counts} counts in less than two seconds");
        let due = presence.deadline().expect("the last is still to be told");
        assert!(presence.count_is_due(due) && presence.deadline().is_none());
    }
}
