//! WebM and Matroska, read as it comes: in chunks cut anywhere.
//!
//! [`Joinable`] keeps what a late viewer of a recording needs and leaves the chunks as they are.

mod join;

pub use join::{ChunkInfo, Joinable};

/// How much of a stream's bytes is ever kept or believed.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The init segment (EBML header, Segment header, Info, Tracks). A longer one is passed over as
    /// garbage: the stream then has no init segment and nobody can join it.
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
