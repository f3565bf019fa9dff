//! Publishers at other doors than Socket.IO.

use super::{News, WatchRefusal, lose};
use crate::grant::Grant;
use crate::guessing::Guessable;
use crate::relay::{Packet, Relay};
use crate::room::{Room, SharedRoom};
use crate::{Shared, StreamHub};
use abanico_core::key::{PublishToken, SessionId, StreamKey};
use abanico_core::rights::{Deed, Over, Refused};
use abanico_core::stream::{Event, Phase, Refusal, Right};
use abanico_hub::Stream;
use abanico_hub::distributor::PublishError;
use abanico_live::Channel;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::watch;
use uuid::Uuid;

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
    /// Too many wrong tokens were shown for it.
    #[error(transparent)]
    TooManyWrong(Refused),
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
#[derive(Debug, Clone, PartialEq, Eq, Error)]
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
    /// Too many wrong ones were shown for it.
    #[error(transparent)]
    TooManyWrong(Refused),
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

    /// What it has for a stream that exists, if that is looked at. The operator takes the seat of any.
    fn right(&self, room: &Room) -> Result<Right, PublishRefusal> {
        if self.grant.unasked {
            return Err(self.refused(room, PublishRefusal::TokenMissing));
        }
        if self.grant.is_operator() || room.is_held_by(&self.grant) {
            return Ok(Right::Owner);
        }
        let token = self.grant.rest.as_deref();
        let token = token.ok_or_else(|| self.refused(room, PublishRefusal::TokenMissing))?;
        let right = Right::Token(PublishToken::new(token));
        let heeded = room.heed(&right, self.grant.address);
        heeded.map_err(|refused| self.refused(room, PublishRefusal::TooManyWrong(refused)))?;
        Ok(right)
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
            let right = claim.right(room).map_err(|refusal| match refusal {
                _ if room.private => EndRefusal::Unknown,
                PublishRefusal::TooManyWrong(refused) => EndRefusal::TooManyWrong(refused),
                _ => EndRefusal::TokenMissing,
            })?;
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
        let chosen = claim.grant.rest.clone();
        let guessable = chosen.as_deref().map(PublishToken::new);
        let token = chosen.unwrap_or_else(crate::dialect::random_hex);
        let title = claim.title.as_deref().map(str::trim);
        let title = title.filter(|title| !title.is_empty());
        let name = title.unwrap_or(key);
        let name: String = name.chars().take(shared.limits.name_chars_max).collect();
        let key = StreamKey::new(key);
        let relay = Relay::new(key.clone(), shared.limits.clone());
        let channel = Channel::named(&shared.pool, key.as_str());
        let mut room = Room::new(
            key.clone(),
            Uuid::new_v4(),
            name,
            relay,
            channel,
            (true, claim.private),
            shared,
        );
        let from = claim.grant.address;
        room.guessable = guessable.map(|token| Guessable::new(token, &shared.gate, from));
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
}

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
