//! One stream as the dialect sees it: who made it and when, its media, its poster, and what is told of it when it is over.

use crate::Shared;
use crate::door::News;
use crate::grant::Grant;
use crate::guessing::Guessable;
use crate::hosting::Hosting;
use crate::links::Links;
use crate::moderation::Order;
use crate::relay::{Packet, Relay};
use crate::store::{Status, StreamRow};
use crate::talk::Talk;
use crate::time::Timestamp;
use crate::wire::{ListedStream, StreamObject};
use abanico_core::key::{SessionId, StreamKey};
use abanico_core::rate::Bucket;
use abanico_core::rights::Deed;
use abanico_core::stream::{Event, Phase};
use abanico_hub::Stream;
use abanico_live::{Channel, Format};
use abanico_media::sniff::Kind;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use uuid::Uuid;

/// A stream that has not ended.
pub(crate) struct Room {
    pub(crate) id: Uuid,
    pub(crate) key: StreamKey,
    pub(crate) streamer: Uuid,
    pub(crate) streamer_name: String,
    pub(crate) created_at: Timestamp,
    started_at: OnceLock<Timestamp>,
    /// Held while a frame is taken and while somebody joins, so that a viewer's backlog and its first live frame meet.
    pub(crate) relay: Mutex<Relay>,
    /// A still for lists, and what it is.
    pub(crate) poster: Mutex<Option<(&'static str, Bytes)>>,
    /// The frames, for whoever watches over another door, and from whoever publishes over one.
    pub(crate) channel: Channel,
    /// Whether the publisher's seat was last taken over another door.
    by_door: AtomicBool,
    /// Whether a door opened it, under a key that somebody chose.
    pub(crate) chosen: bool,
    /// Whether it is in no list, and watched by those alone who show something.
    pub(crate) private: bool,
    /// The links that it is watched with, if it is private.
    pub(crate) links: Links,
    /// Who was silenced there, and put out.
    pub(crate) order: Arc<Order>,
    /// What may still be said there.
    pub(crate) talk: Mutex<Talk>,
    /// Which connection answers for it, and for how many viewers it would itself.
    pub(crate) hosting: Mutex<Hosting>,
    /// What may still be sent to who answers for it, by all of its viewers together.
    pub(crate) signals: Mutex<Talk>,
    /// How many of those whose media come over another door may still be named as they come and go.
    pub(crate) names: Mutex<Bucket>,
    /// For whom it was opened, and what waits for the end of that right.
    held: Mutex<Held>,
    /// Its token, if somebody chose it.
    pub(crate) guessable: Option<Guessable>,
    /// How it stands, for doors.
    pub(crate) news: watch::Sender<News>,
    /// The running stream. Set right after the room is listed.
    pub(crate) stream: OnceLock<Stream<Packet>>,
}

impl Room {
    pub(crate) fn new(
        key: StreamKey,
        streamer: Uuid,
        streamer_name: String,
        relay: Relay,
        channel: Channel,
        (chosen, private): (bool, bool),
        shared: &Shared,
    ) -> Self {
        Self {
            id: Uuid::new_v4(),
            key,
            streamer,
            streamer_name,
            created_at: Timestamp::now(),
            started_at: OnceLock::new(),
            relay: Mutex::new(relay),
            poster: Mutex::new(None),
            channel,
            by_door: AtomicBool::new(chosen),
            chosen,
            private,
            links: Links::default(),
            order: Arc::default(),
            talk: Mutex::new(Talk::of_room(&shared.rates)),
            hosting: Mutex::default(),
            signals: Mutex::new(Talk::signals_of_room(&shared.rates)),
            names: Mutex::new(Bucket::new(shared.presence.named_rate)),
            held: Mutex::default(),
            guessable: None,
            news: watch::Sender::new(News::default()),
            stream: OnceLock::new(),
        }
    }

