//! What all channels of a node share: their bounds, and the memory that they may hold together.

use abanico_core::{ladder, ring};
use abanico_hub::budget::Budget;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How much a channel holds, and how far behind a viewer may be.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// Of each format's packets, and of its viewers' lag.
    pub feed: ring::Bounds,
    /// Bytes of the newest group. One that outgrows it is let go of: who joins waits for the next keyframe.
    pub group_bytes_max: usize,
    /// Bytes of the newest groups of all channels together. Beyond that a group that grows is let go of.
    pub groups_bytes_max: usize,
    /// Bytes of the packets of all formats of all channels together.
    pub held_bytes_max: usize,
    /// A group whose newest frame is older than this is not shown to somebody who joins.
    pub backlog_for: Duration,
    /// What a viewer is given that keeps falling behind.
    pub ladder: ladder::Policy,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            feed: ring::Bounds::default(),
            group_bytes_max: 16 << 20,
            groups_bytes_max: 1 << 30,
            held_bytes_max: 1 << 30,
            backlog_for: Duration::from_secs(10),
            ladder: ladder::Policy::default(),
        }
    }
}

/// The shared part of all channels.
#[derive(Debug)]
pub struct Pool {
    pub(crate) bounds: Bounds,
    pub(crate) budget: Arc<Budget>,
    groups: AtomicUsize,
}

impl Pool {
    /// A node without channels.
    pub fn new(bounds: Bounds) -> Arc<Self> {
        let budget = Arc::new(Budget::new(bounds.held_bytes_max));
        Arc::new(Self {
            bounds,
            budget,
            groups: AtomicUsize::new(0),
        })
    }

    /// The bytes of the newest groups of all channels.
    pub fn held_bytes(&self) -> usize {
        self.groups.load(Ordering::Relaxed)
    }

    /// Says whether memory is short: a quarter of everything may be held then. A group that has no room is let go of, and
    /// who joins waits for the next keyframe.
    pub fn set_short(&self, short: bool) {
        self.budget.set_short(short);
    }

    /// Takes room for a frame in a group. False if there is none; nothing was taken then.
    pub(crate) fn take(&self, bytes: usize) -> bool {
        let held = self.groups.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let fits = held <= self.budget.allowed_of(self.bounds.groups_bytes_max);
        if !fits {
            self.give_back(bytes);
        }
        fits
    }

    pub(crate) fn give_back(&self, bytes: usize) {
        self.groups.fetch_sub(bytes, Ordering::Relaxed);
    }
}
