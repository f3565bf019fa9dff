//! What must hold for every recording, however it is cut, and for bytes that are none.

mod joining;
mod recording;

use std::time::Instant;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::demux::Event;
use crate::frame::Codec;
use recording::*;

proptest! {
    #[test]
    fn the_same_frames_come_out_however_the_recording_is_cut(
        ops in vec(op(), 0..60),
        lengths in vec(prop_oneof![Just(1usize), 1usize..8, 1usize..600], 1..20),
    ) {
        let (recording, expected) = recorded(&ops);
        let whole = events([&recording]);
        prop_assert_eq!(frames(&whole), expected);
        prop_assert_eq!(events(&cut(&recording, &lengths)), whole);
    }

    #[test]
    fn a_joiner_gets_every_frame_since_the_newest_keyframe(
        ops in vec(op(), 0..60),
        lengths in vec(1usize..600, 1..20),
    ) {
        let (recording, _) = recorded(&ops);
        let chunks = cut(&recording, &lengths);
        let mut joinable = Joinable::new(Limits::default());
        let mut seen = Vec::new();
        for (n, chunk) in chunks.iter().enumerate() {
            let mut now = Vec::new();
            joinable.push_with_events(chunk, &mut now);
            for event in now {
                if matches!(event, Event::Init(_)) {
                    seen.clear();
                }
                seen.push(event);
            }
            let shown = frames(&seen);
            let newest_key = shown.iter().rposition(|frame| frame.track == VIDEO && frame.keyframe);
            // A restart is known before its init segment is complete: then there is nothing to join.
            let Some(join) = joinable.join() else {
                prop_assert!(newest_key.is_none() || joinable.init().is_none());
                continue;
            };
            let newest_key = newest_key.unwrap();
            let joined = events(join.iter().chain(&chunks[n + 1..]));
            let (Event::Init(init), rest) = joined.split_first().unwrap() else {
                panic!("a joiner's first event is the init segment");
            };
            prop_assert_eq!(Some(init), joinable.init());
            prop_assert!(!rest.contains(&Event::Skipped(0)));
            let all = frames(&events(&chunks));
            let got = frames(rest);
            let expected = &all[all.len() - got.len()..];
            prop_assert_eq!(&got[..], expected);
            let until_now = shown.len() - newest_key;
            prop_assert_eq!(&got[..until_now], &shown[newest_key..]);
        }
    }

    #[test]
    fn a_viewer_that_lagged_is_moved_to_the_newest_group_without_a_broken_element(
        ops in vec(op(), 0..80),
        lengths in vec(1usize..300, 1..20),
        stop in 0usize..40,
    ) {
        let ops: Vec<_> = ops.into_iter().filter(|op| !matches!(op, Op::Restart)).collect();
        let (recording, _) = recorded(&ops);
        let chunks = cut(&recording, &lengths);
        let mut joinable = Joinable::new(Limits::default());
        let mut sent: Vec<Bytes> = Vec::new();
        let mut lagging = false;
        for (n, chunk) in chunks.iter().enumerate() {
            let info = joinable.push(chunk);
            if n < stop {
                sent.push(chunk.clone());
            } else if let (false, Some(boundary)) = (lagging, info.first_boundary) {
                // So much it needs to stand at an element's end.
                sent.push(chunk.slice(..boundary));
                lagging = true;
            } else if !lagging {
                sent.push(chunk.clone());
            }
        }
        if !lagging {
            return Ok(());
        }
        let before = frames(&events(&sent)).len();
        let Some(rejoin) = joinable.rejoin() else { return Ok(()); };
        sent.extend(rejoin);
        let got = events(&sent);
        prop_assert!(got.iter().all(|event| !matches!(event, Event::Skipped(_))));
        let all = frames(&events(&chunks));
        let newest_key = all.iter().rposition(|frame| frame.track == VIDEO && frame.keyframe).unwrap();
        prop_assert_eq!(&frames(&got)[before..], &all[newest_key..]);
    }

    #[test]
    fn a_viewer_of_keyframes_alone_gets_those_and_then_goes_on_with_the_newest_group(
        ops in vec(op(), 1..60),
        lengths in vec(1usize..300, 1..20),
    ) {
        let ops: Vec<_> = ops.into_iter().filter(|op| !matches!(op, Op::Restart)).collect();
        let (recording, _) = recorded(&ops);
        let chunks = cut(&recording, &lengths);
        let mut joinable = Joinable::new(Limits::default());
        let mut sent: Vec<Bytes> = Vec::new();
        let mut keyframes = 0;
        for chunk in &chunks {
            let info = joinable.push(chunk);
            if sent.is_empty() {
                sent.extend(joinable.init().map(|init| init.segment.clone()));
            }
            if info.keyframes > 0 {
                sent.extend(joinable.keyframe().expect("a keyframe was just completed"));
                keyframes += 1;
            }
        }
        let got = events(&sent);
        prop_assert!(got.iter().all(|event| !matches!(event, Event::Skipped(_))));
        let alone = frames(&got);
        prop_assert_eq!(alone.len(), keyframes);
        prop_assert!(alone.iter().all(|frame| frame.track == VIDEO && frame.keyframe));
        let Some(rejoin) = joinable.rejoin() else { return Ok(()); };
        sent.extend(rejoin);
        let got = events(&sent);
        let all = frames(&events(&chunks));
        let newest_key = all.iter().rposition(|frame| frame.track == VIDEO && frame.keyframe).unwrap();
        prop_assert_eq!(&frames(&got)[keyframes..], &all[newest_key..]);
    }

    #[test]
    fn garbage_costs_frames_but_never_the_stream(
        ops in vec(op(), 0..40),
        garbage in vec(any::<u8>(), 1..300),
        at in any::<prop::sample::Index>(),
        lengths in vec(1usize..600, 1..20),
    ) {
        let (recording, _) = recorded(&ops);
        let (after, _) = recorded(&[Op::Video { keyframe: true, grouped: false, len: 50 }, Op::Audio { len: 20 }]);
        let at = at.index(recording.len() + 1);
        // The recording that begins in a new chunk after it is read in full.
        let broken: Bytes = [&recording[..at], &garbage, &recording[at..]].concat().into();
        let mut chunks = cut(&broken, &lengths);
        chunks.push(after.clone());
        let got = events(&chunks);
        let expected = events([&after]);
        prop_assert_eq!(&got[got.len() - expected.len()..], &expected);
    }

    #[test]
    fn hostile_bytes_are_survived_in_bounded_memory(
        pieces in vec(prop_oneof![
            vec(any::<u8>(), 0..60),
            Just(b"\x1a\x45\xdf\xa3\x84\x42\x86\x81\x01".to_vec()),
            Just(b"\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff".to_vec()),
            Just(b"\x1f\x43\xb6\x75\x01\xff\xff\xff\xff\xff\xff\xff\xe7\x81\x05".to_vec()),
            Just(b"\x1f\x43\xb6\x75\x01\xff\xff\xff\xff\xff\xff\xfe".to_vec()),
            Just(b"\xa3\x01\xff\xff\xff\xff\xff\xff\xfe".to_vec()),
            Just(b"\xa3\x10\x40\x00\x00\x81\x00\x00\x80".to_vec()),
            Just(b"\xa0\xff".to_vec()),
            Just(b"\x1f\x43\xb6\x75\x1f\x43\xb6\x75\x1a\x45".to_vec()),
        ], 0..40),
        lengths in vec(1usize..200, 1..10),
    ) {
        let limits = Limits { init_bytes_max: 1000, group_bytes_max: 4000, element_bytes_max: 2000 };
        let init = Recording::new().finish();
        let hostile: Bytes = [init.to_vec(), pieces.concat()].concat().into();
        let mut joinable = Joinable::new(limits);
        for chunk in cut(&hostile, &lengths) {
            joinable.push(&chunk);
            let _ = (joinable.join(), joinable.rejoin());
            prop_assert!(joinable.held_bytes() <= 4000 + 2000);
        }
        prop_assert_eq!(joinable.position(), hostile.len() as u64);
        events(&cut(&hostile, &lengths));
    }
}

