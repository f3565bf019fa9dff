//! Couriers bring packets straight to the outlets of readers that wait with nothing else to do.
//!
//! To wake a task for each viewer and packet costs a fifth of what the kernel takes for sending it: most of that is memory
//! which is cold by then. A courier is one task that walks a list of outlets with the same packet in hand. There are as
//! many to a feed as the runtime has threads, so that the work spreads.
//!
//! A courier never waits for an outlet: one that cannot take a packet goes back to its owner, who is woken.

use super::{Feed, Shared};
use crate::effort::Stretch;
use crate::sync::{self, Arc, AtomicBool, AtomicU64, AtomicWaker, Mutex, OnceLock, Ordering};
use abanico_memory::prefetch;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Poll;

/// Where a reader's packets can be put from outside of its task.
///
/// An outlet is either its owner's or lent, and it knows the place of the packet that it takes next. The owner lends it
/// with [`Outlet::open`] and may take it back at any time.
pub trait Outlet<P>: Send + 'static {
    /// The owner lends it: it takes the packet at `place` next.
    fn open(&self, place: u64);

    /// Takes it back, unless something is being put there at this moment, and says which place it takes next.
    fn close(&self) -> Option<u64>;

    /// Puts the packet at `place` there without waiting, if it is lent and that is the packet that it takes next. What it
    /// cannot take wholly it gives back to its owner, as [`Outlet::give_back`] does.
    fn offer(&self, place: u64, packet: &P) -> Offered;

    /// The same for some packets, of which the first is the one at `place`: those from its next one on, in one go if it
    /// can. Says how many were put there, and what became of the last.
    fn offer_run(&self, place: u64, packets: &[P]) -> (usize, Offered) {
        let mut taken = 0;
        let mut offered = Offered::Busy;
        for (place, packet) in (place..).zip(packets) {
            offered = self.offer(place, packet);
            match offered {
                Offered::Taken => taken += 1,
                Offered::Busy => {}
                Offered::Gone => break,
            }
        }
        (taken, offered)
    }

    /// Gives it back to its owner and wakes it, if it is lent.
    fn give_back(&self);

    /// It is the next but one to be offered something: a chance to have its memory near by then.
    fn prepare(&self) {}
}

/// What became of an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offered {
    /// The packet was put there.
    Taken,
    /// It is its owner's at the moment, or does not take this packet.
    Busy,
    /// It will never take anything again.
    Gone,
}

/// What a courier finds at its place.
pub(super) enum Next {
    /// Packets to bring.
    Bring,
    /// It has fallen behind: this is where the feed is now.
    Late(u64),
    /// Everything is brought.
    Wait,
    /// Everything is brought, and nothing follows.
    Finished,
}

/// The couriers of one feed, hired when the first outlet is lent.
pub(super) struct Couriers<P> {
    desks: OnceLock<Box<[Arc<Desk<P>>]>>,
    /// Packets that were brought and are not yet in the counts of their readers.
    unsettled: AtomicU64,
}

impl<P> Default for Couriers<P> {
    fn default() -> Self {
        Self {
            desks: OnceLock::default(),
            unsettled: AtomicU64::new(0),
        }
    }
}

/// What is left for one courier.
struct Desk<P> {
    arrivals: Mutex<Vec<Arrival<P>>>,
    waker: AtomicWaker,
    is_wanted: AtomicBool,
    round: Mutex<Round>,
}

/// What a courier came to when it last brought something.
#[derive(Clone, Copy, Default)]
struct Round {
    /// Where it is now.
    place: u64,
    /// Outlets that took all of it.
    served: usize,
    /// How often readers had come and gone before it.
    changes: u64,
}

/// An outlet, and where in its courier's list it stands.
type Arrival<P> = (usize, Box<dyn Outlet<P>>);

/// Packets brought before a courier lets other tasks run: some hundred microseconds of sending.
const BROUGHT_AT_ONCE: usize = 32;

/// Most packets that a courier takes along at once: more go out no cheaper.
pub(super) const RUN_MAX: usize = 8;

/// The most that they weigh, unless one alone does. Where the kernel copies this much, one call more is nothing; and a run
/// that no socket has room for would send every reader back to its task, just when the courier is late.
pub(super) const RUN_BYTES_MAX: usize = 64 * 1024;

/// Arrivals after which a courier is woken to fetch them though there is no packet to bring.
const ARRIVALS_MAX: usize = 64;

impl<P: Clone + Send + 'static> Couriers<P> {
    /// Leaves the outlet of the reader in `slot` with its courier.
    pub(super) fn hire(&self, feed: &Feed<P>, slot: usize, outlet: Box<dyn Outlet<P>>) {
        let desks = self.desks.get_or_init(|| {
            let head = feed.head();
            (0..sync::workers())
                .map(|_| {
                    let desk = Arc::new(Desk {
                        arrivals: Mutex::new(Vec::new()),
                        waker: AtomicWaker::default(),
                        is_wanted: AtomicBool::new(false),
                        round: Mutex::default(),
                    });
                    sync::spawn(run(Arc::downgrade(&feed.0), Arc::clone(&desk), head));
                    desk
                })
                .collect()
        });
        let desk = &desks[slot % desks.len()];
        let mut arrivals = desk.arrivals.lock();
        arrivals.push((slot / desks.len(), outlet));
        let is_full = arrivals.len() >= ARRIVALS_MAX;
        drop(arrivals);
        if is_full {
            desk.wake();
        }
    }
}

