//! What the server is told: flags over environment over configuration file over defaults.
//!
//! A setting is a field here and nothing else: its flag, its variable, its key in the file, its default and its help
//! come from the field. `docs/configuration.md` lists them all and is checked against this file by a test.

mod dialect;
mod layers;
mod value;

pub use layers::LayerError;
pub use value::{Addresses, Count, Listen, Often, Size, Span, ValueError};

use clap::parser::ValueSource;
use clap::{Args, Command, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;

/// Live streaming from one browser to many viewers: one binary, nothing else to install.
#[derive(Debug, Parser)]
#[command(
    name = "abanico",
    version,
    term_width = 100,
    args_conflicts_with_subcommands = true
)]
#[command(after_help = EXAMPLES, after_long_help = EXAMPLES_AND_RULE)]
struct CommandLine {
    #[command(subcommand)]
    command: Option<Wish>,
    #[command(flatten)]
    config: Config,
}

/// What the binary can be asked to do.
#[derive(Debug, Subcommand)]
pub enum Wish {
    /// Run the server. This is what happens without a command, too
    #[command(after_help = EXAMPLES, after_long_help = EXAMPLES_AND_RULE)]
    Serve(Box<Config>),
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
        Ok(Self::Serve(Box::new(Config::load()?)))
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

    /// What to log: a level (error, warn, info, debug, trace), or levels per part such as info,abanico_socketio=debug
    #[arg(long, value_name = "FILTER", default_value = "info")]
    pub log: String,

    /// Form of the log, which goes to standard error
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub log_format: LogFormat,

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

/// What a stream holds, and for how long.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Streams")]
pub struct Streams {
    /// How long a stream waits for a publisher whose connection broke; its viewers stay meanwhile. 0s ends it at once
    #[arg(long, value_name = "TIME", default_value = "10s")]
    pub publisher_grace: Span,

    /// Streams at one time; one more is refused
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "10000",
        hide_short_help = true
    )]
    pub streams_max: Count,

    /// Viewers of one stream; one more is refused
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "100000",
        hide_short_help = true
    )]
    pub stream_viewers_max: Count,

    /// Viewers of all streams together; one more is refused
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "200000",
        hide_short_help = true
    )]
    pub viewers_max: Count,

    /// Viewers that are let in when many come at once; the others wait up to a second, and are then refused
    #[arg(
        long,
        value_name = "RATE",
        default_value = "5000/s burst 500",
        hide_short_help = true
    )]
    pub join_rate: Often,

    /// A viewer with more bytes than this waiting for it is moved to the newest picture or keyframe
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "8MiB",
        hide_short_help = true
    )]
    pub lag_bytes_max: Size,

    /// A viewer whose next frame is older than this is moved to the newest picture or keyframe
    #[arg(
        long,
        value_name = "TIME",
        default_value = "2s",
        hide_short_help = true
    )]
    pub lag_max: Span,

    /// Bytes of a stream's newest frames that are held for its viewers; beyond that the oldest go
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "16MiB",
        hide_short_help = true
    )]
    pub held_bytes_max: Size,

    /// Bytes of the newest frames of all streams together; beyond that streams let go of their oldest down to an equal share
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "1GiB",
        hide_short_help = true
    )]
    pub all_held_bytes_max: Size,

    /// How long a frame is held for viewers
    #[arg(
        long,
        value_name = "TIME",
        default_value = "15s",
        hide_short_help = true
    )]
    pub held_max: Span,

    /// A picture or group of frames older than this is not shown to somebody who joins
    #[arg(
        long,
        value_name = "TIME",
        default_value = "10s",
        hide_short_help = true
    )]
    pub backlog_max: Span,

    /// Bytes from a recording's newest keyframe on that are kept for who joins; a longer group is given to nobody, who joins then waits for the next keyframe
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "2900kB",
        hide_short_help = true
    )]
    pub group_bytes_max: Size,

    /// A publisher whose keyframes are further apart than this is told so, once
    #[arg(
        long,
        value_name = "TIME",
        default_value = "4s",
        hide_short_help = true
    )]
    pub keyframe_gap_max: Span,

    /// So many lags within lags-within take a viewer one step down: to keyframes only, then to a still now and then
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "3",
        hide_short_help = true
    )]
    pub lags_max: Count,

    /// The time in which a viewer's lags are counted
    #[arg(
        long,
        value_name = "TIME",
        default_value = "15s",
        hide_short_help = true
    )]
    pub lags_within: Span,

    /// A viewer that has not lagged for so long goes one step up
    #[arg(
        long,
        value_name = "TIME",
        default_value = "10s",
        hide_short_help = true
    )]
    pub recover_after: Span,

    /// How often a viewer that gets keyframes only gets one, at most
    #[arg(
        long,
        value_name = "TIME",
        default_value = "1s",
        hide_short_help = true
    )]
    pub keyframe_every: Span,

    /// How often a viewer that gets stills only gets one, at most
    #[arg(
        long,
        value_name = "TIME",
        default_value = "5s",
        hide_short_help = true
    )]
    pub still_every: Span,

    /// Up to this many viewers of a stream each coming and going is told by name; in a larger room only the count
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "50",
        hide_short_help = true
    )]
    pub presence_named_max: Count,

    /// How often the count of a larger room is told
    #[arg(
        long,
        value_name = "TIME",
        default_value = "500ms",
        hide_short_help = true
    )]
    pub presence_count_every: Span,
}

