//! Frames as events, in the words of the wire.

use super::Stamps;
use crate::payload::Data;
use abanico_core::key::StreamKey;
use abanico_socketio::Message;
use bytes::{Bytes, BytesMut};

pub(super) fn joined(pieces: Vec<Bytes>) -> Bytes {
    let mut all = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
    for piece in pieces {
        all.extend_from_slice(&piece);
    }
    all.freeze()
}

pub(super) fn frame_json(key: &StreamKey, data: &Data, stamps: Stamps) -> String {
    let (key, data, received) = (key.as_str(), &data.json, stamps.received.millis());
    match stamps.captured {
        Some(captured) => format!(
            r#"{{"streamKey":"{key}","data":{data},"timestamp":{received},"capturedAt":{captured}}}"#
        ),
        None => format!(r#"{{"streamKey":"{key}","data":{data},"timestamp":{received}}}"#),
    }
}

pub(super) fn encode(event: &str, arguments: &str, data: &Data) -> Message {
    Message::raw(event, arguments, data.attachments.clone())
        .expect("our event names are not reserved")
}
