//! The fan-out: one writer, any number of readers, each at its own place.
//!
//! A [`Feed`] is a [`Ring`] with the means to serve who waits at its head: a reader that has nothing else to do can lend
//! its [`Outlet`], and a courier brings it the packets without waking anybody; any other reader is woken. Reading costs one
//! short lock and one clone of the packet, which is a handle to shared bytes; nothing is allocated and no lock is held
//! while a viewer's socket is written. A viewer whose socket is full does not wait, so it is not woken either.
//!
//! Packets are held for readers that are not as far. While couriers have brought everything to all of them, nearly nothing is.
//!
//! What a lagging viewer should see instead is the adapter's to say: [`Cursor::poll_next`] tells it, and
//! [`Cursor::skip_to`] moves on.

mod courier;
mod waiting;

pub use courier::{Offered, Outlet};

use crate::budget::Budget;
use crate::sync::{Arc, AtomicU64, Mutex, Ordering};
use abanico_core::ring::{Behind, Bounds, Read, Ring};
use courier::Couriers;
use slab::Slab;
use std::ops::{Add, AddAssign};
use std::task::{Context, Poll};
use std::time::Instant;
use waiting::{Place, Waiting};

/// The packets of one stream in one form, for all who read them. Cloning it clones a handle.
pub struct Feed<P>(Arc<Shared<P>>);

struct Shared<P> {
    state: Mutex<State<P>>,
    readers: Mutex<Readers>,
    waiting: Waiting,
    couriers: Couriers<P>,
    budget: Arc<Budget>,
    /// What readers had that are gone.
    gone: GoneReaders,
}

struct State<P> {
    ring: Ring<P>,
    /// Set when nothing follows: the last word, for readers who have come to the end.
    finished: Option<Option<P>>,
}

/// Everybody who reads.
#[derive(Default)]
struct Readers {
    all: Slab<Arc<Reader>>,
    /// How often one came or went.
    changes: u64,
}

/// What one reader had.
#[derive(Default)]
struct Reader {
    read: AtomicU64,
    skipped: AtomicU64,
}

#[derive(Default)]
struct GoneReaders {
    read: AtomicU64,
    skipped: AtomicU64,
}

/// What became of packets, for one reader or for all of a feed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets that were read.
    pub read: u64,
    /// Packets that a reader was moved past because it lagged.
    pub skipped: u64,
}

