//! What every demuxer says, whatever the container.

use std::sync::Arc;

use bytes::Bytes;

use crate::frame::{Frame, Track};

/// One thing that became known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A recording began: the first, or that of a recorder which was restarted.
    Init(Init),
    /// A frame, in the order of the recording.
    Frame(Frame),
    /// So many bytes meant nothing and were passed over: garbage, or a frame of a track that the
    /// recording did not announce. Frames may be missing; decoding goes on at the next keyframe.
    Skipped(u64),
}

/// What a recording says before its first frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Init {
    /// The tracks, in the order of the recording, which means nothing.
    pub tracks: Arc<[Track]>,
    /// The bytes that a player needs before any frame, and nothing else. Of WebM: EBML header, a
    /// Segment header of unknown size, Info and Tracks. Of MP4: `ftyp` and `moov`.
    pub segment: Bytes,
}
