//! Watches what the machine has left, so that new viewers are refused before those who watch already suffer.
//!
//! When memory runs out, it is given back in this order: streams hold less of what is there for late and slow viewers;
//! new viewers are refused; those are ended for whom most is waiting, or who let most of what they say stand unfinished, and
//! connections on which most is asked at a time.
//! Publishers, for whom nothing waits and who finish what they say, and what is said about streams are left to the end
//! ([`Shortage`]).
//!
//! Two reserves run out before a limit by number does: memory, and the processor. What those who watch need of the
//! processor is the time that sending to them takes; what else is done can wait, but not for ever. Descriptors are counted
//! where connections are accepted. Invariants: a short hiccup refuses nobody; nor do joins alone, however many, unless they
//! take all there is for seconds.

mod memory;

use crate::config::{Share, Size};
use crate::doors::Doors;
use crate::http2::Connected;
use crate::reserves::memory::Memory;
pub(crate) use crate::reserves::memory::all_memory;
use abanico_socketio::engine::Greedy;
use abanico_streamhub::StreamHub;
use std::time::{Duration, Instant};
use tokio::runtime::RuntimeMetrics;
use tokio_util::sync::CancellationToken;

/// How often is looked.
const EVERY: Duration = Duration::from_millis(250);

/// And how often while nothing is scarce: to be woken costs a server that does little more than what it does.
const EVERY_WHEN_CALM: Duration = Duration::from_secs(1);

/// How often free memory is given back, and how often while memory is short: it takes a thread some milliseconds.
const GIVE_BACK_EVERY: Duration = Duration::from_secs(5);
const GIVE_BACK_EVERY_WHEN_SHORT: Duration = Duration::from_secs(1);

/// So many looks in a row must agree before new viewers are refused: a second, in which a crowd that comes fast takes a
/// tenth of a processor.
const LOOKS_TO_REFUSE: u32 = 4;

/// So many looks in a row must agree before they are let in again: slower than the other way round, or those who were
/// refused come back at once and all is as before.
const LOOKS_TO_ADMIT: u32 = 12;

/// While new viewers are refused, the bounds are stricter by this part of themselves.
const EASE: f64 = 0.1;

/// Threads that are busy for more of their time than this leave nothing to those who watch, whatever they are busy with.
const BUSY_MAX: f64 = 0.97;

/// So many looks in a row must find them so: a storm of joins may take all that is left for two seconds.
const LOOKS_OF_NO_REST: u32 = 8;

/// What must be left for those who watch already.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Of the time of the runtime's threads: what goes into sending at most.
    pub(crate) busy_max: Share,
    /// Of all memory that this process may use: what is left at least.
    pub(crate) memory_left_min: Share,
    /// What this process may use, where it is told.
    pub(crate) memory_max: Option<Size>,
}

/// How short memory is, from what hurts nobody to what hurts few. Each holds what comes before it, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Shortage {
    /// There is enough.
    None,
    /// Twice what must be left: streams hold a quarter of what they may hold.
    OfBacklogs,
    /// Less than what must be left: new viewers are refused, if it lasts.
    OfRoom,
    /// Half of what must be left: sessions are ended that hold most.
    OfPatience,
}

impl Shortage {
    /// All but the last, each with the share of what must be left below which it is that.
    const BELOW: [(Self, f64); 3] = [
        (Self::OfPatience, 0.5),
        (Self::OfRoom, 1.0),
        (Self::OfBacklogs, 2.0),
    ];

    /// What it is now. It is over when there is a little more than what it began at.
    fn now(self, memory_left: Option<f64>, least: Share) -> Self {
        let Some(left) = memory_left else {
            return Self::None;
        };
        let is = |(shortage, part): &(Self, f64)| {
            let ease = if self >= *shortage { EASE } else { 0.0 };
            left < least.0 * part * (1.0 + ease)
        };
        let now = Self::BELOW.iter().find(|below| is(below));
        now.map_or(Self::None, |(shortage, _)| *shortage)
    }
}

/// Sessions that are ended at one look while memory is shortest, until it is enough: several times as many a second as one
/// address may begin.
const SHED_MAX: usize = 64;

/// A session that holds less is worth nothing to end.
const SHED_BYTES_MIN: usize = 64 << 10;

/// A connection of HTTP/2 with no more requests open is worth nothing to end: a page that watches has one or two, and several
/// tabs may share it.
const SHED_REQUESTS_MIN: usize = 8;

/// What one look saw.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Look {
    /// The share of their time that the threads spent on sending to viewers since the last look.
    sending: f64,
    /// The looks in a row, this one included, at which the threads had hardly rested.
    busy_looks: u32,
    /// The share of memory that is left, where the system tells.
    memory_left: Option<f64>,
}

impl Look {
    /// Whether nothing will be scarce before long: half of all is left.
    fn is_calm(&self, bounds: Bounds) -> bool {
        let is_ample = self.memory_left.is_none_or(|left| left > 0.5);
        is_ample && self.busy_looks == 0 && self.sending < bounds.busy_max.0 / 2.0
    }

