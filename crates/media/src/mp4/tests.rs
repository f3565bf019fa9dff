//! What must hold for every fragmented MP4, however it is cut, and for bytes that are none.

use std::time::Duration;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::codec::opus;
use crate::demux::Event;
use crate::frame::{Codec, Frame, Track, TrackKind};

const AV1: u64 = 7;
const OPUS: u64 = 9;

fn tracks() -> [Track; 2] {
    let video = Track {
        id: AV1,
        codec: Codec::Av1,
        kind: TrackKind::Video {
            width: 320,
            height: 240,
        },
        config: Bytes::from_static(&[0x81, 0x00, 0x0c, 0x00]),
        codec_string: "av01.0.00M.08".to_owned(),
        frame_duration: None,
    };
    let audio = Track {
        id: OPUS,
        codec: Codec::Opus,
        kind: TrackKind::Audio {
            sample_rate: 48_000,
            channels: 2,
        },
        config: Bytes::from_static(b"OpusHead\x01\x02\0\0\x80\xbb\0\0\0\0\0"),
        codec_string: "opus".to_owned(),
        frame_duration: None,
    };
    [video, audio]
}

/// Frames whose times are whole in every timescale, and the recording that they make.
fn recorded(kinds: &[(bool, bool, u8)]) -> (Bytes, Vec<Frame>) {
    let tracks = tracks();
    let mut muxer = Muxer::new(&tracks).unwrap();
    let mut out = muxer.init_segment().to_vec();
    let mut frames = Vec::new();
    let mut at = [Duration::ZERO; 2];
    for (video, keyframe, len) in kinds {
        let lane = usize::from(!video);
        // 20 ms of Opus.
        let payload: Bytes = std::iter::once(0xfc)
            .chain((1..=*len).map(|n| n ^ 0x55))
            .collect();
        let duration = if *video {
            Duration::from_millis(40)
        } else {
            opus::packet_duration(&payload).unwrap()
        };
        let frame = Frame {
            track: [AV1, OPUS][lane],
            timestamp: at[lane],
            decode_timestamp: None,
            duration: Some(duration),
            keyframe: !video || *keyframe,
            payload,
        };
        at[lane] += duration;
        let packet = muxer.write(&frame).unwrap();
        out.extend_from_slice(&packet.head);
        out.extend_from_slice(&packet.payload);
        frames.push(frame);
    }
    (out.into(), frames)
}

fn events(recording: &Bytes, lengths: &[usize]) -> (Vec<Event>, Result<(), DemuxError>) {
    let limits = Limits {
        init_bytes_max: 10_000,
        fragment_header_bytes_max: 10_000,
        frame_bytes_max: 10_000,
    };
    let mut demuxer = Demuxer::new(limits);
    let mut out = Vec::new();
    let mut rest = recording.clone();
    for length in lengths.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let chunk = rest.split_to((*length).clamp(1, rest.len()));
        if let Err(error) = demuxer.push(chunk, &mut out) {
            return (out, Err(error));
        }
    }
    (out, Ok(()))
}

proptest! {
    #[test]
    fn what_is_packaged_comes_out_again_however_it_is_cut(
        kinds in vec(any::<(bool, bool, u8)>(), 0..40),
        lengths in vec(prop_oneof![Just(1usize), 1usize..40, 1usize..2000], 1..10),
    ) {
        let (recording, frames) = recorded(&kinds);
        let (events, result) = events(&recording, &lengths);
        prop_assert_eq!(result, Ok(()));
        let (Event::Init(init), rest) = events.split_first().unwrap() else { panic!("no init") };
        prop_assert!(recording.starts_with(&init.segment));
        for (got, made) in init.tracks.iter().zip(tracks()) {
            prop_assert_eq!((&got.codec, &got.kind, &got.config), (&made.codec, &made.kind, &made.config));
        }
        // The muxer numbers its tracks from 1, and says that pictures last 200 ms at least.
        let renumbered = |frame: Frame| {
            let is_picture = frame.track == AV1;
            let least = Duration::from_millis(if is_picture { 200 } else { 0 });
            Event::Frame(Frame {
                track: if is_picture { 1 } else { 2 },
                duration: frame.duration.map(|duration| duration.max(least)),
                ..frame
            })
        };
        let expected: Vec<_> = frames.into_iter().map(renumbered).collect();
        prop_assert_eq!(rest, expected);
    }

    #[test]
    fn hostile_bytes_are_refused_not_followed(
        kinds in vec(any::<(bool, bool, u8)>(), 1..6),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        lengths in vec(1usize..400, 1..6),
    ) {
        let (recording, _) = recorded(&kinds);
        let mut bytes = recording.to_vec();
        for (at, byte) in damage {
            *at.get_mut(&mut bytes) = byte;
        }
        let bytes = Bytes::from(bytes);
        let (once, result) = events(&bytes, &[usize::MAX]);
        let (again, same) = events(&bytes, &lengths);
        prop_assert_eq!((again, same.is_ok()), (once, result.is_ok()));
    }
}

