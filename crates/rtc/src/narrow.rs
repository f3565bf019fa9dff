//! What a viewer is given where the network is narrow: which layer, how fast, and whether pictures at all.
//!
//! Pure: rates and time come in, decisions go out. Sound is never held up. A viewer that is up to date is never held up
//! either: what the network would not carry soon is left out, a whole group at a time, so that what is shown is recent.

use crate::meter::Meter;
use crate::sender::Reported;
use abanico_live::{Channel, Layer};
use std::time::{Duration, Instant};

/// How fast a group that is given at once goes out without an estimate. More would overrun the peer's receive buffer.
const UNESTIMATED: u64 = 96_000_000;

/// What may go out at once.
const BURST_BYTES: f64 = 64e3;

/// Pictures that would be late by more than this are left out.
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

/// What is written says nothing of what more would be carried. So a better layer is tried when nothing was amiss for so long,
const TRIES_AFTER: Duration = Duration::from_secs(5);

/// and one that turned out to be too much not before so long, then twice as long, then four times, up to so long.
const TRIES_AGAIN: Duration = Duration::from_secs(10);
const TRIES_AGAIN_MAX: Duration = Duration::from_secs(80);

/// What is amiss so soon after a better layer was chosen comes of that, and the one before it is carried still.
const SETTLES: Duration = Duration::from_secs(10);

/// A better layer that was kept for so long is what the network carries: that it was too much once is forgotten.
const FORGETS: Duration = Duration::from_secs(60);

/// Layers are chosen anew so often.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// A player that loses more than one in so many packets has a network that carries no more.
const LOSS_ONE_IN: u32 = 10;

/// What players report is judged about once a second: they also report whenever a packet is missing, and then one of the four
/// since the report before is nothing to go by.
const JUDGED_EVERY: Duration = Duration::from_millis(800);

/// Of fewer packets the lost ones are a matter of chance, and waited with for up to `JUDGED_AFTER`.
const JUDGED_PACKETS: u32 = 50;
const JUDGED_AFTER: Duration = Duration::from_secs(4);

/// So many lost ones are no chance just after a better layer was chosen. Nothing is waited for then.
const JUDGED_LOST: u32 = 10;

/// What was lost of a layer that was too much is told until so long after it was gone down from.
const TOLD_FOR: Duration = Duration::from_millis(600);

/// Packets that take so much longer than the fastest did wait somewhere on the way.
const WAITS_MAX: Duration = Duration::from_millis(200);

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
    /// The least that the way to the player and back took.
    nearest: Option<Duration>,
    /// Where the reports begin that are judged next.
    judged: Option<Judged>,
    /// Reports before then are of a layer that is given no more.
    judges_from: Option<Instant>,
    looked: Option<Instant>,
    chosen: Option<Chosen>,
    /// Since when nothing is amiss.
    quiet: Option<Instant>,
    /// The newest step to a better layer, until it has proved right or wrong.
    climb: Option<Climb>,
    /// What turned out to be too much.
    failed: Option<Failed>,
    /// Less is carried than was given, since a layer was chosen last.
    amiss: bool,
    /// The layer that is carried for sure, when a better one was too much.
    back: Option<String>,
}

/// The layer that was chosen last, and when one was gone down to.
struct Chosen {
    layer: Step,
    since: Instant,
}

/// From one layer to a better one.
struct Climb {
    from: Step,
    to: Step,
    at: Instant,
}

/// A layer, and the rate that it had.
struct Step {
    epoch: String,
    rate: u64,
}

/// A layer that was too much, and is not tried before then.
struct Failed {
    layer: Step,
    wait: Duration,
    until: Instant,
}

