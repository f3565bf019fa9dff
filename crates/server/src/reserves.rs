//! Watches what the machine has left, so that new viewers are refused before those who watch already suffer.
//!
//! Two reserves run out before a limit by number does: memory, and the processor, which shows as timers that come late.
//! Descriptors are counted where connections are accepted. Invariant: a short hiccup refuses nobody.

use abanico_streamhub::StreamHub;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often is looked.
const EVERY: Duration = Duration::from_millis(500);

/// So many looks in a row must agree before new viewers are refused, or let in again.
const LOOKS: u32 = 6;

/// Memory left, of all that this process may use, below which no further viewers are taken.
const MEMORY_LEFT_MIN: f64 = 0.04;

/// A timer that comes later than this says that the processor has more to do than it can.
const LATE_MAX: Duration = Duration::from_millis(750);

/// What one look saw.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Look {
    /// How late the look itself came.
    late: Duration,
    /// The share of memory that is left, where the system tells.
    memory_left: Option<f64>,
}

impl Look {
    fn lacks(&self) -> Option<&'static str> {
        if self.memory_left.is_some_and(|left| left < MEMORY_LEFT_MIN) {
            return Some("memory");
        }
        (self.late > LATE_MAX).then_some("processor time")
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
    /// Takes a look into account. Says so when it changes the conclusion.
    fn take(&mut self, lacks: bool) -> bool {
        if lacks == self.exhausted {
            self.against = 0;
            return false;
        }
        self.against += 1;
        if self.against < LOOKS {
            return false;
        }
        self.against = 0;
        self.exhausted = lacks;
        true
    }
}

/// Watches until `stop` is cancelled.
pub(crate) async fn watch(streamhub: StreamHub, stop: CancellationToken) {
    let mut judge = Judge::default();
    loop {
        let due = Instant::now() + EVERY;
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep_until(due) => {}
        }
        let look = Look {
            late: due.elapsed(),
            memory_left: memory_left(),
        };
        let lacks = look.lacks();
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
        assert_eq!(changes, [15, 25]);
    }

    #[test]
    fn little_memory_and_late_timers_are_lacks() {
        let fine = Look {
            late: Duration::from_millis(20),
            memory_left: Some(0.5),
        };
        assert_eq!(fine.lacks(), None);
        assert_eq!(
            Look {
                memory_left: Some(0.01),
                ..fine
            }
            .lacks(),
            Some("memory")
        );
        let late = Look {
            late: Duration::from_secs(1),
            memory_left: None,
        };
        assert_eq!(late.lacks(), Some("processor time"));
    }
}
