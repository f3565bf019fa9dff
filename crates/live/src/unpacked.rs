//! Payloads as RTP takes them: without a container's ways.
//!
//! All codecs but H.264 travel as they are. H.264 is kept with lengths before its units and its parameter sets apart, as
//! MP4 has it; RTP takes start codes, and a decoder that joins wants the parameter sets with the keyframe.

use abanico_media::frame::{Codec, Frame, Track};
use bytes::Bytes;

const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// What the payloads of a stream need done before they travel.
#[derive(Debug)]
pub(crate) struct Unpacked {
    /// What stands before a keyframe, if the video is H.264.
    parameters: Option<Vec<u8>>,
    sound: bool,
}

impl Unpacked {
    /// # Errors
    /// With the codec that has no place in WebRTC and cannot be left out.
    pub(crate) fn new(tracks: &[Track]) -> Result<Self, Codec> {
        let video = tracks.iter().find(|track| track.is_video());
        let sound = tracks.iter().find(|track| track.is_audio());
        let has_sound = sound.is_some_and(|sound| sound.codec == Codec::Opus);
        let parameters = match video {
            Some(video) => match video.codec {
                Codec::Vp8 | Codec::Vp9 | Codec::Av1 => None,
                Codec::H264 => Some(parameter_sets(&video.config).unwrap_or_default()),
                Codec::Hevc | Codec::Opus | Codec::Aac | Codec::Jpeg | Codec::Other(_) => {
                    return Err(video.codec.clone());
                }
            },
            None if has_sound => None,
            None => return Err(sound.map_or(Codec::Jpeg, |sound| sound.codec.clone())),
        };
        Ok(Self {
            parameters,
            sound: has_sound,
        })
    }

    /// The payload of a frame; `None` if it does not travel.
    pub(crate) fn write(&self, frame: &Frame, video: bool) -> Option<Bytes> {
        match &self.parameters {
            Some(parameters) if video => {
                let before: &[u8] = if frame.keyframe { parameters } else { &[] };
                with_start_codes(before, &frame.payload).map(Bytes::from)
            }
            _ => (video || self.sound).then(|| frame.payload.clone()),
        }
    }
}

/// A payload whose units have lengths of four bytes, with start codes in their place. `None` if its lengths are wrong.
fn with_start_codes(before: &[u8], payload: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(before.len() + payload.len());
    out.extend_from_slice(before);
    let mut rest = payload;
    while !rest.is_empty() {
        let (length, units) = rest.split_first_chunk()?;
        let (unit, next) = units.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        out.extend_from_slice(&START_CODE);
        out.extend_from_slice(unit);
        rest = next;
    }
    Some(out)
}

/// The parameter sets of the body of an `avcC`, each after a start code.
fn parameter_sets(config: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(config.len() + 8);
    let (count, mut rest) = config.get(5..)?.split_first()?;
    let sequence_sets = count & 0x1f;
    for _ in 0..sequence_sets {
        rest = put_set(rest, &mut out)?;
    }
    let (picture_sets, mut rest) = rest.split_first()?;
    for _ in 0..*picture_sets {
        rest = put_set(rest, &mut out)?;
    }
    Some(out)
}

/// Puts the first set of `rest` behind a start code; returns what follows it.
fn put_set<'a>(rest: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (length, rest) = rest.split_first_chunk()?;
    let (set, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    out.extend_from_slice(&START_CODE);
    out.extend_from_slice(set);
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use abanico_media::frame::TrackKind;
    use std::time::Duration;

    fn track(codec: Codec, config: &'static [u8]) -> Track {
        let kind = if matches!(codec, Codec::Opus | Codec::Aac) {
            TrackKind::Audio {
                sample_rate: 48_000,
                channels: 2,
            }
        } else {
            TrackKind::Video {
                width: 64,
                height: 48,
            }
        };
        Track {
            config: Bytes::from_static(config),
            ..Track::new(1, codec, kind)
        }
    }

    fn frame(keyframe: bool, payload: &'static [u8]) -> Frame {
        Frame {
            track: 1,
            timestamp: Duration::ZERO,
            decode_timestamp: None,
            duration: None,
            keyframe,
            payload: Bytes::from_static(payload),
        }
    }

    const AVCC: &[u8] = &[1, 66, 0, 31, 0xff, 0xe1, 0, 2, 0x67, 9, 1, 0, 3, 0x68, 8, 7];

    #[test]
    fn h264_travels_with_start_codes_and_its_parameters_before_a_keyframe() {
        let unpacked = Unpacked::new(&[track(Codec::H264, AVCC)]).unwrap();
        let payload = &[0, 0, 0, 2, 0x65, 1, 0, 0, 0, 1, 0x41];
        assert_eq!(
            unpacked.write(&frame(true, payload), true).unwrap()[..],
            [
                0, 0, 0, 1, 0x67, 9, 0, 0, 0, 1, 0x68, 8, 7, 0, 0, 0, 1, 0x65, 1, 0, 0, 0, 1, 0x41
            ]
        );
        assert_eq!(
            unpacked.write(&frame(false, payload), true).unwrap()[..],
            [0, 0, 0, 1, 0x65, 1, 0, 0, 0, 1, 0x41]
        );
        let torn = frame(false, &[0, 0, 0, 9, 1]);
        assert_eq!(unpacked.write(&torn, true), None);
    }

    #[test]
    fn other_codecs_travel_as_they_are_or_not_at_all() {
        let unpacked =
            Unpacked::new(&[track(Codec::Vp8, b""), track(Codec::Aac, b"\x11")]).unwrap();
        assert_eq!(
            unpacked.write(&frame(true, b"vp8"), true).as_deref(),
            Some(&b"vp8"[..])
        );
        assert_eq!(unpacked.write(&frame(true, b"aac"), false), None);
        for alone in [Codec::Jpeg, Codec::Hevc, Codec::Aac] {
            assert_eq!(
                Unpacked::new(&[track(alone.clone(), b"")]).unwrap_err(),
                alone
            );
        }
        assert!(Unpacked::new(&[track(Codec::Opus, b"")]).is_ok());
    }
}
