//! One client in one namespace.

use std::future::Future;
use std::time::Duration;

use crate::event::{AckArgs, AckError};
use crate::feed::{Feed, FeedId};
use crate::handshake::{Handshake, Transport};
use crate::message::Message;

/// A handle to one client in one namespace. Clones are the same socket; it may be kept beyond the client's end.
#[derive(Debug, Clone)]
pub struct Socket(());

impl Socket {
    /// The Socket.IO id: 20 characters of `[A-Za-z0-9_-]`.
    pub fn id(&self) -> &str {
        unimplemented!()
    }
    /// The namespace's path.
    pub fn namespace(&self) -> &str {
        unimplemented!()
    }
    /// Queues an event. Never waits: a queue over its bound closes the session as a slow consumer.
    pub fn emit(&self, message: &Message) -> Result<(), EmitError> {
        let _ = message;
        unimplemented!()
    }
    /// Queues an event and waits for the client's answer to it.
    pub fn emit_with_ack(
        &self,
        message: &Message,
        timeout: Duration,
    ) -> impl Future<Output = Result<AckArgs, AckError>> + Send + 'static {
        let _ = (message, timeout);
        async { unimplemented!() }
    }
    /// Enters a room. Returns whether the socket was connected.
    pub fn join(&self, room: &str) -> bool {
        let _ = room;
        unimplemented!()
    }
    /// Leaves a room.
    pub fn leave(&self, room: &str) {
        let _ = room;
        unimplemented!()
    }
    /// The rooms that it is in.
    pub fn rooms(&self) -> Vec<String> {
        unimplemented!()
    }
    /// Lets the socket pull from a feed until the feed ends, is detached, or the socket is gone.
    pub fn attach(&self, feed: impl Feed) -> FeedId {
        let _ = feed;
        unimplemented!()
    }
    /// Drops a feed. What was already pulled from it is still sent.
    pub fn detach(&self, feed: FeedId) {
        let _ = feed;
        unimplemented!()
    }
    /// Ends the socket after what is queued for it. The session is closed when no other namespace uses it.
    pub fn disconnect(&self) {
        unimplemented!()
    }
    /// Whether the client is in the namespace.
    pub fn is_connected(&self) -> bool {
        unimplemented!()
    }
    /// The opening request of the session.
    pub fn handshake(&self) -> &Handshake {
        unimplemented!()
    }
    /// What carries the session at the moment.
    pub fn transport(&self) -> Transport {
        unimplemented!()
    }
}

/// Why an event was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EmitError {
    /// The socket is not in its namespace: not yet, or no longer.
    #[error("socket is not connected")]
    NotConnected,
    /// The queue is full; the session is being closed as a slow consumer.
    #[error("socket takes its messages too slowly")]
    SlowConsumer,
}
