//! The command line of `abanico bench`, with every bound on what it may ask for.

pub(crate) mod bounds;
mod load;
mod output;

use crate::compare::{self, Compare};
use crate::floor::{self, Sender};
use crate::interrupt::Interrupt;
use crate::quantity::Span;
use crate::report::Limits;
use crate::run::Receivers;
use bounds::check;
use clap::{Args, Subcommand};
use load::Load;
use output::Output;
use std::process::ExitCode;

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
