//! What a viewer is given where the network is narrow: which layer, how fast, and whether pictures at all.
//!
//! Pure: rates and time come in, decisions go out. Sound is never held up. A viewer that is up to date is never held up
//! either: what the network would not carry soon is left out, a whole group at a time, so that what is shown is recent.

mod ascent;
mod reports;

use crate::meter::Meter;
use crate::probe::{Question, Step};
use crate::sender::Reported;
use abanico_live::{Channel, Layer};
use ascent::{Ascent, Learned, Rated, with_room};
use reports::{Lost, Reports, Verdict};
use std::time::{Duration, Instant};

/// How fast a group that is given at once goes out without an estimate. More would overrun the peer's receive buffer.
const UNESTIMATED: u64 = 96_000_000;

/// What may go out at once.
const BURST_BYTES: f64 = 64e3;

/// Pictures that would be late by more than this are left out; by more than twice this for a viewer that has just come.
const LATE_MAX: Duration = Duration::from_millis(250);

/// A viewer that comes is given what is held for it as fast as the network carries it, for so long. Then it goes on with
/// what is new.
const CATCH_UP: Duration = Duration::from_secs(2);

/// Where less than was written is carried, that much of it still waits on the way, or gets lost at its end. The keyframe of a
/// lesser layer would wait or get lost behind it: it is sent when that is over.
const DRAINS: Duration = Duration::from_millis(250);

/// Pictures that were left out go on where they would be late by less than this.
const ROOM: Duration = Duration::from_millis(125);

/// A viewer that was given less stays there for so long at least.
const STAYS: Duration = Duration::from_secs(3);

/// What is written says nothing of what more would be carried. So a better layer is tried when nothing was amiss for so long.
const TRIES_AFTER: Duration = Duration::from_secs(5);

/// Layers are chosen anew so often, and so often for a viewer that has just come.
const LOOK_EVERY: Duration = Duration::from_millis(250);
const LOOK_EVERY_FIRST: Duration = Duration::from_millis(50);

/// What was lost of a layer that was too much is told until so long after it was gone down from.
const TOLD_FOR: Duration = Duration::from_millis(600);

/// No network is taken to carry less.
const LEAST: u64 = 100_000;

/// Left for sound and for what is sent again.
const RESERVE: u64 = 80_000;

/// One viewer's share of the network.
pub(crate) struct Narrow {
    /// Bits a second.
    estimate: Option<u64>,
    allowance: f64,
    refilled: Instant,
    connected: Option<Instant>,
    /// Pictures are left out until a keyframe.
    closed: bool,
    /// What the stream's own picture takes.
    meter: Meter,
    /// What was written.
    written: Meter,
    /// What the player says.
    reports: Reports,
    looked: Option<Instant>,
    chosen: Option<Chosen>,
    /// Since when nothing is amiss.
    quiet: Option<Instant>,
    /// The way to a better layer.
    ascent: Ascent,
    /// Less is carried than was given, since a layer was chosen last.
    amiss: bool,
    /// The layer that is carried for sure, when a better one was too much.
    back: Option<String>,
}

/// The layer that was chosen last, and when one was gone down to.
struct Chosen {
    layer: Rated,
    since: Option<Instant>,
}

/// What is to be done.
pub(crate) struct Wanted {
    /// The layer to be given; `None` is the stream's own.
    pub(crate) layer: Option<Channel>,
}

/// Whether a picture passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    Open,
    /// This one does not, and none before the next keyframe that finds room.
    Closes,
    Closed,
    /// A keyframe would pass, and this is none.
    Waits,
}

