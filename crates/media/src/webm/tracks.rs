//! Reads what a recording says of itself before its first frame: Info and Tracks.

use std::time::Duration;

use bytes::Bytes;

use super::ebml::{Elements, float, id, uint};
use crate::frame::{Codec, Track, TrackKind};

/// Nanoseconds in one tick of the recording's timestamps. Matroska's default is a millisecond.
pub(crate) const TIMESTAMP_SCALE_DEFAULT: u64 = 1_000_000;

/// So many tracks are read; more are passed over.
pub(crate) const TRACKS_MAX: usize = 32;

/// The timestamp scale that an Info element names. Zero is no scale.
pub(crate) fn timestamp_scale(info: &Bytes) -> u64 {
    Elements::new(info)
        .filter(|(id, _)| *id == id::TIMESTAMP_SCALE)
        .find_map(|(_, body)| uint(&body).filter(|scale| *scale > 0))
        .unwrap_or(TIMESTAMP_SCALE_DEFAULT)
}

/// The tracks of a Tracks element, in its order (which means nothing).
pub(crate) fn tracks(body: &Bytes) -> Vec<Track> {
    Elements::new(body)
        .filter(|(id, _)| *id == id::TRACK_ENTRY)
        .filter_map(|(_, entry)| track(&entry))
        .take(TRACKS_MAX)
        .collect()
}

/// One track; `None` without a number, by which frames could name it.
fn track(entry: &Bytes) -> Option<Track> {
    let mut number = None;
    let mut kind = 0;
    let mut codec = Codec::Other(String::new());
    let mut config = Bytes::new();
    let mut frame_duration = None;
    let mut encoded = false;
    let (mut width, mut height) = (0, 0);
    let (mut sample_rate, mut channels) = (8000, 1);
    for (id, body) in Elements::new(entry) {
        match id {
            id::TRACK_NUMBER => number = uint(&body).filter(|number| *number > 0),
            id::TRACK_TYPE => kind = uint(&body).unwrap_or(0),
            id::CODEC_ID => codec = self::codec(&body),
            id::CODEC_PRIVATE => config = body,
            id::DEFAULT_DURATION => {
                frame_duration = uint(&body)
                    .filter(|nanos| *nanos > 0)
                    .map(Duration::from_nanos);
            }
            id::CONTENT_ENCODINGS => encoded = true,
            id::VIDEO => {
                for (id, body) in Elements::new(&body) {
                    match id {
                        id::PIXEL_WIDTH => width = small(&body),
                        id::PIXEL_HEIGHT => height = small(&body),
                        _ => {}
                    }
                }
            }
            id::AUDIO => {
                for (id, body) in Elements::new(&body) {
                    match id {
                        // A cast from float saturates, so that no claim goes wrong here.
                        id::SAMPLING_FREQUENCY => sample_rate = float(&body).unwrap_or(0.0) as u32,
                        id::CHANNELS => channels = u16::try_from(small(&body)).unwrap_or(0),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    if encoded {
        // Compressed or encrypted: the blocks are not what the codec says.
        codec = Codec::Other(format!("{codec:?} in content encodings"));
    }
    Some(Track {
        id: number?,
        codec,
        kind: match kind {
            1 => TrackKind::Video { width, height },
            2 => TrackKind::Audio {
                sample_rate,
                channels,
            },
            _ => TrackKind::Other,
        },
        config,
        codec_string: String::new(),
        frame_duration,
    })
}

fn small(body: &Bytes) -> u32 {
    uint(body)
        .and_then(|value| u32::try_from(value).ok())
        .unwrap_or(0)
}

fn codec(name: &[u8]) -> Codec {
    // Strings may be padded with zeros.
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
    match name {
        b"V_VP8" => Codec::Vp8,
        b"V_VP9" => Codec::Vp9,
        b"V_AV1" => Codec::Av1,
        b"V_MPEG4/ISO/AVC" => Codec::H264,
        b"V_MPEGH/ISO/HEVC" => Codec::Hevc,
        b"V_MJPEG" => Codec::Jpeg,
        b"A_OPUS" => Codec::Opus,
        name if name.starts_with(b"A_AAC") => Codec::Aac,
        name => Codec::Other(String::from_utf8_lossy(&name[..name.len().min(64)]).into_owned()),
    }
}
