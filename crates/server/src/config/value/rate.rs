//! How often something may be done, and how many bytes may pass.

use super::ValueError;
use super::amount::Size;
use std::fmt;
use std::str::FromStr;

/// How often something may be done: a number per second for good, and a number at once: `5/s burst 30`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Often {
    /// How many a second, for good.
    pub per_second: f64,
    /// How many at once.
    pub burst: u32,
}

impl FromStr for Often {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let read = || {
            let (per_second, burst) = text.split_once("/s burst ")?;
            let often = Self {
                per_second: per_second.trim().parse().ok()?,
                burst: burst.trim().parse().ok()?,
            };
            (often.per_second.is_finite() && often.per_second >= 0.0).then_some(often)
        };
        read().ok_or_else(|| ValueError::Often(text.to_owned()))
    }
}

impl fmt::Display for Often {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s burst {}", self.per_second, self.burst)
    }
}

/// Bytes a second, and bytes at once: `64MiB/s burst 64MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throughput {
    /// How many a second, for good.
    pub per_second: Size,
    /// How many at once.
    pub burst: Size,
}

impl FromStr for Throughput {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let read = || {
            let (per_second, burst) = text.split_once("/s burst ")?;
            Some(Self {
                per_second: per_second.trim().parse().ok()?,
                burst: burst.trim().parse().ok()?,
            })
        };
        read().ok_or_else(|| ValueError::Throughput(text.to_owned()))
    }
}

impl fmt::Display for Throughput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s burst {}", self.per_second, self.burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_has_a_pace_and_a_burst() {
        let often = Often {
            per_second: 0.5,
            burst: 3,
        };
        assert_eq!("0.5/s burst 3".parse(), Ok(often));
        assert_eq!(often.to_string(), "0.5/s burst 3");
        for wrong in [
            "5",
            "5/s",
            "-1/s burst 3",
            "inf/s burst 3",
            "NaN/s burst 3",
            "5/s burst many",
        ] {
            assert_eq!(
                wrong.parse::<Often>(),
                Err(ValueError::Often(wrong.to_owned())),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_rate_of_bytes_has_sizes_on_both_sides() {
        let throughput = Throughput {
            per_second: Size(8 << 20),
            burst: Size(500),
        };
        assert_eq!("8MiB/s burst 500B".parse(), Ok(throughput));
        assert_eq!(throughput.to_string(), "8MiB/s burst 500");
        for wrong in ["8MiB", "8MiB/s", "-1/s burst 3", "8MiB/s burst much"] {
            assert_eq!(
                wrong.parse::<Throughput>(),
                Err(ValueError::Throughput(wrong.to_owned()))
            );
        }
    }
}
