//! Many clients on one thread: an epoll, a clock, and no runtime.
//!
//! A crowd of viewers to which something came pauses before it looks again. A thread that slept in epoll would be woken by whoever sends
//! to it, at the sender's cost and from another core: a viewer elsewhere on a network costs its server nothing like that.

use crate::client::{Alarm, Client, Crowded, Shared};
use crate::link::SCRATCH_BYTES;
use crate::machine::now_us;
use crate::tally::Tally;
use anyhow::Context;
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

/// How often a crowd tells what it has counted.
const TOLD_EVERY_US: u64 = 100_000;
/// Sockets that one look may report.
const EVENTS_MAX: usize = 1024;

/// Starts a thread for `clients`, each with the time when it begins. It looks at busy ones once in `pause`, or at once
/// when that is zero.
pub(crate) fn start(
    name: &str,
    shared: &Arc<Shared>,
    clients: Vec<(u64, Client)>,
    pause: Duration,
) -> anyhow::Result<thread::JoinHandle<anyhow::Result<()>>> {
    let shared = Arc::clone(shared);
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || run(&shared, clients, pause))
        .context("no further thread can be started")
}

fn run(shared: &Shared, clients: Vec<(u64, Client)>, pause: Duration) -> anyhow::Result<()> {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).context("no epoll is to be had")?;
    let mut alarms: BinaryHeap<Alarm> = clients
        .iter()
        .enumerate()
        .map(|(number, (at_us, _))| Reverse((*at_us, number, 0)))
        .collect();
    let mut clients: Vec<_> = clients.into_iter().map(|(_, client)| client).collect();
    let mut scratch = vec![0; SCRATCH_BYTES];
    let mut tally = Tally::new();
    let mut events = Vec::with_capacity(EVENTS_MAX);
    let mut tell_at = now_us() + TOLD_EVERY_US;
    while !shared.is_over.load(Ordering::Relaxed) {
        let now = now_us();
        if now >= tell_at {
            shared.total.lock().absorb(&mut tally);
            tell_at = now + TOLD_EVERY_US;
        }
        while let Some(Reverse((at_us, number, wish))) = alarms.peek().copied()
            && at_us <= now
        {
            alarms.pop();
            let crowd = &mut Crowded {
                shared,
                tally: &mut tally,
                scratch: &mut scratch,
                now_us: now_us(),
                number,
                epoll: &epoll,
                alarms: &mut alarms,
            };
            clients[number].alarm(crowd, wish);
        }
        let next = alarms
            .peek()
            .map_or(tell_at, |Reverse((at_us, ..))| tell_at.min(*at_us));
        let mut wait_us = next.saturating_sub(now_us());
        // The first of a burst may wake us; the others find us awake, or about to be.
        if !pause.is_zero() && !events.is_empty() {
            thread::sleep(pause.min(Duration::from_micros(wait_us)));
            wait_us = 0;
        }
        events.clear();
        match epoll::wait(&epoll, spare_capacity(&mut events), Some(&span(wait_us))) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error).context("epoll does not wait"),
        }
        for event in &events {
            let (flags, data) = (event.flags, event.data);
            let number = usize::try_from(data.u64()).context("epoll names a stranger")?;
            let crowd = &mut Crowded {
                shared,
                tally: &mut tally,
                scratch: &mut scratch,
                now_us: now_us(),
                number,
                epoll: &epoll,
                alarms: &mut alarms,
            };
            clients[number].ready(crowd, flags);
        }
    }
    for client in &mut clients {
        client.finish(shared, &mut tally);
    }
    shared.total.lock().absorb(&mut tally);
    Ok(())
}

fn span(us: u64) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(us / 1_000_000).unwrap_or(i64::MAX),
        tv_nsec: i64::try_from(us % 1_000_000 * 1_000).unwrap_or_default(),
    }
}
