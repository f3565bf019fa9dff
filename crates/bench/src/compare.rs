//! Server and floor by turns, on the same cores and with the same receivers: the ratio is what a reader can repeat.

use crate::client::Origin;
use crate::command::bounds::check;
use crate::door::{Door, with_floor};
use crate::floor::{self, Backlog, Sender};
use crate::interrupt::Interrupt;
use crate::machine;
use crate::publisher::Material;
use crate::quantity::{Size, Span};
use crate::report::{Limits, Report};
use crate::run::{Outcome, Plan, Receivers, execute};
use crate::tls::{Target, Trust, own_certificate};
use crate::way::Way;
use anyhow::{Context, bail, ensure};
use serde::Serialize;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

/// Compare a server with the floor.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Compare {
    /// How often each is measured; the medians are told
    #[arg(long, value_name = "COUNT", default_value_t = 5)]
    pub(crate) rounds: usize,
    /// How long each time
    #[arg(long, value_name = "TIME", default_value = "10s")]
    pub(crate) duration: Span,
    /// Doors to compare
    #[arg(
        long,
        value_parser = with_floor(),
        value_delimiter = ',',
        default_value = "socketio,socketio-binary,native,http"
    )]
    pub(crate) doors: Vec<Door>,
    /// Loads to compare, each as VIEWERSxRATExSIZE
    #[arg(
        long,
        value_name = "LOAD",
        value_delimiter = ',',
        default_value = "1000x10x30kB,500x30x10.4kB,200x2x156kB"
    )]
    pub(crate) loads: Vec<Shape>,
    /// Core of the server and of the floor's sender
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(crate) server_core: usize,
    /// Core of all clients
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(crate) core: usize,
    /// How long viewers pause between two looks at their sockets, so that the sender need not wake them
    #[arg(long, value_name = "TIME", default_value = "1ms")]
    pub(crate) pause: Span,
    #[command(flatten)]
    pub(crate) backlog: Backlog,
    /// Over HTTPS, with the floor that encrypts too
    #[arg(long)]
    pub(crate) tls: bool,
    /// The server's program: this one, unless said otherwise
    #[arg(long, value_name = "FILE")]
    pub(crate) program: Option<PathBuf>,
    /// Exit with 1 if a median ratio of processor time is above this
    #[arg(long, value_name = "RATIO")]
    pub(crate) max_ratio: Option<f64>,
    /// Print the figures as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Viewers, frames a second, and bytes of a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Shape {
    viewers: usize,
    rate: f64,
    size: Size,
}

impl std::str::FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no load: write it as 1000x10x30kB");
        let mut parts = text.splitn(3, 'x');
        let mut part = || parts.next().ok_or_else(wrong);
        Ok(Self {
            viewers: part()?.parse().map_err(|_| wrong())?,
            rate: part()?.parse().map_err(|_| wrong())?,
            size: part()?.parse().map_err(|_| wrong())?,
        })
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} × {}/s × {}", self.viewers, self.rate, self.size)
    }
}

/// One load over one door.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Compared {
    load: String,
    door: &'static str,
    /// How often each was measured.
    rounds: usize,
    floor_us: f64,
    server_us: f64,
    ratio: f64,
    ratios: Vec<f64>,
    floor_p99_ms: f64,
    server_p99_ms: f64,
    lost: u64,
    server_peak_bytes: u64,
    clients_us: f64,
}

