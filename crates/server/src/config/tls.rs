//! Settings of HTTPS: where it listens, whose certificate it shows, and what is said to who comes without it.

use super::{Count, Hosts, Listen, Span};
use clap::Args;
use std::path::PathBuf;

/// HTTPS.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "HTTPS")]
pub struct Tls {
    /// LAN mode: HTTPS for the phones of one's own network, by an authority of the server's own that they are told to trust; the page /trust takes them through
    #[arg(
        long,
        value_name = "BOOL",
        default_value = "false",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        action = clap::ArgAction::Set
    )]
    pub lan: bool,

    /// Further names and private addresses of this machine in LAN mode, with commas between them: in a container those of the machine around it
    #[arg(long, value_name = "HOSTS", hide_short_help = true)]
    pub lan_names: Option<Hosts>,

    /// Address and port of HTTPS, beside listen; opened when there is a certificate to show
    #[arg(long, value_name = "ADDR:PORT", default_value = ":3443")]
    pub tls_listen: Listen,

    /// PEM file of the server's certificate with its chain; read again when it changes
    #[arg(long, value_name = "FILE")]
    pub tls_certificate: Option<PathBuf>,

    /// PEM file of the certificate's private key; read again when it changes
    #[arg(long, value_name = "FILE")]
    pub tls_key: Option<PathBuf>,

    /// Redirect whoever comes over plain HTTP to HTTPS
    #[arg(
        long,
        value_name = "BOOL",
        default_value = "false",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        action = clap::ArgAction::Set
    )]
    pub tls_redirect: bool,

    /// Port of HTTPS as clients see it, where a router or container maps it; without it, that of tls-listen
    #[arg(long, value_name = "PORT", hide_short_help = true)]
    pub tls_public_port: Option<u16>,

    /// How long browsers are told to come over HTTPS only (HSTS), with tls-redirect and public port 443, to a host with a public name; 0s says nothing
    #[arg(
        long,
        value_name = "TIME",
        default_value = "365days",
        hide_short_help = true
    )]
    pub hsts_for: Span,

    /// How long a client may take to shake hands; then it is closed
    #[arg(
        long,
        value_name = "TIME",
        default_value = "10s",
        hide_short_help = true
    )]
    pub tls_handshake_timeout: Span,

    /// Handshakes at one time; a further client is closed at once
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "2000",
        hide_short_help = true
    )]
    pub tls_handshakes_max: Count,

    /// Handshakes of one address (of IPv6, of one /64) at one time; a further client is closed at once. Proxies in trusted-proxies are not counted, nor is loopback while that names none
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "250",
        hide_short_help = true
    )]
    pub tls_handshakes_per_address_max: Count,
}