/// What one client may do, and what is remembered of it.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Clients")]
pub struct Clients {
    /// Characters in a name; a longer one is refused
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "64",
        hide_short_help = true
    )]
    pub name_chars_max: Count,

    /// Characters in a chat message; a longer one is refused
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "2000",
        hide_short_help = true
    )]
    pub chat_chars_max: Count,

    /// Bytes of a reaction; a longer one is refused
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "64B",
        hide_short_help = true
    )]
    pub emoji_bytes_max: Size,

    /// Bytes of a stream's poster; a larger one is refused
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "64KiB",
        hide_short_help = true
    )]
    pub poster_bytes_max: Size,

    /// Bytes of a webrtc:* message; a longer one is dropped
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "64KiB",
        hide_short_help = true
    )]
    pub signal_bytes_max: Size,

    /// Streams that one connection may watch at a time
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "32",
        hide_short_help = true
    )]
    pub joins_max: Count,

    /// Users that one user may follow
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "1000",
        hide_short_help = true
    )]
    pub subscriptions_max: Count,

    /// Users that are remembered; beyond that those are forgotten who are longest gone and whom nobody follows
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "20000",
        hide_short_help = true
    )]
    pub users_max: Count,

    /// Users in one list of users, those that are connected first
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "1000",
        hide_short_help = true
    )]
    pub users_listed_max: Count,

    /// Ended streams that are remembered, the newest
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "10000",
        hide_short_help = true
    )]
    pub ended_max: Count,

    /// How long an ended stream is remembered
    #[arg(
        long,
        value_name = "TIME",
        default_value = "1day",
        hide_short_help = true
    )]
    pub ended_for: Span,

    /// Chat messages of one connection; more are refused
    #[arg(
        long,
        value_name = "RATE",
        default_value = "5/s burst 30",
        hide_short_help = true
    )]
    pub chat_rate: Often,

    /// Reactions of one connection; more are refused
    #[arg(
        long,
        value_name = "RATE",
        default_value = "10/s burst 30",
        hide_short_help = true
    )]
    pub reaction_rate: Often,

    /// Frames of one publisher; more are refused
    #[arg(
        long,
        value_name = "RATE",
        default_value = "250/s burst 500",
        hide_short_help = true
    )]
    pub data_rate: Often,

    /// webrtc:* messages of one connection; more are dropped
    #[arg(
        long,
        value_name = "RATE",
        default_value = "100/s burst 500",
        hide_short_help = true
    )]
    pub signal_rate: Often,

    /// All other requests of one connection; more are refused
    #[arg(
        long,
        value_name = "RATE",
        default_value = "20/s burst 60",
        hide_short_help = true
    )]
    pub request_rate: Often,

    /// Largest frame of a publisher at the native door; a larger one closes its WebSocket (1009)
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "8MiB",
        hide_short_help = true
    )]
    pub frame_bytes_max: Size,
}

/// The Socket.IO server.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Socket.IO")]
pub struct SocketIo {
    /// Largest message in bytes, as announced to clients. A larger one closes a WebSocket (1009) or is answered 413
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "1MB",
        hide_short_help = true
    )]
    pub message_bytes_max: Size,

    /// Binary attachments of one event; an event with more closes the session
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "10",
        hide_short_help = true
    )]
    pub attachments_max: Count,

    /// Time between two pings
    #[arg(
        long,
        value_name = "TIME",
        default_value = "25s",
        hide_short_help = true
    )]
    pub ping_interval: Span,

    /// How long a client may take to answer a ping; then its session is closed
    #[arg(
        long,
        value_name = "TIME",
        default_value = "20s",
        hide_short_help = true
    )]
    pub ping_timeout: Span,

    /// How long a session may stay without a Socket.IO CONNECT; then it is closed
    #[arg(
        long,
        value_name = "TIME",
        default_value = "45s",
        hide_short_help = true
    )]
    pub connect_timeout: Span,

    /// Sessions at one time; a further one is answered 503
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "50000",
        hide_short_help = true
    )]
    pub sessions_max: Count,

    /// Bytes other than frames that may wait for one session; one with more is closed as too slow
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "4MiB",
        hide_short_help = true
    )]
    pub queue_bytes_max: Size,

    /// Messages other than frames that may wait for one session; one with more is closed as too slow
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "4096",
        hide_short_help = true
    )]
    pub queue_messages_max: Count,
}

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

    /// How long a peer may take nothing of what waits for it before its connection is ended, at most half as long again; who takes a little is slow, and stays
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
            (Some(Wish::Serve(config)), Some((_, of_command))) => (*config, of_command),
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
