//! What the machine is asked: the time, a core to stay on, how many files may be open, what a process costs.

use anyhow::{Context, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};
use std::fs;
use std::time::Duration;

/// Microseconds since the machine was started: one clock for all processes.
pub(crate) fn now_us() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    let nanos = u64::try_from(now.tv_nsec).unwrap_or_default();
    seconds * 1_000_000 + nanos / 1_000
}

/// Keeps this thread, and what it starts from now on, on one core.
pub(crate) fn stay_on(core: usize) -> anyhow::Result<()> {
    let allowed = sched_getaffinity(None).context("the cores of this process are unknown")?;
    let known = core < CpuSet::MAX_CPU;
    let mut one = CpuSet::new();
    if known {
        one.set(core);
    }
    if !known || sched_setaffinity(None, &one).is_err() {
        let usable: Vec<_> = (0..CpuSet::MAX_CPU)
            .filter(|core| allowed.is_set(*core))
            .map(|core| core.to_string())
            .collect();
        bail!(
            "core {core} is not to be had: this process may use {}",
            usable.join(", ")
        );
    }
    Ok(())
}

/// Descriptors for everything that is no client.
const KEPT_BACK: u64 = 64;

/// Makes room for `clients` open sockets, or says what to do.
pub(crate) fn allow_sockets(clients: usize) -> anyhow::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let wanted = clients as u64 + KEPT_BACK;
    if limit.current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    let all = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if limit.maximum.is_some_and(|maximum| maximum < wanted)
        || setrlimit(Resource::Nofile, all).is_err()
    {
        let maximum = limit.maximum.unwrap_or_default();
        bail!(
            "{clients} clients need {wanted} open files, and this process may have {maximum}\n  hint: start it where \
             `ulimit -Hn` is larger (`ulimit -n {wanted}` as root), or ask for fewer viewers"
        );
    }
    Ok(())
}

/// What a process has used so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    /// Processor time of all its threads, in user and kernel mode.
    pub(crate) cpu: Duration,
    /// Memory in use now.
    pub(crate) resident_bytes: u64,
    /// The most memory it used since its peak was forgotten.
    pub(crate) peak_bytes: u64,
}

impl Usage {
    /// Looks at a process.
    pub(crate) fn of(pid: u32) -> anyhow::Result<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))
            .with_context(|| format!("there is no process {pid} to be measured"))?;
        let bytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
            Some(kibibytes * 1024)
        };
        Ok(Self {
            cpu: precise_cpu(pid)
                .or_else(|| ticked_cpu(pid))
                .unwrap_or_default(),
            resident_bytes: bytes("VmRSS:").unwrap_or_default(),
            peak_bytes: bytes("VmHWM:").unwrap_or_default(),
        })
    }
}

/// Lets the peak of a process count from now on. Where that is not allowed, it is that of its whole life.
pub(crate) fn forget_peak(pid: u32) {
    // proc(5): 5 resets the peak resident set size to what it is now.
    let _ = fs::write(format!("/proc/{pid}/clear_refs"), "5");
}

/// The scheduler's own count, in nanoseconds, of the threads that are alive.
fn precise_cpu(pid: u32) -> Option<Duration> {
    let mut nanos = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        let Ok(text) = fs::read_to_string(thread.ok()?.path().join("schedstat")) else {
            continue;
        };
        nanos += text.split_whitespace().next()?.parse::<u64>().ok()?;
    }
    (nanos > 0).then(|| Duration::from_nanos(nanos))
}

/// The count in ticks of 10 ms, where the kernel keeps no other.
fn ticked_cpu(pid: u32) -> Option<Duration> {
    const TICKS_A_SECOND: u64 = 100;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may contain spaces.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_millis(
        (user + system) * 1000 / TICKS_A_SECOND,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_that_was_before_is_forgotten() {
        let pid = std::process::id();
        let much = std::hint::black_box(vec![1u8; 64 << 20]);
        let before = Usage::of(pid).unwrap().peak_bytes;
        drop(much);
        forget_peak(pid);
        let after = Usage::of(pid).unwrap().peak_bytes;
        assert!(after + (32 << 20) < before, "{before}, then {after}");
    }

    #[test]
    fn a_process_that_works_is_seen_to_use_processor_and_memory() {
        let before = Usage::of(std::process::id()).unwrap();
        let mut sum = 0u64;
        let until = now_us() + 20_000;
        while now_us() < until {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        let after = Usage::of(std::process::id()).unwrap();
        assert!(after.cpu > before.cpu);
        assert!(after.peak_bytes >= after.resident_bytes / 2 && after.resident_bytes > 0);
    }

    #[test]
    fn more_clients_than_files_are_refused_with_a_hint() {
        let error = allow_sockets(usize::MAX / 2).unwrap_err().to_string();
        assert!(error.contains("ulimit"), "{error}");
    }

    #[test]
    fn a_core_that_is_not_there_is_refused() {
        let error = stay_on(CpuSet::MAX_CPU).unwrap_err().to_string();
        assert!(error.contains("may use"), "{error}");
    }
}
