//! Fuzzing of every parser that meets the network, on any compiler: good input with something done to it, by dice that
//! anyone can throw again. libFuzzer drives the same functions where it can be had (`crates/fuzz/fuzz`).
//!
//! `cargo xtask test` runs each for a moment, `cargo xtask fuzz` for as long as one likes.

pub mod mutation;
mod seeds;
mod targets;

pub use targets::{TARGETS, Target};

use mutation::{Dice, mutate};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// An input that a parser cannot bear.
#[derive(Debug)]
pub struct Finding {
    /// What it was.
    pub input: Vec<u8>,
    /// Which of the inputs it was.
    pub number: u64,
}

/// Where the seeds of a target lie that are files.
pub fn corpus(target: &Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target.name)
}

/// All seeds of a target, in a fixed order: those that are made, and those that are files.
pub fn seeds_of(target: &Target) -> Vec<Vec<u8>> {
    let mut files: Vec<_> = fs::read_dir(corpus(target))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    files.sort();
    let read = files.iter().filter_map(|path| fs::read(path).ok());
    (target.seeds)().into_iter().chain(read).collect()
}

/// Feeds the seeds themselves, and then what comes of them for as long as `goes_on` says, which is told how many there were.
pub fn fuzz(
    target: &Target,
    seed: u64,
    mut goes_on: impl FnMut(u64) -> bool,
) -> Result<u64, Finding> {
    let seeds = seeds_of(target);
    let mut dice = Dice::new(seed);
    let mut number = 0;
    let mut own = seeds.iter().cloned();
    loop {
        let input = match own.next() {
            Some(input) => input,
            None if !goes_on(number) => return Ok(number),
            None => mutate(&mut dice, &seeds),
        };
        if catch_unwind(AssertUnwindSafe(|| (target.run)(&input))).is_err() {
            return Err(Finding { input, number });
        }
        number += 1;
    }
}
