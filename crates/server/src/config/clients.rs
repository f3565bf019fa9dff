//! Settings of clients: how long, how large and how often what one of them sends may be.

use super::{Count, Often, Size, Span, Throughput};
use clap::Args;

/// What one client may do, and what is remembered of it.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Clients")]
pub struct Clients {
    /// Characters in a name; a longer one is refused
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "64",
        hide_short_help = true
    )]
    pub name_chars_max: Count,

    /// Characters in a chat message; a longer one is refused
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "2000",
        hide_short_help = true
    )]
    pub chat_chars_max: Count,

    /// Bytes of a reaction; a longer one is refused
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "64B",
        hide_short_help = true
    )]
    pub emoji_bytes_max: Size,

    /// Bytes of a stream's poster; a larger one is refused
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "64KiB",
        hide_short_help = true
    )]
    pub poster_bytes_max: Size,

    /// Bytes of a webrtc:* message; a longer one is refused
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "64KiB",
        hide_short_help = true
    )]
    pub signal_bytes_max: Size,

    /// Bytes of a webrtc:request message, which is a few names; a longer one is refused
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "1KiB",
        hide_short_help = true
    )]
    pub signal_request_bytes_max: Size,

    /// Streams that one connection may watch at a time
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "32",
        hide_short_help = true
    )]
    pub joins_max: Count,

    /// Users that one user may follow
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "1000",
        hide_short_help = true
    )]
    pub subscriptions_max: Count,

    /// Users that are remembered; beyond that those are forgotten who are gone: first who never came back with their token, of these and of the others first whom nobody follows who did, and then the longest gone
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "20000",
        hide_short_help = true
    )]
    pub users_max: Count,

    /// Users who are not known yet that one address may register; more are refused. Proxies in trusted-proxies are not counted, nor is loopback while that names none
    #[arg(
        long,
        value_name = "RATE",
        default_value = "1/s burst 1000",
        hide_short_help = true
    )]
    pub new_user_rate: Often,

    /// Users in one list of users, those that are connected first
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "1000",
        hide_short_help = true
    )]
    pub users_listed_max: Count,

    /// Ended streams that are remembered, the newest
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "10000",
        hide_short_help = true
    )]
    pub ended_max: Count,

    /// How long an ended stream is remembered
    #[arg(
        long,
        value_name = "TIME",
        default_value = "1day",
        hide_short_help = true
    )]
    pub ended_for: Span,

    /// Chat messages of one connection; more are refused
    #[arg(
        long,
        value_name = "RATE",
        default_value = "5/s burst 30",
        hide_short_help = true
    )]
    pub chat_rate: Often,

    /// Chat messages and reactions of all in one stream together, but its streamer's; more are refused
    #[arg(
        long,
        value_name = "RATE",
        default_value = "100/s burst 200",
        hide_short_help = true
    )]
    pub room_chat_rate: Often,

    /// Bytes of these, as they go to each member; more are refused
    #[arg(
        long,
        value_name = "RATE",
        default_value = "64KiB/s burst 256KiB",
        hide_short_help = true
    )]
    pub room_chat_bytes_rate: Throughput,

    /// Chat messages and reactions of all connections of one address together, in all streams; more are refused
    #[arg(
        long,
        value_name = "RATE",
        default_value = "50/s burst 100",
        hide_short_help = true
    )]
    pub address_chat_rate: Often,

    /// Bytes of these, as they go to each member; more are refused
    #[arg(
        long,
        value_name = "RATE",
        default_value = "32KiB/s burst 128KiB",
        hide_short_help = true
    )]
    pub address_chat_bytes_rate: Throughput,

    /// Reactions of one connection; more are refused
    #[arg(
        long,
        value_name = "RATE",
        default_value = "10/s burst 30",
        hide_short_help = true
    )]
    pub reaction_rate: Often,

    /// Frames of one publisher; more are refused
    #[arg(
        long,
        value_name = "RATE",
        default_value = "250/s burst 500",
        hide_short_help = true
    )]
    pub data_rate: Often,

    /// webrtc:* messages of one connection; more are refused
    #[arg(
        long,
        value_name = "RATE",
        default_value = "100/s burst 500",
        hide_short_help = true
    )]
    pub signal_rate: Often,

    /// webrtc:request messages of one connection; more are refused
    #[arg(
        long,
        value_name = "RATE",
        default_value = "2/s burst 32",
        hide_short_help = true
    )]
    pub signal_request_rate: Often,

    /// Bytes of webrtc:* messages that one viewer sends to publishers; more are refused
    #[arg(
        long,
        value_name = "RATE",
        default_value = "16KiB/s burst 128KiB",
        hide_short_help = true
    )]
    pub signal_bytes_rate: Throughput,

    /// Bytes of these that all viewers of a stream together send to its publisher; more are refused
    #[arg(
        long,
        value_name = "RATE",
        default_value = "256KiB/s burst 1MiB",
        hide_short_help = true
    )]
    pub room_signal_bytes_rate: Throughput,

    /// Bytes of these that all connections of one address together send to publishers, in all streams; more are refused
    #[arg(
        long,
        value_name = "RATE",
        default_value = "128KiB/s burst 256KiB",
        hide_short_help = true
    )]
    pub address_signal_bytes_rate: Throughput,

    /// Keyframes that a publisher is asked for on behalf of one viewer, at any door; of more it is not asked
    #[arg(
        long,
        value_name = "RATE",
        default_value = "0.5/s burst 5",
        hide_short_help = true
    )]
    pub keyframe_rate: Often,

    /// Keyframes that a publisher is asked for on behalf of all viewers of one address together; of more it is not asked
    #[arg(
        long,
        value_name = "RATE",
        default_value = "0.5/s burst 20",
        hide_short_help = true
    )]
    pub address_keyframe_rate: Often,

    /// All other requests of one connection, where a list counts as one for every 50 whom it names; more are refused
    #[arg(
        long,
        value_name = "RATE",
        default_value = "20/s burst 60",
        hide_short_help = true
    )]
    pub request_rate: Often,

    /// Users whom lists name to all connections of one address together, in users:list and subscriptions:list; a list of more is refused. Proxies in trusted-proxies are not counted, nor is loopback while that names none
    #[arg(
        long,
        value_name = "RATE",
        default_value = "5000/s burst 300000",
        hide_short_help = true
    )]
    pub address_list_rate: Often,

    /// Largest frame of a publisher at the native door; a larger one closes its WebSocket (1009)
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "8MiB",
        hide_short_help = true
    )]
    pub frame_bytes_max: Size,
}
