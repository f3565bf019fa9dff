//! Any text as the body of a `PATCH`, behind a line that is its `If-Match`.
#![no_main]

use abanico_rtc::hostile::Hostile;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static HOSTILE: LazyLock<Hostile> = LazyLock::new(Hostile::new);

fuzz_target!(|text: &str| HOSTILE.fragment(text));
