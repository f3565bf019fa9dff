//! A channel as publishers and viewers see it: whoever publishes in these tests, and what a viewer is given, in short.

mod bounds;
mod damaged;
mod formats;
mod joining;
mod kept;
mod lag;
mod publishing;

use crate::native::{Header, parse_tracks};
use crate::packet::Content;
use crate::pool::{Bounds, Pool};
use crate::source::{Encoder, SourceError, Taken};
use crate::watching::{Item, Watching};
use crate::{Channel, Packet};
use bytes::Bytes;
use std::task::{Context, Poll, Waker};

/// A JPEG picture of 640 × 480 as far as its header goes.
const PICTURE: &[u8] =
    b"\xff\xd8\xff\xc0\x00\x11\x08\x01\xe0\x02\x80\x03\x01\x22\x00\x02\x11\x01\x03\x11\x01\xff\xd9";

fn channel() -> Channel {
    Channel::new(&Pool::new(Bounds::default()))
}

/// A VP8 frame of 64 × 48 that is one as far as its header goes.
fn vp8(keyframe: bool) -> Bytes {
    let mut frame = vec![u8::from(!keyframe), 0, 0];
    if keyframe {
        frame.extend_from_slice(&[0x9d, 1, 0x2a, 64, 0, 48, 0]);
    }
    frame.extend_from_slice(&[7; 20]);
    frame.into()
}

const VP8_OPUS: &str = r#"{"tracks":[{"track":9,"kind":"audio","codec":"opus","sampleRate":48000,"channels":2},
    {"track":4,"kind":"video","codec":"vp8","width":64,"height":48}]}"#;

/// A publisher of VP8 and Opus.
struct Publisher(Encoder);

impl Publisher {
    fn new(channel: &Channel) -> Self {
        let mut encoder = channel.encoder();
        encoder.tracks(parse_tracks(VP8_OPUS).unwrap()).unwrap();
        Self(encoder)
    }

    fn video(&mut self, at_millis: i64, keyframe: bool) -> Taken {
        self.push(4, at_millis, keyframe, vp8(keyframe)).unwrap()
    }

    fn sound(&mut self, at_millis: i64) -> Taken {
        self.push(9, at_millis, true, Bytes::from_static(b"\xfcopus"))
            .unwrap()
    }

    fn push(
        &mut self,
        track: u8,
        at_millis: i64,
        keyframe: bool,
        payload: Bytes,
    ) -> Result<Taken, SourceError> {
        let header = Header {
            track,
            keyframe,
            gap: false,
            sequence: 0,
            duration: 0,
            timestamp: at_millis * 1000,
            captured: 5,
        };
        self.0.push(&header, payload)
    }
}

/// Everything that a viewer is given without waiting; `None` at the end if the stream has ended.
fn given(watching: &mut Watching) -> Vec<Option<Item>> {
    let mut all = Vec::new();
    while let Poll::Ready(item) = watching.poll_next(&mut Context::from_waker(Waker::noop())) {
        let end = item.is_none();
        all.push(item);
        if end {
            break;
        }
    }
    all
}

/// The same in short: `i` init, `K` keyframe, `v` video, `a` sound, `-N` frames skipped, `.` the end.
fn short(watching: &mut Watching) -> String {
    let words = given(watching).into_iter().map(|item| match item {
        None => ".".to_owned(),
        Some(Item::Skipped { frames, .. }) => format!("-{frames}"),
        Some(Item::Unsuitable(_)) => "!".to_owned(),
        Some(Item::Packet(packet)) => match packet.content {
            Content::Init { .. } => "i".to_owned(),
            Content::Frame { video: false, .. } => "a".to_owned(),
            Content::Frame { keyframe: true, .. } => "K".to_owned(),
            Content::Frame { .. } => "v".to_owned(),
        },
    });
    words.collect()
}

fn packets(watching: &mut Watching) -> Vec<Packet> {
    let items = given(watching).into_iter().flatten();
    items
        .filter_map(|item| match item {
            Item::Packet(packet) => Some(packet),
            Item::Skipped { .. } | Item::Unsuitable(_) => None,
        })
        .collect()
}