    /// What there is too little of, by bounds that are stricter by a part of themselves.
    fn lacks(&self, bounds: Bounds, ease: f64) -> Option<&'static str> {
        let least = bounds.memory_left_min.0 * (1.0 + ease);
        if self.memory_left.is_some_and(|left| left < least) {
            return Some("memory");
        }
        let is_busy =
            self.busy_looks >= LOOKS_OF_NO_REST || self.sending > bounds.busy_max.0 * (1.0 - ease);
        is_busy.then_some("processor time")
    }
}

/// What was concluded from the looks so far.
#[derive(Debug, Default)]
struct Judge {
    exhausted: bool,
    /// Looks in a row that say otherwise.
    against: u32,
}

impl Judge {
    /// By what part of themselves the bounds are stricter now.
    fn ease(&self) -> f64 {
        if self.exhausted { EASE } else { 0.0 }
    }

    /// Takes a look into account. Says so when it changes the conclusion.
    fn take(&mut self, lacks: bool) -> bool {
        if lacks == self.exhausted {
            self.against = 0;
            return false;
        }
        self.against += 1;
        let looks = if lacks {
            LOOKS_TO_REFUSE
        } else {
            LOOKS_TO_ADMIT
        };
        if self.against < looks {
            return false;
        }
        self.against = 0;
        self.exhausted = lacks;
        true
    }
}

/// What the threads of a runtime do with their time. What another process takes from them in the midst of something counts
/// as theirs: it is missing all the same.
struct Threads {
    metrics: RuntimeMetrics,
    seen: Instant,
    busy: Duration,
    sending: Duration,
    /// Looks in a row that found them busy.
    busy_looks: u32,
}

impl Threads {
    fn of_this_runtime() -> Self {
        let metrics = tokio::runtime::Handle::current().metrics();
        Self {
            seen: Instant::now(),
            busy: busy(&metrics),
            sending: abanico_hub::time_bringing(),
            busy_looks: 0,
            metrics,
        }
    }

    /// What they did since the last look.
    fn look(&mut self, memory_left: Option<f64>) -> Look {
        let (now, busy) = (Instant::now(), busy(&self.metrics));
        let sending = abanico_hub::time_bringing();
        let threads = u32::try_from(self.metrics.num_workers()).unwrap_or(1);
        let all = now.duration_since(self.seen) * threads;
        let share = |time: Duration| time.as_secs_f64() / all.as_secs_f64().max(f64::MIN_POSITIVE);
        let (busy_share, sending_share) = (share(busy - self.busy), share(sending - self.sending));
        (self.seen, self.busy, self.sending) = (now, busy, sending);
        self.busy_looks = if busy_share > BUSY_MAX {
            self.busy_looks + 1
        } else {
            0
        };
        Look {
            sending: sending_share,
            busy_looks: self.busy_looks,
            memory_left,
        }
    }
}

fn busy(metrics: &RuntimeMetrics) -> Duration {
    (0..metrics.num_workers())
        .map(|worker| metrics.worker_total_busy_duration(worker))
        .sum()
}

