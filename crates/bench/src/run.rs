//! One run from the first connection to the last frame: who is started when, and what is measured in between.

use crate::client::{Client, Departures, Origin, Shared};
use crate::crowd;
use crate::door::Door;
use crate::habit::Habit;
use crate::interrupt::Interrupt;
use crate::live::Live;
use crate::machine::{self, Usage, now_us};
use crate::peer::Peer;
use crate::poller::Poller;
use crate::publisher::{Material, Publisher};
use crate::quantity::Span;
use crate::session;
use crate::tally::Tally;
use crate::tls::Target;
use crate::viewer::Viewer;
use crate::way::Way;
use anyhow::{Context, bail};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What is to be done.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) target: Target,
    pub(crate) door: Door,
    /// Over which door publishers come.
    pub(crate) way: Way,
    pub(crate) origin: Origin,
    pub(crate) streams: usize,
    /// Honest viewers of each stream.
    pub(crate) viewers: usize,
    /// Clients with each bad habit, all together.
    pub(crate) hostile: [usize; Habit::HOSTILE.len()],
    pub(crate) material: Material,
    /// Frames of each stream in a second.
    pub(crate) rate: f64,
    pub(crate) duration: Duration,
    pub(crate) ramp: Duration,
    pub(crate) receivers: Receivers,
    /// The server's process, to be measured.
    pub(crate) pid: Option<u32>,
    /// Whether to tell how it goes on.
    pub(crate) is_told: bool,
    /// Who may want it to end early.
    pub(crate) interrupt: Interrupt,
}

/// How the viewers share the machine.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Receivers {
    /// Core for all clients; the server should be on another (`taskset -c 0 abanico`)
    #[arg(long, value_name = "NUMBER")]
    pub(crate) core: Option<usize>,
    /// Threads for the viewers
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    pub(crate) threads: usize,
    /// How long busy viewers pause between two looks at their sockets, so that the server need not wake them; adds up to as
    /// much to the delay
    #[arg(long, value_name = "TIME", default_value = "1ms")]
    pub(crate) pause: Span,
}

impl Default for Receivers {
    fn default() -> Self {
        Self {
            core: None,
            threads: 1,
            pause: Span(Duration::from_millis(1)),
        }
    }
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) tally: Tally,
    /// What was measured, in time.
    pub(crate) measured: Duration,
    /// Whether that is less than was planned, because somebody wanted an end.
    pub(crate) ended_early: bool,
    /// The server before and after.
    pub(crate) server: Option<(Usage, Usage)>,
    /// The server before the first viewer.
    pub(crate) server_alone: Option<Usage>,
    /// Ourselves.
    pub(crate) own: (Usage, Usage),
}

