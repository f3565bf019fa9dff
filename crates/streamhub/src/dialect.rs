//! What a client may say, and what it is answered.
//!
//! One [`Session`] per socket; its events come one after the other. What concerns a stream is handed to the stream's own
//! task and awaited, so that nothing of a client overtakes anything else of it.

mod feeding;
mod signals;
mod streams;
mod talk;
mod users;
mod watching;

use crate::Shared;
use crate::config::Rates;
use crate::directory::User;
use crate::links::Seat;
use crate::names::{from_client, from_server, limit, text};
use crate::room::SharedRoom;
use crate::stage::event;
use crate::store::Record;
use crate::time::Timestamp;
use crate::wire::ErrorObject;
use abanico_core::key::{SessionId, StreamKey};
use abanico_core::rate::Bucket;
use abanico_core::stream::{Event as StreamEvent, Parting};
use abanico_socketio::{DisconnectReason, Event, Handler, Message, Refusal, Socket};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;
use tokio::task::AbortHandle;
use tracing::debug;

/// A longer token is none of ours, nor of anybody whom we ask.
const SHOWN_BYTES_MAX: usize = 8 << 10;

/// The dialect, as the handler of the main namespace.
pub(crate) struct Dialect(pub(crate) Arc<Shared>);

/// What is kept of one socket.
pub(crate) struct Session {
    id: SessionId,
    joined: HashSet<StreamKey>,
    published: HashSet<StreamKey>,
    /// What it was granted to be with some of them, where that may end.
    stays: HashMap<StreamKey, Staying>,
    /// What it showed when it connected: for streams that ask for something.
    shown: Option<String>,
    /// Streams whose room it is in while it has their media over another door, or not at all.
    attended: HashSet<StreamKey>,
    /// What is left of what it may ask for.
    requests: Bucket,
    /// Most only watch, and there are thousands of them.
    says: Option<Box<Says>>,
}

/// Waits for the end of what lets a session be with a stream, until this is dropped.
struct Staying {
    waiting: AbortHandle,
    /// Given up by whichever of the two is over first.
    seat: SharedSeat,
}

/// A seat of a link, if one was taken.
type SharedSeat = Arc<Mutex<Option<Seat>>>;

impl Drop for Staying {
    fn drop(&mut self) {
        self.waiting.abort();
        self.seat.lock().take();
    }
}

/// What is kept of a socket that says something.
struct Says {
    chat: Bucket,
    reactions: Bucket,
    data: Bucket,
    signals: Bucket,
    signal_bytes: Bucket,
    signal_requests: Bucket,
    /// When it was last told that it sends frames too fast.
    data_refused_at: Option<Instant>,
    /// When it was last told that a signal of it is passed on to nobody.
    signal_refused_at: Option<Instant>,
    poster_at: Option<Instant>,
}

impl Says {
    fn new(rates: &Rates) -> Self {
        Self {
            chat: Bucket::new(rates.chat),
            reactions: Bucket::new(rates.reactions),
            data: Bucket::new(rates.data),
            signals: Bucket::new(rates.signals),
            signal_bytes: Bucket::new(rates.signal_bytes),
            signal_requests: Bucket::new(rates.signal_requests),
            data_refused_at: None,
            signal_refused_at: None,
            poster_at: None,
        }
    }
}

impl Handler for Dialect {
    type State = Session;

    async fn connect(
        &self,
        socket: &Socket,
        auth: Option<&RawValue>,
    ) -> Result<Self::State, Refusal> {
        #[derive(Deserialize)]
        struct Auth {
            token: String,
        }
        // Other clients have things of their own there.
        let auth = auth.and_then(|auth| serde_json::from_str::<Auth>(auth.get()).ok());
        let shown = auth.map(|auth| auth.token);
        let shown = shown.filter(|token| token.len() <= SHOWN_BYTES_MAX);
        let id = self.0.next_session();
        self.0.add_peer(id, socket);
        Ok(Session {
            id,
            joined: HashSet::new(),
            published: HashSet::new(),
            stays: HashMap::new(),
            shown,
            attended: HashSet::new(),
            requests: Bucket::new(self.0.rates.requests),
            says: None,
        })
    }

    async fn event(&self, socket: &Socket, session: &mut Session, event: Event) {
        Turn {
            shared: &self.0,
            socket,
            session,
        }
        .take(&event)
        .await;
    }

