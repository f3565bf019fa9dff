//! Spreads a storm of requests over time: each is given its moment, or refused when that lies too far ahead.

use std::time::{Duration, Instant};

/// How fast requests are let through, and how long one may be kept waiting.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// How many may come at once.
    pub burst: u32,
    /// How many are let through every second after that.
    pub per_second: f64,
    /// A request that would have to wait longer is refused.
    pub patience: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            burst: 500,
            per_second: 5_000.0,
            patience: Duration::from_secs(1),
        }
    }
}

/// What was let through so far.
#[derive(Debug)]
pub struct Pacer {
    pace: Pace,
    /// When the queue will have been worked off; in the past when there is room for a burst.
    free_at: Option<Instant>,
}

impl Pacer {
    /// Nothing was let through yet.
    pub fn new(pace: Pace) -> Self {
        Self {
            pace,
            free_at: None,
        }
    }

    /// How long a request that comes at `now` must wait for its turn.
    ///
    /// # Errors
    /// The time after which it would be let through, when that is beyond its patience. It then has no turn.
    pub fn turn(&mut self, now: Instant) -> Result<Duration, Duration> {
        let step = Duration::from_secs_f64(1.0 / self.pace.per_second.max(1e-3));
        let head_start = step * self.pace.burst;
        let earliest = now.checked_sub(head_start).unwrap_or(now);
        let turn = self
            .free_at
            .map_or(earliest, |free_at| free_at.max(earliest));
        let wait = turn.saturating_duration_since(now);
        if wait > self.pace.patience {
            return Err(wait);
        }
        self.free_at = Some(turn + step);
        Ok(wait)
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
    fn a_storm_is_spread_and_its_end_refused() {
        let pace = Pace {
            burst: 10,
            per_second: 100.0,
            patience: Duration::from_secs(1),
        };
        let mut pacer = Pacer::new(pace);
        let now = Instant::now() + Duration::from_secs(1000);
        let turns: Vec<_> = (0..200).map(|_| pacer.turn(now)).collect();
        assert!(turns[..10].iter().all(|turn| *turn == Ok(Duration::ZERO)));
        assert!(turns[60].is_ok_and(|wait| (480..=520).contains(&wait.as_millis())));
        let refused = turns.iter().filter(|turn| turn.is_err()).count();
        assert!((85..=95).contains(&refused), "{refused} refused");
        assert!(pacer.turn(now + Duration::from_secs(5)).is_ok());
    }
}
