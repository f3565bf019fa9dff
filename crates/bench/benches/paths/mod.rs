//! The hot paths, each as something that can be done again and again: timed by `hot_paths`, their instructions counted by
//! the example `instructions`, their allocations by the test `allocations`.

#![allow(dead_code, reason = "each of those takes what it needs")]
#![allow(clippy::unwrap_used, reason = "what fails here fails a measurement")]

use abanico_core::ring::Bounds;
use abanico_hub::budget::Budget;
use abanico_hub::feed::{Cursor, Feed, Next, Offered, Outlet};
use abanico_media::frame::{Codec, Frame, Track, TrackKind};
use abanico_media::webm::{DocType, Joinable, Limits, Muxer};
use abanico_socketio::Message;
use abanico_socketio::packet::Packet;
use abanico_socketio::websocket::frame::{self, Decoder, Incoming};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Bytes of the pictures: those of the demo, as base64.
pub(crate) const PICTURE_BYTES: usize = 40_000;

/// The argument of `stream:data` with a picture as a data URL.
pub(crate) fn picture_json() -> String {
    let picture = "A".repeat(PICTURE_BYTES);
    format!(
        r#"{{"streamKey":"0123456789abcdef","data":"data:image/jpeg;base64,{picture}","timestamp":1767225600000}}"#
    )
}

/// Encodes `stream:data` as text.
pub(crate) fn encode_text(json: &str) -> Message {
    Message::raw("stream:data", json, Vec::new()).unwrap()
}

/// Encodes `stream:data` with an attachment.
pub(crate) fn encode_binary(picture: &Bytes) -> Message {
    let json = r#"{"streamKey":"0123456789abcdef","data":{"_placeholder":true,"num":0},"timestamp":1767225600000}"#;
    Message::raw("stream:data", json, vec![picture.clone()]).unwrap()
}

