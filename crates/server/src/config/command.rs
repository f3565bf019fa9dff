//! The command line: what the binary can be asked to do, and what its help says around the settings.

use super::{Config, TokenCommand};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

/// Live streaming from one browser to many viewers: one binary, nothing else to install.
#[derive(Debug, Parser)]
#[command(
    name = "abanico",
    version,
    term_width = 100,
    args_conflicts_with_subcommands = true
)]
#[command(after_help = EXAMPLES, after_long_help = EXAMPLES_AND_RULE)]
pub(super) struct CommandLine {
    #[command(subcommand)]
    pub(super) command: Option<Wish>,
    #[command(flatten)]
    pub(super) config: Config,
}

/// What the binary can be asked to do.
#[derive(Debug, Subcommand)]
pub enum Wish {
    /// Run the server. This is what happens without a command, too
    #[command(after_help = EXAMPLES, after_long_help = EXAMPLES_AND_RULE)]
    Serve(Box<Config>),
    /// Make a new operator's key and show it; the one before is no longer right
    Key(Box<Config>),
    /// Make, list and revoke publish tokens; a server that runs heeds it within a second
    Token(Box<TokenCommand>),
    /// Load a server on this machine and measure it
    #[cfg(target_os = "linux")]
    Bench(Box<abanico_bench::Bench>),
}

impl Wish {
    /// Reads flags, environment and configuration file of this process.
    pub fn load() -> anyhow::Result<Self> {
        // Only a server has settings beside its flags, and only it may stumble over them.
        #[cfg(target_os = "linux")]
        if std::env::args_os()
            .nth(1)
            .is_some_and(|command| command == "bench")
        {
            let matches = CommandLine::command().try_get_matches()?;
            if let Some(wish) = CommandLine::from_arg_matches(&matches)?.command {
                return Ok(wish);
            }
        }
        if std::env::args_os()
            .nth(1)
            .is_some_and(|command| command == "token")
        {
            return Ok(Self::Token(Box::new(TokenCommand::parse()?)));
        }
        let config = Box::new(Config::load()?);
        // Whatever stands first on a command line that can be read is the command.
        if std::env::args_os().nth(1).is_some_and(|wish| wish == "key") {
            return Ok(Self::Key(config));
        }
        Ok(Self::Serve(config))
    }
}

const EXAMPLES: &str = "\
Examples:
  abanico                                  serve on every interface, port 3000, data in ./data
  abanico --listen 127.0.0.1:8080          this machine only, another port
  abanico --config /etc/abanico.toml       settings from a file
  PORT=8080 ABANICO_DATA=/srv/abanico abanico
                                           settings from the environment

`abanico --help` lists every setting.";

const EXAMPLES_AND_RULE: &str = "\
Every setting has one name: the flag --publisher-grace is ABANICO_PUBLISHER_GRACE in the
environment and publisher-grace = \"10s\" in the file. Flags win over the environment, the
environment over the file.

Examples:
  abanico                                  serve on every interface, port 3000, data in ./data
  abanico --listen 127.0.0.1:8080          this machine only, another port
  abanico --config /etc/abanico.toml       settings from a file
  PORT=8080 ABANICO_DATA=/srv/abanico abanico
                                           settings from the environment";
