//! Settings of the Socket.IO server, whose sessions the other doors use too.

use super::{Count, Often, Size, Span, Throughput};
use clap::Args;

/// The Socket.IO server.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Socket.IO")]
pub struct SocketIo {
    /// Largest message in bytes, as announced to clients. A larger one closes a WebSocket (1009) or is answered 413. All
    /// attachments of one event together are no larger, and 64 KiB are left for its text; a larger event closes the session
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "1MB",
        hide_short_help = true
    )]
    pub message_bytes_max: Size,

    /// How long a message of a client may take to come whole, at any door, and an event with all its attachments; then its
    /// session is closed (1008)
    #[arg(
        long,
        value_name = "TIME",
        default_value = "20s",
        hide_short_help = true
    )]
    pub message_timeout: Span,

    /// Messages of one client that are read, at any door; one that says more is read more slowly
    #[arg(
        long,
        value_name = "RATE",
        default_value = "1000/s burst 5000",
        hide_short_help = true
    )]
    pub message_rate: Often,

    /// Bytes in messages of one client that are read, at any door; one that sends more is read more slowly
    #[arg(
        long,
        value_name = "RATE",
        default_value = "64MiB/s burst 64MiB",
        hide_short_help = true
    )]
    pub message_bytes_rate: Throughput,

    /// Binary attachments of one event; an event with more closes the session
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "10",
        hide_short_help = true
    )]
    pub attachments_max: Count,

    /// Time between two pings
    #[arg(
        long,
        value_name = "TIME",
        default_value = "25s",
        hide_short_help = true
    )]
    pub ping_interval: Span,

    /// How long a client may take to answer a ping; then its session is closed
    #[arg(
        long,
        value_name = "TIME",
        default_value = "20s",
        hide_short_help = true
    )]
    pub ping_timeout: Span,

    /// How long a session may stay without a Socket.IO CONNECT; then it is closed
    #[arg(
        long,
        value_name = "TIME",
        default_value = "45s",
        hide_short_help = true
    )]
    pub connect_timeout: Span,

    /// Sessions at one time; a further one is answered 503
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "50000",
        hide_short_help = true
    )]
    pub sessions_max: Count,

    /// Bytes other than frames that may wait for one session; one with more is closed as too slow
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "4MiB",
        hide_short_help = true
    )]
    pub queue_bytes_max: Size,

    /// Messages other than frames that may wait for one session; one with more is closed as too slow
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "4096",
        hide_short_help = true
    )]
    pub queue_messages_max: Count,

    /// Bytes of chat, reactions, and names of who comes and goes that may wait for one session; beyond that the oldest are left out for it
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "256KiB",
        hide_short_help = true
    )]
    pub queue_chat_bytes_max: Size,

    /// Bytes of webrtc:* messages that may wait for one session; more are refused to who sends them
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "512KiB",
        hide_short_help = true
    )]
    pub queue_signal_bytes_max: Size,
}
