//! Miri: runs tests by the letter of the language, and ends where one breaks its rules, as unsafe code may.
//!
//! It is for whoever touches unsafe code, ours or that of a dependency that carries media; not a part of `test`, because it
//! needs a nightly compiler.

use crate::step::{Run, answers, command, go, root};
use anyhow::ensure;

/// What can be run: the crate with the workspace's unsafe lines, which takes seconds, and those that are pure, whose buffers are
/// others' unsafe code, which take many minutes each.
const CRATES: [&str; 3] = ["abanico-memory", "abanico-core", "abanico-media"];

/// Inputs of each property. Miri takes about a thousand times as long as a processor, and only what a test does matters here.
const CASES: &str = "1";

/// The crate with unsafe code, or the one that is named: `cargo xtask miri [CRATE]`.
pub(crate) fn all(run: &mut Run) -> anyhow::Result<()> {
    let name = std::env::args().nth(2);
    let name = name.as_deref().unwrap_or(CRATES[0]);
    ensure!(
        CRATES.contains(&name),
        "Miri is run over one of {}",
        CRATES.join(", ")
    );
    ensure!(
        answers("rustup", &nightly(&["miri", "--version"])),
        "Miri is not here: type `rustup toolchain install nightly --component miri,rust-src`"
    );
    run.step(&format!("miri {name}"), || {
        let test = nightly(&["miri", "test", "--locked", "--lib", "--package", name]);
        go(command("rustup", &test)
            // Not among what other compilers have built.
            .env("CARGO_TARGET_DIR", root().join("target/miri"))
            // Properties look for what broke them before, in a file.
            .env("MIRIFLAGS", "-Zmiri-disable-isolation")
            .env("PROPTEST_CASES", CASES))
    })
}

/// The nightly compiler's cargo, whichever started us.
fn nightly<'a>(args: &[&'a str]) -> Vec<&'a str> {
    [&["run", "nightly", "cargo"], args].concat()
}
