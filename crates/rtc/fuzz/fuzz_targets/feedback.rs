//! Any bytes as RTCP of a connected viewer.
#![no_main]

use abanico_rtc::hostile::connected::Viewer;
use libfuzzer_sys::fuzz_target;
use std::sync::{LazyLock, Mutex, PoisonError};

static VIEWER: LazyLock<Mutex<Viewer>> = LazyLock::new(|| Mutex::new(Viewer::new()));

fuzz_target!(|rtcp: &[u8]| {
    let mut viewer = VIEWER.lock().unwrap_or_else(PoisonError::into_inner);
    viewer.feedback(rtcp);
});
