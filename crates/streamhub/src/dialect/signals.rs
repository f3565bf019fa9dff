//! The signals that publisher and viewers of one stream send each other for video from peer to peer.
//!
//! Passed on as they came, between a stream's publisher and its viewers alone, and never in another's name: nobody but the
//! publisher offers a picture. What is in them is the peers' own affair.

use super::Turn;
use crate::Shared;
use crate::hosting::Request;
use crate::names::{from_client, from_server, text};
use crate::room::{SharedRoom, room_name};
use crate::stage::{Peer, event};
use crate::wire::{ErrorObject, Peers, Signal};
use abanico_core::key::SessionId;
use abanico_core::stream::Refusal;
use abanico_hub::Stream;
use abanico_socketio::{Event, Message};
use serde_json::{Map, Value, json};
use std::sync::Arc;

impl Turn<'_> {
    /// Passes a signal on as it came, from a member of a stream to another. Anything else is dropped without a word, as
    /// in StreamHub.
    pub(super) fn signal(&self, incoming: &Event) {
        let Some(raw) = incoming.arg_raw(0) else {
            return;
        };
        if raw.len() > self.shared.limits.signal_bytes_max || !incoming.attachments().is_empty() {
            return;
        }
        let Some(signal) = Self::payload::<Signal<'_>>(incoming) else {
            return;
        };
        let Some(room) = self.room(&signal.stream_key) else {
            return;
        };
        // To a private stream nobody comes from peer to peer who has no seat here.
        let is_let_in =
            !room.private || self.session.joined.contains(&room.key) || self.is_host(&room);
        if !is_let_in || !self.is_member(&room) {
            return;
        }
        let request = incoming.name() == from_client::WEBRTC_REQUEST;
        // Nobody speaks in another's name.
        let own = if request {
            signal.socket_id
        } else {
            signal.from
        };
        if own.is_none_or(|own| own != self.socket.id()) {
            return;
        }
        let Ok(message) = Message::raw(incoming.name(), raw, Vec::new()) else {
            return;
        };
        if request {
            // Before it is passed on: whoever takes over meanwhile finds it.
            let (viewer, id) = (self.session.id, self.socket.id());
            room.hosting.lock().asked(viewer, id, raw);
            if let Some(host) = self.shared.host(&room) {
                host.tell(&message);
            }
            return;
        }
        let Some((session, receiver)) = signal.to.and_then(|to| self.member(&room, &to)) else {
            return;
        };
        let by_host = self.is_host(&room);
        let to_host = || {
            self.shared
                .host(&room)
                .is_some_and(|host| host.socket.id() == receiver.socket.id())
        };
        let is_offer = incoming.name() == from_client::WEBRTC_OFFER;
        if !by_host && (is_offer || !to_host()) {
            return;
        }
        let is_close = incoming.name() == from_client::WEBRTC_CLOSE;
        if by_host && (is_offer || is_close) {
            room.hosting.lock().answered(session);
        } else if is_close {
            room.hosting.lock().forget(self.session.id);
        }
        receiver.tell(&message);
    }

    /// Makes this session answer for the stream. If another did before, it is given what that one was asked.
    pub(super) fn take_hosting(&self, room: &SharedRoom) {
        let requests = {
            let mut hosting = room.hosting.lock();
            if !hosting.take(self.session.id) {
                return;
            }
            hosting.requests()
        };
        for request in requests.iter().filter_map(given) {
            self.send(&request);
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
            peer.is_some_and(|peer| is_in(room, &peer))
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
        is_in(room, &peer).then_some((session, peer))
    }
}

impl Shared {
    /// Who answers for the stream over Socket.IO: whoever last showed the right to publish it, or has the seat.
    fn host(&self, room: &SharedRoom) -> Option<Arc<Peer>> {
        let host = room.hosting.lock().host();
        let here = host
            .and_then(|host| self.peer(host))
            .filter(|peer| is_in(room, peer));
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
        host.tell(&event(from_client::WEBRTC_CLOSE, &payload));
    }
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

fn is_in(room: &SharedRoom, peer: &Peer) -> bool {
    peer.socket.rooms().contains(&room_name(&room.key))
}
