//! StreamHub's Socket.IO dialect over the hub: every client that was written for StreamHub works against this, without
//! StreamHub's faults.
//!
//! [`StreamHub`] is what a binary mounts: the Socket.IO server with the dialect in it, and the few things that its HTTP
//! routes tell. Only `names` spells the events, only `wire` the objects; what is said when is in `stage` (to a room) and
//! `dialect` (to who asked).
//!
//! Invariants: to watch one needs a stream's key, to publish its seat or its token, to open one what the [`gate`] asks for;
//! a name gives no right at all; no event of one client is answered before the one before it.

mod bridge;
pub mod by_address;
mod config;
mod dialect;
mod directory;
pub mod door;
pub mod gate;
pub mod grant;
mod guessing;
mod hosting;
mod joinable;
mod links;
mod mirror;
mod moderation;
mod names;
mod payload;
mod privacy;
mod relay;
mod room;
mod stage;
pub mod store;
mod talk;
pub mod time;
mod trouble;
mod viewer;
mod watchers;
mod wire;
mod wishes;

pub use config::{Config, IceServer, Limits, PeerToPeer, Rates};
pub use links::Link;
pub use moderation::{Measure, ModerateRefusal};
pub use privacy::{LinkRefusal, Rooms};
pub use watchers::{Watcher, Watchers};
pub use wire::{Distribution, Health, ListedStream, StreamDetail, UserCounts};

use crate::by_address::ByAddress;
use crate::dialect::Dialect;
use crate::directory::Directory;
use crate::door::WatchRefusal;
use crate::gate::Gate;
use crate::grant::Grant;
use crate::relay::Packet;
use crate::room::{Ended, EndedStream, SharedRoom};
use crate::stage::{Peer, Stage};
use crate::store::{Record, Snapshot};
use crate::talk::{Talk, Talkers};
use crate::time::Timestamp;
use abanico_core::key::{SessionId, StreamKey};
use abanico_core::presence;
use abanico_core::rate::Bucket;
use abanico_hub::Distributor;
use abanico_live::{Pool, Share};
use abanico_socketio::{NamespaceHandle, Server, Socket};
use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use tokio::sync::mpsc;
use tracing::warn;

/// The dialect as it runs. Cloning it clones a handle.
#[derive(Clone)]
pub struct StreamHub {
    shared: Arc<Shared>,
    server: Server,
}

/// What the dialect's parts share.
pub(crate) struct Shared {
    limits: Limits,
    rates: Rates,
    peer_to_peer: PeerToPeer,
    directory: Mutex<Directory>,
    rooms: RwLock<HashMap<StreamKey, SharedRoom>>,
    ended: Mutex<Ended>,
    distributor: Distributor<Packet>,
    peers: RwLock<Peers>,
    namespace: OnceLock<NamespaceHandle>,
    journal: mpsc::Sender<Record>,
    sessions: AtomicU64,
    /// How many in a room are told by name who comes and goes.
    presence: presence::Policy,
    /// What the frames of all streams are made with.
    pool: Arc<Pool>,
    /// The sessions of publishers at other doors.
    at_doors: Mutex<HashSet<SessionId>>,
    gate: Arc<dyn Gate>,
    /// What may still be said from each address in chats.
    talkers: Talkers,
    /// Whom lists may still name to each address.
    listed: Mutex<ByAddress<Bucket>>,
    /// What may still be sent from each address to publishers, of signals.
    signallers: Talkers,
    /// How often publishers are asked for keyframes on behalf of each address, in each stream.
    wishers: Mutex<ByAddress<Share>>,
}

/// Who is connected, by session and by socket.
#[derive(Default)]
struct Peers {
    by_session: HashMap<SessionId, Arc<Peer>>,
    by_socket: HashMap<String, SessionId>,
}

impl StreamHub {
    /// Starts the dialect with what is known from before. Whatever must survive is sent to `journal`; while that is full,
    /// clients whose changes must be recorded wait. Who may open a stream is for `gate` to say.
    pub fn new(
        config: Config,
        snapshot: Snapshot,
        journal: mpsc::Sender<Record>,
        gate: Arc<dyn Gate>,
    ) -> Self {
        let shared = Arc::new(Shared {
            directory: Mutex::new(Directory::new(config.limits.clone(), snapshot)),
            rooms: RwLock::default(),
            ended: Mutex::new(Ended::new(config.limits.ended_max, config.limits.ended_for)),
            presence: config.distributor.stream.presence,
            pool: Pool::new(config.live),
            at_doors: Mutex::default(),
            gate,
            listed: Mutex::default(),
            talkers: Talkers::new(Talk::of_address(&config.rates)),
            signallers: Talkers::new(Talk::signals_of_address(&config.rates)),
            wishers: Mutex::default(),
            distributor: Distributor::new(config.distributor),
            peers: RwLock::default(),
            namespace: OnceLock::new(),
            journal,
            sessions: AtomicU64::new(1),
            limits: config.limits,
            rates: config.rates,
            peer_to_peer: config.peer_to_peer,
        });
        shared
            .distributor
            .set_audience(Arc::new(Stage(Arc::downgrade(&shared))));
        let dialect = Dialect(Arc::clone(&shared));
        let server = Server::builder(config.socketio)
            .namespace("/", dialect)
            .build();
        let namespace = server
            .namespace("/")
            .expect("the main namespace was just built");
        shared.namespace.get_or_init(|| namespace);
        Self { shared, server }
    }

    /// The Socket.IO server, to be mounted at its path.
    pub fn socketio(&self) -> &Server {
        &self.server
    }

