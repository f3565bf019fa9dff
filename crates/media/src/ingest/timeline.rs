//! One time for a stream, whatever its recorders count.
//!
//! A recorder that is restarted counts from 0 again, and so does a publisher that comes back. Their
//! viewers must not notice: what follows is placed as long after what was before as it came later.

use std::time::Duration;

use crate::frame::Frame;

/// The time of one stream.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    /// Where the newest frame ended, and when it came.
    newest: Option<(Duration, Duration)>,
    shift: Shift,
}

/// What is added to a recording's times.
#[derive(Clone, Copy, Debug, Default)]
enum Shift {
    /// A recording begins: it is known with its first frame.
    #[default]
    Unknown,
    Later(Duration),
    Earlier(Duration),
}

impl Shift {
    fn apply(self, time: Duration) -> Duration {
        match self {
            Self::Unknown => time,
            Self::Later(by) => time.saturating_add(by),
            Self::Earlier(by) => time.saturating_sub(by),
        }
    }
}

impl Timeline {
    /// What comes next counts anew.
    pub(super) fn recording_begins(&mut self) {
        self.shift = Shift::Unknown;
    }

    /// Places a frame that came at `now`.
    pub(super) fn place(&mut self, frame: &mut Frame, now: Duration) {
        let begins = frame.decode_timestamp.unwrap_or(frame.timestamp);
        if matches!(self.shift, Shift::Unknown) {
            self.shift = match self.newest {
                // The first recording's own times are as good as any.
                None => Shift::Later(Duration::ZERO),
                Some((end, came)) => {
                    let place = end.saturating_add(now.saturating_sub(came));
                    if place >= begins {
                        Shift::Later(place - begins)
                    } else {
                        Shift::Earlier(begins - place)
                    }
                }
            };
        }
        frame.timestamp = self.shift.apply(frame.timestamp);
        frame.decode_timestamp = frame.decode_timestamp.map(|time| self.shift.apply(time));
        let end = frame
            .timestamp
            .saturating_add(frame.duration.unwrap_or(AT_LEAST));
        let newest = self.newest.map_or(end, |(newest, _)| newest.max(end));
        self.newest = Some((newest, now));
    }
}

/// No frame is shorter, whoever does not say how long it is.
const AT_LEAST: Duration = Duration::from_millis(10);
