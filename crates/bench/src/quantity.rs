//! The kinds of values on the command line, each with a text form that a person would type.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A length of time with its unit: `20s`, `100ms`, `12us`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span(pub(crate) Duration);

impl FromStr for Span {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        humantime::parse_duration(text)
            .map(Self)
            .map_err(|_| QuantityError::Span(text.to_owned()))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

/// A number of bytes with its unit: `30kB`, `208kB`, `64KiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Size(pub(crate) usize);

/// Units of a size, longest first so that `KiB` is not read as `B`.
const UNITS: [(&str, f64); 7] = [
    ("KiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
    ("kB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("B", 1.0),
];

impl FromStr for Size {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let (number, unit) = UNITS
            .iter()
            .find_map(|(name, factor)| Some((text.strip_suffix(name)?.trim_end(), *factor)))
            .unwrap_or((text, 1.0));
        match number.parse::<f64>() {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "checked against a bound far below"
            )]
            #[expect(clippy::cast_sign_loss, reason = "checked to be positive")]
            Ok(number) if number >= 0.0 && number * unit < 1e12 => {
                Ok(Self((number * unit).round() as usize))
            }
            _ => Err(QuantityError::Size(text.to_owned())),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0;
        match bytes {
            0..1_000 => write!(f, "{bytes} B"),
            1_000..1_000_000 => write!(f, "{} kB", fraction(bytes, 1_000)),
            _ => write!(f, "{} MB", fraction(bytes, 1_000_000)),
        }
    }
}

/// `bytes / unit` with a decimal only where it tells something.
fn fraction(bytes: usize, unit: usize) -> String {
    let tenths = (bytes * 10 + unit / 2) / unit;
    match tenths % 10 {
        0 => (tenths / 10).to_string(),
        tenth => format!("{}.{tenth}", tenths / 10),
    }
}

/// The key of a stream, as it may stand in a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key(pub(crate) String);

impl FromStr for Key {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        const BYTES_MAX: usize = 64;
        let is_legal = (1..=BYTES_MAX).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        is_legal
            .then(|| Self(text.to_owned()))
            .ok_or_else(|| QuantityError::Key(text.to_owned()))
    }
}

/// Why a value cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum QuantityError {
    /// A length of time.
    #[error("`{0}` is no length of time: write it with its unit, such as 20s, 100ms or 12us")]
    Span(String),
    /// A key.
    #[error("`{0}` is no key of a stream: 1 to 64 letters, digits, - and _")]
    Key(String),
    /// A size.
    #[error("`{0}` is no size: write it with its unit, such as 30kB, 64KiB or 1MB")]
    Size(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_units_and_written_shortly() {
        let read = |text: &str| text.parse::<Size>().map(|size| size.0);
        assert_eq!(read("30kB"), Ok(30_000));
        assert_eq!(read("10.4kB"), Ok(10_400));
        assert_eq!(read("64KiB"), Ok(65_536));
        assert_eq!(read("2GiB"), Ok(2 << 30));
        assert_eq!(read("7"), Ok(7));
        assert_eq!(read("much"), Err(QuantityError::Size("much".to_owned())));
        assert_eq!(Size(10_400).to_string(), "10.4 kB");
        assert_eq!(Size(30_000).to_string(), "30 kB");
    }

    #[test]
    fn a_key_has_nothing_that_means_something_in_a_path() {
        assert_eq!("demo-1_A".parse(), Ok(Key("demo-1_A".to_owned())));
        for text in ["", "a/b", "a b", "a\r\n", "é", &"a".repeat(65)] {
            assert!(text.parse::<Key>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_time_without_a_unit_is_refused_with_examples() {
        assert_eq!("12us".parse(), Ok(Span(Duration::from_micros(12))));
        let error = "20".parse::<Span>().unwrap_err().to_string();
        assert!(error.contains("20s"), "{error}");
    }
}
