//! H.264 and H.265: from start codes to lengths, from parameter sets in the stream to a
//! configuration beside it.

use bytes::{BufMut, Bytes, BytesMut};
use shiguredo_mp4::bitstream::h264::{H264SampleEntryConfig, LengthSize, build_avc1_box};
use shiguredo_mp4::bitstream::h265::{
    H265ConstantFrameRate, H265SampleEntryConfig, build_hvc1_box,
};
use shiguredo_mp4::boxes::{
    Avc1Box, AvccBox, Hvc1Box, HvccBox, SampleEntry, VisualSampleEntryFields,
};
use shiguredo_mp4::{Decode, Encode, codec_string};

use super::Found;
use crate::frame::Frame;

/// Normalises an H.264 frame with start codes.
pub(super) fn avc(frame: &mut Frame) -> Result<Option<Found>, String> {
    let mut sets = [Vec::new(), Vec::new()];
    let mut idr = false;
    let mut out = BytesMut::with_capacity(frame.payload.len() + 16);
    for unit in units(&frame.payload)? {
        match unit[0] & 0x1f {
            7 => sets[0].push(unit.to_vec()),
            8 => sets[1].push(unit.to_vec()),
            // Delimiters, ends and filler: the container says all that.
            9..=12 => {}
            kind => {
                idr |= kind == 5;
                put(&mut out, unit)?;
            }
        }
    }
    frame.payload = out.freeze();
    let [sequence, picture] = sets;
    // A recovery point that repeats its parameter sets is a place to begin, too.
    frame.keyframe = idr || frame.keyframe && !sequence.is_empty();
    if !frame.keyframe || sequence.is_empty() {
        return Ok(None);
    }
    let config = H264SampleEntryConfig {
        length_size: LengthSize::FourBytes,
    };
    let entry = build_avc1_box(&sequence, &picture, &config).map_err(|error| error.reason)?;
    Ok(Some(Found {
        config: encode_box(&entry.avcc_box)?,
        codec_string: avc_string(&entry.avcc_box),
        width: u32::from(entry.visual.width),
        height: u32::from(entry.visual.height),
    }))
}

/// Normalises an H.265 frame with start codes.
pub(super) fn hevc(frame: &mut Frame) -> Result<Option<Found>, String> {
    let mut sets = [Vec::new(), Vec::new(), Vec::new()];
    let mut random_access = false;
    let mut out = BytesMut::with_capacity(frame.payload.len() + 16);
    for unit in units(&frame.payload)? {
        match unit[0] >> 1 & 0x3f {
            kind @ 32..=34 => sets[usize::from(kind - 32)].push(unit.to_vec()),
            35..=38 => {}
            kind => {
                random_access |= matches!(kind, 16..=21);
                put(&mut out, unit)?;
            }
        }
    }
    frame.payload = out.freeze();
    frame.keyframe = random_access;
    let [video, sequence, picture] = sets;
    if !random_access || sequence.is_empty() {
        return Ok(None);
    }
    let config = H265SampleEntryConfig {
        length_size: LengthSize::FourBytes,
        avg_frame_rate: H265SampleEntryConfig::AVG_FRAME_RATE_UNSPECIFIED,
        constant_frame_rate: H265ConstantFrameRate::Unknown,
    };
    let entry =
        build_hvc1_box(&video, &sequence, &picture, &config).map_err(|error| error.reason)?;
    Ok(Some(Found {
        config: encode_box(&entry.hvcc_box)?,
        codec_string: hevc_string(entry.hvcc_box),
        width: u32::from(entry.visual.width),
        height: u32::from(entry.visual.height),
    }))
}

/// Lengths of fewer bytes are legal and nobody writes them.
pub(super) fn only_four(bytes: u8) -> Result<(), String> {
    if bytes == 4 {
        Ok(())
    } else {
        Err(format!("lengths of {bytes} bytes are not supported"))
    }
}

/// `avc1.42e01f`.
pub(super) fn avc_string(config: &AvccBox) -> String {
    let entry = Avc1Box {
        visual: NO_VISUAL,
        avcc_box: config.clone(),
        unknown_boxes: Vec::new(),
    };
    codec_string::from_sample_entry(&SampleEntry::Avc1(entry)).unwrap_or_default()
}

/// `hvc1.1.6.L93.B0`.
pub(super) fn hevc_string(config: HvccBox) -> String {
    let entry = Hvc1Box {
        visual: NO_VISUAL,
        hvcc_box: config,
        unknown_boxes: Vec::new(),
    };
    codec_string::from_sample_entry(&SampleEntry::Hvc1(entry)).unwrap_or_default()
}

