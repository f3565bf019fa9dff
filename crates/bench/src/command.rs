//! The command line of `abanico bench`, with every bound on what it may ask for.

use crate::chart;
use crate::client::Origin;
use crate::compare::{self, Compare};
use crate::door::Door;
use crate::floor::{self, Sender};
use crate::habit::Habit;
use crate::interrupt::Interrupt;
use crate::place::target;
use crate::publisher::Material;
use crate::quantity::{Key, Size, Span};
use crate::report::{Limits, Report};
use crate::run::{Outcome, Plan, Receivers, execute};
use crate::tls::Trust;
use crate::way::Way;
use abanico_media::sniff::{Kind, sniff};
use anyhow::{Context, bail, ensure};
use clap::{Args, Subcommand};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  abanico bench                                  100 viewers of one stream, 10 pictures of 30 kB a second
  abanico bench --viewers 1000 --pid $(pidof abanico) --max-p99 100ms --max-lost 0
  abanico bench --viewers 80 --stalled 10 --slow 10 --duration 60s
  abanico bench --door webm --file film.webm --publish http
  abanico bench --door whep --viewers 50 --rate 30 --size 10.4kB      video over WebRTC, 2.5 Mb/s for each viewer
  abanico bench --door native --key demo         watch a stream that is there already
  abanico bench --viewers 10000 --idle --pid $(pidof abanico)
  abanico bench --url https://localhost:3443 --insecure      the same under TLS
  abanico bench floor --viewers 1000             what the kernel alone takes for the same bytes
  abanico bench floor --tls                      the same with encryption, and nothing else, on top
  abanico bench compare                          server and floor by turns, and their ratio";

/// Load a server on this machine and measure it
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
pub struct Bench {
    #[command(subcommand)]
    command: Option<What>,
    #[command(flatten)]
    load: Load,
}

/// What else than load a server.
#[derive(Debug, Subcommand)]
enum What {
    /// What the kernel alone takes: one thread that sends shared bytes to every viewer, measured the same way
    Floor(Floor),
    /// Start a server on one core and load it from another, by turns with the floor, and tell the ratio
    Compare(Compare),
    /// Be the sender of `floor`
    #[command(hide = true)]
    Sender(Sender),
}

/// Load a server.
#[derive(Debug, Args)]
struct Load {
    /// The server, over HTTP or HTTPS. It must be on this machine
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:3000")]
    url: String,
    #[command(flatten)]
    trust: Trust,
    /// How viewers watch
    #[arg(long, value_enum, default_value = "socketio")]
    door: Door,
    /// How publishers send: over socketio, unless told otherwise, and over native what is watched over whep
    #[arg(long, value_enum, value_name = "DOOR")]
    publish: Option<Way>,
    /// Watch this stream, which somebody else publishes, instead of streams of our own
    #[arg(long, value_name = "KEY", conflicts_with_all = ["idle", "file", "publish"])]
    key: Option<Key>,
    /// Viewers connect and register, and join nothing: what does a viewer cost that is only there?
    #[arg(long, conflicts_with = "file")]
    idle: bool,
    /// Streams, each with its own publisher
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    streams: usize,
    /// Viewers of each stream
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    viewers: usize,
    /// Frames that each publisher sends in a second
    #[arg(long, value_name = "RATE", default_value_t = 10.0)]
    rate: f64,
    /// Bytes of a made-up picture, or of a piece of --file
    #[arg(long, value_name = "SIZE", default_value = "30kB")]
    size: Size,
    /// A WebM or Matroska file to publish instead, over and over, in pieces of --size
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// How long to measure, after all viewers have joined
    #[arg(long, value_name = "TIME", default_value = "20s")]
    duration: Span,
    /// How long to take to let the viewers in
    #[arg(long, value_name = "TIME", default_value = "2s")]
    ramp: Span,
    #[command(flatten)]
    hostile: Hostile,
    #[command(flatten)]
    limits: Limits,
    #[command(flatten)]
    output: Output,
    /// The server's process, to measure its processor time and memory
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
    #[command(flatten)]
    receivers: Receivers,
}

/// Clients that misbehave, beside the honest viewers.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Hostile clients")]
struct Hostile {
    /// Viewers that join and never read again
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    stalled: usize,
    /// Viewers that read 1 kB/s
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    slow: usize,
    /// Clients that send half a request
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    half_open: usize,
    /// Viewers that connect and join once a second, all at the same moment
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    storm: usize,
    /// Viewers that send their messages in fragments of one byte
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    fragments: usize,
    /// Viewers that leave and join again, and go and come again
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    churn: usize,
}

