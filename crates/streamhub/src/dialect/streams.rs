//! Creating, starting, pausing and ending streams.

use super::{Turn, random_hex};
use crate::directory::User;
use crate::grant::Grant;
use crate::names::{code, from_server, limit, text};
use crate::relay::{Packet, Relay};
use crate::room::{Room, SharedRoom};
use crate::store::{Record, Role};
use crate::wire::{Create, ErrorObject, Pause, StreamRef};
use abanico_core::key::{PublishToken, StreamKey};
use abanico_core::rights::{Deed, Question, Refused};
use abanico_core::stream::{Event as StreamEvent, Phase, Refusal, Right};
use abanico_hub::Stream;
use abanico_hub::distributor::PublishError;
use abanico_live::Channel;
use abanico_socketio::Event;
use abanico_socketio::retry::{self, FULL_RETRY};
use serde_json::json;
use std::sync::Arc;

impl Turn<'_> {
    pub(super) async fn create(&mut self, event: &Event) {
        let Some(user) = self.user().filter(|user| user.row.role == Role::Streamer) else {
            self.refuse(&ErrorObject::plain(text::ONLY_STREAMERS));
            return;
        };
        let create = Self::payload::<Create<'_>>(event);
        let (key, private) = create.map_or((None, false), |create| (create.key, create.private));
        let question = Question {
            deed: Deed::Publish,
            stream: None,
            shown: key.as_deref().filter(|key| !key.is_empty()),
        };
        let answer = self
            .shared
            .gate
            .ask(self.socket.handshake(), question)
            .await;
        let granted = answer.and_then(|grant| grant.may(Deed::Publish).map(|()| grant));
        let grant = match granted {
            Ok(grant) => grant,
            Err(refused) => return self.refuse_key(text::MAY_NOT_CREATE, &refused),
        };
        if !self.end_abandoned(&user).await {
            let error = ErrorObject::new(text::CREATE_FAILED, text::ALREADY_STREAMING);
            self.refuse(&error);
            return;
        }
        let key = StreamKey::new(random_hex());
        let token = random_hex();
        match self.open(&user, &key, &token, (&grant, private)) {
            Ok(room) => {
                self.session.published.insert(key);
                room.hosting.lock().take(self.session.id);
                self.socket.join(&room.name());
                self.shared.record(Record::Stream(room.row(None))).await;
                let payload = json!({ "stream": room.object(), "publishToken": token });
                self.answer(from_server::STREAM_CREATED, &payload);
            }
            Err(error) => {
                let full = matches!(error, PublishError::Full { .. });
                let error = error.to_string();
                self.refuse(&ErrorObject {
                    retry_after_ms: full.then(|| retry::spread_millis(FULL_RETRY)),
                    limit: full.then_some(limit::STREAMS),
                    ..ErrorObject::new(text::CREATE_FAILED, &error)
                });
            }
        }
    }

    pub(super) fn refuse_key(&self, message: &str, refused: &Refused) {
        let (code, error, after) = match refused {
            Refused::KeyMissing => (code::KEY_MISSING, text::KEY_MISSING, None),
            Refused::KeyWrong => (code::KEY_WRONG, text::KEY_WRONG, None),
            Refused::NotForThis => (code::KEY_OTHER, text::KEY_OTHER, None),
            Refused::TokenMissing => (code::KEY_MISSING, text::TOKEN_MISSING, None),
            Refused::TokenBad(why) => (code::KEY_WRONG, why.as_ref(), None),
            Refused::Denied(why) => (code::DENIED, why.as_ref(), None),
            Refused::Undecided { retry_after } => {
                (code::KEY_LATER, text::UNDECIDED, Some(*retry_after))
            }
            Refused::TooManyWrong { retry_after } => {
                (code::KEY_LATER, text::KEY_TOO_MANY, Some(*retry_after))
            }
            Refused::Busy { retry_after } => (code::KEY_LATER, text::KEY_BUSY, Some(*retry_after)),
        };
        self.refuse(&ErrorObject {
            retry_after_ms: after.map(retry::spread_millis),
            code: Some(code),
            limit: matches!(refused, Refused::TooManyWrong { .. }).then_some(limit::KEY_RATE),
            ..ErrorObject::new(message, error)
        });
    }

    /// Ends the stream that the user left behind, if it has one without a publisher. False if it has one with.
    async fn end_abandoned(&self, user: &User) -> bool {
        let before = user
            .stream
            .as_ref()
            .and_then(|key| self.shared.distributor.stream(key.as_str()));
        let Some(before) = before else { return true };
        if before.publisher().is_some() {
            return false;
        }
        // It may have ended by itself just now: so much the better.
        let _ = before
            .handle(StreamEvent::End(self.session.id, Right::Owner))
            .await;
        true
    }

    fn open(
        &self,
        user: &User,
        key: &StreamKey,
        token: &str,
        (grant, private): (&Grant, bool),
    ) -> Result<SharedRoom, PublishError> {
        let relay = Relay::new(key.clone(), self.shared.limits.clone());
        let channel = Channel::named(&self.shared.pool, key.as_str());
        let name = user.row.username.clone();
        let room = Room::new(
            key.clone(),
            user.row.id,
            name,
            relay,
            channel,
            (false, private),
            self.shared,
        );
        let room = Arc::new(room);
        // Listed first: the stream's task finds it from its first notice on.
        self.shared.rooms.write().insert(key.clone(), room.clone());
        let token = PublishToken::new(token);
        match self
            .shared
            .distributor
            .register_publisher(key.clone(), token, self.session.id)
        {
            Ok(stream) => {
                room.hold(room.stream.get_or_init(|| stream), grant);
                let mut directory = self.shared.directory.lock();
                directory.stream_opened(user.row.id, key);
                drop(directory);
                Ok(room)
            }
            Err(error) => {
                self.shared.rooms.write().remove(key);
                Err(error)
            }
        }
    }

    pub(super) async fn start(&mut self, event: &Event) {
        let Some((room, stream, right)) = self.named_with_right(event) else {
            return;
        };
        let claims = !matches!(right, Right::Seat);
        // Who says that the media come over another door leaves the seat to whoever is there.
        let speaker = if Self::has_media(event) {
            self.session.id
        } else {
            self.shared.speaker(&stream, self.session.id, &right)
        };
        let started = stream.handle(StreamEvent::Start(speaker, right)).await;
        self.shared.check_speaker(&stream, speaker);
        match started {
            Ok(()) if speaker != self.session.id => self.follow(&room),
            Ok(()) if claims => {
                self.session.published.insert(room.key.clone());
            }
            Ok(()) => {}
            Err(refusal) => return self.refuse_of(&room, refusal),
        }
        self.take_hosting(&room);
    }

    /// Puts a publisher whose media come over another door into the room, and tells it that the stream is live.
    fn follow(&mut self, room: &SharedRoom) {
        self.socket.join(&room.name());
        let payload = json!({ "stream": room.object() });
        self.answer(from_server::STREAM_STARTED, &payload);
    }

    /// Whether this connection carries media of the stream, as it does unless it says otherwise.
    pub(super) fn has_media(event: &Event) -> bool {
        #[derive(serde::Deserialize)]
        struct Media {
            #[serde(default)]
            media: Option<bool>,
        }
        let said = Self::payload::<Media>(event).and_then(|said| said.media);
        said.unwrap_or(true)
    }

    pub(super) async fn end(&mut self, event: &Event) {
        let Some((room, stream, right)) = self.named_with_right(event) else {
            return;
        };
        match stream
            .handle(StreamEvent::End(self.session.id, right))
            .await
        {
            Ok(()) => {
                self.session.published.remove(&room.key);
                self.session.joined.remove(&room.key);
            }
            Err(refusal) => self.refuse_of(&room, refusal),
        }
    }

    pub(super) async fn pause(&mut self, event: &Event) {
        let Some(Pause { paused }) = Self::payload(event) else {
            let error = "se espera {streamKey, paused}, con paused verdadero o falso";
            self.refuse(&ErrorObject::new(text::NOT_YOURS, error));
            return;
        };
        let Some((room, stream, right)) = self.named_with_right(event) else {
            return;
        };
        let speaker = self.shared.speaker(&stream, self.session.id, &right);
        let paused = stream
            .handle(StreamEvent::Pause(speaker, right, paused))
            .await;
        self.shared.check_speaker(&stream, speaker);
        match paused {
            Ok(()) if speaker == self.session.id => {
                self.session.published.insert(room.key.clone());
            }
            Ok(()) => {}
            Err(refusal) => self.refuse_of(&room, refusal),
        }
    }

    /// The running stream that an event names, with the token it shows. Refuses what does not exist.
    pub(super) fn named(
        &self,
        event: &Event,
    ) -> Option<(SharedRoom, Stream<Packet>, Option<PublishToken>)> {
        let named = Self::payload::<StreamRef<'_>>(event);
        let Some(named) = named else {
            self.refuse(&ErrorObject::plain(text::STREAM_NOT_FOUND));
            return None;
        };
        let room = self.room(&named.stream_key);
        let stream = room.as_ref().and_then(|room| room.stream.get().cloned());
        if let (Some(room), Some(stream)) = (room, stream) {
            return Some((room, stream, named.publish_token.map(PublishToken::new)));
        }
        let known = self
            .shared
            .ended
            .lock()
            .get_mut(&named.stream_key)
            .is_some();
        if known {
            self.refuse_stream(Refusal::Ended);
        } else {
            self.refuse(&ErrorObject::plain(text::STREAM_NOT_FOUND));
        }
        None
    }

    /// The same with what this session can show for it. Refuses a token that is not looked at.
    pub(super) fn named_with_right(
        &self,
        event: &Event,
    ) -> Option<(SharedRoom, Stream<Packet>, Right)> {
        let (room, stream, token) = self.named(event)?;
        match self.right(&room, token) {
            Ok(right) => Some((room, stream, right)),
            Err(refused) => {
                self.refuse_unheeded(&room, &refused);
                None
            }
        }
    }

    /// What this session can show for a stream, if that is looked at. Who has the seat is not held up.
    pub(super) fn right(
        &self,
        room: &SharedRoom,
        token: Option<PublishToken>,
    ) -> Result<Right, Refused> {
        if let Some(token) = token {
            let right = Right::Token(token);
            let stream = room.stream.get();
            if !stream.is_some_and(|stream| stream.is_publisher(self.session.id)) {
                let from = self.shared.gate.address(self.socket.handshake());
                room.heed(&right, from)?;
            }
            return Ok(right);
        }
        Ok(if self.is_streamer(room) {
            Right::Owner
        } else {
            Right::Seat
        })
    }

    /// Whether this session's user opened the stream.
    pub(super) fn is_streamer(&self, room: &SharedRoom) -> bool {
        self.user().is_some_and(|user| user.row.id == room.streamer)
    }

    pub(super) fn is_live(&self, key: &str) -> bool {
        let room = self.room(key).filter(|room| !room.private);
        let stream = room.as_ref().and_then(|room| room.stream.get());
        stream.is_some_and(|stream| stream.status().phase == Phase::Live)
    }

    /// The same, for who must not know of the stream.
    pub(super) fn refuse_of(&self, room: &SharedRoom, refusal: Refusal) {
        if room.hides(refusal) {
            self.refuse(&ErrorObject::plain(text::STREAM_NOT_FOUND));
        } else {
            self.refuse_stream(refusal);
        }
    }

    /// Refuses a token that was not looked at.
    pub(super) fn refuse_unheeded(&self, room: &SharedRoom, refused: &Refused) {
        if room.hides(Refusal::NotPublisher) {
            self.refuse(&ErrorObject::plain(text::STREAM_NOT_FOUND));
        } else {
            self.refuse_key(text::NOT_YOURS, refused);
        }
    }

    pub(super) fn refuse_stream(&self, refusal: Refusal) {
        let error = match refusal {
            Refusal::Ended => ErrorObject::plain(text::STREAM_OVER),
            Refusal::NotPublisher => ErrorObject::plain(text::NOT_YOURS),
            Refusal::Full { max } => {
                let reason = format!("el máximo es de {max} espectadores");
                return self.refuse_for_now(&reason, FULL_RETRY, Some(limit::STREAM_VIEWERS));
            }
        };
        self.refuse(&error);
    }
}
