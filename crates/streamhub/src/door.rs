//! Other doors than Socket.IO: publishers and viewers without a user, over whatever they speak.
//!
//! A stream is one, whatever door its publisher and its viewers use: rights, seat, grace, counts, chat and end are the
//! same. A [`Publisher`] has the seat and pushes into the stream's [`Channel`]; a [`Viewer`] is counted and watches it.
//! Both hear of the stream's life as [`News`]. Dropping either is a connection that broke off.

use crate::grant::{Grant, Lease};
use crate::privacy::Stay;
use crate::relay::{Packet, Relay};
use crate::room::{Room, SharedRoom};
use crate::{Shared, StreamHub};
use abanico_core::key::{PublishToken, SessionId, StreamKey};
use abanico_core::rights::{Deed, Over, Refused};
use abanico_core::stream::{Event, Parting, Phase, Refusal, Right};
use abanico_hub::Stream;
use abanico_hub::distributor::{JoinError, PublishError};
use abanico_live::Channel;
use abanico_socketio::retry::FULL_RETRY;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::watch;
use uuid::Uuid;

/// How a stream stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct News {
    /// It went live.
    pub live: bool,
    /// Its publisher said that it pauses.
    pub paused: bool,
    /// Who publishes, if anybody is there.
    pub publisher: Option<SessionId>,
    /// The publisher is lost, and awaited for so long in all.
    pub grace: Option<Duration>,
    /// How many watch.
    pub viewers: usize,
    /// It is over. Nothing follows.
    pub ended: bool,
    /// It is over because what it was opened with holds no more.
    pub withdrawn: Option<Over>,
}

/// Why somebody may not publish.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PublishRefusal {
    /// The key is none that one can choose.
    #[error("a stream key has 1 to 64 of the characters A-Z, a-z, 0-9, - and _")]
    BadKey,
    /// The token is none that one can choose.
    #[error("a token has 1 to 256 characters")]
    BadToken,
    /// The stream exists, and its token was not shown.
    #[error("this stream has a publisher already; to take its place, show the stream's token")]
    TokenMissing,
    /// The stream exists, and has another token.
    #[error("the token is not this stream's")]
    TokenWrong,
    /// The stream is over, and its key is not one that is opened again.
    #[error("this stream has ended")]
    Ended,
    /// The stream does not exist, and whoever asks may not open it.
    #[error(transparent)]
    MayNotOpen(Refused),
    /// The server has all the streams that it may have.
    #[error("this server carries {max} streams already")]
    Full {
        /// The limit.
        max: usize,
    },
}

/// Why somebody may not end a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum EndRefusal {
    /// There is no such stream.
    #[error("there is no such stream")]
    Unknown,
    /// The stream is over already.
    #[error("this stream has ended")]
    Ended,
    /// Nothing was shown that could end it.
    #[error("to end this stream, show its token or the operator's key")]
    TokenMissing,
    /// The token is another's.
    #[error("the token is not this stream's")]
    TokenWrong,
}

/// What somebody has who wants to publish.
#[derive(Debug, Clone)]
pub struct Claim {
    /// What it was granted. What it showed besides is the token that a stream has which is opened.
    pub grant: Grant,
    /// The streamer's name of a stream that is opened.
    pub title: Option<String>,
    /// Whether a stream that is opened is private.
    pub private: bool,
}

impl Claim {
    /// Whether who was cut off can show as much again.
    pub fn may_come_back(&self) -> bool {
        self.grant.rest.is_some() || self.grant.is_operator() || self.grant.holder.is_some()
    }

    /// What it has for a stream that exists. The operator takes the seat of any.
    fn right(&self, room: &Room) -> Result<Right, PublishRefusal> {
        if self.grant.is_operator() || room.is_held_by(&self.grant) {
            return Ok(Right::Owner);
        }
        let token = self.grant.rest.as_deref();
        let token = token.ok_or_else(|| self.refused(room, PublishRefusal::TokenMissing))?;
        Ok(Right::Token(PublishToken::new(token)))
    }

    /// What is told whose claim does not suffice: of a private stream the same as of one that does not exist, as far as
    /// whoever asks may not open one.
    fn refused(&self, room: &Room, refusal: PublishRefusal) -> PublishRefusal {
        match self.grant.may(Deed::Publish) {
            Err(refused) if room.private => PublishRefusal::MayNotOpen(refused),
            _ => refusal,
        }
    }
}

