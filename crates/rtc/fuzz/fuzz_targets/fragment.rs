//! Any text as the body of a `PATCH`.
#![no_main]

use abanico_rtc::hostile::Hostile;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static HOSTILE: LazyLock<Hostile> = LazyLock::new(Hostile::new);

fuzz_target!(|input: (Option<&str>, &str)| HOSTILE.fragment(input.0, input.1));
