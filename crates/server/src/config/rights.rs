//! Settings of who may do what.

use super::Often;
use crate::rights::Networks;
use abanico_core::rights;
use clap::{Args, ValueEnum};

/// Who may do what.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Rights")]
pub struct Rights {
    /// Who may open a stream without the operator's key: nobody (key), who is at this machine (local), everybody (open)
    #[arg(long, value_name = "WHO", default_value = "local")]
    pub publishing: Publishing,

    /// Proxies in front, addresses or networks with commas between them: their X-Forwarded-For says who asks
    #[arg(long, value_name = "NETWORKS", hide_short_help = true)]
    pub trusted_proxies: Option<Networks>,

    /// Wrong operator's keys that one address may show, and apart from them wrong tokens; then it is not listened to for a while
    #[arg(
        long,
        value_name = "RATE",
        default_value = "0.1/s burst 10",
        hide_short_help = true
    )]
    pub key_rate: Often,
}

/// Who may open a stream without the operator's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Publishing {
    /// Nobody.
    Key,
    /// Who is at this machine.
    Local,
    /// Everybody.
    Open,
}

impl From<Publishing> for rights::Publishing {
    fn from(setting: Publishing) -> Self {
        match setting {
            Publishing::Key => Self::Key,
            Publishing::Local => Self::Local,
            Publishing::Open => Self::Open,
        }
    }
}
