//! How much the way to a viewer carries: a train of packets, and questions in it and behind it. What answers late has waited
//! behind the train, and of what is not answered as much of the train got lost.
//!
//! Pure: time comes in, what is to be sent goes out. A train is made of packets that the player has already, beside the
//! stream's own, as fast as a better layer would need it. The first trains are short, and each is as long as what is known
//! from the one before allows.
//!
//! On a way that others fill, what is asked before a train waits as long as what is asked behind it. So it is compared with
//! the least that the way has taken so far, and no train goes out while it takes much longer.
//!
//! Invariant: on a way that carries no less than it is known to carry, nothing waits behind a train for longer than
//! [`QUEUE_MAX`].

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What may wait behind a train, sound among it.
const QUEUE_MAX: Duration = Duration::from_millis(100);

/// An answer that is late by no more has not waited: machines are busy at times.
const JITTER: Duration = Duration::from_millis(40);

/// A train that is so long shows what is carried for good.
const WHOLE: Duration = Duration::from_millis(200);

/// A train has no fewer bytes: two packets.
const BYTES_MIN: u64 = 2_400;

/// Packets go out so often, and no more at one time.
const TICK: Duration = Duration::from_millis(5);
const TICK_BYTES_MAX: u64 = 16_000;

/// Questions behind a train, each of which may get lost, and how far they are apart.
const QUESTIONS: u32 = 3;
const QUESTION_EVERY: Duration = Duration::from_millis(3);

/// Questions in a train, which get lost as its packets do.
const QUESTION_IN_EVERY: Duration = Duration::from_millis(20);

/// What answers before a train and is late by more than [`QUEUE_MAX`] is asked again so long after, up to so often in all.
/// Then something else fills the way.
const BEFORE_AGAIN_AFTER: Duration = Duration::from_millis(50);
const BEFORE_MAX: u32 = 3;

/// An answer in time says for so long that nothing else fills the way.
const CLEAR_FOR: Duration = Duration::from_millis(50);

/// A first answer that takes longer may come from far away, or have waited. With nothing to compare it is taken to have waited.
const FAR: Duration = Duration::from_millis(150);

/// The rest of the questions of a train may answer so long after the first one behind it should have the last answered.
const STRAGGLES: Duration = Duration::from_millis(150);

/// Of the questions of a train no more than one in so many may be lost.
const LOST_ONE_IN: u32 = 4;

/// So many packets of the stream that are missed while a train is under way are no chance.
const MISSED: u32 = 3;

/// Questions that may be answered at one time. The first makes room for another.
const ASKED_MAX: usize = 32;

/// What is not answered so long after the end of a train got lost, and more with it.
const ANSWERED_WITHIN: Duration = Duration::from_secs(1);

/// The picture that a viewer begins with is waited for so long.
const BEGINS_WITHIN: Duration = Duration::from_secs(2);

/// A train that seems to have waited is tried a second time after so long, before that is believed.
const AGAIN_AFTER: Duration = Duration::from_millis(50);

/// Of a way of which nothing is known.
const LEAST: u64 = 100_000;

/// Tries what the way carries.
#[derive(Default)]
pub(crate) struct Prober {
    train: Option<Train>,
    attempt: Option<Attempt>,
    /// The least that the way there and back has taken.
    nearest: Option<Duration>,
    /// When it last took hardly longer.
    clear: Option<Instant>,
    /// What waits for its answer, and since when.
    waiting: VecDeque<(Question, Instant)>,
    /// Questions so far.
    asked: u64,
}

/// A question, by which its answer is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Question(u64);

impl Question {
    /// Whether the player is there. When it answers says nothing of its network.
    pub(crate) const THERE: Self = Self(0);
}

/// Whether the way carries so much, in trains of growing length.
struct Attempt {
    rate: u64,
    /// What it has been seen to carry.
    known: u64,
    /// The next train goes out then.
    at: Instant,
    /// One has been late.
    doubted: bool,
}

struct Train {
    /// Without, it is what the viewer is given anyway.
    rate: Option<u64>,
    bytes_min: u64,
    begun: Instant,
    bytes: u64,
    /// What the player was asked last before it, and how often it was.
    before: Option<Question>,
    asked_before: u32,
    /// It goes out when that was answered.
    waits: bool,
    /// When it is asked again, before the train.
    again: Option<Instant>,
    /// How far away it was then.
    distance: Option<Duration>,
    /// It took much longer than it should.
    is_full: bool,
    /// Packets go out.
    under_way: bool,
    ended: Option<Instant>,
    /// Questions in it and behind it.
    questions: Questions,
    /// Packets of the stream that the player has missed meanwhile.
    missed: u32,
}

