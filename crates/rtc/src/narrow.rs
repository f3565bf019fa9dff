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
    looked: Option<Instant>,
    /// The rate of the layer that was chosen last, and when it was gone down to.
    chosen: Option<(u64, Instant)>,
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
            looked: None,
            chosen: None,
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
        if passed < JUDGED_EVERY || is_chance {
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
        let is_lossy = missing > expected / LOSS_ONE_IN;
        self.judge(is_lossy.then_some((missing, expected)), waits, now);
    }

    /// So many were lost of so many, if that is much; what is sent waits on the way, or not.
    fn judge(&mut self, lost: Option<(u32, u32)>, waits: bool, now: Instant) {
        let has_caught_up = |at| now.saturating_duration_since(at) >= CATCH_UP;
        if waits || lost.is_some() {
            if self.connected.is_some_and(has_caught_up) {
                let (missing, expected) = lost.unwrap_or((1, 10));
                let expected = u64::from(expected.max(1));
                // No more than nine of ten are taken for lost.
                let arrived = (expected.saturating_sub(missing.into())).max(expected / 10);
                let written = self.written.bits_per_second();
                let carried = written.saturating_mul(arrived) / expected / 10 * 9;
                let known = self.estimate.unwrap_or(u64::MAX);
                self.estimate = Some(carried.min(known).max(LEAST));
            }
        } else if let Some(estimate) = self.estimate {
            let more = estimate + estimate / 10;
            let plenty = self.meter.bits_per_second().saturating_mul(2) + RESERVE;
            self.estimate = (more < plenty).then_some(more);
        }
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
        let (last, since) = self.chosen.unwrap_or((u64::MAX, now));
        let stays = now.saturating_duration_since(since) < STAYS && self.chosen.is_some();
        let fits = |layer: &&Layer| {
            let rate = layer.bits_per_second;
            // The rate of a layer is not the same at all times.
            let is_better = rate > last.saturating_add(last / 4);
            if is_better {
                !stays && rate + rate / 4 <= room
            } else {
                rate + rate / 10 <= room
            }
        };
        let rate = |layer: &&Layer| layer.bits_per_second;
        let chosen = layers
            .iter()
            .filter(fits)
            .max_by_key(rate)
            .or_else(|| layers.iter().min_by_key(rate))?;
        let is_less = chosen.bits_per_second < last - last / 4;
        let since = if is_less { now } else { since };
        self.chosen = Some((chosen.bits_per_second, since));
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
mod tests {
    use super::*;
    use abanico_live::{Bounds, Pool};

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// A stream with three layers, the best of them its own.
    fn simulcast() -> Channel {
        let channel = Channel::new(&Pool::new(Bounds::default()));
        let layer = |bits_per_second, is_main| Layer {
            channel: channel.beside(),
            bits_per_second,
            is_main,
        };
        let layers = [
            layer(150_000, false),
            layer(500_000, false),
            layer(2_500_000, true),
        ];
        channel.set_layers(layers.into());
        channel
    }

    #[test]
    fn a_viewer_is_given_the_best_layer_that_its_network_carries() {
        let begun = Instant::now();
        let channel = simulcast();
        let mut narrow = Narrow::new(begun);
        let mut at = |millis, estimate| {
            narrow.estimate = Some(estimate);
            let wanted = narrow.wanted(&channel, begun + ms(millis)).unwrap();
            let epoch = wanted.layer.map(|layer| layer.epoch().to_owned());
            channel.layers().iter().rev().position(|layer| {
                Some(layer.channel.epoch()) == epoch.as_deref() || epoch.is_none() && layer.is_main
            })
        };
        assert_eq!(at(0, 10_000_000), Some(0), "the best");
        assert_eq!(at(1000, 900_000), Some(1));
        assert_eq!(
            at(2000, 100_000),
            Some(2),
            "the least, also if that is too much"
        );
        assert_eq!(at(3000, 5_000_000), Some(2), "not at once");
        assert_eq!(at(6000, 700_000), Some(2), "not without room to spare");
        assert_eq!(at(7000, 900_000), Some(1));
        assert_eq!(at(8000, 5_000_000), Some(0));
    }

    #[test]
    fn a_lesser_layer_begins_when_what_was_too_much_has_gone_out() {
        let begun = Instant::now();
        let channel = simulcast();
        let mut narrow = Narrow::new(begun);
        narrow.estimate = Some(10_000_000);
        narrow.wanted(&channel, begun);
        assert_eq!(narrow.passes(false, begun), Gate::Open, "the best");
        let turned = begun + ms(1000);
        narrow.estimate = Some(900_000);
        narrow.wanted(&channel, turned);
        assert!(narrow.is_closed());
        assert_eq!(narrow.passes(true, turned), Gate::Closed);
        assert_eq!(narrow.passes(true, turned + ms(240)), Gate::Closed);
        assert_eq!(narrow.passes(false, turned + ms(260)), Gate::Waits);
        assert_eq!(narrow.passes(true, turned + ms(300)), Gate::Open);
        narrow.estimate = Some(10_000_000);
        narrow.wanted(&channel, turned + ms(5000));
        assert!(!narrow.is_closed(), "a better one begins at once");
    }

    #[test]
    fn pictures_that_would_be_late_are_left_out_up_to_a_keyframe() {
        let begun = Instant::now();
        let mut narrow = Narrow::new(begun);
        narrow.connected(begun);
        narrow.estimate = Some(800_000);
        // 110 kB a second: the burst has room for three of these, a quarter of a second for one more.
        let mut given = Vec::new();
        for n in 0..60_u64 {
            let now = begun + ms(n * 33);
            let gate = narrow.passes(n % 30 == 0, now);
            if gate == Gate::Open {
                narrow.wrote(20_000, now);
            }
            given.push(gate);
        }
        assert_eq!(given[0], Gate::Open);
        let closes = given.iter().position(|gate| *gate == Gate::Closes).unwrap();
        assert!((3..10).contains(&closes), "{closes}");
        let waits = given.iter().position(|gate| *gate == Gate::Waits).unwrap();
        assert!(
            (closes + 1..30).contains(&waits),
            "a keyframe finds room before it comes by itself: {waits}"
        );
        let in_between = &given[closes + 1..waits];
        assert!(in_between.iter().all(|gate| *gate == Gate::Closed));
        let to_the_keyframe = &given[waits..30];
        assert!(to_the_keyframe.iter().all(|gate| *gate == Gate::Waits));
        assert_eq!(given[30], Gate::Open, "with the keyframe");
    }

    #[test]
    fn who_comes_waits_for_its_network_and_who_is_up_to_date_does_not() {
        let begun = Instant::now();
        let mut narrow = Narrow::new(begun);
        narrow.connected(begun);
        narrow.estimate = Some(800_000);
        assert_eq!(narrow.waits(false, begun), None);
        narrow.wrote(64_000 + 11_000, begun);
        let until = narrow.waits(false, begun).unwrap();
        assert!((99..=100).contains(&(until - begun).as_millis()));
        assert_eq!(narrow.waits(true, begun), None);
        narrow.wrote(1_000_000, begun);
        assert!(narrow.waits(false, begun + ms(1900)).is_some());
        assert_eq!(narrow.waits(false, begun + ms(2100)), None, "long enough");
    }

    #[test]
    fn what_a_player_lost_says_what_its_network_carries() {
        let begun = Instant::now();
        let mut narrow = Narrow::new(begun);
        narrow.connected(begun);
        let at = |n: u64| begun + ms(n * 33);
        for n in 1..200 {
            narrow.came(10_000, at(n));
            narrow.wrote(10_000, at(n));
        }
        let mut sent = 0;
        let mut gone = 0;
        let mut reports = |narrow: &mut Narrow, packets: u32, lost: u32, rtt, after| {
            sent += packets;
            gone += lost;
            let reported = Reported {
                newest: sent,
                lost: gone,
                rtt: Some(ms(rtt)),
            };
            narrow.reported(reported, at(200) + ms(after));
        };
        reports(&mut narrow, 0, 0, 50, 0);
        reports(&mut narrow, 4, 1, 900, 20);
        reports(&mut narrow, 196, 3, 50, 1_000);
        assert_eq!(narrow.estimate, None, "that much is lost anywhere");
        reports(&mut narrow, 20, 9, 60, 2_000);
        assert_eq!(narrow.estimate, None, "of so few that is chance");
        reports(&mut narrow, 180, 51, 60, 3_000);
        let narrowest = narrow.estimate.unwrap();
        assert!((1_400_000..1_700_000).contains(&narrowest), "{narrowest}");
        reports(&mut narrow, 200, 0, 400, 4_000);
        assert!(narrow.estimate.unwrap() <= narrowest, "it waits on the way");
        for n in 5..45 {
            reports(&mut narrow, 200, 0, 60, n * 1_000);
        }
        assert_eq!(narrow.estimate, None, "as wide as ever");
    }

    proptest::proptest! {
        #[test]
        fn whatever_a_player_reports_a_network_carries_something(
            reports: Vec<(u32, u32, Option<u32>, u16)>,
        ) {
            let mut now = Instant::now();
            let mut narrow = Narrow::new(now);
            narrow.connected(now);
            for (newest, lost, rtt, after) in reports {
                now += ms(after.into());
                narrow.came(usize::from(after), now);
                narrow.wrote(1 << 30, now);
                let rtt = rtt.map(|rtt| Duration::from_micros(rtt.into()));
                narrow.reported(Reported { newest, lost, rtt }, now);
                assert!(narrow.estimate.is_none_or(|estimate| estimate >= LEAST));
                narrow.passes(after % 2 == 0, now);
            }
        }
    }
}
