//! What must hold for every recording, however it is cut, and for bytes that are none.

use std::time::{Duration, Instant};

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;

use super::ebml::{UNKNOWN_SIZE, id, put_element, put_id, put_size, put_uint};
use super::*;
use crate::codec::opus;
use crate::demux::Event;
use crate::frame::{Codec, Frame};

const VIDEO: u64 = 1;
const AUDIO: u64 = 2;

/// Writes recordings as a browser or ffmpeg would.
#[derive(Clone, Default)]
struct Recording {
    bytes: Vec<u8>,
    cluster_ticks: u64,
    /// Beginnings of Clusters of known size, whose size is still to be written.
    open: Option<(usize, Vec<u8>)>,
}

impl Recording {
    fn new() -> Self {
        let mut recording = Self::default();
        recording.init(&[VIDEO, AUDIO]);
        recording
    }

    fn of(tracks: &[u64]) -> Self {
        let mut recording = Self::default();
        recording.init(tracks);
        recording
    }

    fn init(&mut self, tracks: &[u64]) {
        self.end_cluster();
        put_element(&mut self.bytes, id::EBML, b"\x42\x82\x84webm");
        put_id(&mut self.bytes, id::SEGMENT);
        self.bytes.extend_from_slice(&UNKNOWN_SIZE);
        let mut info = Vec::new();
        put_uint(&mut info, id::TIMESTAMP_SCALE, 1_000_000);
        put_element(&mut self.bytes, id::INFO, &info);
        let mut entries = Vec::new();
        for track in tracks {
            let mut entry = Vec::new();
            put_uint(&mut entry, id::TRACK_NUMBER, *track);
            put_uint(&mut entry, id::TRACK_TYPE, *track);
            let codec = if *track == VIDEO {
                &b"V_VP8"[..]
            } else {
                b"A_OPUS"
            };
            put_element(&mut entry, id::CODEC_ID, codec);
            put_element(&mut entries, id::TRACK_ENTRY, &entry);
        }
        put_element(&mut self.bytes, id::TRACKS, &entries);
    }

    fn element(&mut self, id: u32, body: &[u8]) {
        let bytes = self.open.as_mut().map_or(&mut self.bytes, |(_, body)| body);
        put_element(bytes, id, body);
    }

    fn cluster(&mut self, ticks: u64, sized: bool) {
        self.end_cluster();
        self.cluster_ticks = ticks;
        if sized {
            self.open = Some((0, Vec::new()));
        } else {
            put_id(&mut self.bytes, id::CLUSTER);
            self.bytes.extend_from_slice(&UNKNOWN_SIZE);
        }
        let mut timestamp = Vec::new();
        put_uint(&mut timestamp, id::TIMESTAMP, ticks);
        self.open
            .as_mut()
            .map_or(&mut self.bytes, |(_, body)| body)
            .extend_from_slice(&timestamp);
    }

    fn end_cluster(&mut self) {
        if let Some((_, body)) = self.open.take() {
            put_element(&mut self.bytes, id::CLUSTER, &body);
        }
    }

    fn block_body(&self, track: u64, ticks: u64, flags: u8, payload: &[u8]) -> Vec<u8> {
        let relative = i16::try_from(ticks as i64 - self.cluster_ticks as i64).unwrap();
        let mut body = Vec::new();
        put_size(&mut body, track);
        body.extend_from_slice(&relative.to_be_bytes());
        body.push(flags);
        body.extend_from_slice(payload);
        body
    }

    fn simple(&mut self, track: u64, ticks: u64, keyframe: bool, payload: &[u8]) {
        let body = self.block_body(track, ticks, if keyframe { 0x80 } else { 0 }, payload);
        self.element(id::SIMPLE_BLOCK, &body);
    }

    fn group(&mut self, track: u64, ticks: u64, keyframe: bool, payload: &[u8]) {
        let mut group = Vec::new();
        put_element(
            &mut group,
            id::BLOCK,
            &self.block_body(track, ticks, 0, payload),
        );
        put_uint(&mut group, id::BLOCK_DURATION, 33);
        if !keyframe {
            put_element(&mut group, id::REFERENCE_BLOCK, &[0xdf]);
        }
        self.element(id::BLOCK_GROUP, &group);
    }

    fn finish(mut self) -> Bytes {
        self.end_cluster();
        self.bytes.into()
    }
}