#[test]
fn what_a_browser_writes_is_read() {
    let mut recording = Recording::new();
    recording.cluster(0, false);
    recording.simple(AUDIO, 0, true, b"audio");
    recording.simple(VIDEO, 3, true, b"key");
    recording.simple(VIDEO, 36, false, b"delta");
    let recording = recording.finish();
    let got = events([&recording]);
    let Event::Init(init) = &got[0] else {
        panic!("{got:?}")
    };
    assert_eq!(init.tracks.len(), 2);
    assert_eq!(init.tracks[0].codec, Codec::Vp8);
    assert!(recording.starts_with(&init.segment));
    assert_eq!(
        frames(&got)
            .iter()
            .map(|frame| frame.payload.len())
            .collect::<Vec<_>>(),
        [5, 3, 5]
    );
}

#[test]
fn a_cluster_of_known_size_is_left_only_at_its_end() {
    let mut recording = Recording::new();
    let start = recording.bytes.len() + 10;
    recording.cluster(0, true);
    recording.simple(VIDEO, 0, true, b"key");
    recording.simple(VIDEO, 33, false, b"delta");
    recording.end_cluster();
    let end = recording.bytes.len();
    recording.cluster(66, true);
    recording.simple(VIDEO, 66, false, b"delta");
    let bytes = recording.finish();
    let mut joinable = Joinable::new(Limits::default());
    joinable.push(&bytes.slice(..start));
    assert_eq!(
        joinable.push(&bytes.slice(start..end - 1)).first_boundary,
        None
    );
    assert_eq!(
        joinable.push(&bytes.slice(end - 1..end)).first_boundary,
        Some(1)
    );
    assert_eq!(joinable.push(&bytes.slice(end..)).first_boundary, Some(0));
}

