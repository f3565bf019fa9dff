//! From the time of RTP, which each track counts for itself, to one timeline for all tracks of a session.
//!
//! A track begins where it arrived, and earlier if what follows shows that its first frame was held up. As soon as the sender's reports tell when sound and picture were taken, sound is moved
//! to where it belongs.

use std::time::{Duration, Instant, SystemTime};

/// A track whose time is further than this from its arrival has begun anew.
const ASTRAY: Duration = Duration::from_secs(10);

/// A frame that comes so much before its time shows that the track was placed too late: nothing comes before it was taken.
const EARLY_MICROS: i64 = 3_000;

/// Sound that is off by less than this stays where it is.
const NOTICEABLE_MICROS: i64 = 15_000;

/// A correction beyond this is a report that cannot be true.
const CREDIBLE_MICROS: i64 = 5_000_000;

/// The time of one track.
#[derive(Debug, Default)]
pub(crate) struct TrackClock {
    /// Microseconds of the track's own time, and of the session's, that were the same moment.
    anchor: Option<(i64, i64)>,
    /// Microseconds that it is moved by.
    shift: i64,
    newest: i64,
    /// What to add to the session's time to have the sender's clock, as its last report says.
    offset: Option<i64>,
}

/// One frame's time as RTP has it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RtpTime {
    /// Unwrapped.
    pub(crate) ticks: u64,
    pub(crate) rate: u32,
    pub(crate) arrived: Instant,
    /// The sender's last report: when it was, and the ticks of that moment, wrapped to 32 bits.
    pub(crate) report: Option<(SystemTime, u64)>,
}

impl TrackClock {
    /// Microseconds since `began` at which the frame is shown, never before the one before it.
    pub(crate) fn place(&mut self, time: RtpTime, began: Instant) -> i64 {
        let own = micros(time.ticks, time.rate);
        let arrived = whole_micros(time.arrived.saturating_duration_since(began));
        let placed = self.anchor.map(|(own0, session0)| session0 + own - own0);
        let astray = i64::try_from(ASTRAY.as_micros()).unwrap_or(i64::MAX);
        let placed = match placed {
            Some(placed) if (placed - arrived).abs() <= astray => placed,
            _ => {
                self.anchor = Some((own, arrived));
                self.offset = None;
                arrived
            }
        };
        let early = placed - arrived;
        let placed = match &mut self.anchor {
            Some((_, session0)) if early > EARLY_MICROS => {
                *session0 -= early;
                arrived
            }
            _ => placed,
        };
        if let Some(taken) = taken_at(time) {
            self.offset = Some(taken - placed);
        }
        self.newest = (placed + self.shift).max(self.newest);
        self.newest
    }

    /// Moves this track, of sound, to where it belongs beside the other.
    pub(crate) fn follow(&mut self, picture: &Self) {
        let (Some(own), Some(other)) = (self.offset, picture.offset) else {
            return;
        };
        let shift = own - other;
        if shift.abs() <= CREDIBLE_MICROS && (shift - self.shift).abs() > NOTICEABLE_MICROS {
            self.shift = shift;
        }
    }
}

/// When the frame was taken by the sender's clock, in microseconds since 1970.
fn taken_at(time: RtpTime) -> Option<i64> {
    let (at, ticks) = time.report?;
    let at = whole_micros(at.duration_since(SystemTime::UNIX_EPOCH).ok()?);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        reason = "the distance of two counters of 32 bits"
    )]
    let since = (time.ticks as u32).wrapping_sub(ticks as u32) as i32;
    let since = i64::from(since) * 1_000_000 / i64::from(time.rate.max(1));
    Some(at + since)
}

fn micros(ticks: u64, rate: u32) -> i64 {
    let micros = u128::from(ticks) * 1_000_000 / u128::from(rate.max(1));
    i64::try_from(micros).unwrap_or(i64::MAX / 2)
}

fn whole_micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ticks: u64, rate: u32, arrived: Instant) -> RtpTime {
        RtpTime {
            ticks,
            rate,
            arrived,
            report: None,
        }
    }

    #[test]
    fn a_track_begins_where_it_arrives_and_goes_on_by_its_own_time() {
        let began = Instant::now();
        let ms = Duration::from_millis;
        let mut clock = TrackClock::default();
        assert_eq!(
            clock.place(at(900_000, 90_000, began + ms(50)), began),
            50_000
        );
        // The network held the second one up.
        assert_eq!(
            clock.place(at(903_000, 90_000, began + ms(190)), began),
            83_333
        );
        // The sender began anew.
        assert_eq!(clock.place(at(7, 90_000, began + ms(250)), began), 250_000);
    }

    #[test]
    fn a_track_whose_first_frame_was_held_up_catches_up_with_those_that_were_not() {
        let began = Instant::now();
        let ms = Duration::from_millis;
        let mut clock = TrackClock::default();
        // It was under way for 300 ms, as long as its publisher knew nothing of its network.
        assert_eq!(clock.place(at(0, 90_000, began + ms(300)), began), 300_000);
        let mut last = 0;
        for n in 1..=20 {
            last = clock.place(at(n * 9000, 90_000, began + ms(10 + n * 100)), began);
            assert!(last >= 300_000, "never before the one before it");
        }
        assert_eq!(last, 2_010_000, "when it came");
    }

    #[test]
    fn reports_of_the_sender_move_sound_to_its_picture() {
        let began = Instant::now();
        let ms = Duration::from_millis;
        let taken = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let (mut picture, mut sound) = (TrackClock::default(), TrackClock::default());
        // Both were taken at the same moment; sound took 80 ms longer.
        let mut time = at(0, 90_000, began + ms(20));
        time.report = Some((taken, 0));
        assert_eq!(picture.place(time, began), 20_000);
        let mut time = at(1 << 32, 48_000, began + ms(100));
        time.report = Some((taken, 0));
        assert_eq!(sound.place(time, began), 100_000);
        sound.follow(&picture);
        time.ticks += 48_000;
        time.arrived += ms(1000);
        assert_eq!(sound.place(time, began), 1_020_000);
    }
}
