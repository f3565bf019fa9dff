//! The native door's frames and `tracks`, as `docs/protocol.md` describes them: a header of 28 bytes before each payload,
//! and JSON for what the tracks are. Both directions.

use abanico_media::frame::{Codec, Track, TrackKind};
use base64_simd::STANDARD;
use bytes::{BufMut, Bytes};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use thiserror::Error;

/// What any codec here has a layout for: 7.1.
const CHANNELS_MAX: u16 = 8;

/// The bytes before each payload.
pub const HEADER_BYTES: usize = 28;

/// The kind of message that carries a frame.
const KIND_FRAME: u8 = 1;

const FLAG_KEYFRAME: u16 = 1;
const FLAG_GAP: u16 = 2;

/// What stands before a frame's payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The number of its track in `tracks`.
    pub track: u8,
    /// Whether it decodes alone.
    pub keyframe: bool,
    /// Frames of its track were left out right before it.
    pub gap: bool,
    /// Its number among all frames.
    pub sequence: u32,
    /// Microseconds, 0 when unknown.
    pub duration: u32,
    /// Microseconds on the stream's timeline.
    pub timestamp: i64,
    /// Microseconds since 1970, 0 when unknown.
    pub captured: i64,
}

impl Header {
    /// Appends the header as it stands on the wire.
    pub fn put(&self, out: &mut Vec<u8>) {
        let keyframe = if self.keyframe { FLAG_KEYFRAME } else { 0 };
        let gap = if self.gap { FLAG_GAP } else { 0 };
        out.put_u8(KIND_FRAME);
        out.put_u8(self.track);
        out.put_u16(keyframe | gap);
        out.put_u32(self.sequence);
        out.put_u32(self.duration);
        out.put_i64(self.timestamp);
        out.put_i64(self.captured);
    }

    /// Takes a message apart. `None` when it is of a kind that is not known, and to be ignored.
    ///
    /// # Errors
    /// When it is too short to have a header.
    pub fn split(message: &Bytes) -> Result<Option<(Self, Bytes)>, MessageError> {
        let [kind, track, rest @ ..] = &message[..] else {
            return Err(MessageError::TooShort(message.len()));
        };
        if *kind != KIND_FRAME {
            return Ok(None);
        }
        let Some((fields, _)) = rest.split_first_chunk::<{ HEADER_BYTES - 2 }>() else {
            return Err(MessageError::TooShort(message.len()));
        };
        let [
            f0,
            f1,
            s0,
            s1,
            s2,
            s3,
            d0,
            d1,
            d2,
            d3,
            t0,
            t1,
            t2,
            t3,
            t4,
            t5,
            t6,
            t7,
            captured @ ..,
        ] = *fields;
        let flags = u16::from_be_bytes([f0, f1]);
        let header = Self {
            track: *track,
            keyframe: flags & FLAG_KEYFRAME != 0,
            gap: flags & FLAG_GAP != 0,
            sequence: u32::from_be_bytes([s0, s1, s2, s3]),
            duration: u32::from_be_bytes([d0, d1, d2, d3]),
            timestamp: i64::from_be_bytes([t0, t1, t2, t3, t4, t5, t6, t7]),
            captured: i64::from_be_bytes(captured),
        };
        Ok(Some((header, message.slice(HEADER_BYTES..))))
    }
}

/// Why a message of a publisher cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MessageError {
    /// A binary message without a whole header.
    #[error("a frame begins with a header of 28 bytes; this message has {0}")]
    TooShort(usize),
    /// `tracks` is not the JSON that it should be.
    #[error("tracks cannot be read: {0}")]
    Tracks(String),
    /// A track's description is no base64.
    #[error("description of track {0} is not base64")]
    Description(u8),
    /// A track's codec is unknown.
    #[error("codec {0:?} is not known")]
    Codec(String),
    /// Two tracks have the same number: their frames could not be told apart.
    #[error("two tracks have the number {0}")]
    Repeated(u8),
    /// Sound without samples.
    #[error("track {0} has a sampleRate of 0")]
    SampleRate(u8),
    /// No sound has so many channels.
    #[error("track {track} has {channels} channels, and sound has 1 to {CHANNELS_MAX}")]
    Channels {
        /// The number of the track.
        track: u8,
        /// What it says.
        channels: u16,
    },
    /// Which channel is which is told by the description alone.
    #[error("track {track} has {channels} channels, and more than two need a description")]
    Layout {
        /// The number of the track.
        track: u8,
        /// What it says.
        channels: u16,
    },
}

