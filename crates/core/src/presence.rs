//! When a room is told who came and who went.
//!
//! Telling everybody of everybody costs N² messages. While a stream is small each coming and going is told as it happens;
//! above a bound only the count is, at most once per interval, so that N viewers joining cost O(N) messages a second at
//! the worst and not O(N²) in all.

use std::time::{Duration, Instant};

/// From which size on a room is told counts only, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Up to this many viewers each coming and going is told by name.
    pub named_max: usize,
    /// Above that the count is told at most once in this time.
    pub count_every: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            named_max: 50,
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
    told_at: Option<Instant>,
    due: Option<Instant>,
}

impl Presence {
    /// A room that was told nothing yet.
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            told_at: None,
            due: None,
        }
    }

    /// Somebody came or went, and `count` viewers are there now.
    pub fn changed(&mut self, count: usize, now: Instant) -> Telling {
        if count <= self.policy.named_max {
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
}
