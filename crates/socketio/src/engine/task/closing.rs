//! The end of a session: what is still sent, how goodbye is said, when the driver is told.
//!
//! Drives transport and driver side by side until both are at their end or the time is over.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::time::Instant;

use crate::engine::ending::{Ending, Farewell};
use crate::engine::link::Link;
use crate::engine::outbox::Outbox;
use crate::engine::parcel::Parcel;
use crate::engine::service::Driver;
use crate::engine::session::{Phase, Shared};
use crate::engine::task::{Carrier, Task, answer_of, limits};
use crate::handler::DisconnectReason;
use crate::websocket::frame::code;

/// The end of a session while it is carried out.
pub(super) struct Closing {
    ending: Ending,
    deadline: Instant,
    driver_is_done: bool,
}

impl<D: Driver> Task<D> {
    pub(super) fn begin_closing(&mut self, ending: Ending) {
        // Its id is left out: who knows it can speak for the client.
        tracing::debug!(peer = ?self.ticket.shared.handshake.peer_addr(), ?ending, "session ends");
        let now = Instant::now();
        let deadline = now + self.ticket.shared.config.close_timeout;
        self.closing = Some(Box::new(Closing {
            ending,
            deadline,
            driver_is_done: false,
        }));
        self.alarm.set(deadline, now);
        self.end_probe();
        self.payloads.clear();
        if let Carrier::WebSocket(link) = &mut self.carrier {
            link.forget_unfinished();
        }
        if let Some(account) = &self.account {
            account.set(self.driver.holds().bytes);
        }
        let feeds = std::mem::take(&mut self.feeds);
        let mut state = self.ticket.shared.state.lock();
        state.phase = Phase::Closing(ending.reason);
        let changes = std::mem::take(&mut state.feed_changes);
        let dropped = (!matches!(ending.farewell, Farewell::AfterQueue(..))).then(|| {
            self.outbox.keep_begun();
            state.take_queue()
        });
        drop(state);
        // Feeds are foreign code, which must not run under the lock.
        drop((feeds, changes, dropped));
    }

    /// Says goodbye over the carrier and lets the driver come to its end, side by side.
    pub(super) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(closing) = &self.closing else {
            return Poll::Ready(());
        };
        let (ending, deadline) = (closing.ending, closing.deadline);
        if !matches!(self.carrier, Carrier::Ended)
            && (self.poll_goodbye(cx, ending.farewell).is_ready()
                || self.alarm.poll(cx).is_ready() && Instant::now() >= deadline)
        {
            self.carrier = Carrier::Ended;
            self.outbox = Outbox::default();
            self.ticket.withdraw();
        }
        let closing = self.closing.as_mut().expect("it was there above");
        if !closing.driver_is_done {
            closing.driver_is_done = self.driver.poll_close(ending.reason, cx).is_ready();
        }
        if closing.driver_is_done && matches!(self.carrier, Carrier::Ended) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    fn poll_goodbye(&mut self, cx: &mut Context<'_>, farewell: Farewell) -> Poll<()> {
        match (&mut self.carrier, farewell) {
            (Carrier::Ended, _) | (Carrier::Opening(_) | Carrier::WebSocket(_), Farewell::None) => {
                Poll::Ready(())
            }
            (Carrier::Opening(upgrade), _) => {
                let Ok(upgraded) = ready!(Pin::new(upgrade).poll(cx)) else {
                    return Poll::Ready(());
                };
                self.carrier =
                    Carrier::WebSocket(Box::new(Link::new(upgraded, limits(&self.ticket.shared))));
                self.poll_goodbye(cx, farewell)
            }
            (Carrier::WebSocket(link), Farewell::AtOnce(code, reason)) => link
                .poll_goodbye(cx, &mut self.outbox, code, reason)
                .map(drop),
            (Carrier::WebSocket(link), Farewell::TooLarge(max)) => {
                let reason = self.ticket.shared.config.too_large(max);
                link.poll_goodbye(cx, &mut self.outbox, code::TOO_LARGE, &reason)
                    .map(drop)
            }
            (Carrier::WebSocket(link), Farewell::AfterQueue(code, reason)) => {
                // The feed that had it is gone.
                let _ = ready!(link.poll_recall(cx, &mut self.outbox));
                loop {
                    take_queue(&self.ticket.shared, &mut self.outbox, Outbox::has_room);
                    if self.outbox.is_empty() {
                        break;
                    }
                    if ready!(link.poll_write(cx, &mut self.outbox)).is_err() {
                        return Poll::Ready(());
                    }
                }
                link.poll_goodbye(cx, &mut self.outbox, code, reason)
                    .map(drop)
            }
            (Carrier::Polling, farewell) => self.answer_goodbye(farewell),
        }
    }

    fn answer_goodbye(&mut self, farewell: Farewell) -> Poll<()> {
        let (packets_max, bytes_max) = self.answer_bounds();
        let shared = &self.ticket.shared;
        let reason = self.closing.as_ref().map(|closing| closing.ending.reason);
        let (poll, has_left) = {
            let mut state = shared.state.lock();
            let polling = state.polling();
            (polling.poll.take(), polling.has_left)
        };
        match (poll, farewell) {
            (Some(poll), _) if reason == Some(DisconnectReason::ClientDisconnect) => {
                let _ = poll.send(answer_of(&Parcel::noop()));
                Poll::Ready(())
            }
            (Some(poll), Farewell::AfterQueue(..)) => {
                take_queue(shared, &mut self.outbox, |outbox| {
                    outbox.has_room_in_answer(packets_max, bytes_max)
                });
                if self.outbox.is_empty() {
                    let _ = poll.send(answer_of(&Parcel::close()));
                    return Poll::Ready(());
                }
                // Goodbye comes with the next poll: socket.io-client would act on it before the packets ahead of it.
                let _ = poll.send(self.outbox.take_answer(packets_max, bytes_max));
                Poll::Pending
            }
            (Some(poll), _) => {
                let _ = poll.send(answer_of(&Parcel::close()));
                Poll::Ready(())
            }
            // A poll that comes wakes the task.
            (None, Farewell::AfterQueue(..)) if !has_left => Poll::Pending,
            (None, _) => Poll::Ready(()),
        }
    }
}

fn take_queue(shared: &Shared, outbox: &mut Outbox, has_room: impl Fn(&Outbox) -> bool) {
    let mut state = shared.state.lock();
    while has_room(outbox) {
        let Some(parcel) = state.pop() else {
            break;
        };
        outbox.push(parcel);
    }
}
