//! The inputs that lie in `corpus/`, and what comes of them: each is tried, and then as many more as a moment allows.
//!
//! With `cargo xtask fuzz` it is as long as one likes.

use abanico_fuzz::mutation::Dice;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The variable that says for how many minutes each is tried.
const MINUTES: &str = "ABANICO_FUZZ_MINUTES";

/// Makes an input of those that lie there.
type Mutate = fn(&mut Dice, &[Vec<u8>]) -> Vec<u8>;

/// Feeds what lies in the corpus, and then so many inputs that come of it, or for so many minutes as [`MINUTES`] says.
pub(super) fn holds(name: &str, inputs: u64, mutate: Mutate, mut feed: impl FnMut(&[u8])) {
    let seeds: Vec<_> = seeds(name).into_iter().map(|(_, seed)| seed).collect();
    let minutes = std::env::var(MINUTES).ok();
    let minutes: Option<f64> = minutes.map(|minutes| minutes.parse().unwrap());
    let begun = Instant::now();
    let goes_on = |number| match minutes {
        Some(minutes) => begun.elapsed().as_secs_f64() < minutes * 60.0,
        None => number < inputs,
    };
    seeds.iter().for_each(|seed| feed(seed));
    let mut dice = Dice::new(1);
    for _ in (0..).take_while(|number| goes_on(*number)) {
        feed(&mutate(&mut dice, &seeds));
    }
}

/// All of them, with their names, in a fixed order.
pub(super) fn seeds(name: &str) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder().join(name)).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    files
        .iter()
        .map(|file| {
            let name = file.file_name().unwrap().to_str().unwrap();
            (name.to_owned(), std::fs::read(file).unwrap())
        })
        .collect()
}

/// One of them.
pub(super) fn seed(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(name)).unwrap()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}
