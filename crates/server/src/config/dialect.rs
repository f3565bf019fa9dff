//! The settings as the dialect, the hub and the Socket.IO server want them.

use super::{Config, Often, Throughput};
use abanico_core::pace::Pace;
use abanico_core::rate::Rate;
use abanico_core::{ladder, presence, ring, stream};
use abanico_hub::distributor;
use abanico_socketio::{EVENT_TEXT_BYTES, Flow};
use abanico_streamhub::{Limits, PeerToPeer, Rates};

impl Config {
    /// What the streams are told. What is no setting keeps the default of the crate that it belongs to.
    pub(crate) fn dialect(&self) -> abanico_streamhub::Config {
        let Self {
            streams, clients, ..
        } = self;
        abanico_streamhub::Config {
            socketio: self.transport(),
            distributor: distributor::Config {
                stream: stream::Config {
                    publisher_grace: streams.publisher_grace.0,
                    viewers_max: streams.stream_viewers_max.0,
                    presence: presence::Policy {
                        named_max: streams.presence_named_max.0,
                        named_rate: rate(streams.presence_rate),
                        count_every: streams.presence_count_every.0,
                    },
                },
                bounds: self.bounds(),
                streams_max: streams.streams_max.0,
                viewers_max: streams.viewers_max.0,
                join_pace: Pace {
                    per_second: streams.join_rate.per_second,
                    burst: streams.join_rate.burst,
                    ..Pace::default()
                },
                held_bytes_max: streams.all_held_bytes_max.0,
            },
            live: abanico_live::Bounds {
                feed: self.bounds(),
                group_bytes_max: streams.held_bytes_max.0,
                groups_bytes_max: streams.all_held_bytes_max.0,
                held_bytes_max: streams.all_held_bytes_max.0,
                backlog_for: streams.backlog_max.0,
                ladder: self.ladder(),
            },
            limits: Limits {
                name_chars_max: clients.name_chars_max.0,
                chat_chars_max: clients.chat_chars_max.0,
                emoji_bytes_max: clients.emoji_bytes_max.0,
                signal_bytes_max: clients.signal_bytes_max.0,
                signal_request_bytes_max: clients.signal_request_bytes_max.0,
                poster_bytes_max: clients.poster_bytes_max.0,
                joins_max: clients.joins_max.0,
                subscriptions_max: clients.subscriptions_max.0,
                users_max: clients.users_max.0,
                users_listed_max: clients.users_listed_max.0,
                ended_max: clients.ended_max.0,
                ended_for: clients.ended_for.0,
                backlog_for: streams.backlog_max.0,
                group_bytes_max: streams.group_bytes_max.0,
                keyframe_gap_max: streams.keyframe_gap_max.0,
                ladder: self.ladder(),
            },
            peer_to_peer: PeerToPeer {
                ice_servers: self
                    .webrtc
                    .ice_servers
                    .as_ref()
                    .map_or_else(Vec::new, |servers| servers.0.clone()),
                peer_viewers: self.webrtc.peer_viewers.0,
            },
            rates: Rates {
                chat: rate(clients.chat_rate),
                room_chat: rate(clients.room_chat_rate),
                room_chat_bytes: bytes(clients.room_chat_bytes_rate),
                address_chat: rate(clients.address_chat_rate),
                address_chat_bytes: bytes(clients.address_chat_bytes_rate),
                reactions: rate(clients.reaction_rate),
                data: rate(clients.data_rate),
                signals: rate(clients.signal_rate),
                signal_bytes: bytes(clients.signal_bytes_rate),
                room_signal_bytes: bytes(clients.room_signal_bytes_rate),
                address_signal_bytes: bytes(clients.address_signal_bytes_rate),
                signal_requests: rate(clients.signal_request_rate),
                keyframes: rate(clients.keyframe_rate),
                address_keyframes: rate(clients.address_keyframe_rate),
                requests: rate(clients.request_rate),
                address_listed: rate(clients.address_list_rate),
            },
        }
    }

    fn bounds(&self) -> ring::Bounds {
        let streams = &self.streams;
        ring::Bounds {
            held_bytes_max: streams.held_bytes_max.0,
            held_for_max: streams.held_max.0,
            lag_bytes_max: streams.lag_bytes_max.0,
            lag_for_max: streams.lag_max.0,
        }
    }

    fn ladder(&self) -> ladder::Policy {
        let streams = &self.streams;
        ladder::Policy {
            lags_max: u32::try_from(streams.lags_max.0).unwrap_or(u32::MAX),
            within: streams.lags_within.0,
            recover_after: streams.recover_after.0,
            keyframe_every: streams.keyframe_every.0,
            still_every: streams.still_every.0,
        }
    }

    /// What sessions are told, of Socket.IO and at the other doors.
    pub(crate) fn transport(&self) -> abanico_socketio::Config {
        let settings = &self.socketio;
        abanico_socketio::Config {
            ping_interval: settings.ping_interval.0,
            ping_timeout: settings.ping_timeout.0,
            connect_timeout: settings.connect_timeout.0,
            max_payload: settings.message_bytes_max.0,
            max_payload_setting: "message-bytes-max",
            message_timeout: settings.message_timeout.0,
            event_bytes_max: settings
                .message_bytes_max
                .0
                .saturating_add(EVENT_TEXT_BYTES),
            attachments_max: settings.attachments_max.0,
            message_flow: Flow {
                per_second: settings.message_rate.per_second,
                burst: f64::from(settings.message_rate.burst),
            },
            byte_flow: flow(settings.message_bytes_rate),
            queue_bytes_max: settings.queue_bytes_max.0,
            queue_messages_max: settings.queue_messages_max.0,
            skippable_bytes_max: settings.queue_chat_bytes_max.0,
            refusable_bytes_max: settings.queue_signal_bytes_max.0,
            sessions_max: settings.sessions_max.0,
            ..abanico_socketio::Config::default()
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "nobody counts bytes beyond 2^52"
)]
fn flow(throughput: Throughput) -> Flow {
    Flow {
        per_second: throughput.per_second.0 as f64,
        burst: throughput.burst.0 as f64,
    }
}

/// Bytes as they are counted in a bucket.
#[expect(
    clippy::cast_precision_loss,
    reason = "nobody counts bytes beyond 2^52"
)]
fn bytes(throughput: Throughput) -> Rate {
    Rate {
        burst: u32::try_from(throughput.burst.0).unwrap_or(u32::MAX),
        per_second: throughput.per_second.0 as f64,
    }
}

/// So many at once, and so many a second after that.
pub(crate) fn rate(often: Often) -> Rate {
    Rate {
        burst: often.burst,
        per_second: often.per_second,
    }
}
