//! Packages frames as a live WebM or Matroska stream: an init segment, then one Cluster a frame.
//!
//! Each Cluster is whole in itself and says how long its frame lasts, so that a viewer may begin at
//! any keyframe and a player shows a frame when it has it, not when the next one comes.
//!
//! Invariant: the times of a track's frames go on, whatever they are stamped with, unless its codec may show them in
//! another order than they are decoded in.

use std::time::Duration;

use bytes::Bytes;

use super::ebml::{UNKNOWN_SIZE, id, put_element, put_id, put_size, put_uint};
use crate::frame::{Codec, Frame, Track, TrackKind};
use crate::package::{Pace, PackageError, Packet};

/// Writes one stream.
#[derive(Debug)]
pub struct Muxer {
    init_segment: Bytes,
    tracks: Vec<Lane>,
}

/// What a stream promises to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocType {
    /// VP8, VP9, AV1 and Opus: what browsers play.
    WebM,
    /// Any codec that this server knows.
    Matroska,
}

/// One track of the stream.
#[derive(Debug)]
struct Lane {
    id: u64,
    number: u64,
    pace: Pace,
    /// Frames are shown in the order in which they come.
    in_order: bool,
    /// Ticks of the frame before.
    before: Option<u64>,
}

impl Muxer {
    /// A stream of these tracks, which are as [`crate::codec::Normalizer`] gives them.
    ///
    /// # Errors
    ///
    /// When there is no track, or one whose codec cannot travel in this kind of stream.
    pub fn new(tracks: &[Track], doc_type: DocType) -> Result<Self, PackageError> {
        let container = doc_type.name();
        let mut entries = Vec::new();
        let mut lanes = Vec::new();
        for (track, number) in tracks.iter().zip(1..) {
            let unfit = || PackageError::CodecUnfit {
                container,
                codec: track.codec.clone(),
            };
            let codec_id = codec_id(&track.codec, doc_type).ok_or_else(unfit)?;
            put_element(
                &mut entries,
                id::TRACK_ENTRY,
                &entry(track, number, codec_id),
            );
            lanes.push(Lane {
                id: track.id,
                number,
                pace: Pace::new(track),
                in_order: !matches!(track.codec, Codec::H264 | Codec::Hevc | Codec::Other(_)),
                before: None,
            });
        }
        if lanes.is_empty() {
            return Err(PackageError::NoTrack);
        }
        let init_segment = init_segment(doc_type, &entries);
        Ok(Self {
            init_segment,
            tracks: lanes,
        })
    }

    /// Goes on where another muxer of the same stream was: the times of its tracks are not before those that were written.
    pub fn follow(&mut self, other: &Self) {
        for lane in &mut self.tracks {
            if let Some(before) = other.tracks.iter().find(|before| before.id == lane.id) {
                lane.pace.follow(&before.pace);
                lane.before = before.before;
            }
        }
    }

    /// What every viewer gets first.
    #[must_use]
    pub fn init_segment(&self) -> Bytes {
        self.init_segment.clone()
    }

    /// Packages a frame. `None` when its track is not in this stream, or its payload would not fit
    /// into an element (256 MB).
    pub fn write(&mut self, frame: &Frame) -> Option<Packet> {
        let lane = self.tracks.iter_mut().find(|lane| lane.id == frame.track)?;
        let place = lane.pace.place(frame);
        // Matroska has no decoding times. Continuous sound is placed, pictures are shown as stamped.
        let shown = if frame.decode_timestamp.is_some() {
            frame.timestamp
        } else {
            place.decode
        };
        let stamped = ticks(shown);
        // The end is rounded, not the length: so no error adds up.
        let lasts = ticks(shown.saturating_add(place.duration))
            .saturating_sub(stamped)
            .max(1);
        let next = lane.before.filter(|_| lane.in_order);
        let at = next.map_or(stamped, |before| stamped.max(before.saturating_add(1)));
        let before = lane.before.replace(at);

        let mut head = Vec::with_capacity(HEAD_BYTES);
        put_id(&mut head, id::CLUSTER);
        let cluster = put_size_to_come(&mut head);
        put_uint(&mut head, id::TIMESTAMP, at);
        put_id(&mut head, id::BLOCK_GROUP);
        let group = put_size_to_come(&mut head);
        put_uint(&mut head, id::BLOCK_DURATION, lasts);
        if !frame.keyframe {
            put_element(
                &mut head,
                id::REFERENCE_BLOCK,
                &reference(at, before).to_be_bytes(),
            );
        }
        put_id(&mut head, id::BLOCK);
        let block = put_size_to_come(&mut head);
        put_size(&mut head, lane.number);
        // No time apart from the Cluster's, no flags.
        head.extend_from_slice(&[0, 0, 0]);
        for begin in [cluster, group, block] {
            let size = u32::try_from(head.len() - begin + frame.payload.len()).ok()?;
            let marked = size
                .checked_add(SIZE_MARK)
                .filter(|marked| *marked < 2 * SIZE_MARK)?;
            head[begin - SIZE_BYTES..begin].copy_from_slice(&marked.to_be_bytes());
        }
        Some(Packet {
            head: head.into(),
            payload: frame.payload.clone(),
        })
    }
}

/// No head is longer: it is allocated once.
const HEAD_BYTES: usize = 80;

