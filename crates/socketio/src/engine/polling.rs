//! The two requests of polling: a GET that waits for packets, a POST that brings some.
//!
//! They only leave their wish in the session's state and wait; its task does the rest. A request that is dropped while
//! it waits means that its client is gone, and ends the session.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use abanico_core::late::is_late;
use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use crate::body::Body;
use crate::engine::answer::{self, Refused};
use crate::engine::packet::Payload;
use crate::engine::session::{Phase, Shared, State, Upgrading};
use crate::handler::DisconnectReason;
use crate::unfinished::Account;

/// How long a poll that comes while a WebSocket is about to take over waits for that. Its client may have sent the word
/// for it first, by the other connection: then this poll is one too many and must be told so.
const UPGRADE_GRACE: Duration = Duration::from_millis(50);

/// How long a goodbye by POST waits for the poll that its client may have sent at the same moment.
const GOODBYE_GRACE: Duration = Duration::from_millis(50);

/// How much of a POST that is too large is read and thrown away, so that its client can read the answer instead of a
/// reset. A larger one is cut off.
const DISCARD_BYTES_MAX: u64 = 4 << 20;

/// Waits for packets.
pub(crate) async fn poll(session: &Arc<Shared>) -> Result<Response<Body>, Refused> {
    let upgraded = {
        let mut state = session.state.lock();
        admit(session, &state)?;
        (state.polling().upgrading != Upgrading::No).then(|| {
            let (sender, receiver) = oneshot::channel();
            state.polling().upgraded = Some(sender);
            receiver
        })
    };
    if let Some(upgraded) = upgraded {
        let _ = timeout(UPGRADE_GRACE, upgraded).await;
    }
    let receiver = {
        let mut state = session.state.lock();
        admit(session, &state)?;
        if state.polling().poll.is_some() {
            drop(state);
            session.close(DisconnectReason::TransportError);
            return Err(Refused::BadRequest);
        }
        let (sender, receiver) = oneshot::channel();
        state.polling().poll = Some(sender);
        receiver
    };
    session.wake();
    let presence = Presence {
        session,
        is_done: false,
    };
    let body = receiver.await.map_err(|_| Refused::SessionUnknown);
    presence.done();
    body.map(answer::text)
}

/// Takes the packets of a body.
pub(crate) async fn post<B>(session: &Arc<Shared>, body: B) -> Result<Response<Body>, Refused>
where
    B: http_body::Body<Data = Bytes>,
{
    let kept = {
        let mut state = session.state.lock();
        admit(session, &state)?;
        if state.polling().posting.is_some() {
            drop(state);
            session.close(DisconnectReason::TransportError);
            return Err(Refused::BadRequest);
        }
        state.polling().posting = Some((0, Instant::now()));
        state.polling().kept.clone()
    };
    let presence = Presence {
        session,
        is_done: false,
    };
    let (ends, mut ended) = oneshot::channel();
    let of_session = Arc::downgrade(session);
    let account = kept.and_then(|kept| {
        kept.account(move |told| {
            if let Some(session) = of_session.upgrade() {
                session.close_unfinished(told);
            }
            let _ = ends.send(told);
        })
    });
    let result = tokio::select! {
        biased;
        Ok(told) = &mut ended => Err(Refused::Unfinished(told)),
        result = take(session, account, body) => result,
    };
    if let Some(polling) = &mut session.state.lock().polled {
        polling.posting = None;
    }
    presence.done();
    match result {
        Ok(()) => Ok(answer::text(Body::from(Bytes::from_static(b"ok")))),
        Err(refused) => {
            // One that came too late for a WebSocket that has taken over harms nobody.
            if refused == Refused::BadRequest && !session.is_websocket() {
                session.close(DisconnectReason::ParseError);
            }
            Err(refused)
        }
    }
}

