//! Settings of connections, whatever is spoken over them.

use super::{Count, Often, Size, Span};
use clap::Args;

/// Limits and times of connections.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Connections")]
pub struct Connections {
    /// Connections at one time; further ones are answered 503 and closed. Lowered to what the system's limit of open
    /// files allows
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "50000",
        hide_short_help = true
    )]
    pub connections_max: Count,

    /// Connections of one address at one time (of IPv6, of one /64); further ones are answered 429 and closed. Proxies in trusted-proxies are not counted, nor is loopback while that names none
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "1000",
        hide_short_help = true
    )]
    pub connections_per_address_max: Count,

    /// Requests of one address that are open at one time, whatever they ask for; further ones are answered 429. A session's are its own. Behind trusted-proxies that is the visitor's address; who is not counted above is not counted here
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "2000",
        hide_short_help = true
    )]
    pub requests_per_address_max: Count,

    /// Sessions that one address may begin, of Socket.IO, of viewers and of publishers; more are answered 429. Behind trusted-proxies that is the visitor's address; who is not counted above is not counted here
    #[arg(
        long,
        value_name = "RATE",
        default_value = "100/s burst 1000",
        hide_short_help = true
    )]
    pub session_rate: Often,

    /// Sessions of one address at one time, of Socket.IO, of viewers, of publishers and of WebRTC; further ones are answered 429.
    /// Behind trusted-proxies that is the visitor's address; who is not counted above is not counted here
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "1000",
        hide_short_help = true
    )]
    pub sessions_per_address_max: Count,

    /// Stills that one address may ask for, pictures of /live/KEY.jpg and posters; more are answered 429. Who is not counted above is not counted here
    #[arg(
        long,
        value_name = "RATE",
        default_value = "20/s burst 200",
        hide_short_help = true
    )]
    pub still_rate: Often,

    /// Bytes of messages, events and bodies of one address that are not whole or not handled yet, at any door; beyond that what has stood longest is ended (1008 or 429), publishers last. No less than one body needs, no more than half of unfinished-bytes-max. Who is not counted above is not counted here
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "64MiB",
        hide_short_help = true
    )]
    pub unfinished_bytes_per_address_max: Size,

    /// The same of all addresses together; without it, a quarter of the memory that this process may use (memory-max, its group's or the machine's). No less than two bodies need
    #[arg(long, value_name = "SIZE", hide_short_help = true)]
    pub unfinished_bytes_max: Option<Size>,

    /// How long the body of a publisher over HTTP may stand still; then it has broken off
    #[arg(
        long,
        value_name = "TIME",
        default_value = "60s",
        hide_short_help = true
    )]
    pub body_timeout: Span,

    /// How long a client may take to send a request's head, and may idle between two requests; then it is closed
    #[arg(
        long,
        value_name = "TIME",
        default_value = "20s",
        hide_short_help = true
    )]
    pub header_timeout: Span,

    /// Bytes of a request's head; a longer one is answered 431
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "16KiB",
        hide_short_help = true
    )]
    pub header_bytes_max: Size,

    /// How long a peer may take nothing of what waits for it before its connection is ended, at most half as long again; who takes a little is slow, and stays. On a path that tells of room in large steps (64 kB on the loopback) who reads 1 kB/s acknowledges nothing for longer than this, and is ended
    #[arg(
        long,
        value_name = "TIME",
        default_value = "20s",
        hide_short_help = true
    )]
    pub stall_timeout: Span,

    /// Bytes per connection that the system takes ahead of the network; what does not fit waits where it can be skipped
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "128KiB",
        hide_short_help = true
    )]
    pub unsent_bytes_max: Size,

    /// Bytes per connection that the system keeps in all until the peer has them; over the round trip this bounds how fast one viewer can be sent to
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "256KiB",
        hide_short_help = true
    )]
    pub unacknowledged_bytes_max: Size,

    /// How long connections may take to finish at a shutdown; then they are cut
    #[arg(
        long,
        value_name = "TIME",
        default_value = "5s",
        hide_short_help = true
    )]
    pub shutdown_timeout: Span,
}