fn cut(bytes: &Bytes, lengths: &[usize]) -> Vec<Bytes> {
    let mut rest = bytes.clone();
    let mut chunks = Vec::new();
    for length in lengths.iter().cycle() {
        if rest.is_empty() || lengths.iter().all(|length| *length == 0) {
            break;
        }
        chunks.push(rest.split_to((*length).min(rest.len())));
    }
    if !rest.is_empty() {
        chunks.push(rest);
    }
    chunks
}

fn events<'a>(chunks: impl IntoIterator<Item = &'a Bytes>) -> Vec<Event> {
    let mut demuxer = Demuxer::new(Limits::default());
    let mut out = Vec::new();
    for chunk in chunks {
        demuxer.push(chunk.clone(), &mut out);
    }
    out
}

fn frames(events: &[Event]) -> Vec<Frame> {
    let frame = |event: &Event| match event {
        Event::Frame(frame) => Some(frame.clone()),
        Event::Init(_) | Event::Skipped(_) => None,
    };
    events.iter().filter_map(frame).collect()
}

/// One thing that a recorder may write.
#[derive(Clone, Debug)]
enum Op {
    Cluster {
        sized: bool,
    },
    Video {
        keyframe: bool,
        grouped: bool,
        len: usize,
    },
    Audio {
        len: usize,
    },
    Void {
        len: usize,
    },
    Cues,
    Restart,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        2 => any::<bool>().prop_map(|sized| Op::Cluster { sized }),
        8 => (prop::bool::weighted(0.3), any::<bool>(), 1usize..400)
            .prop_map(|(keyframe, grouped, len)| Op::Video { keyframe, grouped, len }),
        6 => (1usize..100).prop_map(|len| Op::Audio { len }),
        1 => (0usize..200).prop_map(|len| Op::Void { len }),
        1 => Just(Op::Cues),
        1 => Just(Op::Restart),
    ]
}

/// A recording, and the frames that stand in it.
fn recorded(ops: &[Op]) -> (Bytes, Vec<Frame>) {
    let mut recording = Recording::new();
    let mut expected = Vec::new();
    let mut ticks = 0;
    let mut in_cluster = false;
    for (n, op) in ops.iter().enumerate() {
        let payload = |len: usize| {
            (0..len)
                .map(|i| (n * 31 + i * 7) as u8 | 1)
                .collect::<Vec<_>>()
        };
        if !in_cluster && matches!(op, Op::Video { .. } | Op::Audio { .. }) {
            recording.cluster(ticks, false);
            in_cluster = true;
        }
        ticks += 20;
        let mut expect = |track, keyframe, duration: Option<Duration>, payload: Vec<u8>| {
            expected.push(Frame {
                track,
                timestamp: Duration::from_millis(ticks),
                decode_timestamp: None,
                duration,
                keyframe,
                payload: payload.into(),
            });
        };
        match *op {
            Op::Cluster { sized } => {
                recording.cluster(ticks, sized);
                in_cluster = true;
            }
            Op::Video {
                keyframe,
                grouped: false,
                len,
            } => {
                recording.simple(VIDEO, ticks, keyframe, &payload(len));
                expect(VIDEO, keyframe, None, payload(len));
            }
            Op::Video {
                keyframe,
                grouped: true,
                len,
            } => {
                recording.group(VIDEO, ticks, keyframe, &payload(len));
                expect(
                    VIDEO,
                    keyframe,
                    Some(Duration::from_millis(33)),
                    payload(len),
                );
            }
            Op::Audio { len } => {
                recording.simple(AUDIO, ticks, true, &payload(len));
                expect(
                    AUDIO,
                    true,
                    opus::packet_duration(&payload(len)),
                    payload(len),
                );
            }
            Op::Void { len } => recording.element(id::VOID, &vec![0x1a; len]),
            Op::Cues => {
                recording.end_cluster();
                recording.element(id::CUES, &[0xbb, 0x80]);
                in_cluster = false;
            }
            Op::Restart => {
                recording.init(&[VIDEO, AUDIO]);
                ticks = 0;
                in_cluster = false;
            }
        }
    }
    (recording.finish(), expected)
}

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
    time(1);
    let (small, large) = (time(1), time(8));
    assert!(large < small * 40, "{small:?} for 1 MB, {large:?} for 8 MB");
}
