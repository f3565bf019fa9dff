//! Whose turn it is at something that has an owner and can be lent: an atomic word, without a socket in it.
//!
//! To lend and to take back is a compare and exchange, nobody waits for a lock, and at no time do two use it. What was put
//! there in part goes back to the owner with it. `model.rs` tries every order of it.

use std::task::{Context, Poll, Waker};

use crate::sync::{AtomicU64, Mutex, Ordering};

#[cfg(all(test, abanico_loom))]
mod model;

/// What is lent, and whose turn it is. `R` is the rest of a message that was put there in part.
// In this order, so that what a message needs lies together with the counts of its `Arc`.
#[repr(C)]
pub(crate) struct Turn<S, R> {
    /// The number of the loan, and its state in the lowest bits.
    word: AtomicU64,
    /// The place of the message that is put there next.
    place: AtomicU64,
    pub(crate) stream: S,
    owner: Mutex<Owner<R>>,
}

/// What the borrower leaves for the owner.
struct Owner<R> {
    waker: Option<Waker>,
    begun: Option<R>,
}

/// The lowest bits of the turn.
mod state {
    /// The owner's.
    pub(super) const OWNED: u64 = 0;
    /// Anybody's who has the loan's number.
    pub(super) const LENT: u64 = 1;
    /// Something is being put there.
    pub(super) const WRITING: u64 = 2;
    /// Something is being put there, and the owner waits to have it back.
    pub(super) const WANTED: u64 = 3;
    pub(super) const BITS: u32 = 2;
    pub(super) const MASK: u64 = (1 << BITS) - 1;
}

/// A turn after which there are no loans.
const CLOSED: u64 = u64::MAX << state::BITS;

/// What became of a message that was offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offered {
    /// The socket has it.
    Taken,
    /// The socket is its owner's at the moment, or does not take this message.
    Busy,
    /// The loan is over, for good.
    Gone,
}

/// What comes back with the socket.
#[derive(Debug)]
pub(crate) struct Returned<R> {
    /// The place after the last message that was put there.
    pub(crate) place: u64,
    /// The rest of the last message.
    pub(crate) begun: Option<R>,
}

/// How many messages were put there.
pub(crate) enum Put<R> {
    /// So many, all that there were.
    All(u64),
    /// So many, of the last perhaps only a part; this is the rest. No more can be taken now.
    Full(u64, Option<R>),
}

impl<S, R> Turn<S, R> {
    pub(crate) fn new(stream: S) -> Self {
        Self {
            word: AtomicU64::new(state::OWNED),
            place: AtomicU64::new(0),
            stream,
            owner: Mutex::new(Owner {
                waker: None,
                begun: None,
            }),
        }
    }

    /// Who is woken when the socket comes back. Called by the owner before it lends.
    pub(crate) fn remember(&self, waker: &Waker) {
        let mut owner = self.owner.lock();
        if !owner
            .waker
            .as_ref()
            .is_some_and(|known| known.will_wake(waker))
        {
            owner.waker = Some(waker.clone());
        }
    }

    /// The owner lends it under a number that is never below an earlier one.
    pub(crate) fn open(&self, loan: u64, place: u64) {
        self.place.store(place, Ordering::Relaxed);
        self.word.store(turn(loan, state::LENT), Ordering::Release);
    }

    /// Takes it back if nothing is being put there at this moment, and says which place it takes next.
    pub(crate) fn close(&self, loan: u64) -> Option<u64> {
        let closed = self.word.compare_exchange(
            turn(loan, state::LENT),
            turn(loan, state::OWNED),
            Ordering::Acquire,
            Ordering::Relaxed,
        );
        closed.ok().map(|_| self.place.load(Ordering::Relaxed))
    }

    /// Whether the owner has lent it and not yet got it back.
    pub(crate) fn is_lent(&self) -> bool {
        self.word.load(Ordering::Acquire) & state::MASK != state::OWNED
    }

