mod trying;

use super::*;
use abanico_live::{Bounds, Pool};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const RATES: [u64; 3] = [150_000, 500_000, 2_500_000];

/// A stream with three layers, the best of them its own.
fn simulcast() -> Channel {
    let channel = Channel::new(&Pool::new(Bounds::default()));
    let layer = |bits_per_second, is_main| Layer {
        channel: channel.beside(),
        bits_per_second,
        is_main,
    };
    let layers = [
        layer(RATES[0], false),
        layer(RATES[1], false),
        layer(RATES[2], true),
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
            told: sent,
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

#[test]
fn one_report_that_is_late_is_not_taken_for_a_narrow_network_and_two_are() {
    let begun = Instant::now();
    let mut narrow = Narrow::new(begun);
    narrow.connected(begun);
    for n in 1..400 {
        narrow.came(10_000, begun + ms(n * 33));
        narrow.wrote(10_000, begun + ms(n * 33));
    }
    let mut reports = |after: u64, rtt, told| {
        let newest = u32::try_from(after).unwrap();
        let rtt = Some(ms(rtt));
        let reported = Reported {
            newest,
            lost: 0,
            rtt,
            told,
        };
        narrow.reported(reported, begun + ms(after));
        narrow.estimate
    };
    reports(10_000, 50, 1);
    reports(11_000, 50, 2);
    assert_eq!(reports(12_000, 500, 3), None, "by chance");
    assert_eq!(reports(13_000, 500, 3), None, "the same report of ours");
    assert_eq!(reports(14_000, 50, 4), None);
    assert_eq!(reports(15_000, 500, 5), None);
    assert!(reports(16_000, 500, 6).is_some(), "it waits on the way");
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
            let told = newest;
            let reported = Reported { newest, lost, rtt, told };
            narrow.reported(reported, now);
            assert!(narrow.estimate.is_none_or(|estimate| estimate >= LEAST));
            narrow.passes(after % 2 == 0, now);
        }
    }
}

/// A viewer behind a network of so many bits a second, 25 ms away, where a packet waits for 300 ms at most. Time is a number.
struct Behind {
    channel: Channel,
    narrow: Narrow,
    begun: Instant,
    millis: u64,
    bits_per_second: u64,
    /// Packets under way: when each is there.
    under_way: std::collections::VecDeque<u64>,
    free_at: u64,
    sent: u32,
    lost: u32,
    /// Lost ones that the player knows of.
    told: u32,
    reported_at: u64,
    /// What was given last, and each time that it became something else.
    given: u64,
    turns: Vec<(u64, u64)>,
}

impl Behind {
    fn new(bits_per_second: u64) -> Self {
        let begun = Instant::now();
        let mut narrow = Narrow::new(begun);
        narrow.connected(begun);
        Self {
            channel: simulcast(),
            narrow,
            begun,
            millis: 0,
            bits_per_second,
            under_way: std::collections::VecDeque::new(),
            free_at: 0,
            sent: 0,
            lost: 0,
            told: 0,
            reported_at: 0,
            given: 0,
            turns: Vec::new(),
        }
    }

    /// So many seconds pass: 25 pictures in each.
    fn run(&mut self, seconds: u64) {
        let end = self.millis + seconds * 1_000;
        while self.millis < end {
            self.millis += 40;
            let now = self.begun + ms(self.millis);
            if self.millis.is_multiple_of(1_000) {
                self.sway();
            }
            let layers = self.channel.layers();
            let wanted = self.narrow.wanted(&self.channel, now);
            let mut keyframe = false;
            if let Some(wanted) = wanted {
                let layer = wanted.layer.map(|layer| layer.epoch().to_owned());
                let is = |known: &&Layer| match &layer {
                    Some(epoch) => known.channel.epoch() == epoch,
                    None => known.is_main,
                };
                let rate = RATES[layers.iter().position(|layer| is(&layer)).unwrap()];
                keyframe = rate != self.given;
                if keyframe {
                    self.given = rate;
                    self.turns.push((self.millis, rate));
                }
            }
            let frame = |rate: u64| usize::try_from(rate / 8 / 25).unwrap();
            self.narrow.came(frame(RATES[2]), now);
            // Who is waited for is asked for a keyframe.
            keyframe |= self.narrow.is_closed();
            if self.narrow.passes(keyframe, now) == Gate::Open {
                let bytes = frame(self.given) * if keyframe { 3 } else { 1 };
                self.narrow.wrote(bytes, now);
                self.send(bytes);
            }
            self.report(now);
        }
    }

