//! Where a viewer begins: newest group or first frame, and where it goes on that comes back.

use super::{Publisher, channel, packets, short};
use crate::Format;
use crate::native::Header;
use std::task::{Context, Waker};

#[tokio::test(start_paused = true)]
async fn a_late_viewer_is_given_init_and_newest_group_and_then_the_very_next_packet() {
    let channel = channel();
    let mut publisher = Publisher::new(&channel);
    for (at, keyframe) in [(0, true), (33, false), (66, true), (100, false)] {
        publisher.video(at, keyframe);
        publisher.sound(at);
    }
    for format in [Format::Native, Format::WebM] {
        let mut watching = channel.watch(format).unwrap();
        assert_eq!(short(&mut watching), "iKava", "{format:?}");
        publisher.video(133, false);
        assert_eq!(short(&mut watching), "v", "{format:?}");
        publisher.video(66, true);
        publisher.sound(66);
        publisher.video(100, false);
        publisher.sound(100);
        assert_eq!(short(&mut watching), "Kava", "{format:?}");
    }
    channel.end();
    let mut late = channel.watch(Format::Native).unwrap();
    assert!(short(&mut late).ends_with('.'));
}

#[tokio::test(start_paused = true)]
async fn a_viewer_that_was_there_before_the_first_frame_is_given_all() {
    let channel = channel();
    let mut early = channel.watch(Format::Native).unwrap();
    let mut publisher = Publisher::new(&channel);
    assert_eq!(short(&mut early), "");
    for at in 0..30 {
        publisher.video(at * 33, at % 10 == 0);
    }
    let group = format!("K{}", "v".repeat(9));
    assert_eq!(short(&mut early), format!("i{}", group.repeat(3)));
}

#[tokio::test(start_paused = true)]
async fn frames_are_numbered_without_a_gap_and_carry_what_the_publisher_said() {
    let channel = channel();
    let mut publisher = Publisher::new(&channel);
    publisher.video(0, true);
    publisher.sound(3);
    publisher.video(40, false);
    let mut watching = channel.watch(Format::Native).unwrap();
    let packets = packets(&mut watching);
    assert!(packets[0].head.starts_with(br#"{"type":"tracks""#));
    let headers: Vec<_> = packets[1..]
        .iter()
        .map(|packet| Header::split(&packet.joined()).unwrap().unwrap().0)
        .map(|header| {
            (
                header.sequence,
                header.track,
                header.keyframe,
                header.timestamp,
            )
        })
        .collect();
    assert_eq!(
        headers,
        [(0, 0, true, 0), (1, 1, true, 3000), (2, 0, false, 40_000)]
    );
}

#[tokio::test(start_paused = true)]
async fn a_viewer_that_resumes_is_given_the_rest_of_the_newest_group_or_of_what_a_viewer_may_lag_before_it()
 {
    let channel = channel();
    let mut publisher = Publisher::new(&channel);
    for (at, keyframe) in [
        (0, true),
        (33, false),
        (66, true),
        (100, false),
        (133, false),
    ] {
        publisher.video(at, keyframe);
    }
    let epoch = channel.epoch().to_owned();
    assert_eq!(short(&mut channel.resume(&epoch, 3)), "iv");
    assert_eq!(short(&mut channel.resume(&epoch, 4)), "i");
    assert_eq!(short(&mut channel.resume(&epoch, 0)), "ivKvv");
    for (epoch, sequence) in [(&*epoch, 99), ("another", 3)] {
        assert_eq!(short(&mut channel.resume(epoch, sequence)), "iKvv");
    }
    // While somebody watches, what comes back finds the same as when nobody does.
    let watching = channel.watch(Format::Native).unwrap();
    for at in 5..35 {
        publisher.video(at * 40, at % 10 == 0);
    }
    assert_eq!(
        short(&mut channel.resume(&epoch, 20)),
        format!("i{}Kvvvv", "v".repeat(9))
    );
    drop(watching);
    assert_eq!(
        short(&mut channel.resume(&epoch, 9)),
        format!("i{}Kvvvv", format!("K{}", "v".repeat(9)).repeat(2))
    );
}

#[tokio::test(start_paused = true)]
async fn a_viewer_that_resumes_too_late_is_told_what_it_missed_and_given_the_newest_group() {
    let channel = channel();
    let mut publisher = Publisher::new(&channel);
    for at in 0..60 {
        publisher.video(at * 100, at % 20 == 0);
    }
    let epoch = channel.epoch().to_owned();
    let group = format!("K{}", "v".repeat(19));
    // The newest group begins with frame 40, and two seconds before it came frame 20, which may be the oldest.
    assert_eq!(
        short(&mut channel.resume(&epoch, 19)),
        format!("i{group}{group}")
    );
    for sequence in [18, 3] {
        let missed = 39 - sequence;
        assert_eq!(
            short(&mut channel.resume(&epoch, sequence)),
            format!("i-{missed}{group}")
        );
    }
    // Who is not done when that is old as well is told, too.
    let mut reading = channel.resume(&epoch, 35);
    for _ in 0..3 {
        let _ = reading.poll_next(&mut Context::from_waker(Waker::noop()));
    }
    publisher.video(6000, true);
    assert_eq!(short(&mut reading), "-22K");
    let mut seen = channel.resume(&epoch, 58);
    assert_eq!(short(&mut seen), "ivK");
    publisher.video(6040, false);
    assert_eq!(short(&mut seen), "v");
}
