//! What browsers and encoders send becomes what packagers take. Real encoders are in `tests/it`.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn track(codec: Codec) -> Track {
    Track::new(1, codec, TrackKind::UNSIZED_VIDEO)
}

fn frame(keyframe: bool, payload: &[u8]) -> Frame {
    Frame {
        track: 1,
        timestamp: Duration::ZERO,
        decode_timestamp: None,
        duration: None,
        keyframe,
        payload: Bytes::copy_from_slice(payload),
    }
}

/// Baseline, level 3.1, 320×240, as WebCodecs writes it.
const SPS: &[u8] = b"\x67\x42\xc0\x1f\x8c\x8d\x40\xa0\xfd\x00\xf0\x88\x46\xa0";
const PPS: &[u8] = b"\x68\xce\x3c\x80";

#[test]
fn annex_b_gets_lengths_and_a_configuration() {
    let mut normalizer = Normalizer::new(track(Codec::H264)).unwrap();
    let mut out = Vec::new();
    normalizer
        .push(frame(false, b"\0\0\x01\x41delta"), &mut out)
        .unwrap();
    assert_eq!(out, [], "a decoder cannot begin with a delta");
    let key = [
        b"\0\0\0\x01\x09\xf0\0\0\0\x01",
        SPS,
        b"\0\0\0\x01",
        PPS,
        b"\0\0\x01\x65key",
    ]
    .concat();
    normalizer.push(frame(true, &key), &mut out).unwrap();
    normalizer
        .push(frame(false, b"\0\0\x01\x41delta"), &mut out)
        .unwrap();
    normalizer.push(frame(true, &key), &mut out).unwrap();
    let [
        Normal::Track(track),
        Normal::Frame(key),
        Normal::Frame(delta),
        Normal::Frame(_),
    ] = &out[..]
    else {
        panic!("{out:?}");
    };
    assert_eq!(track.codec_string, "avc1.42c01f");
    assert_eq!(track.config[..6], [1, 0x42, 0xc0, 0x1f, 0xff, 0xe1]);
    assert_eq!(key.payload, &b"\0\0\0\x04\x65key"[..]);
    assert_eq!(
        (delta.keyframe, &delta.payload[..]),
        (false, &b"\0\0\0\x06\x41delta"[..])
    );
}

#[test]
fn another_size_is_another_track() {
    let picture = |width: u8| [0x10, 0, 0, 0x9d, 0x01, 0x2a, width, 0, 16, 0, 0];
    let mut normalizer = Normalizer::new(track(Codec::Vp8)).unwrap();
    let mut out = Vec::new();
    for width in [16, 16, 32] {
        normalizer
            .push(frame(true, &picture(width)), &mut out)
            .unwrap();
        normalizer
            .push(frame(true, &[0x11, 0, 0]), &mut out)
            .unwrap();
    }
    let tracks = out
        .iter()
        .filter(|normal| matches!(normal, Normal::Track(_)))
        .count();
    assert_eq!((tracks, out.len()), (2, 8));
    assert_eq!(
        normalizer.track().unwrap().kind,
        TrackKind::Video {
            width: 32,
            height: 16
        }
    );
}

#[test]
fn what_cannot_be_passed_on_is_refused_by_name() {
    let refused = Normalizer::new(track(Codec::Other("V_THEORA".to_owned()))).unwrap_err();
    assert_eq!(refused.to_string(), "codec V_THEORA is not supported");
    let refused = Normalizer::new(track(Codec::Aac)).unwrap_err();
    assert_eq!(refused.to_string(), "Aac track without its configuration");
    let cut_off = Normalizer::new(Track {
        config: Bytes::from_static(b"\x01\x42\x00\x1f\xff\xe1"),
        ..track(Codec::H264)
    });
    assert_eq!(
        cut_off.unwrap_err().to_string(),
        "broken H264 configuration: its 6 bytes end before all was said that avcC has to say"
    );
    let mut normalizer = Normalizer::new(track(Codec::H264)).unwrap();
    let refused = normalizer
        .push(frame(true, b"not annex b"), &mut Vec::new())
        .unwrap_err();
    assert_eq!(refused.to_string(), "broken H264 frame: no start code");
}

#[test]
fn av1_that_brings_its_sequence_header_is_known_before_its_first_keyframe() {
    // 160×120, as SVT-AV1 writes it.
    let header = b"\x0a\x0a\x00\x00\x00\x03\xb4\xff\x73\xef\xe4\x01";
    let config = [&b"\x81\x00\x0c\x00"[..], header].concat();
    let known = Track {
        config: config.into(),
        ..track(Codec::Av1)
    };
    let mut out = Vec::new();
    let mut normalizer = Normalizer::new(known).unwrap();
    normalizer
        .push(frame(true, b"\x12\x00\x32\x01\x10"), &mut out)
        .unwrap();
    let [Normal::Track(track), Normal::Frame(frame)] = &out[..] else {
        panic!("{out:?}")
    };
    assert!(
        track.codec_string.starts_with("av01.0.0"),
        "{}",
        track.codec_string
    );
    assert_eq!(
        track.kind,
        TrackKind::Video {
            width: 160,
            height: 120
        }
    );
    assert_eq!(frame.payload, &b"\x32\x01\x10"[..]);
}

proptest! {
    #[test]
    fn no_frame_is_too_much(
        codec in prop::sample::select(vec![Codec::Vp8, Codec::Vp9, Codec::Av1, Codec::H264, Codec::Hevc, Codec::Jpeg]),
        config in proptest::collection::vec(any::<u8>(), 0..40),
        start in prop::sample::select(vec![&b""[..], b"\0\0\x01\x67", b"\0\0\x01\x42\x01", b"\x12\0\x0a", b"\x82\x49\x83\x42"]),
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut out = Vec::new();
        for config in [Bytes::new(), config.into()] {
            let Ok(mut normalizer) = Normalizer::new(Track { config, ..track(codec.clone()) }) else { continue };
            let _ = normalizer.push(frame(true, &[start, &bytes].concat()), &mut out);
            let _ = normalizer.push(frame(false, &bytes), &mut out);
        }
    }
}
