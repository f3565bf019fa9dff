//! Payloads of polling: whatever the bytes, they are packets or refused.

#![no_main]

use abanico_socketio::engine::packet::Payload;
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    if let Ok(payload) = Payload::new(Bytes::copy_from_slice(body)) {
        payload.for_each(drop);
    }
});