/// Where the figures go.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
struct Output {
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
    /// Write the distribution of the delay to this file, as SVG
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// The floor, and who receives.
#[derive(Debug, Args)]
struct Floor {
    #[command(flatten)]
    sender: Sender,
    /// How long to measure
    #[arg(long, value_name = "TIME", default_value = "20s")]
    duration: Span,
    #[command(flatten)]
    receivers: Receivers,
    #[command(flatten)]
    output: Output,
}

/// Clients of all kinds together.
const CLIENTS_MAX: usize = 100_000;
const STREAMS_MAX: usize = 1_000;
const RATE_MAX: f64 = 1_000.0;
const SIZE_MAX: usize = 16 << 20;
const DURATION_MAX: Duration = Duration::from_secs(24 * 3600);
const FILE_BYTES_MAX: u64 = 1 << 30;
const THREADS_MAX: usize = 64;
const PAUSE_MAX: Duration = Duration::from_secs(1);

impl Bench {
    /// Does what was asked for. The code says whether all limits were kept.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            None => self.load.run(Interrupt::listen()?),
            Some(What::Floor(floor)) => floor.run(Interrupt::listen()?),
            Some(What::Compare(compare)) => compare::run(&compare, &Interrupt::listen()?),
            Some(What::Sender(sender)) => floor::send_bare(&sender).map(|()| ExitCode::SUCCESS),
        }
    }
}

impl Load {
    fn run(self, interrupt: Interrupt) -> anyhow::Result<ExitCode> {
        let hostile = &self.hostile;
        let hostile = [
            hostile.stalled,
            hostile.slow,
            hostile.half_open,
            hostile.storm,
            hostile.fragments,
            hostile.churn,
        ];
        let clients = self.viewers.saturating_mul(self.streams);
        let clients = hostile
            .iter()
            .fold(clients, |sum, count| sum.saturating_add(*count));
        ensure!(
            (1..=STREAMS_MAX).contains(&self.streams),
            "--streams is from 1 to {STREAMS_MAX}"
        );
        check(
            clients,
            self.rate,
            self.size.0,
            self.duration.0,
            &self.receivers,
        )?;
        ensure!(
            self.ramp.0 <= DURATION_MAX,
            "--ramp is at most {}",
            Span(DURATION_MAX)
        );
        ensure!(
            self.pid.is_some() || !self.limits.need_process(),
            "limits of processor time and memory need the server's process: --pid"
        );
        self.check_door(hostile)?;
        let plan = Plan {
            target: target(&self.url, &self.trust)?,
            door: self.door,
            way: self.way(),
            origin: match &self.key {
                Some(key) => Origin::Theirs(key.0.clone()),
                None if self.idle => Origin::Nowhere,
                None => Origin::Ours,
            },
            streams: self.streams,
            viewers: self.viewers,
            hostile,
            material: self.material()?,
            rate: self.rate,
            duration: self.duration.0,
            ramp: self.ramp.0,
            receivers: self.receivers,
            pid: self.pid,
            is_told: true,
            interrupt,
        };
        let outcome = execute(&plan)?;
        let (door, viewers) = (plan.door.name(), plan.viewers);
        let title = match &plan.origin {
            Origin::Theirs(key) => format!("{door}: {viewers} viewers of {key}"),
            Origin::Nowhere => format!("{door}: {viewers} idle viewers"),
            Origin::Ours | Origin::Floor => format!(
                "{door}: {} streams × {viewers} viewers × {}/s × {}",
                plan.streams, plan.rate, self.size
            ),
        };
        self.output.tell(&title, &plan, &outcome, &self.limits)
    }

    /// How publishers send.
    fn way(&self) -> Way {
        let made_up = self.file.is_none() && self.door == Door::Whep;
        let usual = if made_up { Way::Native } else { Way::SocketIo };
        self.publish.unwrap_or(usual)
    }

    /// Refuses what a door cannot do.
    fn check_door(&self, hostile: [usize; Habit::HOSTILE.len()]) -> anyhow::Result<()> {
        ensure!(
            (self.door.body().is_none() && self.door != Door::Whep) || self.hostile.fragments == 0,
            "--fragments needs a door over which viewers speak more than once"
        );
        ensure!(
            self.door != Door::Whep || self.hostile.slow == 0,
            "--slow needs a door whose bytes wait for who reads them, and those of whep do not"
        );
        ensure!(
            self.door != Door::Whep || self.way() == Way::Native || self.file.is_some(),
            "made-up video for whep is published over native: leave --publish away, or --file FILE"
        );
        ensure!(
            self.door.takes_pictures()
                || self.door == Door::Whep
                || self.key.is_some()
                || self.file.is_some(),
            "over {0} video is watched, and made-up pictures are none: --file FILE or --key KEY",
            self.door.name()
        );
        ensure!(
            self.way() == Way::SocketIo || self.door != Door::Polling,
            "polling viewers look for pictures in text, which --publish socketio sends"
        );
        ensure!(
            self.way() != Way::Native || self.file.is_none(),
            "over native the frames of a recording are sent, not its bytes: --publish http"
        );
        ensure!(
            self.key.is_none() || self.streams == 1,
            "--key names one stream: leave --streams away"
        );
        ensure!(
            !self.idle || matches!(self.door, Door::SocketIo | Door::SocketIoBinary),
            "--idle viewers join nothing, which only Socket.IO knows: --door socketio"
        );
        ensure!(
            !self.idle || hostile.iter().all(|count| *count == 0),
            "--idle goes without hostile clients"
        );
        Ok(())
    }