#[derive(Default)]
struct Questions {
    first: Option<Question>,
    newest: Option<(Question, Instant)>,
    asked: u32,
    /// Up to the newest that was answered.
    due: u32,
    answered: u32,
    /// Of those behind it the first, how many, and how long the first took that was answered.
    behind: Option<Question>,
    asked_behind: u32,
    took: Option<Duration>,
}

/// What is to be done now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing, before then if that is known.
    Rest(Option<Instant>),
    /// The player is to be asked; see [`Prober::asks`].
    Ask,
    /// So many bytes are to be sent that the player has already.
    Send(u64),
}

/// What a train has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// What a viewer began with has arrived. So much is carried at least, and no more than that if it waited.
    Begun { known: u64, most: Option<u64> },
    /// What was asked for is carried.
    Carried,
    /// It is not. So much is at least, and no more than that if it is known.
    TooMuch { known: u64, most: Option<u64> },
    /// The way is full already: no more is tried.
    Full,
}

impl Prober {
    /// A viewer begins: its first picture is a train.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.train = Some(Train::new(None, 0, now));
    }

    /// The viewer's first picture was sent.
    pub(crate) fn began(&mut self, now: Instant) {
        if let Some(train) = &mut self.train
            && train.rate.is_none()
        {
            train.ended.get_or_insert(now);
        }
    }

    /// Tries whether so much is carried, where so much is known to be.
    pub(crate) fn attempt(&mut self, rate: u64, known: u64, now: Instant) {
        self.train = None;
        self.attempt = Some(Attempt {
            rate,
            known: known.max(LEAST),
            at: now,
            doubted: false,
        });
    }

    /// The player has missed so many packets of the stream.
    pub(crate) fn missed(&mut self, packets: u32) {
        if let Some(train) = &mut self.train {
            train.missed = train.missed.saturating_add(packets);
        }
    }

    /// The way there and back took so long, as the player's own reports say.
    pub(crate) fn took(&mut self, way: Duration) {
        self.nearest = Some(self.nearest.map_or(way, |nearest| nearest.min(way)));
    }

    /// The player is found elsewhere: what was known of the way is of another.
    pub(crate) fn moved(&mut self) {
        self.stop();
        self.nearest = None;
        self.clear = None;
        self.waiting.clear();
    }

    /// Whatever is tried is no longer of interest.
    pub(crate) fn stop(&mut self) {
        self.train = None;
        self.attempt = None;
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.train.is_none() && self.attempt.is_none()
    }

    /// So many bytes were sent, as they are on the wire.
    pub(crate) fn sent(&mut self, bytes: usize) {
        if let Some(train) = &mut self.train
            && train.under_way
            && train.ended.is_none()
        {
            train.bytes += u64::try_from(bytes).unwrap_or(u64::MAX);
        }
    }

    /// What is to be done now. What a train has shown that was not answered comes beside it.
    pub(crate) fn step(&mut self, now: Instant) -> (Step, Option<Shown>) {
        if self.train.as_ref().is_some_and(|train| train.is_lost(now)) {
            let shown = self.judge(now);
            return (Step::Rest(self.attempt.as_ref().map(|next| next.at)), shown);
        }
        if let (None, Some(attempt)) = (&self.train, &self.attempt) {
            if now < attempt.at {
                return (Step::Rest(Some(attempt.at)), None);
            }
            let bytes = bytes_in(attempt.rate, attempt.lasts()).max(BYTES_MIN);
            let mut train = Train::new(Some(attempt.rate), bytes, now);
            // What has just answered in time need not be waited for once more, nor what was seen to be carried.
            let is_now = |at| now.saturating_duration_since(at) < CLEAR_FOR;
            let is_known = attempt.known >= attempt.rate && !attempt.doubted;
            train.waits = !is_known && !self.clear.is_some_and(is_now);
            self.train = Some(train);
        }
        let step = match &mut self.train {
            Some(train) => train.step(now),
            None => Step::Rest(None),
        };
        (step, None)
    }

    /// The player is asked now.
    pub(crate) fn asks(&mut self, now: Instant) -> Question {
        self.asked += 1;
        let question = Question(self.asked);
        if self.waiting.len() >= ASKED_MAX {
            self.waiting.pop_front();
        }
        self.waiting.push_back((question, now));
        if let Some(train) = &mut self.train {
            train.asks(question, now);
        }
        question
    }

    /// The player has answered.
    pub(crate) fn answered(&mut self, question: Question, now: Instant) -> Option<Shown> {
        let at = self
            .waiting
            .iter()
            .position(|(asked, _)| *asked == question);
        let (_, asked) = self.waiting.remove(at?)?;
        let way = now.saturating_duration_since(asked);
        let is_late = way > self.nearest.map_or(FAR, |nearest| nearest + QUEUE_MAX);
        self.took(way);
        let is_clear = self
            .nearest
            .is_some_and(|nearest| way < nearest + JITTER / 2);
        self.clear = is_clear.then_some(now);
        let train = self.train.as_mut()?;
        if train.before == Some(question) {
            train.distance = Some(way);
            train.is_full = is_late;
            if train.under_way {
                return None;
            }
            if !is_late {
                train.starts(now);
            } else if train.asked_before < BEFORE_MAX {
                train.again = Some(now + BEFORE_AGAIN_AFTER);
            } else {
                self.stop();
                return Some(Shown::Full);
            }
            return None;
        }
        let is_over = train.questions.answered(question, way);
        if is_over || train.is_late() {
            self.judge(now)
        } else {
            None
        }
    }

    /// The train has arrived, or is lost.
    fn judge(&mut self, now: Instant) -> Option<Shown> {
        let train = self.train.take()?;
        let ended = train.ended.unwrap_or(now);
        let distance = train.distance.or(self.nearest);
        let Questions { answered, took, .. } = train.questions;
        let asked = train.asked_in_time();
        let waited = took
            .zip(distance)
            .map(|(took, distance)| took.saturating_sub(distance));
        let is_lossy = (asked - answered) * LOST_ONE_IN > asked || train.missed >= MISSED;
        // As much of the train got lost as of its questions.
        let arrived = train.bytes * u64::from(answered) / u64::from(asked.max(1));
        let lasted = ended.saturating_duration_since(train.begun);
        let carried = |waited| rate_of(arrived, lasted + waited);
        let has_waited = |waited: &Duration| is_lossy || *waited > JITTER / 2;
        // The least way that is known has waited for nothing.
        let late = took.zip(self.nearest);
        let late = late.map(|(took, nearest)| took.saturating_sub(nearest));
        let most = late.filter(|_| waited.as_ref().is_some_and(has_waited));
        let most = most.map(carried);
        let known = waited.map(|waited| carried(waited.max(JITTER)));
        if train.rate.is_none() {
            if is_lossy || train.is_full {
                return Some(Shown::Full);
            }
            let known = known.unwrap_or(LEAST);
            return Some(Shown::Begun { known, most });
        }
        let attempt = self.attempt.as_mut()?;
        let is_late = waited.is_none() || train.is_late();
        if is_lossy || is_late || train.is_full {
            if attempt.doubted {
                let known = attempt.known;
                self.attempt = None;
                return Some(Shown::TooMuch { known, most });
            }
            attempt.doubted = true;
            attempt.at = now + AGAIN_AFTER;
            return None;
        }
        if attempt.lasts() >= WHOLE {
            self.attempt = None;
            return Some(Shown::Carried);
        }
        attempt.known = attempt.known.max(known.unwrap_or(LEAST));
        attempt.at = now;
        None
    }
}

