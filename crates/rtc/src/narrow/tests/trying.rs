//! Viewers whose players take repeats: they begin with the least layer, and a better one is tried before it is given.

use super::*;
use crate::probe::tests::Way;

/// A viewer over a way, given 25 pictures a second and 50 packets of sound.
struct Viewer {
    channel: Channel,
    narrow: Narrow,
    begun: Instant,
    way: Way,
    millis: u64,
    given: u64,
    turns: Vec<(u64, u64)>,
    /// When something was sent to try the way, a second and more after the time before.
    tries: Vec<u64>,
    tried: u64,
    sent: u32,
}

impl Viewer {
    fn new(bits_per_second: u64) -> Self {
        let begun = Instant::now();
        let mut narrow = Narrow::new(begun);
        narrow.connected(begun);
        narrow.takes_trains();
        let channel = simulcast();
        let first = narrow.first(&channel).expect("the least layer");
        narrow.begin(&first, begun);
        Self {
            channel,
            narrow,
            begun,
            way: Way::new(bits_per_second),
            millis: 0,
            given: first.bits_per_second,
            turns: vec![(0, first.bits_per_second)],
            tries: Vec::new(),
            tried: 0,
            sent: 0,
        }
    }

    fn run(&mut self, millis: u64) {
        for at in self.millis..self.millis + millis {
            self.pass(at, self.begun + ms(at));
        }
        self.millis += millis;
    }

    fn pass(&mut self, millis: u64, now: Instant) {
        let at = millis * 1_000;
        while let Some(question) = self.way.answer(at) {
            self.narrow.answered(question, now);
        }
        self.probe(millis, now);
        if millis.is_multiple_of(20) {
            self.write(at, 100, now);
        }
        if millis.is_multiple_of(40) {
            let turns = self.look(millis, now);
            self.narrow.came(frame(RATES[2]), now);
            let keyframe = turns || millis == 0 || self.narrow.is_closed();
            if self.narrow.passes(keyframe, now) == Gate::Open {
                let bytes = frame(self.given) * if keyframe { 3 } else { 1 };
                self.write(at, bytes, now);
                self.narrow.began(now);
            }
        }
        if millis % 1_000 == 999 {
            let rtt = Some(ms(50) + Duration::from_micros(self.way.holds(at)));
            let reported = Reported {
                newest: self.sent,
                lost: self.way.lost,
                rtt,
                told: u32::try_from(millis).unwrap(),
            };
            self.narrow.reported(reported, now);
        }
    }

    fn probe(&mut self, millis: u64, now: Instant) {
        loop {
            match self.narrow.step(now) {
                Step::Rest(_) => return,
                Step::Ask => self.way.ask(millis * 1_000, self.narrow.asks(now)),
                Step::Send(bytes) => {
                    if self.tries.is_empty() || millis > self.tried + 1_000 {
                        self.tries.push(millis);
                    }
                    self.tried = millis;
                    self.way.send_all(millis * 1_000, bytes);
                    self.narrow.sent(usize::try_from(bytes).unwrap());
                }
            }
        }
    }

    /// Whether another layer is given from now on.
    fn look(&mut self, millis: u64, now: Instant) -> bool {
        let Some(wanted) = self.narrow.wanted(&self.channel, now) else {
            return false;
        };
        let epoch = wanted.layer.map(|layer| layer.epoch().to_owned());
        let layers = self.channel.layers();
        let is = |layer: &&Layer| match &epoch {
            Some(epoch) => layer.channel.epoch() == epoch,
            None => layer.is_main,
        };
        let rate = layers.iter().find(is).unwrap().bits_per_second;
        let turns = rate != self.given;
        if turns {
            self.given = rate;
            self.turns.push((millis, rate));
        }
        turns
    }

    fn write(&mut self, at: u64, bytes: usize, now: Instant) {
        self.way.send_all(at, u64::try_from(bytes).unwrap());
        self.narrow.wrote(bytes, now);
        self.narrow.sent(bytes);
        self.sent += u32::try_from(bytes.div_ceil(1_100)).unwrap();
    }
}

fn frame(rate: u64) -> usize {
    usize::try_from(rate / 8 / 25).unwrap()
}

#[test]
fn who_comes_has_the_best_that_its_network_carries_within_a_second_and_loses_nothing() {
    for (bits_per_second, fits) in [
        (50_000_000, RATES[2]),
        (5_000_000, RATES[2]),
        (1_200_000, RATES[1]),
        (350_000, RATES[0]),
    ] {
        let mut viewer = Viewer::new(bits_per_second);
        viewer.run(1_000);
        assert_eq!(viewer.given, fits, "{:?}", viewer.turns);
        viewer.run(4_000);
        assert_eq!(viewer.given, fits, "{:?}", viewer.turns);
        let best = viewer.turns.iter().map(|(_, rate)| *rate).max();
        assert_eq!(best, Some(fits), "it was given no more than fits");
        assert_eq!(viewer.way.lost, 0);
        assert!(viewer.way.waited < 200_000, "{} µs", viewer.way.waited);
    }
}

#[test]
fn on_a_network_that_stays_narrow_a_better_layer_is_tried_at_no_cost_and_more_and_more_seldom() {
    for (bits_per_second, fits) in [
        (1_200_000, RATES[1]),
        (2_300_000, RATES[1]),
        (350_000, RATES[0]),
    ] {
        let mut viewer = Viewer::new(bits_per_second);
        viewer.run(300_000);
        let more = viewer.turns.iter().filter(|(_, rate)| *rate > fits);
        assert_eq!(more.count(), 0, "{:?}", viewer.turns);
        assert_eq!(viewer.given, fits);
        assert_eq!(viewer.way.lost, 0);
        assert!(viewer.way.waited < 200_000, "{} µs", viewer.way.waited);
        let later = viewer.tries.iter().filter(|at| **at > 5_000);
        let later: Vec<u64> = later.copied().collect();
        assert!((3..=6).contains(&later.len()), "{:?}", viewer.tries);
        let apart: Vec<u64> = later.windows(2).map(|at| (at[1] - at[0]) / 1_000).collect();
        assert!(apart.is_sorted(), "{apart:?}");
        assert!(*apart.last().unwrap() >= 80, "{apart:?}");
    }
}

#[test]
fn a_network_that_has_become_wide_is_found_out_without_a_loss() {
    let mut viewer = Viewer::new(1_200_000);
    viewer.run(20_000);
    assert_eq!(viewer.given, RATES[1]);
    viewer.way.bits_per_second = 20_000_000;
    viewer.run(50_000);
    assert_eq!(viewer.given, RATES[2], "{:?}", viewer.turns);
    assert_eq!(viewer.way.lost, 0);
}

#[test]
fn a_layer_is_tried_no_more_when_less_is_carried_and_what_was_given_is_gone_back_to() {
    let mut viewer = Viewer::new(20_000_000);
    viewer.run(3_000);
    assert_eq!(viewer.given, RATES[2]);
    viewer.way.bits_per_second = 1_200_000;
    viewer.run(5_000);
    assert!(viewer.given < RATES[2], "{:?}", viewer.turns);
    let lost = viewer.way.lost;
    viewer.run(60_000);
    assert_eq!(viewer.given, RATES[1], "{:?}", viewer.turns);
    assert_eq!(viewer.way.lost, lost, "nothing more is lost");
}
