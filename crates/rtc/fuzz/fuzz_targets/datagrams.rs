//! Any datagrams, from anywhere and from the peer of a session, on either side.
#![no_main]

use abanico_rtc::Side;
use abanico_rtc::hostile::{From, Hostile};
use libfuzzer_sys::fuzz_target;
use std::sync::{LazyLock, Mutex, PoisonError};

static HOSTILE: LazyLock<Mutex<Hostile>> = LazyLock::new(|| Mutex::new(Hostile::new()));

fuzz_target!(|input: (bool, Vec<(bool, &[u8])>)| {
    let (views, datagrams) = input;
    let side = if views { Side::Viewer } else { Side::Publisher };
    let mut hostile = HOSTILE.lock().unwrap_or_else(PoisonError::into_inner);
    hostile.datagrams(side, datagrams.into_iter().map(|(known, bytes)| {
        (if known { From::ThePeer } else { From::Anywhere }, bytes)
    }));
});
