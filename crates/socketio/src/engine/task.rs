//! The task of one session: keeps time, reads, drives the driver, writes; then carries out the end.
//!
//! One hand-written future polls all of it, so that a driver that waits holds up neither pings nor writes, and one wake
//! serves whatever has become ready. What other tasks want of the session they leave in [`Shared`].

mod closing;

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
use crate::engine::held::{Held, Part};
use crate::engine::intake::Intake;
use crate::engine::link::{Link, LinkEnd};
use crate::engine::outbox::Outbox;
use crate::engine::outlet::Outlet;
use crate::engine::pace::Pace;
use crate::engine::packet::Payload;
use crate::engine::parcel::Parcel;
use crate::engine::probe::{Probe, Probed};
use crate::engine::server::Ticket;
use crate::engine::service::Driver;
use crate::engine::session::{Phase, Shared, Upgrading, Wire};
use crate::engine::task::closing::Closing;
use crate::handler::DisconnectReason;
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

/// Reads per poll of the task. After these it lets others go first.
const ROUNDS_MAX: usize = 4;

/// Vectored writes per poll of the task. After these it lets others go first.
const WRITES_MAX: usize = 16;

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
        if self.alarm.poll(cx).is_ready() {
            self.keep_time(cx)?;
        }
        self.poll_probe(cx);
        self.receive(cx)?;
        let sent = self.send(cx);
        sent.map_err(|ending| self.last_words().unwrap_or(ending))
    }

    /// Nothing can be written any more. What the client said before it went may still be there, and says why it went.
    fn last_words(&mut self) -> Option<Ending> {
        let Carrier::WebSocket(link) = &mut self.carrier else {
            return None;
        };
        let mut intake = Intake::new(&mut self.driver, self.ticket.shared.wire);
        link.receive_rest(|data| intake.data(data)).err()
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

    fn keep_time(&mut self, cx: &mut Context<'_>) -> Result<(), Ending> {
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
            if now < due {
                self.alarm.not_after(due, now);
            } else if self.listens() {
                return Err(Ending::of(DisconnectReason::MessageTimeout));
            } else {
                self.held.excuse(now);
                self.alarm
                    .not_after(now + self.ticket.shared.config.message_timeout, now);
            }
        }
        self.publish_death();
        // A new time registers only when it is polled.
        if self.alarm.poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        Ok(())
    }

    /// Whether the client is read at all: its pongs are not heard while it is not.
    fn listens(&self) -> bool {
        self.driver.accepts() && self.pace.rests_until().is_none()
    }

    fn publish_death(&self) {
        self.ticket.shared.state.lock().dead_at = self.heartbeat.dead_at();
    }

    /// Reads and drives by turns until there is nothing to read or the driver takes no more.
    fn receive(&mut self, cx: &mut Context<'_>) -> Result<(), Ending> {
        // Most wakes are not for the driver: its memory is not even touched then.
        let mut is_touched = self.is_driver_busy;
        let received = self.take_turns(cx, &mut is_touched);
        if is_touched {
            self.note_held(cx);
        }
        received
    }

    /// Tells what is kept of what the client has said, and has the alarm ring when it should be whole.
    fn note_held(&mut self, cx: &mut Context<'_>) {
        let holds = self.driver.holds();
        let (kept, is_amid_message) = match &self.carrier {
            Carrier::WebSocket(link) => link.held(),
            Carrier::Polling | Carrier::Opening(_) | Carrier::Ended => (0, false),
        };
        let payloads: usize = self.payloads.iter().map(Payload::len).sum();
        let part = match holds.unfinished {
            Some(number) => Some(Part::Event(number)),
            None => is_amid_message.then_some(Part::Message(self.messages)),
        };
        let bytes = holds.bytes + kept + payloads;
        if !self.held.note(bytes, part, Instant::now) {
            return;
        }
        self.ticket.shared.state.lock().held = self.held.standing();
        if let Some(due) = self.held.due(self.ticket.shared.config.message_timeout) {
            self.ring_by(due, Instant::now(), cx);
        }
    }

    fn take_turns(&mut self, cx: &mut Context<'_>, is_touched: &mut bool) -> Result<(), Ending> {
        for _ in 0..ROUNDS_MAX {
            if self.is_driver_busy {
                self.is_driver_busy = self.driver.poll(cx).is_pending();
                if self.is_driver_busy && !self.driver.accepts() {
                    return Ok(());
                }
            }
            if self.rests(cx) || self.poll_receive(cx)?.is_pending() {
                return Ok(());
            }
            *is_touched = true;
        }
        cx.waker().wake_by_ref();
        Ok(())
    }

    /// Whether the client has said more than it may, and is listened to later.
    fn rests(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(until) = self.pace.rests_until() else {
            return false;
        };
        let now = Instant::now();
        if now >= until {
            self.pace.wake();
            return false;
        }
        self.ring_by(until, now, cx);
        true
    }

    /// Has the alarm ring at that time if it was to ring later.
    fn ring_by(&mut self, at: Instant, now: Instant, cx: &mut Context<'_>) {
        // A new time registers only when it is polled.
        if self.alarm.not_after(at, now) && self.alarm.poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
    }

    /// Reads once.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, Ending> {
        let shared = &self.ticket.shared;
        if let Carrier::Opening(upgrade) = &mut self.carrier {
            let Poll::Ready(upgraded) = Pin::new(upgrade).poll(cx) else {
                return Ok(Poll::Pending);
            };
            let upgraded = upgraded.map_err(|_| Ending::from(LinkEnd::Eof))?;
            self.carrier = Carrier::WebSocket(Box::new(Link::new(upgraded, limits(shared))));
        }
        let mut intake = Intake::new(&mut self.driver, shared.wire);
        let progress = if let Some(payload) = self.payloads.front_mut() {
            if intake.payload(payload)? {
                self.payloads.pop_front();
            }
            Poll::Ready(())
        } else {
            match &mut self.carrier {
                Carrier::Polling => match take_post(shared) {
                    Some(payload) => {
                        self.payloads.push_back(payload);
                        Poll::Ready(())
                    }
                    None => Poll::Pending,
                },
                Carrier::WebSocket(link) => {
                    link.limit(shared.message_bytes_max());
                    match link.poll_receive(cx, |data| intake.data(data)) {
                        Poll::Ready(result) => Poll::Ready(result?),
                        Poll::Pending => Poll::Pending,
                    }
                }
                Carrier::Opening(_) | Carrier::Ended => Poll::Pending,
            }
        };
        let (messages, bytes) = (intake.messages, intake.bytes);
        let mut has_pong = intake.has_pong;
        if messages > 0 {
            self.is_driver_busy = true;
            self.messages += messages as u64;
            self.pace.take(messages, bytes, Instant::now());
        }
        if shared.wire == Wire::WebSocket
            && let Carrier::WebSocket(link) = &mut self.carrier
        {
            has_pong |= link.take_heard_pong();
        }
        if has_pong {
            let now = Instant::now();
            self.heartbeat.pong(now);
            self.publish_death();
            // The time for the pong may reach beyond the next ping. Else the alarm rings earlier than it need and is set
            // anew then.
            if let Some(ping_at) = self.heartbeat.ping_at() {
                self.ring_by(ping_at, now, cx);
            }
        }
        Ok(progress)
    }

    fn send(&mut self, cx: &mut Context<'_>) -> Result<(), Ending> {
        match &self.carrier {
            Carrier::WebSocket(_) => {
                self.write(cx)?;
                self.keep_looking(cx);
                Ok(())
            }
            Carrier::Polling => self.answer(cx),
            Carrier::Opening(_) | Carrier::Ended => Ok(()),
        }
    }

    /// Sees to it that a peer which was sent something is looked at after a while.
    fn keep_looking(&mut self, cx: &mut Context<'_>) {
        let Carrier::WebSocket(link) = &mut self.carrier else {
            return;
        };
        if let Some(look) = link.next_look() {
            self.ring_by(look, Instant::now(), cx);
        }
    }

    /// Fills the outbox and writes it while the socket takes it. A socket that is lent is left where it is until there is
    /// something to write.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<(), Ending> {
        if self.is_served() {
            return Ok(());
        }
        let Carrier::WebSocket(link) = &mut self.carrier else {
            return Ok(());
        };
        match link.poll_recall(cx, &mut self.outbox) {
            Poll::Pending => return Ok(()),
            Poll::Ready(None) => {}
            Poll::Ready(Some(place)) => self.feeds.returned(place).map_err(|_| panicked())?,
        }
        for _ in 0..WRITES_MAX {
            let Carrier::WebSocket(link) = &mut self.carrier else {
                return Ok(());
            };
            let Poll::Ready(writable) = link.poll_writable(cx) else {
                return Ok(());
            };
            writable.map_err(LinkEnd::Io)?;
            if let Some(pong) = link.take_pong() {
                self.outbox.push(pong);
            }
            let is_dry = self.fill(cx, Outbox::has_room)?;
            let Carrier::WebSocket(link) = &mut self.carrier else {
                return Ok(());
            };
            let Poll::Ready(written) = link.poll_write(cx, &mut self.outbox) else {
                return Ok(());
            };
            written.map_err(LinkEnd::Io)?;
            if is_dry && self.outbox.is_empty() {
                // Who borrows it does not wait for what was kept.
                let Poll::Ready(sent) = link.poll_sent(cx) else {
                    return Ok(());
                };
                sent.map_err(LinkEnd::Io)?;
                return self.lend(cx);
            }
        }
        cx.waker().wake_by_ref();
        Ok(())
    }

    /// Whether the socket is lent and the session has nothing to write itself.
    fn is_served(&self) -> bool {
        let Carrier::WebSocket(link) = &self.carrier else {
            return false;
        };
        if !link.is_lent() || link.is_given_back() || self.ping_due || link.owes_pong() {
            return false;
        }
        let state = self.ticket.shared.state.lock();
        state.queue.is_empty() && state.feed_changes.is_empty()
    }

    /// Lends the socket to the feed, if there is one alone and it wants it.
    fn lend(&mut self, cx: &Context<'_>) -> Result<(), Ending> {
        let Carrier::WebSocket(link) = &mut self.carrier else {
            return Ok(());
        };
        let Some(line) = link.line().filter(|_| self.feeds.is_single()) else {
            return Ok(());
        };
        line.remember(cx.waker());
        let lent = self.feeds.lend(|loan| Outlet::new(line, loan));
        if lent.map_err(|_| panicked())? {
            link.lent();
            // A feed that writes by itself leaves little to do here. Thousands of sessions need not keep room for it.
            self.outbox = Outbox::default();
        }
        Ok(())
    }

    /// Answers the open poll if there is one and something to say.
    fn answer(&mut self, cx: &mut Context<'_>) -> Result<(), Ending> {
        let (packets_max, bytes_max) = self.answer_bounds();
        {
            let mut state = self.ticket.shared.state.lock();
            if state.polling().poll.is_none() {
                // A poll that comes wakes the task.
                state.is_idle = false;
                let detached = self.feeds.apply(&mut state.feed_changes);
                drop(state);
                drop(detached);
                return Ok(());
            }
        }
        self.fill(cx, |outbox| {
            outbox.has_room_in_answer(packets_max, bytes_max)
        })?;
        let mut state = self.ticket.shared.state.lock();
        if self.outbox.is_empty() && state.polling().upgrading == Upgrading::Probed {
            self.outbox.push(Parcel::noop());
        }
        if !self.outbox.is_empty()
            && let Some(poll) = state.polling().poll.take()
        {
            drop(state);
            // A poll that was dropped meanwhile ends the session.
            let _ = poll.send(self.outbox.take_answer(packets_max, bytes_max));
        }
        Ok(())
    }

    fn answer_bounds(&self) -> (usize, usize) {
        let config = &self.ticket.shared.config;
        // An answer that may hold nothing would never be given.
        (config.poll_packets_max.max(1), config.poll_bytes_max.max(1))
    }

    /// Moves what is due to the outbox while it has room: a ping, the queue, then the feeds. Says whether there is no more;
    /// then whoever has more will wake the task.
    fn fill(
        &mut self,
        cx: &mut Context<'_>,
        has_room: impl Fn(&Outbox) -> bool,
    ) -> Result<bool, Ending> {
        if std::mem::take(&mut self.ping_due) {
            match self.ticket.shared.wire {
                Wire::EngineIo => self.outbox.push(Parcel::ping()),
                Wire::WebSocket => self.outbox.push(Parcel::plain_ping()),
                Wire::Body => {}
            }
        }
        let mut state = self.ticket.shared.state.lock();
        while has_room(&self.outbox) {
            let Some(parcel) = state.pop() else {
                break;
            };
            self.outbox.push(parcel);
        }
        let detached = self.feeds.apply(&mut state.feed_changes);
        let is_idle = state.queue.is_empty();
        state.is_idle = is_idle;
        if is_idle {
            // Most sessions are told something now and then; room for it in each of thousands is not worth while.
            state.queue = VecDeque::new();
        }
        drop(state);
        drop(detached);
        if !is_idle {
            return Ok(false);
        }
        while has_room(&self.outbox) {
            match self.feeds.poll_next(cx) {
                Ok(Poll::Ready(parcel)) => self.outbox.push(parcel),
                Ok(Poll::Pending) => return Ok(true),
                Err(_) => return Err(panicked()),
            }
        }
        Ok(false)
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
        self.payloads.extend(polling.post);
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

fn panicked() -> Ending {
    Ending::of(DisconnectReason::HandlerPanic)
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

fn take_post(shared: &Shared) -> Option<Payload> {
    let mut state = shared.state.lock();
    let polling = state.polling();
    let payload = polling.post.take()?;
    polling.post_taken = None;
    Some(payload)
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
