//! Simulcast: the qualities of a stream's picture that its publisher sends at the same time.
//!
//! The best is the picture of the stream's own [`Channel`]; each is a channel of its own beside it, of the picture alone.
//! Who has no use for layers never meets them.

use crate::channel::Channel;

/// One layer of a stream's picture.
#[derive(Debug, Clone)]
pub struct Layer {
    /// The layer alone, without sound.
    pub channel: Channel,
    /// What it takes.
    pub bits_per_second: u64,
    /// Whether the stream's own channel carries this one.
    pub is_main: bool,
}
