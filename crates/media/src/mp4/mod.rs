//! Fragmented MP4 (CMAF): what Safari records and what MediaSource plays everywhere.
//!
//! [`Muxer`] makes a live stream of frames, one fragment each. Boxes that are written once are
//! shiguredo_mp4's; those of every frame are written here.

mod entry;
mod mux;

pub use mux::Muxer;
