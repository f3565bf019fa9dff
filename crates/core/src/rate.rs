//! A token bucket: so many at once, so many a second after that.
//!
//! Our own twenty lines rather than a crate, because time is an argument here and one bucket must cost a few bytes: every
//! session holds several.

use std::time::Instant;

/// How much of one thing a session may do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// How many may come at once.
    pub burst: u32,
    /// How many more every second.
    pub per_second: f64,
}

/// What is left of a [`Rate`].
#[derive(Debug, Clone)]
pub struct Bucket {
    rate: Rate,
    level: f64,
    filled_at: Option<Instant>,
}

impl Bucket {
    /// A full bucket.
    pub fn new(rate: Rate) -> Self {
        Self {
            rate,
            level: f64::from(rate.burst),
            filled_at: None,
        }
    }

    /// Takes one, or says that none is left.
    pub fn take(&mut self, now: Instant) -> bool {
        self.take_many(now, 1)
    }

    /// Takes what something costs, or says that so much is not left. What costs more than a full bucket costs a full one.
    pub fn take_many(&mut self, now: Instant, cost: u32) -> bool {
        if let Some(filled_at) = self.filled_at {
            let passed = now.saturating_duration_since(filled_at).as_secs_f64();
            self.level =
                (self.level + passed * self.rate.per_second).min(f64::from(self.rate.burst));
        }
        self.filled_at = Some(now);
        let cost = f64::from(cost.min(self.rate.burst));
        // Nothing is for nothing, of a bucket that holds nothing either.
        if self.level < cost.max(1.0) {
            return false;
        }
        self.level -= cost;
        true
    }

    /// Gives one back that was taken and not used.
    pub fn give_back(&mut self) {
        self.give_back_many(1);
    }

    /// Gives back what something cost that was taken and not used.
    pub fn give_back_many(&mut self, cost: u32) {
        let burst = f64::from(self.rate.burst);
        self.level = (self.level + f64::from(cost)).min(burst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "a test needs some moment to begin at"
    )]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::new(Rate {
            burst: 3,
            per_second: 2.0,
        });
        let given = (0..10).filter(|_| bucket.take(start)).count();
        assert_eq!(given, 3);
        assert!(!bucket.take(start + Duration::from_millis(400)));
        assert!(bucket.take(start + Duration::from_millis(600)));
        let later = start + Duration::from_secs(60);
        assert_eq!((0..10).filter(|_| bucket.take(later)).count(), 3);
    }

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "a test needs some moment to begin at"
    )]
    fn what_costs_more_than_there_can_ever_be_costs_all_of_it() {
        let start = Instant::now();
        let mut bucket = Bucket::new(Rate {
            burst: 3,
            per_second: 1.0,
        });
        assert!(bucket.take_many(start, 50));
        assert!(!bucket.take(start));
        assert!(bucket.take_many(start + Duration::from_secs(2), 2));
        assert!(!bucket.take_many(start + Duration::from_secs(4), 3));
    }

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "a test needs some moment to begin at"
    )]
    fn what_does_not_fit_takes_nothing_and_what_is_given_back_is_there() {
        let now = Instant::now();
        let mut bucket = Bucket::new(Rate {
            burst: 5,
            per_second: 0.0,
        });
        assert!(bucket.take_many(now, 3) && !bucket.take_many(now, 3));
        bucket.give_back();
        assert!(bucket.take_many(now, 3) && !bucket.take(now));
        bucket.give_back_many(100);
        assert!(bucket.take_many(now, 5) && !bucket.take(now));
    }
}
