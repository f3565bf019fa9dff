//! The readers that wait at the head of a feed, to be woken by the next packet.
//!
//! Nobody is woken under the lock, and nothing is allocated while the same readers wait again and again.

use crate::sync::{Arc, AtomicUsize, AtomicWaker, Mutex, Ordering};
use slab::Slab;
use std::task::Waker;

/// The readers of one feed that wait.
#[derive(Default)]
pub(super) struct Waiting(Mutex<List>);

#[derive(Default)]
struct List {
    sleepers: Slab<Arc<Sleeper>>,
    /// The memory of the last batch that was woken.
    spare: Vec<Arc<Sleeper>>,
}

/// One reader's place among those who wait.
#[derive(Default)]
pub(super) struct Place(Arc<Sleeper>);

struct Sleeper {
    waker: AtomicWaker,
    /// Where it is in the list, or [`NOWHERE`]. Changes only under the list's lock.
    slot: AtomicUsize,
}

const NOWHERE: usize = usize::MAX;

impl Default for Sleeper {
    fn default() -> Self {
        Self {
            waker: AtomicWaker::default(),
            slot: AtomicUsize::new(NOWHERE),
        }
    }
}

impl Waiting {
    /// Has `waker` woken by the next [`Waiting::wake`].
    pub(super) fn enter(&self, place: &Place, waker: &Waker) {
        place.0.waker.register(waker);
        let mut list = self.0.lock();
        if place.0.slot.load(Ordering::Relaxed) == NOWHERE {
            let slot = list.sleepers.insert(Arc::clone(&place.0));
            place.0.slot.store(slot, Ordering::Relaxed);
        }
    }

    /// It need not be woken any more.
    pub(super) fn leave(&self, place: &Place) {
        // Only its owner ever enters it: what is nowhere stays so.
        if place.0.slot.load(Ordering::Relaxed) == NOWHERE {
            return;
        }
        let mut list = self.0.lock();
        let slot = place.0.slot.swap(NOWHERE, Ordering::Relaxed);
        if slot != NOWHERE {
            list.sleepers.remove(slot);
        }
    }

    /// Wakes everybody.
    pub(super) fn wake(&self) {
        let mut batch = {
            let mut list = self.0.lock();
            if list.sleepers.is_empty() {
                return;
            }
            let mut batch = std::mem::take(&mut list.spare);
            batch.extend(list.sleepers.drain());
            for sleeper in &batch {
                sleeper.slot.store(NOWHERE, Ordering::Relaxed);
            }
            batch
        };
        for sleeper in batch.drain(..) {
            sleeper.waker.wake();
        }
        self.0.lock().spare = batch;
    }
}
