//! Counts the instructions of the hot paths under callgrind and compares them with `instructions.txt`: a guard against
//! regressions that no clock and no busy machine can disturb.
//!
//! `cargo run -p abanico-bench --example instructions` says each path's count and ends with 1 if one is above its limit;
//! with `-- --write` it writes the file anew. It needs valgrind.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it is a program for people and CI"
)]

#[path = "../benches/paths/mod.rs"]
mod paths;

use bytes::Bytes;
use std::fmt::Write;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// What is counted: a name, and what is done so many times.
type HotPath = (&'static str, fn(usize));

const PATHS: [HotPath; 6] = [
    ("encode-text", |times| {
        let json = paths::picture_json();
        repeat(times, || paths::encode_text(&json).len());
    }),
    ("encode-binary", |times| {
        let picture = Bytes::from(vec![0x5a; paths::PICTURE_BYTES]);
        repeat(times, || paths::encode_binary(&picture).len());
    }),
    ("decode-published", |times| {
        let frame = paths::published_frame();
        repeat(times, || paths::decode_published(&frame));
    }),
    ("feed-frame-to-100-viewers", |times| {
        let mut fan = paths::Fan::new(100);
        repeat(times, || fan.frame());
    }),
    ("courier-frame-to-100-outlets", |times| {
        let mut round = paths::Round::new(100);
        repeat(times, || round.frame());
    }),
    ("follow-recording", |times| {
        let chunks = paths::recording();
        repeat(times, || paths::follow(&chunks));
    }),
];

/// Each path is run this often and twice as often; the difference has no start-up in it.
const TIMES: usize = 50;
/// A count may be this much above what is written down. Compilers and C libraries differ that much.
const TOLERANCE_PERCENT: u64 = 15;

fn repeat(times: usize, mut action: impl FnMut() -> usize) {
    for _ in 0..times {
        black_box(action());
    }
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match args[..] {
        [] => compare(),
        ["--write"] => write(),
        ["run", name, times] => run(name, times),
        _ => Err("usage: instructions [--write]".to_owned()),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn run(name: &str, times: &str) -> Result<ExitCode, String> {
    let (_, path) = PATHS
        .iter()
        .find(|(other, _)| *other == name)
        .ok_or_else(|| format!("there is no path {name}"))?;
    path(times.parse().map_err(|_| format!("{times} is no number"))?);
    Ok(ExitCode::SUCCESS)
}

fn compare() -> Result<ExitCode, String> {
    let file = file();
    let text =
        std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut exceeded = false;
    for (name, _) in PATHS {
        let count = count(name)?;
        let limit = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok())
            .ok_or_else(|| format!("{name} is not in {}", file.display()))?;
        let max = limit + limit * TOLERANCE_PERCENT / 100;
        let percent = count as f64 / limit as f64 * 100.0;
        println!("{name:<28} {count:>10} instructions, {percent:.0} % of {limit}");
        exceeded |= count > max;
    }
    if exceeded {
        println!(
            "a path needs over {TOLERANCE_PERCENT} % more instructions than {} says\n  \
             hint: if that is meant, run `cargo run -p abanico-bench --example instructions -- --write`",
            file.display()
        );
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn write() -> Result<ExitCode, String> {
    let mut text = String::from(
        "# Instructions of each hot path in the dev profile, counted by callgrind: see examples/instructions.rs\n",
    );
    for (name, _) in PATHS {
        // Writing to a String does not fail.
        let _ = writeln!(text, "{name} {}", count(name)?);
    }
    print!("{text}");
    std::fs::write(file(), text).map_err(|error| error.to_string())?;
    Ok(ExitCode::SUCCESS)
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.txt")
}

/// Instructions of a path when it is done once.
fn count(name: &str) -> Result<u64, String> {
    let once = total(name, TIMES)?;
    let twice = total(name, 2 * TIMES)?;
    Ok(twice.saturating_sub(once) / TIMES as u64)
}

/// Instructions of a whole process.
fn total(name: &str, times: usize) -> Result<u64, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let out = std::env::temp_dir().join(format!("instructions-{}-{name}", std::process::id()));
    let status = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(program)
        .args(["run", name, &times.to_string()])
        .stderr(Stdio::null())
        .status()
        .map_err(|error| {
            format!("valgrind: {error}\n  hint: install it (apt-get install valgrind)")
        })?;
    let text = std::fs::read_to_string(&out).unwrap_or_default();
    // It is in the directory for such things if it cannot be removed.
    let _ = std::fs::remove_file(&out);
    let total = text
        .lines()
        .find_map(|line| line.strip_prefix("totals:")?.trim().parse().ok());
    total.ok_or_else(|| format!("valgrind has counted nothing for {name}: {status}"))
}