/// Leaves room for a size, and says where its element's body begins.
fn put_size_to_come(out: &mut Vec<u8>) -> usize {
    out.extend_from_slice(&[0; SIZE_BYTES]);
    out.len()
}

const SIZE_BYTES: usize = 4;
/// The marker bit of a size of four bytes.
const SIZE_MARK: u32 = 0x1000_0000;

impl DocType {
    const fn name(self) -> &'static str {
        match self {
            Self::WebM => "webm",
            Self::Matroska => "matroska",
        }
    }
}

/// How far back the frame is that this one needs: never 0, which would be itself.
fn reference(at: u64, before: Option<u64>) -> i16 {
    let back = before.map_or(1, |before| at.saturating_sub(before)).max(1);
    -i16::try_from(back).unwrap_or(i16::MAX)
}

/// Milliseconds, rounded.
fn ticks(time: Duration) -> u64 {
    u64::try_from((time.as_micros() + 500) / 1000).unwrap_or(u64::MAX)
}

fn codec_id(codec: &Codec, doc_type: DocType) -> Option<&'static str> {
    match (codec, doc_type) {
        (Codec::Vp8, _) => Some("V_VP8"),
        (Codec::Vp9, _) => Some("V_VP9"),
        (Codec::Av1, _) => Some("V_AV1"),
        (Codec::Opus, _) => Some("A_OPUS"),
        (Codec::H264, DocType::Matroska) => Some("V_MPEG4/ISO/AVC"),
        (Codec::Hevc, DocType::Matroska) => Some("V_MPEGH/ISO/HEVC"),
        (Codec::Aac, DocType::Matroska) => Some("A_AAC"),
        (Codec::Jpeg, DocType::Matroska) => Some("V_MJPEG"),
        (Codec::H264 | Codec::Hevc | Codec::Aac | Codec::Jpeg, DocType::WebM)
        | (Codec::Other(_), _) => None,
    }
}

fn init_segment(doc_type: DocType, entries: &[u8]) -> Bytes {
    let mut header = Vec::new();
    put_uint(&mut header, id::EBML_VERSION, 1);
    put_uint(&mut header, id::EBML_READ_VERSION, 1);
    put_uint(&mut header, id::EBML_MAX_ID_LENGTH, 4);
    put_uint(&mut header, id::EBML_MAX_SIZE_LENGTH, 8);
    put_element(&mut header, id::DOC_TYPE, doc_type.name().as_bytes());
    put_uint(&mut header, id::DOC_TYPE_VERSION, 4);
    put_uint(&mut header, id::DOC_TYPE_READ_VERSION, 2);

    let mut info = Vec::new();
    put_uint(&mut info, id::TIMESTAMP_SCALE, 1_000_000);
    put_element(&mut info, id::MUXING_APP, b"abanico");
    put_element(&mut info, id::WRITING_APP, b"abanico");

    let mut out = Vec::new();
    put_element(&mut out, id::EBML, &header);
    put_id(&mut out, id::SEGMENT);
    out.extend_from_slice(&UNKNOWN_SIZE);
    put_element(&mut out, id::INFO, &info);
    put_element(&mut out, id::TRACKS, entries);
    out.into()
}

fn entry(track: &Track, number: u64, codec_id: &str) -> Vec<u8> {
    let mut out = Vec::new();
    put_uint(&mut out, id::TRACK_NUMBER, number);
    put_uint(&mut out, id::TRACK_UID, number);
    put_uint(&mut out, id::FLAG_LACING, 0);
    put_element(&mut out, id::CODEC_ID, codec_id.as_bytes());
    // What Matroska calls VP9's configuration is another thing than MP4's, and not needed.
    if !track.config.is_empty() && !matches!(track.codec, Codec::Vp8 | Codec::Vp9) {
        put_element(&mut out, id::CODEC_PRIVATE, &track.config);
    }
    if let Some(duration) = track.frame_duration {
        put_uint(
            &mut out,
            id::DEFAULT_DURATION,
            u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX),
        );
    }
    match track.kind {
        TrackKind::Video { width, height } => {
            put_uint(&mut out, id::TRACK_TYPE, 1);
            let mut video = Vec::new();
            put_uint(&mut video, id::PIXEL_WIDTH, u64::from(width));
            put_uint(&mut video, id::PIXEL_HEIGHT, u64::from(height));
            put_element(&mut out, id::VIDEO, &video);
        }
        TrackKind::Audio {
            sample_rate,
            channels,
        } => {
            put_uint(&mut out, id::TRACK_TYPE, 2);
            if track.codec == Codec::Opus {
                put_uint(&mut out, id::SEEK_PRE_ROLL, OPUS_PRE_ROLL_NANOS);
            }
            let mut audio = Vec::new();
            put_element(
                &mut audio,
                id::SAMPLING_FREQUENCY,
                &f64::from(sample_rate).to_be_bytes(),
            );
            put_uint(&mut audio, id::CHANNELS, u64::from(channels));
            put_element(&mut out, id::AUDIO, &audio);
        }
        TrackKind::Other => {}
    }
    out
}

/// An Opus decoder needs 80 ms until it sounds right (RFC 7845, section 4.6).
const OPUS_PRE_ROLL_NANOS: u64 = 80_000_000;