/// A publisher's WebSocket frame with a picture, masked.
pub(crate) fn published_frame() -> Vec<u8> {
    const MASK: [u8; 4] = [1, 2, 3, 4];
    let json = picture_json();
    let text = format!(r#"42["stream:data:send",{json}]"#);
    let len = u16::try_from(text.len()).unwrap();
    let mut bytes = vec![0x81, 0x80 | 126];
    bytes.extend_from_slice(&len.to_be_bytes());
    bytes.extend_from_slice(&MASK);
    bytes.extend(
        text.bytes()
            .enumerate()
            .map(|(at, byte)| byte ^ MASK[at % 4]),
    );
    bytes
}

/// Reads a publisher's frame as far as the event's name and arguments. Returns how many arguments there are.
pub(crate) fn decode_published(frame: &[u8]) -> usize {
    let mut decoder = Decoder::new(frame::Limits {
        message_bytes_max: 1_000_000,
        fragments_max: 16,
    });
    let mut input = frame;
    let Some(Incoming::Text(text)) = decoder.decode(&mut input).unwrap() else {
        panic!("a whole text frame was given");
    };
    let packet = text.slice_ref(&text[1..]);
    let (packet, _) = Packet::decode(&packet, 10).unwrap();
    match packet.body {
        abanico_socketio::packet::Body::Event { args, .. } => args.len(),
        other => panic!("an event was given, not {other:?}"),
    }
}

/// A feed and the viewers that wait at its head.
pub(crate) struct Fan {
    feed: Feed<Message>,
    viewers: Vec<Cursor<Message>>,
    message: Message,
}

impl Fan {
    /// With so many viewers, which have all come to the head.
    pub(crate) fn new(viewers: usize) -> Self {
        let bounds = Bounds {
            held_bytes_max: 1 << 20,
            ..Bounds::default()
        };
        let feed = Feed::new(bounds, Arc::new(Budget::new(1 << 30)));
        let mut fan = Self {
            viewers: (0..viewers).map(|_| feed.cursor()).collect(),
            feed,
            message: encode_text(&picture_json()),
        };
        // Until the ring has as many places as it will ever have.
        for _ in 0..100 {
            fan.frame();
        }
        fan
    }

    /// One frame: pushed, read by every viewer, and every viewer waits again. Returns the bytes read.
    pub(crate) fn frame(&mut self) -> usize {
        let mut cx = Context::from_waker(Waker::noop());
        self.feed.push(self.message.clone(), self.message.len());
        let mut bytes = 0;
        for viewer in &mut self.viewers {
            while let Poll::Ready(Some(Next::Packet(message))) = viewer.poll_next(&mut cx) {
                bytes += message.len();
            }
        }
        bytes
    }
}

/// A feed whose viewers have all lent their sockets, and the runtime in which its courier goes round.
pub(crate) struct Round {
    runtime: tokio::runtime::Runtime,
    feed: Feed<Message>,
    _viewers: Vec<Cursor<Message>>,
    shelves: Vec<Shelf>,
    message: Message,
}

/// A socket that takes everything at once.
#[derive(Clone, Default)]
struct Shelf(Arc<AtomicU64>);

impl Outlet<Message> for Shelf {
    fn open(&self, place: u64) {
        self.0.store(place, Ordering::Relaxed);
    }

    fn close(&self) -> Option<u64> {
        Some(self.0.load(Ordering::Relaxed))
    }

    fn offer(&self, place: u64, message: &Message) -> Offered {
        std::hint::black_box(message);
        let next = self
            .0
            .compare_exchange(place, place + 1, Ordering::Relaxed, Ordering::Relaxed);
        match next {
            Ok(_) => Offered::Taken,
            Err(_) => Offered::Busy,
        }
    }

    fn give_back(&self) {}
}

impl Round {
    /// With so many viewers.
    pub(crate) fn new(viewers: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let feed = Feed::new(Bounds::default(), Arc::new(Budget::new(1 << 30)));
        let shelves: Vec<_> = (0..viewers).map(|_| Shelf::default()).collect();
        let entered = runtime.enter();
        let lend = |shelf| {
            let mut viewer = feed.cursor();
            assert!(viewer.lend(shelf), "there is nothing to read yet");
            viewer
        };
        let viewers = shelves.iter().map(lend).collect();
        drop(entered);
        let mut round = Self {
            runtime,
            _viewers: viewers,
            shelves,
            feed,
            message: encode_text(&picture_json()),
        };
        // Until the ring has as many places as it will ever have, and the courier all outlets.
        for _ in 0..100 {
            round.frame();
        }
        round
    }

    /// One frame: pushed, and put on every shelf. Returns the place of the next.
    pub(crate) fn frame(&mut self) -> usize {
        self.feed.push(self.message.clone(), self.message.len());
        let head = self.feed.head();
        let is_there = |shelf: &Shelf| shelf.0.load(Ordering::Relaxed) == head;
        self.runtime.block_on(async {
            while !self.shelves.last().is_none_or(is_there) {
                tokio::task::yield_now().await;
            }
        });
        assert!(self.shelves.iter().all(is_there));
        usize::try_from(head).unwrap()
    }
}

/// A second of a recording, in the chunks of a browser's recorder: ten of them, keyframe first.
pub(crate) fn recording() -> Vec<Bytes> {
    const CHUNKS: u64 = 10;
    const FRAMES_A_CHUNK: u64 = 3;
    let size = TrackKind::Video {
        width: 640,
        height: 480,
    };
    let track = Track {
        codec_string: "vp8".to_owned(),
        ..Track::new(1, Codec::Vp8, size)
    };
    let mut muxer = Muxer::new(&[track], DocType::WebM).unwrap();
    let mut chunks = vec![muxer.init_segment()];
    for chunk in 0..CHUNKS {
        let mut bytes = Vec::new();
        for frame in chunk * FRAMES_A_CHUNK..(chunk + 1) * FRAMES_A_CHUNK {
            let frame = Frame {
                track: 1,
                timestamp: Duration::from_millis(frame * 33),
                decode_timestamp: None,
                duration: Some(Duration::from_millis(33)),
                keyframe: frame == 0,
                payload: Bytes::from(vec![0x5a; if frame == 0 { 30_000 } else { 3_000 }]),
            };
            let packet = muxer.write(&frame).unwrap();
            bytes.extend_from_slice(&packet.head);
            bytes.extend_from_slice(&packet.payload);
        }
        chunks.push(bytes.into());
    }
    chunks
}

/// Follows a recording as a relay does. Returns the bytes of the backlog.
pub(crate) fn follow(chunks: &[Bytes]) -> usize {
    let mut joinable = Joinable::new(Limits::default());
    for chunk in chunks {
        joinable.push(chunk);
    }
    let backlog = joinable.join().expect("the recording has a keyframe");
    backlog.iter().map(Bytes::len).sum()
}
