//! What the dialect can be told at its start, with defaults that need no change.

use abanico_core::ladder;
use abanico_core::rate::Rate;
use serde::Serialize;
use std::time::Duration;

/// Everything that can be set.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// The Socket.IO server.
    pub socketio: abanico_socketio::Config,
    /// Streams and their fan-out.
    pub distributor: abanico_hub::distributor::Config,
    /// The frames of streams for other doors.
    pub live: abanico_live::Bounds,
    /// What one client may do, and what is kept.
    pub limits: Limits,
    /// How much of each thing one connection may do.
    pub rates: Rates,
    /// What pages are told that send each other video from peer to peer.
    pub peer_to_peer: PeerToPeer,
}

/// What pages are told that send each other video from peer to peer: `webrtc` in `user:registered`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerToPeer {
    /// Servers that help them to find each other. None are needed on one network.
    pub ice_servers: Vec<IceServer>,
    /// How many viewers of a stream its publisher's page serves itself when it is left to choose.
    pub peer_viewers: usize,
}

/// A STUN or TURN server, as browsers want it in `RTCConfiguration`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IceServer {
    /// `stun:host:port`, `turn:host:port?transport=udp` and the like.
    pub urls: String,
    /// Who one is at a TURN server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The password there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

/// What one client may do, and what is kept. What goes beyond is refused with `stream:error` unless it says otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Characters in a user's name.
    pub name_chars_max: usize,
    /// Characters in a chat message.
    pub chat_chars_max: usize,
    /// Bytes of a reaction.
    pub emoji_bytes_max: usize,
    /// Bytes of one `webrtc:*` payload.
    pub signal_bytes_max: usize,
    /// Bytes of the payload of a `webrtc:request`, which is a few names.
    pub signal_request_bytes_max: usize,
    /// Bytes of a poster.
    pub poster_bytes_max: usize,
    /// Streams that one connection may watch at a time.
    pub joins_max: usize,
    /// Users that one user may follow.
    pub subscriptions_max: usize,
    /// Users that are remembered. Beyond it those are forgotten who have gone: first who never came back with its token, of
    /// either kind first whom nobody follows who did, and of each the longest gone. If there are none, a registration is
    /// refused.
    pub users_max: usize,
    /// Users in one `users:list`, those that are connected first.
    pub users_listed_max: usize,
    /// Ended streams that are remembered, the newest; older ones are unknown.
    pub ended_max: usize,
    /// How long an ended stream is remembered.
    pub ended_for: Duration,
    /// A picture or group older than this is not shown to somebody who joins.
    pub backlog_for: Duration,
    /// Bytes of the newest group of a recording that are kept for who joins. A group that outgrows it is given to nobody;
    /// who joins then waits for the next keyframe.
    pub group_bytes_max: usize,
    /// A publisher whose keyframes are further apart than this is told so, once.
    pub keyframe_gap_max: Duration,
    /// What a viewer is given that keeps falling behind.
    pub ladder: ladder::Policy,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            name_chars_max: 64,
            chat_chars_max: 2_000,
            emoji_bytes_max: 64,
            signal_bytes_max: 64 << 10,
            signal_request_bytes_max: 1 << 10,
            poster_bytes_max: 64 << 10,
            joins_max: 32,
            subscriptions_max: 1_000,
            users_max: 20_000,
            users_listed_max: 1_000,
            ended_max: 10_000,
            ended_for: Duration::from_secs(24 * 3600),
            backlog_for: Duration::from_secs(10),
            // As base64 in one message this stays under the 4 MB that python clients take.
            group_bytes_max: 2_900_000,
            keyframe_gap_max: Duration::from_secs(4),
            ladder: ladder::Policy::default(),
        }
    }
}

/// How much of each thing one connection may do: token buckets. What goes beyond is refused with `stream:error`.
#[derive(Debug, Clone, PartialEq)]
pub struct Rates {
    /// Chat messages.
    pub chat: Rate,
    /// Chat messages and reactions of all in one stream together, but its streamer's.
    pub room_chat: Rate,
    /// The bytes of these, as they go to each member.
    pub room_chat_bytes: Rate,
    /// Chat messages and reactions of all connections of one address together, in all streams, but of streamers in their own.
    pub address_chat: Rate,
    /// The bytes of these.
    pub address_chat_bytes: Rate,
    /// Reactions.
    pub reactions: Rate,
    /// `stream:data:send`.
    pub data: Rate,
    /// `webrtc:*`.
    pub signals: Rate,
    /// The bytes of these that are for a publisher.
    pub signal_bytes: Rate,
    /// The bytes that all in one stream together send to its publisher so.
    pub room_signal_bytes: Rate,
    /// The bytes that all connections of one address together send to publishers so, in all streams.
    pub address_signal_bytes: Rate,
    /// `webrtc:request`.
    pub signal_requests: Rate,
    /// Keyframes that a publisher is asked for on behalf of one viewer, at any door.
    pub keyframes: Rate,
    /// Keyframes that one is asked for on behalf of all viewers of one address together.
    pub address_keyframes: Rate,
    /// Everything else.
    pub requests: Rate,
    /// Users whom lists name to all connections of one address together.
    pub address_listed: Rate,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            chat: Rate {
                burst: 30,
                per_second: 5.0,
            },
            room_chat: Rate {
                burst: 200,
                per_second: 100.0,
            },
            room_chat_bytes: Rate {
                burst: 256 << 10,
                per_second: f64::from(64 << 10),
            },
            // Half of what a stream takes: no address fills one alone.
            address_chat: Rate {
                burst: 100,
                per_second: 50.0,
            },
            address_chat_bytes: Rate {
                burst: 128 << 10,
                per_second: f64::from(32 << 10),
            },
            reactions: Rate {
                burst: 30,
                per_second: 10.0,
            },
            data: Rate {
                burst: 500,
                per_second: 250.0,
            },
            signals: Rate {
                burst: 500,
                per_second: 100.0,
            },
            signal_bytes: Rate {
                burst: 128 << 10,
                per_second: f64::from(16 << 10),
            },
            room_signal_bytes: Rate {
                burst: 1 << 20,
                per_second: f64::from(256 << 10),
            },
            // Half of it, as with chat, and at once half of what may wait for one.
            address_signal_bytes: Rate {
                burst: 256 << 10,
                per_second: f64::from(128 << 10),
            },
            signal_requests: Rate {
                burst: 32,
                per_second: 2.0,
            },
            keyframes: Rate {
                burst: 5,
                per_second: 0.5,
            },
            address_keyframes: Rate {
                burst: 20,
                per_second: 0.5,
            },
            requests: Rate {
                burst: 60,
                per_second: 20.0,
            },
            // Two hundred pages that open at once are told of a thousand users each.
            address_listed: Rate {
                burst: 300_000,
                per_second: 5_000.0,
            },
        }
    }
}
