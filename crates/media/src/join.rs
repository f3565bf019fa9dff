//! What the recordings that one can join in the middle have in common, whatever their container.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

/// What one chunk held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChunkInfo {
    /// The first place in this chunk where a made-up cluster may be put: an element of the Segment,
    /// or a block in a Cluster of unknown size, ended there; of MP4, a fragment. A viewer that was sent everything
    /// before this chunk needs `..first_boundary` of it before [`crate::webm::Joinable::rejoin`]'s bytes. `None`
    /// when the chunk lies inside one element (or one Cluster of known size).
    pub first_boundary: Option<usize>,
    /// The init segment became complete in this chunk: the first one, or the one of a recorder that
    /// was restarted.
    pub new_init: bool,
    /// A recording began in this chunk. Nobody can join until its first keyframe.
    pub restarted: Option<Restart>,
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
    /// The chunk ends in garbage, of which nobody knows yet how long it is.
    pub ends_in_garbage: bool,
    /// The group outgrew its bound in this chunk and was let go of: nobody can join until the next
    /// keyframe.
    pub group_outgrown: bool,
}

/// Where a recording began, the first one included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restart {
    /// Offset of its first byte in this chunk; 0 when that was in an earlier chunk.
    pub offset: usize,
    /// The recording before it ended in the middle of an element: a MediaSource needs `abort()`
    /// before it can be given the new one.
    pub cut_short: bool,
}

/// The newest bytes of a recording, as the slices of chunks they came in.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) pieces: VecDeque<Bytes>,
    /// Position of the first byte held.
    pub(crate) start: u64,
    /// Position after the last byte held.
    pub(crate) end: u64,
    /// Their bytes, and [`PIECE_COST`] for each piece.
    pub(crate) cost: usize,
}

/// What keeping one more chunk costs beside its bytes, so that many tiny chunks are bounded too.
const PIECE_COST: usize = 128;

impl Held {
    pub(crate) fn push(&mut self, chunk: Bytes) {
        self.end += chunk.len() as u64;
        self.cost += chunk.len() + PIECE_COST;
        self.pieces.push_back(chunk);
    }

    pub(crate) fn drop_before(&mut self, position: u64) {
        while self.start < position
            && let Some(first) = self.pieces.front_mut()
        {
            let gone = usize::try_from(position - self.start).unwrap_or(usize::MAX);
            if gone >= first.len() {
                self.start += first.len() as u64;
                self.cost -= first.len() + PIECE_COST;
                self.pieces.pop_front();
            } else {
                self.start += gone as u64;
                self.cost -= gone;
                *first = first.slice(gone..);
            }
        }
    }
}
