//! A viewer that reads too late: within the newest group, past it, and again and again.

use super::{Publisher, channel, short};
use crate::Format;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn a_viewer_that_does_not_read_skips_to_the_newest_group_and_is_told_what_it_missed() {
    let channel = channel();
    let mut publisher = Publisher::new(&channel);
    publisher.video(0, true);
    let mut slow = channel.watch(Format::Native).unwrap();
    let mut quick = channel.watch(Format::Native).unwrap();
    assert_eq!(short(&mut slow), "iK");
    let mut seen = short(&mut quick);
    for frame in 1..=100 {
        tokio::time::advance(Duration::from_millis(40)).await;
        publisher.video(frame * 40, frame % 25 == 0);
        seen += &short(&mut quick);
    }
    assert_eq!(seen.len(), 102);
    assert_eq!(short(&mut slow), "-99K");
    publisher.video(4040, false);
    assert_eq!(short(&mut slow), "v");
}

#[tokio::test(start_paused = true)]
async fn a_viewer_that_lags_within_the_newest_group_misses_nothing() {
    let channel = channel();
    let mut publisher = Publisher::new(&channel);
    publisher.video(0, true);
    let mut slow = channel.watch(Format::Native).unwrap();
    assert_eq!(short(&mut slow), "iK");
    for frame in 1..=100 {
        tokio::time::advance(Duration::from_millis(40)).await;
        publisher.video(frame * 40, false);
    }
    assert_eq!(short(&mut slow), "v".repeat(100));
}

#[tokio::test(start_paused = true)]
async fn a_viewer_that_lags_again_and_again_is_given_keyframes_and_then_everything_again() {
    let channel = channel();
    let mut publisher = Publisher::new(&channel);
    let mut at = 0;
    let mut second = async |publisher: &mut Publisher| {
        for frame in 0..25 {
            publisher.video(at, frame == 0);
            at += 40;
            tokio::time::advance(Duration::from_millis(40)).await;
        }
    };
    second(&mut publisher).await;
    let mut slow = channel.watch(Format::Native).unwrap();
    assert_eq!(short(&mut slow).len(), 26);
    for lag in 0..3 {
        for _ in 0..3 {
            second(&mut publisher).await;
        }
        let thin = short(&mut slow);
        let expected = if lag < 2 { 24 } else { 0 };
        assert_eq!(thin, format!("-50K{}", "v".repeat(expected)), "lag {lag}");
    }
    let mut seen = String::new();
    for _ in 0..11 {
        for frame in 0..25 {
            publisher.video(at, frame == 0);
            at += 40;
            seen += &short(&mut slow);
            tokio::time::advance(Duration::from_millis(40)).await;
        }
    }
    let keyframes = format!("-24K{}", "-24K".repeat(9));
    assert!(seen.starts_with(&keyframes), "{seen}");
    assert!(seen.ends_with(&"v".repeat(24)), "{seen}");
}