    /// Whether it was opened for the same holder as has this grant, who may publish it now, too: by what is shown, if it
    /// was opened by what was shown. A name alone gives nothing.
    pub(crate) fn is_held_by(&self, grant: &Grant) -> bool {
        let held = self.held.lock();
        let may_publish = match held.by_what_was_shown {
            true => grant.shown.gives(|powers| powers.publish),
            false => grant.may(Deed::Publish).is_ok(),
        };
        may_publish && grant.holder.is_some() && held.holder == grant.holder
    }

    /// Holds the stream to what it was opened with: it ends when that does.
    pub(crate) fn hold(&self, stream: &Stream<Packet>, grant: &Grant) {
        let mut held = self.held.lock();
        held.holder.clone_from(&grant.holder);
        held.by_what_was_shown = grant.shown.gives(|powers| powers.publish);
        held.opened_by.get_or_insert(grant.connection);
        let before = held.waits.take();
        if let Some(before) = before {
            before.abort();
        }
        if !grant.lease.may_end() {
            return;
        }
        let (stream, lease) = (stream.clone(), grant.lease.clone());
        let mut news = self.news.subscribe();
        let waiting = tokio::spawn(async move {
            let ended = async {
                let _ = news.wait_for(|news| news.ended).await;
            };
            let over = tokio::select! {
                over = lease.over() => over,
                () = ended => return,
            };
            // One that has ended meanwhile has no need to know.
            let _ = stream.handle(Event::Withdraw(over)).await;
        });
        held.waits = Some(waiting.abort_handle());
    }

    /// Holds the stream to the newer right of its holder, who came back with it.
    pub(crate) fn renew(&self, stream: &Stream<Packet>, grant: &Grant) {
        if self.is_held_by(grant) {
            self.hold(stream, grant);
        }
    }

    /// The name of the Socket.IO room of its members.
    pub(crate) fn name(&self) -> String {
        format!("stream:{}", self.key.as_str())
    }

    /// Whether its publisher is, or was last, at another door than Socket.IO.
    pub(crate) fn is_by_door(&self) -> bool {
        self.by_door.load(Ordering::Relaxed)
    }

    /// Notes at which kind of door the publisher is now. Called with the relay locked, which forgets what the other sent.
    pub(crate) fn set_by_door(&self, by_door: bool, relay: &mut Relay) {
        if self.by_door.swap(by_door, Ordering::Relaxed) != by_door {
            relay.change_hands(by_door, &self.channel);
        }
    }

    /// Whether a door opened it and it never went live.
    pub(crate) fn was_idle(&self) -> bool {
        self.chosen && self.started_at.get().is_none()
    }

    /// Notes when it went live. True the first time.
    pub(crate) fn start(&self) -> bool {
        self.started_at.set(Timestamp::now()).is_ok()
    }

    /// The object on the wire as the stream stands now.
    pub(crate) fn object(&self) -> StreamObject {
        let status = self.stream.get().map(Stream::status);
        let phase = status.map_or(Phase::Waiting, |status| status.phase);
        StreamObject {
            id: self.id,
            streamer_id: self.streamer,
            stream_key: self.key.as_str().to_owned(),
            status: match phase {
                Phase::Waiting => Status::Waiting,
                Phase::Live => Status::Active,
                Phase::Ended => Status::Ended,
            },
            created_at: self.created_at,
            viewer_count: status.map_or(0, |status| status.viewers),
            started_at: self.started_at.get().copied(),
            ended_at: None,
        }
    }

    /// The row in the history.
    pub(crate) fn row(&self, ended_at: Option<Timestamp>) -> StreamRow {
        let object = self.object();
        let peak = self
            .stream
            .get()
            .map_or(0, |stream| stream.status().viewers_peak);
        StreamRow {
            id: self.id,
            stream_key: object.stream_key,
            streamer_id: self.streamer,
            opened_by: self.held.lock().opened_by,
            status: if ended_at.is_some() {
                Status::Ended
            } else {
                object.status
            },
            viewers_peak: peak as u64,
            created_at: self.created_at,
            started_at: object.started_at,
            ended_at,
        }
    }

