//! What a run tells in the end: a table, JSON, and the verdict against the limits that were given.

use crate::client::Origin;
use crate::habit::Habit;
use crate::quantity::{Size, Span};
use crate::run::{Outcome, Plan};
use crate::tally::Times;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The figures of a run.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    pub(crate) door: &'static str,
    /// Whether viewers joined nothing.
    pub(crate) idle: bool,
    pub(crate) streams: usize,
    pub(crate) viewers: usize,
    pub(crate) rate: f64,
    pub(crate) seconds: f64,
    /// Whether that is less than was planned.
    pub(crate) ended_early: bool,
    pub(crate) delivered: u64,
    pub(crate) messages_per_second: f64,
    pub(crate) gbit_per_second: f64,
    pub(crate) latency_ms: Spread,
    pub(crate) lost: u64,
    pub(crate) reordered: u64,
    pub(crate) skipped: u64,
    pub(crate) joined: u64,
    pub(crate) refused: u64,
    pub(crate) broken: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    pub(crate) first_picture_ms: Spread,
    pub(crate) publisher_late_ms: Spread,
    pub(crate) hostile: BTreeMap<&'static str, Hostile>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) server: Option<Cost>,
    /// How much the server's memory has grown for each viewer since before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) memory_per_viewer_bytes: Option<u64>,
    pub(crate) bench: Cost,
    pub(crate) verdict: Vec<Judged>,
}

/// A distribution in a few numbers, in milliseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Spread {
    pub(crate) count: u64,
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

/// What became of the clients with one bad habit.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Hostile {
    clients: usize,
    connections: u64,
    joins: u64,
    ended_by_server: u64,
}

/// What a process used while it was measured.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Cost {
    pub(crate) cpu_seconds: f64,
    pub(crate) cpu_percent: f64,
    pub(crate) cpu_us_per_message: f64,
    pub(crate) resident_bytes: u64,
    pub(crate) peak_bytes: u64,
}

/// One limit, and whether it was kept.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Judged {
    pub(crate) limit: String,
    pub(crate) was: String,
    pub(crate) kept: bool,
}

/// What must not be exceeded.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
#[command(next_help_heading = "Verdict (exit code 1 if a limit is exceeded)")]
pub(crate) struct Limits {
    /// Most that 99 of 100 frames may take from publisher to viewer
    #[arg(long, value_name = "TIME")]
    pub(crate) max_p99: Option<Span>,
    /// Most frames that may be lost without a word
    #[arg(long, value_name = "COUNT")]
    pub(crate) max_lost: Option<u64>,
    /// Most frames that viewers may be moved past
    #[arg(long, value_name = "COUNT")]
    pub(crate) max_skipped: Option<u64>,
    /// Longest that an honest viewer may wait for its first picture, from the beginning of its connection
    #[arg(long, value_name = "TIME")]
    pub(crate) max_first_picture: Option<Span>,
    /// Most processor time of the server per message delivered (needs --pid)
    #[arg(long, value_name = "TIME")]
    pub(crate) max_cpu_per_message: Option<Span>,
    /// Most memory of the server at any time (needs --pid)
    #[arg(long, value_name = "SIZE")]
    pub(crate) max_memory: Option<Size>,
    /// Most that the server's memory may have grown at the end for each viewer (needs --pid)
    #[arg(long, value_name = "SIZE")]
    pub(crate) max_memory_per_viewer: Option<Size>,
    /// Most of a core that the server may have used, in per cent (needs --pid)
    #[arg(long, value_name = "PERCENT")]
    pub(crate) max_cpu: Option<f64>,
}

impl Limits {
    /// Whether the server's process must be known to judge.
    pub(crate) fn need_process(&self) -> bool {
        self.max_cpu_per_message.is_some()
            || self.max_memory.is_some()
            || self.max_memory_per_viewer.is_some()
            || self.max_cpu.is_some()
    }
}

impl Spread {
    fn of(times: &Times) -> Self {
        let at = |percentile| times.value_at_percentile(percentile) as f64 / 1e3;
        Self {
            count: times.len(),
            p50: at(50.0),
            p95: at(95.0),
            p99: at(99.0),
            max: times.max() as f64 / 1e3,
        }
    }

    fn line(&self) -> String {
        if self.count == 0 {
            return "nothing to measure".to_owned();
        }
        format!(
            "p50 {:.1} ms, p95 {:.1} ms, p99 {:.1} ms, max {:.1} ms",
            self.p50, self.p95, self.p99, self.max
        )
    }
}

