//! What viewers and server say over the native door: texts as JSON objects, frames behind a header of 28 bytes.
//!
//! Only what a viewer needs to know is read; the wire itself is told in `docs/protocol.md`.

use crate::words;
use serde::Deserialize;
use std::borrow::Cow;

/// Bytes before a frame's payload.
pub(crate) const FRAME_HEAD_BYTES: usize = 28;
/// The kind of binary messages that are frames.
const FRAME: u8 = 1;
const KEYFRAME: u8 = 1;

/// A viewer's first words.
pub(crate) const WATCH: &str = r#"{"type":"watch"}"#;
/// Send me no media.
pub(crate) const HOLD: &str = r#"{"type":"hold"}"#;
/// Send it again.
pub(crate) const RESUME: &str = r#"{"type":"resume"}"#;
/// What time is it?
pub(crate) const CLOCK: &str = r#"{"type":"clock","id":1}"#;

/// A publisher's first words.
pub(crate) const PUBLISH: &str = r#"{"type":"publish"}"#;
/// What its frames are: the pictures of [`crate::material`].
pub(crate) const PICTURES: &str = r#"{"type":"tracks","tracks":[{"track":1,"kind":"video","codec":"jpeg","width":640,"height":480}]}"#;
/// Or those of [`crate::video`].
pub(crate) const VIDEO: &str = r#"{"type":"tracks","tracks":[{"track":1,"kind":"video","codec":"vp8","width":640,"height":480}]}"#;
/// Where a frame's header has its timestamp.
pub(crate) const TIMESTAMP_AT: usize = 12;

/// The request that opens a viewer's WebSocket.
pub(crate) fn upgrade_to_watch(key: &str, host: &str) -> String {
    const PROTOCOL: &str = "Sec-WebSocket-Protocol: abanico.watch.v1\r\n";
    words::upgrade_at(&format!("/live/{key}"), host, PROTOCOL)
}

/// The request that opens a publisher's WebSocket.
pub(crate) fn upgrade_to_publish(key: &str, host: &str) -> String {
    const PROTOCOL: &str = "Sec-WebSocket-Protocol: abanico.publish.v1\r\n";
    words::upgrade_at(&format!("/live/{key}"), host, PROTOCOL)
}

/// What the server says in a text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// We watch.
    Welcome,
    /// We may publish.
    Ready,
    /// We were moved past so many frames.
    Skipped(u64),
    /// We may not, and why.
    Error(String),
    /// Nothing to us.
    Other,
}

impl Said {
    /// Reads a text.
    pub(crate) fn of(text: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Object<'a> {
            #[serde(rename = "type", borrow)]
            kind: Cow<'a, str>,
            #[serde(default)]
            frames: u64,
            #[serde(default)]
            message: String,
        }
        // A long one was not kept whole: `tracks` with descriptions.
        let Ok(object) = serde_json::from_slice::<Object<'_>>(text) else {
            return Self::Other;
        };
        match &*object.kind {
            "welcome" => Self::Welcome,
            "ready" => Self::Ready,
            "skipped" => Self::Skipped(object.frames),
            "error" => Self::Error(object.message),
            _ => Self::Other,
        }
    }
}

/// What stands before a frame's payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameHead {
    /// Counts the frames of all tracks.
    pub(crate) sequence: u32,
    /// In microseconds since 1970; 0 when unknown.
    pub(crate) captured_us: u64,
}

impl FrameHead {
    /// Reads the header of a binary message, and what was kept of the payload. `None` if it is no frame.
    pub(crate) fn split(message: &[u8]) -> Option<(Self, &[u8])> {
        let (head, payload) = message.split_first_chunk::<FRAME_HEAD_BYTES>()?;
        let sequence = u32::from_be_bytes(*head[4..].first_chunk()?);
        let captured = i64::from_be_bytes(*head[20..].first_chunk()?);
        let head = Self {
            sequence,
            captured_us: u64::try_from(captured).unwrap_or_default(),
        };
        (message[0] == FRAME).then_some((head, payload))
    }
}

/// The header of a frame of which nothing is known but whether it is a keyframe.
pub(crate) fn frame_head(is_keyframe: bool) -> [u8; FRAME_HEAD_BYTES] {
    let mut head = [0; FRAME_HEAD_BYTES];
    head[0] = FRAME;
    head[1] = 1;
    head[3] = if is_keyframe { KEYFRAME } else { 0 };
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_told_by_their_type_wherever_it_stands() {
        let welcome = br#"{"epoch":"1","now":1,"streamKey":"k","type":"welcome","viewers":1}"#;
        assert_eq!(Said::of(welcome), Said::Welcome);
        let skipped = br#"{"type":"skipped","frames":12,"receiving":"all"}"#;
        assert_eq!(Said::of(skipped), Said::Skipped(12));
        let error = br#"{"type":"error","code":"full","message":"no room"}"#;
        assert_eq!(Said::of(error), Said::Error("no room".to_owned()));
        assert_eq!(Said::of(br#"{"type":"tracks","tracks":[{"#), Said::Other);
    }

    #[test]
    fn a_frame_says_its_number_and_other_kinds_are_none() {
        let mut message = frame_head(true).to_vec();
        message[7] = 9;
        message[27] = 5;
        message.push(b'x');
        let head = FrameHead {
            sequence: 9,
            captured_us: 5,
        };
        assert_eq!(FrameHead::split(&message), Some((head, &b"x"[..])));
        assert_eq!(FrameHead::split(&message[..27]), None);
        message[0] = 2;
        assert_eq!(FrameHead::split(&message), None);
    }
}
