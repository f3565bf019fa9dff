use super::*;
use std::collections::VecDeque;

/// What others send is in packets of so many bytes.
const OTHERS_BYTES: u64 = 800;

/// A way of so many bits a second, 25 ms long there and back each, on which a packet waits for 300 ms at most. Time is a number of
/// microseconds.
pub(crate) struct Way {
    pub(crate) bits_per_second: u64,
    free_at: u64,
    answers: VecDeque<(u64, Question)>,
    pub(crate) lost: u32,
    /// The longest that anything waited.
    pub(crate) waited: u64,
    /// What others send over it, in bits a second, and until when they have.
    pub(crate) others: u64,
    others_at: u64,
    /// How long it is, each way.
    far: u64,
}

impl Way {
    pub(crate) fn new(bits_per_second: u64) -> Self {
        Self {
            bits_per_second,
            free_at: 0,
            answers: VecDeque::new(),
            lost: 0,
            waited: 0,
            others: 0,
            others_at: 0,
            far: 25_000,
        }
    }

    /// One that others have filled already, and go on to fill.
    pub(crate) fn full(bits_per_second: u64, others: u64) -> Self {
        Self {
            free_at: 300_000,
            others,
            ..Self::new(bits_per_second)
        }
    }

    /// What others sent until then.
    fn fill(&mut self, at: u64) {
        while self.others > 0 && self.others_at < at {
            let waits = self.free_at.saturating_sub(self.others_at);
            if waits <= 300_000 {
                self.takes(self.others_at, OTHERS_BYTES);
            }
            self.others_at += OTHERS_BYTES * 8_000_000 / self.others;
        }
    }

    fn takes(&mut self, at: u64, bytes: u64) {
        self.free_at = self.free_at.max(at) + bytes * 8_000_000 / self.bits_per_second;
    }

    /// Returns when it is there, if it is not lost.
    pub(crate) fn send(&mut self, at: u64, bytes: u64) -> Option<u64> {
        self.fill(at);
        let waits = self.free_at.saturating_sub(at);
        if waits > 300_000 {
            self.lost += 1;
            return None;
        }
        self.waited = self.waited.max(waits);
        self.takes(at, bytes);
        Some(self.free_at + self.far)
    }

    /// Bytes in packets.
    pub(crate) fn send_all(&mut self, at: u64, bytes: u64) {
        for from in (0..bytes).step_by(1_100) {
            self.send(at, (bytes - from).min(1_100));
        }
    }

    pub(crate) fn ask(&mut self, at: u64, question: Question) {
        if let Some(there) = self.send(at, 130) {
            self.answers.push_back((there + self.far, question));
        }
    }

    pub(crate) fn answer(&mut self, at: u64) -> Option<Question> {
        let is_there = self.answers.front().is_some_and(|(there, _)| *there <= at);
        is_there.then(|| self.answers.pop_front().unwrap().1)
    }

    /// How long what was sent until then still waits.
    pub(crate) fn holds(&self, at: u64) -> u64 {
        self.free_at.saturating_sub(at)
    }
}

/// What an attempt shows on that way, beside a stream of 200 kb/s, and how many milliseconds it took.
fn tried(way: &mut Way, rate: u64, known: u64) -> (Shown, u64) {
    tried_with(way, rate, known, |_, _| {})
}

fn tried_with(
    way: &mut Way,
    rate: u64,
    known: u64,
    meddle: impl FnMut(&mut Way, u64),
) -> (Shown, u64) {
    tried_by(&mut Prober::default(), way, rate, known, meddle)
}

fn tried_by(
    prober: &mut Prober,
    way: &mut Way,
    rate: u64,
    known: u64,
    meddle: impl FnMut(&mut Way, u64),
) -> (Shown, u64) {
    let begun = Instant::now();
    prober.attempt(rate, known, begun);
    tried_on(prober, way, begun, meddle)
}

