//! WebM and Matroska, read as it comes: in chunks cut anywhere.
//!
//! [`Demuxer`] makes frames of a recording, [`Muxer`] a live stream of frames. [`Joinable`] keeps
//! what a late viewer of a recording needs and leaves the chunks as they are.

mod join;

mod demux;
mod mux;

mod block;
mod tracks;

mod ebml;
mod resync;
mod walk;

pub use crate::join::{ChunkInfo, Restart};
pub use demux::Demuxer;
pub use join::Joinable;
pub use mux::{DocType, Muxer};

/// How much of a stream's bytes is ever kept or believed.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Info and Tracks, each. A longer one is passed over as garbage: the recording then has no
    /// init segment, its blocks are skipped and nobody can join it.
    pub init_bytes_max: usize,
    /// What is kept of one group, counted with a small charge for each chunk. A group that outgrows
    /// it is let go of: no viewer can join until the next keyframe
    /// ([`ChunkInfo::group_outgrown`] says when that happens).
    pub group_bytes_max: usize,
    /// One block, or any other element that is not taken apart. An element that claims to be
    /// longer is garbage: the reader looks for the next Cluster or EBML header.
    pub element_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            init_bytes_max: 256 * 1024,
            group_bytes_max: 16 * 1024 * 1024,
            element_bytes_max: 8 * 1024 * 1024,
        }
    }
}

#[cfg(test)]
mod tests;
