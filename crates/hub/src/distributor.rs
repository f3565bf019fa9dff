//! The set of streams that run in this node, and the four things that one does with it: register a publisher, register a
//! viewer, distribute, ask for statistics.

use crate::budget::Budget;
use crate::feed::{Counts, Feed};
use crate::stream::{Audience, DistributeError, Status, Stream};
use abanico_core::key::{PublishToken, SessionId, StreamKey};
use abanico_core::pace::{Pace, Pacer};
use abanico_core::ring::Bounds;
use abanico_core::stream::{self, Event, Phase, Refusal};
use parking_lot::{Mutex, RwLock};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use thiserror::Error;
use tokio::time::Instant;

/// What streams are made with.
#[derive(Debug, Clone)]
pub struct Config {
    /// Of each stream.
    pub stream: stream::Config,
    /// Of each stream's packets and of its viewers' lag.
    pub bounds: Bounds,
    /// The most streams at one time; one more is refused.
    pub streams_max: usize,
    /// The most viewers of all streams together; one more is refused.
    pub viewers_max: usize,
    /// How fast viewers are let in.
    pub join_pace: Pace,
    /// Bytes of the newest packets of all streams together. Beyond that a stream that takes another packet lets go of
    /// its oldest down to an equal share.
    pub held_bytes_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            stream: stream::Config::default(),
            bounds: Bounds::default(),
            streams_max: 10_000,
            viewers_max: 200_000,
            join_pace: Pace::default(),
            held_bytes_max: 1 << 30,
        }
    }
}

/// The streams of this node. Cloning it clones a handle.
pub struct Distributor<P>(Arc<Shared<P>>);

struct Shared<P> {
    config: Config,
    streams: RwLock<HashMap<StreamKey, Stream<P>>>,
    audience: OnceLock<Arc<dyn Audience<P>>>,
    budget: Arc<Budget>,
    /// How many watch, in all streams together.
    watching: Arc<AtomicUsize>,
    /// How many were let in and are not among those yet.
    joining: AtomicUsize,
    joins: Mutex<Pacer>,
    /// Set while the node should take no further viewers, though there may be room by number.
    exhausted: AtomicBool,
}

impl<P> Clone for Distributor<P> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// Why a stream could not be created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PublishError {
    /// The key is in use.
    #[error("stream key is in use")]
    Taken,
    /// The node has all the streams that it may have.
    #[error("stream limit of {max} reached")]
    Full {
        /// The limit.
        max: usize,
    },
}

/// Why a viewer could not join.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum JoinError {
    /// There is no such stream.
    #[error("there is no such stream")]
    Unknown,
    /// The stream refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The node has all the viewers that it may have.
    #[error("viewer limit of {max} reached")]
    Full {
        /// The limit of all streams together.
        max: usize,
    },
    /// More viewers come at once than the node lets in.
    #[error("too many viewers come at once; there is room in {after:?}")]
    Busy {
        /// When it is worth to try again.
        after: Duration,
    },
    /// The machine has no memory or processor to spare; those who watch already come first.
    #[error("the node is at the limit of its machine")]
    Exhausted,
}

/// What the node distributes now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    /// How many streams are live.
    pub active_streams: usize,
    /// How many viewers watch live streams.
    pub total_viewers: usize,
    /// Bytes of packets that are held for viewers.
    pub held_bytes: usize,
    /// Each stream that has not ended.
    pub streams: Vec<StreamStats>,
}

/// What one stream distributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamStats {
    /// Which.
    pub key: StreamKey,
    /// Where it stands.
    pub status: Status,
    /// Packets that its publisher sent.
    pub packets: u64,
    /// Bytes that its publisher sent.
    pub bytes: u64,
    /// What became of them, for all viewers together.
    pub viewers: Counts,
}