/// One track in `tracks`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TrackObject {
    track: u8,
    kind: Kind,
    codec: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    width: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    height: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sample_rate: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    channels: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Video,
    Audio,
}

#[derive(Serialize, Deserialize)]
struct TracksObject {
    #[serde(rename = "type", default)]
    kind: String,
    tracks: Vec<TrackObject>,
}

/// The number of a track on the wire: video is 0, sound is 1.
pub(crate) fn number(video: bool) -> u8 {
    u8::from(!video)
}

/// `tracks` as a viewer is told.
pub fn tracks_json(tracks: &[Track]) -> String {
    let tracks = tracks
        .iter()
        .map(|track| {
            let (mut width, mut height, mut sample_rate, mut channels) = (None, None, None, None);
            match track.kind {
                TrackKind::Video {
                    width: w,
                    height: h,
                } => (width, height) = (Some(w), Some(h)),
                TrackKind::Audio {
                    sample_rate: rate,
                    channels: count,
                } => (sample_rate, channels) = (Some(rate), Some(count)),
                TrackKind::Other => {}
            }
            TrackObject {
                track: number(track.is_video()),
                kind: if track.is_video() {
                    Kind::Video
                } else {
                    Kind::Audio
                },
                codec: track.codec_string.clone(),
                width,
                height,
                sample_rate,
                channels,
                description: described(track).then(|| STANDARD.encode_to_string(&track.config)),
            }
        })
        .collect();
    let object = TracksObject {
        kind: "tracks".to_owned(),
        tracks,
    };
    serde_json::to_string(&object).expect("plain fields serialize")
}

/// Whether WebCodecs wants the track's configuration. What it calls the description of AV1, VP9 and plain Opus is none.
fn described(track: &Track) -> bool {
    let wants = match &track.codec {
        Codec::H264 | Codec::Hevc | Codec::Aac => true,
        // An OpusHead is needed when there are more than two channels, and welcome otherwise.
        Codec::Opus => matches!(track.kind, TrackKind::Audio { channels, .. } if channels > 2),
        Codec::Vp8 | Codec::Vp9 | Codec::Av1 | Codec::Jpeg | Codec::Other(_) => false,
    };
    wants && !track.config.is_empty()
}

/// Reads `tracks` as a publisher says it. [`Track::id`] is the number that its frames carry.
///
/// # Errors
/// When it is not what it should be; names the first fault.
pub fn parse_tracks(json: &str) -> Result<Vec<Track>, MessageError> {
    let object: TracksObject =
        serde_json::from_str(json).map_err(|error| MessageError::Tracks(error.to_string()))?;
    let mut tracks: Vec<Track> = Vec::new();
    for object in &object.tracks {
        let track = parse_track(object)?;
        if tracks.iter().any(|known| known.id == track.id) {
            return Err(MessageError::Repeated(object.track));
        }
        tracks.push(track);
    }
    Ok(tracks)
}

fn parse_track(object: &TrackObject) -> Result<Track, MessageError> {
    let codec =
        codec_of(&object.codec).ok_or_else(|| MessageError::Codec(shortened(&object.codec)))?;
    let config = match &object.description {
        Some(text) => STANDARD
            .decode_to_vec(text.as_bytes())
            .map_err(|_| MessageError::Description(object.track))?,
        None => Vec::new(),
    };
    let kind = match object.kind {
        Kind::Video => TrackKind::Video {
            width: object.width.unwrap_or(0),
            height: object.height.unwrap_or(0),
        },
        Kind::Audio => sound(object)?,
    };
    Ok(Track {
        config: config.into(),
        ..Track::new(u64::from(object.track), codec, kind)
    })
}

/// What a sound track says of itself, if there can be such sound.
fn sound(object: &TrackObject) -> Result<TrackKind, MessageError> {
    let (track, channels) = (object.track, object.channels.unwrap_or(2));
    let sample_rate = object.sample_rate.unwrap_or(48_000);
    if sample_rate == 0 {
        return Err(MessageError::SampleRate(track));
    }
    if !(1..=CHANNELS_MAX).contains(&channels) {
        return Err(MessageError::Channels { track, channels });
    }
    if channels > 2 && object.description.is_none() {
        return Err(MessageError::Layout { track, channels });
    }
    Ok(TrackKind::Audio {
        sample_rate,
        channels,
    })
}

