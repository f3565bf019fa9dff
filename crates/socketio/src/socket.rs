//! One client in one namespace.

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use crate::ack::{AckArgs, AckError, Owed};
use crate::engine::{self, Parcel, SendError, Session};
use crate::feed::{Feed, FeedId};
use crate::handshake::{Handshake, Transport};
use crate::id::Id;
use crate::message::Message;
use crate::namespace::Members;
use crate::packet::{Args, Head};

/// A handle to one client in one namespace. Clones are the same socket; it may be kept beyond the client's end.
#[derive(Clone)]
pub struct Socket(Arc<Inner>);

struct Inner {
    id: Id,
    session: Session,
    members: Arc<Members>,
    standing: AtomicU8,
    owed: OnceLock<Arc<Owed>>,
}

/// How a socket stands to its namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Standing {
    /// The handler has not yet said whether it may come in.
    Asking = 0,
    In = 1,
    /// The application ended it; its handler is yet to be told.
    Leaving = 2,
    Out = 3,
}

impl Socket {
    pub(crate) fn new(session: Session, members: Arc<Members>) -> Self {
        Self(Arc::new(Inner {
            id: Id::random(),
            session,
            members,
            standing: AtomicU8::new(Standing::Asking as u8),
            owed: OnceLock::new(),
        }))
    }

    /// The Socket.IO id: 20 characters of `[A-Za-z0-9_-]`.
    pub fn id(&self) -> &str {
        self.0.id.as_str()
    }

    /// The namespace's path.
    pub fn namespace(&self) -> &str {
        self.0.members.path()
    }

    /// Queues an event. Never waits: a queue over its bound closes the session as a slow consumer.
    pub fn emit(&self, message: &Message) -> Result<(), EmitError> {
        self.send(message.parcel(self.namespace()))
    }

