//! Who publishes: one at a time, asked for keyframes now and then; what it breaks is named, and its viewers keep what was whole.

use super::{Publisher, channel, packets, short, vp8};
use crate::native::Header;
use crate::packet::Content;
use crate::source::{Fault, SourceError};
use crate::{Format, Wisher};
use abanico_media::ingest::IngestError;
use bytes::Bytes;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn the_newest_source_publishes_and_the_timeline_goes_on() {
    let channel = channel();
    let mut first = Publisher::new(&channel);
    first.video(0, true);
    let mut watching = channel.watch(Format::Native).unwrap();
    short(&mut watching);
    tokio::time::advance(Duration::from_secs(5)).await;
    let mut second = Publisher::new(&channel);
    second.video(70_000, true);
    let replaced = first.push(4, 33, false, vp8(false));
    assert_eq!(replaced, Err(SourceError::Replaced));
    let packets = packets(&mut watching);
    let header = Header::split(&packets[0].joined()).unwrap().unwrap().0;
    assert_eq!((header.timestamp, header.sequence), (5_010_000, 1));
}

#[tokio::test(start_paused = true)]
async fn the_publisher_is_asked_for_keyframes_twice_a_second() {
    let channel = channel();
    let mut asked = channel.keyframes_wanted();
    for _ in 0..10 {
        channel.want_keyframe(&Wisher::default());
    }
    assert_eq!(*asked.borrow_and_update(), 1);
    tokio::time::advance(Duration::from_millis(600)).await;
    channel.want_keyframe(&Wisher::default());
    assert_eq!(*asked.borrow_and_update(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_broken_is_named_and_viewers_keep_what_was_whole() {
    let channel = channel();
    let mut publisher = Publisher::new(&channel);
    publisher.video(0, true);
    let mut watching = channel.watch(Format::Native).unwrap();
    assert_eq!(short(&mut watching), "iK");
    let broken = publisher
        .push(4, 33, true, Bytes::from_static(b"\x10??"))
        .unwrap();
    assert!(matches!(broken.faults[..], [Fault::Frame(_)]), "{broken:?}");
    assert_eq!(
        publisher.push(8, 33, true, Bytes::new()),
        Err(SourceError::UnknownTrack(8))
    );
    // Nothing but a keyframe can follow.
    assert_eq!(publisher.video(66, false).frames, 0);
    assert_eq!(publisher.video(100, true).frames, 1);
    assert_eq!(short(&mut watching), "K");
    let refused = channel
        .bytes()
        .push(Bytes::from_static(b"GIF89a and so on"), 0);
    assert_eq!(refused, Err(SourceError::Ingest(IngestError::Unrecognised)));
}

#[tokio::test(start_paused = true)]
async fn sound_that_is_none_is_left_out_and_pictures_go_on_without_it() {
    let channel = channel();
    let mut from = Publisher::new(&channel);
    let mut webm = channel.watch(Format::WebM).unwrap();
    let garbage = Bytes::from_static(b"\xff\xff\xff\xff\x01\x02\x03");
    for n in 0..60 {
        from.video(n * 20, n == 0);
        let taken = from.push(9, n * 20, true, garbage.clone()).unwrap();
        let words = taken.faults.first().map(ToString::to_string);
        let said = "a frame is left out: broken Opus frame: it lasts 0 or more than 120 ms";
        assert_eq!(words.as_deref(), Some(said));
    }
    assert_eq!(channel.tracks().len(), 1, "no player waits for its sound");
    from.video(1_300, true);
    let all = packets(&mut webm);
    assert!(
        all.iter()
            .all(|packet| !matches!(packet.content, Content::Frame { video: false, .. }))
    );

    let whole = super::channel();
    let mut from = Publisher::new(&whole);
    let mut native = whole.watch(Format::Native).unwrap();
    from.video(0, true);
    from.sound(0);
    for n in 1..60 {
        from.push(9, n * 20, true, garbage.clone()).unwrap();
    }
    from.video(1_200, false);
    from.sound(1_200);
    assert_eq!(
        short(&mut native),
        "iKava",
        "sound that was whole once goes on"
    );
    assert_eq!(whole.tracks().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_leaps_in_time_is_left_out_and_a_clock_that_is_set_moves_no_viewer() {
    let channel = channel();
    let mut from = Publisher::new(&channel);
    let mut native = channel.watch(Format::Native).unwrap();
    let mut times = Vec::new();
    let mut read = || {
        let frames = packets(&mut native).into_iter();
        let frames = frames.filter(|packet| matches!(packet.content, Content::Frame { .. }));
        times.extend(frames.map(|packet| {
            let header = Header::split(&packet.joined()).unwrap().unwrap().0;
            header.timestamp
        }));
    };
    from.video(0, true);
    read();
    let header = Header {
        track: 4,
        keyframe: true,
        gap: false,
        sequence: 0,
        duration: 0,
        timestamp: i64::MAX,
        captured: 0,
    };
    let taken = from.0.push(&header, vp8(true)).unwrap();
    assert_eq!(taken.faults, [Fault::Timestamp(i64::MAX)]);
    assert_eq!(taken.frames, 0);
    from.video(40, true);
    read();
    let two_days = 48 * 60 * 60 * 1000;
    assert_eq!(from.video(two_days, true).frames, 0);
    assert_eq!(from.video(two_days + 40, true).frames, 1);
    read();
    assert_eq!(times.len(), 3);
    assert!(times.iter().all(|at| *at < 1_000_000), "{times:?}");
}