/// A configuration's box is written for its body alone: the codec string needs no more.
const NO_VISUAL: VisualSampleEntryFields = VisualSampleEntryFields {
    data_reference_index: VisualSampleEntryFields::DEFAULT_DATA_REFERENCE_INDEX,
    width: 0,
    height: 0,
    horizresolution: VisualSampleEntryFields::DEFAULT_HORIZRESOLUTION,
    vertresolution: VisualSampleEntryFields::DEFAULT_VERTRESOLUTION,
    frame_count: VisualSampleEntryFields::DEFAULT_FRAME_COUNT,
    compressorname: VisualSampleEntryFields::NULL_COMPRESSORNAME,
    depth: VisualSampleEntryFields::DEFAULT_DEPTH,
};

/// A box's body, which is how a configuration travels outside MP4.
pub(crate) fn encode_box(whole: &impl Encode) -> Result<Bytes, String> {
    let bytes = whole.encode_to_vec().map_err(|error| error.reason)?;
    Ok(Bytes::from(bytes).slice(BOX_HEADER_BYTES..))
}

/// Reads a configuration as the box that it is in MP4.
pub(crate) fn decode_box<T: Decode>(kind: &[u8; 4], body: &[u8]) -> Result<T, String> {
    let size = u32::try_from(body.len() + BOX_HEADER_BYTES).map_err(|_| "too long".to_owned())?;
    let whole = [&size.to_be_bytes()[..], kind, body].concat();
    T::decode(&whole)
        .map(|(config, _)| config)
        .map_err(|error| match error.reason {
            // The reader says nothing when it comes to the end before it should.
            reason if reason.is_empty() => format!(
                "its {} bytes end before all was said that {} has to say",
                body.len(),
                kind.escape_ascii()
            ),
            reason => reason,
        })
}

const BOX_HEADER_BYTES: usize = 8;

fn put(out: &mut BytesMut, unit: &[u8]) -> Result<(), String> {
    out.put_u32(u32::try_from(unit.len()).map_err(|_| "a unit is too long")?);
    out.put_slice(unit);
    Ok(())
}

/// The NAL units between start codes, none of them empty.
fn units(payload: &[u8]) -> Result<impl Iterator<Item = &[u8]>, String> {
    let first = start_code(payload).ok_or("no start code")?;
    if payload[..first].iter().any(|byte| *byte != 0) {
        return Err("bytes before the first start code".to_owned());
    }
    let mut rest = &payload[first + START_CODE.len()..];
    let mut more = true;
    let units = std::iter::from_fn(move || {
        more.then(|| {
            let Some(next) = start_code(rest) else {
                more = false;
                return rest;
            };
            let (unit, after) = (&rest[..next], &rest[next + START_CODE.len()..]);
            rest = after;
            unit
        })
    });
    // Zeros before the next start code, the fourth byte of a long one among them, are padding.
    let trimmed = units.map(|unit| {
        let end = unit
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last + 1);
        &unit[..end]
    });
    Ok(trimmed.filter(|unit| !unit.is_empty()))
}

const START_CODE: [u8; 3] = [0, 0, 1];

/// Where the next start code is.
fn start_code(bytes: &[u8]) -> Option<usize> {
    let mut at = 2;
    while let Some(third) = bytes.get(at) {
        // What cannot be the last byte of one cannot be a part of the next two either.
        match third {
            1 if bytes[at - 1] == 0 && bytes[at - 2] == 0 => return Some(at - 2),
            0 => at += 1,
            _ => at += 3,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(payload: &[u8]) -> Option<Vec<&[u8]>> {
        Some(units(payload).ok()?.collect())
    }

    #[test]
    fn units_stand_between_start_codes() {
        assert_eq!(
            split(b"\0\0\x01ab\0\0\0\x01c\0\0\x01\0\0\x01d\0").unwrap(),
            [&b"ab"[..], b"c", b"d"]
        );
        assert_eq!(split(b"\0\0\0\0\x01a").unwrap(), [b"a"]);
        assert_eq!(split(b"\0\0\x01").unwrap(), [b""; 0]);
        for broken in [&b""[..], b"ab", b"x\0\0\x01a", b"\0\0"] {
            assert_eq!(split(broken), None, "{broken:?}");
        }
    }

    #[test]
    fn a_one_in_the_middle_of_other_bytes_is_no_start_code() {
        assert_eq!(start_code(b"\x01\0\x01\x01\0\0\x02\0\0\x01"), Some(7));
        assert_eq!(start_code(b"abc\x01\0\0"), None);
    }
}