    async fn disconnect(&self, socket: &Socket, session: Session, reason: DisconnectReason) {
        debug!(session = %session.id, ?reason, "session ended");
        let parting = if reason.is_explicit() {
            Parting::Explicit
        } else {
            Parting::Abrupt
        };
        for key in session.joined.union(&session.attended) {
            if let Some(room) = self.0.room(key.as_str()) {
                self.0.gone(&room, session.id);
            }
        }
        for key in session.joined.union(&session.published) {
            if let Some(stream) = self.0.distributor.stream(key.as_str()) {
                // A stream that has ended meanwhile has no need to know.
                let _ = stream.handle(StreamEvent::Lost(session.id, parting)).await;
            }
        }
        let name = self
            .0
            .directory
            .lock()
            .of_session(session.id)
            .map(|user| user.row.username.clone());
        for key in &session.attended {
            if let (Some(room), Some(name)) = (self.0.room(key.as_str()), &name) {
                self.0.tell_left(&room, name, Parting::Abrupt);
            }
        }
        self.0.forget_peer(session.id, socket.id());
        let gone = self
            .0
            .directory
            .lock()
            .session_gone(session.id, Timestamp::now())
            .cloned();
        if let Some(user) = gone {
            self.0.record(Record::User(user.row)).await;
        }
    }
}

/// One event of one client, while it is dealt with.
struct Turn<'a> {
    shared: &'a Arc<Shared>,
    socket: &'a Socket,
    session: &'a mut Session,
}

