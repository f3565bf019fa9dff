//! One stream as it runs: the task that owns its state, and the handle that everybody else holds.
//!
//! The task has one inbox. What happens goes in as [`Event`]s; what must be told goes to the [`Audience`], from this task
//! alone and in order, before whoever asked gets its answer. Packets do not pass through the inbox: a publisher that has
//! the seat pushes them straight to the [`Feed`].

use crate::feed::Feed;
use abanico_core::key::{SessionId, StreamKey};
use abanico_core::stream::{self, Event, Notice, Phase, Refusal};
use parking_lot::Mutex;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tracing::{Instrument, error, info, info_span};

/// How many events may wait for a stream's task. When it is full the sender waits, which slows the one client that sends.
const INBOX_EVENTS: usize = 1024;

/// Who tells the viewers: an adapter, in the words of its wire.
pub trait Audience<P>: Send + Sync + 'static {
    /// Something must be told of `stream`. Called from the stream's task, one notice after the other: it must not block.
    fn notice(&self, stream: &Stream<P>, notice: Notice);
}

/// Why a packet was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DistributeError {
    /// There is no such stream, or it has ended.
    #[error("there is no such stream")]
    Unknown,
    /// The session does not have the publisher's seat.
    #[error("session may not publish this stream")]
    NotPublisher,
}

/// A running stream. Cloning it clones a handle.
pub struct Stream<P>(Arc<Shared<P>>);

struct Shared<P> {
    key: StreamKey,
    inbox: mpsc::Sender<Asked>,
    feed: Feed<P>,
    /// The session that publishes, or [`NOBODY`].
    seat: AtomicU64,
    status: Mutex<Status>,
    /// How many watch, in all streams of the node together.
    watching: Arc<AtomicUsize>,
    packets: AtomicU64,
    bytes: AtomicU64,
}

const NOBODY: u64 = u64::MAX;

struct Asked {
    event: Event,
    answer: oneshot::Sender<Result<(), Refusal>>,
}

/// Where a stream stands, as its task last left it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// Created, live or over.
    pub phase: Phase,
    /// How many watch.
    pub viewers: usize,
    /// The most that ever watched at one time.
    pub viewers_peak: usize,
    /// Whether the publisher said that it pauses.
    pub paused: bool,
    /// Whether the publisher is there.
    pub publisher_present: bool,
}

