//! Fragmented MP4 (CMAF): what Safari records and what MediaSource plays everywhere.
//!
//! [`Demuxer`] makes frames of a recording, [`Muxer`] a live stream of frames, one fragment each.
//! [`Joinable`] keeps what a late viewer of a recording needs and leaves the chunks as they are.
//! Boxes that are read or written once are shiguredo_mp4's; those of every frame are done here.

mod demux;
mod join;
mod mux;

mod entry;
mod fragment;
mod movie;
mod order;

pub use demux::Demuxer;
pub use join::Joinable;
pub use mux::Muxer;

/// How much of a stream's bytes is ever kept or believed. Whatever is longer is an error.
#[derive(Clone, Debug)]
pub struct Limits {
    /// `moov`.
    pub init_bytes_max: usize,
    /// `moof`.
    pub fragment_header_bytes_max: usize,
    /// One frame.
    pub frame_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            init_bytes_max: 256 * 1024,
            fragment_header_bytes_max: 1024 * 1024,
            frame_bytes_max: 8 * 1024 * 1024,
        }
    }
}

/// Why a stream cannot be read on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DemuxError {
    /// The bytes are no MP4, or something was lost between two boxes.
    #[error("no MP4 box begins where one should")]
    NotMp4,
    /// A box is longer than it may be.
    #[error("{kind} box of {size} bytes is longer than {max}")]
    BoxTooLarge {
        /// The box's type.
        kind: String,
        /// What it claims.
        size: u64,
        /// What is allowed.
        max: usize,
    },
    /// A box is not what it should be.
    #[error("broken {kind} box: {reason}")]
    BoxBroken {
        /// The box's type.
        kind: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A recording that is meant to be read as a file: it says where all its frames are.
    #[error(
        "MP4 is not fragmented: write it with empty_moov and frag_keyframe or frag_every_frame"
    )]
    NotFragmented,
    /// A fragment without what is needed to read it.
    #[error("moof before moov")]
    NoInit,
}

#[cfg(test)]
mod tests;
