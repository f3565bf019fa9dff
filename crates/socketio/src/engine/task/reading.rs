//! What comes: read by turns with the driver, weighed, and given to it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::time::Instant;

use crate::engine::ending::Ending;
use crate::engine::held::Part;
use crate::engine::intake::Intake;
use crate::engine::link::{Link, LinkEnd};
use crate::engine::packet::Payload;
use crate::engine::service::Driver;
use crate::engine::session::{Shared, Wire};
use crate::engine::task::{Carrier, Task, limits};

/// Reads per poll of the task. After these it lets others go first.
const ROUNDS_MAX: usize = 4;

/// How much was read of what the client has said.
#[derive(PartialEq, Eq)]
pub(super) enum Read {
    /// All that has come, or all that is taken for now.
    All,
    Some,
}

impl<D: Driver> Task<D> {
    /// Nothing can be written any more. What the client said before it went may still be there, and says why it went.
    pub(super) fn last_words(&mut self) -> Option<Ending> {
        let Carrier::WebSocket(link) = &mut self.carrier else {
            return None;
        };
        let mut intake = Intake::new(&mut self.driver, self.ticket.shared.wire);
        link.receive_rest(|data| intake.data(data)).err()
    }

    /// Whether the client is read at all: its pongs are not heard while it is not.
    pub(super) fn listens(&self) -> bool {
        self.driver.accepts() && self.pace.rests_until().is_none()
    }

    /// Reads and drives by turns until there is nothing to read or the driver takes no more.
    pub(super) fn receive(&mut self, cx: &mut Context<'_>) -> Result<Read, Ending> {
        // Most wakes are not for the driver: its memory is not even touched then.
        let mut is_touched = self.is_driver_busy;
        let received = self.take_turns(cx, &mut is_touched);
        if is_touched {
            self.note_held(cx);
        }
        received
    }

    /// Tells what is kept of what the client has said, and has the alarm ring when it should be whole.
    pub(super) fn note_held(&mut self, cx: &mut Context<'_>) {
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
        let stood = self.held.standing();
        if !self.held.note(bytes, part, Instant::now) {
            return;
        }
        let stands = self.held.standing();
        self.ticket.shared.state.lock().held = stands;
        let is_new = stood.map(|(_, since)| since) != stands.map(|(_, since)| since);
        self.count_unfinished(bytes, is_new);
        if let Some(due) = self.held.due(self.ticket.shared.config.message_timeout) {
            self.ring_by(due, Instant::now(), cx);
        }
    }

    /// Counts what it keeps among what its address and all keep. What has just begun has not stood long.
    fn count_unfinished(&mut self, bytes: usize, is_new: bool) {
        if bytes == 0 {
            self.account = None;
            return;
        }
        match &mut self.account {
            Some(account) if is_new => account.renew(),
            Some(_) => {}
            None => {
                let session = Arc::downgrade(&self.ticket.shared);
                let end = move |told| {
                    if let Some(session) = session.upgrade() {
                        session.close_unfinished(told);
                    }
                };
                let kept = self.ticket.kept.as_ref();
                self.account = kept.and_then(|kept| kept.account(end)).map(Box::new);
            }
        }
        if let Some(account) = &mut self.account {
            if is_new && self.ticket.shared.is_spared() {
                account.spare();
            }
            account.set(bytes);
        }
    }

    fn take_turns(&mut self, cx: &mut Context<'_>, is_touched: &mut bool) -> Result<Read, Ending> {
        for _ in 0..ROUNDS_MAX {
            if self.is_driver_busy {
                self.is_driver_busy = self.driver.poll(cx).is_pending();
                if self.is_driver_busy && !self.driver.accepts() {
                    return Ok(Read::All);
                }
            }
            // What is unfinished is not judged meanwhile: it is we who do not read.
            if let Some(account) = &self.account
                && account.poll_room(cx).is_pending()
            {
                return Ok(Read::Some);
            }
            if self.rests(cx) || self.poll_receive(cx)?.is_pending() {
                return Ok(Read::All);
            }
            *is_touched = true;
        }
        cx.waker().wake_by_ref();
        Ok(Read::Some)
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
}

fn take_post(shared: &Shared) -> Option<Payload> {
    let mut state = shared.state.lock();
    let polling = state.polling();
    let (payload, _) = polling.post.take()?;
    polling.post_taken = None;
    Some(payload)
}