impl Narrow {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            estimate: None,
            allowance: BURST_BYTES,
            refilled: now,
            connected: None,
            closed: false,
            meter: Meter::new(now),
            written: Meter::new(now),
            reports: Reports::default(),
            looked: None,
            chosen: None,
            quiet: None,
            ascent: Ascent::default(),
            amiss: false,
            back: None,
        }
    }

    /// The session is connected.
    pub(crate) fn connected(&mut self, now: Instant) {
        self.connected = Some(now);
    }

    /// A player says what it has and how far away it is. What it lost, or what
    /// waits on the way to it all the time, says that the network carries less than was written; as long as neither does, more
    /// is tried.
    pub(crate) fn reported(&mut self, reported: Reported, now: Instant) {
        let is_settling = self.ascent.is_settling(now);
        if let Some(way) = reported.rtt {
            self.ascent.took(way);
        }
        self.ascent.missed(self.reports.missed(&reported));
        match self.reports.judge(reported, is_settling, now) {
            Some(Verdict::Suffers(lost)) => self.suffers(lost, now),
            Some(Verdict::Prospers) => self.prospers(now),
            None => {}
        }
    }

    /// The player asks for so many packets once more.
    pub(crate) fn missed(&mut self, packets: u32) {
        self.ascent.missed(packets);
    }

    /// The player is found elsewhere.
    pub(crate) fn moved(&mut self) {
        self.ascent.moved();
    }

    /// Much was lost, or what is sent waits on the way.
    fn suffers(&mut self, lost: Option<Lost>, now: Instant) {
        self.quiet = None;
        let has_caught_up = |at| now.saturating_duration_since(at) >= CATCH_UP;
        if !self.has_begun() && !self.connected.is_some_and(has_caught_up) {
            return;
        }
        let lost = lost.unwrap_or(Lost { packets: 1, of: 10 });
        let expected = u64::from(lost.of.max(1));
        // No more than nine of ten are taken for lost.
        let arrived = (expected.saturating_sub(lost.packets.into())).max(expected / 10);
        let written = self.written.bits_per_second();
        let carried = written.saturating_mul(arrived) / expected / 10 * 9;
        let known = self.estimate.unwrap_or(u64::MAX);
        let carried = carried.min(known).max(LEAST);
        self.amiss = true;
        let kept = self.ascent.fell(now);
        self.estimate = Some(kept.as_ref().map_or(carried, |kept| carried.max(kept.rate)));
        self.back = kept.map(|kept| kept.epoch);
    }

    /// Nothing is lost, and nothing waits.
    fn prospers(&mut self, now: Instant) {
        self.quiet.get_or_insert(now);
        self.ascent.stands(now);
        if let Some(estimate) = self.estimate {
            let more = estimate + estimate / 10;
            let whole = self.meter.bits_per_second();
            let written = self.written.bits_per_second();
            if written >= whole / 4 * 3 {
                let plenty = whole.saturating_mul(2) + RESERVE;
                self.estimate = (more < plenty).then_some(more);
            } else {
                // That less was carried says little of more.
                let shown = written + written / 2;
                self.estimate = Some(more.min(shown).max(estimate));
            }
        }
    }

    /// The player takes repeats, of which trains of packets are made.
    pub(crate) fn takes_trains(&mut self) {
        self.ascent.takes_trains();
    }

    /// The layer that a viewer is given first: the least, of which it has something at once whatever its network carries. `None` is the
    /// stream's own.
    pub(crate) fn first(&self, channel: &Channel) -> Option<Layer> {
        let layers = channel.layers();
        let least = layers.iter().min_by_key(|layer| layer.bits_per_second)?;
        let is_known = least.bits_per_second > 0 && self.estimate.is_none();
        let may = !least.is_main && is_known && self.ascent.has_trains();
        may.then(|| least.clone())
    }

    /// A viewer begins with that one.
    pub(crate) fn begin(&mut self, least: &Layer, now: Instant) {
        self.estimate = Some(least.bits_per_second.saturating_add(RESERVE));
        self.allowance = 0.0;
        self.refilled = now;
        self.chosen = Some(Chosen {
            layer: Rated::of(least),
            since: None,
        });
        self.ascent.begin(now);
    }

    /// Whether the viewer has begun with a lesser layer.
    fn has_begun(&self) -> bool {
        self.chosen.is_some()
    }

    /// Its first picture was sent.
    pub(crate) fn began(&mut self, now: Instant) {
        self.ascent.began(now);
    }

    /// What is to be done to know what the network carries.
    pub(crate) fn step(&mut self, now: Instant) -> Step {
        let (step, learned) = self.ascent.step(now);
        self.learns(learned);
        step
    }

    /// The player is asked whether it is there.
    pub(crate) fn asks(&mut self, now: Instant) -> Question {
        self.ascent.asks(now)
    }

    /// It has answered.
    pub(crate) fn answered(&mut self, question: Question, now: Instant) {
        let learned = self.ascent.answered(question, now);
        self.learns(learned);
    }

    /// So many bytes went out, as the network counts them.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.ascent.sent(bytes);
    }

    /// There was nothing to send.
    pub(crate) fn put_off(&mut self, now: Instant) {
        self.ascent.put_off(now);
    }

    /// What has been seen of what is carried. What was too much leaves no more than what is carried already.
    fn learns(&mut self, learned: Option<Learned>) {
        let (Some(learned), Some(estimate)) = (learned, self.estimate) else {
            return;
        };
        let given = self.chosen.as_ref();
        self.estimate = Some(match learned {
            Learned::Carries(carried) => estimate.max(carried),
            Learned::NoMore => {
                given.map_or(estimate, |given| estimate.min(with_room(given.layer.rate)))
            }
        });
        self.looked = None;
    }

    /// A picture of the stream came.
    pub(crate) fn came(&mut self, bytes: usize, now: Instant) {
        self.meter.count(bytes, now);
    }

    /// So many bytes were written.
    pub(crate) fn wrote(&mut self, bytes: usize, now: Instant) {
        self.written.count(bytes, now);
        #[expect(
            clippy::cast_precision_loss,
            reason = "a frame has fewer bytes than a double has digits"
        )]
        let bytes = bytes as f64;
        self.allowance -= bytes;
    }

    /// Until when a viewer that is still given what is held has to wait.
    pub(crate) fn waits(&mut self, is_live: bool, now: Instant) -> Option<Instant> {
        let late = self.late(now);
        let may_catch_up = |at| now.saturating_duration_since(at) < CATCH_UP;
        let catches_up = !is_live && self.connected.is_none_or(may_catch_up);
        (catches_up && !late.is_zero()).then(|| now + late)
    }

    /// Whether a picture passes.
    pub(crate) fn passes(&mut self, keyframe: bool, now: Instant) -> Gate {
        let late = self.late(now);
        if self.closed {
            let has_room = late < ROOM;
            self.closed = !(keyframe && has_room);
            return match (self.closed, has_room) {
                (false, _) => Gate::Open,
                (true, true) => Gate::Waits,
                (true, false) => Gate::Closed,
            };
        }
        let may_be = if self.ascent.is_beginning(now) {
            LATE_MAX * 2
        } else {
            LATE_MAX
        };
        self.closed = late > may_be;
        if self.closed {
            Gate::Closes
        } else {
            Gate::Open
        }
    }

    /// Whether no picture passes before the next keyframe that finds room.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Which layer is to be given. `None` while that is as it was.
    pub(crate) fn wanted(&mut self, channel: &Channel, now: Instant) -> Option<Wanted> {
        let every = if self.ascent.is_beginning(now) {
            LOOK_EVERY_FIRST
        } else {
            LOOK_EVERY
        };
        let is_soon = |at| now.saturating_duration_since(at) < every;
        if self.looked.is_some_and(is_soon) {
            return None;
        }
        self.looked = Some(now);
        let layers = channel.layers();
        let layer = self.choose(&layers, now).filter(|layer| !layer.is_main);
        Some(Wanted {
            layer: layer.map(|layer| layer.channel.clone()),
        })
    }

    /// The best layer that the network carries, or the least; one that is better than the last only with room to spare.
    fn choose<'a>(&mut self, layers: &'a [Layer], now: Instant) -> Option<&'a Layer> {
        let room = self.estimate?.saturating_sub(RESERVE);
        let (last, since, known) = match &self.chosen {
            Some(Chosen { layer, since }) => (layer.rate, *since, Some(layer.epoch.clone())),
            None => (u64::MAX, None, None),
        };
        let (amiss, back) = (self.amiss, self.back.take());
        let stays = since.is_some_and(|since| now.saturating_duration_since(since) < STAYS);
        let rate = |layer: &&Layer| layer.bits_per_second;
        let is_same = |layer: &Layer| known.as_deref() == Some(layer.channel.epoch());
        // The rate of a layer is not the same at all times.
        let is_better = |layer: &&Layer| {
            !is_same(layer) && layer.bits_per_second > last.saturating_add(last / 4)
        };
        let is_quiet = |at| now.saturating_duration_since(at) >= TRIES_AFTER;
        let next = layers.iter().filter(is_better).map(|layer| rate(&layer));
        let next = next.min().filter(|_| self.quiet.is_some_and(is_quiet));
        let ascent = &self.ascent;
        let may_climb = |layer: &&Layer| {
            let rate = layer.bits_per_second;
            let has_room = rate + rate / 4 <= room || next == Some(rate);
            is_better(layer)
                && !stays
                && !ascent.has_failed(layer, now)
                && (has_room || ascent.is_beginning(now) || ascent.is_shown(layer, now))
        };
        let fits = |layer: &&Layer| {
            let rate = layer.bits_per_second;
            if is_better(layer) {
                may_climb(layer) && !ascent.must_try(layer, now)
            } else if is_same(layer) && !amiss {
                // More of the same is tried.
                rate - rate / 4 <= room
            } else {
                rate + rate / 10 <= room || back.as_deref() == Some(layer.channel.epoch())
            }
        };
        let chosen = layers
            .iter()
            .filter(fits)
            .max_by_key(rate)
            .or_else(|| layers.iter().min_by_key(rate))?;
        let rate = chosen.bits_per_second;
        let aim = is_same(chosen).then(|| ascent.aim(layers.iter().filter(may_climb), now));
        let aim = aim.flatten().map(Rated::of);
        let is_less = !is_same(chosen) && rate < last - last / 4;
        let from = known.as_ref().filter(|_| is_better(&chosen));
        let from = from.map(|epoch| Rated {
            epoch: epoch.clone(),
            rate: last,
        });
        self.chosen = Some(Chosen {
            layer: Rated::of(chosen),
            since: if is_less || known.is_none() {
                Some(now)
            } else {
                since
            },
        });
        self.amiss = false;
        self.estimate = self
            .estimate
            .map(|known| known.max(rate.saturating_add(RESERVE)));
        if let Some(from) = from {
            self.quiet = None;
            // Nothing is held up for the best there is, if it has been tried: it has larger pictures at times.
            let is_best = layers.iter().all(|layer| layer.bits_per_second <= rate);
            let room = if is_best && self.ascent.is_shown(chosen, now) {
                rate.saturating_mul(2) + RESERVE
            } else {
                with_room(rate)
            };
            self.estimate = self.estimate.map(|known| known.max(room));
            self.ascent.climbs(from, Rated::of(chosen), now);
        }
        if is_less && !chosen.is_main {
            self.drain(now);
        }
        if let Some(aim) = aim
            && self.late(now).is_zero()
        {
            self.ascent.attempt(aim, self.carries(now), now);
        }
        Some(chosen)
    }

    /// What the network is seen to carry.
    fn carries(&self, now: Instant) -> u64 {
        if self.ascent.is_beginning(now) {
            self.estimate.unwrap_or(LEAST)
        } else {
            self.written.bits_per_second()
        }
    }

    /// Lets go out what waits on the way, before there is room for a keyframe. What is lost of it has been judged.
    fn drain(&mut self, now: Instant) {
        self.late(now);
        let waits = (ROOM + DRAINS).as_secs_f64();
        self.allowance = self.allowance.min(-self.pace() * waits);
        self.closed = true;
        self.reports.begin_anew(now + TOLD_FOR);
        self.quiet = None;
    }

    /// How long it takes until what was written has gone out.
    fn late(&mut self, now: Instant) -> Duration {
        let pace = self.pace();
        let passed = now.saturating_duration_since(self.refilled).as_secs_f64();
        self.refilled = now;
        self.allowance = (self.allowance + passed * pace).min(BURST_BYTES);
        Duration::from_secs_f64((-self.allowance / pace).max(0.0))
    }

    /// How many bytes go out in a second.
    #[expect(
        clippy::cast_precision_loss,
        reason = "rates have fewer digits than a double"
    )]
    fn pace(&self) -> f64 {
        self.estimate.unwrap_or(UNESTIMATED).max(50_000) as f64 * 1.1 / 8.0
    }
}

#[cfg(test)]
mod tests;