/// Does it.
pub(crate) fn run(compare: &Compare, interrupt: &Interrupt) -> anyhow::Result<ExitCode> {
    const ROUNDS_MAX: usize = 1000;
    ensure!(
        (1..=ROUNDS_MAX).contains(&compare.rounds),
        "--rounds is from 1 to {ROUNDS_MAX}"
    );
    for load in &compare.loads {
        check(
            load.viewers,
            load.rate,
            load.size.0,
            compare.duration.0,
            &receivers(compare),
        )?;
    }
    let pairs: Vec<_> = compare
        .loads
        .iter()
        .flat_map(|load| compare.doors.iter().map(move |door| (*load, *door)))
        .collect();
    let mut measured: Vec<Vec<(Report, Report)>> = pairs.iter().map(|_| Vec::new()).collect();
    'rounds: for round in 1..=compare.rounds {
        for ((load, door), measured) in pairs.iter().zip(&mut measured) {
            // Nobody may be listening.
            let _ = writeln!(
                std::io::stderr(),
                "round {round} of {}: {load}, {}",
                compare.rounds,
                door.name()
            );
            let floor = floor(compare, *load, *door, interrupt);
            // Half a pair is worth nothing, nor is what came of a server that heard Ctrl-C too.
            if interrupt.is_wanted() {
                break 'rounds;
            }
            let server = server(compare, *load, *door, interrupt);
            if interrupt.is_wanted() {
                break 'rounds;
            }
            measured.push((floor?, server?));
        }
    }
    let compared: Vec<_> = pairs
        .iter()
        .zip(&measured)
        .filter(|(_, measured)| !measured.is_empty())
        .map(|((load, door), measured)| Compared::of(*load, *door, measured))
        .collect();
    ensure!(
        !compared.is_empty(),
        "ended before floor and server were both measured once"
    );
    let text = if compare.json {
        serde_json::to_string_pretty(&compared)? + "\n"
    } else {
        table(&compared, compare)
    };
    std::io::stdout().write_all(text.as_bytes())?;
    let kept = compare
        .max_ratio
        .is_none_or(|max| compared.iter().all(|one| one.ratio <= max));
    Ok(if kept {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn receivers(compare: &Compare) -> Receivers {
    Receivers {
        core: Some(compare.core),
        threads: 1,
        pause: compare.pause,
    }
}

fn floor(
    compare: &Compare,
    load: Shape,
    door: Door,
    interrupt: &Interrupt,
) -> anyhow::Result<Report> {
    let sender = Sender {
        door,
        viewers: load.viewers,
        rate: load.rate,
        size: load.size,
        backlog: compare.backlog,
        tls: compare.tls,
        sender_core: Some(compare.server_core),
    };
    let (plan, outcome) = floor::measure(
        &sender,
        compare.duration.0,
        receivers(compare),
        false,
        interrupt.clone(),
    )?;
    report(&plan, &outcome)
}

fn server(
    compare: &Compare,
    load: Shape,
    door: Door,
    interrupt: &Interrupt,
) -> anyhow::Result<Report> {
    let server = Server::start(compare)?;
    let plan = Plan {
        target: server.target.clone(),
        door,
        way: Way::SocketIo,
        origin: Origin::Ours,
        streams: 1,
        viewers: load.viewers,
        hostile: Default::default(),
        material: Material::Pictures(load.size.0),
        rate: load.rate,
        duration: compare.duration.0,
        ramp: Duration::from_secs(1),
        receivers: receivers(compare),
        pid: Some(server.child.id()),
        is_told: false,
        interrupt: interrupt.clone(),
    };
    let outcome = execute(&plan)?;
    report(&plan, &outcome)
}

fn report(plan: &Plan, outcome: &Outcome) -> anyhow::Result<Report> {
    let report = Report::of(plan, outcome, &Limits::default());
    if report.joined < report.viewers as u64 || report.delivered == 0 {
        bail!(
            "{} of {} viewers were let in ({}): nothing to compare",
            report.joined,
            report.viewers,
            report.reason.as_deref().unwrap_or("no reason given")
        );
    }
    Ok(report)
}

/// A server of our own, on its core, with a directory that goes when it goes.
struct Server {
    child: Child,
    address: SocketAddr,
    target: Target,
    data: PathBuf,
}

impl Server {
    fn start(compare: &Compare) -> anyhow::Result<Self> {
        let program = match &compare.program {
            Some(program) => program.clone(),
            None => std::env::current_exe().context("this program does not know where it is")?,
        };
        // Bound for a moment, to learn of a port that is free.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let data = std::env::temp_dir().join(format!(
            "abanico-compare-{}-{}",
            std::process::id(),
            address.port()
        ));
        let mut target = Target::plain(address);
        let mut https = Vec::new();
        if compare.tls {
            let (address, trust, flags) = secured(&data)?;
            target = Target::secure(address, "localhost", &trust)?;
            https = flags;
        }
        // A child stays where its parent was when it was started.
        machine::stay_on(compare.server_core)?;
        let child = Self::command(&program, address, &data)
            .args(compare.backlog.args())
            .args(https)
            .spawn();
        machine::stay_on(compare.core)?;
        let child = child.with_context(|| format!("{} cannot be started", program.display()))?;
        let mut server = Self {
            child,
            address,
            target,
            data,
        };
        server.await_readiness()?;
        Ok(server)
    }

    fn command(program: &Path, address: SocketAddr, data: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .arg("--listen")
            .arg(address.to_string())
            .arg("--data")
            .arg(data)
            .args(["--log", "error"]);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    fn await_readiness(&mut self) -> anyhow::Result<()> {
        const TRIES: usize = 200;
        const PAUSE: Duration = Duration::from_millis(50);
        for _ in 0..TRIES {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server has ended: {status}");
            }
            if TcpStream::connect(self.address).is_ok() {
                return Ok(());
            }
            thread::sleep(PAUSE);
        }
        bail!("the server does not listen at {}", self.address)
    }
}