/// Why somebody may not watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum WatchRefusal {
    /// There is no such stream.
    #[error("there is no such stream")]
    Unknown,
    /// The stream is over.
    #[error("this stream has ended")]
    Ended,
    /// All seats of the link that was shown are taken.
    #[error("all seats of this link are taken now")]
    Seats {
        /// When it is worth to try again.
        retry_after: Duration,
    },
    /// Whoever keeps order there put out who watches from this address.
    #[error("whoever keeps order here has put you out; come back later")]
    Removed {
        /// After how long.
        retry_after: Duration,
    },
    /// There is no room now; it is worth to try again after this time.
    #[error("there is no room for another viewer now")]
    Full {
        /// After how long.
        retry_after: Duration,
    },
}

impl StreamHub {
    /// Whether publishing `key` with this claim would take over a stream that exists. Nothing changes.
    ///
    /// # Errors
    /// When it exists and the claim does not suffice.
    pub async fn takes_over(&self, key: &str, claim: &Claim) -> Result<bool, PublishRefusal> {
        let room = self.shared.room(key);
        let Some((room, stream)) = room
            .as_ref()
            .and_then(|room| Some((room, room.stream.get()?)))
        else {
            return Ok(false);
        };
        let right = claim.right(room)?;
        let session = self.shared.next_door_session();
        match stream.handle(Event::Ask(session, right)).await {
            Ok(()) => Ok(true),
            // It ends just now: whoever publishes opens another.
            Err(Refusal::Ended) => Ok(false),
            Err(Refusal::NotPublisher | Refusal::Full { .. }) => {
                Err(claim.refused(room, PublishRefusal::TokenWrong))
            }
        }
    }

    /// Takes the publisher's seat of the stream `key`. A stream that does not exist is opened, if that may be.
    ///
    /// # Errors
    /// When the key or the token is wrong, the stream may not be opened, or there is no room.
    pub async fn publish(&self, key: &str, claim: &Claim) -> Result<Publisher, PublishRefusal> {
        let unfit = |token: &String| token.is_empty() || token.len() > TOKEN_BYTES_MAX;
        if claim.grant.rest.as_ref().is_some_and(unfit) {
            return Err(PublishRefusal::BadToken);
        }
        let shared = &self.shared;
        let session = shared.next_door_session();
        // A stream that ends just now is in the way for a moment.
        for _ in 0..ENDING_TRIES {
            if let Some(room) = shared.room(key)
                && let Some(stream) = room.stream.get().cloned()
            {
                let right = claim.right(&room)?;
                let publisher = Publisher::new(shared, room, stream, session, None);
                match publisher.stream.handle(Event::Claim(session, right)).await {
                    Ok(()) => {
                        publisher.room.renew(&publisher.stream, &claim.grant);
                        return Ok(publisher);
                    }
                    Err(Refusal::NotPublisher | Refusal::Full { .. }) => {
                        return Err(claim.refused(&publisher.room, PublishRefusal::TokenWrong));
                    }
                    Err(Refusal::Ended) => {}
                }
            } else {
                let opening = claim.grant.may(Deed::Publish);
                opening.map_err(PublishRefusal::MayNotOpen)?;
                match self.open(key, claim, session) {
                    Ok(publisher) => return Ok(publisher),
                    Err(OpenError::Refused(refusal)) => return Err(refusal),
                    Err(OpenError::Taken) => {}
                }
            }
            tokio::time::sleep(ENDING_WAIT).await;
        }
        // It is not the token's fault that somebody else was quicker each time.
        Err(PublishRefusal::Ended)
    }

    /// Ends the stream `key` for everybody, if the claim suffices: its token does, and the operator's key.
    ///
    /// # Errors
    /// When there is no such stream, or it is not the asker's to end.
    pub async fn end(&self, key: &str, claim: &Claim) -> Result<(), EndRefusal> {
        let over = |refusal| match refusal {
            WatchRefusal::Ended => EndRefusal::Ended,
            WatchRefusal::Unknown
            | WatchRefusal::Removed { .. }
            | WatchRefusal::Seats { .. }
            | WatchRefusal::Full { .. } => EndRefusal::Unknown,
        };
        let room = self.shared.room(key);
        let found = room
            .as_ref()
            .and_then(|room| Some((room, room.stream.get()?)));
        let (room, stream) = found.ok_or_else(|| over(self.no_stream(key)))?;
        let event = if claim.grant.is_operator() {
            Event::Stop
        } else {
            let missing = match room.private {
                true => EndRefusal::Unknown,
                false => EndRefusal::TokenMissing,
            };
            let right = claim.right(room).map_err(|_| missing)?;
            Event::End(self.shared.next_door_session(), right)
        };
        stream.handle(event).await.map_err(|refusal| match refusal {
            Refusal::Ended => EndRefusal::Ended,
            refusal if room.hides(refusal) => EndRefusal::Unknown,
            Refusal::NotPublisher | Refusal::Full { .. } => EndRefusal::TokenWrong,
        })
    }

