//! The way to a better layer: what is tried before one is given, what became of the last, and what is not tried again yet.
//!
//! A network that carries what it is given says nothing of more. So a better layer is tried with a train of packets first
//! ([`crate::probe`]), which costs a tenth of a second of delay where it is too much. Who takes no repeats, of which trains are
//! made, is given the layer itself to try, which costs a second without pictures.

use crate::probe::{Prober, Question, Shown, Step};
use abanico_live::Layer;
use std::time::{Duration, Instant};

/// A better layer that turned out to be too much is not tried before so long, then twice as long, then four times, up to so long.
const TRIES_AGAIN: Duration = Duration::from_secs(10);
const TRIES_AGAIN_MAX: Duration = Duration::from_secs(80);

/// What is amiss so soon after a better layer was chosen comes of that, and the one before it is carried still.
const SETTLES: Duration = Duration::from_secs(10);

/// A better layer that was kept for so long is what the network carries: that it was too much once is forgotten.
const FORGETS: Duration = Duration::from_secs(60);

/// A viewer that has come is not made to wait between one layer and the next, for so long.
const BEGINS_FOR: Duration = Duration::from_secs(5);

/// What a train has shown holds so long.
const HOLDS: Duration = Duration::from_secs(2);

/// A train of which nothing could be sent is put off for so long.
const PUT_OFF: Duration = Duration::from_secs(1);

/// Where the way is full, nothing is tried for so long.
const FULL_FOR: Duration = Duration::from_secs(3);

/// How one viewer gets to a better layer.
#[derive(Default)]
pub(super) struct Ascent {
    prober: Prober,
    /// Whether the player takes what trains are made of, and something may be tried again then.
    trains: Trains,
    /// When the viewer began with the least layer.
    begun: Option<Instant>,
    /// What the network carries at most, as far as the newest train says.
    most: Option<u64>,
    /// What it carried of the newest train that was too much.
    seen: u64,
    trying: Option<Rated>,
    /// What a train has shown to be carried, and when.
    shown: Option<(Rated, Instant)>,
    /// The newest step to a better layer, until it has proved right or wrong.
    climb: Option<Climb>,
    /// What turned out to be too much.
    failed: Option<Failed>,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Trains {
    /// The player takes none.
    #[default]
    Never,
    Now,
    From(Instant),
}

/// A layer, and the rate that it had.
#[derive(Debug, Clone)]
pub(super) struct Rated {
    pub(super) epoch: String,
    pub(super) rate: u64,
}

impl Rated {
    pub(super) fn of(layer: &Layer) -> Self {
        Self {
            epoch: layer.channel.epoch().to_owned(),
            rate: layer.bits_per_second,
        }
    }
}

/// From one layer to a better one.
struct Climb {
    from: Rated,
    to: Rated,
    at: Instant,
}

/// A layer that was too much, and is not tried before then.
struct Failed {
    layer: Rated,
    wait: Duration,
    until: Instant,
}

/// What a train has taught.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Learned {
    /// So much is carried.
    Carries(u64),
    /// No more is known to be carried than what is given.
    NoMore,
}

/// What is known to be carried since a better layer was too much.
pub(super) struct Kept {
    pub(super) rate: u64,
    pub(super) epoch: String,
}

impl Ascent {
    /// The player takes what trains are made of.
    pub(super) fn takes_trains(&mut self) {
        if self.trains == Trains::Never {
            self.trains = Trains::Now;
        }
    }

    pub(super) fn has_trains(&self) -> bool {
        self.trains != Trains::Never
    }

    /// A viewer begins with the least layer.
    pub(super) fn begin(&mut self, now: Instant) {
        self.begun = Some(now);
        self.prober.begin(now);
    }

    /// Its first picture was sent.
    pub(super) fn began(&mut self, now: Instant) {
        self.prober.began(now);
    }

