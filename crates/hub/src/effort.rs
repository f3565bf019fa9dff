//! How much of the threads' time goes into sending to those who watch: what they need in order not to suffer, whatever
//! else is done beside it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

static BRINGING_NS: AtomicU64 = AtomicU64::new(0);

/// The time that the couriers of all feeds in this process have spent with bringing packets, all together.
pub fn time_bringing() -> Duration {
    Duration::from_nanos(BRINGING_NS.load(Ordering::Relaxed))
}

/// A stretch of bringing, counted when it is over.
pub(crate) struct Stretch(Instant);

impl Stretch {
    pub(crate) fn begin() -> Self {
        Self(Instant::now())
    }
}

impl Drop for Stretch {
    fn drop(&mut self) {
        let spent = u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX);
        BRINGING_NS.fetch_add(spent, Ordering::Relaxed);
    }
}