/// How long publishers may take until all streams exist.
const PUBLISHERS_TIME_MAX: Duration = Duration::from_secs(10);
/// Viewers that make no progress for this long are not waited for.
const JOIN_PATIENCE: Duration = Duration::from_secs(5);
/// Between the last join and the first moment that is measured.
const SETTLE_US: u64 = 500_000;
/// How long frames on their way are waited for at the end.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(3);
/// Frames that nobody got for this long are not on their way.
const DRAIN_PATIENCE: Duration = Duration::from_millis(500);
/// How often the run looks at itself while it waits.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Does it.
pub(crate) fn execute(plan: &Plan) -> anyhow::Result<Outcome> {
    let honest = plan.streams * plan.viewers;
    let hostile: usize = plan.hostile.iter().sum();
    let sockets = match plan.door {
        // One for the offer, one for what follows.
        Door::Whep => 2 * (honest + hostile),
        _ => honest + hostile,
    };
    machine::allow_sockets(plan.streams + sockets)?;
    // Asked before anything else, to end here if there is no such process.
    let mut server_alone = plan.pid.map(Usage::of).transpose()?;
    if let Some(core) = plan.receivers.core {
        machine::stay_on(core)?;
    }
    let shared = Arc::new(shared(plan)?);
    let mut live = Live::new(&shared, plan.is_told);
    let mut threads = Vec::new();
    if plan.origin != Origin::Ours {
        let key = match &plan.origin {
            Origin::Theirs(key) => key.clone(),
            Origin::Ours | Origin::Floor | Origin::Nowhere => String::new(),
        };
        shared.streams.get_or_init(|| vec![key; plan.streams]);
    } else {
        let (told, telling) = channel();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "bounded by the command line"
        )]
        let every_us = (1e6 / plan.rate) as u64;
        let publishers = (0..plan.streams)
            .map(|stream| {
                let publisher = Publisher::new(
                    stream,
                    plan.way,
                    plan.material.clone(),
                    every_us,
                    told.clone(),
                );
                (0, Client::Publisher(publisher))
            })
            .collect();
        threads.push(crowd::start(
            "publishers",
            &shared,
            publishers,
            Duration::ZERO,
        )?);
        let streams = await_streams(&telling, plan)?;
        shared.streams.get_or_init(|| streams);
        thread::Builder::new()
            .name("publishers' news".to_owned())
            .spawn({
                let shared = Arc::clone(&shared);
                move || hear_publishers(&shared, &telling)
            })
            .context("no further thread can be started")?;
    }
    if let Some(pid) = plan.pid {
        machine::forget_peak(pid);
        server_alone = Some(Usage::of(pid)?);
    }
    for (at, crowd) in crowds(plan)?.into_iter().enumerate() {
        threads.push(crowd::start(
            &format!("viewers {at}"),
            &shared,
            crowd,
            plan.receivers.pause.0,
        )?);
    }
    await_viewers(&shared, honest, plan, &mut live);

    let from_us = now_us() + SETTLE_US;
    let to_us = from_us + u64::try_from(plan.duration.as_micros()).unwrap_or(u64::MAX / 2);
    shared.to_us.store(to_us, Ordering::Relaxed);
    shared.from_us.store(from_us, Ordering::Relaxed);
    sleep_until(from_us, plan, &mut live);
    let before = usages(plan.pid)?;
    sleep_until(to_us, plan, &mut live);
    let after = usages(plan.pid).context("the server has gone")?;
    // Nothing more is measured of a run that ends early.
    let until_us = now_us().min(to_us);
    shared.to_us.store(until_us, Ordering::Relaxed);

    shared.publishing_is_over.store(true, Ordering::Relaxed);
    // What somebody else publishes has no end to wait for.
    if !matches!(plan.origin, Origin::Theirs(_)) {
        await_the_rest(&shared);
    }
    shared.is_over.store(true, Ordering::Relaxed);
    for thread in threads {
        match thread.join() {
            Ok(result) => result?,
            Err(_) => bail!("a thread of clients has panicked"),
        }
    }
    live.close();
    let tally = shared.total.lock().clone();
    Ok(Outcome {
        tally,
        measured: Duration::from_micros(until_us.saturating_sub(from_us)),
        ended_early: until_us < to_us,
        server: before.0.zip(after.0),
        server_alone,
        own: (before.1, after.1),
    })
}

fn shared(plan: &Plan) -> anyhow::Result<Shared> {
    let recording_since_ms = match plan.material {
        Material::Pictures(_) | Material::Video(_) => None,
        Material::Recording(..) => {
            let since_1970 = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .context("the clock is wrong")?;
            Some(u64::try_from(since_1970.as_millis()).context("the clock is wrong")?)
        }
    };
    let counted = match plan.origin {
        Origin::Ours => plan.streams,
        Origin::Theirs(_) | Origin::Floor | Origin::Nowhere => 0,
    };
    // Pictures say for themselves when they were sent.
    let timed = match plan.material {
        Material::Pictures(_) => 0,
        Material::Video(_) | Material::Recording(..) => counted,
    };
    Ok(Shared {
        target: plan.target.clone(),
        door: plan.door,
        origin: plan.origin.clone(),
        streams: OnceLock::new(),
        sent: (0..counted).map(|_| AtomicU64::new(0)).collect(),
        recording_since_ms,
        departures: Departures::of(timed),
        from_us: AtomicU64::new(u64::MAX),
        to_us: AtomicU64::new(0),
        publishing_is_over: AtomicBool::new(false),
        is_over: AtomicBool::new(false),
        total: Mutex::new(Tally::new()),
    })
}

