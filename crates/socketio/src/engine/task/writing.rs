//! What goes: fills the outbox and writes it, lends the socket to a feed, answers polls.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use tokio::time::Instant;

use crate::engine::ending::Ending;
use crate::engine::link::LinkEnd;
use crate::engine::outbox::Outbox;
use crate::engine::outlet::Outlet;
use crate::engine::parcel::Parcel;
use crate::engine::service::Driver;
use crate::engine::session::{Upgrading, Wire};
use crate::engine::task::{Carrier, Task};
use crate::handler::DisconnectReason;

/// Vectored writes per poll of the task. After these it lets others go first.
const WRITES_MAX: usize = 16;

impl<D: Driver> Task<D> {
    pub(super) fn send(&mut self, cx: &mut Context<'_>) -> Result<(), Ending> {
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

    pub(super) fn answer_bounds(&self) -> (usize, usize) {
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
}

fn panicked() -> Ending {
    Ending::of(DisconnectReason::HandlerPanic)
}
