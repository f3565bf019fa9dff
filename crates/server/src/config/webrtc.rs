//! Settings of WebRTC: the server's UDP port, how many sessions it takes, and what pages are told for peer to peer.

use super::{Addresses, Count, IceServers, Listen, Often};
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

    /// WebRTC sessions of one address (of IPv6, of one /64) that are not connected yet, at one time; a further one is answered 429. Proxies in trusted-proxies are not counted, nor is loopback while that names none
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "32",
        hide_short_help = true
    )]
    pub rtc_connecting_per_address_max: Count,

    /// Offers of WebRTC that one address (of IPv6, one /64) may send; more are answered 429. All viewers behind one router have one address: so many may come at once. Proxies in trusted-proxies are not counted, nor is loopback while that names none
    #[arg(
        long,
        value_name = "RATE",
        default_value = "5/s burst 100",
        hide_short_help = true
    )]
    pub rtc_offer_rate: Often,

    /// STUN and TURN servers that pages are told of for video from peer to peer, with commas between them, such as stun:stun.example.org:3478 or turn:USER:PASSWORD@turn.example.org:3478. Whoever opens a page can read them
    #[arg(long, value_name = "SERVERS", hide_short_help = true)]
    pub ice_servers: Option<IceServers>,

    /// Viewers of a stream that its publisher's page serves itself, from peer to peer, when it is left to choose; further ones watch through the server
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "0",
        hide_short_help = true
    )]
    pub peer_viewers: Count,
}
