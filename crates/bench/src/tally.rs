//! What the clients count, each thread for itself, and the sum of it.

use crate::habit::Habit;
use hdrhistogram::Histogram;

/// A distribution of times in microseconds, to three digits, up to a minute.
pub(crate) type Times = Histogram<u64>;

/// The longest time that is told apart.
const TIME_US_MAX: u64 = 60_000_000;

/// An empty distribution.
pub(crate) fn times() -> Times {
    Times::new_with_bounds(1, TIME_US_MAX, 3).expect("the bounds are in order")
}

/// What was counted.
#[derive(Debug, Clone)]
pub(crate) struct Tally {
    /// Messages with media that were delivered while it was measured, to whomever.
    pub(crate) delivered: u64,
    /// Their bytes on the wire.
    pub(crate) bytes: u64,
    /// From publisher to honest viewer, while it was measured.
    pub(crate) latency: Times,
    /// The same since the last look at it.
    pub(crate) recent: Times,
    /// Messages with media since the beginning.
    pub(crate) delivered_ever: u64,
    /// Their bytes.
    pub(crate) bytes_ever: u64,
    /// From the beginning of a connection to its first picture, of honest viewers.
    pub(crate) first_picture: Times,
    /// How late the publishers were.
    pub(crate) lateness: Times,
    /// Frames that an honest viewer should have had and had not, without being told.
    pub(crate) lost: u64,
    /// Frames that came to an honest viewer after a newer one, or twice.
    pub(crate) reordered: u64,
    /// Frames that an honest viewer was told it was moved past.
    pub(crate) skipped: u64,
    /// Honest viewers that watch or have watched.
    pub(crate) joined: u64,
    /// Honest viewers that were not let in.
    pub(crate) refused: u64,
    /// Honest viewers that lost their connection while they watched.
    pub(crate) broken: u64,
    /// What the first of those was told.
    pub(crate) reason: Option<String>,
    /// Clients with a bad habit.
    pub(crate) hostile: [Crowded; Habit::HOSTILE.len()],
}

/// What became of the clients with one bad habit.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Crowded {
    /// Connections that they opened.
    pub(crate) opened: u64,
    /// Times that they joined a stream.
    pub(crate) joined: u64,
    /// Connections that the server ended.
    pub(crate) ended: u64,
}

impl Tally {
    /// Nothing yet.
    pub(crate) fn new() -> Self {
        Self {
            delivered: 0,
            bytes: 0,
            latency: times(),
            recent: times(),
            delivered_ever: 0,
            bytes_ever: 0,
            first_picture: times(),
            lateness: times(),
            lost: 0,
            reordered: 0,
            skipped: 0,
            joined: 0,
            refused: 0,
            broken: 0,
            reason: None,
            hostile: Default::default(),
        }
    }

    /// Adds what another has counted, and empties it.
    pub(crate) fn absorb(&mut self, other: &mut Self) {
        for (sum, part) in [
            (&mut self.delivered, &mut other.delivered),
            (&mut self.bytes, &mut other.bytes),
            (&mut self.delivered_ever, &mut other.delivered_ever),
            (&mut self.bytes_ever, &mut other.bytes_ever),
            (&mut self.lost, &mut other.lost),
            (&mut self.reordered, &mut other.reordered),
            (&mut self.skipped, &mut other.skipped),
            (&mut self.joined, &mut other.joined),
            (&mut self.refused, &mut other.refused),
            (&mut self.broken, &mut other.broken),
        ] {
            *sum += std::mem::take(part);
        }
        for (sum, part) in [
            (&mut self.latency, &mut other.latency),
            (&mut self.recent, &mut other.recent),
            (&mut self.first_picture, &mut other.first_picture),
            (&mut self.lateness, &mut other.lateness),
        ] {
            if !part.is_empty() {
                sum.add(&*part).expect("all have the same bounds");
                part.reset();
            }
        }
        for (sum, part) in self.hostile.iter_mut().zip(&mut other.hostile) {
            sum.opened += part.opened;
            sum.joined += part.joined;
            sum.ended += part.ended;
            *part = Crowded::default();
        }
        if let Some(reason) = other.reason.take() {
            self.reason.get_or_insert(reason);
        }
    }
}
