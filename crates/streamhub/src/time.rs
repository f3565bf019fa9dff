//! Wall-clock time as the dialect writes it: milliseconds since 1970, and ISO 8601 with milliseconds.

use serde::{Serialize, Serializer};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment of the wall clock, in milliseconds since 1970. Serialised as ISO 8601 UTC (`2026-11-22T12:00:00.000Z`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The present.
    pub fn now() -> Self {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// From milliseconds since 1970.
    pub fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970.
    pub fn millis(self) -> u64 {
        self.0
    }

    /// ISO 8601 UTC with milliseconds.
    pub fn to_iso(self) -> String {
        // The formatter covers the years up to 9999; a clock beyond that is clamped rather than trusted.
        const LAST_MILLIS: u64 = 253_402_300_799_999;
        let at = UNIX_EPOCH + Duration::from_millis(self.0.min(LAST_MILLIS));
        humantime::format_rfc3339_millis(at).to_string()
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_iso())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_as_javascript_does() {
        assert_eq!(
            Timestamp::from_millis(1_795_348_800_123).to_iso(),
            "2026-11-22T12:00:00.123Z"
        );
        assert_eq!(
            Timestamp::from_millis(u64::MAX).to_iso(),
            "9999-12-31T23:59:59.999Z"
        );
    }
}