#[test]
fn a_size_that_cannot_be_is_passed_over_up_to_the_next_cluster() {
    let mut recording = Recording::new();
    recording.cluster(0, false);
    recording.simple(VIDEO, 0, true, b"key");
    let whole = recording.bytes.len();
    recording
        .bytes
        .extend_from_slice(b"\xa3\x01\xff\xff\xff\xff\xff\xff\xfe");
    recording.bytes.extend_from_slice(&[0x1f; 100]);
    let garbage = (recording.bytes.len() - whole) as u64;
    recording.cluster(1000, false);
    recording.simple(VIDEO, 1000, true, b"key");
    let bytes = recording.finish();
    for length in [1, 7, 4096] {
        let got = events(&cut(&bytes, &[length]));
        assert_eq!(frames(&got).len(), 2);
        assert!(got.contains(&Event::Skipped(garbage)), "{got:?}");
    }
}

#[test]
fn bytes_that_look_like_clusters_again_and_again_take_linear_time() {
    let pattern = b"\x1f\x43\xb6\x75\x01\xff\xff\xff\xff\xff\xff\xff\xe7\x01\xff\xff\xff\xff\xff\xff\xfe\x1a\x45\xdf";
    let time = |megabytes: usize| {
        let bytes: Bytes = pattern.repeat(megabytes * 1_000_000 / pattern.len()).into();
        let started = Instant::now();
        let mut joinable = Joinable::new(Limits::default());
        for chunk in cut(&bytes, &[997]) {
            joinable.push(&chunk);
        }
        started.elapsed()
    };
    // Of three, one that the machine did not interrupt.
    let least = |megabytes| [(); 3].map(|()| time(megabytes)).into_iter().min().unwrap();
    let (small, large) = (least(1), least(8));
    assert!(large < small * 40, "{small:?} for 1 MB, {large:?} for 8 MB");
}
