//! The suites of tests, from the fastest to those that need a browser.

use crate::packages::python_program;
use crate::step::{Run, answers, cargo, command, go, root};
use anyhow::{Context, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Tests in Rust: every target of every crate, then the examples in the documentation.
pub(crate) fn rust(run: &mut Run) -> anyhow::Result<()> {
    run.step("rust tests", || {
        let nextest = answers("cargo", &["nextest", "--version"]);
        let test: &[&str] = if nextest {
            &[
                "nextest",
                "run",
                "--workspace",
                "--all-targets",
                "--locked",
                "--no-fail-fast",
            ]
        } else {
            &[
                "test",
                "--workspace",
                "--all-targets",
                "--locked",
                "--no-fail-fast",
            ]
        };
        go(&mut with_peers(cargo(test)))
    })?;
    run.step("doc tests", || {
        go(&mut cargo(&["test", "--workspace", "--doc", "--locked"]))
    })
}

/// What needs no clock to show that the fan-out is right and has not become slower: the model checker tries every order of
/// its wake-ups, and callgrind counts the instructions of the hot paths.
pub(crate) fn proofs(run: &mut Run) -> anyhow::Result<()> {
    run.step("model of the fan-out", || {
        let model = |args: &[&str]| {
            go(cargo(&["test", "--locked"])
                .args(args)
                .arg("--target-dir")
                .arg(root().join("target/loom"))
                .env("RUSTFLAGS", "--cfg abanico_loom")
                // One more preemption takes a minute and has found nothing more.
                .env("LOOM_MAX_PREEMPTIONS", "2"))
        };
        model(&["--package", "abanico-hub", "--test", "loom"])?;
        model(&["--package", "abanico-socketio", "--lib", "turn::model"])
    })?;
    run.step("instructions of the hot paths", || {
        go(&mut cargo(&[
            "run",
            "--locked",
            "--package",
            "abanico-bench",
            "--example",
            "instructions",
        ]))
    })
}

/// Builds the pages and runs their unit tests.
pub(crate) fn web(run: &mut Run) -> anyhow::Result<()> {
    run.step("web build", || {
        go(&mut command("npm", &["--prefix", "web", "run", "build"]))
    })?;
    run.step("web unit tests", || {
        go(&mut command("npm", &["--prefix", "web", "test"]))
    })
}

/// The suites that speak to the real binary as others do: foreign Socket.IO clients, and Chromium.
pub(crate) fn peers_and_browsers(run: &mut Run) -> anyhow::Result<()> {
    run.step("binaries", || {
        go(&mut cargo(&[
            "build",
            "--workspace",
            "--bins",
            "--examples",
            "--locked",
        ]))
    })?;
    for folder in node_suites() {
        let name = folder
            .strip_prefix(root())
            .unwrap_or(&folder)
            .display()
            .to_string();
        run.step(&name, || {
            let mut node = with_peers(command("node", &["--test", "--test-reporter=spec"]));
            // One after the other: measured times mean nothing while another browser runs.
            node.arg("--test-concurrency=1").args(node_tests(&folder)?);
            go(&mut node)
        })?;
    }
    Ok(())
}

/// One fuzz target, or each of them, for some minutes: `cargo xtask fuzz [TARGET] [--minutes N]`. By libFuzzer, which sees
/// what input reaches, where cargo-fuzz is; by our own driver otherwise.
pub(crate) fn fuzz(run: &mut Run) -> anyhow::Result<()> {
    let (chosen, minutes) = fuzz_wish(std::env::args().skip(2))?;
    let chosen = chosen.as_deref();
    if !answers("cargo", &["fuzz", "--version"]) {
        println!(
            "   cargo-fuzz is not here (`cargo install --locked cargo-fuzz`): our own driver does it"
        );
        return own_driver(run, chosen, minutes);
    }
    let seconds = format!("-max_total_time={:.0}", minutes * 60.0);
    let mut found = false;
    for krate in ["fuzz", "rtc"] {
        let folder = root().join("crates").join(krate);
        let targets = cargo(&["fuzz", "list"]).current_dir(&folder).output()?;
        ensure!(
            targets.status.success(),
            "`cargo fuzz list` in crates/{krate} ended with {}",
            targets.status
        );
        let targets = String::from_utf8_lossy(&targets.stdout).into_owned();
        let wanted = |target: &&str| chosen.is_none_or(|chosen| chosen == *target);
        for target in targets.split_whitespace().filter(wanted) {
            found = true;
            run.step(&format!("fuzz {krate} {target}"), || {
                let grown = folder.join("fuzz/corpus").join(target);
                std::fs::create_dir_all(&grown)?;
                let mut seeds = folder.join("corpus").join(target);
                if krate == "fuzz" {
                    // Most are no files, but made: recordings by our own packagers.
                    seeds = folder.join("fuzz/target/seeds").join(target);
                    let write = ["run", "--locked", "--package", "abanico-fuzz", "--"];
                    go(cargo(&write).args(["seeds", target]).arg(&seeds))?;
                }
                let mut fuzz = cargo(&["fuzz", "run", target]);
                fuzz.arg(grown);
                if seeds.is_dir() {
                    fuzz.arg(seeds);
                }
                // libFuzzer's flags need an unstable compiler, or a stable one that is told to behave like it.
                go(fuzz
                    .args(["--", &seconds])
                    .current_dir(&folder)
                    .env("RUSTC_BOOTSTRAP", "1"))
            })?;
        }
    }
    ensure!(
        found,
        "there is no fuzz target {}",
        chosen.unwrap_or("at all")
    );
    Ok(())
}

/// What our own driver tries of WebRTC, where it is a test: a session is more than a function of bytes.
const SESSIONS: [(&str, &str); 4] = [
    ("offer", "no_offer_like_those_of_clients_breaks_anything"),
    (
        "fragment",
        "no_fragment_like_those_of_clients_breaks_anything",
    ),
    ("feedback", "no_feedback_of_a_viewer_breaks_anything"),
    ("packets", "no_packets_of_a_publisher_break_anything"),
];

fn own_driver(run: &mut Run, chosen: Option<&str>, minutes: f64) -> anyhow::Result<()> {
    let is_session = |name| SESSIONS.iter().any(|(target, _)| *target == name);
    if !chosen.is_some_and(is_session) {
        run.step("fuzz", || {
            let driver = [
                "run",
                "--locked",
                "--release",
                "--package",
                "abanico-fuzz",
                "--",
            ];
            go(cargo(&driver).args([chosen.unwrap_or("all"), &minutes.to_string()]))
        })?;
    }
    for (target, test) in SESSIONS {
        if chosen.is_none_or(|chosen| chosen == target) {
            run.step(&format!("fuzz rtc {target}"), || {
                let tests = ["test", "--locked", "--release", "--package", "abanico-rtc"];
                go(cargo(&tests)
                    .args(["--lib", test])
                    .env("ABANICO_FUZZ_MINUTES", minutes.to_string()))
            })?;
        }
    }
    Ok(())
}

/// Which target, if one was named, and for how many minutes.
fn fuzz_wish(mut args: impl Iterator<Item = String>) -> anyhow::Result<(Option<String>, f64)> {
    let (mut chosen, mut minutes) = (None, 0.5);
    while let Some(arg) = args.next() {
        if arg == "--minutes" {
            let number = args.next().and_then(|number| number.parse().ok());
            minutes = number.context("--minutes wants a number")?;
        } else {
            chosen = Some(arg);
        }
    }
    Ok((chosen, minutes))
}

/// Makes the README's picture.
pub(crate) fn screenshot(run: &mut Run) -> anyhow::Result<()> {
    run.step("binary", || {
        go(&mut cargo(&["build", "--locked", "--package", "abanico"]))
    })?;
    run.step("picture", || {
        go(&mut with_peers(command(
            "node",
            &["web/e2e/screenshot.mjs"],
        )))
    })
}

/// Tells a suite where the things are that we have built and installed for it.
fn with_peers(mut command: Command) -> Command {
    let debug = root().join("target/debug");
    command
        .env("ABANICO_BIN", debug.join("abanico"))
        .env("CONFORMANCE_SERVER", debug.join("examples/conformance"))
        .env("PEER_SERVER", debug.join("examples/peer_server"))
        .env("ABANICO_PYTHON", python_program())
        .env("ABANICO_CHROMIUM", "chromium");
    command
}

/// Folders of tests that are started with `node --test`.
fn node_suites() -> Vec<PathBuf> {
    [
        "crates/socketio/tests/peers",
        "tests/streamhub",
        "tests/live",
        "web/e2e",
    ]
    .into_iter()
    .map(|folder| root().join(folder))
    .filter(|folder| node_tests(folder).is_ok_and(|tests| !tests.is_empty()))
    .collect()
}

/// The files in a folder that node's test runner is to run.
fn node_tests(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut tests = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.contains(".test.") {
            tests.push(path);
        }
    }
    tests.sort();
    Ok(tests)
}
