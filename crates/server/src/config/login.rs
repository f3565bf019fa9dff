//! Settings of a login that somebody else keeps: whose tokens are believed, and who is asked.

use super::{Count, Span};
use crate::login::callback::Events;
use crate::outgoing::Target;
use crate::rights::Networks;
use clap::{Args, ValueEnum};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// A login that somebody else keeps.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Login")]
pub struct Login {
    /// What it takes to watch: a stream's link, or a token with the right to watch it beside that
    #[arg(long, value_name = "WHAT", default_value = "link")]
    pub watching: Watching,

    /// File with the secret that JSON Web Tokens are signed with (HS256), at least 32 bytes
    #[arg(long, value_name = "FILE")]
    pub jwt_secret_file: Option<PathBuf>,

    /// The public keys that JSON Web Tokens are signed with (RS256, ES256, EdDSA): a JWKS at an https address, or in a file, which is read again when it changes
    #[arg(long, value_name = "URL|FILE")]
    pub jwks: Option<Jwks>,

    /// The issuer (iss) that a token must name
    #[arg(long, value_name = "TEXT")]
    pub jwt_issuer: Option<String>,

    /// The audience (aud) that a token must name
    #[arg(long, value_name = "TEXT")]
    pub jwt_audience: Option<String>,

    /// How far the issuer's clock may be ahead: a token whose time (nbf) begins later is not taken yet. An end (exp) is an end
    #[arg(
        long,
        value_name = "TIME",
        default_value = "10s",
        hide_short_help = true
    )]
    pub jwt_leeway: Span,

    /// How often the JWKS at an address is fetched
    #[arg(
        long,
        value_name = "TIME",
        default_value = "10m",
        hide_short_help = true
    )]
    pub jwks_every: Span,

    /// How often it is fetched at most when tokens name keys that it does not have
    #[arg(
        long,
        value_name = "TIME",
        default_value = "10s",
        hide_short_help = true
    )]
    pub jwks_pause: Span,

    /// Address that is asked by POST who may publish and watch, and told which streams have ended
    #[arg(long, value_name = "URL")]
    pub callback_url: Option<Target>,

    /// File with the secret that those requests are signed with: whsec_ and base64, or a text; at least 24 bytes
    #[arg(long, value_name = "FILE")]
    pub callback_secret_file: Option<PathBuf>,

    /// What is asked and told, with commas between: publish, watch, end
    #[arg(
        long,
        value_name = "EVENTS",
        default_value = "publish,watch,end",
        hide_short_help = true
    )]
    pub callback_events: Events,

    /// How long an answer may take; then it is a refusal
    #[arg(
        long,
        value_name = "TIME",
        default_value = "5s",
        hide_short_help = true
    )]
    pub callback_timeout: Span,

    /// Questions at one time, about publishing and as many about watching, half of them of one address; others wait
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "32",
        hide_short_help = true
    )]
    pub callback_at_once_max: Count,

    /// Questions of either kind that wait, an eighth of them of one address; a further one is refused. Proxies in trusted-proxies have no share of their own, nor has loopback while that names none
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "1000",
        hide_short_help = true
    )]
    pub callback_waiting_max: Count,

    /// Private addresses that callback-url and jwks may lead to, networks with commas between; only they are asked without https
    #[arg(long, value_name = "NETWORKS", hide_short_help = true)]
    pub outgoing_allow: Option<Networks>,
}

/// What it takes to watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Watching {
    /// The stream's link.
    Link,
    /// Something that gives the right to watch, too.
    Token,
}

/// Where public keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Jwks {
    /// At an address.
    At(Target),
    /// In a file.
    In(PathBuf),
}

impl FromStr for Jwks {
    type Err = crate::outgoing::TargetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains("://") {
            return text.parse().map(Self::At);
        }
        Ok(Self::In(PathBuf::from(text)))
    }
}

impl fmt::Display for Jwks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(target) => target.fmt(f),
            Self::In(path) => path.display().fmt(f),
        }
    }
}
