//! What the server is told: flags over environment over configuration file over defaults.
//!
//! A setting is a field and nothing else: its flag, its variable, its key in the file, its default and its help come
//! from the field. Those of one matter are one file here, and the order of [`Config`]'s fields is that of the help.
//! `docs/configuration.md` lists them all and is checked against them by a test.

mod acme;
mod browsers;
mod clients;
mod command;
mod connections;
pub(crate) mod dialect;
mod ice;
mod layers;
mod login;
mod rights;
mod socketio;
mod streams;
mod tls;
mod token;
mod value;
mod webrtc;

pub use acme::{Acme, AcmeChallenge};
pub use browsers::Browsers;
pub use clients::Clients;
pub use command::Wish;
pub use connections::Connections;
pub use ice::IceServers;
pub use layers::LayerError;
pub use login::{Jwks, Login, Watching};
pub use rights::{Publishing, Rights};
pub use socketio::SocketIo;
pub use streams::Streams;
pub use tls::Tls;
pub use token::TokenCommand;
pub(crate) use token::after;
pub use value::ValueError;
pub use value::amount::{Count, Share, Size, Span};
pub use value::place::{Addresses, Hosts, Listen};
pub use value::rate::{Often, Throughput};
pub use webrtc::WebRtc;

use clap::parser::ValueSource;
use clap::{Args, Command, CommandFactory, FromArgMatches, ValueEnum};
use command::CommandLine;
use std::ffi::OsString;
use std::path::PathBuf;

/// All settings of a server.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// Address and port to listen at. Without an address: every interface, IPv6 and IPv4. The variable PORT sets the
    /// port alone
    #[arg(long, value_name = "ADDR:PORT", default_value = ":3000")]
    pub listen: Listen,

    /// Directory of the database; made if it is not there. One server at a time
    #[arg(long, value_name = "DIR", default_value = "data")]
    pub data: PathBuf,

    /// How long the history of ended streams is kept in the database
    #[arg(
        long,
        value_name = "TIME",
        default_value = "90days",
        hide_short_help = true
    )]
    pub history_for: Span,

    /// TOML file to read settings from
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// What to log: a level (error, warn, info, debug, trace), or levels per part such as info,abanico_socketio=debug. Libraries tell errors alone unless they are named: info,str0m=warn
    #[arg(long, value_name = "FILTER", default_value = "info")]
    pub log: String,

    /// Form of the log, which goes to standard error
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub log_format: LogFormat,

    /// Who may do what.
    #[command(flatten)]
    pub rights: Rights,

    /// A login that somebody else keeps.
    #[command(flatten)]
    pub login: Login,

    /// What pages may do with this server.
    #[command(flatten)]
    pub browsers: Browsers,

    /// What a stream holds, and for how long.
    #[command(flatten)]
    pub streams: Streams,

    /// What one client may do, and what is remembered of it.
    #[command(flatten)]
    pub clients: Clients,

    /// The Socket.IO server.
    #[command(flatten)]
    pub socketio: SocketIo,

    /// WebRTC through the server: WHIP and WHEP.
    #[command(flatten)]
    pub webrtc: WebRtc,

    /// HTTPS.
    #[command(flatten)]
    pub tls: Tls,

    /// Certificates by ACME.
    #[command(flatten)]
    pub acme: Acme,

    /// Limits and times of connections.
    #[command(flatten)]
    pub connections: Connections,
}

/// How one line of the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for programs.
    Json,
}

impl Config {
    /// Reads flags, environment and configuration file of this process.
    pub fn load() -> anyhow::Result<Self> {
        Self::from_sources(std::env::args_os(), |variable| std::env::var_os(variable))
    }

    /// Reads the given command line (the program's name first), environment, and the file that they name.
    pub fn from_sources<Arg: Into<OsString> + Clone>(
        args: impl IntoIterator<Item = Arg>,
        environment: impl Fn(&str) -> Option<OsString>,
    ) -> anyhow::Result<Self> {
        let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
        let settings = Self::augment_args(Command::new("abanico"));
        let variables = layers::environment(&settings, &environment)?;
        // The file's name is needed before the file can be laid under the other flags. What is wrong with the rest
        // is for the second reading to say.
        let file = match named_file(&args, &variables) {
            Some(path) => layers::file(&settings, &path)?,
            None => Vec::new(),
        };

        let command = layers::lay(layers::lay(CommandLine::command(), &file), &variables);
        let matches = command.try_get_matches_from(args)?;
        let line = CommandLine::from_arg_matches(&matches)?;
        let (mut config, matches) = match (line.command, matches.subcommand()) {
            (Some(Wish::Serve(config) | Wish::Key(config)), Some((_, of_command))) => {
                (*config, of_command)
            }
            _ => (line.config, &matches),
        };

        let listen_is_variable = variables.iter().any(|(setting, _)| setting == "listen");
        let listen_is_flag = matches.value_source("listen") == Some(ValueSource::CommandLine);
        if !listen_is_variable
            && !listen_is_flag
            && let Some(port) = layers::port(&environment)?
        {
            config.listen = config.listen.with_port(port);
        }
        Ok(config)
    }

    /// Variables of this process that look like misspelt settings, each with the one that was probably meant.
    pub fn misspelt_variables() -> Vec<(String, String)> {
        let settings = Self::augment_args(Command::new("abanico"));
        let variables = std::env::vars_os().filter_map(|(variable, _)| variable.into_string().ok());
        layers::misspelt(&settings, variables)
    }

    /// The names of all settings, in the order of `--help`.
    pub fn settings() -> Vec<String> {
        layers::settings(&Self::augment_args(Command::new("abanico")))
            .map(str::to_owned)
            .collect()
    }
}

fn named_file(args: &[OsString], variables: &layers::Values) -> Option<PathBuf> {
    let command = layers::lay(CommandLine::command(), variables).ignore_errors(true);
    let matches = command.try_get_matches_from(args).ok()?;
    let matches = matches
        .subcommand()
        .map_or(&matches, |(_, of_command)| of_command);
    matches.get_one::<PathBuf>("config").cloned()
}

#[cfg(test)]
mod tests;
