//! The task of one session: keeps time, reads, drives the driver, writes; then carries out the end.
//!
//! One hand-written future polls all of it, so that a driver that waits holds up neither pings nor writes, and one wake
//! serves whatever has become ready. What other tasks want of the session they leave in [`Shared`].

mod closing;
mod reading;
mod writing;

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use tokio::time::Instant;

use crate::body::Body;
use crate::engine::alarm::Alarm;
use crate::engine::ending::Ending;
use crate::engine::feeds::Feeds;
use crate::engine::heartbeat::{Beat, Heartbeat};
use crate::engine::held::Held;
use crate::engine::link::Link;
use crate::engine::outbox::Outbox;
use crate::engine::pace::Pace;
use crate::engine::packet::Payload;
use crate::engine::parcel::Parcel;
use crate::engine::probe::{Probe, Probed};
use crate::engine::server::Ticket;
use crate::engine::service::Driver;
use crate::engine::session::{Phase, Shared, Upgrading, Wire};
use crate::engine::task::closing::Closing;
use crate::engine::task::reading::Read;
use crate::handler::DisconnectReason;
use crate::unfinished::Account;
use crate::websocket::cable::Cable;
use crate::websocket::frame::{Limits, code};

pub(crate) struct Task<D> {
    ticket: Ticket,
    driver: D,
    /// The driver has something under way, or has been given something.
    is_driver_busy: bool,
    carrier: Carrier,
    /// Packets that came by POST, to be taken before anything that comes by WebSocket.
    payloads: VecDeque<Payload>,
    outbox: Outbox,
    feeds: Feeds,
    held: Held,
    /// Of what it keeps, while it keeps any.
    account: Option<Box<Account>>,
    /// Messages of the client that came whole.
    messages: u64,
    pace: Pace,
    heartbeat: Heartbeat,
    ping_due: bool,
    probe: Option<Box<Probe>>,
    alarm: Alarm,
    closing: Option<Box<Closing>>,
}

/// What carries the session at the moment.
enum Carrier {
    Polling,
    /// A WebSocket whose 101 is on its way.
    Opening(OnUpgrade),
    /// A WebSocket, or a connection that is an HTTP body.
    WebSocket(Box<Link>),
    /// Nothing any more.
    Ended,
}

impl<D: Driver> Task<D> {
    pub(crate) fn over_polling(ticket: Ticket, driver: D) -> Self {
        Self::new(ticket, driver, Carrier::Polling)
    }

    pub(crate) fn over_websocket(
        ticket: Ticket,
        driver: D,
        upgrade: OnUpgrade,
        open: Option<Parcel>,
    ) -> Self {
        let mut task = Self::new(ticket, driver, Carrier::Opening(upgrade));
        if let Some(open) = open {
            task.outbox.push(open);
        }
        task
    }

    /// An HTTP answer whose body is what the driver and its feeds send. `head` is the answer's head.
    pub(crate) fn over_body(ticket: Ticket, driver: D, cable: Cable, head: Parcel) -> Self {
        let link = Link::over_body(cable, limits(&ticket.shared));
        let mut task = Self::new(ticket, driver, Carrier::WebSocket(Box::new(link)));
        task.outbox.push(head);
        task
    }

    fn new(ticket: Ticket, driver: D, carrier: Carrier) -> Self {
        let config = &ticket.shared.config;
        let now = Instant::from_std(ticket.shared.handshake.opened_at());
        let heartbeat = Heartbeat::new(config.ping_interval, config.ping_timeout, now);
        let alarm = Alarm::new(now + config.ping_interval, now);
        let pace = Pace::new(config, now);
        Self {
            ticket,
            driver,
            is_driver_busy: true,
            carrier,
            payloads: VecDeque::new(),
            outbox: Outbox::default(),
            feeds: Feeds::default(),
            held: Held::default(),
            account: None,
            messages: 0,
            pace,
            heartbeat,
            ping_due: false,
            probe: None,
            alarm,
            closing: None,
        }
    }

    fn run(&mut self, cx: &mut Context<'_>) -> Result<(), Ending> {
        self.take_wishes(cx)?;
        let rings = self.alarm.poll(cx).is_ready();
        self.poll_probe(cx);
        let read = self.receive(cx)?;
        if rings {
            self.keep_time(&read, cx)?;
        }
        if read == Read::All {
            self.judge_unfinished(cx)?;
        }
        let sent = self.send(cx);
        sent.map_err(|ending| self.last_words().unwrap_or(ending))
    }

    /// What others have left in the shared state.
    fn take_wishes(&mut self, cx: &Context<'_>) -> Result<(), Ending> {
        let mut state = self.ticket.shared.state.lock();
        state.remember(cx.waker());
        self.is_driver_busy |= std::mem::take(&mut state.is_driver_wanted);
        if let Phase::Closing(reason) = state.phase {
            return Err(Ending::of(reason).with(state.farewell));
        }
        let upgrade = state
            .polled
            .as_mut()
            .and_then(|polling| polling.upgrade.take());
        if let Some(upgrade) = upgrade {
            drop(state);
            let config = &self.ticket.shared.config;
            let now = Instant::now();
            let deadline = now + config.upgrade_timeout;
            self.probe = Some(Box::new(Probe::new(
                upgrade,
                limits(&self.ticket.shared),
                deadline,
            )));
            self.alarm.not_after(deadline, now);
        }
        Ok(())
    }

