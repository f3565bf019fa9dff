//! Whether the timestamps of an encoder's frames go on, so that no viewer is sent to a time that never comes.
//!
//! One frame that leaps is left out, and nothing else is lost by it; an encoder whose clock was set goes on with the frame
//! after that, which says the same.

/// No stream stands still for longer, and none is further from its zero than a page can count microseconds.
const LEAP_MAX: u64 = 24 * 60 * 60 * 1_000_000;
const TIMESTAMP_MAX: i64 = (1 << 53) - 1;

/// The timestamps of one encoder, in microseconds.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// Of the newest frame that was kept.
    newest: Option<i64>,
    /// Of the frame before, if it leapt.
    leapt: Option<i64>,
}

/// What a timestamp says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// The frame comes about where those before it were.
    GoesOn,
    /// The encoder counts from elsewhere now.
    WasSet,
    /// The frame is nowhere near the one before it.
    Leaps,
}

impl Clock {
    /// Reads the timestamp of the next frame.
    pub(crate) fn reads(&mut self, timestamp: i64) -> Reading {
        let near = |other: i64| timestamp.abs_diff(other) <= LEAP_MAX;
        if timestamp > TIMESTAMP_MAX || timestamp < 0 && !near(0) {
            return Reading::Leaps;
        }
        let reading = match (self.newest, self.leapt) {
            (Some(newest), leapt) if !near(newest) => {
                if !leapt.is_some_and(near) {
                    self.leapt = Some(timestamp);
                    return Reading::Leaps;
                }
                Reading::WasSet
            }
            _ => Reading::GoesOn,
        };
        self.leapt = None;
        self.newest = Some(timestamp);
        reading
    }
}

#[cfg(test)]
mod tests {
    use super::Reading::{GoesOn, Leaps, WasSet};
    use super::*;

    const HOUR: i64 = 3_600_000_000;

    fn readings(timestamps: &[i64]) -> Vec<Reading> {
        let mut clock = Clock::default();
        timestamps.iter().map(|at| clock.reads(*at)).collect()
    }

    #[test]
    fn one_leap_is_left_out_and_a_clock_that_was_set_is_followed() {
        assert_eq!(
            readings(&[0, 30 * HOUR, 40, -40, 23 * HOUR, 40 * HOUR]),
            [GoesOn, Leaps, GoesOn, GoesOn, GoesOn, GoesOn]
        );
        assert_eq!(
            readings(&[5, 100 * HOUR, 100 * HOUR + 40, 100 * HOUR + 80]),
            [GoesOn, Leaps, WasSet, GoesOn]
        );
        let since_1970 = 1_763_800_000_000_000;
        assert_eq!(readings(&[since_1970, since_1970 + 40]), [GoesOn, GoesOn]);
    }

    #[test]
    fn a_time_that_no_page_can_count_never_is_the_streams() {
        assert_eq!(
            readings(&[i64::MAX, i64::MAX, 0, i64::MIN, i64::MIN, 40]),
            [Leaps, Leaps, GoesOn, Leaps, Leaps, GoesOn]
        );
    }
}
