//! Good input to begin with. Media is made here, by our own packagers, so that the repository holds no recordings; texts
//! lie in `corpus/` as files.

use abanico_live::native::Header;
use abanico_media::frame::{Codec, Frame, Track, TrackKind};
use abanico_media::{mp4, webm};
use bytes::Bytes;
use std::time::Duration;

/// For targets whose seeds are all files.
pub(crate) fn none() -> Vec<Vec<u8>> {
    Vec::new()
}

/// How much at a time a recording is cut: what its first byte says.
const CUTS: [u8; 3] = [1, 13, 255];

fn track(id: u64, codec: Codec, config: &'static [u8]) -> Track {
    let kind = if codec == Codec::Opus {
        TrackKind::Audio {
            sample_rate: 48_000,
            channels: 2,
        }
    } else {
        TrackKind::Video {
            width: 16,
            height: 16,
        }
    };
    Track {
        config: Bytes::from_static(config),
        ..Track::new(id, codec, kind)
    }
}

/// `OpusHead` of two channels, as both containers want it.
const OPUS_HEAD: &[u8] = b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0\0";

/// The head of a keyframe of VP8, 16 by 16.
const VP8_KEYFRAME: &[u8] = b"\x10\x02\0\x9d\x01\x2a\x10\0\x10\0\0\x47\x08";

fn frames() -> impl Iterator<Item = Frame> {
    (0..6_u64).map(|number| Frame {
        track: 1 + number % 2,
        timestamp: Duration::from_millis(number * 20),
        decode_timestamp: None,
        duration: Some(Duration::from_millis(40)),
        keyframe: number != 2,
        payload: Bytes::from_static(if number % 2 == 0 {
            VP8_KEYFRAME
        } else {
            b"\xfc\xff\xfe"
        }),
    })
}

fn tracks() -> [Track; 2] {
    [track(1, Codec::Vp8, b""), track(2, Codec::Opus, OPUS_HEAD)]
}

fn whole_webm() -> Vec<u8> {
    let mut muxer =
        webm::Muxer::new(&tracks(), webm::DocType::WebM).expect("WebM carries VP8 and Opus");
    let mut bytes = muxer.init_segment().to_vec();
    for packet in frames().filter_map(|frame| muxer.write(&frame)) {
        bytes.extend([packet.head, packet.payload].concat());
    }
    bytes
}

fn whole_mp4() -> Vec<u8> {
    let tracks = [track(2, Codec::Opus, OPUS_HEAD)];
    let mut muxer = mp4::Muxer::new(&tracks).expect("MP4 carries Opus");
    let mut bytes = muxer.init_segment().to_vec();
    for packet in frames().filter_map(|frame| muxer.write(&frame)) {
        bytes.extend([packet.head, packet.payload].concat());
    }
    bytes
}

/// As much of a picture as tells its size.
fn picture() -> Vec<u8> {
    let mut picture = b"\xff\xd8\xff\xc0\0\x0b\x08\0\x10\0\x10\x01\x01\x11\0".to_vec();
    picture.extend(b"\xff\xda\0\x08\x01\x01\0\0\x3f\0\x01\x02\xff\0\x03\xff\xd9");
    picture
}

fn multipart() -> Vec<u8> {
    let mut body = Vec::new();
    for _ in 0..3 {
        body.extend(b"--x\r\nContent-Type: image/jpeg\r\nContent-Length: 44\r\n\r\n");
        body.extend(picture());
        body.extend(b"\r\n");
    }
    body.extend(b"--x--\r\n");
    body
}

fn cut(recordings: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let each = recordings.iter();
    each.flat_map(|recording| CUTS.map(|cut| [&[cut][..], recording].concat()))
        .collect()
}

pub(crate) fn webm() -> Vec<Vec<u8>> {
    cut(&[whole_webm()])
}

pub(crate) fn mp4() -> Vec<Vec<u8>> {
    cut(&[whole_mp4()])
}

pub(crate) fn jpeg() -> Vec<Vec<u8>> {
    let pictures = [picture(), picture()].concat();
    vec![picture(), pictures, multipart()]
}

pub(crate) fn http_body() -> Vec<Vec<u8>> {
    cut(&[whole_webm(), whole_mp4(), picture().repeat(3), multipart()])
}

/// A codec, its configuration, and frames with their flags and times.
pub(crate) fn codec() -> Vec<Vec<u8>> {
    let of = |codec: u8, config: &[u8], payload: &[u8]| {
        let length = |bytes: &[u8]| u8::try_from(bytes.len()).expect("seeds are short");
        let frame = [&[1, 1, length(payload)][..], payload].concat();
        [&[codec, length(config)][..], config, &frame, &frame].concat()
    };
    let avcc = b"\x01\x42\xe0\x1f\xff\xe1\0\x04\x67\x42\xe0\x1f\x01\0\x02\x68\xce";
    let annex_b = b"\0\0\0\x01\x67\x42\xe0\x1f\x8c\0\0\0\x01\x68\xce\x3c\x80\0\0\x01\x65\x88";
    vec![
        of(0, b"", VP8_KEYFRAME),
        of(1, b"", b"\x82\x49\x83\x42\0\0\xf0\0\xf6"),
        of(
            2,
            b"\x81\0\x0c\0",
            b"\x12\0\x0a\x0a\0\0\0\x02\xaf\xff\x9b\x5f\x30\x08",
        ),
        of(3, avcc, b"\0\0\0\x02\x65\x88"),
        of(3, b"", annex_b),
        of(
            4,
            b"",
            b"\0\0\x01\x40\x01\x0c\0\0\x01\x42\x01\x01\0\0\x01\x26\x01",
        ),
        of(5, OPUS_HEAD, b"\xfc\xff\xfe"),
        of(6, b"\x12\x10", b"\x21\x10\x04"),
        of(7, b"", &picture()),
    ]
}

/// A header with a payload, and what tracks may be.
pub(crate) fn native() -> Vec<Vec<u8>> {
    let mut frame = Vec::new();
    let header = Header {
        track: 0,
        keyframe: true,
        gap: false,
        sequence: 7,
        duration: 33_333,
        timestamp: 1_000_000,
        captured: 0,
    };
    header.put(&mut frame);
    frame.extend(VP8_KEYFRAME);
    vec![frame]
}

/// Frames of a client behind the two bytes that say where they are cut.
pub(crate) fn websocket() -> Vec<Vec<u8>> {
    let frames: [&[u8]; 6] = [
        b"\x81\x85\x01\x02\x03\x04\x69\x67\x6f\x68\x6e",
        b"\x01\x81\0\0\0\0a\x80\x81\0\0\0\0b",
        b"\x82\xfe\0\x80\0\0\0\0",
        b"\x89\x80\0\0\0\0\x8a\x80\0\0\0\0",
        b"\x88\x82\0\0\0\0\x03\xe8",
        b"\x82\xff\0\0\0\0\0\0\x01\0\0\0\0\0",
    ];
    let mut seeds: Vec<_> = frames.map(|frame| [&[1, 3], frame].concat()).into();
    seeds.push([&[2, 9], frames.concat().as_slice()].concat());
    seeds
}
