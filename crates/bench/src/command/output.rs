//! Where the figures go, and what the process ends with.

use crate::chart;
use crate::report::{Limits, Report};
use crate::run::{Outcome, Plan};
use anyhow::Context;
use clap::Args;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Where the figures go.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(super) struct Output {
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
    /// Write the distribution of the delay to this file, as SVG
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

impl Output {
    pub(super) fn tell(
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