impl<P: Clone + Send + 'static> Distributor<P> {
    /// A node without streams. An audience must be [set](Self::set_audience) before the first stream.
    pub fn new(config: Config) -> Self {
        Self(Arc::new(Shared {
            streams: RwLock::default(),
            audience: OnceLock::new(),
            watching: Arc::default(),
            joining: AtomicUsize::new(0),
            budget: Arc::new(Budget::new(config.held_bytes_max)),
            joins: Mutex::new(Pacer::new(config.join_pace)),
            exhausted: AtomicBool::new(false),
            config,
        }))
    }

    /// Says who tells the viewers. The first call counts.
    pub fn set_audience(&self, audience: Arc<dyn Audience<P>>) {
        // A second audience would be a second voice for the same viewers.
        let _ = self.0.audience.set(audience);
    }

    /// Creates the stream `key` with `session` in the publisher's seat. `token` lets it, or whoever it gives it to, come
    /// back.
    ///
    /// # Errors
    /// When the key is in use or the node is full.
    ///
    /// # Panics
    /// When no audience was set: a wiring fault, found at the first stream.
    pub fn register_publisher(
        &self,
        key: StreamKey,
        token: PublishToken,
        session: SessionId,
    ) -> Result<Stream<P>, PublishError> {
        let audience = self
            .0
            .audience
            .get()
            .expect("an audience is set before the first stream");
        let mut streams = self.0.streams.write();
        if streams.contains_key(&key) {
            return Err(PublishError::Taken);
        }
        let max = self.0.config.streams_max;
        if streams.len() >= max {
            return Err(PublishError::Full { max });
        }
        let state = stream::Stream::new(self.0.config.stream.clone(), token, session);
        let shared = Arc::clone(&self.0);
        let ended = move |key: &StreamKey| {
            shared.streams.write().remove(key);
        };
        let audience = Arc::clone(audience);
        let feed = Feed::new(self.0.config.bounds, Arc::clone(&self.0.budget));
        let watching = Arc::clone(&self.0.watching);
        let stream = Stream::spawn(key.clone(), state, feed, watching, audience, ended);
        streams.insert(key, stream.clone());
        Ok(stream)
    }

    /// Adds `session` to the viewers of the stream `key`. Its audience is told and gives it what it must see first.
    ///
    /// # Errors
    /// When there is no such stream or it refuses.
    pub async fn register_viewer(
        &self,
        key: &str,
        session: SessionId,
        name: String,
    ) -> Result<(), JoinError> {
        let stream = self.stream(key).ok_or(JoinError::Unknown)?;
        // It has its place until it is counted among those who watch.
        let _joining = self.admit().await?;
        Ok(stream.handle(Event::Join(session, name)).await?)
    }

    /// Lets one viewer in, at its turn. Its place is taken while it waits for that.
    async fn admit(&self) -> Result<Joining<'_>, JoinError> {
        if self.is_exhausted() {
            return Err(JoinError::Exhausted);
        }
        let max = self.0.config.viewers_max;
        // Whoever becomes a viewer meanwhile is counted as one first and leaves those who join then: asked in this order, it
        // may be counted twice, never not at all.
        let (joining, before) = Joining::new(&self.0.joining);
        if before + self.viewers() >= max {
            return Err(JoinError::Full { max });
        }
        let turn = self.0.joins.lock().turn(Instant::now().into_std());
        let wait = turn.map_err(|after| JoinError::Busy { after })?;
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        Ok(joining)
    }

    /// Says whether the machine can carry no further viewers. Those who are in stay.
    pub fn set_exhausted(&self, exhausted: bool) {
        self.0.exhausted.store(exhausted, Ordering::Relaxed);
    }

    /// Says whether memory is short: streams then hold a quarter of what they may hold otherwise.
    pub fn set_short(&self, short: bool) {
        self.0.budget.set_short(short);
    }

    /// Whether the machine can carry no further viewers.
    pub fn is_exhausted(&self) -> bool {
        self.0.exhausted.load(Ordering::Relaxed)
    }

    /// How many watch, in all streams together.
    pub fn viewers(&self) -> usize {
        self.0.watching.load(Ordering::SeqCst)
    }

    /// Hands a packet of `bytes` to every viewer of the stream `key`, if `session` publishes it.
    ///
    /// # Errors
    /// When there is no such stream or the session does not publish it.
    pub fn distribute(
        &self,
        key: &str,
        session: SessionId,
        packet: P,
        bytes: usize,
    ) -> Result<(), DistributeError> {
        let stream = self.stream(key).ok_or(DistributeError::Unknown)?;
        stream.distribute(session, packet, bytes)
    }

    /// The stream `key`, if it has not ended.
    pub fn stream(&self, key: &str) -> Option<Stream<P>> {
        self.0.streams.read().get(key).cloned()
    }

    /// All streams that have not ended.
    pub fn streams(&self) -> Vec<Stream<P>> {
        self.0.streams.read().values().cloned().collect()
    }

    /// What is distributed now.
    pub fn stats(&self) -> Stats {
        let streams: Vec<_> = self.streams().iter().map(stats_of).collect();
        let live = || {
            streams
                .iter()
                .filter(|stream| stream.status.phase == Phase::Live)
        };
        Stats {
            active_streams: live().count(),
            total_viewers: live().map(|stream| stream.status.viewers).sum(),
            held_bytes: self.0.budget.held_bytes(),
            streams,
        }
    }

    /// Ends every stream because the server goes down. Their audience has been told when this returns.
    pub async fn shutdown(&self) {
        for stream in self.streams() {
            // One that has ended meanwhile is as it should be.
            let _ = stream.handle(Event::Shutdown).await;
        }
    }
}

/// One of those who join, for as long as it lives.
struct Joining<'a>(&'a AtomicUsize);

impl<'a> Joining<'a> {
    /// One more, and how many there were before it.
    fn new(count: &'a AtomicUsize) -> (Self, usize) {
        let before = count.fetch_add(1, Ordering::SeqCst);
        (Self(count), before)
    }
}

impl Drop for Joining<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn stats_of<P: Clone + Send + 'static>(stream: &Stream<P>) -> StreamStats {
    let (packets, bytes) = stream.sent();
    StreamStats {
        key: stream.key().clone(),
        status: stream.status(),
        packets,
        bytes,
        viewers: stream.feed().counts(),
    }
}
