//! The heap: how often it is asked for a frame, and that it is not asked for a viewer.

use abanico_live::native::{Header, parse_tracks};
use abanico_live::{Bounds, Channel, Encoder, Format, Item, Pool, Watching};
use bytes::Bytes;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The count is the whole process's: one test at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// How often an action is counted: the test harness has a thread of its own, which asks the heap when it likes.
const ROUNDS: usize = 5;

fn allocations(action: impl FnOnce()) -> usize {
    let region = Region::new(ALLOCATOR);
    action();
    let change = region.change();
    change.allocations + change.reallocations
}

/// A publisher of VP9 whose first keyframe was pushed.
struct Publisher {
    encoder: Encoder,
    at: i64,
    payload: Bytes,
}

impl Publisher {
    fn new(channel: &Channel) -> Self {
        let tracks =
            r#"{"tracks":[{"track":0,"kind":"video","codec":"vp8","width":64,"height":48}]}"#;
        let mut encoder = channel.encoder();
        let tracks = parse_tracks(tracks).expect("they are as they should be");
        encoder.tracks(tracks).expect("VP8 can be passed on");
        let mut publisher = Self {
            encoder,
            at: 0,
            payload: Bytes::from(vec![1; 20_000]),
        };
        let mut keyframe = vec![0x10, 0, 0, 0x9d, 1, 0x2a, 64, 0, 48, 0];
        keyframe.resize(30_000, 7);
        publisher.push(true, keyframe.into());
        publisher
    }

    fn push(&mut self, keyframe: bool, payload: Bytes) {
        self.at += 33_333;
        let header = Header {
            track: 0,
            keyframe,
            gap: false,
            sequence: 0,
            duration: 0,
            timestamp: self.at,
            captured: 0,
        };
        let taken = self
            .encoder
            .push(&header, payload)
            .expect("nobody replaces it");
        assert_eq!(taken.frames, 1);
    }

    fn frames(&mut self, count: usize) {
        for _ in 0..count {
            let payload = self.payload.clone();
            self.push(false, payload);
        }
    }
}

fn drain(watching: &mut Watching) -> usize {
    let mut packets = 0;
    let mut cx = Context::from_waker(Waker::noop());
    while let Poll::Ready(Some(item)) = watching.poll_next(&mut cx) {
        packets += usize::from(matches!(item, Item::Packet(_)));
    }
    packets
}

#[tokio::test]
async fn a_frame_asks_the_heap_a_few_times_for_each_format_that_is_watched() {
    let _one = ONE_AT_A_TIME.lock();
    for (formats, at_most) in [
        (&[][..], 1),
        (&[Format::Native], 3),
        (&[Format::WebM], 3),
        (&[Format::Native, Format::WebM], 6),
    ] {
        let channel = Channel::new(&Pool::new(Bounds::default()));
        let mut publisher = Publisher::new(&channel);
        let _watching: Vec<_> = formats
            .iter()
            .map(|format| channel.watch(*format).unwrap())
            .collect();
        publisher.frames(100);
        let count = allocations(|| publisher.frames(100));
        // Now and then a list of frames grows.
        assert!(
            count <= 100 * at_most + 10,
            "{count} for 100 frames as {formats:?}"
        );
    }
}

#[tokio::test]
async fn a_thousand_viewers_are_given_frames_without_the_heap() {
    let _one = ONE_AT_A_TIME.lock();
    let channel = Channel::new(&Pool::new(Bounds::default()));
    let mut publisher = Publisher::new(&channel);
    let mut viewers: Vec<_> = (0..1000)
        .map(|_| channel.watch(Format::Native).unwrap())
        .collect();
    viewers.iter_mut().for_each(|viewer| {
        drain(viewer);
    });
    let least = (0..ROUNDS).map(|_| {
        publisher.frames(10);
        let mut packets = 0;
        let count = allocations(|| packets = viewers.iter_mut().map(drain).sum());
        assert_eq!(packets, 10_000);
        count
    });
    assert_eq!(least.min(), Some(0));
    drop(viewers);

    // Those who come in the middle of the group are given it without the heap as well.
    let group = 2 + 10 * ROUNDS;
    let least = (0..ROUNDS).map(|_| {
        let mut viewers: Vec<_> = (0..1000)
            .map(|_| channel.watch(Format::Native).unwrap())
            .collect();
        let mut packets = 0;
        let count = allocations(|| packets = viewers.iter_mut().map(drain).sum());
        assert_eq!(packets, 1000 * group);
        count
    });
    let least = least.min().expect("there were rounds");
    // A packet's bytes become shared when the first takes them.
    assert!(least <= 2 * group, "{least} for a thousand who come");
}
