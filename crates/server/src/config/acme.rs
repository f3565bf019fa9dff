//! Settings of ACME: from whom a certificate is got, and how the names are proved to be ours.

use super::{Hosts, Span};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Certificates by ACME.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "ACME")]
pub struct Acme {
    /// Public names of this server, with commas between them, no wildcards: a certificate for them is got from the authority and renewed in place. With it you accept the authority's terms
    #[arg(long, value_name = "NAMES")]
    pub acme_names: Option<Hosts>,

    /// The authority: the address of its directory
    #[arg(
        long,
        value_name = "URL",
        default_value = "https://acme-v02.api.letsencrypt.org/directory",
        hide_short_help = true
    )]
    pub acme_directory: String,

    /// How the authority makes sure that the names are ours: over plain HTTP at port 80, or in a handshake at port 443
    #[arg(
        long,
        value_name = "WAY",
        default_value = "http-01",
        hide_short_help = true
    )]
    pub acme_challenge: AcmeChallenge,

    /// Mail address that the authority may write to
    #[arg(long, value_name = "MAIL", hide_short_help = true)]
    pub acme_contact: Option<String>,

    /// PEM file of the root that the authority's own HTTPS is trusted by, for an authority of one's own; without it, the system's roots
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub acme_root: Option<PathBuf>,

    /// How long to wait after an order that failed; each further failure doubles it, up to 12 hours
    #[arg(
        long,
        value_name = "TIME",
        default_value = "5min",
        hide_short_help = true
    )]
    pub acme_retry_wait: Span,
}

/// How an authority makes sure that a name is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AcmeChallenge {
    /// It asks over plain HTTP.
    #[value(name = "http-01")]
    Http01,
    /// It shakes hands.
    #[value(name = "tls-alpn-01")]
    TlsAlpn01,
}

impl AcmeChallenge {
    /// As it is spelled.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Http01 => "http-01",
            Self::TlsAlpn01 => "tls-alpn-01",
        }
    }

    /// What to look at when it fails.
    pub(crate) fn hint(self) -> &'static str {
        match self {
            Self::Http01 => {
                "the name must lead to this machine, and its port 80 to `listen`; or try `--acme-challenge tls-alpn-01`"
            }
            Self::TlsAlpn01 => {
                "the name must lead to this machine, and its port 443 to `tls-listen`, without a proxy that ends TLS before"
            }
        }
    }
}
