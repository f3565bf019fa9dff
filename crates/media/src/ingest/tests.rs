//! What a door's owner relies on.

use super::*;
use crate::frame::{Codec, TrackKind};
use crate::rest::Rest;

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn track(id: u64, codec: Codec) -> Track {
    let kind = match codec {
        Codec::Opus => TrackKind::Audio {
            sample_rate: 48_000,
            channels: 2,
        },
        _ => TrackKind::Video {
            width: 16,
            height: 16,
        },
    };
    Track::new(id, codec, kind)
}

fn frame(track: u64, at: u64, payload: &[u8]) -> Frame {
    Frame {
        track,
        timestamp: millis(at),
        decode_timestamp: None,
        duration: Some(millis(20)),
        keyframe: true,
        payload: Bytes::copy_from_slice(payload),
    }
}

const KEY: &[u8] = &[0x10, 0, 0, 0x9d, 0x01, 0x2a, 16, 0, 16, 0, 0];
const DELTA: &[u8] = &[0x11, 0, 0, 1];
const SOUND: &[u8] = &[0xfc, 1, 2];

/// A recording as our own muxer writes it.
fn recording(tracks: &[Track], frames: &[Frame]) -> Bytes {
    let mut muxer = webm::Muxer::new(tracks, webm::DocType::WebM).unwrap();
    let mut out = muxer.init_segment().to_vec();
    for frame in frames {
        let keyframe = !frame.payload.starts_with(&DELTA[..1]);
        let packet = muxer
            .write(&Frame {
                keyframe,
                ..frame.clone()
            })
            .unwrap();
        out.extend_from_slice(&packet.head);
        out.extend_from_slice(&packet.payload);
    }
    out.into()
}

fn shown(out: &[Ingested]) -> Vec<(u64, u64, bool)> {
    let frame = |ingested: &Ingested| match ingested {
        Ingested::Frame(frame) => Some((
            frame.track,
            frame.timestamp.as_millis() as u64,
            frame.keyframe,
        )),
        _ => None,
    };
    out.iter().filter_map(frame).collect()
}

#[test]
fn tracks_keep_their_numbers_and_time_goes_on_when_the_recorder_is_restarted() {
    let first = recording(
        &[track(1, Codec::Vp8), track(2, Codec::Opus)],
        &[frame(1, 0, KEY), frame(2, 0, SOUND), frame(1, 100, DELTA)],
    );
    // The other order, and a clock of its own.
    let second = recording(
        &[track(1, Codec::Opus), track(2, Codec::Vp8)],
        &[frame(1, 5000, SOUND), frame(2, 5003, KEY)],
    );
    let mut ingest = Ingest::new(Limits::default(), Timeline::default());
    let mut out = Vec::new();
    ingest.push(first, millis(200), &mut out).unwrap();
    ingest.push(second, millis(1200), &mut out).unwrap();
    // The last picture of the first is said to last 200 ms.
    assert_eq!(
        shown(&out),
        [
            (1, 0, true),
            (2, 0, true),
            (1, 100, false),
            (2, 1300, true),
            (1, 1303, true)
        ]
    );
    let begun: Vec<_> = out
        .iter()
        .filter(|ingested| matches!(ingested, Ingested::Begun(_)))
        .collect();
    assert_eq!(
        begun,
        [&Ingested::Begun(vec![1, 2]), &Ingested::Begun(vec![2, 1])]
    );

    // The publisher is cut off and comes back.
    let third = recording(&[track(1, Codec::Vp8)], &[frame(1, 0, KEY)]);
    let mut ingest = Ingest::new(Limits::default(), ingest.into_timeline());
    let mut out = Vec::new();
    ingest.push(third, millis(2200), &mut out).unwrap();
    assert_eq!(shown(&out), [(1, 2503, true)]);
}

#[test]
fn after_garbage_video_goes_on_with_a_keyframe() {
    let tracks = [track(1, Codec::Vp8), track(2, Codec::Opus)];
    let whole = recording(&tracks, &[frame(1, 0, KEY), frame(1, 20, DELTA)]);
    let init = recording(&tracks, &[]).len();
    let rest = recording(
        &tracks,
        &[frame(1, 40, DELTA), frame(2, 40, SOUND), frame(1, 60, KEY)],
    );
    let mut ingest = Ingest::new(Limits::default(), Timeline::default());
    let mut out = Vec::new();
    for chunk in [
        whole,
        Bytes::from_static(b"\xff\xff\xffgarbage"),
        rest.slice(init..),
    ] {
        ingest.push(chunk, millis(0), &mut out).unwrap();
    }
    assert_eq!(
        shown(&out),
        [(1, 0, true), (1, 20, false), (2, 40, true), (1, 60, true)]
    );
    assert!(out.contains(&Ingested::Skipped(10)));
}

#[test]
fn a_broken_frame_costs_its_track_the_frames_until_the_next_keyframe() {
    let tracks = [track(1, Codec::Vp8), track(2, Codec::Opus)];
    let broken = [0x10, 0, 0, 0];
    let frames = [
        frame(1, 0, KEY),
        frame(1, 20, &broken),
        frame(1, 40, DELTA),
        frame(2, 40, SOUND),
        frame(1, 60, KEY),
    ];
    let mut ingest = Ingest::new(Limits::default(), Timeline::default());
    let mut out = Vec::new();
    ingest
        .push(recording(&tracks, &frames), millis(0), &mut out)
        .unwrap();
    assert_eq!(shown(&out), [(1, 0, true), (2, 40, true), (1, 60, true)]);
    assert!(
        out.iter()
            .any(|ingested| matches!(ingested, Ingested::Broken(_)))
    );
}