async fn take<B>(session: &Arc<Shared>, account: Option<Account>, body: B) -> Result<(), Refused>
where
    B: http_body::Body<Data = Bytes>,
{
    let config = &session.config;
    let count = |bytes| {
        let mut state = session.state.lock();
        let posting = state
            .polled
            .as_mut()
            .and_then(|polling| polling.posting.as_mut());
        if let Some((posting, _)) = posting {
            *posting = bytes;
        }
        drop(state);
        if let Some(account) = &account {
            account.set(bytes);
        }
    };
    let body = timeout(config.body_timeout, read(body, config.max_payload, count))
        .await
        .unwrap_or(Err(Refused::BadRequest))?;
    let payload = Payload::new(body).map_err(|_| Refused::BadRequest)?;
    let says_goodbye = payload.check().map_err(|_| Refused::BadRequest)?;
    if says_goodbye && session.state.lock().polling().poll.is_none() {
        tokio::time::sleep(GOODBYE_GRACE).await;
    }
    let mut payload = Some((payload, account));
    loop {
        let taken = {
            let mut state = session.state.lock();
            admit(session, &state)?;
            if state.polling().post.is_none() {
                state.polling().post = payload.take();
                state.polling().has_left = says_goodbye;
                break;
            }
            let (sender, receiver) = oneshot::channel();
            state.polling().post_taken = Some(sender);
            receiver
        };
        // An error is the end of the session, which `admit` finds.
        let _ = taken.await;
    }
    session.wake();
    Ok(())
}

/// Whether the session takes requests of polling.
fn admit(session: &Shared, state: &State) -> Result<(), Refused> {
    if session.is_websocket() {
        return Err(Refused::BadRequest);
    }
    let has_post = state
        .polled
        .as_ref()
        .is_some_and(|polling| polling.post.is_some());
    let now = Instant::now();
    // Long after it, the session has stood still with the process, and judges by itself.
    let is_over = now >= state.dead_at && !is_late(now.duration_since(state.dead_at));
    let is_dead = is_over && !has_post;
    if is_dead || !state.accepts_requests() {
        return Err(Refused::SessionUnknown);
    }
    Ok(())
}

impl State {
    /// Whether the session is there for its client: open, or about to tell it goodbye.
    pub(crate) fn accepts_requests(&self) -> bool {
        let is_open = match self.phase {
            Phase::Open => true,
            Phase::Closing(reason) => {
                matches!(
                    reason,
                    DisconnectReason::ServerDisconnect | DisconnectReason::ServerShutdown
                )
            }
            Phase::Closed => false,
        };
        is_open && !self.polled.as_ref().is_some_and(|polling| polling.has_left)
    }
}

/// Ends the session when a request of its client is dropped before it was answered.
struct Presence<'a> {
    session: &'a Shared,
    is_done: bool,
}

impl Presence<'_> {
    fn done(mut self) {
        self.is_done = true;
    }
}

impl Drop for Presence<'_> {
    fn drop(&mut self) {
        if !self.is_done {
            self.session.close(DisconnectReason::TransportClose);
        }
    }
}

/// Reads a body, and tells `count` how many bytes are kept of it.
async fn read<B>(body: B, max: usize, count: impl Fn(usize)) -> Result<Bytes, Refused>
where
    B: http_body::Body<Data = Bytes>,
{
    let announced = body.size_hint().lower();
    if announced > max as u64 + DISCARD_BYTES_MAX {
        return Err(Refused::TooLarge);
    }
    let mut body = pin!(body);
    let mut bytes = Vec::new();
    let mut is_too_large = announced > max as u64;
    let mut seen = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Refused::BadRequest)?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        seen += data.len() as u64;
        is_too_large |= seen > max as u64;
        if !is_too_large {
            bytes.extend_from_slice(&data);
            count(bytes.capacity());
        } else if seen > max as u64 + DISCARD_BYTES_MAX {
            return Err(Refused::TooLarge);
        } else {
            bytes = Vec::new();
            count(0);
        }
    }
    if is_too_large {
        Err(Refused::TooLarge)
    } else {
        Ok(bytes.into())
    }
}