    fn open(&self, key: &str, claim: &Claim, session: SessionId) -> Result<Publisher, OpenError> {
        let shared = &self.shared;
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if key.is_empty() || key.len() > KEY_BYTES_MAX || !key.bytes().all(legal) {
            return Err(OpenError::Refused(PublishRefusal::BadKey));
        }
        let over = shared.ended.lock().get_mut(key).map(|over| over.chosen);
        if over == Some(false) {
            return Err(OpenError::Refused(PublishRefusal::Ended));
        }
        let token = claim.grant.rest.clone();
        let token = token.unwrap_or_else(crate::dialect::random_hex);
        let title = claim.title.as_deref().map(str::trim);
        let title = title.filter(|title| !title.is_empty());
        let name = title.unwrap_or(key);
        let name: String = name.chars().take(shared.limits.name_chars_max).collect();
        let key = StreamKey::new(key);
        let relay = Relay::new(key.clone(), shared.limits.clone());
        let channel = Channel::named(&shared.pool, key.as_str());
        let room = Room::new(
            key.clone(),
            Uuid::new_v4(),
            name,
            relay,
            channel,
            (true, claim.private),
        );
        let room = Arc::new(room);
        // Listed first: the stream's task finds it from its first notice on.
        if !shared.list_room(&room) {
            return Err(OpenError::Taken);
        }
        let opened = PublishToken::new(&*token);
        match shared
            .distributor
            .register_publisher(key.clone(), opened, session)
        {
            Ok(stream) => {
                room.stream.get_or_init(|| stream.clone());
                room.hold(&stream, &claim.grant);
                Ok(Publisher::new(shared, room, stream, session, Some(token)))
            }
            Err(error) => {
                shared.rooms.write().remove(key.as_str());
                Err(match error {
                    PublishError::Taken => OpenError::Taken,
                    PublishError::Full { max } => OpenError::Refused(PublishRefusal::Full { max }),
                })
            }
        }
    }

    /// Joins the stream `key` as a viewer who is counted, with what it was granted.
    ///
    /// # Errors
    /// When there is no such stream, or no room.
    pub async fn watch(&self, key: &str, grant: &Grant) -> Result<Viewer, WatchRefusal> {
        let shared = &self.shared;
        let Some(room) = shared.room(key) else {
            return Err(self.no_stream(key));
        };
        let Some(stream) = room.stream.get().cloned() else {
            return Err(WatchRefusal::Unknown);
        };
        let session = shared.next_door_session();
        let stay = room.admit_guest(grant, session, true).await?;
        // Taken first, so that who gives up while it waits leaves.
        let place = Place { stream, session };
        let joined = shared
            .distributor
            .register_viewer(key, session, String::new())
            .await;
        let retry_after = match joined {
            Ok(()) => {
                let by_door = room.is_by_door();
                room.relay.lock().mirror_to(&room.channel, by_door);
                return Ok(Viewer {
                    room,
                    stay,
                    _place: place,
                });
            }
            Err(JoinError::Unknown | JoinError::Refused(Refusal::Ended)) => {
                return Err(self.no_stream(key));
            }
            Err(JoinError::Busy { after }) => after,
            Err(
                JoinError::Refused(Refusal::Full { .. } | Refusal::NotPublisher)
                | JoinError::Full { .. }
                | JoinError::Exhausted,
            ) => FULL_RETRY,
        };
        Err(WatchRefusal::Full { retry_after })
    }

    /// Hears how the stream `key` stands, without being counted: for somebody whose media come by another connection.
    ///
    /// # Errors
    /// When there is no such stream.
    pub async fn observe(&self, key: &str, grant: &Grant) -> Result<Observer, WatchRefusal> {
        let room = self.shared.room(key).ok_or_else(|| self.no_stream(key))?;
        let session = self.shared.next_door_session();
        let stay = room.admit_guest(grant, session, false).await?;
        // To know what the stream consists of, its frames must be looked at, as for a viewer.
        let by_door = room.is_by_door();
        room.relay.lock().mirror_to(&room.channel, by_door);
        Ok(Observer { room, stay })
    }

