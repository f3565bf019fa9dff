//! When somebody is told to come again for whom there is no room now.
//!
//! Invariant: no two who were refused together are asked to return together.

use std::time::Duration;

/// A server, or a stream, that is full is worth another try after this long.
pub const FULL_RETRY: Duration = Duration::from_secs(5);

/// Between once and twice the time, different for each who asks.
pub fn spread(after: Duration) -> Duration {
    let share = getrandom::u32().map_or(0.5, |number| f64::from(number) / f64::from(u32::MAX));
    after.mul_f64(1.0 + share)
}

/// The same in milliseconds, as JSON says it.
pub fn spread_millis(after: Duration) -> u64 {
    u64::try_from(spread(after).as_millis()).unwrap_or(u64::MAX)
}

/// The same in whole seconds, which is what `Retry-After` has: at least one, and none too early.
pub fn spread_seconds(after: Duration) -> u64 {
    let spread = spread(after);
    (spread.as_secs() + u64::from(spread.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn nobody_is_asked_to_return_too_early_or_after_more_than_twice_the_time() {
        for _ in 0..1000 {
            let spread = spread(FULL_RETRY);
            assert!(
                (FULL_RETRY..=2 * FULL_RETRY).contains(&spread),
                "{spread:?}"
            );
            assert!((5..=10).contains(&spread_seconds(FULL_RETRY)));
        }
        assert_eq!(spread_seconds(Duration::ZERO), 1);
    }

    #[test]
    fn a_hundred_who_are_refused_together_return_in_every_second_of_the_spread() {
        let seconds: HashSet<u64> = (0..100).map(|_| spread_seconds(FULL_RETRY)).collect();
        assert!(
            (6..=10).all(|second| seconds.contains(&second)),
            "{seconds:?}"
        );
    }
}
