//! How much of something: lengths of time, bytes, counts, shares.

use super::ValueError;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A length of time, written with its unit: `10s`, `250ms`, `1m 30s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match humantime::parse_duration(text) {
            Ok(duration) => Ok(Self(duration)),
            Err(_) if text.parse::<u64>().is_ok() => Err(ValueError::NoUnit(text.to_owned())),
            Err(_) => Err(ValueError::Span(text.to_owned())),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

/// A number of bytes: `1000000`, `64KiB`, `1MB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub usize);

/// The units a size may be written in, longest first so that `KiB` is not read as `B`.
const SIZE_UNITS: [(&str, usize); 7] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("B", 1),
];

impl FromStr for Size {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (number, unit) = SIZE_UNITS
            .iter()
            .find_map(|(name, factor)| Some((text.strip_suffix(name)?.trim_end(), *factor)))
            .unwrap_or((text, 1));
        let bytes = number
            .parse::<usize>()
            .ok()
            .and_then(|count| count.checked_mul(unit));
        bytes
            .map(Self)
            .ok_or_else(|| ValueError::Size(text.to_owned()))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = [
            ("GiB", 1 << 30),
            ("MiB", 1 << 20),
            ("KiB", 1 << 10),
            ("MB", 1_000_000),
            ("kB", 1_000),
        ]
        .into_iter()
        .find(|(_, factor)| self.0 >= *factor && self.0.is_multiple_of(*factor));
        match unit {
            Some((name, factor)) => write!(f, "{}{name}", self.0 / factor),
            None => self.0.fmt(f),
        }
    }
}

/// How many of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count(pub usize);

impl FromStr for Count {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        text.parse()
            .map(Self)
            .map_err(|_| ValueError::Count(text.to_owned()))
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A part of a whole, from nothing (0) to all (1), written in percent: `90%`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share(pub f64);

impl FromStr for Share {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let read = || {
            let percent: f64 = text.strip_suffix('%')?.trim_end().parse().ok()?;
            (0.0..=100.0)
                .contains(&percent)
                .then_some(Self(percent / 100.0))
        };
        read().ok_or_else(|| ValueError::Share(text.to_owned()))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What was typed, without the noise of having been divided.
        write!(f, "{}%", (self.0 * 1e6).round() / 1e4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_needs_its_unit() {
        assert_eq!("250ms".parse(), Ok(Span(Duration::from_millis(250))));
        assert_eq!("0s".parse(), Ok(Span(Duration::ZERO)));
        assert_eq!(
            "10".parse::<Span>(),
            Err(ValueError::NoUnit("10".to_owned()))
        );
        assert_eq!(
            "soon".parse::<Span>(),
            Err(ValueError::Span("soon".to_owned()))
        );
    }

    #[test]
    fn a_size_is_shown_as_it_would_be_typed() {
        for text in ["64KiB", "1MB", "3", "5GiB", "8MiB", "1500", "10kB"] {
            assert_eq!(
                text.parse::<Size>().map(|size| size.to_string()),
                Ok(text.to_owned())
            );
        }
        assert_eq!("1 MB".parse(), Ok(Size(1_000_000)));
        for wrong in [
            "",
            "B",
            "-1",
            "1TB",
            "99999999999999999999",
            "99999999999GiB",
        ] {
            assert_eq!(
                wrong.parse::<Size>(),
                Err(ValueError::Size(wrong.to_owned())),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_share_is_written_in_percent() {
        assert_eq!("90%".parse(), Ok(Share(0.9)));
        assert_eq!(Share(0.04).to_string(), "4%");
        assert_eq!("100 %".parse(), Ok(Share(1.0)));
        for wrong in ["", "90", "%", "101%", "-1%", "NaN%", "0.9"] {
            assert_eq!(
                wrong.parse::<Share>(),
                Err(ValueError::Share(wrong.to_owned())),
                "{wrong}"
            );
        }
    }
}