    /// The newest picture of the stream `key` and its MIME type, for somebody who is not counted.
    ///
    /// # Errors
    /// When there is no such stream. `None` when it has no picture.
    pub async fn picture(
        &self,
        key: &str,
        grant: &Grant,
    ) -> Result<Option<(&'static str, Bytes)>, WatchRefusal> {
        let room = self.shared.room(key).ok_or_else(|| self.no_stream(key))?;
        let session = self.shared.next_door_session();
        room.admit_look(grant, session).await?;
        Ok(room.picture())
    }

    fn no_stream(&self, key: &str) -> WatchRefusal {
        match self.shared.ended.lock().get_mut(key) {
            Some(_) => WatchRefusal::Ended,
            None => WatchRefusal::Unknown,
        }
    }
}

/// Why a stream was not opened.
enum OpenError {
    Refused(PublishRefusal),
    /// Somebody else opened it, or the one before it is about to go.
    Taken,
}

const KEY_BYTES_MAX: usize = 64;
const TOKEN_BYTES_MAX: usize = 256;

/// How often, and after what time, a key is tried again whose stream is about to go.
const ENDING_TRIES: u32 = 20;
const ENDING_WAIT: Duration = Duration::from_millis(10);

/// A publisher at another door. Dropping it leaves the seat for the grace time.
pub struct Publisher {
    shared: Arc<Shared>,
    room: SharedRoom,
    stream: Stream<Packet>,
    session: SessionId,
    token: Option<String>,
}

impl Publisher {
    fn new(
        shared: &Arc<Shared>,
        room: SharedRoom,
        stream: Stream<Packet>,
        session: SessionId,
        token: Option<String>,
    ) -> Self {
        shared.at_doors.lock().insert(session);
        Self {
            shared: Arc::clone(shared),
            room,
            stream,
            session,
            token,
        }
    }

    /// What it pushes into.
    pub fn channel(&self) -> &Channel {
        &self.room.channel
    }

    /// The token for coming back, if this publisher opened the stream.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// The stream's key.
    pub fn key(&self) -> &str {
        self.room.key.as_str()
    }

    /// Whether it has the seat; it has not when another took it over, or the stream has ended.
    pub fn has_seat(&self) -> bool {
        self.stream.is_publisher(self.session)
    }

    /// Who joins waits too long for a publisher whose keyframes are further apart than this: it is told so, once.
    pub fn keyframe_gap_max(&self) -> Duration {
        self.shared.limits.keyframe_gap_max
    }

    /// How the stream stands, and each change.
    pub fn news(&self) -> watch::Receiver<News> {
        self.room.news.subscribe()
    }

    /// Why it has lost its stream, if what that was opened with holds no more.
    pub fn withdrawn(&self) -> Option<Over> {
        self.room.news.borrow().withdrawn
    }

    /// Waits until it has the seat no longer.
    pub async fn seat_lost(&self) {
        let mut news = self.news();
        while self.has_seat() && news.changed().await.is_ok() {}
    }

    /// Makes the stream live, if it is not: with the first frame.
    pub async fn start(&self) {
        if self.stream.status().phase == Phase::Waiting {
            self.say(Event::Start(self.session, Right::Seat)).await;
        }
    }

    /// Pauses, or goes on.
    pub async fn pause(&self, paused: bool) {
        self.say(Event::Pause(self.session, Right::Seat, paused))
            .await;
    }

    /// Ends the stream.
    pub async fn end(self) {
        self.say(Event::End(self.session, Right::Seat)).await;
    }

    async fn say(&self, event: Event) {
        // A stream that has ended, or whose seat is lost, is no longer this publisher's to change.
        let _ = self.stream.handle(event).await;
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.shared.at_doors.lock().remove(&self.session);
        lose(&self.stream, self.session);
    }
}

/// A viewer at another door. Dropping it leaves.
pub struct Viewer {
    room: SharedRoom,
    stay: Stay,
    _place: Place,
}

/// A place among a stream's viewers, from when it is asked for. Dropping it leaves.
struct Place {
    stream: Stream<Packet>,
    session: SessionId,
}

impl Drop for Place {
    fn drop(&mut self) {
        lose(&self.stream, self.session);
    }
}

impl Viewer {
    /// What it watches.
    pub fn channel(&self) -> &Channel {
        &self.room.channel
    }

