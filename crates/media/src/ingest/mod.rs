//! What an ingest door is made of: a publisher's bytes, whatever they are, become one stream's
//! frames.
//!
//! Recognises the container by content, takes it apart, normalises each track and keeps one
//! timeline, also when the recorder is restarted. Knows nothing of where the bytes come from.
//!
//! Invariants: a track comes before its frames; after anything was lost, a video track goes on with
//! a keyframe; the same kind of track keeps its number, whatever order a recorder chooses.

mod timeline;

use std::time::Duration;

use bytes::{Bytes, BytesMut};

pub use timeline::Timeline;

use crate::codec::{CodecError, Normal, Normalizer};
use crate::demux::{Event, Init};
use crate::frame::{Codec, Frame, Track, TrackKind};
use crate::jpeg::multipart::{self, MultipartError};
use crate::jpeg::sequence::{self, SequenceError};
use crate::rest::Rest;
use crate::sniff::{Kind, sniff};
use crate::{mp4, webm};

/// How much of a publisher's bytes is ever kept or believed.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Of WebM and Matroska.
    pub webm: webm::Limits,
    /// Of fragmented MP4.
    pub mp4: mp4::Limits,
    /// One JPEG picture. A longer one is an error.
    pub picture_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            webm: webm::Limits::default(),
            mp4: mp4::Limits::default(),
            picture_bytes_max: 8 * 1024 * 1024,
        }
    }
}

