//! How many bits a second something has.

use std::time::{Duration, Instant};

/// What is counted together.
const WINDOW: Duration = Duration::from_millis(500);

/// Bits a second, over about a second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Meter {
    since: Instant,
    bytes: u64,
    bits_per_second: Option<u64>,
}

impl Meter {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            since: now,
            bytes: 0,
            bits_per_second: None,
        }
    }

    /// So many bytes came.
    pub(crate) fn count(&mut self, bytes: usize, now: Instant) {
        self.bytes += u64::try_from(bytes).unwrap_or(u64::MAX);
        let passed = now.saturating_duration_since(self.since);
        if passed >= WINDOW {
            let millis = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX).max(1);
            let newest = self.bytes.saturating_mul(8_000) / millis;
            self.bits_per_second = Some(
                self.bits_per_second
                    .map_or(newest, |known| known.midpoint(newest)),
            );
            self.bytes = 0;
            self.since = now;
        }
    }

    /// Zero until the first window is over.
    pub(crate) fn bits_per_second(&self) -> u64 {
        self.bits_per_second.unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_known_after_half_a_second_and_follows() {
        let begun = Instant::now();
        let mut meter = Meter::new(begun);
        for n in 1..=30 {
            meter.count(10_000, begun + Duration::from_millis(n * 33));
            assert_eq!(meter.bits_per_second() > 0, n >= 16, "{n}");
        }
        let rate = meter.bits_per_second();
        assert!((2_300_000..2_600_000).contains(&rate), "{rate}");
    }
}
