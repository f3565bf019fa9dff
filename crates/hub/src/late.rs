//! Waiting for what a peer is to do within a time in which this process is there to see it ([`abanico_core::late`]).

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use abanico_core::late::is_late;
use tokio::time::{Instant, sleep_until, timeout};

/// After a standstill as much as it takes other tasks to read what had come meanwhile.
const SETTLES: Duration = Duration::from_millis(100);

/// What comes of `future` within that time, and a moment more; `None` if nothing does. If the process stood still when the
/// time was over, `future` has it once more, and not again.
pub async fn within<F: Future>(time: Duration, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    for _ in 0..2 {
        let due = Instant::now() + time;
        tokio::select! {
            biased;
            output = &mut future => return Some(output),
            () = sleep_until(due) => {}
        }
        if !is_late(due.elapsed()) {
            break;
        }
    }
    timeout(SETTLES, future).await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Poll;
    use tokio::time::advance;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn what_does_not_come_in_time_is_not_waited_for() {
        let begun = Instant::now();
        assert_eq!(
            within(20 * SECOND, std::future::pending::<()>()).await,
            None
        );
        assert!(begun.elapsed() < 21 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn time_in_which_the_process_stood_still_is_given_again_once() {
        let (brings, comes) = tokio::sync::oneshot::channel();
        let mut waiting = pin!(within(20 * SECOND, comes));
        assert!(polled(&mut waiting).await.is_none());
        advance(60 * SECOND).await;
        assert!(polled(&mut waiting).await.is_none());
        brings.send(7).unwrap();
        assert_eq!(waiting.await, Some(Ok(7)));

        let mut waiting = pin!(within(20 * SECOND, std::future::pending::<()>()));
        for _ in 0..2 {
            assert!(polled(&mut waiting).await.is_none());
            advance(60 * SECOND).await;
        }
        assert!(polled(&mut waiting).await.is_none());
        advance(SECOND).await;
        assert_eq!(polled(&mut waiting).await, Some(None));
    }

    /// Polls once.
    async fn polled<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        std::future::poll_fn(|cx| {
            Poll::Ready(match std::pin::Pin::new(&mut *future).poll(cx) {
                Poll::Ready(output) => Some(output),
                Poll::Pending => None,
            })
        })
        .await
    }
}
