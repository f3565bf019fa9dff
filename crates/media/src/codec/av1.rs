//! AV1: without temporal delimiters, with the sequence header in the configuration.

use shiguredo_mp4::bitstream::av1::{
    Av1Obu, Av1ObuParseContext, Av1ObuType, Av1SampleEntryConfig, build_av01_box, parse_obus,
    parse_sequence_header,
};
use shiguredo_mp4::boxes::SampleEntry;
use shiguredo_mp4::codec_string;

use super::Found;
use super::nal::encode_box;
use crate::frame::Frame;

/// Normalises one temporal unit.
pub(super) fn normalise(frame: &mut Frame) -> Result<Option<Found>, String> {
    // A delimiter may only stand first, and its size is 0 unless an encoder is wasteful.
    while let Some(rest) = frame.payload.strip_prefix(&TEMPORAL_DELIMITER) {
        frame.payload = frame.payload.slice_ref(rest);
    }
    if !frame.keyframe {
        return Ok(None);
    }
    let units =
        parse_obus(&frame.payload, Av1ObuParseContext::Sample).map_err(|error| error.reason)?;
    units.iter().find(is_sequence_header).map(found).transpose()
}

/// What an `av1C` says that brings its sequence header.
pub(super) fn configured(config: &[u8]) -> Option<Found> {
    let units = parse_obus(
        config.get(AV1C_FIELDS_BYTES..)?,
        Av1ObuParseContext::ConfigObus,
    )
    .ok()?;
    units
        .iter()
        .find(is_sequence_header)
        .and_then(|header| found(header).ok())
}

fn is_sequence_header(unit: &&Av1Obu<'_>) -> bool {
    unit.obu_type == Av1ObuType::SequenceHeader
}

fn found(header: &Av1Obu<'_>) -> Result<Found, String> {
    let sequence = parse_sequence_header(header.payload).map_err(|error| error.reason)?;
    let config = Av1SampleEntryConfig {
        initial_presentation_delay_minus_one: None,
    };
    let entry = build_av01_box(&sequence, header.obu, &config).map_err(|error| error.reason)?;
    let record = encode_box(&entry.av1c_box)?;
    let (width, height) = (
        u32::from(entry.visual.width),
        u32::from(entry.visual.height),
    );
    let codec_string =
        codec_string::from_sample_entry(&SampleEntry::Av01(entry)).map_err(|error| error.reason)?;
    Ok(Found {
        config: record,
        codec_string,
        width,
        height,
    })
}

/// Before its OBUs, `av1C` repeats some of the sequence header's fields.
const AV1C_FIELDS_BYTES: usize = 4;

/// A temporal delimiter with a size field, which says 0.
const TEMPORAL_DELIMITER: [u8; 2] = [0x12, 0x00];
