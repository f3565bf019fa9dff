//! A session as a future that reads messages one after the other.

use abanico_socketio::DisconnectReason;
use abanico_socketio::engine::{Driver, Holds, Inbound, Malformed, Parcel, Session};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::mpsc;

/// Messages that may wait for a conversation. When they are reached the client is read no further.
const INBOX_MESSAGES: usize = 32;

/// Bytes of messages that may wait for a conversation; one message may pass the bound. When they are reached the client is
/// read no further.
const INBOX_BYTES: usize = 1 << 20;

/// The driver of one session: hands its messages to the conversation, and carries out how that ends.
pub(super) struct Conversation {
    session: Session,
    /// Dropped when nothing more can come. A channel has room for 32 at once, and most clients say nothing: in boxes that is a
    /// kilobyte less for each.
    inbox: Option<mpsc::Sender<Box<Inbound>>>,
    /// Bytes that wait there.
    waiting: Arc<AtomicUsize>,
    /// `None` when it is over.
    running: Option<Pin<Box<dyn Future<Output = Closing> + Send>>>,
}

/// How a conversation ends: the last words, and the close code of a WebSocket with its reason.
pub(super) struct Closing {
    pub(super) words: Option<String>,
    pub(super) code: u16,
    pub(super) reason: &'static str,
}

/// What the client says, in order. `None` when it has gone.
pub(super) struct Inbox {
    messages: mpsc::Receiver<Box<Inbound>>,
    waiting: Arc<AtomicUsize>,
}

impl Conversation {
    pub(super) fn new<F>(session: Session, begin: impl FnOnce(Session, Inbox) -> F) -> Self
    where
        F: Future<Output = Closing> + Send + 'static,
    {
        let (inbox, messages) = mpsc::channel(INBOX_MESSAGES);
        let waiting = Arc::new(AtomicUsize::new(0));
        let of_it = Inbox {
            messages,
            waiting: Arc::clone(&waiting),
        };
        let running = begin(session.clone(), of_it);
        Self {
            session,
            inbox: Some(inbox),
            waiting,
            running: Some(Box::pin(running)),
        }
    }
}

impl Closing {
    /// The client has gone, or there is no more to say.
    pub(super) fn gone() -> Self {
        const NORMAL: u16 = 1000;
        Self {
            words: None,
            code: NORMAL,
            reason: "",
        }
    }
}

impl Inbox {
    /// The next message. Cancelling it loses nothing.
    pub(super) async fn next(&mut self) -> Option<Inbound> {
        let message = self.messages.recv().await?;
        self.waiting.fetch_sub(message.len(), Ordering::Relaxed);
        Some(*message)
    }

    /// The next message, if it comes in time; `Err` if it does not.
    pub(super) async fn next_within(&mut self, time: Duration) -> Result<Option<Inbound>, ()> {
        tokio::time::timeout(time, self.next()).await.map_err(drop)
    }
}

impl Driver for Conversation {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(running) = &mut self.running else {
            return Poll::Ready(());
        };
        let Poll::Ready(closing) = AssertUnwindSafe(running).catch_unwind().poll_unpin(cx) else {
            return Poll::Pending;
        };
        self.running = None;
        match closing {
            Ok(closing) => {
                if let Some(words) = closing.words {
                    // A client that cannot take it is closed all the same.
                    let _ = self.session.send(Parcel::plain_text(&words));
                }
                self.session.close_with(closing.code, closing.reason);
            }
            Err(_) => self.session.close(DisconnectReason::HandlerPanic),
        }
        Poll::Ready(())
    }

    fn accepts(&self) -> bool {
        // After its end a conversation takes everything and looks at nothing.
        self.running.is_none()
            || self
                .inbox
                .as_ref()
                .is_some_and(|inbox| inbox.capacity() > 0)
                && self.waiting.load(Ordering::Relaxed) < INBOX_BYTES
    }

    fn holds(&self) -> Holds {
        let bytes = match self.running {
            Some(_) => self.waiting.load(Ordering::Relaxed),
            // They went with it.
            None => 0,
        };
        Holds {
            bytes,
            unfinished: None,
        }
    }

    fn message(&mut self, message: Inbound) -> Result<(), Malformed> {
        if let Some(inbox) = &self.inbox {
            self.waiting.fetch_add(message.len(), Ordering::Relaxed);
            // There is room, or the conversation has ended.
            let _ = inbox.try_send(Box::new(message));
        }
        Ok(())
    }

    fn poll_close(&mut self, _reason: DisconnectReason, cx: &mut Context<'_>) -> Poll<()> {
        self.inbox = None;
        let Some(running) = &mut self.running else {
            return Poll::Ready(());
        };
        // It ends because its inbox has. What it would still say is heard by nobody.
        let ended = AssertUnwindSafe(running).catch_unwind().poll_unpin(cx);
        if ended.is_ready() {
            self.running = None;
        }
        ended.map(drop)
    }
}
