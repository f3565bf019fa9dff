//! A recording that comes broken again and again: what its viewers are given is in order all the same.

use super::{channel, packets, vp8};
use crate::{Format, Packet};
use abanico_media::demux::Event;
use abanico_media::frame::{Codec, Track, TrackKind};
use abanico_media::webm::{self, DocType};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::time::Duration;

/// Each is a stream of its own, which is broken so often.
const SEEDS: u64 = 60;
const ROUNDS: usize = 30;

/// VP8 and Opus for three seconds, with Clusters of ten pictures, as recorders write them.
fn recording() -> Bytes {
    let tracks = [
        Track::new(1, Codec::Vp8, TrackKind::UNSIZED_VIDEO),
        Track::new(
            2,
            Codec::Opus,
            TrackKind::Audio {
                sample_rate: 48_000,
                channels: 2,
            },
        ),
    ];
    let muxer = webm::Muxer::new(&tracks, DocType::WebM).unwrap();
    let mut out = muxer.init_segment().to_vec();
    for cluster in 0..9_u16 {
        let mut body = vec![0xe7, 0x82];
        body.extend((cluster * 330).to_be_bytes());
        for n in 0..10_u8 {
            let at = n * 25;
            let flags = if n == 0 { 0x80 } else { 0 };
            body.extend(block(0x81, at, flags, &vp8(n == 0)));
            body.extend(block(0x82, at, 0x80, b"\xfcopus"));
        }
        out.extend([0x1f, 0x43, 0xb6, 0x75]);
        out.extend((0x1000_0000 | u32::try_from(body.len()).unwrap()).to_be_bytes());
        out.extend(body);
    }
    out.into()
}

fn block(track: u8, at: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let size = u16::try_from(4 + payload.len()).unwrap() | 0x4000;
    let [high, low] = size.to_be_bytes();
    [&[0xa3, high, low, track, 0, at, flags], payload].concat()
}

/// Numbers that are the same in every run.
fn dice(mut seed: u64) -> impl FnMut(usize) -> usize {
    move |below| {
        seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
        usize::try_from(seed).unwrap() % below
    }
}

/// With some bytes changed, and cut off somewhere.
fn damaged(whole: &[u8], random: &mut impl FnMut(usize) -> usize) -> Bytes {
    let mut bytes = whole.to_vec();
    for _ in 0..=random(40) {
        let at = random(bytes.len());
        bytes[at] = u8::try_from(random(256)).unwrap();
    }
    bytes.truncate(1 + random(whole.len()));
    bytes.into()
}

/// Takes what a viewer was given apart. Returns how many frames there were, of which each was checked.
fn in_order(packets: &[Packet], seed: u64) -> usize {
    let mut demuxer = webm::Demuxer::new(webm::Limits::default());
    let (mut events, mut frames) = (Vec::new(), 0);
    let mut newest: BTreeMap<u64, Duration> = BTreeMap::new();
    let (mut pictures, mut has_begun) = (None, false);
    for packet in packets {
        demuxer.push(packet.joined(), &mut events);
        for event in events.drain(..) {
            match event {
                Event::Init(init) => {
                    let video = init.tracks.iter().find(|track| track.is_video());
                    pictures = video.map(|video| video.id);
                    has_begun = pictures.is_none();
                }
                Event::Skipped(bytes) => panic!("seed {seed}: {bytes} bytes mean nothing"),
                Event::Frame(frame) => {
                    frames += 1;
                    has_begun |= pictures == Some(frame.track) && frame.keyframe;
                    assert!(has_begun, "seed {seed}: it begins with no keyframe");
                    let at = frame.timestamp;
                    let before = newest.insert(frame.track, at);
                    assert!(
                        before < Some(at),
                        "seed {seed}: frame {frames}, of track {}, is at {at:?} after {before:?}",
                        frame.track
                    );
                }
            }
        }
    }
    frames
}

#[tokio::test(start_paused = true)]
async fn times_go_on_whatever_is_damaged() {
    let whole = recording();
    for seed in 0..SEEDS {
        let mut random = dice(seed);
        let channel = channel();
        let mut source = channel.bytes();
        source.push(whole.clone(), 0).unwrap();
        let mut watching = channel.watch(Format::WebM).unwrap();
        let mut given = packets(&mut watching);
        for _ in 0..ROUNDS {
            tokio::time::advance(Duration::from_millis(500)).await;
            let taken = source.push(damaged(&whole, &mut random), 0);
            if taken.is_err() || taken.is_ok_and(|taken| taken.broken.is_some()) {
                // No track is left: its publisher comes again.
                source = channel.bytes();
            }
            given.extend(packets(&mut watching));
        }
        for _ in 0..3 {
            source.push(whole.clone(), 0).unwrap();
            given.extend(packets(&mut watching));
        }
        let frames = in_order(&given, seed);
        assert!(frames > 180, "seed {seed}: {frames} frames are left");
    }
}