    /// Does what is due. When so much was `read`: a pong may be among what has come and was not read.
    fn keep_time(&mut self, read: &Read, cx: &mut Context<'_>) -> Result<(), Ending> {
        let now = Instant::now();
        let (look, is_slow) = match &mut self.carrier {
            Carrier::WebSocket(link) => (link.look(now)?, link.is_slow(now)),
            Carrier::Polling | Carrier::Opening(_) | Carrier::Ended => (None, false),
        };
        let next = loop {
            match self.heartbeat.beat(now) {
                Beat::Wait(until) => break until,
                // A body has nobody who answers: the system asks whether the client is still there.
                Beat::Ping | Beat::Dead if self.ticket.shared.wire == Wire::Body => {
                    self.heartbeat.pong(now);
                }
                Beat::Ping => self.ping_due = true,
                // The ping may lie behind what a slow client has yet to read.
                Beat::Dead if is_slow || !self.listens() => self.heartbeat.excuse(now),
                Beat::Dead if *read == Read::Some => break now,
                Beat::Dead => return Err(Ending::of(DisconnectReason::PingTimeout)),
            }
        };
        self.alarm.set(next, now);
        if let Some(look) = look {
            self.alarm.not_after(look, now);
        }
        if let Some(deadline) = self.probe.as_ref().map(|probe| probe.deadline) {
            if now >= deadline {
                self.end_probe();
            } else {
                self.alarm.not_after(deadline, now);
            }
        }
        if let Some(due) = self.held.due(self.ticket.shared.config.message_timeout) {
            self.alarm.not_after(due, now);
        }
        if let Some(until) = self.pace.rests_until() {
            self.alarm.not_after(until, now);
        }
        self.publish_death();
        // A new time registers only when it is polled.
        if self.alarm.poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        Ok(())
    }

    /// Ends who has not finished in time what it says. Only when all was read that has come: what the process was late for is
    /// not the client's fault.
    fn judge_unfinished(&mut self, cx: &mut Context<'_>) -> Result<(), Ending> {
        let timeout = self.ticket.shared.config.message_timeout;
        let Some(due) = self.held.due(timeout) else {
            return Ok(());
        };
        let now = Instant::now();
        if now < due {
            return Ok(());
        }
        if self.listens() {
            return Err(Ending::of(DisconnectReason::MessageTimeout));
        }
        self.held.excuse(now);
        self.ring_by(now + timeout, now, cx);
        Ok(())
    }

    fn publish_death(&self) {
        self.ticket.shared.state.lock().dead_at = self.heartbeat.dead_at();
    }

    /// Has the alarm ring at that time if it was to ring later.
    fn ring_by(&mut self, at: Instant, now: Instant, cx: &mut Context<'_>) {
        // A new time registers only when it is polled.
        if self.alarm.not_after(at, now) && self.alarm.poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
    }

    fn poll_probe(&mut self, cx: &mut Context<'_>) {
        let Some(probe) = &mut self.probe else { return };
        loop {
            match probe.poll(cx) {
                Poll::Pending => return,
                Poll::Ready(Probed::Answered) => {
                    self.ticket.shared.state.lock().polling().upgrading = Upgrading::Probed;
                }
                Poll::Ready(Probed::Failed) => return self.end_probe(),
                Poll::Ready(Probed::Upgraded(link)) => {
                    self.carrier = Carrier::WebSocket(link);
                    self.probe = None;
                    return self.leave_polling();
                }
            }
        }
    }

    /// The WebSocket did not take over: the session goes on over polling.
    fn end_probe(&mut self) {
        self.probe = None;
        if let Some(polling) = &mut self.ticket.shared.state.lock().polled {
            polling.upgrading = Upgrading::No;
            polling.upgraded = None;
        }
    }

    fn leave_polling(&mut self) {
        let shared = &self.ticket.shared;
        let polling = {
            let mut state = shared.state.lock();
            shared.is_websocket.store(true, Ordering::Release);
            state.polled.take().unwrap_or_default()
        };
        self.payloads
            .extend(polling.post.map(|(payload, _)| payload));
        if let Some(poll) = polling.poll {
            let _ = poll.send(answer_of(&Parcel::noop()));
        }
    }
}

impl<D: Driver> Future for Task<D> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        if this.closing.is_none() {
            match this.run(cx) {
                Ok(()) => return Poll::Pending,
                Err(ending) => this.begin_closing(ending),
            }
        }
        this.poll_close(cx)
    }
}

fn limits(shared: &Shared) -> Limits {
    Limits {
        message_bytes_max: shared.message_bytes_max(),
        fragments_max: shared.config.fragments_max,
    }
}

fn answer_of(parcel: &Parcel) -> Body {
    parcel.packets()[0].clone().into()
}

/// Accepts a WebSocket only to close it: its session has another one, or none.
pub(crate) async fn refuse(upgrade: OnUpgrade, within: Duration) {
    let goodbye = async {
        let Ok(upgraded) = upgrade.await else { return };
        let mut link = Link::new(
            upgraded,
            Limits {
                message_bytes_max: 0,
                fragments_max: 0,
            },
        );
        let mut outbox = Outbox::default();
        let _ =
            std::future::poll_fn(|cx| link.poll_goodbye(cx, &mut outbox, code::NORMAL, "")).await;
    };
    let _ = tokio::time::timeout(within, goodbye).await;
}