fn tried_on(
    prober: &mut Prober,
    way: &mut Way,
    begun: Instant,
    mut meddle: impl FnMut(&mut Way, u64),
) -> (Shown, u64) {
    for millis in 0..20_000_u64 {
        let (now, at) = (begun + Duration::from_millis(millis), millis * 1_000);
        meddle(way, millis);
        if millis.is_multiple_of(40) {
            way.send(at, 1_000);
            prober.sent(1_000);
        }
        while let Some(question) = way.answer(at) {
            if let Some(shown) = prober.answered(question, now) {
                return (shown, millis);
            }
        }
        loop {
            let (step, shown) = prober.step(now);
            if let Some(shown) = shown {
                return (shown, millis);
            }
            match step {
                Step::Rest(next) => {
                    assert!(next.is_none_or(|next| next > now), "it rests until then");
                    break;
                }
                Step::Ask => way.ask(at, prober.asks(now)),
                Step::Send(bytes) => {
                    way.send_all(at, bytes);
                    prober.sent(usize::try_from(bytes).unwrap());
                }
            }
        }
    }
    panic!("it comes to an end");
}

#[test]
fn what_is_carried_is_known_within_a_second_and_what_is_not_holds_nothing_up_for_long() {
    for (bits_per_second, rate, known) in [
        (20_000_000, 3_200_000, 200_000),
        (20_000_000, 3_200_000, 1_400_000),
        (3_300_000, 3_200_000, 800_000),
        (1_200_000, 950_000, 300_000),
    ] {
        let mut way = Way::new(bits_per_second);
        let (shown, millis) = tried(&mut way, rate, known);
        assert_eq!(shown, Shown::Carried, "{bits_per_second} {rate}");
        assert!(millis < 1_000, "{millis} ms");
        assert_eq!(way.lost, 0);
    }
    for (bits_per_second, rate, known) in [
        (350_000, 950_000, 300_000),
        (350_000, 8_000_000, 0),
        (1_200_000, 3_200_000, 700_000),
        (2_300_000, 3_200_000, 700_000),
    ] {
        let mut way = Way::new(bits_per_second);
        let (shown, _) = tried(&mut way, rate, known);
        let Shown::TooMuch { most, .. } = shown else {
            panic!("{bits_per_second} {rate}: {shown:?}");
        };
        let most = most.unwrap();
        let about = bits_per_second * 8 / 10..bits_per_second * 12 / 10;
        assert!(about.contains(&most), "{most} of {bits_per_second}");
        assert_eq!(way.lost, 0);
        assert!(way.waited < 150_000, "{} µs", way.waited);
    }
}

#[test]
fn one_train_that_waited_behind_something_else_is_not_believed() {
    let mut way = Way::new(20_000_000);
    let (shown, millis) = tried_with(&mut way, 3_200_000, 1_400_000, |way, millis| {
        if millis == 60 {
            way.send_all(millis * 1_000, 225_000);
        }
    });
    assert_eq!(shown, Shown::Carried);
    assert!(way.waited > 80_000, "the first train met it");
    assert!(millis > 500, "it was tried again: {millis} ms");
}

#[test]
fn what_nobody_answers_is_too_much() {
    let mut way = Way::new(20_000_000);
    let (shown, millis) = tried_with(&mut way, 3_200_000, 200_000, |way, _| way.answers.clear());
    let known = 200_000;
    assert_eq!(shown, Shown::TooMuch { known, most: None });
    assert!((2_000..4_000).contains(&millis), "{millis} ms");
}

#[test]
fn a_large_picture_of_the_stream_itself_is_not_held_against_the_way() {
    let mut way = Way::new(4_000_000);
    let begun = Instant::now();
    let mut prober = Prober::default();
    prober.attempt(3_200_000, 3_000_000, begun);
    let mut shown = None;
    for millis in 0..2_000_u64 {
        let (now, at) = (begun + Duration::from_millis(millis), millis * 1_000);
        if millis == 190 {
            way.send_all(at, 60_000);
            prober.sent(60_000);
        }
        while let Some(question) = way.answer(at) {
            shown = shown.or(prober.answered(question, now));
        }
        while shown.is_none() {
            match prober.step(now).0 {
                Step::Rest(_) => break,
                Step::Ask => way.ask(at, prober.asks(now)),
                Step::Send(bytes) => {
                    way.send_all(at, bytes);
                    prober.sent(usize::try_from(bytes).unwrap());
                }
            }
        }
    }
    assert_eq!(shown, Some(Shown::Carried));
    assert!(way.waited > 80_000);
}