    /// Whether it has come just now, and nothing between one layer and the next is waited for.
    pub(super) fn is_beginning(&self, now: Instant) -> bool {
        self.begun
            .is_some_and(|begun| now.saturating_duration_since(begun) < BEGINS_FOR)
    }

    /// Of the layers that may be tried the one to try: the best that may be carried as far as is known, or else the least. None of
    /// which the first picture has just shown that it is too much.
    pub(super) fn aim<'a>(
        &self,
        layers: impl Iterator<Item = &'a Layer>,
        now: Instant,
    ) -> Option<&'a Layer> {
        let mut layers: Vec<&Layer> = layers.collect();
        layers.sort_by_key(|layer| layer.bits_per_second);
        let may = |layer: &&&Layer| {
            self.most
                .is_none_or(|most| with_room(layer.bits_per_second) <= most)
        };
        let best = layers.iter().rev().find(may).copied();
        let least = layers.first().copied().filter(|least| {
            let is_too_much = self.most.is_some_and(|most| most < least.bits_per_second);
            !is_too_much || !self.is_beginning(now)
        });
        best.or(least)
    }

    /// Tries a layer, if it is not tried already, where so much is known to be carried.
    pub(super) fn attempt(&mut self, layer: Rated, known: u64, now: Instant) {
        let is_same = |trying: &Rated| trying.epoch == layer.epoch;
        let may = match self.trains {
            Trains::Never => false,
            Trains::Now => true,
            Trains::From(at) => now >= at,
        };
        if may && self.prober.is_idle() && !self.trying.as_ref().is_some_and(is_same) {
            let known = known.max(std::mem::take(&mut self.seen));
            tracing::debug!(rate = layer.rate, known, "a better layer is tried");
            self.prober.attempt(with_room(layer.rate), known, now);
            self.trying = Some(layer);
        }
    }

    /// Whether a layer has to be tried before it is given, and was not.
    pub(super) fn must_try(&self, layer: &Layer, now: Instant) -> bool {
        let is_shown = |(shown, at): &(Rated, Instant)| {
            shown.epoch == layer.channel.epoch() && now.saturating_duration_since(*at) < HOLDS
        };
        self.has_trains() && !self.shown.as_ref().is_some_and(is_shown)
    }

    /// Whether a train has shown that the layer is carried.
    pub(super) fn is_shown(&self, layer: &Layer, now: Instant) -> bool {
        self.has_trains() && !self.must_try(layer, now)
    }

    /// What is to be done now for what is tried. What has become of it comes beside it.
    pub(super) fn step(&mut self, now: Instant) -> (Step, Option<Learned>) {
        if self.prober.is_idle() {
            return (Step::Rest(None), None);
        }
        let (step, shown) = self.prober.step(now);
        (step, shown.and_then(|shown| self.take(shown, now)))
    }

    pub(super) fn asks(&mut self, now: Instant) -> Question {
        self.prober.asks(now)
    }

    pub(super) fn sent(&mut self, bytes: usize) {
        self.prober.sent(bytes);
    }

    /// Nothing could be sent of a train.
    pub(super) fn put_off(&mut self, now: Instant) {
        self.stop();
        self.trains = Trains::From(now + PUT_OFF);
    }

    /// The player has answered. Returns what the network carries, if that is news.
    pub(super) fn answered(&mut self, question: Question, now: Instant) -> Option<Learned> {
        let shown = self.prober.answered(question, now)?;
        self.take(shown, now)
    }

    /// The player has missed so many packets, as it says itself.
    pub(super) fn missed(&mut self, packets: u32) {
        self.prober.missed(packets);
    }

    /// The way there and back took so long.
    pub(super) fn took(&mut self, way: Duration) {
        self.prober.took(way);
    }

    /// The player is found elsewhere. What was too much for one way says nothing of another.
    pub(super) fn moved(&mut self) {
        self.stop();
        self.prober.moved();
        self.seen = 0;
        self.most = None;
        self.failed = None;
    }

    /// What a train has shown. Returns what the network carries, if that is news.
    fn take(&mut self, shown: Shown, now: Instant) -> Option<Learned> {
        tracing::debug!(?shown, "a train of packets");
        match shown {
            Shown::Begun { known, most } => {
                self.most = most;
                Some(Learned::Carries(known))
            }
            Shown::Carried => {
                self.most = None;
                let layer = self.trying.take()?;
                let carried = with_room(layer.rate);
                self.shown = Some((layer, now));
                Some(Learned::Carries(carried))
            }
            Shown::TooMuch { known, most } => {
                self.most = most;
                // It is too old for what is tried in some seconds.
                if self.is_beginning(now) {
                    self.seen = most.map_or(0, |most| most.min(known));
                }
                let layer = self.trying.take()?;
                self.fails(layer, now);
                Some(Learned::NoMore)
            }
            Shown::Full => {
                self.begun = None;
                self.seen = 0;
                self.stop();
                self.trains = Trains::From(now + FULL_FOR);
                Some(Learned::NoMore)
            }
        }
    }

    /// Nothing is tried any more: the network carries less than is given.
    pub(super) fn stop(&mut self) {
        self.prober.stop();
        self.trying = None;
        self.shown = None;
    }

    /// It goes up.
    pub(super) fn climbs(&mut self, from: Rated, to: Rated, now: Instant) {
        self.shown = None;
        self.climb = Some(Climb { from, to, at: now });
    }

    /// Whether what is amiss comes of a better layer.
    pub(super) fn is_settling(&self, now: Instant) -> bool {
        let is_new = |climb: &Climb| now.saturating_duration_since(climb.at) < SETTLES;
        self.climb.as_ref().is_some_and(is_new)
    }

    /// Whether that layer was too much not long ago.
    pub(super) fn has_failed(&self, layer: &Layer, now: Instant) -> bool {
        let failed = self.failed.as_ref().filter(|failed| now < failed.until);
        failed.is_some_and(|failed| failed.is_like(layer.channel.epoch(), layer.bits_per_second))
    }

    /// Nothing is amiss.
    pub(super) fn stands(&mut self, now: Instant) {
        let stands = |climb: &mut Climb| now.saturating_duration_since(climb.at) >= FORGETS;
        if let Some(Climb { to, .. }) = self.climb.take_if(stands) {
            // What is even better has not been kept.
            let was = |failed: &mut Failed| failed.is_like(&to.epoch, to.rate);
            self.failed.take_if(was);
        }
    }

    /// The network carries less than is given. If that is a layer that was climbed to, it is remembered. Returns what the
    /// network carries for sure, if that is known.
    pub(super) fn fell(&mut self, now: Instant) -> Option<Kept> {
        self.begun = None;
        self.stop();
        let is_settling = self.is_settling(now);
        let Climb { from, to, .. } = self.climb.take()?;
        self.fails(to, now);
        is_settling.then(|| Kept {
            rate: with_room(from.rate),
            epoch: from.epoch,
        })
    }

    fn fails(&mut self, layer: Rated, now: Instant) {
        let again = self.failed.as_ref();
        let again = again.filter(|failed| failed.is_like(&layer.epoch, layer.rate));
        let wait = again.map_or(TRIES_AGAIN, |failed| TRIES_AGAIN_MAX.min(failed.wait * 2));
        tracing::debug!(rate = layer.rate, ?wait, "a better layer is too much");
        self.failed = Some(Failed {
            layer,
            wait,
            until: now + wait,
        });
    }
}

impl Failed {
    /// Whether that layer is the one that was too much, or has even more.
    fn is_like(&self, epoch: &str, rate: u64) -> bool {
        self.layer.epoch == epoch || rate > self.layer.rate
    }
}

/// What a network carries that a layer of that rate may be given to.
pub(super) fn with_room(rate: u64) -> u64 {
    rate.saturating_add(rate / 4) + super::RESERVE
}
