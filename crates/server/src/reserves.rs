//! Watches what the machine has left, so that new viewers are refused before those who watch already suffer.
//!
//! Two reserves run out before a limit by number does: memory, and the processor, which shows as threads that hardly ever
//! rest. Descriptors are counted where connections are accepted. Invariant: a short hiccup refuses nobody.

use crate::config::Share;
use abanico_streamhub::StreamHub;
use std::time::{Duration, Instant};
use tokio::runtime::RuntimeMetrics;
use tokio_util::sync::CancellationToken;

/// How often is looked.
const EVERY: Duration = Duration::from_millis(250);

/// So many looks in a row must agree before new viewers are refused: a second, in which a crowd that comes fast takes a
/// tenth of a processor.
const LOOKS_TO_REFUSE: u32 = 4;

/// So many looks in a row must agree before they are let in again: slower than the other way round, or those who were
/// refused come back at once and all is as before.
const LOOKS_TO_ADMIT: u32 = 12;

/// While new viewers are refused, the bounds are stricter by this part of themselves.
const EASE: f64 = 0.1;

/// What must be left for those who watch already.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Of the time of the runtime's threads: what is used at most.
    pub(crate) busy_max: Share,
    /// Of all memory that this process may use: what is left at least.
    pub(crate) memory_left_min: Share,
}

/// What one look saw.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Look {
    /// The share of their time that the threads were busy since the last look.
    busy: f64,
    /// The share of memory that is left, where the system tells.
    memory_left: Option<f64>,
}

impl Look {
    /// What there is too little of, by bounds that are stricter by a part of themselves.
    fn lacks(&self, bounds: Bounds, ease: f64) -> Option<&'static str> {
        let least = bounds.memory_left_min.0 * (1.0 + ease);
        if self.memory_left.is_some_and(|left| left < least) {
            return Some("memory");
        }
        (self.busy > bounds.busy_max.0 * (1.0 - ease)).then_some("processor time")
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

/// How busy the threads of a runtime are.
struct Threads {
    metrics: RuntimeMetrics,
    seen: Instant,
    busy: Duration,
}

impl Threads {
    fn of_this_runtime() -> Self {
        let metrics = tokio::runtime::Handle::current().metrics();
        let busy = busy(&metrics);
        Self {
            metrics,
            seen: Instant::now(),
            busy,
        }
    }

    /// The share of their time that they were busy since the last call. What another process takes from them in the midst
    /// of something counts as theirs: it is missing all the same.
    fn busy_since(&mut self) -> f64 {
        let (now, busy) = (Instant::now(), busy(&self.metrics));
        let threads = u32::try_from(self.metrics.num_workers()).unwrap_or(1);
        let all = now.duration_since(self.seen) * threads;
        let share = (busy - self.busy).as_secs_f64() / all.as_secs_f64().max(f64::MIN_POSITIVE);
        (self.seen, self.busy) = (now, busy);
        share
    }
}

fn busy(metrics: &RuntimeMetrics) -> Duration {
    (0..metrics.num_workers())
        .map(|worker| metrics.worker_total_busy_duration(worker))
        .sum()
}

/// Watches until `stop` is cancelled.
pub(crate) async fn watch(streamhub: StreamHub, bounds: Bounds, stop: CancellationToken) {
    let mut judge = Judge::default();
    let mut threads = Threads::of_this_runtime();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        let look = Look {
            busy: threads.busy_since(),
            memory_left: memory_left(),
        };
        tracing::trace!(?look, "what the machine has left");
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

/// The share of memory that is left: of the machine, or of the group that the process was put in, whichever is less.
fn memory_left() -> Option<f64> {
    let machine = std::fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| of_machine(&text));
    let group = of_group(
        std::fs::read_to_string("/sys/fs/cgroup/memory.current").ok(),
        std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok(),
    );
    machine.into_iter().chain(group).reduce(f64::min)
}

fn of_machine(meminfo: &str) -> Option<f64> {
    let of = |name: &str| -> Option<f64> {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_start_matches(':')
            .trim()
            .split(' ')
            .next()?
            .parse()
            .ok()
    };
    Some(of("MemAvailable")? / of("MemTotal")?)
}

fn of_group(current: Option<String>, max: Option<String>) -> Option<f64> {
    // Without a limit the file says "max", which is no number.
    let max: f64 = max?.trim().parse().ok()?;
    let current: f64 = current?.trim().parse().ok()?;
    Some(1.0 - current / max)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        busy_max: Share(0.85),
        memory_left_min: Share(0.04),
    };

    #[test]
    fn the_scarcer_of_machine_and_group_counts() {
        let meminfo = "MemTotal:       1000 kB\nMemFree:  10 kB\nMemAvailable:    250 kB\n";
        assert_eq!(of_machine(meminfo), Some(0.25));
        assert_eq!(of_machine("MemTotal: 5 kB"), None);
        assert_eq!(
            of_group(Some("75\n".into()), Some("100\n".into())),
            Some(0.25)
        );
        assert_eq!(of_group(Some("75\n".into()), Some("max\n".into())), None);
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

    #[test]
    fn little_memory_and_busy_threads_are_lacks() {
        let fine = Look {
            busy: 0.8,
            memory_left: Some(0.5),
        };
        assert_eq!(fine.lacks(BOUNDS, 0.0), None);
        let short = Look {
            memory_left: Some(0.01),
            ..fine
        };
        assert_eq!(short.lacks(BOUNDS, 0.0), Some("memory"));
        let busy = Look {
            busy: 0.95,
            memory_left: None,
        };
        assert_eq!(busy.lacks(BOUNDS, 0.0), Some("processor time"));
    }

    #[test]
    fn who_was_refused_is_let_in_only_when_there_is_more_room_than_that() {
        let mut judge = Judge::default();
        assert_eq!(judge.ease(), 0.0);
        while !judge.take(true) {}
        let little = Look {
            busy: 0.8,
            memory_left: Some(0.5),
        };
        assert_eq!(little.lacks(BOUNDS, judge.ease()), Some("processor time"));
        let enough = Look {
            busy: 0.75,
            ..little
        };
        assert_eq!(enough.lacks(BOUNDS, judge.ease()), None);
    }

    #[tokio::test]
    async fn a_thread_that_works_is_busy_and_one_that_waits_is_not() {
        let mut threads = Threads::of_this_runtime();
        tokio::time::sleep(Duration::from_millis(100)).await;
        let resting = threads.busy_since();
        // Work that another program does not share, by the clock that is asked.
        let started = Instant::now();
        while started.elapsed() < Duration::from_millis(100) {
            std::hint::spin_loop();
        }
        // A thread tells when it has come to rest.
        tokio::time::sleep(Duration::from_millis(1)).await;
        let working = threads.busy_since();
        assert!(working > 0.5 && working > resting, "{resting} {working}");
    }
}
