//! A session as everybody but its own task sees it: a queue with bounds, and wishes that the task fulfils.
//!
//! Nobody waits here and nothing is written here: the lock guards a few fields for a few instructions.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Waker;

use hyper::upgrade::OnUpgrade;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::body::Body;
use crate::config::Config;
use crate::engine::packet::Payload;
use crate::engine::parcel::{Manner, Parcel};
use crate::engine::service::Feed;
use crate::handler::DisconnectReason;
use crate::handshake::{Handshake, Kept, Transport};
use crate::id::Id;
use crate::unfinished::Account;
use crate::websocket::frame::code;

/// A handle to one session. Clones are the same session; it may be kept beyond the session's end.
#[derive(Clone)]
pub struct Session(pub(crate) Arc<Shared>);

impl Session {
    /// The Engine.IO id: 20 characters of `[A-Za-z0-9_-]`. Who knows it can speak for the client.
    pub fn id(&self) -> &str {
        self.0.id.as_str()
    }

    /// Queues a parcel. Never waits: a queue over its bound closes the session as a slow consumer.
    pub fn send(&self, parcel: Parcel) -> Result<(), SendError> {
        self.0.send(parcel)
    }

    /// Lets the session pull from a feed. Returns its number.
    pub fn attach(&self, feed: impl Feed) -> u64 {
        self.attach_for(self.0.id, feed)
    }

    /// Drops a feed. What was already pulled from it is still sent.
    pub fn detach(&self, feed: u64) {
        self.change_feeds(|_| FeedChange::Detach(feed));
    }

    /// Attaches a feed on behalf of an owner, whose feeds can be dropped together.
    pub(crate) fn attach_for(&self, owner: Id, feed: impl Feed) -> u64 {
        self.change_feeds(|number| {
            FeedChange::Attach(Attached {
                number,
                owner,
                feed: Box::new(feed),
            })
        })
    }

    /// Drops all feeds of an owner.
    pub(crate) fn detach_all(&self, owner: Id) {
        self.change_feeds(|_| FeedChange::DetachAll(owner));
    }

    /// Leaves a change for the task to make. Returns the number that an attached feed gets.
    fn change_feeds(&self, change: impl FnOnce(u64) -> FeedChange) -> u64 {
        let mut state = self.0.state.lock();
        let number = state.feeds_attached;
        if state.phase == Phase::Open {
            state.feeds_attached += 1;
            state.feed_changes.push(change(number));
            State::wake(state);
        }
        number
    }

    /// Ends the session. For [`DisconnectReason::ServerDisconnect`] and [`DisconnectReason::ServerShutdown`] what is
    /// queued is sent first.
    pub fn close(&self, reason: DisconnectReason) {
        self.0.close(reason);
    }

    /// Ends a plain session after what is queued, with this close code and reason.
    pub fn close_with(&self, code: u16, reason: &'static str) {
        let mut state = self.0.state.lock();
        if state.phase == Phase::Open {
            state.farewell = Some((code, reason));
        }
        drop(state);
        self.0.close(DisconnectReason::ServerDisconnect);
    }

    /// Takes messages of at most so many bytes from now on, or of as many as [`Config::max_payload`] says. A larger one ends a
    /// WebSocket with 1009.
    pub fn limit_messages(&self, bytes: Option<usize>) {
        let max = self.0.config.max_payload;
        let bytes = bytes.map_or(max, |bytes| bytes.min(max));
        self.0.message_bytes_max.store(bytes, Ordering::Relaxed);
    }

    /// Not everybody may do what this client does: what it leaves unfinished is ended after that of others.
    pub fn spare(&self) {
        self.0.is_spared.store(true, Ordering::Relaxed);
    }

    /// Whether the session can still take messages.
    pub fn is_open(&self) -> bool {
        self.0.state.lock().phase == Phase::Open
    }

    /// The opening request.
    pub fn handshake(&self) -> &Handshake {
        &self.0.handshake
    }