/// Makes a certificate in a server's directory. Returns where HTTPS may be, how to trust it, and what tells the server.
fn secured(data: &Path) -> anyhow::Result<(SocketAddr, Trust, Vec<String>)> {
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    std::fs::create_dir_all(data)?;
    let (certificate, key) = (data.join("certificate.pem"), data.join("key.pem"));
    let (certificate_text, key_text) = own_certificate()?;
    std::fs::write(&certificate, certificate_text)?;
    std::fs::write(&key, key_text)?;
    let flags = [
        format!("--tls-listen={address}"),
        format!("--tls-certificate={}", certificate.display()),
        format!("--tls-key={}", key.display()),
    ];
    let trust = Trust {
        insecure: false,
        ca: Some(certificate),
    };
    Ok((address, trust, flags.to_vec()))
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has been measured; how it ends does not matter here.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.data);
    }
}

impl Compared {
    fn of(load: Shape, door: Door, measured: &[(Report, Report)]) -> Self {
        let cost = |report: &Report| {
            report
                .server
                .map_or(f64::NAN, |server| server.cpu_us_per_message)
        };
        let ratios: Vec<_> = measured
            .iter()
            .map(|(floor, server)| cost(server) / cost(floor))
            .collect();
        Self {
            load: load.to_string(),
            door: door.name(),
            rounds: measured.len(),
            floor_us: median(measured.iter().map(|(floor, _)| cost(floor))),
            server_us: median(measured.iter().map(|(_, server)| cost(server))),
            ratio: median(ratios.iter().copied()),
            ratios,
            floor_p99_ms: median(measured.iter().map(|(floor, _)| floor.latency_ms.p99)),
            server_p99_ms: median(measured.iter().map(|(_, server)| server.latency_ms.p99)),
            lost: measured
                .iter()
                .map(|(_, server)| server.lost + server.skipped)
                .sum(),
            server_peak_bytes: measured
                .iter()
                .filter_map(|(_, server)| server.server.map(|server| server.peak_bytes))
                .max()
                .unwrap_or_default(),
            clients_us: median(
                measured
                    .iter()
                    .map(|(_, server)| server.bench.cpu_us_per_message),
            ),
        }
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        0 if middle > 0 => f64::midpoint(values[middle - 1], values[middle]),
        _ => values.get(middle).copied().unwrap_or(f64::NAN),
    }
}

fn table(compared: &[Compared], compare: &Compare) -> String {
    let rounds = compared.iter().map(|one| one.rounds);
    let (least_rounds, most_rounds) =
        (rounds.clone().min().unwrap_or(0), rounds.max().unwrap_or(0));
    let mut out = format!(
        "medians of {} rounds of {}{}; {}processor time in µs per message, server and floor on core {}, clients on core {}\n\
         {:<26} {:<16} {:>7} {:>7} {:>6} {:>13} {:>11} {:>12} {:>6} {:>9} {:>8}\n",
        most_rounds,
        compare.duration,
        if least_rounds < compare.rounds {
            format!(
                " (ended early: {least_rounds} to {most_rounds} of {})",
                compare.rounds
            )
        } else {
            String::new()
        },
        if compare.tls { "under TLS; " } else { "" },
        compare.server_core,
        compare.core,
        "load",
        "door",
        "floor",
        "server",
        "ratio",
        "from-to",
        "floor p99",
        "server p99",
        "missed",
        "memory",
        "clients",
    );
    for one in compared {
        let least = one.ratios.iter().copied().fold(f64::INFINITY, f64::min);
        let most = one.ratios.iter().copied().fold(0.0, f64::max);
        let memory = Size(usize::try_from(one.server_peak_bytes).unwrap_or(usize::MAX)).to_string();
        // Writing to a String does not fail.
        let _ = writeln!(
            out,
            "{:<26} {:<16} {:>7.2} {:>7.2} {:>6.2} {:>13} {:>8.1} ms {:>9.1} ms {:>6} {:>9} {:>8.2}",
            one.load,
            one.door,
            one.floor_us,
            one.server_us,
            one.ratio,
            format!("{least:.2}-{most:.2}"),
            one.floor_p99_ms,
            one.server_p99_ms,
            one.lost,
            memory,
            one.clients_us,
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_is_read_and_written() {
        let load: Shape = "500x30x10.4kB".parse().unwrap();
        assert_eq!(load.to_string(), "500 × 30/s × 10.4 kB");
        assert!(
            "500x30"
                .parse::<Shape>()
                .unwrap_err()
                .contains("1000x10x30kB")
        );
    }

    #[test]
    fn the_median_is_the_middle_or_between_the_two() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), 2.5);
        assert!(median(std::iter::empty()).is_nan());
    }
}
