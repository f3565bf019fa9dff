//! Chat and reactions, and keeping order in them.
//!
//! Who is no member of a public stream may talk there, as in StreamHub. So all in one stream together have a bound besides
//! each one's own, each address has one for all its connections, and what they say is left out for who is too slow for it.

use super::Turn;
use crate::moderation::{Measure, ModerateRefusal};
use crate::names::{code, from_server, limit, text};
use crate::room::SharedRoom;
use crate::stage::event;
use crate::talk::Excess;
use crate::time::Timestamp;
use crate::wire::{ChatMessage, ChatSend, ErrorObject, Reaction, ReactionSend};
use abanico_core::rights::{Deed, Question};
use abanico_core::stream::{Event as StreamEvent, Right};
use abanico_socketio::{Event, Message};
use serde_json::json;
use std::net::IpAddr;
use std::time::Instant;
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
        if self.is_silenced(&room, user.row.id) {
            return self.refuse_silenced(text::CHAT_REFUSED);
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
        let message = event(from_server::CHAT_MESSAGE_BROADCAST, &payload);
        self.say(&room, user.row.id, message);
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
        if self.is_silenced(&room, user.row.id) {
            return self.refuse_silenced(text::REACTION_REFUSED);
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
        let message = event(from_server::REACTION_BROADCAST, &payload);
        self.say(&room, user.row.id, message);
    }

    /// Says something in a stream, unless all there, or all from the same address, say too much. Its streamer can always be
    /// heard.
    fn say(&self, room: &SharedRoom, user: Uuid, message: Message) {
        let refused = match user == room.streamer {
            true => None,
            false => {
                let (from, now) = (self.counted_address(), Instant::now());
                let talkers = &self.shared.talkers;
                talkers.take(from, &room.talk, message.len(), now)
            }
        };
        if let Some(Excess { limit, rate }) = refused {
            return self.refuse_rate(limit, rate);
        }
        self.shared.to_room(room, &message.skippable());
    }

    /// The address that has a share, if the client's is not that of many.
    pub(super) fn counted_address(&self) -> Option<IpAddr> {
        let gate = &self.shared.gate;
        let from = gate.address(self.socket.handshake());
        (!gate.speaks_for_many(from)).then_some(from)
    }

    /// Whether nothing is taken of this user there: it was silenced, or put out.
    fn is_silenced(&self, room: &SharedRoom, user: Uuid) -> bool {
        let from = self.shared.gate.address(self.socket.handshake());
        user != room.streamer
            && (room.order.is_silenced(user, from)
                || room.order.is_removed(Some(user), from).is_some())
    }

    fn refuse_silenced(&self, message: &str) {
        self.refuse(&ErrorObject {
            code: Some(code::SILENCED),
            ..ErrorObject::new(message, text::SILENCED)
        });
    }

    /// Keeps order in a stream, for whoever may.
    pub(super) async fn moderate(&mut self, incoming: &Event, measure: Option<Measure>) {
        let Some((room, stream, right)) = self.named_with_right(incoming) else {
            return;
        };
        #[derive(serde::Deserialize)]
        struct Shown {
            key: Option<String>,
        }
        let may = match right {
            Right::Owner => true,
            right => {
                let asked = StreamEvent::Ask(self.session.id, right);
                stream.handle(asked).await.is_ok()
            }
        };
        let shown = Self::payload::<Shown>(incoming).and_then(|shown| shown.key);
        let may = may || self.may_moderate(&room, shown.as_deref()).await;
        if !may {
            let refused = match room.private {
                true => text::STREAM_NOT_FOUND,
                false => text::NOT_MODERATOR,
            };
            return self.refuse(&ErrorObject::plain(refused));
        }
        let taken = match measure {
            Some(measure) => self.shared.moderate(&room, measure).await,
            None => Err(ModerateRefusal::Nobody),
        };
        if taken.is_err() {
            self.refuse(&ErrorObject::plain(text::TARGET_NOT_FOUND));
        }
    }

    /// Whether what is shown, or was when this connected, lets one keep order there.
    async fn may_moderate(&self, room: &SharedRoom, shown: Option<&str>) -> bool {
        let question = Question {
            deed: Deed::Moderate,
            stream: Some(room.key.as_str()),
            shown: shown.or(self.session.shown.as_deref()),
        };
        let answer = self
            .shared
            .gate
            .ask(self.socket.handshake(), question)
            .await;
        answer.is_ok_and(|grant| grant.may(Deed::Moderate).is_ok() || room.is_held_by(&grant))
    }
}

/// What `viewer:silence` asks for.
pub(super) fn silence(incoming: &Event) -> Option<Measure> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Silence {
        user_id: Uuid,
        #[serde(default)]
        silenced: Option<bool>,
    }
    let Silence { user_id, silenced } = incoming.arg(0).ok()?;
    Some(match silenced {
        Some(false) => Measure::Unsilence { user_id },
        _ => Measure::Silence { user_id },
    })
}

/// What `viewer:remove` asks for.
pub(super) fn remove(incoming: &Event) -> Option<Measure> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Remove {
        user_id: Uuid,
    }
    let Remove { user_id } = incoming.arg(0).ok()?;
    Some(Measure::Remove { user_id })
}

/// What `chat:message:remove` asks for.
pub(super) fn remove_message(incoming: &Event) -> Option<Measure> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct RemoveMessage {
        message_id: Uuid,
    }
    let RemoveMessage { message_id } = incoming.arg(0).ok()?;
    Some(Measure::RemoveMessage { message_id })
}
