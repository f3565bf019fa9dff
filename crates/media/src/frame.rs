//! The one model that every ingest becomes and every egress is made from: tracks of frames.
//!
//! Plain data. Who made it (a WebM demuxer, an MP4 demuxer, a browser's encoder) does not show.

use std::time::Duration;

use bytes::Bytes;

/// One encoded audio or video within a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    /// The number that [`Frame::track`] refers to. Unique within the stream.
    pub id: u64,
    /// What the frames are encoded with.
    pub codec: Codec,
    /// Video or audio, with what a player needs to know of it.
    pub kind: TrackKind,
    /// What a decoder needs before the first frame: the body of `avcC`, `hvcC`, `av1C` or `vpcC`,
    /// an `OpusHead`, an `AudioSpecificConfig`. Empty when the codec needs none, or as long as
    /// nobody brought it: [`crate::codec::Normalizer`] then makes it from the frames.
    pub config: Bytes,
    /// The codec as RFC 6381 writes it, which is what a browser asks for (`vp09.00.30.08`). Empty
    /// until [`crate::codec::Normalizer`] knows it.
    pub codec_string: String,
    /// How long one frame lasts, where the container says so for the whole track.
    pub frame_duration: Option<Duration>,
}

impl Track {
    /// A track of which nothing more is known as yet: no configuration, no codec string, no duration of a frame.
    #[must_use]
    pub const fn new(id: u64, codec: Codec, kind: TrackKind) -> Self {
        Self {
            id,
            codec,
            kind,
            config: Bytes::new(),
            codec_string: String::new(),
            frame_duration: None,
        }
    }

    /// Whether this is a video track.
    #[must_use]
    pub const fn is_video(&self) -> bool {
        matches!(self.kind, TrackKind::Video { .. })
    }

    /// Whether this is an audio track.
    #[must_use]
    pub const fn is_audio(&self) -> bool {
        matches!(self.kind, TrackKind::Audio { .. })
    }
}

/// What a track carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrackKind {
    /// Pictures, with their size in pixels (0 where the container does not say).
    Video {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// Sound.
    Audio {
        /// Samples a second.
        sample_rate: u32,
        /// Number of channels.
        channels: u16,
    },
    /// Anything else (subtitles, data). Passed along, never a reason to join.
    Other,
}

impl TrackKind {
    /// Pictures of a size that nobody has said.
    pub const UNSIZED_VIDEO: Self = Self::Video {
        width: 0,
        height: 0,
    };
}

/// How a track's frames are encoded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// VP8 video.
    Vp8,
    /// VP9 video.
    Vp9,
    /// AV1 video.
    Av1,
    /// H.264 video.
    H264,
    /// H.265 video.
    Hevc,
    /// Opus audio.
    Opus,
    /// AAC audio.
    Aac,
    /// JPEG pictures.
    Jpeg,
    /// A codec that this server does not know, by its container's name for it.
    Other(String),
}

/// One encoded unit: the smallest thing that is forwarded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The [`Track::id`] it belongs to.
    pub track: u64,
    /// When it is shown or heard, since the stream's own zero.
    pub timestamp: Duration,
    /// When it is decoded, where the container says so and it is not when it is shown.
    pub decode_timestamp: Option<Duration>,
    /// How long it lasts, where known.
    pub duration: Option<Duration>,
    /// Whether it decodes alone. True for every frame of most audio codecs.
    pub keyframe: bool,
    /// The encoded bytes.
    pub payload: Bytes,
}
