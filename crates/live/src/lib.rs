//! The frames of one stream, from any ingest door to any egress format.
//!
//! A [`Channel`] is the media of one stream: whoever publishes opens a [`source`] in it and pushes bytes, pictures or
//! encoded frames; whoever watches asks for a [`Format`] and is given packets that are ready for its wire. Frames are
//! packaged once for each format, and only while somebody watches that format.
//!
//! Knows no socket and no protocol's session. Invariants: a viewer is given nothing before the init packet and a
//! keyframe; what a publisher breaks costs viewers nothing that was whole; what is held for a viewer that does not read
//! is a number.

mod channel;
mod clock;
mod group;
mod keyframes;
mod layer;
mod packager;
mod packet;
mod pool;
mod unpacked;

pub mod native;
pub mod source;
pub mod watching;

pub use channel::Channel;
pub use keyframes::{Share, Wish, Wisher};
pub use layer::Layer;
pub use packager::{Format, MJPEG_BOUNDARY, Unsuitable};
pub use packet::{Content, Packet};
pub use pool::{Bounds, Pool};
pub use source::{Encoder, Fault, Source, SourceError, Taken};
pub use watching::{Item, Watching};

#[cfg(test)]
mod tests;
