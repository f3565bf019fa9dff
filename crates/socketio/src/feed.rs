//! What a socket pulls from when its transport can take more.

use std::task::{Context, Poll};

use crate::message::Message;

/// A source of messages that a socket drains at the pace of its client: the cursor of a fan-out.
///
/// It is polled only when nothing else is queued for the session and its transport can take more (over polling: when a
/// poll is open), so that what a slow client has not taken stays in the feed, which may skip it.
pub trait Feed: Send + 'static {
    /// The next message. `Pending` registers the waker; `Ready(None)` ends the feed, and it is dropped.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>>;
}

/// Names a feed that was attached to a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FeedId(pub(crate) u64);
