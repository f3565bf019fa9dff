//! The objects of the dialect as they stand on the wire. No type of the core is one of these.

use crate::directory::User;
use crate::names::text;
use crate::store::{Role, Status};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use uuid::Uuid;

/// `user:register`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Register<'a> {
    #[serde(borrow)]
    pub(crate) username: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) role: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) resume_token: Option<Cow<'a, str>>,
}

/// `stream:create`.
#[derive(Deserialize)]
pub(crate) struct Create<'a> {
    /// The operator's, where one is asked for.
    #[serde(borrow, default)]
    pub(crate) key: Option<Cow<'a, str>>,
    /// In no list, and watched by those alone who show something.
    #[serde(default)]
    pub(crate) private: bool,
}

/// What names a stream, with the right to publish it where one is shown.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StreamRef<'a> {
    #[serde(borrow)]
    pub(crate) stream_key: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) publish_token: Option<Cow<'a, str>>,
    /// What is shown to watch it.
    #[serde(borrow, default)]
    pub(crate) token: Option<Cow<'a, str>>,
}

/// `stream:data:send` and `stream:poster`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DataSend<'a> {
    #[serde(borrow)]
    pub(crate) stream_key: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) data: &'a RawValue,
    #[serde(borrow, default)]
    pub(crate) publish_token: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(crate) captured_at: Option<f64>,
}

/// `stream:pause`.
#[derive(Deserialize)]
pub(crate) struct Pause {
    pub(crate) paused: bool,
}

/// `chat:message:send`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChatSend<'a> {
    #[serde(borrow)]
    pub(crate) stream_key: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) content: Cow<'a, str>,
}

/// `reaction:send`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReactionSend<'a> {
    #[serde(borrow)]
    pub(crate) stream_key: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) emoji: Cow<'a, str>,
}

/// `user:subscribe` and `user:unsubscribe`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Target<'a> {
    #[serde(borrow)]
    pub(crate) target_user_id: Cow<'a, str>,
}

/// What the relay needs of a `webrtc:*` payload. The payload itself is passed on as it came.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Signal<'a> {
    #[serde(borrow)]
    pub(crate) stream_key: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) socket_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(crate) from: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(crate) to: Option<Cow<'a, str>>,
}

/// `stream:peers`.
#[derive(Deserialize)]
pub(crate) struct Peers {
    pub(crate) max: u32,
}

/// A user.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UserObject {
    id: Uuid,
    username: String,
    role: Role,
    #[serde(skip_serializing_if = "Option::is_none")]
    socket_id: Option<String>,
    created_at: Timestamp,
}

impl UserObject {
    pub(crate) fn new(user: &User) -> Self {
        Self {
            id: user.row.id,
            username: user.row.username.clone(),
            role: user.row.role,
            socket_id: user
                .presence
                .as_ref()
                .map(|presence| presence.socket_id.clone()),
            created_at: user.row.created_at,
        }
    }
}

/// A user in `users:list`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListedUser {
    pub(crate) user_id: Uuid,
    pub(crate) username: String,
    pub(crate) role: Role,
    pub(crate) is_subscribed: bool,
    pub(crate) stream_status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) current_stream_key: Option<String>,
}

/// A stream.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StreamObject {
    pub(crate) id: Uuid,
    pub(crate) streamer_id: Uuid,
    pub(crate) stream_key: String,
    pub(crate) status: Status,
    pub(crate) created_at: Timestamp,
    pub(crate) viewer_count: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) started_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ended_at: Option<Timestamp>,
}

/// A live stream in `GET /streams`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedStream {
    #[serde(flatten)]
    pub(crate) stream: StreamObject,
    pub(crate) streamer_username: String,
    pub(crate) paused: bool,
    pub(crate) has_poster: bool,
    pub(crate) kind: Option<&'static str>,
}

/// The body of `GET /health`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    pub(crate) status: &'static str,
    pub(crate) active_streams: usize,
    pub(crate) connected_users: usize,
    pub(crate) users: UserCounts,
    pub(crate) distribution: Distribution,
}

/// How many users there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct UserCounts {
    pub(crate) total: usize,
    pub(crate) connected: usize,
    pub(crate) disconnected: usize,
}

/// What is distributed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Distribution {
    pub(crate) active_streams: usize,
    pub(crate) total_viewers: usize,
    /// Bytes of packets that are held for viewers over Socket.IO.
    pub(crate) held_bytes: usize,
    pub(crate) stream_details: Vec<StreamDetail>,
}

/// What one stream distributes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamDetail {
    pub(crate) stream_key: String,
    pub(crate) viewers: usize,
    /// Frames and bytes that its publisher sent over Socket.IO.
    pub(crate) frames: u64,
    pub(crate) bytes: u64,
    /// Packets that were handed to viewers, and that viewers were moved past because they lagged, over all doors.
    pub(crate) delivered: u64,
    pub(crate) skipped: u64,
}

/// `stream:error`.
#[derive(Debug, Serialize)]
pub(crate) struct ErrorObject<'a> {
    pub(crate) message: &'a str,
    pub(crate) error: &'a str,
    /// When it is worth to try again, in milliseconds. Different for each, so that not all return at once.
    #[serde(rename = "retryAfterMs", skip_serializing_if = "Option::is_none")]
    pub(crate) retry_after_ms: Option<u64>,
    /// The reason in a word, where programs act on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<&'static str>,
    /// The bound that was reached, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) limit: Option<&'static str>,
}

impl<'a> ErrorObject<'a> {
    /// A refusal that StreamHub words too, and gives no reason for.
    pub(crate) fn plain(message: &'a str) -> Self {
        Self::new(message, text::UNKNOWN_ERROR)
    }

    /// A refusal with its reason.
    pub(crate) fn new(message: &'a str, error: &'a str) -> Self {
        Self {
            message,
            error,
            retry_after_ms: None,
            code: None,
            limit: None,
        }
    }

    /// Says which bound was reached.
    pub(crate) fn by(self, limit: &'static str) -> Self {
        Self {
            limit: Some(limit),
            ..self
        }
    }
}

/// A chat message.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChatMessage<'a> {
    pub(crate) id: Uuid,
    pub(crate) stream_id: Uuid,
    pub(crate) user_id: &'a str,
    pub(crate) username: &'a str,
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) content: &'a str,
    pub(crate) timestamp: Timestamp,
}

/// A reaction.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Reaction<'a> {
    pub(crate) id: Uuid,
    pub(crate) stream_id: Uuid,
    pub(crate) user_id: Uuid,
    pub(crate) username: &'a str,
    pub(crate) emoji: &'a str,
    pub(crate) timestamp: Timestamp,
}

/// `stream:notification`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Notification<'a> {
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) streamer_id: Uuid,
    pub(crate) streamer_username: &'a str,
    pub(crate) stream_id: Uuid,
    pub(crate) stream_key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) started_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ended_at: Option<Timestamp>,
}

/// `stream:joined`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Joined<'a> {
    pub(crate) stream: StreamObject,
    pub(crate) streamer_username: &'a str,
    pub(crate) paused: bool,
    pub(crate) publisher_present: bool,
    /// How many viewers its publisher wants to serve itself, if it said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) peers_max: Option<u32>,
}
