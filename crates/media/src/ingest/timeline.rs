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
    /// When the newest frame of each track is decoded, of those that were placed in order.
    decoded: Vec<(u64, Duration)>,
}

/// What is added to a recording's times.
#[derive(Clone, Copy, Debug, Default)]
enum Shift {
    /// A recording begins: it is known with its first frame.
    #[default]
    Unknown,
    /// Another source takes over, which may count on from where the one before was.
    Kept(Place),
    Known(Place),
}

/// How far a recording's times are from the stream's.
#[derive(Clone, Copy, Debug)]
enum Place {
    Later(Duration),
    Earlier(Duration),
}

impl Place {
    /// Puts what begins at `from` to where it should be.
    fn between(from: Duration, to: Duration) -> Self {
        if to >= from {
            Self::Later(to - from)
        } else {
            Self::Earlier(from - to)
        }
    }

    fn apply(self, time: Duration) -> Duration {
        match self {
            Self::Later(by) => time.saturating_add(by),
            Self::Earlier(by) => time.saturating_sub(by),
        }
    }
}

impl Timeline {
    /// What comes next counts anew.
    pub fn recording_begins(&mut self) {
        self.shift = Shift::Unknown;
    }

    /// What comes next is another source's: it counts on if that fits, or else anew.
    pub fn source_changes(&mut self) {
        if let Shift::Known(place) = self.shift {
            self.shift = Shift::Kept(place);
        }
    }

    /// What comes next may begin earlier than what came before, which everybody has forgotten.
    pub fn rewind(&mut self) {
        self.source_changes();
        self.newest = None;
        self.decoded.clear();
    }

    /// Places a frame that came at `now`, and that viewers are given. If its time is further back from the frame of its
    /// track before than any order of decoding explains, the recording counts anew: its clock was set, or what came before
    /// was damaged.
    pub fn place_in_order(&mut self, frame: &mut Frame, now: Duration) {
        let begins = frame.decode_timestamp.unwrap_or(frame.timestamp);
        let before = self.decoded.iter().find(|(track, _)| *track == frame.track);
        if let (Shift::Known(place), Some((_, before))) = (self.shift, before)
            && place.apply(begins).saturating_add(REORDER_MAX) < *before
        {
            self.recording_begins();
        }
        self.place(frame, now);
        let decoded = frame.decode_timestamp.unwrap_or(frame.timestamp);
        match self.decoded.iter_mut().find(|(of, _)| *of == frame.track) {
            Some((_, before)) => *before = decoded,
            None => self.decoded.push((frame.track, decoded)),
        }
    }

    /// Places a frame that came at `now`.
    pub fn place(&mut self, frame: &mut Frame, now: Duration) {
        let begins = frame.decode_timestamp.unwrap_or(frame.timestamp);
        let place = match (self.shift, self.newest) {
            (Shift::Known(place), _) | (Shift::Kept(place), None) => place,
            // The first recording's own times are as good as any.
            (_, None) => Place::Later(Duration::ZERO),
            (shift, Some((end, came))) => {
                let expected = end.saturating_add(now.saturating_sub(came));
                match shift {
                    Shift::Kept(place)
                        if place.apply(begins).abs_diff(expected) < FITS
                            && place.apply(begins) >= end.saturating_sub(AT_LEAST) =>
                    {
                        place
                    }
                    _ => Place::between(begins, expected),
                }
            }
        };
        self.shift = Shift::Known(place);
        frame.timestamp = place.apply(frame.timestamp);
        frame.decode_timestamp = frame.decode_timestamp.map(|time| place.apply(time));
        let end = frame
            .timestamp
            .saturating_add(frame.duration.unwrap_or(AT_LEAST));
        let newest = self.newest.map_or(end, |(newest, _)| newest.max(end));
        self.newest = Some((newest, now));
    }
}

/// No frame is shorter, whoever does not say how long it is.
const AT_LEAST: Duration = Duration::from_millis(10);

/// Pictures that are decoded in another order than they are shown in are no further apart.
const REORDER_MAX: Duration = Duration::from_secs(2);

/// A source that takes over and is no further than this from where it is expected counts on.
const FITS: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn frame(track: u64, at: u64) -> Frame {
        Frame {
            track,
            timestamp: Duration::from_millis(at),
            decode_timestamp: None,
            duration: None,
            keyframe: true,
            payload: Bytes::new(),
        }
    }

    fn placed(timeline: &mut Timeline, at: u64, now: u64) -> u64 {
        let mut frame = frame(1, at);
        timeline.place(&mut frame, Duration::from_millis(now));
        u64::try_from(frame.timestamp.as_millis()).unwrap()
    }

    #[test]
    fn a_time_that_no_order_of_decoding_explains_goes_on_from_the_newest_for_all_tracks() {
        let mut timeline = Timeline::default();
        let mut placed = |track: u64, at: u64, now: u64| {
            let mut frame = frame(track, at);
            timeline.place_in_order(&mut frame, Duration::from_millis(now));
            u64::try_from(frame.timestamp.as_millis()).unwrap()
        };
        // Sound may be as far from the pictures as its recorder likes.
        assert_eq!(placed(1, 9000, 0), 9000);
        assert_eq!(placed(2, 0, 0), 0);
        assert_eq!(placed(1, 9120, 40), 9120);
        assert_eq!(placed(1, 9040, 40), 9040, "shown before the one before");
        assert_eq!(placed(2, 40, 40), 40);
        assert_eq!(placed(1, 30_000, 80), 30_000);
        assert_eq!(placed(1, 9160, 120), 30_050, "what leapt was no time");
        assert_eq!(placed(1, 9200, 160), 30_090);
        assert_eq!(placed(2, 80, 160), 20_970);
    }

    #[test]
    fn a_source_that_counts_on_keeps_its_times_and_one_that_counts_anew_is_moved() {
        let mut timeline = Timeline::default();
        assert_eq!(placed(&mut timeline, 5000, 0), 5000);
        timeline.source_changes();
        assert_eq!(placed(&mut timeline, 6100, 1000), 6100, "counts on");
        timeline.source_changes();
        assert_eq!(placed(&mut timeline, 0, 2000), 7110, "counts anew");
        timeline.source_changes();
        assert_eq!(placed(&mut timeline, 90_000, 2100), 7220, "far ahead");
    }
}