    /// What the layers are said to have is not the same at all times.
    fn sway(&mut self) {
        let sways = [100, 125, 85, 95, 140, 100, 110];
        let percent = sways[usize::try_from(self.millis / 1_000).unwrap() % sways.len()];
        let layers = self.channel.layers();
        let sways = layers.iter().zip(RATES).map(|(layer, rate)| Layer {
            bits_per_second: rate * percent / 100,
            ..layer.clone()
        });
        self.channel.set_layers(sways.collect());
    }

    fn send(&mut self, bytes: usize) {
        for _ in 0..bytes.div_ceil(1_100) {
            self.sent += 1;
            self.free_at = self.free_at.max(self.millis * 1_000);
            if self.free_at > (self.millis + 300) * 1_000 {
                self.lost += 1;
                continue;
            }
            self.free_at += 1_150 * 8 * 1_000_000 / self.bits_per_second;
            self.under_way.push_back(self.free_at / 1_000 + 25);
        }
    }

    /// Once a second, and at once when something is missing.
    fn report(&mut self, now: Instant) {
        while self.under_way.front().is_some_and(|at| *at <= self.millis) {
            self.under_way.pop_front();
        }
        let waits = self.free_at.saturating_sub(self.millis * 1_000) / 1_000;
        let passed = self.millis - self.reported_at;
        if passed >= 1_000 || self.lost > self.told && passed >= 100 {
            self.reported_at = self.millis;
            self.told = self.lost;
            let reported = Reported {
                newest: self.sent - u32::try_from(self.under_way.len()).unwrap(),
                lost: self.lost,
                rtt: Some(ms(50 + waits)),
                told: u32::try_from(self.millis).unwrap(),
            };
            self.narrow.reported(reported, now);
        }
    }

    /// When a better layer was begun, since then.
    fn climbs_since(&self, millis: u64) -> Vec<u64> {
        let climbs = self.turns.windows(2).filter(|pair| pair[0].1 < pair[1].1);
        let climbs = climbs.map(|pair| pair[1].0);
        climbs.filter(|at| *at >= millis).collect()
    }
}

#[test]
fn on_a_network_that_stays_narrow_a_layer_that_was_too_much_is_tried_more_and_more_seldom() {
    for (bits_per_second, fits) in [
        (1_200_000, 500_000),
        (2_300_000, 500_000),
        (400_000, 150_000),
    ] {
        let mut viewer = Behind::new(bits_per_second);
        viewer.run(20);
        let lost = viewer.lost;
        viewer.run(280);
        let climbs = viewer.climbs_since(20_000);
        assert!((2..=5).contains(&climbs.len()), "{:?}", viewer.turns);
        let seconds = |pair: &[u64]| (pair[1] - pair[0]) / 1_000;
        let apart: Vec<u64> = climbs.windows(2).map(seconds).collect();
        assert!(apart.is_sorted(), "{apart:?}");
        assert!(*apart.last().unwrap() >= 60, "{apart:?}");
        let below = viewer
            .turns
            .iter()
            .filter(|(at, rate)| *at > 20_000 && *rate < fits);
        assert_eq!(below.count(), 0, "what fits is kept: {:?}", viewer.turns);
        let lost = viewer.lost - lost;
        assert!(lost < 300, "{lost} lost");
        assert_eq!(viewer.given, fits);
    }
}

#[test]
fn a_network_that_has_become_wide_is_given_the_best_layer_again_and_its_failures_are_forgotten() {
    let mut viewer = Behind::new(1_200_000);
    viewer.run(60);
    let widened = viewer.millis;
    viewer.bits_per_second = 20_000_000;
    viewer.run(90);
    assert_eq!(viewer.given, 2_500_000, "{:?}", viewer.turns);
    assert_eq!(viewer.climbs_since(widened).len(), 1);
    viewer.run(60);
    // It narrows for a while only.
    viewer.bits_per_second = 1_200_000;
    viewer.run(3);
    viewer.bits_per_second = 20_000_000;
    let widened = viewer.millis;
    viewer.run(20);
    assert_eq!(viewer.given, 2_500_000, "{:?}", viewer.turns);
    let climbs = viewer.climbs_since(widened);
    assert!(*climbs.last().unwrap() < widened + 15_000, "{climbs:?}");
}