/// The viewers of each thread, honest and hostile mixed, spread over the ramp.
fn crowds(plan: &Plan) -> anyhow::Result<Vec<Vec<(u64, Client)>>> {
    let certificate = match plan.door {
        Door::Whep => Some(Arc::new(
            session::certificate().context("no certificate can be made")?,
        )),
        _ => None,
    };
    let client = |number: usize, habit| {
        let stream = number % plan.streams;
        match (plan.door, &certificate) {
            (Door::Polling, _) if habit == Habit::Honest => Client::Poller(Poller::new(stream)),
            (_, Some(certificate)) => {
                let peer = Peer::new(stream, habit, Arc::clone(certificate));
                Client::Peer(Box::new(peer))
            }
            _ => Client::Viewer(Viewer::new(stream, habit)),
        }
    };
    let honest_max = plan.streams * plan.viewers;
    let hostile_max: usize = plan.hostile.iter().sum();
    let honest = (0..honest_max).map(|number| client(number, Habit::Honest));
    let hostile = Habit::HOSTILE
        .into_iter()
        .zip(plan.hostile)
        .flat_map(|(habit, count)| std::iter::repeat_n(habit, count))
        .enumerate()
        .map(|(number, habit)| client(number, habit));
    let ramp_us = u64::try_from(plan.ramp.as_micros()).unwrap_or(u64::MAX / 2);
    let now = now_us();
    let spread = |number: usize, of: usize| now + ramp_us * number as u64 / of.max(1) as u64;
    let honest = honest
        .enumerate()
        .map(|(number, client)| (spread(number, honest_max), client));
    let hostile = hostile
        .enumerate()
        .map(|(number, client)| (spread(number, hostile_max), client));
    let mut crowds: Vec<Vec<_>> = (0..plan.receivers.threads).map(|_| Vec::new()).collect();
    for (number, client) in honest.chain(hostile).enumerate() {
        crowds[number % plan.receivers.threads].push(client);
    }
    Ok(crowds)
}

fn await_streams(
    telling: &Receiver<Result<(usize, String), String>>,
    plan: &Plan,
) -> anyhow::Result<Vec<String>> {
    let mut keys = vec![String::new(); plan.streams];
    let (mut begun, mut waited) = (0, Duration::ZERO);
    while begun < plan.streams {
        match telling.recv_timeout(LOOK_EVERY) {
            Ok(Ok((stream, key))) => {
                keys[stream] = key;
                (begun, waited) = (begun + 1, Duration::ZERO);
            }
            Ok(Err(reason)) => bail!(
                "{} does not let us publish: {reason}\n  hint: is the server running? `abanico --listen {}`",
                plan.target.address,
                plan.target.address
            ),
            Err(_) if plan.interrupt.is_wanted() => bail!("ended before anything was measured"),
            Err(_) if waited < PUBLISHERS_TIME_MAX => waited += LOOK_EVERY,
            Err(_) => bail!(
                "{} does not answer a publisher within {}",
                plan.target.address,
                humantime::format_duration(PUBLISHERS_TIME_MAX)
            ),
        }
    }
    Ok(keys)
}

/// A publisher that ends early is worth a word.
fn hear_publishers(shared: &Shared, telling: &Receiver<Result<(usize, String), String>>) {
    for news in telling {
        if let Err(reason) = news
            && !shared.is_over.load(Ordering::Relaxed)
        {
            let reason = format!("a publisher has gone: {reason}");
            shared.total.lock().reason.get_or_insert(reason);
        }
    }
}

fn await_viewers(shared: &Shared, wanted: usize, plan: &Plan, live: &mut Live<'_>) {
    let ramp_ends = now_us() + u64::try_from(plan.ramp.as_micros()).unwrap_or(u64::MAX / 2);
    let patience_us = u64::try_from(JOIN_PATIENCE.as_micros()).unwrap_or(u64::MAX);
    let (mut joined, mut advanced) = (0, now_us());
    loop {
        let now = now_us();
        let total = shared.total.lock();
        let (joined_now, refused) = (total.joined, total.refused);
        drop(total);
        if joined_now > joined || now < ramp_ends {
            (joined, advanced) = (joined_now, now);
        }
        let are_all_here = joined_now + refused >= wanted as u64 && now >= ramp_ends;
        if are_all_here || now > advanced + patience_us || plan.interrupt.is_wanted() {
            return;
        }
        live.look();
        thread::sleep(LOOK_EVERY);
    }
}

fn sleep_until(at_us: u64, plan: &Plan, live: &mut Live<'_>) {
    loop {
        let left = at_us.saturating_sub(now_us());
        if left == 0 || plan.interrupt.is_wanted() {
            return;
        }
        live.look();
        thread::sleep(Duration::from_micros(left).min(LOOK_EVERY));
    }
}

/// Waits for the frames that are still on their way.
fn await_the_rest(shared: &Shared) {
    let mut delivered = None;
    let (mut waited, mut still) = (Duration::ZERO, Duration::ZERO);
    while waited < DRAIN_TIME_MAX && still < DRAIN_PATIENCE {
        thread::sleep(LOOK_EVERY);
        waited += LOOK_EVERY;
        let now = shared.total.lock().delivered_ever;
        still = if delivered.replace(now) == Some(now) {
            still + LOOK_EVERY
        } else {
            Duration::ZERO
        };
    }
}

fn usages(pid: Option<u32>) -> anyhow::Result<(Option<Usage>, Usage)> {
    Ok((
        pid.map(Usage::of).transpose()?,
        Usage::of(std::process::id())?,
    ))
}