/// The codec that a WebCodecs string names.
fn codec_of(name: &str) -> Option<Codec> {
    let family = name.split('.').next().unwrap_or_default();
    Some(match family {
        "vp8" => Codec::Vp8,
        "vp9" | "vp09" => Codec::Vp9,
        "av01" => Codec::Av1,
        "avc1" | "avc3" => Codec::H264,
        "hvc1" | "hev1" => Codec::Hevc,
        "opus" => Codec::Opus,
        "mp4a" => Codec::Aac,
        "jpeg" => Codec::Jpeg,
        _ => return None,
    })
}

fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

/// Microseconds as the header counts them.
pub(crate) fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_as_it_was_written() {
        let header = Header {
            track: 7,
            keyframe: true,
            gap: true,
            sequence: 0xdead_beef,
            duration: 33_333,
            timestamp: -5,
            captured: 1_763_800_000_000_000,
        };
        let mut message = Vec::new();
        header.put(&mut message);
        assert_eq!(message.len(), HEADER_BYTES);
        assert_eq!(message[..4], [1, 7, 0, 3]);
        message.extend_from_slice(b"payload");
        let (read, payload) = Header::split(&message.into()).unwrap().unwrap();
        assert_eq!((read, &payload[..]), (header, &b"payload"[..]));
    }

    #[test]
    fn a_message_that_is_too_short_is_named_and_an_unknown_kind_is_ignored() {
        let short = |bytes: &'static [u8]| Header::split(&Bytes::from_static(bytes));
        assert_eq!(short(b""), Err(MessageError::TooShort(0)));
        assert_eq!(short(&[1; 27]), Err(MessageError::TooShort(27)));
        assert_eq!(short(&[2; 2]), Ok(None));
    }

    #[test]
    fn tracks_are_read_as_they_are_written() {
        let json = r#"{"type":"tracks","tracks":[{"track":3,"kind":"video","codec":"avc1.42E01F","width":640,"height":480,"more":1},
            {"track":4,"kind":"audio","codec":"opus","sampleRate":48000,"channels":2,"description":"T3B1cw=="}]}"#;
        let tracks = parse_tracks(json).unwrap();
        assert_eq!(
            (tracks[0].id, &tracks[0].codec, tracks[0].kind),
            (
                3,
                &Codec::H264,
                TrackKind::Video {
                    width: 640,
                    height: 480
                }
            )
        );
        assert_eq!(
            (&tracks[1].codec, &tracks[1].config[..]),
            (&Codec::Opus, &b"Opus"[..])
        );
        let again = parse_tracks(&tracks_json(&[Track {
            codec_string: "avc1.42E01F".to_owned(),
            ..tracks[0].clone()
        }]));
        assert_eq!(again.unwrap()[0].kind, tracks[0].kind);
    }

    #[test]
    fn what_is_wrong_with_tracks_is_named() {
        let of = |codec: &str, more: &str| {
            let track = format!(r#"{{"track":0,"kind":"video","codec":"{codec}"{more}}}"#);
            parse_tracks(&format!(r#"{{"tracks":[{track}]}}"#)).map(|_| ())
        };
        assert_eq!(of("vp8", ""), Ok(()));
        assert_eq!(
            of("theora", ""),
            Err(MessageError::Codec("theora".to_owned()))
        );
        assert_eq!(
            of("vp8", r#","description":"?""#),
            Err(MessageError::Description(0))
        );
        assert!(matches!(parse_tracks("{}"), Err(MessageError::Tracks(_))));
        let sound = |more: &str| {
            let track =
                format!(r#"{{"track":1,"kind":"audio","codec":"opus","channels":2{more}}}"#);
            let track = track.replace(r#""channels":2,"channels""#, r#""channels""#);
            let said = parse_tracks(&format!(r#"{{"tracks":[{track}]}}"#)).map(|_| ());
            said.map_err(|error| error.to_string())
        };
        assert_eq!(sound(""), Ok(()));
        assert_eq!(sound(r#","channels":6,"description":"T3B1cw==""#), Ok(()));
        for (more, words) in [
            (r#","sampleRate":0"#, "track 1 has a sampleRate of 0"),
            (
                r#","channels":0"#,
                "track 1 has 0 channels, and sound has 1 to 8",
            ),
            (
                r#","channels":999"#,
                "track 1 has 999 channels, and sound has 1 to 8",
            ),
            (
                r#","channels":6"#,
                "track 1 has 6 channels, and more than two need a description",
            ),
        ] {
            assert_eq!(sound(more), Err(words.to_owned()));
        }
        let twice = r#"{"track":3,"kind":"video","codec":"vp8"}"#;
        assert_eq!(
            parse_tracks(&format!(r#"{{"tracks":[{twice},{twice}]}}"#)),
            Err(MessageError::Repeated(3))
        );
    }
}