impl Attempt {
    /// How long the next train is.
    fn lasts(&self) -> Duration {
        match self.rate.checked_sub(self.known) {
            None | Some(0) => WHOLE,
            Some(beyond) => {
                let micros = u128::from(self.known) * QUEUE_MAX.as_micros() / u128::from(beyond);
                let micros = u64::try_from(micros).unwrap_or(u64::MAX);
                Duration::from_micros(micros).min(WHOLE)
            }
        }
    }
}

impl Train {
    fn new(rate: Option<u64>, bytes_min: u64, now: Instant) -> Self {
        Self {
            rate,
            bytes_min,
            begun: now,
            bytes: 0,
            before: None,
            asked_before: 0,
            // Nobody waits for a first picture.
            waits: rate.is_some(),
            again: None,
            distance: None,
            is_full: false,
            under_way: false,
            ended: None,
            questions: Questions::default(),
            missed: 0,
        }
    }

    fn asks(&mut self, question: Question, now: Instant) {
        if self.under_way {
            self.questions.asks(question, self.ended.is_some(), now);
            return;
        }
        self.before = Some(question);
        self.asked_before += 1;
        self.again = None;
        self.begun = now;
        if !self.waits {
            self.starts(now);
        }
    }

    /// Its packets go out from now on.
    fn starts(&mut self, now: Instant) {
        self.begun = now;
        self.under_way = true;
    }

