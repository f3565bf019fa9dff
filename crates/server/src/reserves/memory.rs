//! How much memory is left, as the system tells it.
//!
//! It is asked several times a second for as long as the server runs, also when nobody watches, so the files are opened
//! once and read from their beginning each time.

use crate::config::Size;
use std::fs::File;
use std::io::{Read, Seek};

/// Where the system tells it.
pub(super) struct Memory {
    machine: Option<File>,
    group: Option<Group>,
    own: Option<Own>,
}

/// The group that the process was put in.
struct Group {
    current: File,
    max: File,
}

/// What this process may use by its settings.
struct Own {
    status: File,
    max: Size,
}

/// Both numbers of the machine stand in its first lines, those of a group are alone in their files, and the whole status of
/// a process is no longer.
const READ_BYTES: usize = 2048;

impl Memory {
    /// The memory of this machine, of the group that the process was put in where there is one, and `max` for this process
    /// where that was set.
    pub(super) fn of_this_process(max: Option<Size>) -> Self {
        let open = |path| File::open(path).ok();
        let group = open("/sys/fs/cgroup/memory.current").zip(open("/sys/fs/cgroup/memory.max"));
        Self {
            machine: open("/proc/meminfo"),
            group: group.map(|(current, max)| Group { current, max }),
            own: max
                .zip(open("/proc/self/status"))
                .map(|(max, status)| Own { status, max }),
        }
    }

    /// The share that is left: of the machine, of the group, or of what this process may use, whichever is least. None where
    /// the system tells nothing.
    pub(super) fn left(&mut self) -> Option<f64> {
        let machine = self.machine.as_mut().and_then(read).and_then(of_machine);
        let group = self.group.as_mut().and_then(|group| {
            of_group(
                &text(&read(&mut group.current)?),
                &text(&read(&mut group.max)?),
            )
        });
        let own = self
            .own
            .as_mut()
            .and_then(|own| of_process(&text(&read(&mut own.status)?), own.max));
        let all = machine.into_iter().chain(group).chain(own);
        all.reduce(f64::min)
    }
}

/// All the memory that this process may use: of the machine, of its group, or by its settings, whichever is least. None where
/// the system tells nothing.
pub(crate) fn all_memory(max: Option<Size>) -> Option<usize> {
    let read = |path| std::fs::read_to_string(path).ok();
    let machine = read("/proc/meminfo").and_then(|meminfo| kilobytes(&meminfo, "MemTotal"));
    let machine = machine.map(|kilobytes: usize| kilobytes.saturating_mul(1024));
    // Without a limit the file says "max", which is no number.
    let group = read("/sys/fs/cgroup/memory.max").and_then(|max| max.trim().parse().ok());
    let all = [machine, group, max.map(|max| max.0)];
    all.into_iter().flatten().min()
}

/// What was read, as far as it reached.
type Beginning = ([u8; READ_BYTES], usize);

fn read(file: &mut File) -> Option<Beginning> {
    let mut bytes = [0; READ_BYTES];
    file.rewind().ok()?;
    let mut len = 0;
    // The system may give it in pieces.
    while let Ok(count @ 1..) = file.read(&mut bytes[len..]) {
        len += count;
    }
    Some((bytes, len))
}

fn text((bytes, len): &Beginning) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(&bytes[..*len])
}

fn of_machine(read: Beginning) -> Option<f64> {
    of_meminfo(&text(&read))
}

fn of_meminfo(meminfo: &str) -> Option<f64> {
    let of = |name| kilobytes::<f64>(meminfo, name);
    Some(of("MemAvailable")? / of("MemTotal")?)
}

/// What stands for a name in the machine's file.
fn kilobytes<T: std::str::FromStr>(meminfo: &str, name: &str) -> Option<T> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
    let number = line.trim_start_matches(':').trim();
    number.split(' ').next()?.parse().ok()
}

fn of_group(current: &str, max: &str) -> Option<f64> {
    // Without a limit the file says "max", which is no number.
    let max: f64 = max.trim().parse().ok()?;
    let current: f64 = current.trim().parse().ok()?;
    Some(1.0 - current / max)
}

/// What the process has for itself: what the system could read again from a file does not count.
fn of_process(status: &str, max: Size) -> Option<f64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))?;
    let used: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    #[expect(clippy::cast_precision_loss, reason = "a share of it is wanted")]
    let max = max.0 as f64;
    Some((1.0 - used * 1024.0 / max).max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn the_share_of_the_machine_and_of_a_group_is_read() {
        let meminfo = "MemTotal:       1000 kB\nMemFree:  10 kB\nMemAvailable:    250 kB\n";
        assert_eq!(of_meminfo(meminfo), Some(0.25));
        assert_eq!(of_meminfo("MemTotal: 5 kB"), None);
        assert_eq!(of_group("75\n", "100\n"), Some(0.25));
        assert_eq!(of_group("75\n", "max\n"), None);
    }

    #[test]
    fn what_the_process_may_use_counts_too() {
        let status = "VmRSS:\t   900 kB\nRssAnon:\t     512 kB\nRssFile:\t 388 kB\n";
        assert_eq!(of_process(status, Size(1 << 20)), Some(0.5));
        assert_eq!(of_process(status, Size(1 << 10)), Some(0.0));
        assert_eq!(of_process("VmRSS:\t 900 kB\n", Size(1 << 20)), None);
    }

    #[test]
    fn the_scarcer_of_machine_and_group_counts_as_it_is_now() {
        let file = |text: &str| {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(text.as_bytes()).unwrap();
            file
        };
        let mut memory = Memory {
            machine: Some(file(
                "MemTotal: 1000 kB\nMemFree: 10 kB\nMemAvailable: 250 kB\n",
            )),
            group: Some(Group {
                current: file("500\n"),
                max: file("1000\n"),
            }),
            own: None,
        };
        assert_eq!(memory.left(), Some(0.25));
        assert_eq!(memory.left(), Some(0.25), "it is read from the beginning");
        let group = memory.group.as_mut().unwrap();
        group.current.rewind().unwrap();
        group.current.write_all(b"900\n").unwrap();
        assert!((memory.left().unwrap() - 0.1).abs() < 1e-9);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_tells_what_it_has_left() {
        let left = Memory::of_this_process(None).left().unwrap();
        assert!(left > 0.0 && left <= 1.0, "{left}");
        let little = Memory::of_this_process(Some(Size(1))).left();
        assert_eq!(little, Some(0.0), "what it may use itself is less");
        assert!(all_memory(None).is_some_and(|all| all > 16 << 20));
        assert_eq!(all_memory(Some(Size(1 << 20))), Some(1 << 20));
    }
}
