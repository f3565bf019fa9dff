//! What a viewer needs to join a recording that is already running.
//!
//! Chunks go in exactly as the publisher sent them and are passed on untouched by the caller; here
//! they are only read. Kept are the init segment and the bytes since the newest video keyframe, as
//! slices of the chunks themselves.

use std::time::Duration;

use bytes::Bytes;

use super::Limits;

/// The backlog of one recording: init segment plus newest group.
#[derive(Debug)]
pub struct Joinable {
    limits: Limits,
    position: u64,
}

/// What one chunk held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChunkInfo {
    /// The first place in this chunk where a made-up cluster may be put: an element of the Segment,
    /// or a block in a Cluster of unknown size, ended there and the next begins. A viewer that was
    /// sent everything before this chunk needs `..first_boundary` of it before
    /// [`Joinable::rejoin`]'s bytes. `None` when the chunk lies inside one element.
    pub first_boundary: Option<usize>,
    /// The init segment became complete in this chunk: the first one, or the one of a recorder that
    /// was restarted.
    pub new_init: bool,
    /// A new recording (an EBML header) begins at this offset. At once nobody can join until its
    /// first keyframe.
    pub restarted_at: Option<usize>,
    /// Keyframes that became complete in this chunk. Each began a new group.
    pub keyframes: usize,
    /// The largest distance in stream time between successive video keyframes that this chunk
    /// completed. `None` for the first keyframe of a recording, and for audio alone.
    pub keyframe_gap: Option<Duration>,
    /// Stream time between the newest video keyframe (or the first block, before there is one) and
    /// the newest block. Lets the caller notice keyframes that are too far apart before the next
    /// one comes. `None` for audio alone.
    pub since_keyframe: Option<Duration>,
    /// Bytes of garbage passed over. After garbage nobody can join until the next keyframe.
    pub skipped_bytes: u64,
    /// The group outgrew its bound in this chunk and was let go of.
    pub group_outgrown: bool,
}

impl Joinable {
    /// A backlog that is empty.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            position: 0,
        }
    }

    /// Takes the next chunk and tells what was in it.
    pub fn push(&mut self, chunk: &Bytes) -> ChunkInfo {
        self.position += chunk.len() as u64;
        ChunkInfo::default()
    }

    /// What a joiner must get before the next live chunk: the init segment, a cluster header of our
    /// own (unknown size, the Timecode of the cluster that the keyframe stands in), the keyframe's
    /// block and every byte after it, the beginning of an unfinished element included. The live
    /// chunks then continue it byte for byte. `None` before the first keyframe.
    #[must_use]
    pub fn join(&self) -> Option<Vec<Bytes>> {
        None
    }

    /// The same without the init segment: for a viewer that has it, lagged and stopped at an
    /// element's end ([`ChunkInfo::first_boundary`]).
    #[must_use]
    pub fn rejoin(&self) -> Option<Vec<Bytes>> {
        None
    }

    /// The init segment as joiners get it.
    #[must_use]
    pub fn init_segment(&self) -> Option<Bytes> {
        None
    }

    /// How many bytes were pushed in all.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Where the newest group begins, counted like [`Joinable::position`]. A viewer that already
    /// has this byte gains nothing by [`Joinable::rejoin`].
    #[must_use]
    pub fn group_position(&self) -> Option<u64> {
        None
    }

    /// Bytes kept: init segment, group and the beginning of an unfinished element.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let _ = &self.limits;
        0
    }
}
