//! The signals that publisher and viewers of one stream send each other for video from peer to peer.
//!
//! Passed on as they came, between a stream's publisher and its viewers alone, and never in another's name: nobody but the
//! publisher offers a picture. What is in them is the peers' own affair.
//!
//! Invariant: nobody is closed for what others send it. What is sent to one has bounds, in number and in bytes, for each
//! who sends, for each address, for all of a stream together, and for what waits; who goes beyond is told which.

use super::{Turn, is_to_be_told};
use crate::Shared;
use crate::hosting::Request;
use crate::names::{from_client, from_server, limit, text};
use crate::room::SharedRoom;
use crate::stage::{Peer, event};
use crate::talk::{Excess, cost};
use crate::wire::{ErrorObject, Peers, Signal};
use abanico_core::key::SessionId;
use abanico_core::rate::Rate;
use abanico_core::stream::Refusal;
use abanico_hub::Stream;
use abanico_socketio::{Event, Message};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Instant;

impl Turn<'_> {
    /// Passes a signal on as it came, from a member of a stream to another. What is none is dropped without a word, as
    /// in StreamHub; what is too much is said.
    pub(super) fn signal(&mut self, incoming: &Event, now: Instant) -> Result<(), Beyond> {
        let (limits, rates) = (&self.shared.limits, &self.shared.rates);
        if !self.says().signals.take(now) {
            return Err(Beyond::Rate(limit::SIGNAL_RATE, rates.signals));
        }
        let Some(raw) = incoming.arg_raw(0) else {
            return Ok(());
        };
        let request = incoming.name() == from_client::WEBRTC_REQUEST;
        let (limit, max) = match request {
            true => (
                limit::SIGNAL_REQUEST_BYTES,
                limits.signal_request_bytes_max.min(limits.signal_bytes_max),
            ),
            false => (limit::SIGNAL_BYTES, limits.signal_bytes_max),
        };
        if raw.len() > max {
            return Err(Beyond::Size(limit, raw.len(), max));
        }
        if !incoming.attachments().is_empty() {
            return Ok(());
        }
        let Some(signal) = Self::payload::<Signal<'_>>(incoming) else {
            return Ok(());
        };
        let Some(room) = self.room(&signal.stream_key) else {
            return Ok(());
        };
        // To a private stream nobody comes from peer to peer who has no seat here.
        let is_let_in =
            !room.private || self.session.joined.contains(&room.key) || self.is_host(&room);
        if !is_let_in || !self.is_member(&room) {
            return Ok(());
        }
        // Nobody speaks in another's name.
        let own = if request {
            signal.socket_id
        } else {
            signal.from
        };
        if own.is_none_or(|own| own != self.socket.id()) {
            return Ok(());
        }
        let Ok(message) = Message::raw(incoming.name(), raw, Vec::new()) else {
            return Ok(());
        };
        if request {
            if !self.says().signal_requests.take(now) {
                let rate = rates.signal_requests;
                return Err(Beyond::Rate(limit::SIGNAL_REQUEST_RATE, rate));
            }
            self.pay_for(&room, &message, now)?;
            // Before it is passed on: whoever takes over meanwhile finds it.
            let (viewer, id) = (self.session.id, self.socket.id());
            room.hosting.lock().asked(viewer, id, raw);
            let is_taken = self
                .shared
                .host(&room)
                .is_none_or(|host| host.pass(message));
            return is_taken.then_some(()).ok_or(Beyond::Waiting);
        }
        let Some((session, receiver)) = signal.to.and_then(|to| self.member(&room, &to)) else {
            return Ok(());
        };
        let by_host = self.is_host(&room);
        let to_host = || {
            self.shared
                .host(&room)
                .is_some_and(|host| host.socket.id() == receiver.socket.id())
        };
        let is_offer = incoming.name() == from_client::WEBRTC_OFFER;
        if !by_host && (is_offer || !to_host()) {
            return Ok(());
        }
        if !by_host {
            self.pay_for(&room, &message, now)?;
        }
        let is_close = incoming.name() == from_client::WEBRTC_CLOSE;
        if by_host && (is_offer || is_close) {
            room.hosting.lock().answered(session);
        } else if is_close {
            room.hosting.lock().forget(self.session.id);
        }
        receiver.pass(message).then_some(()).ok_or(Beyond::Waiting)
    }

    /// Takes what a viewer sends to a publisher from what it may send, from what its address may, and from what all viewers
    /// of the stream may.
    fn pay_for(
        &mut self,
        room: &SharedRoom,
        message: &Message,
        now: Instant,
    ) -> Result<(), Beyond> {
        let rates = &self.shared.rates;
        let bytes = cost(message.len());
        if !self.says().signal_bytes.take_many(now, bytes) {
            return Err(Beyond::Rate(limit::SIGNAL_BYTES_RATE, rates.signal_bytes));
        }
        let (from, signallers) = (self.counted_address(), &self.shared.signallers);
        let Some(Excess { limit, rate }) = signallers.take(from, &room.signals, message.len(), now)
        else {
            return Ok(());
        };
        self.says().signal_bytes.give_back_many(bytes);
        Err(Beyond::Rate(limit, rate))
    }

    /// Signals come fast, too: their refusal is told once a second.
    pub(super) fn refuse_signal(&mut self, beyond: Beyond, now: Instant) {
        if !is_to_be_told(&mut self.says().signal_refused_at, now) {
            return;
        }
        match beyond {
            Beyond::Rate(limit, rate) => self.refuse_rate(limit, rate),
            Beyond::Size(limit, bytes, max) => {
                let error = format!("tiene {bytes} bytes; el máximo es {max}");
                self.refuse(&ErrorObject::new(text::SIGNAL_REFUSED, &error).by(limit));
            }
            Beyond::Waiting => {
                let refusal = ErrorObject::new(text::SIGNAL_REFUSED, text::SIGNALS_WAITING);
                self.refuse(&refusal.by(limit::QUEUE_SIGNAL_BYTES));
            }
        }
    }

    /// Makes this session answer for the stream. If another did before, it is given what that one was asked.
    pub(super) fn take_hosting(&self, room: &SharedRoom) {
        self.socket.spare();
        let requests = {
            let mut hosting = room.hosting.lock();
            if !hosting.take(self.session.id) {
                return;
            }
            hosting.requests()
        };
        for request in requests.iter().filter_map(given) {
            // Who comes first is served first; a page that is not is asked again.
            let _ = self.socket.emit(&request.refusable());
        }
    }

    /// Notes how many viewers the publisher's page wants to serve itself, and tells the room.
    pub(super) fn peers(&self, incoming: &Event) {
        let Some(Peers { max }) = Self::payload(incoming) else {
            let error = "se espera {streamKey, max}, con max un número entero de 0 a 1000";
            self.refuse(&ErrorObject::new(text::NOT_YOURS, error));
            return;
        };
        let Some((room, _, _)) = self.named(incoming) else {
            return;
        };
        if !room.hosting.lock().is_of(self.session.id) {
            return self.refuse_of(&room, Refusal::NotPublisher);
        }
        let max = max.min(PEERS_MAX);
        if room.hosting.lock().set_peers_max(max) {
            let payload = json!({ "streamKey": room.key.as_str(), "max": max });
            self.shared
                .to_room(&room, &event(from_server::STREAM_PEERS, &payload));
        }
    }

    pub(super) fn is_member(&self, room: &SharedRoom) -> bool {
        let session = &self.session;
        let came = session.joined.contains(&room.key) || session.attended.contains(&room.key);
        // Who was put out came, too.
        let is_here = || {
            let peer = self.shared.peer(session.id);
            peer.is_some_and(|peer| peer.is_in(room))
        };
        came && is_here() || self.is_host(room)
    }

    /// Whether this session answers for the stream.
    fn is_host(&self, room: &SharedRoom) -> bool {
        let id = self.session.id;
        let has_seat = || {
            room.stream
                .get()
                .is_some_and(|stream| stream.is_publisher(id))
        };
        room.hosting.lock().is_of(id) || has_seat()
    }

    fn member(&self, room: &SharedRoom, socket_id: &str) -> Option<(SessionId, Arc<Peer>)> {
        let (session, peer) = self.shared.peer_of_socket(socket_id)?;
        peer.is_in(room).then_some((session, peer))
    }
}