/// What the picture that a viewer begins with shows on that way.
fn begun_with(way: &mut Way, bytes: u64) -> Option<Shown> {
    let begun = Instant::now();
    let mut prober = Prober::default();
    prober.begin(begun);
    assert_eq!(prober.step(begun), (Step::Ask, None));
    way.ask(0, prober.asks(begun));
    way.send_all(0, bytes);
    prober.sent(usize::try_from(bytes).unwrap());
    prober.began(begun);
    for millis in 0..3_000 {
        let now = begun + Duration::from_millis(millis);
        while let Some(question) = way.answer(millis * 1_000) {
            let shown = prober.answered(question, now);
            if shown.is_some() {
                return shown;
            }
        }
        loop {
            match prober.step(now) {
                (_, Some(shown)) => return Some(shown),
                (Step::Ask, None) => way.ask(millis * 1_000, prober.asks(now)),
                (Step::Rest(_), None) => break,
                (Step::Send(_), None) => panic!("the picture is all there is"),
            }
        }
    }
    None
}

#[test]
fn on_a_way_that_others_fill_nothing_is_taken_for_carried() {
    for (bits_per_second, others) in [
        (350_000, 350_000),
        (350_000, 420_000),
        (1_200_000, 1_200_000),
        (1_200_000, 1_500_000),
    ] {
        let shown = begun_with(&mut Way::full(bits_per_second, others), 20_000);
        assert_eq!(shown, Some(Shown::Full), "{bits_per_second} {others}");
        for known in [100_000, 2_500_000] {
            // With nothing to compare, and with an answer from before it was full.
            for nearest in [None, Some(Duration::from_millis(50))] {
                let mut prober = Prober {
                    nearest,
                    ..Prober::default()
                };
                let mut way = Way::full(bits_per_second, others);
                let (shown, _) = tried_by(&mut prober, &mut way, 3_200_000, known, |_, _| {});
                assert_ne!(shown, Shown::Carried, "{bits_per_second} {others} {known}");
                assert!(way.waited > 200_000, "it is full");
            }
        }
    }
}

#[test]
fn a_train_while_which_much_is_missed_shows_nothing() {
    let mut way = Way::new(20_000_000);
    let mut prober = Prober::default();
    let begun = Instant::now();
    prober.attempt(3_200_000, 3_200_000, begun);
    let (step, _) = prober.step(begun);
    assert_eq!(step, Step::Ask);
    way.ask(0, prober.asks(begun));
    prober.missed(MISSED);
    let shown = tried_on(&mut prober, &mut way, begun, |_, _| {});
    assert_eq!(shown.0, Shown::Carried, "the second time");
    assert!(shown.1 > 500, "{} ms", shown.1);
}

#[test]
fn who_is_far_away_and_answers_steadily_is_tried_too() {
    let mut way = Way::new(20_000_000);
    way.far = 280_000;
    let mut prober = Prober {
        nearest: Some(Duration::from_millis(580)),
        ..Prober::default()
    };
    let (shown, _) = tried_by(&mut prober, &mut way, 3_200_000, 1_400_000, |_, _| {});
    assert_eq!(shown, Shown::Carried);
}

#[test]
fn the_picture_that_a_viewer_begins_with_shows_what_its_network_carries() {
    for (bits_per_second, waits) in [(350_000, true), (20_000_000, false)] {
        let shown = begun_with(&mut Way::new(bits_per_second), 8_000);
        let Some(Shown::Begun { known, most }) = shown else {
            panic!("{shown:?}");
        };
        assert_eq!(most.is_some(), waits);
        assert!(known < bits_per_second * 11 / 10, "{known}");
        assert!(known > 300_000, "{known}");
    }
}