impl Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            read: self.read + other.read,
            skipped: self.skipped + other.skipped,
        }
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl<P> Clone for Feed<P> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<P: Clone + Send + 'static> Feed<P> {
    /// An empty feed. What it holds is counted against `budget`, which it shares with others.
    pub fn new(bounds: Bounds, budget: Arc<Budget>) -> Self {
        budget.open();
        Self(Arc::new(Shared {
            state: Mutex::new(State {
                ring: Ring::new(bounds),
                finished: None,
            }),
            readers: Mutex::default(),
            waiting: Waiting::default(),
            couriers: Couriers::default(),
            budget,
            gone: GoneReaders::default(),
        }))
    }

    /// Hands `packet`, which weighs `bytes`, to every reader. After [`Feed::finish`] it does nothing.
    pub fn push(&self, packet: P, bytes: usize) {
        self.push_before(packet, bytes, |_| ());
    }

    /// The same where a reader that lags is moved past whatever came before `packet`: no more is held for it.
    pub fn push_whole(&self, packet: P, bytes: usize) {
        self.push_before(packet, bytes, |ring| ring.let_go_of_late(now()));
    }

    fn push_before(&self, packet: P, bytes: usize, let_go: impl FnOnce(&mut Ring<P>)) {
        let mut state = self.0.state.lock();
        if state.finished.is_some() {
            return;
        }
        let before = state.ring.held_bytes();
        state.ring.push(packet, bytes, now());
        let_go(&mut state.ring);
        if let Some(share) = self.0.budget.change(before, state.ring.held_bytes()) {
            let before = state.ring.held_bytes();
            state.ring.shrink_to(share);
            self.0.budget.change(before, state.ring.held_bytes());
        }
        drop(state);
        self.wake();
    }

    /// Ends the feed. A reader still gets what it has before it, then `last_word`, which no lag drops, then the end.
    pub fn finish(&self, last_word: Option<P>) {
        let mut state = self.0.state.lock();
        if state.finished.is_none() {
            state.finished = Some(last_word);
        }
        drop(state);
        self.wake();
    }

    /// A reader of what is pushed from now on.
    pub fn cursor(&self) -> Cursor<P> {
        let reader = Arc::new(Reader::default());
        let slot = {
            let mut readers = self.0.readers.lock();
            readers.changes += 1;
            readers.all.insert(Arc::clone(&reader))
        };
        let place = self.head();
        Cursor {
            feed: self.clone(),
            reader,
            slot,
            place,
            done: false,
            waits: Place::default(),
            lent: false,
        }
    }

    /// The place after the newest packet.
    pub fn head(&self) -> u64 {
        self.0.state.lock().ring.head()
    }

    /// How many readers there are.
    pub fn readers(&self) -> usize {
        self.0.readers.lock().all.len()
    }

    /// What became of the packets for all readers together, those that are gone too.
    pub fn counts(&self) -> Counts {
        let gone = &self.0.gone;
        let mut counts = Counts {
            read: gone.read.load(Ordering::Relaxed) + self.0.couriers.brought(),
            skipped: gone.skipped.load(Ordering::Relaxed),
        };
        for (_, reader) in self.0.readers.lock().all.iter() {
            counts.read += reader.read.load(Ordering::Relaxed);
            counts.skipped += reader.skipped.load(Ordering::Relaxed);
        }
        counts
    }

    /// The bytes held for readers that are not at the head yet.
    pub fn held_bytes(&self) -> usize {
        self.0.state.lock().ring.held_bytes()
    }

    /// Calls `visit` with each packet from `place` on, as long as they are held and it says so.
    pub fn visit_from(&self, place: u64, mut visit: impl FnMut(&P) -> bool) {
        let state = self.0.state.lock();
        let mut place = place;
        while let Some(packet) = state.ring.peek(place)
            && visit(packet)
        {
            place += 1;
        }
    }

    fn wake(&self) {
        // Either a reader sees the packet, or this sees that it waits: both pass through the state's lock.
        self.0.couriers.wake();
        self.0.waiting.wake();
    }

    /// How often readers have come and gone.
    fn changes(&self) -> u64 {
        self.0.readers.lock().changes
    }

    /// Lets go of what all readers have, if all of them are the couriers' and none of them stands further back.
    fn let_go_of_brought(&self) {
        let (readers, changes) = {
            let readers = self.0.readers.lock();
            (readers.all.len(), readers.changes)
        };
        if let Some(place) = self.0.couriers.brought_to(readers, changes) {
            // A reader that takes its outlet back looks at the last packet that was put there.
            self.let_go_before(place.saturating_sub(1));
        }
    }

    /// What a courier brings next, if it stands at `place`: it is put into `run`.
    fn next_for_courier(&self, place: u64, run: &mut Vec<P>) -> courier::Next {
        let state = self.0.state.lock();
        match state.ring.read(place, now()) {
            Read::Packet(_) => {
                // What comes after one that is not late is not late.
                let packets = state.ring.run(place, courier::RUN_BYTES_MAX);
                run.extend(packets.take(courier::RUN_MAX).cloned());
                courier::Next::Bring
            }
            Read::Lagging(_) | Read::Lost(_) => courier::Next::Late(state.ring.head()),
            Read::Empty if state.finished.is_some() => courier::Next::Finished,
            Read::Empty => courier::Next::Wait,
        }
    }
}

impl<P> Feed<P> {
    /// Lets go of what comes before `place`, but for the newest packet.
    fn let_go_before(&self, place: u64) {
        let mut state = self.0.state.lock();
        let before = state.ring.held_bytes();
        state.ring.let_go_before(place);
        self.0.budget.change(before, state.ring.held_bytes());
    }
}

impl<P> Drop for Shared<P> {
    fn drop(&mut self) {
        self.couriers.dismiss();
        self.budget.close(self.state.lock().ring.held_bytes());
    }
}

/// What a reader finds next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<P> {
    /// The next packet.
    Packet(P),
    /// The reader is too far behind. It must [`Cursor::skip_to`] a newer place, or [`Cursor::read_on`] for one packet.
    Lagging(Behind),
    /// The reader's next packet is gone: it must [`Cursor::skip_to`] a newer place.
    Lost(Behind),
}

/// One reader's place in a [`Feed`].
pub struct Cursor<P> {
    feed: Feed<P>,
    reader: Arc<Reader>,
    slot: usize,
    place: u64,
    done: bool,
    /// Where it is among those who wait.
    waits: Place,
    /// A courier knows its outlet.
    lent: bool,
}