impl Shared {
    /// Who answers for the stream over Socket.IO: whoever last showed the right to publish it, or has the seat.
    fn host(&self, room: &SharedRoom) -> Option<Arc<Peer>> {
        let host = room.hosting.lock().host();
        let here = host
            .and_then(|host| self.peer(host))
            .filter(|peer| peer.is_in(room));
        here.or_else(|| {
            let publisher = room.stream.get().and_then(Stream::publisher);
            publisher.and_then(|publisher| self.peer(publisher))
        })
    }

    /// Tells the publisher, in the viewer's name, that a viewer which had asked for its picture has left the stream: a
    /// page that is simply gone would keep its place until its connection is given up.
    pub(crate) fn gone(&self, room: &SharedRoom, viewer: SessionId) {
        let asker = room.hosting.lock().forget(viewer);
        let (Some(from), Some(host)) = (asker, self.host(room)) else {
            return;
        };
        let payload = json!({
            "type": "close",
            "data": { "reason": "gone" },
            "from": from,
            "to": host.socket.id(),
            "streamKey": room.key.as_str(),
        });
        host.pass(event(from_client::WEBRTC_CLOSE, &payload));
    }
}

/// Which bound a signal goes beyond.
#[derive(Debug, Clone, Copy)]
pub(super) enum Beyond {
    Rate(&'static str, Rate),
    /// How many bytes it has, and how many it may have.
    Size(&'static str, usize, usize),
    /// Too much waits for its receiver.
    Waiting,
}

/// A request for who answers for the stream now. It says so if it was answered before: who is the same page still, over
/// another connection, serves that viewer all the time.
fn given(request: &Request) -> Option<Message> {
    let name = from_client::WEBRTC_REQUEST;
    if !request.is_answered {
        return Message::raw(name, &request.payload, Vec::new()).ok();
    }
    let mut payload: Map<String, Value> = serde_json::from_str(&request.payload).ok()?;
    payload.insert("again".to_owned(), true.into());
    Some(event(name, &payload))
}

/// No page serves more viewers than this; a larger wish counts as this.
const PEERS_MAX: u32 = 1_000;
