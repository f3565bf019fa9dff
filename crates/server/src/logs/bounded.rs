//! A log that a stranger cannot fill: of each place of the code that writes lines, so many at once and so many a second.
//!
//! What is beyond that is left out, and counted: the next line of that place is written after one that says how many.
//! Lines of debug and trace have no bound: somebody has asked for each of them.

use crate::config::LogFormat;
use abanico_core::rate::{Bucket, Rate};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::io::{self, Write};
use std::time::{Instant, SystemTime};
use tracing::callsite::Identifier;
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// The lines of one place: 2000 streams that begin together are told of, and in a day there are no more than some 100 MB.
const LINES: Rate = Rate {
    burst: 2000,
    per_second: 5.0,
};

/// What has written how much. There are as many as there are places in the code.
pub(super) struct Bounded<W> {
    to: W,
    format: LogFormat,
    places: Mutex<HashMap<Identifier, Spoken>>,
}

/// What one place has left.
struct Spoken {
    bucket: Bucket,
    left_out: u64,
}

/// Where one line goes.
pub(super) enum Line<W> {
    Written(W),
    LeftOut,
}

impl<W> Bounded<W> {
    pub(super) fn new(to: W, format: LogFormat) -> Self {
        Self {
            to,
            format,
            places: Mutex::default(),
        }
    }

    /// How many lines were left out before one that is written now; `None` if it is left out too.
    fn judge(&self, metadata: &Metadata<'_>, now: Instant) -> Option<u64> {
        if *metadata.level() > Level::INFO {
            return Some(0);
        }
        let mut places = self.places.lock();
        let spoken = places.entry(metadata.callsite()).or_insert_with(|| Spoken {
            bucket: Bucket::new(LINES),
            left_out: 0,
        });
        if spoken.bucket.take(now) {
            return Some(std::mem::take(&mut spoken.left_out));
        }
        spoken.left_out += 1;
        None
    }

    /// What is said of lines that were left out.
    fn gap(&self, left_out: u64) -> String {
        let now = humantime::format_rfc3339_micros(SystemTime::now());
        let words = "lines such as the next were left out: there are too many";
        match self.format {
            LogFormat::Text => format!("{now}  WARN {left_out} {words}\n"),
            LogFormat::Json => format!(
                "{{\"timestamp\":\"{now}\",\"level\":\"WARN\",\"message\":\"{words}\",\"left_out\":{left_out}}}\n"
            ),
        }
    }
}

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for Bounded<W> {
    type Writer = Line<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Line::Written(self.to.make_writer())
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Self::Writer {
        let Some(left_out) = self.judge(metadata, Instant::now()) else {
            return Line::LeftOut;
        };
        let mut writer = self.to.make_writer_for(metadata);
        if left_out > 0 {
            // A log that cannot be written is no reason not to serve.
            let _ = writer.write_all(self.gap(left_out).as_bytes());
        }
        Line::Written(writer)
    }
}

impl<W: Write> Write for Line<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Written(writer) => writer.write(bytes),
            Self::LeftOut => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Written(writer) => writer.flush(),
            Self::LeftOut => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tracing::callsite::DefaultCallsite;
    use tracing::field::FieldSet;
    use tracing::metadata::Kind;

    static OF_A_STRANGER: DefaultCallsite = DefaultCallsite::new(&WARNING);
    static WARNING: Metadata<'static> = Metadata::new(
        "warning",
        "abanico",
        Level::WARN,
        None,
        None,
        None,
        FieldSet::new(&[], tracing::callsite::Identifier(&OF_A_STRANGER)),
        Kind::EVENT,
    );
    static ASKED_FOR: DefaultCallsite = DefaultCallsite::new(&DETAIL);
    static DETAIL: Metadata<'static> = Metadata::new(
        "detail",
        "abanico",
        Level::DEBUG,
        None,
        None,
        None,
        FieldSet::new(&[], tracing::callsite::Identifier(&ASKED_FOR)),
        Kind::EVENT,
    );

    #[test]
    fn what_is_left_out_is_counted_and_told_with_the_next_line() {
        let log = Bounded::new(io::sink, LogFormat::Json);
        let now = Instant::now();
        for _ in 0..LINES.burst {
            assert_eq!(log.judge(&WARNING, now), Some(0));
        }
        for _ in 0..7 {
            assert_eq!(log.judge(&WARNING, now), None);
        }
        assert_eq!(log.judge(&DETAIL, now), Some(0));
        let later = now + Duration::from_secs(1);
        assert_eq!(log.judge(&WARNING, later), Some(7));
        assert_eq!(log.judge(&WARNING, later), Some(0));
        let told: serde_json::Value = serde_json::from_str(&log.gap(7)).unwrap();
        assert_eq!(told["left_out"], 7);
    }

    #[test]
    fn what_somebody_asked_for_has_no_bound() {
        let log = Bounded::new(io::sink, LogFormat::Text);
        let now = Instant::now();
        for _ in 0..=LINES.burst {
            assert_eq!(log.judge(&DETAIL, now), Some(0));
        }
    }
}
