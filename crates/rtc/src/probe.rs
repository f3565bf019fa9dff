//! How much the way to a viewer carries: a train of packets, and a question behind it. What answers late has waited behind the
//! train.
//!
//! Pure: time comes in, what is to be sent goes out. A train is made of packets that the player has already, beside the
//! stream's own, as fast as a better layer would need it. The first trains are short, and each is as long as what is known
//! from the one before allows.
//!
//! Invariant: on a way that carries no less than it is known to carry, nothing waits behind a train for longer than
//! [`QUEUE_MAX`].

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
const QUESTION_EVERY: Duration = Duration::from_millis(10);

/// What is not answered so long after the end of a train got lost, and more with it.
const ANSWERED_WITHIN: Duration = Duration::from_secs(1);

/// The picture that a viewer begins with is waited for so long.
const BEGINS_WITHIN: Duration = Duration::from_secs(2);

/// A train that seems to have waited is tried a second time after so long, before that is believed.
const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// Of a way of which nothing is known.
const LEAST: u64 = 100_000;

/// Tries what the way carries.
#[derive(Default)]
pub(crate) struct Prober {
    train: Option<Train>,
    attempt: Option<Attempt>,
    /// How far away the player was when it was last asked with nothing before the question.
    distance: Option<Duration>,
    /// Questions so far.
    asked: u64,
}

/// A question, by which its answer is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Question(u64);

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
    /// What the player was asked before it, if it was.
    before: Option<Question>,
    distance: Option<Duration>,
    ended: Option<Instant>,
    questions: u32,
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
            && train.ended.is_none()
        {
            train.bytes += u64::try_from(bytes).unwrap_or(u64::MAX);
        }
    }

    /// What is to be done now. What a train has shown that was not answered comes beside it.
    pub(crate) fn step(&mut self, now: Instant) -> (Step, Option<Shown>) {
        if self.train.as_ref().is_some_and(|train| train.is_lost(now)) {
            let shown = self.judge(None, now);
            return (Step::Rest(self.attempt.as_ref().map(|next| next.at)), shown);
        }
        if let (None, Some(attempt)) = (&self.train, &self.attempt) {
            if now < attempt.at {
                return (Step::Rest(Some(attempt.at)), None);
            }
            let bytes = bytes_in(attempt.rate, attempt.lasts()).max(BYTES_MIN);
            self.train = Some(Train::new(Some(attempt.rate), bytes, now));
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
        if let Some(train) = &mut self.train {
            if train.before.is_none() {
                train.before = Some(question);
                train.begun = now;
            } else {
                train.questions += 1;
            }
        }
        question
    }

    /// The player has answered.
    pub(crate) fn answered(&mut self, question: Question, now: Instant) -> Option<Shown> {
        let train = self.train.as_mut()?;
        let before = train.before?;
        if question == before {
            let after = now.saturating_duration_since(train.begun);
            train.distance = Some(after);
            self.distance = Some(after);
        }
        if question <= before {
            return None;
        }
        self.judge(Some(now), now)
    }

    /// The train has arrived, or is lost.
    fn judge(&mut self, arrived: Option<Instant>, now: Instant) -> Option<Shown> {
        let train = self.train.take()?;
        let ended = train.ended.unwrap_or(now);
        let distance = train.distance.or(self.distance);
        let waited = arrived
            .zip(distance)
            .map(|(at, distance)| at.saturating_duration_since(ended).saturating_sub(distance));
        let lasted = ended.saturating_duration_since(train.begun);
        let carried = |waited| rate_of(train.bytes, lasted + waited);
        let most = waited.filter(|waited| *waited > JITTER / 2).map(carried);
        let known = waited.map(|waited| carried(waited.max(JITTER)));
        let Some(rate) = train.rate else {
            let known = known.unwrap_or(LEAST);
            return Some(Shown::Begun { known, most });
        };
        let attempt = self.attempt.as_mut()?;
        // What the stream itself sent beyond it takes its time.
        let beyond = time_of(train.bytes.saturating_sub(train.bytes_min), rate);
        if waited.is_none_or(|waited| waited > JITTER + beyond) {
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
            distance: None,
            ended: None,
            questions: 0,
        }
    }

    fn step(&mut self, now: Instant) -> Step {
        if self.before.is_none() {
            return Step::Ask;
        }
        if self.ended.is_none()
            && let Some(rate) = self.rate
        {
            let passed = now.saturating_duration_since(self.begun);
            let due = bytes_in(rate, passed).min(self.bytes_min);
            if self.bytes >= self.bytes_min {
                self.ended = Some(now);
            } else if self.bytes < due {
                return Step::Send((due - self.bytes).min(TICK_BYTES_MAX));
            } else {
                return Step::Rest(Some(now + TICK));
            }
        }
        let Some(ended) = self.ended else {
            return Step::Rest(Some(self.begun + BEGINS_WITHIN));
        };
        let next = ended + QUESTION_EVERY * self.questions;
        match self.questions {
            QUESTIONS.. => Step::Rest(Some(ended + ANSWERED_WITHIN)),
            _ if now >= next => Step::Ask,
            _ => Step::Rest(Some(next)),
        }
    }

    fn is_lost(&self, now: Instant) -> bool {
        match self.ended {
            Some(ended) => now.saturating_duration_since(ended) >= ANSWERED_WITHIN,
            None => now.saturating_duration_since(self.begun) >= BEGINS_WITHIN,
        }
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
