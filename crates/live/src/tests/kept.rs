//! What is kept and what is counted: a frame and not what it came with, and what became of it for all viewers.

use super::{PICTURE, Publisher, channel, packets, short};
use crate::pool::{Bounds, Pool};
use crate::source::SourceError;
use crate::{Channel, Format};
use abanico_core::ring;
use abanico_hub::feed::Counts;
use bytes::Bytes;
use std::time::Duration;

/// A recording as a WebM viewer is given it: the init segment, and one cluster for each of these frames.
fn recording(keyframes: &[bool]) -> Vec<Bytes> {
    let channel = channel();
    let mut publisher = Publisher::new(&channel);
    let mut watching = channel.watch(Format::WebM).unwrap();
    for (at, keyframe) in (0..).step_by(33).zip(keyframes) {
        publisher.video(at, *keyframe);
        publisher.sound(at);
    }
    packets(&mut watching)
        .iter()
        .map(crate::Packet::joined)
        .collect()
}

/// An EBML Void element, which every reader passes over.
fn void(bytes: u16) -> Vec<u8> {
    let mut element = vec![0xec, 0x01, 0, 0, 0, 0, 0];
    element.extend_from_slice(&bytes.to_be_bytes());
    element.resize(element.len() + usize::from(bytes), 0);
    element
}

#[tokio::test(start_paused = true)]
async fn a_frame_does_not_keep_the_bytes_that_it_came_among() {
    let channel = channel();
    let mut source = channel.bytes();
    let mut chunks = Vec::new();
    for part in recording(&[true, false, false, false]) {
        let chunk = Bytes::from([&part[..], &void(60_000)].concat());
        // Kept, so that nothing else comes to lie where it is.
        chunks.push(chunk.clone());
        source.push(chunk, 0).unwrap();
    }
    let held = packets(&mut channel.watch(Format::Native).unwrap());
    assert_eq!(held.iter().filter(|packet| !packet.is_init()).count(), 8);
    for packet in held {
        let at = packet.payload.as_ptr();
        let within = |chunk: &Bytes| chunk.as_ptr_range().contains(&at);
        assert!(packet.is_init() || !chunks.iter().any(within));
    }
}

#[tokio::test(start_paused = true)]
async fn a_group_of_many_tiny_frames_is_let_go_of() {
    let pool = Pool::new(Bounds {
        group_bytes_max: 64 << 10,
        ..Bounds::default()
    });
    let channel = Channel::new(&pool);
    let mut publisher = Publisher::new(&channel);
    publisher.video(0, true);
    for at in 1..50 {
        publisher.sound(at);
    }
    assert_ne!(pool.held_bytes(), 0);
    for at in 50..100 {
        publisher.sound(at);
    }
    assert_eq!(
        pool.held_bytes(),
        0,
        "tiny frames cost more than their bytes"
    );
    assert_eq!(short(&mut channel.watch(Format::Native).unwrap()), "i");
}

#[tokio::test(start_paused = true)]
async fn what_was_whole_is_told_of_though_garbage_came_with_it() {
    let channel = channel();
    let mut source = channel.bytes();
    let garbage = vec![0; 9 << 20];
    let body = [PICTURE, &garbage].concat();
    let taken = source.push(body.into(), 0).unwrap();
    assert_eq!(taken.frames, 1);
    let broken = taken.broken.expect("no picture is that long");
    let again = source.push(Bytes::from_static(b"more"), 0);
    assert_eq!(again, Err(SourceError::Ingest(broken)));
}

#[tokio::test(start_paused = true)]
async fn what_viewers_are_given_and_moved_past_is_counted_at_every_door() {
    let pool = Pool::new(Bounds {
        feed: ring::Bounds {
            lag_for_max: Duration::from_secs(1),
            ..ring::Bounds::default()
        },
        ..Bounds::default()
    });
    let channel = Channel::new(&pool);
    let mut publisher = Publisher::new(&channel);
    publisher.video(0, true);
    publisher.video(33, false);
    let mut viewers = [Format::Native, Format::WebM].map(|format| channel.watch(format).unwrap());
    for viewer in &mut viewers {
        assert_eq!(short(viewer), "iKv");
    }
    let counts = |read, skipped| Counts { read, skipped };
    assert_eq!(
        channel.counts(),
        counts(6, 0),
        "the group, too, is delivered"
    );
    publisher.video(66, false);
    for viewer in &mut viewers {
        assert_eq!(short(viewer), "v");
    }
    assert_eq!(channel.counts(), counts(8, 0));
    for at in 100..110 {
        publisher.video(at, false);
    }
    tokio::time::advance(Duration::from_secs(2)).await;
    publisher.video(2_000, true);
    for viewer in &mut viewers {
        assert_eq!(short(viewer), "-10K");
    }
    assert_eq!(channel.counts(), counts(10, 20));
    drop(viewers);
    assert_eq!(
        channel.counts(),
        counts(10, 20),
        "they are gone, and counted"
    );
    let mut inside = channel.watch(Format::Native).unwrap().uncounted();
    assert_eq!(short(&mut inside), "iK");
    publisher.video(2_033, false);
    assert_eq!(short(&mut inside), "v");
    assert_eq!(channel.counts(), counts(10, 20), "that was no viewer");
}
