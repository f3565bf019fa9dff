//! Brings what publishers send into the one form that every packager takes.
//!
//! Containers differ in what they say of a codec: a browser's Matroska has H.264 as Annex B without
//! a configuration, WebM says nothing of VP9's profile, AV1 comes with temporal delimiters. Behind
//! a [`Normalizer`] each track has its configuration and its codec string, and each frame is what
//! MP4, Matroska and WebCodecs (with a description) carry alike.
//!
//! Invariant: no frame comes out before its track did, and none that a decoder could not begin
//! with comes out first.

mod av1;
mod nal;
mod vpx;

pub mod aac;
pub mod opus;

pub(crate) use nal::{decode_box, encode_box};

use bytes::Bytes;
use shiguredo_mp4::boxes::{AvccBox, HvccBox};

use crate::frame::{Codec, Frame, Track, TrackKind};
use crate::jpeg;

/// Why a track or a frame cannot be taken. Names what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The codec is none of those that this server passes on.
    #[error("codec {0} is not supported")]
    Unsupported(String),
    /// The track's configuration is missing, and frames of this codec do not bring it.
    #[error("{0:?} track without its configuration")]
    ConfigMissing(Codec),
    /// The track's configuration is broken.
    #[error("broken {codec:?} configuration: {reason}")]
    ConfigBroken {
        /// The track's codec.
        codec: Codec,
        /// What is wrong with it.
        reason: String,
    },
    /// A frame is broken. The ones after it may be whole: go on at the next keyframe.
    #[error("broken {codec:?} frame: {reason}")]
    FrameBroken {
        /// The track's codec.
        codec: Codec,
        /// What is wrong with it.
        reason: String,
    },
}

impl CodecError {
    /// Whether it is a frame of sound that is broken: pictures do not need it.
    #[must_use]
    pub const fn is_of_sound(&self) -> bool {
        let Self::FrameBroken { codec, .. } = self else {
            return false;
        };
        matches!(codec, Codec::Opus | Codec::Aac)
    }
}

/// What comes out of a [`Normalizer`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Normal {
    /// The track as it is from the next frame on. A packager begins anew with it: new init segment.
    Track(Track),
    /// A frame in its normal form.
    Frame(Frame),
}

/// Normalises the frames of one track.
#[derive(Debug)]
pub struct Normalizer {
    track: Track,
    form: Form,
    announced: bool,
}

/// How the payloads come, and so what is to be done with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// As they are.
    Plain,
    Vp8,
    Vp9,
    Av1,
    Jpeg,
    Opus,
    /// H.264 or H.265 with start codes, parameter sets in the stream.
    AnnexB,
}

impl Normalizer {
    /// Takes a track as its container describes it.
    ///
    /// # Errors
    ///
    /// When the codec is not supported, or its configuration is missing or broken.
    pub fn new(mut track: Track) -> Result<Self, CodecError> {
        let broken = |codec: &Codec, error: &dyn std::fmt::Display| CodecError::ConfigBroken {
            codec: codec.clone(),
            reason: error.to_string(),
        };
        let form = match track.codec {
            Codec::Vp8 => {
                track.config = Bytes::new();
                "vp8".clone_into(&mut track.codec_string);
                Form::Vp8
            }
            Codec::Vp9 => {
                // WebM's configuration of VP9 is another than MP4's, and optional: the frames say
                // the same.
                track.config = Bytes::new();
                Form::Vp9
            }
            Codec::Av1 => {
                // Browsers write it without the sequence header: then it comes with a keyframe.
                match av1::configured(&track.config) {
                    Some(found) => found.put_into(&mut track),
                    None => track.config = Bytes::new(),
                }
                Form::Av1
            }
            Codec::H264 | Codec::Hevc if track.config.is_empty() => Form::AnnexB,
            Codec::H264 => {
                let avcc: AvccBox = nal::decode_box(b"avcC", &track.config)
                    .map_err(|e| broken(&track.codec, &e))?;
                track.codec_string = nal::avc_string(&avcc);
                let lengths = avcc.length_size_minus_one.get() + 1;
                nal::only_four(lengths).map_err(|e| broken(&track.codec, &e))?;
                Form::Plain
            }
            Codec::Hevc => {
                let hvcc: HvccBox = nal::decode_box(b"hvcC", &track.config)
                    .map_err(|e| broken(&track.codec, &e))?;
                let lengths = hvcc.length_size_minus_one.get() + 1;
                track.codec_string = nal::hevc_string(hvcc);
                nal::only_four(lengths).map_err(|e| broken(&track.codec, &e))?;
                Form::Plain
            }
            Codec::Opus => {
                if track.config.is_empty() {
                    track.config = opus::head(&track);
                }
                "opus".clone_into(&mut track.codec_string);
                match track.kind {
                    TrackKind::Audio { channels, .. } if channels > 2 => Form::Plain,
                    _ => Form::Opus,
                }
            }
            Codec::Aac => {
                let Some(first) = track.config.first() else {
                    return Err(CodecError::ConfigMissing(Codec::Aac));
                };
                track.codec_string = format!("mp4a.40.{}", first >> 3);
                Form::Plain
            }
            Codec::Jpeg => {
                "jpeg".clone_into(&mut track.codec_string);
                Form::Jpeg
            }
            Codec::Other(name) => return Err(CodecError::Unsupported(name)),
        };
        Ok(Self {
            track,
            form,
            announced: false,
        })
    }

