//! Tells of streams that have ended, again and again until it is heard.
//!
//! Nobody waits for that. Invariant: as many ends wait as [`ENDS_MAX`] says, whoever is told may be away as long as it likes.

use super::{Event, Message, Post, message_id};
use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

/// Ends that wait to be heard. One more is not told, and the log says so.
const ENDS_MAX: usize = 1000;

/// Ends that are told at one time.
const AT_ONCE: usize = 4;

/// How long after an end that was not heard it is told again. After the last it is given up.
const AGAIN_AFTER: [Duration; 6] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(120),
    Duration::from_secs(600),
    Duration::from_secs(1800),
];

/// How long a server that stops waits until what ended with it is heard.
const LAST_WORDS_WITHIN: Duration = Duration::from_secs(3);

/// A stream that is over.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ended {
    pub(crate) stream: String,
    /// Over which it was opened.
    pub(crate) connection: Option<Uuid>,
    /// When each happened, as RFC 3339 writes it. One that never went live has no start.
    pub(crate) created_at: String,
    pub(crate) started_at: Option<String>,
    pub(crate) ended_at: Option<String>,
    pub(crate) viewers_peak: u64,
}

/// Tells of ends. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Reports {
    post: Post,
    within: Duration,
    places: Arc<Semaphore>,
    telling: Arc<Semaphore>,
    tasks: TaskTracker,
}

impl Reports {
    pub(super) fn new(post: Post, within: Duration) -> Self {
        Self {
            post,
            within,
            places: Arc::new(Semaphore::new(ENDS_MAX)),
            telling: Arc::new(Semaphore::new(AT_ONCE)),
            tasks: TaskTracker::new(),
        }
    }

    /// Tells of an end, as soon as it can be.
    pub(crate) fn tell(&self, ended: Ended) {
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            tracing::warn!(max = ENDS_MAX, "too many ends wait to be told: one is not");
            return;
        };
        let body = Message::new(Event::End, ended).written();
        let reports = self.clone();
        self.tasks.spawn(async move {
            let _place = place;
            reports.deliver(body).await;
        });
    }

    /// Waits a while until what was told is heard.
    pub(crate) async fn finish(&self) {
        self.tasks.close();
        let heard = tokio::time::timeout(LAST_WORDS_WITHIN, self.tasks.wait());
        if heard.await.is_err() {
            let unheard = self.tasks.len();
            tracing::warn!(
                unheard,
                "the callback was not told of streams that have ended"
            );
        }
    }

    async fn deliver(&self, body: Bytes) {
        let id = message_id();
        for again_after in AGAIN_AFTER.into_iter().map(Some).chain([None]) {
            let why = match self.deliver_once(&id, body.clone()).await {
                Ok(()) => return,
                Err(why) => why,
            };
            let Some(again_after) = again_after else {
                tracing::warn!(%why, "the callback did not hear of a stream's end; it is given up");
                return;
            };
            tracing::debug!(%why, ?again_after, "the callback did not hear of a stream's end");
            tokio::time::sleep(again_after).await;
        }
    }

    async fn deliver_once(&self, id: &str, body: Bytes) -> Result<(), String> {
        // The semaphore is never closed.
        let _turn = self.telling.acquire().await;
        let answer = self.post.send(id, body, self.within).await;
        let answer = answer.map_err(|error| error.to_string())?;
        // Who is gone for good need not be told again.
        if answer.status.is_success() || answer.status == StatusCode::GONE {
            return Ok(());
        }
        Err(format!("the answer is {}", answer.status))
    }
}