    fn material(&self) -> anyhow::Result<Material> {
        let Some(path) = &self.file else {
            return Ok(match self.door {
                Door::Whep => Material::Video(self.size.0),
                _ => Material::Pictures(self.size.0),
            });
        };
        let read = || -> anyhow::Result<Vec<u8>> {
            let len = std::fs::metadata(path)?.len();
            ensure!(
                (1..=FILE_BYTES_MAX).contains(&len),
                "its size must be from 1 byte to 1 GiB, and is {len}"
            );
            let file = std::fs::read(path)?;
            let kind = match sniff(&file) {
                Some(Kind::WebM) => return Ok(file),
                Some(Kind::Mp4) => "MP4",
                Some(Kind::Jpeg | Kind::Png | Kind::WebP) => "a picture",
                Some(Kind::Unknown) | None => "no media that is known",
            };
            bail!(
                "it is {kind}, and what is taken is a recording as WebM or Matroska\n  hint: \
                 `ffmpeg -i FILE -c copy film.mkv` makes one of most videos"
            );
        };
        let file = read().with_context(|| format!("{} cannot be published", path.display()))?;
        ensure!(
            !matches!(self.door, Door::Polling | Door::Http),
            "--file is watched over socketio, socketio-binary, native, webm, mp4 or whep"
        );
        Ok(Material::Recording(Arc::from(file), self.size.0))
    }
}

impl Floor {
    fn run(self, interrupt: Interrupt) -> anyhow::Result<ExitCode> {
        let sender = &self.sender;
        check(
            sender.viewers,
            sender.rate,
            sender.size.0,
            self.duration.0,
            &self.receivers,
        )?;
        let (plan, outcome) =
            floor::measure(sender, self.duration.0, self.receivers, true, interrupt)?;
        let title = format!(
            "floor, framed as {}: {} viewers × {}/s × {}",
            plan.door.name(),
            plan.viewers,
            plan.rate,
            sender.size
        );
        self.output
            .tell(&title, &plan, &outcome, &Limits::default())
    }
}

impl Output {
    fn tell(
        &self,
        title: &str,
        plan: &Plan,
        outcome: &Outcome,
        limits: &Limits,
    ) -> anyhow::Result<ExitCode> {
        let report = Report::of(plan, outcome, limits);
        let latency = &outcome.tally.latency;
        if let Some(path) = &self.svg {
            std::fs::write(path, chart::svg(title, latency))
                .with_context(|| format!("{} cannot be written", path.display()))?;
        }
        let text = if self.json {
            serde_json::to_string_pretty(&report)? + "\n"
        } else {
            format!("{title}\n{}{}", report.table(), chart::bars(latency))
        };
        std::io::stdout().write_all(text.as_bytes())?;
        if let Some(futility) = report.futility(&plan.origin) {
            // Nobody may be listening.
            let _ = writeln!(std::io::stderr(), "abanico: {futility}");
            return Ok(ExitCode::FAILURE);
        }
        Ok(if report.is_kept() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

/// Refuses what no machine is meant for.
pub(crate) fn check(
    clients: usize,
    rate: f64,
    size: usize,
    duration: Duration,
    receivers: &Receivers,
) -> anyhow::Result<()> {
    ensure!(
        (1..=CLIENTS_MAX).contains(&clients),
        "there can be from 1 to {CLIENTS_MAX} clients, not {clients}"
    );
    ensure!(
        rate > 0.0 && rate <= RATE_MAX,
        "--rate is above 0 and at most {RATE_MAX}"
    );
    ensure!(
        (1..=SIZE_MAX).contains(&size),
        "--size is from 1 byte to 16 MiB"
    );
    ensure!(
        !duration.is_zero() && duration <= DURATION_MAX,
        "--duration is above 0 and at most {}",
        Span(DURATION_MAX)
    );
    ensure!(
        (1..=THREADS_MAX).contains(&receivers.threads),
        "--threads is from 1 to {THREADS_MAX}"
    );
    ensure!(
        receivers.pause.0 <= PAUSE_MAX,
        "--pause is at most {}",
        Span(PAUSE_MAX)
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_machine_is_meant_for_is_refused() {
        let second = Duration::from_secs(1);
        let one = Receivers::default();
        assert!(check(1000, 10.0, 30_000, second, &one).is_ok());
        assert!(check(0, 10.0, 30_000, second, &one).is_err());
        assert!(check(200_000, 10.0, 30_000, second, &one).is_err());
        assert!(check(1, 0.0, 30_000, second, &one).is_err());
        assert!(check(1, f64::NAN, 30_000, second, &one).is_err());
        assert!(check(1, 10.0, 100 << 20, second, &one).is_err());
        assert!(check(1, 10.0, 30_000, Duration::ZERO, &one).is_err());
    }
}
