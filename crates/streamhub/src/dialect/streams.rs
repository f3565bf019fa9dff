//! Creating, starting, ending, watching and feeding streams.

use super::{Staying, Turn, random_hex};
use crate::directory::User;
use crate::door::WatchRefusal;
use crate::grant::Grant;
use crate::names::{code, from_server, limit, text};
use crate::payload::Data;
use crate::privacy::Stay;
use crate::relay::{Relay, Stamps};
use crate::room::{Room, SharedRoom};
use crate::stage::event;
use crate::store::{Record, Role};
use crate::time::Timestamp;
use crate::wire::{Create, DataSend, ErrorObject, Joined, Pause, StreamRef};
use abanico_core::key::{PublishToken, StreamKey};
use abanico_core::rights::{Deed, Question, Refused};
use abanico_core::stream::{Event as StreamEvent, Parting, Phase, Refusal, Right};
use abanico_hub::Stream;
use abanico_hub::distributor::{JoinError, PublishError};
use abanico_live::Channel;
use abanico_media::sniff::sniff;
use abanico_socketio::Event;
use abanico_socketio::retry::{self, FULL_RETRY};
use parking_lot::Mutex;
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::debug;

/// A poster more often than this is refused: lists do not refresh faster.
const POSTER_EVERY: Duration = Duration::from_secs(2);

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

    fn refuse_key(&self, message: &str, refused: &Refused) {
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
                if let Some(user) = self.shared.directory.lock().user_mut(user.row.id) {
                    user.stream = Some(key.clone());
                }
                Ok(room)
            }
            Err(error) => {
                self.shared.rooms.write().remove(key);
                Err(error)
            }
        }
    }

    pub(super) async fn start(&mut self, event: &Event) {
        let Some((room, stream, token)) = self.named(event) else {
            return;
        };
        let right = self.right(&room, token);
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
    fn has_media(event: &Event) -> bool {
        #[derive(serde::Deserialize)]
        struct Media {
            #[serde(default)]
            media: Option<bool>,
        }
        let said = Self::payload::<Media>(event).and_then(|said| said.media);
        said.unwrap_or(true)
    }

    pub(super) async fn end(&mut self, event: &Event) {
        let Some((room, stream, token)) = self.named(event) else {
            return;
        };
        let right = self.right(&room, token);
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
        let Some((room, stream, token)) = self.named(event) else {
            return;
        };
        let right = self.right(&room, token);
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

    pub(super) async fn join(&mut self, event: &Event) {
        let Some(user) = self.registered() else {
            return;
        };
        let Some(named) = Self::payload::<StreamRef<'_>>(event) else {
            self.refuse(&ErrorObject::plain(text::STREAM_NOT_FOUND));
            return;
        };
        let key = StreamKey::new(&*named.stream_key);
        self.forget_ended();
        let max = self.shared.limits.joins_max;
        if self.session.joined.len() >= max && !self.session.joined.contains(&key) {
            let error = format!("una conexión puede ver {max} streams a la vez");
            self.refuse(&ErrorObject::new(text::JOIN_REFUSED, &error).by(limit::JOINS));
            return;
        }
        let granted = self.may_watch(&key, named.token.as_deref()).await;
        let grant = match granted {
            Ok(grant) => grant,
            Err(refused) => return self.refuse_key(text::JOIN_REFUSED, &refused),
        };
        let media = Self::has_media(event);
        // Who comes again gives up its seat for the one that it asks for.
        self.session.stays.remove(&key);
        let stay = match self.room(key.as_str()) {
            None => None,
            Some(room) => match self.admitted(&room, &grant, media).await {
                Ok(stay) => Some((room, stay)),
                Err(WatchRefusal::Seats { retry_after }) => {
                    return self.refuse_for_now(
                        "todas las plazas del enlace están ocupadas",
                        retry_after,
                        None,
                    );
                }
                Err(_) => return self.refuse(&ErrorObject::plain(text::STREAM_NOT_FOUND)),
            },
        };
        let from = self.shared.gate.address(self.socket.handshake());
        let removed = self
            .room(key.as_str())
            .filter(|room| room.streamer != user.row.id);
        let removed = removed.and_then(|room| room.order.is_removed(Some(user.row.id), from));
        if let Some(after) = removed {
            return self.refuse(&ErrorObject {
                retry_after_ms: Some(retry::spread_millis(after)),
                code: Some(code::REMOVED),
                ..ErrorObject::new(text::JOIN_REFUSED, text::STAY_REMOVED)
            });
        }
        if !media {
            return self.attend(&key, &user.row.username, stay).await;
        }
        self.session.attended.remove(&key);
        let (id, name) = (self.session.id, user.row.username);
        match self
            .shared
            .distributor
            .register_viewer(key.as_str(), id, name)
            .await
        {
            Ok(()) => {
                self.stay(stay, None);
                self.session.joined.insert(key);
            }
            Err(JoinError::Unknown | JoinError::Refused(Refusal::Ended)) => self.join_ended(&key),
            Err(JoinError::Refused(refusal @ Refusal::Full { .. })) => self.refuse_stream(refusal),
            Err(JoinError::Full { max }) => {
                let error = format!("el servidor admite {max} espectadores en total");
                self.refuse_for_now(&error, FULL_RETRY, Some(limit::VIEWERS));
            }
            Err(JoinError::Busy { after }) => {
                let error = "entran demasiados espectadores a la vez";
                self.refuse_for_now(error, after, Some(limit::JOIN_RATE));
            }
            Err(JoinError::Exhausted) => {
                self.refuse_for_now("el servidor está al límite de su máquina", FULL_RETRY, None);
            }
            Err(JoinError::Refused(Refusal::NotPublisher)) => {
                unreachable!("watching needs no right to publish")
            }
        }
    }

    /// Puts a member into a room who has its media over another door: it is told of everything but the media, and is not
    /// counted here.
    async fn attend(&mut self, key: &StreamKey, name: &str, stay: Option<(SharedRoom, Stay)>) {
        let room = stay.as_ref().map(|(room, _)| room.clone());
        let stream = room.as_ref().and_then(|room| room.stream.get());
        let (Some(room), Some(stream)) = (&room, stream) else {
            return self.join_ended(key);
        };
        if self.session.attended.len() >= self.shared.limits.joins_max {
            let refusal = ErrorObject::plain(text::JOIN_REFUSED);
            return self.refuse(&refusal.by(limit::JOINS));
        }
        if self.session.joined.remove(key) {
            // What it was given here it has over another door from now on.
            let _ = stream.handle(StreamEvent::Leave(self.session.id)).await;
        }
        let first = self.session.attended.insert(key.clone());
        self.stay(stay, Some(name));
        let status = stream.status();
        self.answer(
            from_server::STREAM_JOINED,
            &Joined {
                stream: room.object(),
                streamer_username: &room.streamer_name,
                paused: status.paused,
                publisher_present: status.publisher_present,
                peers_max: room.hosting.lock().peers_max(),
            },
        );
        self.socket.join(&room.name());
        if first {
            self.shared.tell_came(room, name);
        }
    }

    /// What this session has for watching a stream, by what it shows now or showed when it connected.
    async fn may_watch(&self, key: &StreamKey, shown: Option<&str>) -> Result<Grant, Refused> {
        let question = Question {
            deed: Deed::Watch,
            stream: Some(key.as_str()),
            shown: shown.or(self.session.shown.as_deref()),
        };
        let handshake = self.socket.handshake();
        let grant = self.shared.gate.ask(handshake, question).await?;
        grant.may(Deed::Watch).map(|()| grant)
    }

    /// Lets this session into a stream, if it may: whoever publishes a stream may always be with it.
    async fn admitted(
        &self,
        room: &SharedRoom,
        grant: &Grant,
        media: bool,
    ) -> Result<Stay, WatchRefusal> {
        let id = self.session.id;
        let is_publisher = matches!(self.right(room, None), Right::Owner)
            || room
                .stream
                .get()
                .is_some_and(|stream| stream.is_publisher(id));
        if is_publisher {
            return Ok(Stay::of_publisher());
        }
        room.admit(grant, id, media).await
    }

    /// Holds this session to what lets it be with a stream: it is put out when that is over.
    fn stay(&mut self, stay: Option<(SharedRoom, Stay)>, attends: Option<&str>) {
        let Some((room, stay)) = stay else { return };
        let Stay { lease, seat, .. } = stay;
        if !lease.may_end() && seat.is_none() {
            return;
        }
        let seat = Arc::new(Mutex::new(seat));
        let key = room.key.clone();
        let (shared, session) = (Arc::clone(self.shared), self.session.id);
        let attends = attends.map(str::to_owned);
        let given_up = Arc::clone(&seat);
        let waiting = tokio::spawn(async move {
            let over = lease.over().await;
            given_up.lock().take();
            shared
                .put_out(&room, session, attends.as_deref(), over)
                .await;
        });
        let waiting = waiting.abort_handle();
        let staying = Staying { waiting, seat };
        self.session.stays.insert(key, staying);
    }

    /// Refuses a join that may succeed later, and says when to try again.
    fn refuse_for_now(&self, error: &str, after: Duration, limit: Option<&'static str>) {
        let refusal = ErrorObject {
            limit,
            retry_after_ms: Some(retry::spread_millis(after)),
            ..ErrorObject::new(text::STREAM_FULL, error)
        };
        self.refuse(&refusal);
    }

    /// Joining a stream that is over shows that it is, and the next one when there is one.
    fn join_ended(&self, key: &StreamKey) {
        let mut ended = self.shared.ended.lock();
        let Some(stream) = ended.get_mut(key.as_str()) else {
            drop(ended);
            self.refuse(&ErrorObject::plain(text::STREAM_NOT_FOUND));
            return;
        };
        stream.await_next(self.session.id);
        let joined = event(
            from_server::STREAM_JOINED,
            &Joined {
                stream: stream.object.clone(),
                streamer_username: &stream.streamer_name,
                paused: false,
                publisher_present: false,
                peers_max: None,
            },
        );
        drop(ended);
        self.send(&joined);
    }

    pub(super) async fn leave(&mut self, event: &Event) {
        let Some(named) = Self::payload::<StreamRef<'_>>(event) else {
            return;
        };
        let key: &str = &named.stream_key;
        self.session.stays.remove(key);
        if let Some(room) = self.room(key) {
            self.shared.gone(&room, self.session.id);
        }
        if self.session.attended.remove(key)
            && let (Some(room), Some(user)) = (self.room(key), self.user())
        {
            self.socket.leave(&room.name());
            self.shared
                .tell_left(&room, &user.row.username, Parting::Explicit);
            return;
        }
        if !self.session.joined.remove(key) {
            return;
        }
        if let Some(stream) = self.shared.distributor.stream(key) {
            // A stream that has ended meanwhile has told everybody to leave.
            let _ = stream.handle(StreamEvent::Leave(self.session.id)).await;
        }
    }

    pub(super) async fn data(&mut self, event: &Event, now: Instant) {
        let Some(sent) = Self::payload::<DataSend<'_>>(event) else {
            return;
        };
        let Some(room) = self.room(&sent.stream_key) else {
            return;
        };
        let Some(stream) = room.stream.get() else {
            return;
        };
        if !self
            .has_seat(&room, stream, sent.publish_token.as_deref())
            .await
        {
            return;
        }
        let data = Data::take(event, sent.data);
        let stamps = Stamps {
            received: Timestamp::now(),
            captured: sent.captured_at.and_then(millis),
        };
        let mut relay = room.relay.lock();
        let mut taken = relay.take(data, stamps, now, stream.feed().head());
        let (far, trouble) = (taken.keyframe_gap, taken.trouble.take());
        let bytes = taken.len();
        // A seat lost since it was checked is noticed here; the frame is then nobody's.
        let _ = stream.distribute_with(self.session.id, bytes, || relay.parcel(taken));
        drop(relay);
        if let Some(gap) = far {
            self.warn_of_keyframes(&room, gap);
        }
        if let Some(trouble) = trouble {
            debug!(
                key = room.key.as_str(),
                ?trouble,
                "a publisher sends what cannot be read"
            );
            self.warn(&room, "unreadable", &trouble.to_publisher());
            // Who waits at a door for something to begin looks again.
            room.news.send_modify(|_| ());
        }
    }

    /// Whether this session publishes the stream, after it has taken the seat if it may.
    async fn has_seat(
        &mut self,
        room: &SharedRoom,
        stream: &Stream<crate::relay::Packet>,
        token: Option<&str>,
    ) -> bool {
        if stream.is_publisher(self.session.id) {
            return true;
        }
        let right = self.right(room, token.map(PublishToken::new));
        if matches!(right, Right::Seat) {
            return false;
        }
        let claimed = stream
            .handle(StreamEvent::Claim(self.session.id, right))
            .await
            .is_ok();
        if claimed {
            self.take_hosting(room);
            self.session.published.insert(room.key.clone());
        }
        claimed
    }

    /// Whether this session may publish the stream; it takes the seat, unless somebody publishes over another door.
    async fn may_publish(
        &mut self,
        room: &SharedRoom,
        stream: &Stream<crate::relay::Packet>,
        token: Option<&str>,
    ) -> bool {
        let right = self.right(room, token.map(PublishToken::new));
        let speaker = self.shared.speaker(stream, self.session.id, &right);
        if speaker == self.session.id {
            return self.has_seat(room, stream, token).await;
        }
        let may = stream.handle(StreamEvent::Claim(speaker, right)).await;
        self.shared.check_speaker(stream, speaker);
        may.is_ok()
    }

    fn warn_of_keyframes(&self, room: &SharedRoom, gap: Duration) {
        let seconds = gap.as_secs_f64();
        let message = format!(
            "Los fotogramas clave llegan cada {seconds:.1} s y quien entra tiene que esperar al \
             siguiente. Remedio: con MediaRecorder, la opción videoKeyFrameIntervalDuration: 1000; \
             con ffmpeg, -g con los fotogramas de un segundo."
        );
        self.warn(room, "keyframes-far-apart", &message);
    }

    fn warn(&self, room: &SharedRoom, code: &str, message: &str) {
        let payload = json!({
            "streamKey": room.key.as_str(),
            "code": code,
            "message": message,
        });
        self.answer(from_server::STREAM_WARNING, &payload);
    }

    pub(super) async fn poster(&mut self, event: &Event, now: Instant) {
        let Some(sent) = Self::payload::<DataSend<'_>>(event) else {
            return;
        };
        let Some(room) = self.room(&sent.stream_key) else {
            return;
        };
        let Some(stream) = room.stream.get() else {
            return;
        };
        if !self
            .may_publish(&room, stream, sent.publish_token.as_deref())
            .await
        {
            self.refuse_of(&room, Refusal::NotPublisher);
            return;
        }
        let refuse = |error: &str| {
            self.refuse(&ErrorObject::new(text::POSTER_REFUSED, error));
        };
        let too_soon = |at| now.saturating_duration_since(at) < POSTER_EVERY;
        if self.session.poster_at.is_some_and(too_soon) {
            return refuse("como mucho una cada dos segundos");
        }
        let data = Data::take(event, sent.data);
        let Some(bytes) = data.form().and_then(|form| data.bytes(&form)) else {
            return refuse("se espera una imagen: binaria, data URL o base64");
        };
        let max = self.shared.limits.poster_bytes_max;
        if bytes.len() > max {
            let error = format!("tiene {} bytes; el máximo es {max}", bytes.len());
            let refusal = ErrorObject::new(text::POSTER_REFUSED, &error);
            return self.refuse(&refusal.by(limit::POSTER_BYTES));
        }
        let Some(kind) = sniff(&bytes).filter(|kind| kind.is_picture()) else {
            return refuse("se espera JPEG, PNG o WebP");
        };
        *room.poster.lock() = Some((kind.mime(), bytes));
        self.session.poster_at = Some(now);
    }

    /// The running stream that an event names, with the token it shows. Refuses what does not exist.
    pub(super) fn named(
        &self,
        event: &Event,
    ) -> Option<(
        SharedRoom,
        Stream<crate::relay::Packet>,
        Option<PublishToken>,
    )> {
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

    /// What this session can show for a stream.
    pub(super) fn right(&self, room: &SharedRoom, token: Option<PublishToken>) -> Right {
        if let Some(token) = token {
            return Right::Token(token);
        }
        let is_owner = self.user().is_some_and(|user| user.row.id == room.streamer);
        if is_owner { Right::Owner } else { Right::Seat }
    }

    pub(super) fn is_live(&self, key: &str) -> bool {
        let room = self.room(key).filter(|room| !room.private);
        let stream = room.as_ref().and_then(|room| room.stream.get());
        stream.is_some_and(|stream| stream.status().phase == Phase::Live)
    }

    /// Streams that have ended are watched no longer.
    fn forget_ended(&mut self) {
        let distributor = &self.shared.distributor;
        self.session
            .joined
            .retain(|key| distributor.stream(key.as_str()).is_some());
        self.session
            .stays
            .retain(|key, _| distributor.stream(key.as_str()).is_some());
        self.session
            .published
            .retain(|key| distributor.stream(key.as_str()).is_some());
        self.session
            .attended
            .retain(|key| distributor.stream(key.as_str()).is_some());
    }

    /// The same, for who must not know of the stream.
    pub(super) fn refuse_of(&self, room: &SharedRoom, refusal: Refusal) {
        if room.hides(refusal) {
            self.refuse(&ErrorObject::plain(text::STREAM_NOT_FOUND));
        } else {
            self.refuse_stream(refusal);
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

/// A moment that a client wrote as a number, if it is one.
fn millis(at: f64) -> Option<u64> {
    /// The last millisecond that a JavaScript number counts exactly.
    const LAST: f64 = 9_007_199_254_740_991.0;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "within the range"
    )]
    (0.0..=LAST).contains(&at).then_some(at as u64)
}
