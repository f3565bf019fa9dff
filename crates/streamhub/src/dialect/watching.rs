//! Joining and leaving streams.

use super::{Staying, Turn};
use crate::door::WatchRefusal;
use crate::grant::Grant;
use crate::names::{code, from_server, limit, text};
use crate::privacy::Stay;
use crate::room::SharedRoom;
use crate::stage::event;
use crate::wire::{ErrorObject, Joined, StreamRef};
use abanico_core::key::StreamKey;
use abanico_core::rights::{Deed, Question, Refused};
use abanico_core::stream::{Event as StreamEvent, Parting, Refusal};
use abanico_hub::distributor::JoinError;
use abanico_socketio::Event;
use abanico_socketio::retry::{self, FULL_RETRY};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;

impl Turn<'_> {
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
            None => return self.join_ended(&key),
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
                let error = "el servidor está al límite de su máquina";
                self.refuse_for_now(error, FULL_RETRY, Some(limit::RESERVES));
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
        let is_publisher = self.is_streamer(room)
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
    pub(super) fn refuse_for_now(&self, error: &str, after: Duration, limit: Option<&'static str>) {
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
}