impl<P: Clone + Send + 'static> Cursor<P> {
    /// The next packet, or that the reader lags, or the end. Wakes the task of `cx` when there is more.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Next<P>>> {
        if let Some(found) = self.look() {
            return Poll::Ready(found);
        }
        self.feed.0.waiting.enter(&self.waits, cx.waker());
        // Looks again: what was pushed before the line above was seen has woken nobody.
        self.look().map_or(Poll::Pending, Poll::Ready)
    }

    /// Lends the outlet to a courier, who puts there what follows as it comes, and returns true; or returns false if
    /// there is something to read now. The outlet goes back to the reader by its own means, which must then call
    /// [`Cursor::returned`] before anything else. A cursor always lends the same outlet, and has it back when it is dropped.
    pub fn lend(&mut self, outlet: &(impl Outlet<P> + Clone)) -> bool {
        let shared = &self.feed.0;
        if !self.lent {
            self.lent = true;
            shared
                .couriers
                .hire(&self.feed, self.slot, Box::new(outlet.clone()));
        }
        outlet.open(self.place);
        let nothing_to_read = {
            let state = shared.state.lock();
            state.ring.head() <= self.place && state.finished.is_none()
        };
        if !nothing_to_read && let Some(place) = outlet.close() {
            // A courier may have been quicker.
            self.returned(place);
            return false;
        }
        // If it could not be taken back, a courier is putting something there.
        shared.waiting.leave(&self.waits);
        true
    }

    /// The outlet is back; the reader got there everything before `place`.
    pub fn returned(&mut self, place: u64) {
        let brought = place.saturating_sub(self.place);
        self.place = self.place.max(place);
        self.reader.read.fetch_add(brought, Ordering::Relaxed);
        self.feed.0.couriers.settle(brought);
    }

    /// The packet at the reader's place however late it is, if it is still held.
    pub fn read_on(&mut self) -> Option<P> {
        let packet = self.feed.0.state.lock().ring.peek(self.place).cloned();
        if packet.is_some() {
            self.advance();
        }
        packet
    }

    /// Moves on to `place`, never back. The packets passed over are counted and returned.
    pub fn skip_to(&mut self, place: u64) -> u64 {
        let skipped = place.saturating_sub(self.place);
        self.move_to(place);
        self.reader.skipped.fetch_add(skipped, Ordering::Relaxed);
        skipped
    }

    /// Counts the packet that was just read as one that the reader was moved past: it could not take it.
    pub fn discard(&mut self) {
        self.reader.read.fetch_sub(1, Ordering::Relaxed);
        self.reader.skipped.fetch_add(1, Ordering::Relaxed);
    }

    /// Moves on to `place`, never back, because the reader has what lies between by other means.
    pub fn move_to(&mut self, place: u64) {
        self.place = self.place.max(place);
    }

    /// The number of the packet that the reader gets next.
    pub fn place(&self) -> u64 {
        self.place
    }

    /// What this reader had.
    pub fn counts(&self) -> Counts {
        Counts {
            read: self.reader.read.load(Ordering::Relaxed),
            skipped: self.reader.skipped.load(Ordering::Relaxed),
        }
    }

    /// The feed that this reads.
    pub fn feed(&self) -> &Feed<P> {
        &self.feed
    }

    fn look(&mut self) -> Option<Option<Next<P>>> {
        let state = self.feed.0.state.lock();
        let head = state.ring.head();
        if self.place >= head {
            let last_word = state.finished.as_ref()?;
            if self.done {
                return Some(None);
            }
            self.done = true;
            return Some(last_word.clone().map(Next::Packet));
        }
        let next = if self.place + 1 == head {
            // The newest packet is never late: no need to look at the clock.
            Next::Packet(
                state
                    .ring
                    .peek(self.place)
                    .expect("the newest packet is held")
                    .clone(),
            )
        } else {
            match state.ring.read(self.place, now()) {
                Read::Packet(packet) => Next::Packet(packet.clone()),
                Read::Lagging(behind) => return Some(Some(Next::Lagging(behind))),
                Read::Lost(behind) => return Some(Some(Next::Lost(behind))),
                Read::Empty => return None,
            }
        };
        drop(state);
        self.advance();
        Some(Some(next))
    }

    fn advance(&mut self) {
        self.place += 1;
        self.reader.read.fetch_add(1, Ordering::Relaxed);
    }
}

impl<P> Drop for Cursor<P> {
    fn drop(&mut self) {
        let shared = &self.feed.0;
        shared.waiting.leave(&self.waits);
        // Out of the list and into the sum in one step, so that nobody counts it twice or not at all.
        let mut readers = shared.readers.lock();
        readers.changes += 1;
        readers.all.remove(self.slot);
        let is_last = readers.all.is_empty();
        let (read, skipped) = (&self.reader.read, &self.reader.skipped);
        shared
            .gone
            .read
            .fetch_add(read.load(Ordering::Relaxed), Ordering::Relaxed);
        shared
            .gone
            .skipped
            .fetch_add(skipped.load(Ordering::Relaxed), Ordering::Relaxed);
        drop(readers);
        if is_last {
            // Whoever comes begins at the head.
            self.feed.let_go_before(u64::MAX);
        }
    }
}

/// The clock of the runtime, which tests can stop.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests;
