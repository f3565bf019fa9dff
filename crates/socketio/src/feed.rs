//! What a socket pulls from when its transport can take more.

use std::task::{Context, Poll};

use crate::engine::{self, Offered};
use crate::message::Message;

/// A source of messages that a socket drains at the pace of its client: the cursor of a fan-out.
///
/// It is polled only when nothing else is queued for the session and its transport can take more (over polling: when a
/// poll is open), so that what a slow client has not taken stays in the feed, which may skip it.
pub trait Feed: Send + 'static {
    /// The next message. `Pending` registers the waker; `Ready(None)` ends the feed, and it is dropped.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>>;

    /// The session has nothing else to send and its socket can take more: the feed may have messages put there from
    /// outside of the session's task, until [`Feed::returned`]. Returns whether it does. Called only after `poll_next`
    /// was `Pending`, and only where there is a socket of its own below: not over polling, not over TLS.
    fn lend(&mut self, outlet: &Outlet) -> bool {
        let _ = outlet;
        false
    }

    /// The outlet is back; every message before `place` was put there.
    fn returned(&mut self, place: u64) {
        let _ = place;
    }
}

/// A loan of a session's socket to one of its feeds. Clones are the same loan.
///
/// The socket is either the session's or lent, and while it is lent it knows the place, a number of the feed's choice, of
/// the message that it takes next. Keeping a loan does not keep the connection.
#[derive(Debug, Clone)]
pub struct Outlet(pub(crate) engine::Outlet);

impl Outlet {
    /// Begins the loan: the message at `place` is taken next. Only for [`Feed::lend`].
    pub fn open(&self, place: u64) {
        self.0.open(place);
    }

    /// Ends the loan if nothing is being put there at this moment, and says which place is next.
    pub fn close(&self) -> Option<u64> {
        self.0.close()
    }

    /// Puts a message there without waiting, if it is lent and the message's `place` is the next one. What the socket
    /// cannot take wholly goes back to the session with it.
    pub fn offer(&self, place: u64, message: &Message) -> Offered {
        self.0.offer(place, message.main_parcel())
    }

    /// The same for messages that follow each other, of which the first is the one at `place`: those from its next one on
    /// go out with one write. Says how many were put there.
    pub fn offer_run<'a>(
        &self,
        place: u64,
        messages: impl ExactSizeIterator<Item = &'a Message> + Clone,
    ) -> (usize, Offered) {
        self.0.offer_run(place, messages.map(Message::main_parcel))
    }

    /// Has the processor fetch what [`Outlet::offer`] will look at.
    pub fn prepare(&self) {
        self.0.prepare();
    }

    /// Gives it back to the session, which then polls the feed.
    pub fn give_back(&self) {
        self.0.give_back();
    }
}

/// Names a feed that was attached to a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FeedId(pub(crate) u64);