impl<P> Couriers<P> {
    /// There is something to bring.
    pub(super) fn wake(&self) {
        for desk in self.desks.get().into_iter().flatten() {
            desk.wake();
        }
    }

    /// The place up to which everybody has everything, if all of so many readers are the couriers' and were served, and none
    /// came or went since.
    pub(super) fn brought_to(&self, readers: usize, changes: u64) -> Option<u64> {
        let desks = self.desks.get()?;
        let mut served = 0;
        let mut place = u64::MAX;
        for desk in desks {
            let round = *desk.round.lock();
            if round.served > 0 {
                if round.changes != changes {
                    return None;
                }
                served += round.served;
                place = place.min(round.place);
            }
        }
        (served > 0 && served == readers).then_some(place)
    }

    /// The feed is gone.
    pub(super) fn dismiss(&self) {
        self.wake();
    }

    /// Packets brought that are in no reader's counts yet.
    pub(super) fn brought(&self) -> u64 {
        // A reader may settle before the courier has told: then the difference is below zero for a moment.
        let unsettled = self.unsettled.load(Ordering::Relaxed).cast_signed();
        u64::try_from(unsettled).unwrap_or(0)
    }

    /// A reader has taken `brought` packets into its own count.
    pub(super) fn settle(&self, brought: u64) {
        self.unsettled.fetch_sub(brought, Ordering::Relaxed);
    }
}

impl<P> Desk<P> {
    fn wake(&self) {
        // Who found it unset wakes; a second one need not.
        if !self.is_wanted.swap(true, Ordering::AcqRel) {
            self.waker.wake();
        }
    }

    async fn wanted(&self) {
        poll_fn(|cx| {
            self.waker.register(cx.waker());
            if self.is_wanted.swap(false, Ordering::AcqRel) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    fn fetch(&self, list: &mut Vec<Option<Box<dyn Outlet<P>>>>) {
        for (index, outlet) in self.arrivals.lock().drain(..) {
            if list.len() <= index {
                list.resize_with(index + 1, || None);
            }
            // Whoever stood there has gone.
            list[index] = Some(outlet);
        }
    }
}

/// A courier's life, until its feed is finished or gone.
async fn run<P: Clone + Send + 'static>(
    feed: std::sync::Weak<Shared<P>>,
    desk: Arc<Desk<P>>,
    mut place: u64,
) {
    let mut list: Vec<Option<Box<dyn Outlet<P>>>> = Vec::new();
    let mut run = Vec::with_capacity(RUN_MAX);
    loop {
        desk.wanted().await;
        let Some(feed) = feed.upgrade().map(Feed) else {
            return;
        };
        let is_finished = loop {
            let changes = feed.changes();
            let next = feed.next_for_courier(place, &mut run);
            // Only now: whoever lent before these packets came, or before nothing more came, has left its outlet here.
            desk.fetch(&mut list);
            match next {
                Next::Bring => {
                    let (brought, served) = bring(&mut list, place, &mut run).await;
                    feed.0
                        .couriers
                        .unsettled
                        .fetch_add(brought, Ordering::Relaxed);
                    place += run.len() as u64;
                    run.clear();
                    *desk.round.lock() = Round {
                        place,
                        served,
                        changes,
                    };
                    feed.let_go_of_brought();
                }
                Next::Late(head) => {
                    // Each reader finds out for itself what it is to skip.
                    give_all_back(&list);
                    place = head;
                }
                Next::Wait => break false,
                Next::Finished => break true,
            }
        };
        if is_finished {
            // Later ones see for themselves that nothing follows.
            return give_all_back(&list);
        }
    }
}

/// Brings the packets from `place` on to all. Says how many were put somewhere, and how many outlets took all of them.
// They are borrowed for writing only because that can be held across an await without `P: Sync`.
async fn bring<P: 'static>(
    list: &mut [Option<Box<dyn Outlet<P>>>],
    place: u64,
    run: &mut [P],
) -> (u64, usize) {
    let (mut brought, mut served) = (0, 0);
    let mut rest = BROUGHT_AT_ONCE;
    let mut stretch = Stretch::begin();
    for at in 0..list.len() {
        // First the outlet itself, then what it points to.
        if let Some(Some(later)) = list.get(at + 4) {
            prefetch((&raw const **later).cast::<u8>());
        }
        if let Some(Some(soon)) = list.get(at + 2) {
            soon.prepare();
        }
        let entry = &mut list[at];
        let Some(outlet) = entry else { continue };
        // Outlets are foreign code. One that panics must not cost the others their courier; its owner finds out by itself.
        let offered = catch_unwind(AssertUnwindSafe(|| match &*run {
            [packet] => {
                let offered = outlet.offer(place, packet);
                (usize::from(offered == Offered::Taken), offered)
            }
            packets => outlet.offer_run(place, packets),
        }));
        let (taken, offered) = offered.unwrap_or_else(|_| {
            outlet.give_back();
            (0, Offered::Busy)
        });
        if offered == Offered::Gone {
            *entry = None;
        }
        brought += taken as u64;
        served += usize::from(taken == run.len());
        rest = rest.saturating_sub(taken);
        if rest == 0 {
            rest = BROUGHT_AT_ONCE;
            drop(stretch);
            sync::yield_now().await;
            stretch = Stretch::begin();
        }
    }
    drop(stretch);
    (brought, served)
}

fn give_all_back<P: 'static>(list: &[Option<Box<dyn Outlet<P>>>]) {
    for outlet in list.iter().flatten() {
        outlet.give_back();
    }
}

#[cfg(test)]
mod tests;