/// What a player had reported when it was last judged.
struct Judged {
    at: Instant,
    newest: u32,
    lost: u32,
    /// The least that the way there and back took since.
    rtt: Option<Duration>,
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
            nearest: None,
            judged: None,
            judges_from: None,
            looked: None,
            chosen: None,
            quiet: None,
            climb: None,
            failed: None,
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
        let Reported { newest, lost, rtt } = reported;
        let least = |a: Option<Duration>, b: Option<Duration>| a.into_iter().chain(b).min();
        self.nearest = least(rtt, self.nearest);
        if self.judges_from.is_some_and(|from| now < from) {
            return;
        }
        let is_settling = self.is_settling(now);
        let judged = self.judged.get_or_insert(Judged {
            at: now,
            newest,
            lost,
            rtt: None,
        });
        judged.rtt = least(rtt, judged.rtt);
        let passed = now.saturating_duration_since(judged.at);
        // Numbers that go backwards are a player's own affair.
        let expected = newest.wrapping_sub(judged.newest).cast_signed().max(0);
        // It has 24 bits, and falls when packets come twice.
        let missing = (lost << 8).wrapping_sub(judged.lost << 8).cast_signed() >> 8;
        let missing = missing.max(0);
        let (expected, missing) = (expected.cast_unsigned(), missing.cast_unsigned());
        let is_chance = missing > 0 && expected < JUDGED_PACKETS && passed < JUDGED_AFTER;
        let is_lossy = missing > expected / LOSS_ONE_IN;
        let is_too_much = is_lossy && missing >= JUDGED_LOST && is_settling;
        if (passed < JUDGED_EVERY || is_chance) && !is_too_much {
            return;
        }
        let waits = judged
            .rtt
            .zip(self.nearest)
            .is_some_and(|(rtt, nearest)| rtt > nearest + WAITS_MAX);
        self.judged = Some(Judged {
            at: now,
            newest,
            lost,
            rtt: None,
        });
        self.judge(is_lossy.then_some((missing, expected)), waits, now);
    }

    /// So many were lost of so many, if that is much; what is sent waits on the way, or not.
    fn judge(&mut self, lost: Option<(u32, u32)>, waits: bool, now: Instant) {
        let has_caught_up = |at| now.saturating_duration_since(at) >= CATCH_UP;
        if waits || lost.is_some() {
            self.quiet = None;
            if self.connected.is_some_and(has_caught_up) {
                let (missing, expected) = lost.unwrap_or((1, 10));
                let expected = u64::from(expected.max(1));
                // No more than nine of ten are taken for lost.
                let arrived = (expected.saturating_sub(missing.into())).max(expected / 10);
                let written = self.written.bits_per_second();
                let carried = written.saturating_mul(arrived) / expected / 10 * 9;
                let known = self.estimate.unwrap_or(u64::MAX);
                let carried = carried.min(known).max(LEAST);
                self.amiss = true;
                self.estimate = Some(self.fell(now).map_or(carried, |kept| carried.max(kept)));
            }
            return;
        }
        self.quiet.get_or_insert(now);
        let stands = |climb: &Climb| now.saturating_duration_since(climb.at) >= FORGETS;
        if self.climb.as_ref().is_some_and(stands) {
            self.climb = None;
            self.failed = None;
        }
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

    /// Whether what is amiss comes of a better layer.
    fn is_settling(&self, now: Instant) -> bool {
        let is_new = |climb: &Climb| now.saturating_duration_since(climb.at) < SETTLES;
        self.climb.as_ref().is_some_and(is_new)
    }

    /// The network carries less than is given. If that is a layer that was climbed to, it is remembered. Returns what the
    /// network carries for sure, if that is known.
    fn fell(&mut self, now: Instant) -> Option<u64> {
        let is_settling = self.is_settling(now);
        let Climb { from, to, .. } = self.climb.take()?;
        let again = self.failed.as_ref();
        let again = again.filter(|failed| failed.is_like(&to.epoch, to.rate));
        let wait = again.map_or(TRIES_AGAIN, |failed| TRIES_AGAIN_MAX.min(failed.wait * 2));
        tracing::debug!(rate = to.rate, ?wait, "a better layer is too much");
        self.failed = Some(Failed {
            layer: to,
            wait,
            until: now + wait,
        });
        let kept = with_room(from.rate);
        self.back = is_settling.then_some(from.epoch);
        is_settling.then_some(kept)
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
        self.closed = late > LATE_MAX;
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
        let is_soon = |at| now.saturating_duration_since(at) < LOOK_EVERY;
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
            Some(Chosen { layer, since }) => (layer.rate, *since, Some(layer.epoch.as_str())),
            None => (u64::MAX, now, None),
        };
        let (amiss, back) = (self.amiss, self.back.take());
        let stays = now.saturating_duration_since(since) < STAYS && known.is_some();
        let rate = |layer: &&Layer| layer.bits_per_second;
        let is_same = |layer: &Layer| known == Some(layer.channel.epoch());
        // The rate of a layer is not the same at all times.
        let is_better = |layer: &&Layer| {
            !is_same(layer) && layer.bits_per_second > last.saturating_add(last / 4)
        };
        let is_quiet = |at| now.saturating_duration_since(at) >= TRIES_AFTER;
        let next = layers.iter().filter(is_better).map(|layer| rate(&layer));
        let next = next.min().filter(|_| self.quiet.is_some_and(is_quiet));
        let failed = self.failed.as_ref().filter(|failed| now < failed.until);
        let fits = |layer: &&Layer| {
            let rate = layer.bits_per_second;
            if is_better(layer) {
                let has_failed =
                    failed.is_some_and(|failed| failed.is_like(layer.channel.epoch(), rate));
                let has_room = rate + rate / 4 <= room || next == Some(rate);
                !stays && !has_failed && has_room
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
        let is_less = !is_same(chosen) && rate < last - last / 4;
        let from = known.filter(|_| is_better(&chosen)).map(|epoch| Step {
            epoch: epoch.to_owned(),
            rate: last,
        });
        let to = || Step {
            epoch: chosen.channel.epoch().to_owned(),
            rate,
        };
        self.chosen = Some(Chosen {
            layer: to(),
            since: if is_less { now } else { since },
        });
        self.amiss = false;
        self.estimate = self
            .estimate
            .map(|known| known.max(rate.saturating_add(RESERVE)));
        if let Some(from) = from {
            self.quiet = None;
            self.estimate = self.estimate.map(|known| known.max(with_room(rate)));
            self.climb = Some(Climb {
                from,
                to: to(),
                at: now,
            });
        }
        if is_less && !chosen.is_main {
            self.drain(now);
        }
        Some(chosen)
    }

    /// Lets go out what waits on the way, before there is room for a keyframe. What is lost of it has been judged.
    fn drain(&mut self, now: Instant) {
        self.late(now);
        let waits = (ROOM + DRAINS).as_secs_f64();
        self.allowance = self.allowance.min(-self.pace() * waits);
        self.closed = true;
        self.judged = None;
        self.judges_from = Some(now + TOLD_FOR);
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

impl Failed {
    /// Whether that layer is the one that was too much, or has even more.
    fn is_like(&self, epoch: &str, rate: u64) -> bool {
        self.layer.epoch == epoch || rate > self.layer.rate
    }
}

/// What a network carries that a layer of that rate may be given to.
fn with_room(rate: u64) -> u64 {
    rate.saturating_add(rate / 4) + RESERVE
}

#[cfg(test)]
mod tests;