    /// The track, once all is known of it.
    #[must_use]
    pub fn track(&self) -> Option<&Track> {
        self.announced.then_some(&self.track)
    }

    /// The track, if all is known of it before its first frame and it was not announced yet: it is
    /// then announced. Of sound that is so, where the container describes it.
    pub fn announce(&mut self) -> Option<Track> {
        let known = self.track.is_audio() && !self.track.codec_string.is_empty();
        if self.announced || !known {
            return None;
        }
        self.announced = true;
        Some(self.track.clone())
    }

    /// Takes the track's next frame and appends to `out` what comes of it: nothing, as long as no
    /// decoder could begin.
    ///
    /// # Errors
    ///
    /// When the frame is broken. It is dropped; the next ones can still be taken.
    pub fn push(&mut self, mut frame: Frame, out: &mut Vec<Normal>) -> Result<(), CodecError> {
        let found = self
            .normalise(&mut frame)
            .map_err(|reason| CodecError::FrameBroken {
                codec: self.track.codec.clone(),
                reason,
            })?;
        if let Some(found) = found
            && (found != Found::of(&self.track) || !self.announced)
        {
            found.put_into(&mut self.track);
            self.announced = false;
        }
        if !self.announced {
            let complete = !self.track.codec_string.is_empty();
            if !complete || !frame.keyframe {
                return Ok(());
            }
            self.announced = true;
            out.push(Normal::Track(self.track.clone()));
        }
        if !frame.payload.is_empty() {
            out.push(Normal::Frame(frame));
        }
        Ok(())
    }

    /// Brings one frame into its normal form, and tells what it says of the track, if anything.
    fn normalise(&self, frame: &mut Frame) -> Result<Option<Found>, String> {
        match self.form {
            Form::Plain => Ok(None),
            // Silence may be sent as nothing at all.
            Form::Opus if frame.payload.is_empty() => Ok(None),
            Form::Opus => match opus::fault(&frame.payload) {
                None => Ok(None),
                Some(fault) => Err(fault.to_owned()),
            },
            Form::Vp8 => vpx::vp8(frame),
            Form::Vp9 => vpx::vp9(frame),
            Form::Av1 => av1::normalise(frame),
            Form::AnnexB if self.track.codec == Codec::H264 => nal::avc(frame),
            Form::AnnexB => nal::hevc(frame),
            Form::Jpeg => {
                let size = jpeg::dimensions(&frame.payload).ok_or("no JPEG picture")?;
                frame.keyframe = true;
                Ok(Some(Found {
                    config: Bytes::new(),
                    codec_string: "jpeg".to_owned(),
                    width: u32::from(size.width),
                    height: u32::from(size.height),
                }))
            }
        }
    }
}

/// What a keyframe says of its track.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Found {
    config: Bytes,
    codec_string: String,
    width: u32,
    height: u32,
}

impl Found {
    fn of(track: &Track) -> Self {
        let (width, height) = match track.kind {
            TrackKind::Video { width, height } => (width, height),
            TrackKind::Audio { .. } | TrackKind::Other => (0, 0),
        };
        let (config, codec_string) = (track.config.clone(), track.codec_string.clone());
        Self {
            config,
            codec_string,
            width,
            height,
        }
    }

    fn put_into(self, track: &mut Track) {
        track.config = self.config;
        track.codec_string = self.codec_string;
        track.kind = TrackKind::Video {
            width: self.width,
            height: self.height,
        };
    }
}

#[cfg(test)]
mod tests;