impl Report {
    /// The figures of an outcome.
    pub(crate) fn of(plan: &Plan, outcome: &Outcome, limits: &Limits) -> Self {
        let tally = &outcome.tally;
        let seconds = outcome.measured.as_secs_f64();
        // A run can be ended before anything was measured.
        let per_second = |sum: f64| if seconds > 0.0 { sum / seconds } else { 0.0 };
        let cost = |(before, after): (crate::machine::Usage, crate::machine::Usage)| {
            let cpu = after.cpu.saturating_sub(before.cpu).as_secs_f64();
            Cost {
                cpu_seconds: cpu,
                cpu_percent: per_second(cpu) * 100.0,
                cpu_us_per_message: cpu * 1e6 / tally.delivered.max(1) as f64,
                resident_bytes: after.resident_bytes,
                peak_bytes: after.peak_bytes,
            }
        };
        let hostile = Habit::HOSTILE
            .into_iter()
            .zip(plan.hostile)
            .zip(tally.hostile)
            .filter(|((_, clients), _)| *clients > 0)
            .map(|((habit, clients), counted)| {
                let hostile = Hostile {
                    clients,
                    connections: counted.opened,
                    joins: counted.joined,
                    ended_by_server: counted.ended,
                };
                (habit.name(), hostile)
            })
            .collect();
        let clients = plan.streams * plan.viewers + plan.hostile.iter().sum::<usize>();
        let memory_per_viewer_bytes =
            outcome
                .server
                .zip(outcome.server_alone)
                .map(|((_, after), alone)| {
                    after.resident_bytes.saturating_sub(alone.resident_bytes)
                        / clients.max(1) as u64
                });
        let mut report = Self {
            door: plan.door.name(),
            idle: plan.origin == Origin::Nowhere,
            streams: plan.streams,
            viewers: plan.streams * plan.viewers,
            rate: plan.rate,
            seconds,
            ended_early: outcome.ended_early,
            delivered: tally.delivered,
            messages_per_second: per_second(tally.delivered as f64),
            gbit_per_second: per_second(tally.bytes as f64 * 8.0 / 1e9),
            latency_ms: Spread::of(&tally.latency),
            lost: tally.lost,
            reordered: tally.reordered,
            skipped: tally.skipped,
            joined: tally.joined,
            refused: tally.refused,
            broken: tally.broken,
            reason: tally.reason.clone(),
            first_picture_ms: Spread::of(&tally.first_picture),
            publisher_late_ms: Spread::of(&tally.lateness),
            hostile,
            server: outcome.server.map(cost),
            memory_per_viewer_bytes,
            bench: cost(outcome.own),
            verdict: Vec::new(),
        };
        report.verdict = report.judge(limits);
        report
    }

    /// Whether every limit was kept.
    pub(crate) fn is_kept(&self) -> bool {
        self.verdict.iter().all(|judged| judged.kept)
    }

    /// Why this run says nothing about the server, if it does not.
    pub(crate) fn futility(&self, origin: &Origin) -> Option<String> {
        let reason = self.reason.as_deref().unwrap_or("no reason was given");
        match (origin, self.viewers) {
            (_, 0) => None,
            (_, 1) if self.joined == 0 => Some(format!("the viewer was not let in: {reason}")),
            (_, all) if self.joined == 0 => {
                Some(format!("none of the {all} viewers was let in: {reason}"))
            }
            _ if self.seconds == 0.0 => Some("ended before anything was measured".to_owned()),
            (Origin::Nowhere, _) => None,
            (Origin::Theirs(key), _) if self.delivered == 0 => Some(format!(
                "nothing was received in {:.1} s: does somebody publish to {key}?",
                self.seconds
            )),
            _ if self.delivered == 0 => {
                Some(format!("nothing was received in {:.1} s", self.seconds))
            }
            _ => None,
        }
    }