    /// The place of the message that is put there next, as of some moment.
    pub(crate) fn place(&self) -> u64 {
        self.place.load(Ordering::Relaxed)
    }

    /// Takes it back. While something is being put there the task of `cx` waits; that is never long, because whoever
    /// puts it there does not wait.
    pub(crate) fn poll_recall(&self, cx: &Context<'_>) -> Poll<Returned<R>> {
        loop {
            let now = self.word.load(Ordering::Acquire);
            let loan = now >> state::BITS;
            let (to, done) = match now & state::MASK {
                state::OWNED => break,
                state::LENT => (turn(loan, state::OWNED), true),
                _ => (turn(loan, state::WANTED), false),
            };
            if !done {
                self.remember(cx.waker());
            }
            if self
                .word
                .compare_exchange(now, to, Ordering::AcqRel, Ordering::Relaxed)
                .is_err()
            {
                continue;
            }
            if !done {
                return Poll::Pending;
            }
        }
        Poll::Ready(Returned {
            place: self.place.load(Ordering::Relaxed),
            begun: self.owner.lock().begun.take(),
        })
    }

    /// There will be no further loan: its owner lets go of it.
    pub(crate) fn retire(&self) {
        self.word.swap(CLOSED, Ordering::AcqRel);
        self.owner.lock().waker = None;
    }

    /// Has `count` messages from `place` on put there by `put`, which does not wait, if it is lent under this number and
    /// its next message is among them: those from there on. `put` is told how many come before. Says how many were put
    /// there.
    pub(crate) fn offer_with(
        &self,
        loan: u64,
        place: u64,
        count: u64,
        put: impl FnOnce(&S, u64) -> Put<R>,
    ) -> (u64, Offered) {
        let (lent, writing) = (turn(loan, state::LENT), turn(loan, state::WRITING));
        if let Err(now) =
            self.word
                .compare_exchange(lent, writing, Ordering::Acquire, Ordering::Relaxed)
        {
            let gone = now >> state::BITS > loan;
            return (0, if gone { Offered::Gone } else { Offered::Busy });
        }
        let next = self.place.load(Ordering::Relaxed);
        if next >= place + count {
            self.end_write(writing, lent);
            return (0, Offered::Busy);
        }
        if next < place {
            // It has missed some. Its owner knows what to do then.
            self.hand_over(loan);
            return (0, Offered::Busy);
        }
        let taken = match put(&self.stream, next - place) {
            Put::All(taken) => {
                self.place.store(next + taken, Ordering::Relaxed);
                self.end_write(writing, lent);
                taken
            }
            Put::Full(0, _) => {
                self.hand_over(loan);
                return (0, Offered::Busy);
            }
            Put::Full(taken, rest) => {
                self.place.store(next + taken, Ordering::Relaxed);
                if rest.is_some() {
                    self.owner.lock().begun = rest;
                }
                self.hand_over(loan);
                taken
            }
        };
        (taken, Offered::Taken)
    }

    /// Gives it back to its owner, if it is lent.
    pub(crate) fn give_back(&self, loan: u64) {
        if self.close(loan).is_some() {
            self.wake();
        }
    }

    fn end_write(&self, writing: u64, lent: u64) {
        let ended = self
            .word
            .compare_exchange(writing, lent, Ordering::Release, Ordering::Relaxed);
        if let Err(now) = ended
            && now & state::MASK == state::WANTED
        {
            self.hand_over(now >> state::BITS);
        }
    }

    /// Ends the write with the socket going back to its owner, unless that has let go of it for good.
    fn hand_over(&self, loan: u64) {
        let handed = self
            .word
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, |now| {
                (now != CLOSED).then_some(turn(loan, state::OWNED))
            });
        if handed.is_ok() {
            self.wake();
        }
    }

    fn wake(&self) {
        let waker = self.owner.lock().waker.clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

const fn turn(loan: u64, state: u64) -> u64 {
    loan << state::BITS | state
}
