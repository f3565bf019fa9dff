//! Any text as the body of a `PATCH`, behind a line that is its `If-Match`.
#![no_main]

use abanico_rtc::hostile::Hostile;
use libfuzzer_sys::fuzz_target;
use std::sync::{LazyLock, Mutex, PoisonError};

static HOSTILE: LazyLock<Mutex<Hostile>> = LazyLock::new(|| Mutex::new(Hostile::new()));

fuzz_target!(|text: &str| {
    let hostile = HOSTILE.lock().unwrap_or_else(PoisonError::into_inner);
    hostile.fragment(text);
});
