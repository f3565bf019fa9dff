//! Payloads of polling: whatever the bytes, they are packets or refused.

use abanico_socketio::engine::packet::Payload;
use bytes::Bytes;

pub(super) fn run(body: &[u8]) {
    if let Ok(payload) = Payload::new(Bytes::copy_from_slice(body)) {
        payload.for_each(drop);
    }
}