    /// The stream's key.
    pub fn key(&self) -> &str {
        self.room.key.as_str()
    }

    /// How the stream stands, and each change.
    pub fn news(&self) -> watch::Receiver<News> {
        self.room.news.subscribe()
    }

    /// How long it may stay.
    pub fn lease(&self) -> &Lease {
        &self.stay.lease
    }
}

impl Viewer {
    /// Why nothing of the stream can be had here, if that is so whatever comes: it is made of what is passed on over
    /// Socket.IO as it is, and understood by nobody.
    pub fn unshowable(&self) -> Option<&'static str> {
        if self.room.is_by_door() {
            return None;
        }
        self.room.relay.lock().unshowable()
    }

    /// Why nothing of the stream can be had here for now, as soon as that is so: what its publisher sends over Socket.IO is
    /// broken.
    pub async fn unreadable(&self) -> String {
        let mut news = self.news();
        loop {
            if let Some(why) = self.trouble() {
                return why;
            }
            if news.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    fn trouble(&self) -> Option<String> {
        if self.room.is_by_door() {
            return None;
        }
        let trouble = self.room.relay.lock().unreadable()?;
        Some(trouble.to_viewer())
    }

    /// Whether its publisher sent anything over Socket.IO, whatever it was.
    pub fn has_begun(&self) -> bool {
        !self.room.is_by_door() && self.room.relay.lock().has_begun()
    }
}

/// Somebody who is told of a stream and is not counted.
pub struct Observer {
    room: SharedRoom,
    stay: Stay,
}

impl Observer {
    /// The media, of which only the description is an observer's concern.
    pub fn channel(&self) -> &Channel {
        &self.room.channel
    }

    /// How the stream stands, and each change.
    pub fn news(&self) -> watch::Receiver<News> {
        self.room.news.subscribe()
    }

    /// How long it may stay.
    pub fn lease(&self) -> &Lease {
        &self.stay.lease
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.room.relay.lock().mirror_left(&self.room.channel);
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.room.relay.lock().mirror_left(&self.room.channel);
    }
}

/// Tells a stream that a session is gone. Without a runtime, as the process ends, nobody needs to know.
fn lose(stream: &Stream<Packet>, session: SessionId) {
    let stream = stream.clone();
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(async move {
            // A stream that has ended meanwhile has no need to know.
            let _ = stream.handle(Event::Lost(session, Parting::Abrupt)).await;
        });
    }
}

/// Sessions at doors are told from those of sockets by this bit.
const DOOR: u64 = 1 << 62;

/// Whether a session is at another door than Socket.IO.
pub(crate) fn is_door(session: SessionId) -> bool {
    session.0 & DOOR != 0
}

impl Shared {
    pub(crate) fn next_door_session(&self) -> SessionId {
        SessionId(self.next_session().0 | DOOR)
    }

    /// For whom an event about a stream speaks that shows `right`: for the publisher at another door, if there is one,
    /// who stays, or else for `session`, who takes the seat.
    pub(crate) fn speaker(
        &self,
        stream: &Stream<Packet>,
        session: SessionId,
        right: &Right,
    ) -> SessionId {
        let publisher = stream.publisher().filter(|publisher| is_door(*publisher));
        publisher
            .filter(|_| !matches!(right, Right::Seat))
            .unwrap_or(session)
    }

    /// After an event that spoke for the publisher at another door: it may have gone meanwhile, and must not have the
    /// seat then.
    pub(crate) fn check_speaker(&self, stream: &Stream<Packet>, speaker: SessionId) {
        if is_door(speaker) && !self.at_doors.lock().contains(&speaker) {
            lose(stream, speaker);
        }
    }

    /// Tells the doors how the stream stands.
    pub(crate) fn publish_news(
        &self,
        room: &Room,
        stream: &Stream<Packet>,
        grace: Option<Duration>,
        withdrawn: Option<Over>,
    ) {
        let status = stream.status();
        room.news.send_if_modified(|news| {
            let now = News {
                live: status.phase == Phase::Live,
                paused: status.paused,
                publisher: stream.publisher(),
                grace: grace.or(news.grace).filter(|_| !status.publisher_present),
                viewers: status.viewers,
                ended: status.phase == Phase::Ended,
                withdrawn: withdrawn.or(news.withdrawn),
            };
            std::mem::replace(news, now) != now
        });
    }
}

#[cfg(test)]
mod tests;
