//! Loading a server: what may be asked for, and what a door cannot do.

use super::bounds::{DURATION_MAX, FILE_BYTES_MAX, STREAMS_MAX, check};
use super::output::Output;
use crate::client::Origin;
use crate::door::Door;
use crate::habit::Habit;
use crate::interrupt::Interrupt;
use crate::place::target;
use crate::publisher::Material;
use crate::quantity::{Key, Size, Span};
use crate::report::Limits;
use crate::run::{Plan, Receivers, execute};
use crate::tls::Trust;
use crate::way::Way;
use abanico_media::sniff::{Kind, sniff};
use anyhow::{Context, bail, ensure};
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// Load a server.
#[derive(Debug, Args)]
pub(super) struct Load {
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

impl Load {
    pub(super) fn run(self, interrupt: Interrupt) -> anyhow::Result<ExitCode> {
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
