//! Settings of WebRTC: its UDP port, and how many sessions it takes.

use super::{Addresses, Count, Listen};
use clap::Args;

/// WebRTC through the server: WHIP and WHEP.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "WebRTC")]
pub struct WebRtc {
    /// UDP address and port of all WebRTC sessions; without it, those of listen
    #[arg(long, value_name = "ADDR:PORT", hide_short_help = true)]
    pub rtc_listen: Option<Listen>,

    /// Addresses under which peers reach the UDP port, with commas between them, each with a port if a router maps it to another; without it, those of the interfaces
    #[arg(long, value_name = "ADDRS", hide_short_help = true)]
    pub rtc_address: Option<Addresses>,

    /// WebRTC sessions at one time, of publishers and viewers; a further one is answered 503. 0 turns WebRTC off
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "2000",
        hide_short_help = true
    )]
    pub rtc_sessions_max: Count,
}