    /// How many bytes of messages wait to be written.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.0.state.lock().queue_bytes
    }

    /// What carries the session at the moment.
    pub fn transport(&self) -> Transport {
        if self.0.is_websocket() {
            Transport::WebSocket
        } else {
            Transport::Polling
        }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.0.config
    }

    /// Has the session's task poll its driver soon.
    pub fn wake(&self) {
        let mut state = self.0.state.lock();
        state.is_driver_wanted = true;
        State::wake(state);
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Session").field(&self.0.id).finish()
    }
}

/// Why a parcel was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The session has ended.
    #[error("session is closed")]
    Closed,
    /// The queue is full; the session is being closed.
    #[error("session takes its messages too slowly")]
    SlowConsumer,
    /// So much waits for the session that it takes no parcel that may be refused.
    #[error("session has too much waiting that it need not take")]
    Refused,
}

pub(crate) struct Shared {
    pub(crate) id: Id,
    pub(crate) config: Arc<Config>,
    pub(crate) handshake: Handshake,
    pub(crate) is_websocket: AtomicBool,
    pub(crate) wire: Wire,
    /// Most bytes of one message, for now.
    message_bytes_max: AtomicUsize,
    /// What it leaves unfinished is ended after that of others.
    is_spared: AtomicBool,
    pub(crate) state: Mutex<State>,
}

/// What a session's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    /// Packets of Engine.IO.
    EngineIo,
    /// The messages of a WebSocket, without Engine.IO.
    WebSocket,
    /// The body of an HTTP answer, which lasts until the connection is closed. Nothing is read.
    Body,
}

pub(crate) struct State {
    pub(crate) phase: Phase,
    /// The close code with which the application ends a plain session, and why.
    pub(crate) farewell: Option<(u16, &'static str)>,
    /// The task's. Kept, not taken when it is used: a task's waker does not change.
    pub(crate) waker: Option<Waker>,
    /// Somebody wants the driver to be polled.
    pub(crate) is_driver_wanted: bool,
    /// What waits for the wire, outside of feeds.
    pub(crate) queue: VecDeque<Parcel>,
    pub(crate) queue_bytes: usize,
    /// As many of them are of parcels that may be left out.
    skippable_bytes: usize,
    /// As many are of parcels that may be refused.
    refusable_bytes: usize,
    /// The task has nothing to write and sleeps: who queues something wakes it.
    pub(crate) is_idle: bool,
    pub(crate) feed_changes: Vec<FeedChange>,
    feeds_attached: u64,
    /// The moment after which a polling client is taken for dead, even if the task has not yet seen it.
    pub(crate) dead_at: Instant,
    /// Only of sessions that have polled: most come by WebSocket, and there are thousands of them.
    pub(crate) polled: Option<Box<PollingState>>,
    /// What the task keeps of what the client has said, and since when something stands there.
    pub(crate) held: Option<(usize, Instant)>,
}

/// What HTTP requests of a polling session leave for its task.
#[derive(Default)]
pub(crate) struct PollingState {
    /// What the session has as long as it stays.
    pub(crate) kept: Option<Kept>,
    /// The open poll.
    pub(crate) poll: Option<oneshot::Sender<Body>>,
    /// A POST is being read or waits for `post` to be taken: its bytes so far, and since when.
    pub(crate) posting: Option<(usize, Instant)>,
    /// Packets that a POST brought, with its account.
    pub(crate) post: Option<(Payload, Option<Account>)>,
    /// Told when `post` has been taken.
    pub(crate) post_taken: Option<oneshot::Sender<()>>,
    /// The client has said goodbye: there will be no further request.
    pub(crate) has_left: bool,
    /// A WebSocket that means to take over.
    pub(crate) upgrade: Option<OnUpgrade>,
    /// How far it has come.
    pub(crate) upgrading: Upgrading,
    /// Told when it has taken over or failed.
    pub(crate) upgraded: Option<oneshot::Sender<()>>,
}

/// How far a WebSocket has come that means to take over a polling session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Upgrading {
    #[default]
    No,
    Connected,
    /// Its probe was answered: the client wants its polls to end.
    Probed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Open,
    /// The end has been decided, the task carries it out.
    Closing(DisconnectReason),
    /// Nothing goes in or out.
    Closed,
}

