//! A session's socket as somebody has it who may put parcels there from outside of the session's task.

use std::fmt;
use std::sync::{Arc, Weak};

use abanico_memory::prefetch;

use crate::engine::parcel::Parcel;
use crate::websocket::line::Line;
use crate::websocket::turn::Offered;

/// A loan of a session's socket to one of its feeds. Clones are the same loan.
///
/// The socket is either the session's or lent, and while it is lent it knows the place, a number of the feed's choice, of
/// the parcel that it takes next. What it cannot take wholly goes back to the session with it. Keeping a loan does not
/// keep the connection.
#[derive(Clone)]
pub struct Outlet {
    line: Weak<Line>,
    loan: u64,
}

impl Outlet {
    pub(crate) fn new(line: &Arc<Line>, loan: u64) -> Self {
        Self {
            line: Arc::downgrade(line),
            loan,
        }
    }

    /// Begins the loan: the parcel at `place` is taken next. Only for [`crate::engine::Feed::lend`].
    pub fn open(&self, place: u64) {
        if let Some(line) = self.line.upgrade() {
            line.open(self.loan, place);
        }
    }

    /// Ends the loan if nothing is being put there at this moment, and says which place is next.
    pub fn close(&self) -> Option<u64> {
        self.line.upgrade()?.close(self.loan)
    }

    /// Puts a parcel there without waiting, if it is lent and the parcel's `place` is the next one.
    pub fn offer(&self, place: u64, parcel: &Parcel) -> Offered {
        match self.line.upgrade() {
            Some(line) => line.offer(self.loan, place, parcel),
            None => Offered::Gone,
        }
    }

    /// The same for parcels that follow each other, of which the first is the one at `place`: those from its next one on
    /// go out with one write. Says how many were put there.
    pub fn offer_run<'a>(
        &self,
        place: u64,
        parcels: impl ExactSizeIterator<Item = &'a Parcel> + Clone,
    ) -> (usize, Offered) {
        let Some(line) = self.line.upgrade() else {
            return (0, Offered::Gone);
        };
        let (taken, offered) = line.offer_run(self.loan, place, parcels);
        let taken = usize::try_from(taken).expect("it is at most their number");
        (taken, offered)
    }

    /// Has the processor fetch what [`Outlet::offer`] will look at. The memory of one socket among thousands is cold.
    pub fn prepare(&self) {
        /// What a processor fetches at a time.
        const CACHE_LINE: usize = 64;
        /// The counts of an `Arc` lie right before what it points to.
        const COUNTS: usize = 2 * size_of::<usize>();
        let line = self.line.as_ptr().cast::<u8>();
        // What is needed to send lies in the first bytes; they may begin in the middle of a cache line.
        for at in [0, CACHE_LINE] {
            prefetch(line.wrapping_sub(COUNTS).wrapping_add(at));
        }
    }

    /// Gives it back to the session, which goes on by itself.
    pub fn give_back(&self) {
        if let Some(line) = self.line.upgrade() {
            line.give_back(self.loan);
        }
    }
}

impl fmt::Debug for Outlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outlet").field("loan", &self.loan).finish()
    }
}
