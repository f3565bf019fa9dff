//! An answer over HTTP/2, until the client has taken it.
//!
//! What hyper is given of a body it gives to a queue, and knows no more of it. So it is given pieces that tell when they have
//! left, and the end of a body is held back until all of it has: until then the answer is open, and can be reset.
//!
//! Invariant: an answer whose length is known is gone when the client takes nothing of it for `stall-timeout`, at most half as long
//! again. What nobody knows the end of is a session's, and left to it: a page may pause a picture.

use abanico_core::late::is_late;
use axum::body::Body;
use bytes::{Buf, Bytes};
use http_body::{Frame, SizeHint};
use hyper::rt::Executor;
use parking_lot::Mutex;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use tokio::time::Instant;

/// Bytes of a piece: a frame of HTTP/2.
const PIECE_BYTES_MAX: usize = 16 * 1024;

tokio::task_local! {
    /// How far the answer is that this task is about.
    static PROGRESS: Progress;
}

/// Runs the answers of a connection, each as a task. Who takes nothing of one has it reset.
#[derive(Debug, Clone)]
pub(crate) struct Answers {
    pub(super) stall_timeout: Duration,
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Answers {
    fn execute(&self, answering: F) {
        let progress = Progress::default();
        let stalled = progress.clone().stalled(self.stall_timeout);
        tokio::spawn(PROGRESS.scope(progress, async move {
            tokio::select! {
                biased;
                () = answering => {}
                // What is dropped unfinished is reset.
                () = stalled => tracing::debug!("an answer was reset: nothing of it was taken"),
            }
        }));
    }
}

/// How far an answer is. Clones are the same.
#[derive(Debug, Clone, Default)]
struct Progress(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    /// Whether the client is to take it without a pause.
    is_due: bool,
    /// How often something was taken of it.
    taken: u64,
    /// Pieces that have not left.
    pieces: usize,
    /// Who waits for the last of them.
    ending: Option<Waker>,
}

impl Progress {
    /// Returns when the answer is due and nothing was taken of it for so long.
    async fn stalled(self, timeout: Duration) {
        /// As many looks in a row that see nothing taken.
        const LOOKS: u32 = 2;
        let (mut seen, mut alike) = (None, 0);
        while alike < LOOKS {
            let due = Instant::now() + timeout / LOOKS;
            tokio::time::sleep_until(due).await;
            let was_seen = !is_late(due.elapsed());
            let now = {
                let inner = self.0.lock();
                inner.is_due.then_some(inner.taken)
            };
            alike = if was_seen && now.is_some() && now == seen {
                alike + 1
            } else {
                0
            };
            seen = now;
        }
    }

    fn piece(&self, bytes: Bytes) -> Piece {
        self.0.lock().pieces += 1;
        Piece {
            bytes,
            of: self.clone(),
        }
    }

    /// Waits until all pieces have left.
    fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.0.lock();
        if inner.pieces == 0 {
            return Poll::Ready(());
        }
        inner.ending = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// Bytes of an answer that tell when they have left.
pub(super) struct Piece {
    bytes: Bytes,
    of: Progress,
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.bytes
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        self.of.0.lock().taken += 1;
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let ending = {
            let mut inner = self.of.0.lock();
            inner.pieces -= 1;
            if inner.pieces == 0 {
                inner.ending.take()
            } else {
                None
            }
        };
        if let Some(ending) = ending {
            ending.wake();
        }
    }
}

/// An answer's body in pieces, with something that is dropped when all of them have left.
pub(super) struct Answering<T> {
    body: Body,
    /// What came of the body and is no piece yet.
    rest: Bytes,
    progress: Progress,
    has_begun: bool,
    _held: T,
}

impl<T> Answering<T> {
    /// That of the answer that this task is about.
    pub(super) fn new(body: Body, held: T) -> Self {
        let progress = PROGRESS.try_with(Progress::clone).unwrap_or_default();
        progress.0.lock().is_due = http_body::Body::size_hint(&body).exact().is_some();
        Self {
            body,
            rest: Bytes::new(),
            progress,
            has_begun: false,
            _held: held,
        }
    }
}

impl<T: Unpin> http_body::Body for Answering<T> {
    type Data = Piece;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Piece>, axum::Error>>> {
        let this = self.get_mut();
        this.has_begun = true;
        while this.rest.is_empty() {
            match ready!(Pin::new(&mut this.body).poll_frame(cx)?) {
                None => return this.progress.poll_gone(cx).map(|()| None),
                Some(frame) => match frame.into_data() {
                    Ok(data) => this.rest = data,
                    Err(trailers) => {
                        let trailers = trailers.map_data(|data| this.progress.piece(data));
                        return Poll::Ready(Some(Ok(trailers)));
                    }
                },
            }
        }
        let piece = this.rest.split_to(this.rest.len().min(PIECE_BYTES_MAX));
        Poll::Ready(Some(Ok(Frame::data(this.progress.piece(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        !self.has_begun && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