/// Why a publisher's bytes cannot be taken any further.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IngestError {
    /// The first bytes are those of nothing that can be streamed.
    #[error("neither WebM, Matroska, fragmented MP4 nor JPEG")]
    Unrecognised,
    /// The first bytes are those of a picture that is no JPEG.
    #[error(
        "{0}, and pictures are streamed as JPEG: send them so (ffmpeg: -c:v mjpeg -f mjpeg), or one by one over Socket.IO"
    )]
    Picture(&'static str),
    /// Every track has a codec that cannot be passed on.
    #[error("no track can be passed on: {0}")]
    NoTrack(CodecError),
    /// The recording has no track.
    #[error("the recording announces no track")]
    Empty,
    /// The MP4 is broken, or of a kind that cannot be streamed.
    #[error(transparent)]
    Mp4(#[from] mp4::DemuxError),
    /// The multipart body is broken.
    #[error(transparent)]
    Multipart(#[from] MultipartError),
    /// The pictures are broken.
    #[error(transparent)]
    Sequence(#[from] SequenceError),
}

/// What comes out of an [`Ingest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ingested {
    /// A recording began that has these tracks. Each is described by [`Ingested::Track`] when that
    /// is possible, sound at once and video with its first keyframe; a track that is not among them
    /// is gone.
    Begun(Vec<u64>),
    /// A track as it is from its next frame on: a packager begins anew with it.
    Track(Track),
    /// A frame of a track that was described, in the stream's time.
    Frame(Frame),
    /// A track that cannot be passed on is left out.
    Refused(CodecError),
    /// A frame was broken. Its track goes on with its next keyframe.
    Broken(CodecError),
    /// So many bytes of garbage were passed over. Video goes on with the next keyframes.
    Skipped(u64),
}

/// One publisher's bytes, from the first to the last.
#[derive(Debug)]
pub struct Ingest {
    limits: Limits,
    source: Source,
    lanes: Vec<Lane>,
    timeline: Timeline,
    events: Vec<Event>,
    normals: Vec<Normal>,
    failed: Option<IngestError>,
}

#[derive(Debug)]
enum Source {
    /// The first bytes, too few to tell.
    Unknown(BytesMut),
    WebM(Box<webm::Demuxer>),
    Mp4(Box<mp4::Demuxer>),
    Multipart(Box<multipart::Demuxer>),
    Sequence(Box<sequence::Demuxer>),
}

/// One track of the recording.
#[derive(Debug)]
struct Lane {
    /// Its number in the recording.
    theirs: u64,
    /// Its number in the stream.
    ours: u64,
    video: bool,
    normalizer: Normalizer,
    /// Something was lost: nothing but a keyframe can be decoded.
    waits: bool,
}

impl Ingest {
    /// Takes what the bytes turn out to be: WebM, Matroska, fragmented MP4 or JPEG pictures in a row. A publisher that
    /// returns goes on in the timeline that it left ([`Ingest::into_timeline`]).
    #[must_use]
    pub fn new(limits: Limits, timeline: Timeline) -> Self {
        Self::from(Source::Unknown(BytesMut::new()), limits, timeline)
    }

    /// Takes a multipart body of JPEG pictures, with the boundary of its `Content-Type`.
    #[must_use]
    pub fn multipart(boundary: &str, limits: Limits, timeline: Timeline) -> Self {
        let demuxer = multipart::Demuxer::new(boundary, limits.picture_bytes_max);
        Self::from(Source::Multipart(Box::new(demuxer)), limits, timeline)
    }

    fn from(source: Source, limits: Limits, timeline: Timeline) -> Self {
        Self {
            limits,
            source,
            lanes: Vec::new(),
            timeline,
            events: Vec::new(),
            normals: Vec::new(),
            failed: None,
        }
    }

    /// Takes the next bytes, which came at `now` in the stream's time, and appends to `out` what
    /// they brought.
    ///
    /// # Errors
    ///
    /// When nothing more can be taken from this publisher. What was whole before is in `out`; from
    /// then on every call says the same.
    pub fn push(
        &mut self,
        chunk: Bytes,
        now: Duration,
        out: &mut Vec<Ingested>,
    ) -> Result<(), IngestError> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        let mut events = std::mem::take(&mut self.events);
        let read = self.read(chunk, now, &mut events);
        let mut taken = Ok(());
        for event in events.drain(..) {
            taken = self.take(event, now, out);
            if taken.is_err() {
                break;
            }
        }
        events.clear();
        self.events = events;
        taken
            .and(read)
            .inspect_err(|error| self.failed = Some(error.clone()))
    }

    /// How the publisher's bytes would stand if nothing followed. Once they failed, the error says all.
    #[must_use]
    pub fn rest(&self) -> Rest {
        match &self.source {
            _ if self.failed.is_some() => Rest::Nothing,
            Source::Unknown(first) => Rest::begun("a beginning", first.len()),
            Source::WebM(demuxer) => demuxer.rest(),
            Source::Mp4(demuxer) => demuxer.rest(),
            Source::Multipart(demuxer) => demuxer.rest(),
            Source::Sequence(demuxer) => demuxer.rest(),
        }
    }

    /// The timeline as it is now, for the publisher's return.
    #[must_use]
    pub fn into_timeline(self) -> Timeline {
        self.timeline
    }

    fn read(
        &mut self,
        mut chunk: Bytes,
        now: Duration,
        out: &mut Vec<Event>,
    ) -> Result<(), IngestError> {
        if let Source::Unknown(first) = &mut self.source {
            if !first.is_empty() {
                first.extend_from_slice(&chunk);
                chunk = first.split().freeze();
            }
            self.source = match sniff(&chunk) {
                Some(Kind::WebM) => {
                    Source::WebM(Box::new(webm::Demuxer::new(self.limits.webm.clone())))
                }
                Some(Kind::Mp4) => {
                    Source::Mp4(Box::new(mp4::Demuxer::new(self.limits.mp4.clone())))
                }
                None => Source::Unknown(BytesMut::from(&chunk[..])),
                Some(Kind::Jpeg) => {
                    let demuxer = sequence::Demuxer::new(self.limits.picture_bytes_max);
                    Source::Sequence(Box::new(demuxer))
                }
                Some(Kind::Png) => return Err(IngestError::Picture("PNG")),
                Some(Kind::WebP) => return Err(IngestError::Picture("WebP")),
                Some(Kind::Unknown) => return Err(IngestError::Unrecognised),
            };
        }
        match &mut self.source {
            Source::Unknown(_) => {}
            Source::WebM(demuxer) => demuxer.push(chunk, out),
            Source::Mp4(demuxer) => demuxer.push(chunk, out)?,
            Source::Multipart(demuxer) => demuxer.push(&chunk, now, out)?,
            Source::Sequence(demuxer) => demuxer.push(&chunk, now, out)?,
        }
        Ok(())
    }

    fn take(
        &mut self,
        event: Event,
        now: Duration,
        out: &mut Vec<Ingested>,
    ) -> Result<(), IngestError> {
        match event {
            Event::Init(init) => self.begin(&init, out),
            Event::Skipped(bytes) => {
                for lane in &mut self.lanes {
                    lane.waits |= lane.video;
                }
                out.push(Ingested::Skipped(bytes));
                Ok(())
            }
            Event::Frame(frame) => {
                self.frame(frame, now, out);
                Ok(())
            }
        }
    }

    fn begin(&mut self, init: &Init, out: &mut Vec<Ingested>) -> Result<(), IngestError> {
        self.timeline.recording_begins();
        self.lanes.clear();
        let mut refused = None;
        let mut numbers = Numbers::default();
        for track in init.tracks.iter() {
            let track = as_its_codec_says(track.clone());
            let (theirs, video, ours) = (track.id, track.is_video(), numbers.next(&track));
            match Normalizer::new(Track { id: ours, ..track }) {
                Ok(normalizer) => self.lanes.push(Lane {
                    theirs,
                    ours,
                    video,
                    normalizer,
                    waits: false,
                }),
                Err(why) => {
                    refused = Some(why.clone());
                    out.push(Ingested::Refused(why));
                }
            }
        }
        if self.lanes.is_empty() {
            return Err(refused.map_or(IngestError::Empty, IngestError::NoTrack));
        }
        out.push(Ingested::Begun(
            self.lanes.iter().map(|lane| lane.ours).collect(),
        ));
        // What is known of sound is known without a frame: nobody has to wait for the first.
        out.extend(
            self.lanes
                .iter_mut()
                .filter(|lane| !lane.video)
                .filter_map(|lane| lane.normalizer.announce())
                .map(Ingested::Track),
        );
        Ok(())
    }

    fn frame(&mut self, mut frame: Frame, now: Duration, out: &mut Vec<Ingested>) {
        let Some(lane) = self
            .lanes
            .iter_mut()
            .find(|lane| lane.theirs == frame.track)
        else {
            return;
        };
        frame.track = lane.ours;
        self.timeline.place(&mut frame, now);
        if let Err(broken) = lane.normalizer.push(frame, &mut self.normals) {
            lane.waits |= lane.video;
            out.push(Ingested::Broken(broken));
        }
        for normal in self.normals.drain(..) {
            match normal {
                Normal::Track(track) => out.push(Ingested::Track(track)),
                Normal::Frame(frame) => {
                    lane.waits &= !frame.keyframe;
                    if !lane.waits {
                        out.push(Ingested::Frame(frame));
                    }
                }
            }
        }
    }
}

/// Numbers tracks by what they are: the first video 1, the first audio 2, others from 3 on.
#[derive(Debug, Default)]
struct Numbers {
    video: bool,
    audio: bool,
    others: u64,
}

impl Numbers {
    fn next(&mut self, track: &Track) -> u64 {
        if track.is_video() && !std::mem::replace(&mut self.video, true) {
            1
        } else if track.is_audio() && !std::mem::replace(&mut self.audio, true) {
            2
        } else {
            self.others += 1;
            2 + self.others
        }
    }
}

/// A recording may say of pictures that they are something else: what they are is known by their codec, and who watches
/// waits for a keyframe of them.
fn as_its_codec_says(mut track: Track) -> Track {
    let is_of_pictures = match track.codec {
        Codec::Vp8 | Codec::Vp9 | Codec::Av1 | Codec::H264 | Codec::Hevc | Codec::Jpeg => true,
        Codec::Opus | Codec::Aac | Codec::Other(_) => false,
    };
    if is_of_pictures && !track.is_video() {
        track.kind = TrackKind::UNSIZED_VIDEO;
    }
    track
}

#[cfg(test)]
mod tests;
