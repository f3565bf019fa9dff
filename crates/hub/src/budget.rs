//! One bound for the packets that all streams of the process hold together.
//!
//! Each stream has its own bounds; a thousand streams have none together without this. When it is reached, a stream that
//! takes another packet lets go of its oldest down to an equal share. Viewers that needed those are moved on.

use std::sync::atomic::{AtomicUsize, Ordering};

/// What all feeds that share it hold.
#[derive(Debug)]
pub struct Budget {
    bytes_max: usize,
    /// One of so many parts of it may be held now.
    parts: AtomicUsize,
    held: AtomicUsize,
    feeds: AtomicUsize,
}

impl Budget {
    /// At most so many bytes, and one packet for each feed.
    pub fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            parts: AtomicUsize::new(1),
            held: AtomicUsize::new(0),
            feeds: AtomicUsize::new(0),
        }
    }

    /// The bytes that are held now.
    pub fn held_bytes(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// While memory is short a quarter of it may be held. What is beyond that goes as further packets come.
    pub fn set_short(&self, short: bool) {
        self.parts
            .store(if short { 4 } else { 1 }, Ordering::Relaxed);
    }

    /// What may be held now.
    pub fn allowed_bytes(&self) -> usize {
        self.allowed_of(self.bytes_max)
    }

    /// As large a part of `bytes`, which bound something else, as may be held now of what is bounded here.
    pub fn allowed_of(&self, bytes: usize) -> usize {
        bytes / self.parts.load(Ordering::Relaxed)
    }

    pub(crate) fn open(&self) {
        self.feeds.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn close(&self, held: usize) {
        self.feeds.fetch_sub(1, Ordering::Relaxed);
        self.held.fetch_sub(held, Ordering::Relaxed);
    }

    /// A feed holds `after` bytes and no longer `before`. When that is too much for all together, the feed's share.
    pub(crate) fn change(&self, before: usize, after: usize) -> Option<usize> {
        let held = if after >= before {
            self.held.fetch_add(after - before, Ordering::Relaxed) + (after - before)
        } else {
            self.held.fetch_sub(before - after, Ordering::Relaxed) - (before - after)
        };
        let allowed = self.allowed_bytes();
        (held > allowed).then(|| allowed / self.feeds.load(Ordering::Relaxed).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::Feed;
    use abanico_core::ring::Bounds;
    use std::sync::Arc;

    #[tokio::test(start_paused = true)]
    async fn many_streams_together_hold_no_more_than_the_budget() {
        let budget = Arc::new(Budget::new(100_000));
        let feeds: Vec<_> = (0..20)
            .map(|_| Feed::new(Bounds::default(), Arc::clone(&budget)))
            .collect();
        for number in 0..1000 {
            for feed in &feeds {
                feed.push(number, 1000);
                assert!(budget.held_bytes() <= 100_000 + 20 * 1000);
            }
        }
        let held: usize = feeds.iter().map(Feed::held_bytes).sum();
        assert_eq!(held, budget.held_bytes());
        drop(feeds);
        assert_eq!(budget.held_bytes(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn while_memory_is_short_streams_hold_a_quarter() {
        let budget = Arc::new(Budget::new(100_000));
        let feeds: Vec<_> = (0..4)
            .map(|_| Feed::new(Bounds::default(), Arc::clone(&budget)))
            .collect();
        let push = || {
            for number in 0..100 {
                feeds.iter().for_each(|feed| feed.push(number, 1000));
            }
        };
        push();
        assert!(budget.held_bytes() > 90_000, "{}", budget.held_bytes());
        budget.set_short(true);
        push();
        assert!(
            budget.held_bytes() <= 25_000 + 4_000,
            "{}",
            budget.held_bytes()
        );
        budget.set_short(false);
        push();
        assert!(budget.held_bytes() > 90_000, "{}", budget.held_bytes());
    }
}
