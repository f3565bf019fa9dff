//! Those who are asked about, and those who wait until they are.
//!
//! Invariants: one address has half of all places, so that others never wait behind it for more than one answer; one whose
//! address has its half waits for a place of that first, and stands before nobody meanwhile.

use super::{Bounds, Denied};
use crate::addresses::Places;
use abanico_streamhub::grant::neighbourhood;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// One address waits with so many of all that may wait.
const SHARE: usize = 8;

/// Those who would like to do one kind of thing. Who would like to watch does not stand before who would like to publish:
/// each kind has its own.
#[derive(Debug)]
pub(super) struct Queue {
    asking: Semaphore,
    /// What each address has of these.
    asking_of: Halves,
    waiting: AtomicUsize,
    waiting_max: usize,
    within: Duration,
    /// An address that fills its share keeps nobody else out.
    shares: Arc<Places>,
}

/// A place among those that are asked about, until it is dropped.
pub(super) struct Turn<'a> {
    _of_all: SemaphorePermit<'a>,
    _of_address: Option<OfAddress<'a>>,
}

impl Queue {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            asking: Semaphore::new(bounds.at_once),
            asking_of: Halves {
                max: bounds.at_once.div_ceil(2),
                of: Mutex::default(),
            },
            waiting: AtomicUsize::new(0),
            waiting_max: bounds.waiting,
            within: bounds.within,
            shares: Places::of(bounds.waiting.div_ceil(SHARE)),
        }
    }

    /// Waits for a place among those that are asked about.
    pub(super) async fn turn(&self, from: Option<IpAddr>) -> Result<Turn<'_>, Denied> {
        let mut of_address = from.map(|from| self.asking_of.of(from));
        if of_address.as_mut().is_none_or(OfAddress::try_take)
            && let Ok(of_all) = self.asking.try_acquire()
        {
            return Ok(Turn {
                _of_all: of_all,
                _of_address: of_address,
            });
        }
        let share = from.map(|from| self.shares.take(from).ok_or(Denied::Undecided));
        let _share = share.transpose()?;
        let _waits = Waits::among(&self.waiting, self.waiting_max)?;
        let waiting = async {
            if let Some(of_address) = &mut of_address {
                of_address.take().await?;
            }
            self.asking.acquire().await.ok()
        };
        let of_all = tokio::time::timeout(self.within, waiting).await;
        Ok(Turn {
            _of_all: of_all.ok().flatten().ok_or(Denied::Undecided)?,
            _of_address: of_address,
        })
    }
}

/// The places of each address that has or wants some.
#[derive(Debug)]
struct Halves {
    max: usize,
    of: Mutex<HashMap<IpAddr, Arc<Semaphore>>>,
}

/// What somebody has of the places of its address.
struct OfAddress<'a> {
    halves: &'a Halves,
    from: IpAddr,
    all: Arc<Semaphore>,
    taken: Option<OwnedSemaphorePermit>,
}

impl Halves {
    fn of(&self, from: IpAddr) -> OfAddress<'_> {
        let from = neighbourhood(from);
        let mut of = self.of.lock();
        let new = || Arc::new(Semaphore::new(self.max));
        let all = Arc::clone(of.entry(from).or_insert_with(new));
        OfAddress {
            halves: self,
            from,
            all,
            taken: None,
        }
    }
}

impl OfAddress<'_> {
    fn try_take(&mut self) -> bool {
        self.taken = Arc::clone(&self.all).try_acquire_owned().ok();
        self.taken.is_some()
    }

    /// Waits for a place, if it has none yet.
    async fn take(&mut self) -> Option<()> {
        if self.taken.is_none() {
            self.taken = Some(Arc::clone(&self.all).acquire_owned().await.ok()?);
        }
        Some(())
    }
}

impl Drop for OfAddress<'_> {
    fn drop(&mut self) {
        self.taken = None;
        let mut of = self.halves.of.lock();
        // The map has one, and this the other.
        if Arc::strong_count(&self.all) <= 2 {
            of.remove(&self.from);
        }
    }
}

/// One who waits, for as long as it lives.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn among(count: &'a AtomicUsize, max: usize) -> Result<Self, Denied> {
        let waits = Self(count);
        if count.fetch_add(1, Ordering::Relaxed) < max {
            Ok(waits)
        } else {
            Err(Denied::Undecided)
        }
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[tokio::test]
    async fn nothing_is_remembered_of_an_address_that_is_neither_asked_about_nor_waits() {
        let queue = Queue::new(Bounds {
            at_once: 4,
            waiting: 16,
            within: Duration::from_millis(1),
        });
        let turn = |number| queue.turn(Some(IpAddr::from(Ipv4Addr::from_bits(number))));
        let first = [turn(1).await.ok(), turn(1).await.ok()];
        assert!(first.iter().all(Option::is_some));
        assert!(turn(1).await.is_err(), "half of four");
        let others = [turn(2).await.ok(), turn(3).await.ok()];
        assert!(others.iter().all(Option::is_some));
        assert!(turn(4).await.is_err(), "all four are taken");
        assert_eq!(queue.asking_of.of.lock().len(), 3);
        drop((first, others));
        assert!(queue.asking_of.of.lock().is_empty());
        assert_eq!(queue.waiting.load(Ordering::Relaxed), 0);
    }
}