#[test]
fn what_cannot_be_streamed_is_refused_in_words_and_for_good() {
    let theora = b"\x1a\x45\xdf\xa3\x84\x42\x86\x81\x01\x18\x53\x80\x67\xff\x16\x54\xae\x6b\x91\xae\x8f\xd7\x81\x01\x83\x81\x01\x86\x87V_OTHER\x1f\x43\xb6\x75\xff\xe7\x81\0";
    let cases: [(&[u8], &str); 5] = [
        (
            b"<!doctype html>",
            "neither WebM, Matroska, fragmented MP4 nor JPEG",
        ),
        (
            b"\x89PNG\r\n\x1a\n",
            "PNG, and pictures are streamed as JPEG: send them so (ffmpeg: -c:v mjpeg -f mjpeg), or one by one over Socket.IO",
        ),
        (
            b"RIFF\x10\0\0\0WEBPVP8 ",
            "WebP, and pictures are streamed as JPEG: send them so (ffmpeg: -c:v mjpeg -f mjpeg), or one by one over Socket.IO",
        ),
        (
            b"\0\0\0\x10ftypiso5\0\0\0\0\0\0\0\x08moof",
            "moof before moov",
        ),
        (
            theora,
            "no track can be passed on: codec V_OTHER is not supported",
        ),
    ];
    for (bytes, said) in cases {
        let mut ingest = Ingest::new(Limits::default(), Timeline::default());
        let refused = bytes.chunks(1).find_map(|byte| {
            ingest
                .push(Bytes::copy_from_slice(byte), millis(0), &mut Vec::new())
                .err()
        });
        assert_eq!(refused.unwrap().to_string(), said);
        assert!(
            ingest
                .push(Bytes::from_static(b"more"), millis(1), &mut Vec::new())
                .is_err()
        );
    }
}

#[test]
fn pictures_are_stamped_when_they_come() {
    const PICTURE: &[u8] = b"\xff\xd8\xff\xc0\x00\x0b\x08\x00\x10\x00\x20\x01\x01\x11\x00\xff\xd9";
    let part = multipart::part(&Bytes::from_static(PICTURE)).concat();
    let mut ingest = Ingest::multipart("abanico", Limits::default(), Timeline::default());
    let mut out = Vec::new();
    ingest
        .push(multipart::preamble(), millis(0), &mut out)
        .unwrap();
    for at in [10, 110] {
        ingest
            .push(part.clone().into(), millis(at), &mut out)
            .unwrap();
    }
    assert_eq!(shown(&out), [(1, 10, true), (1, 110, true)]);

    let mut ingest = Ingest::new(Limits::default(), Timeline::default());
    let mut out = Vec::new();
    for at in [10, 110] {
        for byte in PICTURE.chunks(1) {
            ingest
                .push(Bytes::from_static(byte), millis(at), &mut out)
                .unwrap();
        }
    }
    assert_eq!(shown(&out), [(1, 10, true), (1, 110, true)]);
}

/// How these bytes stand after each of their cuts into pieces of this length.
fn rests(mut ingest: Ingest, bytes: &[u8], cut: usize) -> Vec<Rest> {
    let mut all = Vec::new();
    for chunk in bytes.chunks(cut) {
        ingest
            .push(Bytes::copy_from_slice(chunk), millis(0), &mut Vec::new())
            .unwrap();
        all.push(ingest.rest());
    }
    all
}

#[test]
fn what_is_of_no_use_at_an_end_is_known_however_it_is_cut() {
    const PICTURE: &[u8] = b"\xff\xd8\xff\xc0\x00\x0b\x08\x00\x10\x00\x20\x01\x01\x11\x00\xff\xd9";
    let webm = recording(
        &[track(1, Codec::Vp8)],
        &[frame(1, 0, KEY), frame(1, 20, DELTA)],
    );
    let part = [
        multipart::preamble(),
        multipart::part(&Bytes::from_static(PICTURE))
            .concat()
            .into(),
    ]
    .concat();
    let alone = || Ingest::new(Limits::default(), Timeline::default());
    let parts = || Ingest::multipart("abanico", Limits::default(), Timeline::default());
    let unfinished = |what, bytes| Rest::Unfinished { what, bytes };
    let garbage = |expected, bytes| Rest::Garbage { bytes, expected };
    for (make, whole, more, then) in [
        (
            &alone as &dyn Fn() -> Ingest,
            &webm[..],
            &b""[..],
            Rest::Nothing,
        ),
        (
            &alone,
            &webm,
            b"\x1f\x43\xb6\x75\xff\xa3\x88abc",
            unfinished("a block", 5),
        ),
        (
            &alone,
            &webm,
            b"\x00\x00\x00\x1f\x43",
            garbage("a Cluster or an EBML header", 5),
        ),
        (&alone, PICTURE, b"", Rest::Nothing),
        (&alone, PICTURE, &PICTURE[..9], unfinished("a picture", 9)),
        (
            &alone,
            PICTURE,
            b"none\xff\xd8\xff",
            garbage("a picture", 7),
        ),
        (&parts, &part, b"", Rest::Nothing),
        (
            &parts,
            &part,
            b"Content-Length: 17\r\n\r\n\xff\xd8",
            unfinished("a picture", 2),
        ),
        (&parts, &part, b"Content", unfinished("a part's headers", 7)),
    ] {
        let all = [whole, more].concat();
        for cut in [1, 3, all.len()] {
            assert_eq!(
                rests(make(), &all, cut).last(),
                Some(&then),
                "{more:?} by {cut}"
            );
        }
    }
}
