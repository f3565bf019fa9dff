//! Any bytes as a configuration and frames of any codec.

use std::time::Duration;

use super::Pieces;
use abanico_media::codec::{Normal, Normalizer};
use abanico_media::frame::{Codec, Frame, Track, TrackKind};
use abanico_media::{mp4, webm};
use bytes::Bytes;

const CODECS: [Codec; 8] = [
    Codec::Vp8,
    Codec::Vp9,
    Codec::Av1,
    Codec::H264,
    Codec::Hevc,
    Codec::Opus,
    Codec::Aac,
    Codec::Jpeg,
];

pub(super) fn run(data: &[u8]) {
    let mut pieces = Pieces(data);
    let Some(codec) = pieces.byte() else {
        return;
    };
    let codec = CODECS[usize::from(codec) % CODECS.len()].clone();
    let config = pieces.piece();
    let kind = match codec {
        Codec::Opus | Codec::Aac => TrackKind::Audio {
            sample_rate: 48_000,
            channels: 2,
        },
        _ => TrackKind::UNSIZED_VIDEO,
    };
    let track = Track {
        config: Bytes::copy_from_slice(config),
        ..Track::new(1, codec, kind)
    };
    let Ok(mut normalizer) = Normalizer::new(track) else {
        return;
    };
    let mut out = Vec::new();
    while let Some(flags) = pieces.byte() {
        let millis = pieces.byte().unwrap_or_default();
        let payload = pieces.piece();
        let _ = normalizer.push(
            Frame {
                track: 1,
                timestamp: Duration::from_millis(u64::from(millis) * 40),
                decode_timestamp: None,
                duration: None,
                keyframe: flags & 1 == 1,
                payload: Bytes::copy_from_slice(payload),
            },
            &mut out,
        );
    }
    let mut muxers = None;
    for normal in out {
        match normal {
            Normal::Track(track) => {
                let tracks = [track];
                let webm = webm::Muxer::new(&tracks, webm::DocType::Matroska)
                    .expect("matroska carries all of these");
                muxers = Some((mp4::Muxer::new(&tracks).ok(), webm));
            }
            Normal::Frame(frame) => {
                let (mp4, webm) = muxers.as_mut().expect("the track comes first");
                assert!(webm.write(&frame).is_some());
                assert!(mp4.as_mut().is_none_or(|mp4| mp4.write(&frame).is_some()));
            }
        }
    }
}
