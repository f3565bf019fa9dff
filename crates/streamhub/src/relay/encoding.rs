//! Frames as events, in the words of the wire.

use super::Stamps;
use crate::names::from_server;
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

/// A `stream:data`.
pub(super) fn frame(key: &StreamKey, data: &Data, stamps: Stamps) -> Message {
    encode(from_server::STREAM_DATA, "", key, data, stamps, "")
}

/// A `stream:buffer`.
pub(super) fn buffer(key: &StreamKey, data: &Data, stamps: Stamps) -> Message {
    let before = format!(r#"{{"streamKey":"{}","frames":["#, key.as_str());
    encode(from_server::STREAM_BUFFER, &before, key, data, stamps, "]}")
}

/// An event with one frame, and what stands before and after that. The data is copied once.
fn encode(
    event: &str,
    before: &str,
    key: &StreamKey,
    data: &Data,
    stamps: Stamps,
    after: &str,
) -> Message {
    let (key, received) = (key.as_str(), stamps.received.millis());
    let head = format!(r#"{before}{{"streamKey":"{key}","data":"#);
    let tail = match stamps.captured {
        Some(captured) => format!(r#","timestamp":{received},"capturedAt":{captured}}}{after}"#),
        None => format!(r#","timestamp":{received}}}{after}"#),
    };
    let arguments = [&*head, &*data.json, &*tail];
    Message::raw_parts(event, &arguments, data.attachments.clone())
        .expect("our event names are not reserved")
}