    fn judge(&self, limits: &Limits) -> Vec<Judged> {
        let mut verdict = Vec::new();
        let mut judge =
            |limit: String, was: String, kept: bool| verdict.push(Judged { limit, was, kept });
        let ms = |span: Span| span.0.as_secs_f64() * 1e3;
        if let Some(limit) = limits.max_p99 {
            let was = self.latency_ms.p99;
            judge(
                format!("p99 of the delay ≤ {limit}"),
                format!("{was:.1} ms"),
                self.latency_ms.count > 0 && was <= ms(limit),
            );
        }
        if let Some(limit) = limits.max_lost {
            judge(
                format!("frames lost ≤ {limit}"),
                self.lost.to_string(),
                self.lost <= limit,
            );
        }
        if let Some(limit) = limits.max_skipped {
            judge(
                format!("frames skipped ≤ {limit}"),
                self.skipped.to_string(),
                self.skipped <= limit,
            );
        }
        if let Some(limit) = limits.max_first_picture {
            let was = self.first_picture_ms.max;
            let all = self.first_picture_ms.count >= self.viewers as u64;
            judge(
                format!("first picture within {limit}"),
                format!("{was:.0} ms"),
                all && was <= ms(limit),
            );
        }
        let per_message = self.server.map(|server| server.cpu_us_per_message);
        if let Some(limit) = limits.max_cpu_per_message {
            let was = per_message.unwrap_or_default();
            let kept = self.delivered > 0 && was <= limit.0.as_secs_f64() * 1e6;
            judge(
                format!("processor time per message ≤ {limit}"),
                format!("{was:.2} µs"),
                kept,
            );
        }
        if let Some(limit) = limits.max_memory {
            let was = size(self.server.map_or(0, |server| server.peak_bytes));
            judge(format!("memory ≤ {limit}"), was.to_string(), was <= limit);
        }
        if let Some(limit) = limits.max_memory_per_viewer {
            let was = size(self.memory_per_viewer_bytes.unwrap_or_default());
            judge(
                format!("memory for each viewer ≤ {limit}"),
                was.to_string(),
                was <= limit,
            );
        }
        if let Some(limit) = limits.max_cpu {
            let was = self.server.map_or(0.0, |server| server.cpu_percent);
            judge(
                format!("processor time ≤ {limit} % of a core"),
                format!("{was:.2} %"),
                was <= limit,
            );
        }
        let kept = self.refused == 0 && self.broken == 0 && self.joined >= self.viewers as u64;
        if !kept || !verdict.is_empty() {
            let here = format!(
                "{} of {}",
                self.joined - self.broken.min(self.joined),
                self.viewers
            );
            verdict.push(Judged {
                limit: "every honest viewer let in and kept".to_owned(),
                was: here,
                kept,
            });
        }
        verdict
    }

    /// The rows on frames, where there were any to come.
    fn media_rows(&self, row: &mut impl FnMut(&str, String)) {
        row(
            "messages",
            format!(
                "{} in {:.1} s: {:.0}/s, {:.2} Gbit/s",
                self.delivered, self.seconds, self.messages_per_second, self.gbit_per_second
            ),
        );
        row("delay", self.latency_ms.line());
        row("first picture", self.first_picture_ms.line());
        row(
            "frames",
            format!(
                "{} lost, {} skipped, {} out of order",
                self.lost, self.skipped, self.reordered
            ),
        );
        if self.publisher_late_ms.count > 0 {
            row("publishers late", self.publisher_late_ms.line());
        }
    }

    /// The table for people.
    pub(crate) fn table(&self) -> String {
        let mut out = String::new();
        let mut row = |name: &str, value: String| {
            // Writing to a String does not fail.
            let _ = writeln!(out, "  {name:<18} {value}");
        };
        let viewers = match (self.refused, self.broken) {
            (0, 0) => format!("{} of {}", self.joined, self.viewers),
            (refused, broken) => {
                format!(
                    "{} of {}; {refused} not let in, {broken} cut off",
                    self.joined, self.viewers
                )
            }
        };
        if self.ended_early {
            row("ended early", format!("after {:.1} s", self.seconds));
        }
        row("viewers", viewers);
        let has_media = !self.idle;
        if has_media {
            self.media_rows(&mut row);
        }
        for (name, hostile) in &self.hostile {
            row(
                name,
                format!(
                    "{} clients: {} connections, {} joins, {} ended by the server",
                    hostile.clients, hostile.connections, hostile.joins, hostile.ended_by_server
                ),
            );
        }
        if let Some(server) = &self.server {
            row("server", server.line(has_media));
        }
        if let Some(bytes) = self.memory_per_viewer_bytes {
            row("memory a viewer", format!("{} more", size(bytes)));
        }
        row("this load tester", self.bench.line(has_media));
        if let Some(reason) = &self.reason {
            row("first trouble", reason.clone());
        }
        for judged in &self.verdict {
            let mark = if judged.kept { "kept" } else { "EXCEEDED" };
            row(mark, format!("{} (was {})", judged.limit, judged.was));
        }
        out
    }
}

impl Cost {
    fn line(&self, has_media: bool) -> String {
        let (resident, peak) = (size(self.resident_bytes), size(self.peak_bytes));
        let per_message = if has_media {
            format!("{:.2} µs a message, ", self.cpu_us_per_message)
        } else {
            String::new()
        };
        format!(
            "{per_message}{:.2} % of a core, {resident} of memory (at most {peak})",
            self.cpu_percent
        )
    }
}

fn size(bytes: u64) -> Size {
    Size(usize::try_from(bytes).unwrap_or(usize::MAX))
}