/// Watches until `stop` is cancelled.
pub(crate) async fn watch(
    (streamhub, doors, http2): (StreamHub, Doors, Connected),
    bounds: Bounds,
    stop: CancellationToken,
) {
    let mut judge = Judge::default();
    let mut shortage = Shortage::None;
    let mut threads = Threads::of_this_runtime();
    let mut memory = Memory::of_this_process(bounds.memory_max);
    let mut every = EVERY;
    let mut given_back = Instant::now();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(every) => {}
        }
        let look = threads.look(memory.left());
        every = if look.is_calm(bounds) {
            EVERY_WHEN_CALM
        } else {
            EVERY
        };
        tracing::trace!(?look, "what the machine has left");
        let before = shortage;
        shortage = before.now(look.memory_left, bounds.memory_left_min);
        let is_short = shortage > Shortage::None;
        if is_short != (before > Shortage::None) {
            streamhub.set_short(is_short);
            if is_short {
                tracing::warn!(
                    ?look,
                    "memory is short: streams hold less of what is for late and slow viewers"
                );
            } else {
                tracing::info!("memory is not short any longer: streams hold what they may");
            }
        }
        let pause = if is_short {
            GIVE_BACK_EVERY_WHEN_SHORT
        } else {
            GIVE_BACK_EVERY
        };
        if given_back.elapsed() >= pause {
            given_back = Instant::now();
            // What else the looks are for does not wait for it.
            drop(tokio::task::spawn_blocking(abanico_memory::give_back));
        }
        // Twice in a row: a hiccup ends nobody.
        if shortage.min(before) == Shortage::OfPatience {
            let greedy = doors.greedy(SHED_BYTES_MIN);
            let greedy = greedy.chain(streamhub.socketio().greedy(SHED_BYTES_MIN));
            let ended = Greedy::end_most(greedy, SHED_MAX);
            if ended > 0 {
                tracing::warn!(
                    ended,
                    ?look,
                    "sessions ended that held most: memory runs out"
                );
            }
            let ended = http2.shed(SHED_MAX, SHED_REQUESTS_MIN);
            if ended > 0 {
                tracing::warn!(
                    ended,
                    ?look,
                    "connections ended on which most was asked: memory runs out"
                );
            }
        }
        let lacks = look.lacks(bounds, judge.ease());
        if judge.take(lacks.is_some()) {
            streamhub.set_exhausted(judge.exhausted);
            match lacks {
                Some(lacking) => tracing::warn!(
                    lacking,
                    ?look,
                    "the machine is at its limit: new viewers are refused"
                ),
                None => tracing::info!("the machine has room again: new viewers are taken"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        busy_max: Share(0.8),
        memory_left_min: Share(0.04),
        memory_max: None,
    };

    #[test]
    fn as_memory_runs_out_backlogs_go_first_then_new_viewers_and_the_slowest_last() {
        use Shortage::{None as Enough, OfBacklogs, OfPatience, OfRoom};
        let mut shortage = Enough;
        let mut look = |left: f64| {
            shortage = shortage.now(Some(left), BOUNDS.memory_left_min);
            shortage
        };
        let seen = [0.5, 0.081, 0.079, 0.041, 0.039, 0.021, 0.019, 0.0].map(&mut look);
        let expected = [
            Enough, Enough, OfBacklogs, OfBacklogs, OfRoom, OfRoom, OfPatience, OfPatience,
        ];
        assert_eq!(seen, expected);
        // Each is over a little later than it began.
        let seen = [0.021, 0.023, 0.043, 0.045, 0.087, 0.089].map(&mut look);
        let expected = [OfPatience, OfRoom, OfRoom, OfBacklogs, OfBacklogs, Enough];
        assert_eq!(seen, expected);
        assert_eq!(Enough.now(None, BOUNDS.memory_left_min), Enough);
        // When it is told to leave nothing, nothing is held back for that.
        assert_eq!(OfPatience.now(Some(0.0), Share(0.0)), Enough);
    }

    #[test]
    fn a_hiccup_refuses_nobody_and_a_lasting_lack_does_until_it_is_over() {
        let mut judge = Judge::default();
        let changes: Vec<_> = (0..40)
            .filter(|look| {
                let lacks = *look == 3 || (10..20).contains(look);
                judge.take(lacks)
            })
            .collect();
        assert_eq!(changes, [13, 31]);
    }

    const FINE: Look = Look {
        sending: 0.75,
        busy_looks: LOOKS_OF_NO_REST - 1,
        memory_left: Some(0.5),
    };

    #[test]
    fn little_memory_much_sending_and_no_rest_are_lacks() {
        assert_eq!(FINE.lacks(BOUNDS, 0.0), None);
        let short = Look {
            memory_left: Some(0.01),
            ..FINE
        };
        assert_eq!(short.lacks(BOUNDS, 0.0), Some("memory"));
        let sending = Look {
            sending: 0.85,
            memory_left: None,
            ..FINE
        };
        assert_eq!(sending.lacks(BOUNDS, 0.0), Some("processor time"));
        let restless = Look {
            busy_looks: LOOKS_OF_NO_REST,
            ..FINE
        };
        assert_eq!(restless.lacks(BOUNDS, 0.0), Some("processor time"));
    }

    #[test]
    fn it_is_calm_while_there_is_plenty_of_everything() {
        let calm = Look {
            sending: 0.3,
            busy_looks: 0,
            memory_left: Some(0.6),
        };
        assert!(calm.is_calm(BOUNDS));
        for uneasy in [
            Look {
                sending: 0.5,
                ..calm
            },
            Look {
                busy_looks: 1,
                ..calm
            },
            Look {
                memory_left: Some(0.4),
                ..calm
            },
        ] {
            assert!(!uneasy.is_calm(BOUNDS), "{uneasy:?}");
        }
    }

    #[test]
    fn who_was_refused_is_let_in_only_when_there_is_more_room_than_that() {
        let mut judge = Judge::default();
        assert_eq!(judge.ease(), 0.0);
        while !judge.take(true) {}
        assert_eq!(FINE.lacks(BOUNDS, judge.ease()), Some("processor time"));
        let enough = Look {
            sending: 0.7,
            ..FINE
        };
        assert_eq!(enough.lacks(BOUNDS, judge.ease()), None);
    }

    #[tokio::test]
    async fn threads_that_work_for_seconds_on_end_have_no_rest() {
        let mut threads = Threads::of_this_runtime();
        let mut rests = Vec::new();
        for work in [true, false] {
            for _ in 0..=LOOKS_OF_NO_REST {
                let started = Instant::now();
                if work {
                    while started.elapsed() < Duration::from_millis(20) {
                        std::hint::spin_loop();
                    }
                } else {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                // A thread tells of its work when it has done with it.
                tokio::task::yield_now().await;
                rests.push(threads.look(None).busy_looks >= LOOKS_OF_NO_REST);
            }
        }
        let (worked, rested) = rests.split_at(rests.len() / 2);
        assert!(!worked[0] && worked[worked.len() - 1], "{worked:?}");
        assert!(!rested[rested.len() - 1], "{rested:?}");
    }
}
