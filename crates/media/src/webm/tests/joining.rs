//! Where in a recording somebody may join, and with what.

use std::time::Duration;

use bytes::Bytes;

use super::recording::*;
use crate::webm::*;

#[test]
fn a_joiner_in_the_middle_of_a_cluster_gets_its_keyframe_at_the_right_time() {
    let mut recording = Recording::new();
    // The key stands 30 s into its Cluster: a header with the key's own time would overflow.
    recording.cluster(100_000, false);
    recording.simple(AUDIO, 100_000, true, b"a");
    recording.simple(VIDEO, 130_000, true, b"key");
    recording.simple(VIDEO, 132_000, false, b"delta");
    let mut joinable = Joinable::new(Limits::default());
    joinable.push(&recording.finish());
    let got = frames(&events(&joinable.join().unwrap()));
    let times: Vec<_> = got
        .iter()
        .map(|frame| frame.timestamp.as_millis())
        .collect();
    assert_eq!(times, [130_000, 132_000]);
}

#[test]
fn an_unfinished_keyframe_does_not_take_the_old_group_away() {
    let mut recording = Recording::new();
    recording.cluster(0, false);
    recording.simple(VIDEO, 0, true, b"first key");
    let head = recording.bytes.len();
    recording.simple(VIDEO, 40, true, &[7; 500]);
    let bytes = recording.finish();
    let mut joinable = Joinable::new(Limits::default());
    let info = joinable.push(&bytes.slice(..head + 100));
    assert_eq!(info.keyframes, 1);
    let first = joinable.group_position().unwrap();
    assert_eq!(frames(&events(&joinable.join().unwrap())).len(), 1);
    let info = joinable.push(&bytes.slice(head + 100..));
    assert_eq!(
        (info.keyframes, info.keyframe_gap),
        (1, Some(Duration::from_millis(40)))
    );
    assert!(joinable.group_position().unwrap() > first);
    assert_eq!(
        frames(&events(&joinable.join().unwrap()))[0].payload.len(),
        500
    );
}

#[test]
fn nobody_joins_between_a_restart_and_its_first_keyframe() {
    let mut first = Recording::new();
    first.cluster(0, false);
    first.simple(VIDEO, 0, true, b"key");
    let mut second = Recording::of(&[VIDEO]);
    let init = second.bytes.len();
    second.cluster(0, false);
    second.simple(VIDEO, 0, true, b"new key");
    let second = second.finish();
    let mut joinable = Joinable::new(Limits::default());
    let info = joinable.push(&first.finish());
    assert_eq!(
        info.restarted,
        Some(Restart {
            offset: 0,
            cut_short: false
        })
    );
    assert!(joinable.join().is_some());
    let info = joinable.push(&second.slice(..init));
    assert_eq!(
        info.restarted,
        Some(Restart {
            offset: 0,
            cut_short: false
        })
    );
    assert!(joinable.join().is_none());
    let info = joinable.push(&second.slice(init..));
    assert!(info.new_init);
    assert_eq!(info.keyframe_gap, None);
    assert_eq!(
        frames(&events(&joinable.join().unwrap()))[0].payload,
        "new key"
    );
}

#[test]
fn a_publisher_cut_off_in_the_middle_of_a_block_can_begin_anew() {
    let mut first = Recording::new();
    first.cluster(0, false);
    first.simple(VIDEO, 0, true, &[9; 1000]);
    let first = first.finish();
    let mut second = Recording::of(&[VIDEO]);
    second.cluster(0, false);
    second.simple(VIDEO, 0, true, b"new key");
    let second = second.finish();
    for first_cut in [1, 2, 5, 13, 80] {
        let chunks = [
            first.slice(..first.len() - 600),
            second.slice(..first_cut),
            second.slice(first_cut..),
        ];
        let mut joinable = Joinable::new(Limits::default());
        let infos: Vec<_> = chunks.iter().map(|chunk| joinable.push(chunk)).collect();
        let restarts: Vec<_> = infos.iter().filter_map(|info| info.restarted).collect();
        assert_eq!(
            restarts[1],
            Restart {
                offset: 0,
                cut_short: true
            },
            "first cut {first_cut}"
        );
        assert_eq!(
            frames(&events(&joinable.join().unwrap()))[0].payload,
            "new key"
        );
    }
}

#[test]
fn a_group_that_outgrows_its_bound_is_let_go_of_until_the_next_keyframe() {
    let mut recording = Recording::new();
    recording.cluster(0, false);
    recording.simple(VIDEO, 0, true, &[1; 1000]);
    let init = recording.bytes.len();
    for n in 1..20 {
        recording.simple(VIDEO, n * 33, false, &[2; 1000]);
    }
    let long = recording.bytes.len();
    recording.simple(VIDEO, 700, true, &[3; 1000]);
    let bytes = recording.finish();
    let limits = Limits {
        group_bytes_max: 10_000,
        ..Limits::default()
    };
    let mut joinable = Joinable::new(limits);
    assert!(!joinable.push(&bytes.slice(..init)).group_outgrown);
    let outgrown = cut(&bytes.slice(init..long), &[700])
        .iter()
        .filter(|chunk| {
            let outgrown = joinable.push(chunk).group_outgrown;
            assert!(joinable.held_bytes() <= 10_500);
            outgrown
        })
        .count();
    assert_eq!(outgrown, 1);
    assert!(joinable.join().is_none());
    assert_eq!(joinable.push(&bytes.slice(long..)).keyframes, 1);
    assert!(joinable.join().is_some());
}

#[test]
fn sound_alone_can_be_joined_at_any_block() {
    let mut recording = Recording::of(&[AUDIO]);
    recording.cluster(0, false);
    let mut joinable = Joinable::new(Limits::default());
    joinable.push(&Bytes::copy_from_slice(&recording.bytes));
    for n in 0..100 {
        let before = recording.bytes.len();
        recording.simple(AUDIO, n * 60, true, b"opus");
        let info = joinable.push(&Bytes::copy_from_slice(&recording.bytes[before..]));
        assert_eq!((info.keyframe_gap, info.since_keyframe), (None, None));
    }
    let got = frames(&events(&joinable.join().unwrap()));
    assert!((1..=9).contains(&got.len()), "{}", got.len());
}

#[test]
fn a_keyframe_that_does_not_come_is_noticed() {
    let mut recording = Recording::new();
    recording.cluster(0, false);
    recording.simple(VIDEO, 0, true, b"key");
    recording.simple(VIDEO, 5000, false, b"delta");
    let mut joinable = Joinable::new(Limits::default());
    let info = joinable.push(&recording.finish());
    assert_eq!(info.since_keyframe, Some(Duration::from_secs(5)));
}
