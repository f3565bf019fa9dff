//! Any bytes as RTP of a connected publisher.
#![no_main]

use abanico_rtc::hostile::connected::Publisher;
use libfuzzer_sys::fuzz_target;
use std::sync::{LazyLock, Mutex, PoisonError};

static PUBLISHER: LazyLock<Mutex<Publisher>> = LazyLock::new(|| Mutex::new(Publisher::new()));

fuzz_target!(|bytes: &[u8]| {
    let mut publisher = PUBLISHER.lock().unwrap_or_else(PoisonError::into_inner);
    publisher.packets(bytes);
});