/// Pushes a recording into a [`Joinable`]; after each chunk, what a joiner would be given, and how much was pushed.
fn joins(recording: &Bytes, lengths: &[usize], group_bytes_max: usize) -> Vec<(Bytes, usize)> {
    let mut joinable = Joinable::new(Limits::default(), group_bytes_max);
    let (mut rest, mut pushed, mut all) = (recording.clone(), 0, Vec::new());
    for length in lengths.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let chunk = rest.split_to((*length).clamp(1, rest.len()));
        pushed += chunk.len();
        let info = joinable.push(&chunk);
        assert!(info.first_boundary.is_none_or(|at| at <= chunk.len()));
        if let Some(keyframe) = joinable.keyframe() {
            assert!(!keyframe.is_empty());
        }
        all.extend(joinable.join().map(|join| (join.concat().into(), pushed)));
    }
    all
}

proptest! {
    #[test]
    fn a_joiner_has_every_frame_from_a_keyframe_on(
        kinds in vec(any::<(bool, bool, u8)>(), 1..40),
        lengths in vec(prop_oneof![Just(1usize), 1usize..40, 1usize..2000], 1..10),
    ) {
        let (recording, _) = recorded(&kinds);
        let (whole, _) = events(&recording, &[usize::MAX]);
        for (join, pushed) in joins(&recording, &lengths, usize::MAX) {
            let joined = [&join[..], &recording[pushed..]].concat().into();
            let (events, result) = events(&joined, &[usize::MAX]);
            prop_assert_eq!(result, Ok(()));
            prop_assert_eq!(&events[0], &whole[0]);
            prop_assert!(whole.ends_with(&events[1..]));
            // Before the first frame of a fragment that begins a group is complete, nothing of it is there.
            if let Some(Event::Frame(first)) = events.get(1) {
                prop_assert!(first.track == 1 && first.keyframe);
            }
        }
    }

    #[test]
    fn a_joinable_keeps_no_more_than_it_may_and_gives_a_recording_whatever_the_bytes(
        kinds in vec(any::<(bool, bool, u8)>(), 1..40),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        lengths in vec(1usize..400, 1..6),
    ) {
        let (recording, _) = recorded(&kinds);
        let mut bytes = recording.to_vec();
        for (at, byte) in damage {
            *at.get_mut(&mut bytes) = byte;
        }
        let init = 4096;
        for (join, _) in joins(&bytes.into(), &lengths, 1000) {
            prop_assert!(join.len() <= 1000 + init, "{} bytes", join.len());
            let mut events = Vec::new();
            prop_assert_eq!(Demuxer::new(Limits::default()).push(join, &mut events), Ok(()));
            prop_assert!(matches!(events.first(), Some(Event::Init(_))), "no init segment");
        }
    }
}

#[test]
fn what_is_wrong_is_said() {
    let cases: [(&[u8], &str); 5] = [
        (
            b"\x00\x00\x00\x08\x00\x01mp",
            "no MP4 box begins where one should",
        ),
        (
            b"\x7f\x00\x00\x00moov",
            "moov box of 2130706432 bytes is longer than 10000",
        ),
        (
            b"\x00\x00\x00\x04free",
            "broken free box: it is 4 bytes long",
        ),
        (b"\x00\x00\x00\x08moof", "moof before moov"),
        (
            b"\x00\x00\x00\x01mdat\x00\x00\x00\x00\x00\x00\x00\x0f",
            "broken mdat box: it is 15 bytes long",
        ),
    ];
    for (bytes, said) in cases {
        for length in [1, 100] {
            let (_, result) = events(&Bytes::from_static(bytes), &[length]);
            assert_eq!(result.unwrap_err().to_string(), said);
        }
    }
}

#[test]
fn a_recorder_that_begins_anew_is_followed() {
    let (first, _) = recorded(&[(true, true, 20)]);
    let (second, _) = recorded(&[(true, true, 30), (false, true, 5)]);
    let (events, result) = events(&[first, second].concat().into(), &[100]);
    assert_eq!(result, Ok(()));
    let inits = events
        .iter()
        .filter(|event| matches!(event, Event::Init(_)))
        .count();
    assert_eq!((inits, events.len()), (2, 5));
}
