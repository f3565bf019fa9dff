//! The project's chores. `cargo xtask` lists them, `cargo xtask test` is all of them that a change must pass.
//!
//! Each chore is a list of steps; the first that fails ends the run with its name. Nothing here knows what a test
//! tests: a suite is found by where it lies and by the file that starts it.

#![expect(clippy::print_stdout, reason = "what a chore prints is what it is for")]

mod checks;
mod machine;
mod miri;
mod packages;
mod sbom;
mod step;
mod suites;

use std::process::ExitCode;
use step::Run;

/// A chore: its name, what it does, and how.
type Chore = (
    &'static str,
    &'static str,
    fn(&mut Run) -> anyhow::Result<()>,
);

const CHORES: [Chore; 10] = [
    (
        "test",
        "everything: what CI runs, and what a change must pass",
        test,
    ),
    (
        "check",
        "format, lints, documentation, the pages' lint and types",
        check,
    ),
    (
        "fix",
        "mend what can be mended by itself: format and lints",
        fix,
    ),
    ("web", "build the pages, and run their unit tests", web),
    (
        "e2e",
        "the suites that need real peers: socket.io, python, Chromium",
        e2e,
    ),
    (
        "fuzz",
        "fuzz every parser for half a minute each: fuzz [TARGET] [--minutes N]",
        suites::fuzz,
    ),
    (
        "miri",
        "unsafe code by the letter of the language: miri [CRATE]",
        miri::all,
    ),
    (
        "audit",
        "licences, bans, sources, unused dependencies: before a release",
        checks::audit,
    ),
    (
        "sbom",
        "write what the binary is made of, as CycloneDX",
        |run| run.step("bill of materials", sbom::write),
    ),
    ("screenshot", "make the README's picture anew", screenshot),
];

fn test(run: &mut Run) -> anyhow::Result<()> {
    machine::prepare(run)?;
    checks::all(run)?;
    suites::web(run)?;
    suites::rust(run)?;
    suites::proofs(run)?;
    suites::peers_and_browsers(run)
}

fn check(run: &mut Run) -> anyhow::Result<()> {
    packages::install_web(run)?;
    checks::all(run)
}

fn fix(run: &mut Run) -> anyhow::Result<()> {
    packages::install_web(run)?;
    checks::fix(run)
}

fn web(run: &mut Run) -> anyhow::Result<()> {
    packages::install_web(run)?;
    suites::web(run)
}

fn e2e(run: &mut Run) -> anyhow::Result<()> {
    machine::prepare(run)?;
    suites::peers_and_browsers(run)
}

fn screenshot(run: &mut Run) -> anyhow::Result<()> {
    machine::prepare(run)?;
    suites::screenshot(run)
}

fn main() -> ExitCode {
    let wanted = std::env::args().nth(1);
    let Some((name, _, chore)) = CHORES
        .iter()
        .find(|(name, ..)| Some(*name) == wanted.as_deref())
    else {
        println!("cargo xtask CHORE, where CHORE is one of\n");
        for (name, does, _) in CHORES {
            println!("  {name:<12} {does}");
        }
        return if wanted.is_none() {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(2)
        };
    };
    let mut run = Run::new();
    let outcome = chore(&mut run);
    run.close(name, &outcome)
}
