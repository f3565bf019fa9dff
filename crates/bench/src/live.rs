//! How a run goes on, told once a second: a line that is written over on a terminal, one below the other elsewhere.

use crate::client::Shared;
use crate::machine::now_us;
use crate::tally::Times;
use std::io::{IsTerminal, Write};

/// The line that tells how it goes on.
pub(crate) struct Live<'a> {
    shared: &'a Shared,
    is_told: bool,
    is_terminal: bool,
    next_us: u64,
    began_us: u64,
    before: (u64, u64, u64),
}

impl<'a> Live<'a> {
    const EVERY_US: u64 = 1_000_000;

    /// Of a run that begins now.
    pub(crate) fn new(shared: &'a Shared, is_told: bool) -> Self {
        let now = now_us();
        Self {
            shared,
            is_told,
            is_terminal: std::io::stderr().is_terminal(),
            next_us: now + Self::EVERY_US,
            began_us: now,
            before: (now, 0, 0),
        }
    }

    /// Tells, if a second has passed.
    pub(crate) fn look(&mut self) {
        let now = now_us();
        if !self.is_told || now < self.next_us {
            return;
        }
        self.next_us = now + Self::EVERY_US;
        let mut total = self.shared.total.lock();
        let (then, delivered, bytes) = std::mem::replace(
            &mut self.before,
            (now, total.delivered_ever, total.bytes_ever),
        );
        let seconds = (now - then).max(1) as f64 / 1e6;
        let line = format!(
            "{:>4} s  {} viewers  {:.0} messages/s  {:.2} Gbit/s  p50 {}  p95 {}  p99 {}  lost {}  skipped {}",
            (now - self.began_us) / 1_000_000,
            total.joined - total.broken.min(total.joined),
            (total.delivered_ever - delivered) as f64 / seconds,
            (total.bytes_ever - bytes) as f64 * 8.0 / 1e9 / seconds,
            milliseconds(&total.recent, 50.0),
            milliseconds(&total.recent, 95.0),
            milliseconds(&total.recent, 99.0),
            total.lost,
            total.skipped,
        );
        total.recent.reset();
        drop(total);
        let end = if self.is_terminal { "" } else { "\n" };
        let begin = if self.is_terminal { "\r\x1b[2K" } else { "" };
        // Nobody may be listening.
        let _ = write!(std::io::stderr(), "{begin}{line}{end}");
    }

    /// Makes room for what is told in the end.
    pub(crate) fn close(&self) {
        if self.is_told && self.is_terminal {
            // Nobody may be listening.
            let _ = write!(std::io::stderr(), "\r\x1b[2K");
        }
    }
}

/// A percentile with its unit.
fn milliseconds(times: &Times, percentile: f64) -> String {
    if times.is_empty() {
        return "-".to_owned();
    }
    format!(
        "{:.1} ms",
        times.value_at_percentile(percentile) as f64 / 1e3
    )
}
