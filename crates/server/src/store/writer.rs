//! Writes records in batches, one transaction each, in the order in which they came.
//!
//! The writer never gives up on the store and never holds up the streams for good: a batch that cannot be written is
//! tried again for a while, then let go with a message that says what is lost and what to do.

use super::{Store, records};
use crate::login::callback::{Ended, Reports};
use abanico_streamhub::store::{Record, Status, StreamRow};
use abanico_streamhub::time::Timestamp;
use sqlx::Connection;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// Records that may wait to be written. While there are as many, clients whose changes must be recorded wait, and
/// entries of the streams' history are dropped.
pub(crate) const JOURNAL_MAX: usize = 4096;

/// Records in one transaction; more make the next one.
const BATCH_MAX: usize = 512;

/// Times that a batch is tried. After the last it is let go.
const TRIES_MAX: u32 = 6;

/// The wait before the second try; it doubles each time, so that a batch is let go after some six seconds.
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// How often the old part of the history is removed.
const PRUNE_EVERY: Duration = Duration::from_secs(3600);

/// The task between the journal and the database.
#[derive(Debug)]
pub(crate) struct Writer {
    store: Store,
    journal: mpsc::Receiver<Record>,
    history_for: Duration,
    /// Who else is told of streams that have ended.
    reports: Option<Reports>,
}

impl Writer {
    /// A writer, and the journal that it writes down. Ended streams are removed `history_for` after their end.
    pub(crate) fn new(
        store: Store,
        history_for: Duration,
        reports: Option<Reports>,
    ) -> (Self, mpsc::Sender<Record>) {
        let (sender, journal) = mpsc::channel(JOURNAL_MAX);
        (
            Self {
                store,
                journal,
                history_for,
                reports,
            },
            sender,
        )
    }

    /// Writes until `stop`, and then what is still in the journal.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        let mut prune_at = Instant::now();
        loop {
            tokio::select! {
                received = self.journal.recv_many(&mut batch, BATCH_MAX) => {
                    if received == 0 {
                        break;
                    }
                    self.report(&batch);
                    self.write(&batch).await;
                    batch.clear();
                }
                () = tokio::time::sleep_until(prune_at) => {
                    self.prune().await;
                    prune_at = Instant::now() + PRUNE_EVERY;
                }
                () = stop.cancelled(), if !self.journal.is_closed() => self.journal.close(),
            }
        }
        if let Some(reports) = &self.reports {
            reports.finish().await;
        }
        if let Err(error) = self.store.close().await {
            tracing::warn!(%error, "the store was not closed tidily; the next start puts it right");
        }
    }

    /// Tells of the streams that have ended.
    fn report(&self, batch: &[Record]) {
        let Some(reports) = &self.reports else { return };
        for record in batch {
            if let Record::Stream(row) = record
                && row.status == Status::Ended
            {
                reports.tell(ended(row));
            }
        }
    }

    async fn write(&mut self, batch: &[Record]) {
        let mut wait = RETRY_AFTER;
        for tried in 1..=TRIES_MAX {
            let Err(error) = self.try_write(batch).await else {
                return;
            };
            if is_about_the_records(&error) {
                return self.write_singly(batch).await;
            }
            if tried == TRIES_MAX {
                tracing::error!(
                    %error, records = batch.len(),
                    "changes will not survive a restart: the data directory cannot be written; streams go on. \
                     Look for room on the disk (`df`) and for the right to write"
                );
                return;
            }
            tracing::warn!(%error, tried, "the store cannot be written; trying again");
            sleep(wait).await;
            wait *= 2;
        }
    }

    async fn try_write(&mut self, batch: &[Record]) -> sqlx::Result<()> {
        let mut transaction = self.store.connection.begin().await?;
        for record in batch {
            records::write(&mut transaction, record).await?;
        }
        transaction.commit().await
    }

    /// Writes what can be written of a batch in which something cannot.
    async fn write_singly(&mut self, batch: &[Record]) {
        for record in batch {
            if let Err(error) = records::write(&mut self.store.connection, record).await {
                tracing::warn!(%error, ?record, "a change does not fit the store and is left out");
            }
        }
    }

    pub(super) async fn prune(&mut self) {
        let history_for = u64::try_from(self.history_for.as_millis()).unwrap_or(u64::MAX);
        let before = Timestamp::from_millis(Timestamp::now().millis().saturating_sub(history_for));
        let pruned = sqlx::query("DELETE FROM streams WHERE status = 'ENDED' AND ended_at < $1")
            .bind(records::millis(before))
            .execute(&mut self.store.connection)
            .await;
        match pruned {
            Ok(done) if done.rows_affected() > 0 => {
                tracing::info!(streams = done.rows_affected(), "removed from the history");
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "the history could not be cut; it is tried again in an hour")
            }
        }
    }
}

/// An end as others are told of it.
fn ended(row: &StreamRow) -> Ended {
    Ended {
        stream: row.stream_key.clone(),
        connection: row.opened_by,
        created_at: row.created_at.to_iso(),
        started_at: row.started_at.map(Timestamp::to_iso),
        ended_at: row.ended_at.map(Timestamp::to_iso),
        viewers_peak: row.viewers_peak,
    }
}

/// Whether a record contradicts the store, so that trying again cannot help.
fn is_about_the_records(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| {
        error.is_unique_violation()
            || error.is_foreign_key_violation()
            || error.is_check_violation()
    })
}
