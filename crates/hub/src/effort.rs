//! How much of the threads' time goes into sending to those who watch: what they need in order not to suffer, whatever
//! else is done beside it.
//!
//! What couriers send is counted, encryption with it, and what WebRTC sends. Not counted is what a session writes by itself: it
//! does so to viewers that begin or are behind, and one that is behind must not close the door to others.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

static BRINGING_NS: AtomicU64 = AtomicU64::new(0);

/// The time that was spent in this process with bringing packets, all threads together.
pub fn time_bringing() -> Duration {
    Duration::from_nanos(BRINGING_NS.load(Ordering::Relaxed))
}

/// A stretch of bringing, counted when it is over. Nobody waits in it, and none is begun within another.
#[derive(Debug)]
pub struct Stretch(Instant);

impl Stretch {
    /// Begins now.
    #[must_use = "it is over when it is dropped"]
    pub fn begin() -> Self {
        Self(Instant::now())
    }
}

impl Drop for Stretch {
    fn drop(&mut self) {
        let spent = u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX);
        BRINGING_NS.fetch_add(spent, Ordering::Relaxed);
    }
}
