//! Recordings as a browser or ffmpeg would write them, and what is read from them.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use crate::codec::opus;
use crate::demux::Event;
use crate::frame::Frame;
use crate::webm::ebml::{UNKNOWN_SIZE, id, put_element, put_id, put_size, put_uint};
use crate::webm::*;

pub(super) const VIDEO: u64 = 1;
pub(super) const AUDIO: u64 = 2;

/// Writes recordings as a browser or ffmpeg would.
#[derive(Clone, Default)]
pub(super) struct Recording {
    pub(super) bytes: Vec<u8>,
    cluster_ticks: u64,
    /// Beginnings of Clusters of known size, whose size is still to be written.
    open: Option<(usize, Vec<u8>)>,
}

impl Recording {
    pub(super) fn new() -> Self {
        let mut recording = Self::default();
        recording.init(&[VIDEO, AUDIO]);
        recording
    }

    pub(super) fn of(tracks: &[u64]) -> Self {
        let mut recording = Self::default();
        recording.init(tracks);
        recording
    }

    pub(super) fn init(&mut self, tracks: &[u64]) {
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

    pub(super) fn element(&mut self, id: u32, body: &[u8]) {
        let bytes = self.open.as_mut().map_or(&mut self.bytes, |(_, body)| body);
        put_element(bytes, id, body);
    }

    pub(super) fn cluster(&mut self, ticks: u64, sized: bool) {
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

    pub(super) fn end_cluster(&mut self) {
        if let Some((_, body)) = self.open.take() {
            put_element(&mut self.bytes, id::CLUSTER, &body);
        }
    }

    pub(super) fn block_body(&self, track: u64, ticks: u64, flags: u8, payload: &[u8]) -> Vec<u8> {
        let relative = i16::try_from(ticks as i64 - self.cluster_ticks as i64).unwrap();
        let mut body = Vec::new();
        put_size(&mut body, track);
        body.extend_from_slice(&relative.to_be_bytes());
        body.push(flags);
        body.extend_from_slice(payload);
        body
    }

    pub(super) fn simple(&mut self, track: u64, ticks: u64, keyframe: bool, payload: &[u8]) {
        let body = self.block_body(track, ticks, if keyframe { 0x80 } else { 0 }, payload);
        self.element(id::SIMPLE_BLOCK, &body);
    }

    pub(super) fn group(&mut self, track: u64, ticks: u64, keyframe: bool, payload: &[u8]) {
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

    pub(super) fn finish(mut self) -> Bytes {
        self.end_cluster();
        self.bytes.into()
    }
}

pub(super) fn cut(bytes: &Bytes, lengths: &[usize]) -> Vec<Bytes> {
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

pub(super) fn events<'a>(chunks: impl IntoIterator<Item = &'a Bytes>) -> Vec<Event> {
    let mut demuxer = Demuxer::new(Limits::default());
    let mut out = Vec::new();
    for chunk in chunks {
        demuxer.push(chunk.clone(), &mut out);
    }
    out
}

pub(super) fn frames(events: &[Event]) -> Vec<Frame> {
    let frame = |event: &Event| match event {
        Event::Frame(frame) => Some(frame.clone()),
        Event::Init(_) | Event::Skipped(_) => None,
    };
    events.iter().filter_map(frame).collect()
}

/// One thing that a recorder may write.
#[derive(Clone, Debug)]
pub(super) enum Op {
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

pub(super) fn op() -> impl Strategy<Value = Op> {
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
pub(super) fn recorded(ops: &[Op]) -> (Bytes, Vec<Frame>) {
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