impl Turn<'_> {
    /// What is kept of it as of one that says something, which is made when it does.
    fn says(&mut self) -> &mut Says {
        let says = &mut self.session.says;
        says.get_or_insert_with(|| Box::new(Says::new(&self.shared.rates)))
    }

    async fn take(mut self, event: &Event) {
        use from_client as name;
        let now = Instant::now();
        match event.name() {
            name::STREAM_DATA_SEND => {
                if self.says().data.take(now) {
                    self.data(event, now).await;
                } else {
                    self.refuse_data(now);
                }
            }
            name::CHAT_MESSAGE_SEND => {
                if self.says().chat.take(now) {
                    self.chat(event);
                } else {
                    self.refuse_rate(limit::CHAT_RATE, self.shared.rates.chat);
                }
            }
            name::REACTION_SEND => {
                if self.says().reactions.take(now) {
                    self.react(event);
                } else {
                    self.refuse_rate(limit::REACTION_RATE, self.shared.rates.reactions);
                }
            }
            name::WEBRTC_REQUEST
            | name::WEBRTC_OFFER
            | name::WEBRTC_ANSWER
            | name::WEBRTC_ICE_CANDIDATE
            | name::WEBRTC_CLOSE => {
                if let Err(beyond) = self.signal(event, now) {
                    self.refuse_signal(beyond, now);
                }
            }
            known => {
                let named = self.named_by(known);
                if !self.session.requests.take_many(now, cost(named)) {
                    self.refuse_rate(limit::REQUEST_RATE, self.shared.rates.requests);
                } else if !self.may_be_named(named, now) {
                    self.refuse_rate(limit::ADDRESS_LIST_RATE, self.shared.rates.address_listed);
                } else {
                    self.request(known, event, now).await;
                }
            }
        }
    }

    /// How many users a request asks to be named: those of a list.
    fn named_by(&self, name: &str) -> usize {
        let directory = || self.shared.directory.lock();
        match name {
            from_client::USERS_GET => directory().listed_len(),
            from_client::SUBSCRIPTIONS_GET => directory().following_len(self.session.id),
            _ => 0,
        }
    }

    /// Whether lists may name so many more to the connections of this address, if it is one client's. They are taken.
    fn may_be_named(&self, users: usize, now: Instant) -> bool {
        if users == 0 {
            return true;
        }
        let Some(from) = self.counted_address() else {
            return true;
        };
        let rate = self.shared.rates.address_listed;
        let mut listed = self.shared.listed.lock();
        let left = listed.of((from, None), now, || Bucket::new(rate));
        left.take_many(now, u32::try_from(users).unwrap_or(u32::MAX))
    }

    /// Whether what this client was told before waits for it: then it gets no list on top.
    fn must_read_first(&self) -> bool {
        /// So much may wait, as of a stream that is watched over the same connection.
        const WAITING_MAX: usize = 256 << 10;
        let must = self.socket.waiting_bytes() > WAITING_MAX;
        if must {
            self.refuse_rate(limit::REQUEST_RATE, self.shared.rates.requests);
        }
        must
    }

    async fn request(&mut self, name: &str, event: &Event, now: Instant) {
        match name {
            from_client::USER_REGISTER => self.register(event).await,
            from_client::USER_SUBSCRIBE => self.subscribe(event).await,
            from_client::USER_UNSUBSCRIBE => self.unsubscribe(event).await,
            from_client::USERS_GET => self.list_users(),
            from_client::SUBSCRIPTIONS_GET => self.list_subscriptions(),
            from_client::STREAM_CREATE => self.create(event).await,
            from_client::STREAM_START => self.start(event).await,
            from_client::STREAM_END => self.end(event).await,
            from_client::STREAM_JOIN => self.join(event).await,
            from_client::STREAM_LEAVE => self.leave(event).await,
            from_client::STREAM_PAUSE => self.pause(event).await,
            from_client::STREAM_PEERS => self.peers(event),
            from_client::STREAM_POSTER => self.poster(event, now).await,
            from_client::CHAT_MESSAGE_REMOVE => {
                self.moderate(event, talk::remove_message(event)).await;
            }
            from_client::VIEWER_SILENCE => self.moderate(event, talk::silence(event)).await,
            from_client::VIEWER_REMOVE => self.moderate(event, talk::remove(event)).await,
            from_client::CLOCK_GET => self.clock(event),
            // Unknown events are ignored, as in StreamHub.
            _ => {}
        }
    }

    /// The user that this session speaks for.
    fn user(&self) -> Option<User> {
        self.shared
            .directory
            .lock()
            .of_session(self.session.id)
            .cloned()
    }

    /// The same, or the refusal that StreamHub gives.
    fn registered(&self) -> Option<User> {
        let user = self.user();
        if user.is_none() {
            self.refuse(&ErrorObject::plain(text::NOT_REGISTERED));
        }
        user
    }

    /// Reads the payload; one of another shape is as if the client had named nothing that exists.
    fn payload<'e, T: Deserialize<'e>>(event: &'e Event) -> Option<T> {
        event.arg(0).ok()
    }

    fn room(&self, key: &str) -> Option<SharedRoom> {
        self.shared.room(key)
    }

    fn answer(&self, name: &str, payload: &(impl Serialize + ?Sized)) {
        self.send(&event(name, payload));
    }

    /// Sends to this client. One that is gone or too slow is dealt with by its server.
    fn send(&self, message: &Message) {
        let _ = self.socket.emit(message);
    }

    fn refuse(&self, error: &ErrorObject<'_>) {
        self.answer(from_server::STREAM_ERROR, error);
    }

    fn refuse_rate(&self, limit: &'static str, rate: abanico_core::rate::Rate) {
        let error = format!(
            "el límite es de {} seguidas y {} por segundo",
            rate.burst, rate.per_second
        );
        self.refuse(&ErrorObject::new(text::TOO_MANY, &error).by(limit));
    }

    /// Frames come fast: their refusal is told once a second.
    fn refuse_data(&mut self, now: Instant) {
        if is_to_be_told(&mut self.says().data_refused_at, now) {
            self.refuse_rate(limit::DATA_RATE, self.shared.rates.data);
        }
    }

    fn clock(&self, event: &Event) {
        #[derive(Deserialize)]
        struct ClockGet<'a> {
            #[serde(borrow, default)]
            id: Option<&'a RawValue>,
        }
        #[derive(Serialize)]
        struct ClockNow<'a> {
            id: Option<&'a RawValue>,
            now: u64,
        }
        /// An id that is echoed stays short.
        const ID_BYTES_MAX: usize = 64;
        let id = Self::payload::<ClockGet<'_>>(event).and_then(|get| get.id);
        let id = id.filter(|id| id.get().len() <= ID_BYTES_MAX);
        // As text: an id such as 1e400 is JSON, and no number of ours.
        let now = Timestamp::now().millis();
        self.answer(from_server::CLOCK_NOW, &ClockNow { id, now });
    }
}

/// How many requests one counts as that names so many users: as one for every so many.
fn cost(named: usize) -> u32 {
    /// Whom naming costs as much as answering one other request.
    const NAMED_PER_REQUEST: usize = 50;
    1 + u32::try_from(named / NAMED_PER_REQUEST).unwrap_or(u32::MAX)
}

/// Whether something that happens again and again is to be told now: once a second.
fn is_to_be_told(told: &mut Option<Instant>, now: Instant) -> bool {
    const TOLD_EVERY: std::time::Duration = std::time::Duration::from_secs(1);
    let is_due = told.is_none_or(|told| now.saturating_duration_since(told) >= TOLD_EVERY);
    if is_due {
        *told = Some(now);
    }
    is_due
}

/// A random secret or key of 128 bits: 32 lowercase hex digits.
pub(crate) fn random_hex() -> String {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
