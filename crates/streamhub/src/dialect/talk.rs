//! Chat, reactions, and the signals that members of one stream send each other for peer-to-peer video.

use super::Turn;
use crate::names::{from_client, from_server, text};
use crate::room::{SharedRoom, room_name};
use crate::stage::{Peer, event};
use crate::time::Timestamp;
use crate::wire::{ChatMessage, ChatSend, ErrorObject, Reaction, ReactionSend, Signal};
use abanico_socketio::{Event, Message};
use serde_json::json;
use std::sync::Arc;
use uuid::Uuid;

impl Turn<'_> {
    pub(super) fn chat(&self, incoming: &Event) {
        let Some(sent) = Self::payload::<ChatSend<'_>>(incoming) else {
            let error = "se espera {streamKey, content}, ambos de tipo texto";
            self.refuse(&ErrorObject::new(text::CHAT_REFUSED, error));
            return;
        };
        let (Some(user), Some(room)) = (self.user(), self.room(&sent.stream_key)) else {
            return;
        };
        let max = self.shared.limits.chat_chars_max;
        let chars = sent.content.chars().count();
        if chars > max {
            let error = format!("tiene {chars} caracteres; el máximo es {max}");
            self.refuse(&ErrorObject::new(text::CHAT_REFUSED, &error));
            return;
        }
        let user_id = user.row.id.to_string();
        let message = ChatMessage {
            id: Uuid::new_v4(),
            stream_id: room.id,
            user_id: &user_id,
            username: &user.row.username,
            kind: "CHAT",
            content: &sent.content,
            timestamp: Timestamp::now(),
        };
        let payload = json!({ "message": message });
        self.shared
            .to_room(&room, &event(from_server::CHAT_MESSAGE_BROADCAST, &payload));
    }

    pub(super) fn react(&self, incoming: &Event) {
        let Some(sent) = Self::payload::<ReactionSend<'_>>(incoming) else {
            let error = "se espera {streamKey, emoji}, ambos de tipo texto";
            self.refuse(&ErrorObject::new(text::REACTION_REFUSED, error));
            return;
        };
        let (Some(user), Some(room)) = (self.user(), self.room(&sent.stream_key)) else {
            return;
        };
        let max = self.shared.limits.emoji_bytes_max;
        if sent.emoji.len() > max {
            let error = format!("tiene {} bytes; el máximo es {max}", sent.emoji.len());
            self.refuse(&ErrorObject::new(text::REACTION_REFUSED, &error));
            return;
        }
        let reaction = Reaction {
            id: Uuid::new_v4(),
            stream_id: room.id,
            user_id: user.row.id,
            username: &user.row.username,
            emoji: &sent.emoji,
            timestamp: Timestamp::now(),
        };
        let payload = json!({ "reaction": reaction });
        self.shared
            .to_room(&room, &event(from_server::REACTION_BROADCAST, &payload));
    }

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
        if !self.is_member(&room) {
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
        let receiver = if request {
            let publisher = room.stream.get().and_then(abanico_hub::Stream::publisher);
            publisher.and_then(|publisher| self.shared.peer(publisher))
        } else {
            signal.to.and_then(|to| self.member(&room, &to))
        };
        let Some(receiver) = receiver else { return };
        if let Ok(message) = Message::raw(incoming.name(), raw, Vec::new()) {
            receiver.tell(&message);
        }
    }

    fn is_member(&self, room: &SharedRoom) -> bool {
        self.session.joined.contains(&room.key)
            || room
                .stream
                .get()
                .is_some_and(|stream| stream.is_publisher(self.session.id))
    }

    fn member(&self, room: &SharedRoom, socket_id: &str) -> Option<Arc<Peer>> {
        let (_, peer) = self.shared.peer_of_socket(socket_id)?;
        peer.socket
            .rooms()
            .contains(&room_name(&room.key))
            .then_some(peer)
    }
}