    /// The body of `GET /health`.
    pub fn health(&self) -> Health {
        let stats = self.shared.distributor.stats();
        let (total, connected) = self.shared.directory.lock().counts();
        let live = stats
            .streams
            .iter()
            .filter(|s| s.status.phase == abanico_core::stream::Phase::Live);
        let stream_details = live
            .filter_map(|stream| {
                let room = self.shared.room(stream.key.as_str());
                if room.as_ref().is_some_and(|room| room.private) {
                    return None;
                }
                let doors = room.map(|room| room.channel.counts()).unwrap_or_default();
                let viewers = stream.viewers + doors;
                Some(StreamDetail {
                    stream_key: stream.key.shortened(),
                    viewers: stream.status.viewers,
                    frames: stream.packets,
                    bytes: stream.bytes,
                    delivered: viewers.read,
                    skipped: viewers.skipped,
                })
            })
            .collect();
        Health {
            status: "ok",
            active_streams: stats.active_streams,
            connected_users: connected,
            users: UserCounts {
                total,
                connected,
                disconnected: total - connected,
            },
            distribution: Distribution {
                active_streams: stats.active_streams,
                total_viewers: stats.total_viewers,
                held_bytes: stats.held_bytes,
                stream_details,
            },
        }
    }

    /// The live streams, the newest first.
    pub fn live_streams(&self) -> Vec<ListedStream> {
        let rooms: Vec<_> = self.shared.rooms.read().values().cloned().collect();
        let mut listed: Vec<_> = rooms
            .iter()
            .filter(|room| !room.private)
            .filter_map(|room| room.listed())
            .collect();
        listed.sort_by_key(|listed| std::cmp::Reverse(listed.stream.started_at));
        listed
    }

    /// A still of the stream `key` and its MIME type: its poster, or its newest picture.
    ///
    /// # Errors
    /// When whoever asks may not look at it, or not now. `None` when it has none.
    pub async fn still(
        &self,
        key: &str,
        grant: &Grant,
    ) -> Result<Option<(&'static str, Bytes)>, WatchRefusal> {
        let room = self.shared.room(key).ok_or(WatchRefusal::Unknown)?;
        let session = self.shared.next_door_session();
        room.admit_look(grant, session).await?;
        Ok(room.still())
    }

    /// Says whether the machine can carry no further viewers: joins are then refused with a time to return. Those who
    /// watch stay.
    pub fn set_exhausted(&self, exhausted: bool) {
        self.shared.distributor.set_exhausted(exhausted);
    }

    /// Says whether memory is short: streams then hold a quarter of what they may hold otherwise.
    pub fn set_short(&self, short: bool) {
        self.shared.distributor.set_short(short);
        self.shared.pool.set_short(short);
    }

    /// Whether no further viewers are taken because the machine can carry no more.
    pub fn is_exhausted(&self) -> bool {
        self.shared.distributor.is_exhausted()
    }

    /// Ends every stream and tells everybody. The connections are closed by [`Server::shutdown`] after this.
    pub async fn shutdown(&self) {
        self.shared.distributor.shutdown().await;
    }
}

impl Shared {
    fn room(&self, key: &str) -> Option<SharedRoom> {
        self.rooms.read().get(key).cloned()
    }

    /// Lists a room. False if there is one under its key.
    fn list_room(&self, room: &SharedRoom) -> bool {
        let mut rooms = self.rooms.write();
        let free = !rooms.contains_key(&room.key);
        if free {
            rooms.insert(room.key.clone(), room.clone());
        }
        free
    }

    fn peer(&self, session: SessionId) -> Option<Arc<Peer>> {
        self.peers.read().by_session.get(&session).cloned()
    }

    fn peer_of_socket(&self, socket_id: &str) -> Option<(SessionId, Arc<Peer>)> {
        let peers = self.peers.read();
        let session = *peers.by_socket.get(socket_id)?;
        Some((session, peers.by_session.get(&session)?.clone()))
    }

    fn add_peer(&self, session: SessionId, socket: &Socket) {
        let mut peers = self.peers.write();
        peers
            .by_session
            .insert(session, Arc::new(Peer::new(socket.clone(), self.wishes())));
        peers.by_socket.insert(socket.id().to_owned(), session);
    }

    fn forget_peer(&self, session: SessionId, socket_id: &str) {
        let mut peers = self.peers.write();
        peers.by_session.remove(&session);
        peers.by_socket.remove(socket_id);
    }

    fn namespace(&self) -> &NamespaceHandle {
        self.namespace
            .get()
            .expect("set before the first client can connect")
    }

    fn next_session(&self) -> SessionId {
        SessionId(self.sessions.fetch_add(1, Ordering::Relaxed))
    }

    /// Records a change for which nobody can wait. When the store is that far behind, the history has a gap.
    fn note(&self, record: Record) {
        if self.journal.try_send(record).is_err() {
            warn!("the store is behind; an entry of the stream history is lost");
        }
    }

    /// Records a change, waiting while the store is behind.
    async fn record(&self, record: Record) {
        if self.journal.send(record).await.is_err() {
            warn!("the store has stopped; a change will not survive a restart");
        }
    }

    /// A stream is over: it is no longer found, and its streamer may create another.
    fn forget_room(&self, room: &SharedRoom, over: EndedStream, now: Timestamp) {
        self.directory.lock().stream_over(room.streamer, &room.key);
        // Of a private one nobody is told afterwards that it was there.
        if !room.private {
            self.ended.lock().insert(room.key.clone(), over, now);
        }
        self.rooms.write().remove(&room.key);
    }
}
