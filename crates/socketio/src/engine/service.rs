//! What runs over Engine.IO sessions.

use std::task::{Context, Poll};

use bytes::Bytes;
use bytestring::ByteString;

use crate::engine::outlet::Outlet;
use crate::engine::parcel::Parcel;
use crate::engine::session::Session;
use crate::handler::DisconnectReason;

/// Makes a driver for each session.
pub trait Service: Send + Sync + 'static {
    /// What it makes.
    type Driver: Driver;

    /// A session has been opened.
    fn open(&self, session: Session) -> Self::Driver;
}

/// The application's part of one session, driven by the session's task.
pub trait Driver: Send + Unpin + 'static {
    /// Goes on with what is under way, as futures do. `Ready` means that nothing is: the driver takes messages, and is
    /// polled again after the next one or after [`Session::wake`].
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Whether it can take another message now. While it cannot, the client is read no further.
    fn accepts(&self) -> bool;

    /// Takes one message of the client, in order. It should be put aside for [`Driver::poll`], which is called next.
    fn message(&mut self, message: Inbound) -> Result<(), Malformed>;

    /// What it keeps of the messages that it was given.
    fn holds(&self) -> Holds {
        Holds::default()
    }

    /// The session is over: nothing more can be sent. Called until it is ready, then the driver is dropped.
    fn poll_close(&mut self, reason: DisconnectReason, cx: &mut Context<'_>) -> Poll<()>;
}

/// What a driver keeps of its client's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Holds {
    /// Bytes of all that it keeps.
    pub bytes: usize,
    /// There is something that further messages must make whole, within [`Config::message_timeout`]; so many had begun
    /// before it.
    ///
    /// [`Config::message_timeout`]: crate::Config::message_timeout
    pub unfinished: Option<u64>,
}

/// A message of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inbound {
    /// Text.
    Text(ByteString),
    /// Bytes.
    Binary(Bytes),
}

impl Inbound {
    /// Its bytes.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A driver's word that a message means nothing to it: the session is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// A source that a session pulls from when its transport can take more; see [`crate::Feed`], which is the same for
/// Socket.IO messages.
pub trait Feed: Send + 'static {
    /// The next parcel. `Pending` registers the waker; `Ready(None)` ends the feed, and it is dropped.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Parcel>>;

    /// The session has nothing else to write, and its socket can take more: the feed may have parcels put there from
    /// outside of the session's task, until [`Feed::returned`]. Returns whether it does.
    fn lend(&mut self, outlet: Outlet) -> bool {
        let _ = outlet;
        false
    }

    /// The outlet is back; everything before `place` was put there.
    fn returned(&mut self, place: u64) {
        let _ = place;
    }
}
