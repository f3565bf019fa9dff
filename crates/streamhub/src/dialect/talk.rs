//! Chat and reactions.

use super::Turn;
use crate::names::{from_server, limit, text};
use crate::stage::event;
use crate::time::Timestamp;
use crate::wire::{ChatMessage, ChatSend, ErrorObject, Reaction, ReactionSend};
use abanico_socketio::Event;
use serde_json::json;
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
        if room.private && !self.is_member(&room) {
            return;
        }
        let max = self.shared.limits.chat_chars_max;
        let chars = sent.content.chars().count();
        if chars > max {
            let error = format!("tiene {chars} caracteres; el máximo es {max}");
            self.refuse(&ErrorObject::new(text::CHAT_REFUSED, &error).by(limit::CHAT_CHARS));
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
        if room.private && !self.is_member(&room) {
            return;
        }
        let max = self.shared.limits.emoji_bytes_max;
        if sent.emoji.len() > max {
            let error = format!("tiene {} bytes; el máximo es {max}", sent.emoji.len());
            self.refuse(&ErrorObject::new(text::REACTION_REFUSED, &error).by(limit::EMOJI_BYTES));
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
}
