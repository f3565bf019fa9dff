//! VP8 and VP9: size, profile and level, read from keyframes.

use bytes::Bytes;
use shiguredo_mp4::bitstream::vp9::{
    Vp9FrameSize, Vp9FrameType, Vp9SampleEntryConfig, build_vp09_box, parse_frame_header,
};
use shiguredo_mp4::boxes::SampleEntry;
use shiguredo_mp4::codec_string;

use super::Found;
use super::nal::encode_box;
use crate::frame::Frame;

/// Reads a VP8 frame's header: three bytes, and seven more in a keyframe (RFC 6386, section 9.1).
pub(super) fn vp8(frame: &mut Frame) -> Result<Option<Found>, String> {
    let first = frame.payload.first().ok_or("no bytes")?;
    frame.keyframe = first & 1 == 0;
    if !frame.keyframe {
        return Ok(None);
    }
    let [_, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1, ..] = frame.payload[..] else {
        return Err("a keyframe without its start code".to_owned());
    };
    // The upper two bits of each are a scale, for the player to use or not.
    let size = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
    Ok(Some(Found {
        config: Bytes::new(),
        codec_string: "vp8".to_owned(),
        width: size(w0, w1),
        height: size(h0, h1),
    }))
}

/// Reads a VP9 keyframe's uncompressed header.
pub(super) fn vp9(frame: &mut Frame) -> Result<Option<Found>, String> {
    if !frame.keyframe {
        return Ok(None);
    }
    let header = parse_frame_header(&frame.payload).map_err(|error| error.reason)?;
    let Vp9FrameSize::Resolved { width, height } = header.frame_size else {
        return Err("a keyframe without a size".to_owned());
    };
    if header.frame_type != Vp9FrameType::Key {
        return Err("a keyframe that is none".to_owned());
    }
    // ISO 23001-8: BT.709 is 1, BT.601 is 6, unspecified is 2.
    let colour = match header.color_space {
        2 => 1,
        1 => 6,
        _ => 2,
    };
    let config = Vp9SampleEntryConfig {
        level: level(u64::from(width) * u64::from(height)),
        colour_primaries: colour,
        transfer_characteristics: colour,
        matrix_coefficients: colour,
        width: u16::try_from(width).map_err(|_| "a picture that is too wide")?,
        height: u16::try_from(height).map_err(|_| "a picture that is too high")?,
    };
    let entry = build_vp09_box(&header, &config).map_err(|error| error.reason)?;
    let record = encode_box(&entry.vpcc_box)?;
    let codec_string =
        codec_string::from_sample_entry(&SampleEntry::Vp09(entry)).map_err(|error| error.reason)?;
    Ok(Some(Found {
        config: record,
        codec_string,
        width,
        height,
    }))
}

/// The lowest level that a picture of so many pixels fits in. A stream may need a higher one for
/// its rate; no decoder in a browser looks at it.
fn level(pixels: u64) -> u8 {
    let levels = [
        (36_864, 10),
        (73_728, 11),
        (122_880, 20),
        (245_760, 21),
        (552_960, 30),
        (983_040, 31),
        (2_228_224, 40),
        (8_912_896, 50),
    ];
    levels
        .iter()
        .find(|(most, _)| pixels <= *most)
        .map_or(60, |(_, level)| *level)
}
