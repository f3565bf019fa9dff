//! Any text as an offer.
#![no_main]

use abanico_rtc::hostile::Hostile;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static HOSTILE: LazyLock<Hostile> = LazyLock::new(Hostile::new);

fuzz_target!(|text: &str| HOSTILE.offer(text));
