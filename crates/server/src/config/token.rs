//! The command `abanico token`: publish tokens of the server with some data directory, running or not.

use super::Config;
use crate::rights::{Pattern, Right, TokenFile, Wanted};
use abanico_streamhub::time::Timestamp;
use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

/// Make, list and revoke publish tokens; a server that runs heeds it within a second.
#[derive(Debug, Args)]
pub struct TokenCommand {
    #[command(subcommand)]
    what: What,
    /// Directory of the server's database. Without: as the server has it, from the environment or its file
    #[arg(long, value_name = "DIR", global = true)]
    data: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make a token, and show it this once
    Add {
        /// For whom it is
        name: String,
        /// The streams that it is for: a key, or a pattern such as studio-*
        #[arg(long, value_name = "PATTERN", default_value = "*")]
        stream: Pattern,
        /// For how long, for example 30d. For ever without
        #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
        expires: Option<Duration>,
        /// What its holder may do
        #[arg(
            long,
            value_name = "RIGHTS",
            value_delimiter = ',',
            default_value = "publish"
        )]
        may: Vec<Right>,
    },
    /// List the tokens; not what they look like
    List,
    /// Take a token back: what was begun with it ends
    Revoke {
        /// For whom it was
        name: String,
    },
}

/// A command line that begins with `abanico token`.
#[derive(Debug, Parser)]
#[command(name = "abanico token", bin_name = "abanico token", term_width = 100)]
struct TokenLine {
    #[command(flatten)]
    command: TokenCommand,
}

impl TokenCommand {
    /// Reads the command line behind `abanico`.
    pub(super) fn parse() -> Result<Self, clap::Error> {
        Ok(TokenLine::try_parse_from(std::env::args_os().skip(1))?.command)
    }

    /// Does what is asked.
    pub fn run(self) -> anyhow::Result<()> {
        let data = match self.data {
            Some(data) => data,
            None => Config::from_sources(["abanico"], |variable| std::env::var_os(variable))?.data,
        };
        anyhow::ensure!(
            data.is_dir(),
            "there is no data directory {}\n  hint: name the server's, `abanico token --data DIR`",
            data.display()
        );
        let file = TokenFile::of(&data);
        let now = Timestamp::now().millis();
        let said = match self.what {
            What::Add {
                name,
                stream,
                expires,
                may,
            } => {
                let wanted = Wanted {
                    name,
                    streams: stream,
                    may,
                    expires_at: expires.map(|time| after(now, time)),
                };
                let (_, secret) = file.add(wanted, now)?;
                format!("{}\n", secret.reveal())
            }
            What::List => {
                let mut lines = String::new();
                for token in file.read()? {
                    let until = match token.expires_at {
                        None => "for ever".to_owned(),
                        Some(end) if token.holds(now) => {
                            format!("until {}", Timestamp::from_millis(end).to_iso())
                        }
                        Some(_) => "expired".to_owned(),
                    };
                    let streams = String::from(token.streams);
                    let may = token.may.iter().map(|right| right.word());
                    let may = may.collect::<Vec<_>>().join(",");
                    lines += &format!("{}\t{streams}\t{may}\t{until}\n", token.name);
                }
                lines
            }
            What::Revoke { name } => {
                anyhow::ensure!(file.revoke(&name)?, "there is no token of the name {name}");
                String::new()
            }
        };
        let shown = std::io::stdout().write_all(said.as_bytes());
        shown.context("the answer cannot be shown")
    }
}

/// The time after so long, in milliseconds since 1970.
pub(crate) fn after(now: u64, time: Duration) -> u64 {
    now.saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}