pub(crate) enum FeedChange {
    Attach(Attached),
    Detach(u64),
    DetachAll(Id),
}

/// A feed with the number that names it and the owner for whom it is pulled.
pub(crate) struct Attached {
    pub(crate) number: u64,
    pub(crate) owner: Id,
    pub(crate) feed: Box<dyn Feed>,
}

impl State {
    pub(crate) fn remember(&mut self, waker: &Waker) {
        if !self
            .waker
            .as_ref()
            .is_some_and(|known| known.will_wake(waker))
        {
            self.waker = Some(waker.clone());
        }
    }

    /// What requests and the task leave for each other while the session polls.
    pub(crate) fn polling(&mut self) -> &mut PollingState {
        self.polled.get_or_insert_default()
    }

    /// Bytes of what the client has said that have stood there since `then`: what it does not go on with, or what nobody
    /// handles.
    pub(crate) fn standing_bytes(&self, then: Instant) -> usize {
        let posting = self.polled.as_ref().and_then(|polling| polling.posting);
        let held = [self.held, posting];
        let standing = held.into_iter().flatten();
        let standing = standing.filter(|(_, since)| *since <= then);
        standing.map(|(bytes, _)| bytes).sum()
    }

    fn push(&mut self, parcel: Parcel) {
        self.queue_bytes += parcel.len();
        if let Some(bytes) = self.bytes_of(parcel.manner()) {
            *bytes += parcel.len();
        }
        self.queue.push_back(parcel);
    }

    /// How much waits of what need not.
    fn bytes_of(&mut self, manner: Manner) -> Option<&mut usize> {
        match manner {
            Manner::Kept => None,
            Manner::Skippable => Some(&mut self.skippable_bytes),
            Manner::Refusable => Some(&mut self.refusable_bytes),
        }
    }

    /// All that waits, which nobody will send.
    pub(crate) fn take_queue(&mut self) -> VecDeque<Parcel> {
        self.queue_bytes = 0;
        self.skippable_bytes = 0;
        self.refusable_bytes = 0;
        std::mem::take(&mut self.queue)
    }

    /// The next parcel for the wire.
    pub(crate) fn pop(&mut self) -> Option<Parcel> {
        self.remove(0)
    }

    /// Leaves out the oldest parcel of this manner, if there is one.
    fn drop_oldest(&mut self, manner: Manner) -> bool {
        self.bytes_of(manner).is_some_and(|bytes| *bytes > 0)
            && self
                .queue
                .iter()
                .position(|parcel| parcel.manner() == manner)
                .is_some_and(|oldest| self.remove(oldest).is_some())
    }

    /// Whether so much waits that a parcel that may be refused is. A single one passes the bound, but not the queue's: what
    /// must be told has at least half of its places.
    fn refuses(&self, parcel: &Parcel, config: &Config) -> bool {
        let has_some = self.refusable_bytes > 0;
        let is_full = self.queue_bytes + parcel.len() > config.queue_bytes_max
            || self.queue.len() >= config.queue_messages_max / 2;
        has_some && self.refusable_bytes + parcel.len() > config.refusable_bytes_max
            || !self.queue.is_empty() && is_full
    }

    fn remove(&mut self, at: usize) -> Option<Parcel> {
        let parcel = self.queue.remove(at)?;
        self.queue_bytes -= parcel.len();
        if let Some(bytes) = self.bytes_of(parcel.manner()) {
            *bytes -= parcel.len();
        }
        Some(parcel)
    }