    fn step(&mut self, now: Instant) -> Step {
        if !self.under_way {
            return match (self.before, self.again) {
                (None, _) => Step::Ask,
                (Some(_), Some(again)) if now >= again => Step::Ask,
                (Some(_), Some(again)) => Step::Rest(Some(again)),
                (Some(_), None) => Step::Rest(Some(self.begun + ANSWERED_WITHIN)),
            };
        }
        if self.ended.is_none()
            && let Some(rate) = self.rate
        {
            let passed = now.saturating_duration_since(self.begun);
            let due = bytes_in(rate, passed).min(self.bytes_min);
            let asked = self.questions.newest.map_or(self.begun, |(_, at)| at);
            if self.bytes >= self.bytes_min {
                self.ended = Some(now);
            } else if now >= asked + QUESTION_IN_EVERY {
                return Step::Ask;
            } else if self.bytes < due {
                return Step::Send((due - self.bytes).min(TICK_BYTES_MAX));
            } else {
                return Step::Rest(Some(now + TICK));
            }
        }
        let Some(ended) = self.ended else {
            return Step::Rest(Some(self.begun + BEGINS_WITHIN));
        };
        let next = ended + QUESTION_EVERY * self.questions.asked_behind;
        match self.questions.asked_behind {
            QUESTIONS.. => Step::Rest(Some(self.lost_at())),
            _ if now >= next => Step::Ask,
            _ => Step::Rest(Some(next)),
        }
    }

    /// Questions that should have been answered: all, or up to the one that was late.
    fn asked_in_time(&self) -> u32 {
        let Questions { asked, due, .. } = self.questions;
        if self.is_late() {
            due.min(asked)
        } else {
            asked
        }
    }

    /// What was asked behind it has waited for it.
    fn is_late(&self) -> bool {
        let (Some(rate), Some(took)) = (self.rate, self.questions.took) else {
            return false;
        };
        // What the stream itself sent beyond it takes its time.
        let beyond = time_of(self.bytes.saturating_sub(self.bytes_min), rate);
        let waited = |distance| took.saturating_sub(distance);
        self.distance
            .map(waited)
            .is_some_and(|waited| waited > JITTER + beyond)
    }

    fn is_lost(&self, now: Instant) -> bool {
        now >= self.lost_at()
    }

    /// When no answer is waited for any more.
    fn lost_at(&self) -> Instant {
        match (self.ended, self.questions.took) {
            (Some(ended), Some(took)) => ended + took + STRAGGLES,
            (Some(ended), None) => ended + ANSWERED_WITHIN,
            (None, _) if self.under_way => self.begun + BEGINS_WITHIN,
            (None, _) => self.begun + ANSWERED_WITHIN,
        }
    }
}

impl Questions {
    fn asks(&mut self, question: Question, is_behind: bool, now: Instant) {
        self.first.get_or_insert(question);
        self.newest = Some((question, now));
        self.asked += 1;
        if is_behind {
            self.behind.get_or_insert(question);
            self.asked_behind += 1;
        }
    }

    /// One was answered. Returns whether no more answers are to come.
    fn answered(&mut self, question: Question, way: Duration) -> bool {
        if self.first.is_none_or(|first| question < first) {
            return false;
        }
        self.answered += 1;
        if self.behind.is_some_and(|behind| question >= behind) {
            self.took.get_or_insert(way);
        }
        let first = self.first.map_or(0, |first| first.0);
        self.due = u32::try_from(question.0 - first + 1).unwrap_or(u32::MAX);
        let is_newest = self.newest.is_some_and(|(newest, _)| question == newest);
        self.asked_behind >= QUESTIONS && is_newest
    }
}

/// So many bytes in so long, in bits a second.
fn rate_of(bytes: u64, time: Duration) -> u64 {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    bytes.saturating_mul(8_000_000) / micros.max(1)
}

/// How long so many bytes take at that rate.
fn time_of(bytes: u64, rate: u64) -> Duration {
    Duration::from_micros(bytes.saturating_mul(8_000_000) / rate.max(1))
}

/// How many bytes go out at that rate in so long.
fn bytes_in(rate: u64, time: Duration) -> u64 {
    let bytes = u128::from(rate) * time.as_micros() / 8_000_000;
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(crate) mod tests;