impl<P> Clone for Stream<P> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<P: Clone + Send + 'static> Stream<P> {
    /// Starts the task of `state`. It runs until the stream has ended, then calls `ended`.
    pub(crate) fn spawn(
        key: StreamKey,
        state: stream::Stream,
        feed: Feed<P>,
        watching: Arc<AtomicUsize>,
        audience: Arc<dyn Audience<P>>,
        ended: impl FnOnce(&StreamKey) + Send + 'static,
    ) -> Self {
        let (inbox, events) = mpsc::channel(INBOX_EVENTS);
        let handle = Self(Arc::new(Shared {
            key,
            inbox,
            feed,
            watching,
            seat: AtomicU64::new(NOBODY),
            status: Mutex::new(status_of(&state)),
            packets: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        }));
        handle.publish_status(&state);
        let span = info_span!("stream", key = %handle.key());
        let task = handle.clone();
        tokio::spawn(
            async move {
                task.run(state, events, audience).await;
                ended(task.key());
            }
            .instrument(span),
        );
        handle
    }

    /// Tells the stream of an event and waits until it is dealt with and told.
    ///
    /// # Errors
    /// As the stream says; [`Refusal::Ended`] also when it is gone.
    pub async fn handle(&self, event: Event) -> Result<(), Refusal> {
        let (answer, answered) = oneshot::channel();
        let asked = Asked { event, answer };
        self.0.inbox.send(asked).await.map_err(|_| Refusal::Ended)?;
        answered.await.map_err(|_| Refusal::Ended)?
    }

    /// Hands a packet of `bytes` to every viewer, if `session` has the publisher's seat.
    ///
    /// # Errors
    /// When it has not; nothing has happened then.
    pub fn distribute(
        &self,
        session: SessionId,
        packet: P,
        bytes: usize,
    ) -> Result<(), DistributeError> {
        self.distribute_with(session, bytes, |feed| feed.push(packet, bytes))
    }

    /// Like [`distribute`](Self::distribute), but the packet is made and pushed by `push`, only if somebody reads.
    ///
    /// # Errors
    /// When the session has not the publisher's seat; nothing was made then.
    pub fn distribute_with(
        &self,
        session: SessionId,
        bytes: usize,
        push: impl FnOnce(&Feed<P>),
    ) -> Result<(), DistributeError> {
        if !self.is_publisher(session) {
            return Err(DistributeError::NotPublisher);
        }
        self.0.packets.fetch_add(1, Ordering::Relaxed);
        self.0.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        if self.0.feed.readers() > 0 {
            push(&self.0.feed);
        }
        Ok(())
    }

    /// Whether `session` has the publisher's seat.
    pub fn is_publisher(&self, session: SessionId) -> bool {
        self.0.seat.load(Ordering::Acquire) == session.0
    }

    /// The session that publishes, if it is there.
    pub fn publisher(&self) -> Option<SessionId> {
        match self.0.seat.load(Ordering::Acquire) {
            NOBODY => None,
            session => Some(SessionId(session)),
        }
    }

    /// The stream's key.
    pub fn key(&self) -> &StreamKey {
        &self.0.key
    }

    /// What its viewers read.
    pub fn feed(&self) -> &Feed<P> {
        &self.0.feed
    }

    /// Where it stands.
    pub fn status(&self) -> Status {
        *self.0.status.lock()
    }

    /// Packets and bytes that its publisher sent.
    pub fn sent(&self) -> (u64, u64) {
        (
            self.0.packets.load(Ordering::Relaxed),
            self.0.bytes.load(Ordering::Relaxed),
        )
    }

    async fn run(
        &self,
        mut state: stream::Stream,
        mut events: mpsc::Receiver<Asked>,
        audience: Arc<dyn Audience<P>>,
    ) {
        info!("stream created");
        while state.phase() != Phase::Ended {
            let (result, answer) = tokio::select! {
                biased;
                asked = events.recv() => {
                    let Some(Asked { event, answer }) = asked else { return };
                    (state.handle(event, Instant::now().into_std()), Some(answer))
                }
                () = sleep_until(state.deadline()) => (Ok(state.tick(Instant::now().into_std())), None),
            };
            let result = result.map(|notices| {
                self.publish_status(&state);
                for notice in notices {
                    self.tell(&*audience, notice);
                }
            });
            if let Some(answer) = answer {
                // Who asked may have gone meanwhile.
                let _ = answer.send(result);
            }
        }
        self.0.feed.finish(None);
        info!(peak = state.viewers_peak(), "stream ended");
    }

    fn tell(&self, audience: &dyn Audience<P>, notice: Notice) {
        // A fault in an adapter's words must not take the stream with it.
        if catch_unwind(AssertUnwindSafe(|| audience.notice(self, notice))).is_err() {
            error!("audience panicked; the notice is lost, the stream goes on");
        }
    }

    fn publish_status(&self, state: &stream::Stream) {
        let seat = match state.phase() {
            Phase::Ended => NOBODY,
            Phase::Waiting | Phase::Live => state.publisher().map_or(NOBODY, |session| session.0),
        };
        self.0.seat.store(seat, Ordering::Release);
        let now = status_of(state);
        let before = std::mem::replace(&mut *self.0.status.lock(), now);
        self.0.watching.fetch_add(now.viewers, Ordering::SeqCst);
        self.0.watching.fetch_sub(before.viewers, Ordering::SeqCst);
    }
}

fn status_of(state: &stream::Stream) -> Status {
    Status {
        phase: state.phase(),
        viewers: state.viewers().len(),
        viewers_peak: state.viewers_peak(),
        paused: state.paused(),
        publisher_present: state.publisher().is_some(),
    }
}

async fn sleep_until(deadline: Option<std::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