    /// Queues an event and waits for the client's answer to it. The event is queued at once, not when the future is first
    /// polled.
    pub fn emit_with_ack(
        &self,
        message: &Message,
        timeout: Duration,
    ) -> impl Future<Output = Result<AckArgs, AckError>> + Send + 'static {
        let owed = self.0.owed.get_or_init(Arc::default);
        let max = self.0.session.config().acks_pending_max;
        owed.ask(max, timeout, |id| {
            self.send(message.parcel_with_ack(self.namespace(), id))
        })
    }

    /// Enters a room. Says whether it could: only a connected socket can.
    pub fn join(&self, room: &str) -> bool {
        self.0.members.join(self, room)
    }

    /// Leaves a room.
    pub fn leave(&self, room: &str) {
        self.0.members.leave(self, room);
    }

    /// The rooms that it is in.
    pub fn rooms(&self) -> Vec<String> {
        self.0.members.rooms_of(self)
    }

    /// Lets the socket pull from a feed until the feed ends, is detached, or the socket is gone. A socket that is not
    /// connected drops it at once.
    pub fn attach(&self, feed: impl Feed) -> FeedId {
        let pull = Pull {
            feed,
            members: Arc::clone(&self.0.members),
        };
        let number = self.0.session.attach_for(self.0.id, pull);
        // Asked afterwards, so that an end at the same moment is seen here or finds the feed.
        if !self.is_connected() {
            self.0.session.detach(number);
        }
        FeedId(number)
    }

    /// Drops a feed. What was already pulled from it is still sent.
    pub fn detach(&self, feed: FeedId) {
        self.0.session.detach(feed.0);
    }

    /// Not everybody may do what its client does, as to publish: what that leaves unfinished is ended after that of others.
    pub fn spare(&self) {
        self.0.session.spare();
    }

    /// Ends the socket: the client is told after what is queued for it, and events of it that wait are dropped. The
    /// session is closed when no other namespace uses it.
    pub fn disconnect(&self) {
        if !self.advance(Standing::In, Standing::Leaving) {
            return;
        }
        let head = Head {
            kind: Head::DISCONNECT,
            namespace: self.namespace(),
            id: None,
            attachments: 0,
        };
        let _ = self
            .0
            .session
            .send(Parcel::build(Vec::new(), |buffer| head.write(buffer)));
        self.0.session.wake();
    }

    /// Whether the client is in the namespace.
    pub fn is_connected(&self) -> bool {
        self.standing() == Standing::In
    }

    /// The opening request of the session.
    pub fn handshake(&self) -> &Handshake {
        self.0.session.handshake()
    }

    /// What carries the session at the moment.
    pub fn transport(&self) -> Transport {
        self.0.session.transport()
    }

    /// How many bytes wait to be sent, of what was emitted: of feeds nothing waits here.
    pub fn waiting_bytes(&self) -> usize {
        self.0.session.waiting_bytes()
    }

    pub(crate) fn key(&self) -> Id {
        self.0.id
    }

    pub(crate) fn standing(&self) -> Standing {
        match self.0.standing.load(Ordering::Acquire) {
            0 => Standing::Asking,
            1 => Standing::In,
            2 => Standing::Leaving,
            _ => Standing::Out,
        }
    }

    /// Goes from one standing to another. Says whether it was in the first.
    fn advance(&self, from: Standing, to: Standing) -> bool {
        self.0
            .standing
            .compare_exchange(from as u8, to as u8, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    pub(crate) fn send(&self, parcel: Parcel) -> Result<(), EmitError> {
        if !self.is_connected() {
            return Err(EmitError::NotConnected);
        }
        self.0.session.send(parcel).map_err(|error| match error {
            SendError::Closed => EmitError::NotConnected,
            SendError::SlowConsumer => EmitError::SlowConsumer,
            SendError::Refused => EmitError::Refused,
        })
    }

    /// The handler lets it in: it is told, and from now on it is found.
    pub(crate) fn enter(&self) {
        let head = Head {
            kind: Head::CONNECT,
            namespace: self.namespace(),
            id: None,
            attachments: 0,
        };
        let _ = self.0.session.send(Parcel::build(Vec::new(), |buffer| {
            head.write(buffer);
            buffer.extend_from_slice(br#"{"sid":""#);
            buffer.extend_from_slice(self.id().as_bytes());
            buffer.extend_from_slice(br#""}"#);
        }));
        if self.advance(Standing::Asking, Standing::In) {
            self.0.members.enter(self);
        }
    }

    /// It is in its namespace no longer.
    pub(crate) fn exit(&self) {
        self.0
            .standing
            .store(Standing::Out as u8, Ordering::Release);
        self.0.members.exit(self);
        self.0.session.detach_all(self.0.id);
        if let Some(owed) = self.0.owed.get() {
            owed.end();
        }
        self.0.session.wake();
    }

    pub(crate) fn answer(&self, id: u64, args: Args) {
        if let Some(owed) = self.0.owed.get() {
            owed.answer(id, args);
        }
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("id", &self.0.id)
            .field("namespace", &self.namespace())
            .finish()
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
    /// The event may be refused ([`Message::refusable`]), and so much of such waits for the socket that it is.
    #[error("socket has too much waiting that it need not take")]
    Refused,
}

/// A feed of one socket within its session, which may serve other sockets too. It does not look at the socket: that would
/// be one more cold line of memory for each message of each viewer.
struct Pull<F> {
    feed: F,
    members: Arc<Members>,
}

impl<F: Feed> engine::Feed for Pull<F> {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Parcel>> {
        let message = self.feed.poll_next(cx);
        message.map(|message| message.map(|message| message.parcel(self.members.path())))
    }

    fn lend(&mut self, outlet: engine::Outlet) -> bool {
        // Messages are made for the main namespace; for another one they are made anew by the session.
        self.members.path() == "/" && self.feed.lend(&crate::feed::Outlet(outlet))
    }

    fn returned(&mut self, place: u64) {
        self.feed.returned(place);
    }
}