    /// Lets go of the lock and has the task polled.
    pub(crate) fn wake(state: MutexGuard<'_, Self>) {
        let waker = state.waker.clone();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Shared {
    pub(crate) fn wake(&self) {
        State::wake(self.state.lock());
    }

    pub(crate) fn new(config: Arc<Config>, handshake: Handshake, is_websocket: bool) -> Arc<Self> {
        Self::build(config, handshake, is_websocket, Wire::EngineIo)
    }

    /// A session without Engine.IO.
    pub(crate) fn plain(config: Arc<Config>, handshake: Handshake, wire: Wire) -> Arc<Self> {
        Self::build(config, handshake, true, wire)
    }

    fn build(
        config: Arc<Config>,
        handshake: Handshake,
        is_websocket: bool,
        wire: Wire,
    ) -> Arc<Self> {
        let dead_at =
            Instant::from_std(handshake.opened_at()) + config.ping_interval + config.ping_timeout;
        Arc::new(Self {
            id: Id::random(),
            message_bytes_max: AtomicUsize::new(config.max_payload),
            is_spared: AtomicBool::new(false),
            config,
            handshake,
            is_websocket: AtomicBool::new(is_websocket),
            wire,
            state: Mutex::new(State {
                phase: Phase::Open,
                farewell: None,
                waker: None,
                is_driver_wanted: false,
                queue: VecDeque::new(),
                queue_bytes: 0,
                skippable_bytes: 0,
                refusable_bytes: 0,
                is_idle: false,
                feed_changes: Vec::new(),
                feeds_attached: 0,
                dead_at,
                polled: None,
                held: None,
            }),
        })
    }

    fn send(&self, parcel: Parcel) -> Result<(), SendError> {
        let mut state = self.state.lock();
        if state.phase != Phase::Open {
            return Err(SendError::Closed);
        }
        let config = &self.config;
        match parcel.manner() {
            Manner::Kept => {}
            Manner::Skippable => {
                while state.skippable_bytes + parcel.len() > config.skippable_bytes_max
                    && state.drop_oldest(Manner::Skippable)
                {}
            }
            Manner::Refusable if state.refuses(&parcel, config) => return Err(SendError::Refused),
            Manner::Refusable => {}
        }
        while !state.queue.is_empty()
            && (state.queue_bytes + parcel.len() > config.queue_bytes_max
                || state.queue.len() >= config.queue_messages_max)
        {
            if !state.drop_oldest(Manner::Skippable) && !state.drop_oldest(Manner::Refusable) {
                drop(state);
                self.close(DisconnectReason::SlowConsumer);
                return Err(SendError::SlowConsumer);
            }
        }
        state.push(parcel);
        if std::mem::take(&mut state.is_idle) {
            State::wake(state);
        }
        Ok(())
    }

    /// Ends it because more stands unfinished than may, and says so.
    pub(crate) fn close_unfinished(&self, told: &'static str) {
        let mut state = self.state.lock();
        if state.phase == Phase::Open {
            state.farewell = Some((code::POLICY, told));
        }
        drop(state);
        self.close(DisconnectReason::Unfinished);
    }

    /// Decides the end, unless it has been decided already.
    pub(crate) fn close(&self, reason: DisconnectReason) {
        let mut state = self.state.lock();
        if state.phase == Phase::Open {
            state.phase = Phase::Closing(reason);
        }
        State::wake(state);
    }
}

impl Shared {
    /// Most bytes of one message, for now.
    pub(crate) fn is_spared(&self) -> bool {
        self.is_spared.load(Ordering::Relaxed)
    }

    pub(crate) fn message_bytes_max(&self) -> usize {
        self.message_bytes_max.load(Ordering::Relaxed)
    }

    pub(crate) fn is_websocket(&self) -> bool {
        self.is_websocket.load(Ordering::Acquire)
    }

    /// Nothing goes in or out any more: waiting requests learn it, and what waited is dropped.
    pub(crate) fn retire(&self) {
        let mut state = self.state.lock();
        state.phase = Phase::Closed;
        // It would keep the memory of the task.
        state.waker = None;
        let dropped = (
            state.take_queue(),
            std::mem::take(&mut state.feed_changes),
            state.polled.take(),
        );
        drop(state);
        // Feeds are foreign code, which must not run under the lock.
        drop(dropped);
    }
}