    /// The entry in the list of live streams, if it is live.
    pub(crate) fn listed(&self) -> Option<ListedStream> {
        let status = self.stream.get()?.status();
        if status.phase != Phase::Live {
            return None;
        }
        let (kind, is_picture) = {
            let relay = self.relay.lock();
            (relay.kind_name(), relay.picture().is_some())
        };
        let by_door = self.is_by_door();
        let kind = kind.filter(|_| !by_door).or_else(|| self.kind_at_door());
        let is_picture = is_picture || kind == Some("picture");
        Some(ListedStream {
            stream: self.object(),
            streamer_username: self.streamer_name.clone(),
            paused: status.paused,
            has_poster: is_picture || self.poster.lock().is_some(),
            kind,
        })
    }

    /// What a publisher at another door sends, in one word for a list.
    fn kind_at_door(&self) -> Option<&'static str> {
        let tracks = self.channel.tracks();
        Some(
            match Format::fitting(&tracks).filter(|_| !tracks.is_empty())? {
                Format::Mjpeg => "picture",
                Format::WebM => "webm",
                Format::Mp4 | Format::Native | Format::Rtp => "mp4",
            },
        )
    }

    /// A still of the stream: its poster, or its newest picture.
    pub(crate) fn still(&self) -> Option<(&'static str, Bytes)> {
        let poster = self.poster.lock().clone();
        poster.or_else(|| self.picture())
    }

    /// The newest picture of a stream of pictures.
    pub(crate) fn picture(&self) -> Option<(&'static str, Bytes)> {
        if self.is_by_door() {
            return Some((Kind::Jpeg.mime(), self.channel.still()?));
        }
        self.relay.lock().picture()
    }
}

/// What a stream was opened with.
#[derive(Default)]
struct Held {
    holder: Option<Arc<str>>,
    /// Whether that gave the right, and not the place or the server's being open.
    by_what_was_shown: bool,
    /// Over which connection, the first time.
    opened_by: Option<Uuid>,
    waits: Option<AbortHandle>,
}

/// Streams that are over: what whoever comes late is told, and who may be told of the streamer's next stream.
pub(crate) struct Ended {
    max: usize,
    kept_for: Duration,
    streams: HashMap<StreamKey, EndedStream>,
    order: VecDeque<StreamKey>,
}

/// A stream that is over.
pub(crate) struct EndedStream {
    pub(crate) object: StreamObject,
    pub(crate) streamer_name: String,
    /// Whether a door opened it, so that its key may be opened again.
    pub(crate) chosen: bool,
    /// Those who watched to the end or came after it.
    pub(crate) viewers: Vec<SessionId>,
}

impl Ended {
    pub(crate) fn new(max: usize, kept_for: Duration) -> Self {
        Self {
            max,
            kept_for,
            streams: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    /// Remembers a stream and forgets what is too old or too many.
    pub(crate) fn insert(&mut self, key: StreamKey, stream: EndedStream, now: Timestamp) {
        self.order.push_back(key.clone());
        self.streams.insert(key, stream);
        while let Some(oldest) = self.order.front() {
            let ended_at = self
                .streams
                .get(oldest)
                .and_then(|stream| stream.object.ended_at);
            let age = now
                .millis()
                .saturating_sub(ended_at.unwrap_or_default().millis());
            if self.order.len() <= self.max && u128::from(age) <= self.kept_for.as_millis() {
                break;
            }
            self.streams.remove(oldest);
            self.order.pop_front();
        }
    }

    /// Forgets a stream because another begins under its key.
    pub(crate) fn remove(&mut self, key: &str) -> Option<EndedStream> {
        let before = self.streams.remove(key)?;
        self.order.retain(|ended| ended.as_str() != key);
        Some(before)
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut EndedStream> {
        self.streams.get_mut(key)
    }
}

impl EndedStream {
    /// Notes that somebody would like to know of the next stream.
    pub(crate) fn await_next(&mut self, session: SessionId) {
        /// More than this many are not told of the next stream; they see it in the list.
        const AWAITING_MAX: usize = 100_000;
        if self.viewers.len() < AWAITING_MAX && !self.viewers.contains(&session) {
            self.viewers.push(session);
        }
    }
}

/// A room, shared.
pub(crate) type SharedRoom = Arc<Room>;
