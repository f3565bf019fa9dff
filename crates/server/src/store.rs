//! What survives a restart, in a SQLite database in the data directory: users, who follows whom, and the history of
//! streams.
//!
//! It is read once, at the start, and from then on only written, by [`writer`]: nobody who watches waits for a disk.
//! Invariant: no stream outlives the process that carried it, not even when that process was killed.

mod directory;
mod records;
mod writer;

pub(crate) use directory::DataDirectory;
pub(crate) use writer::Writer;

use crate::private;
use abanico_streamhub::store::{Role, Snapshot, SubscriptionRow, UserRow};
use abanico_streamhub::time::Timestamp;
use anyhow::Context;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteRow, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Row, SqlSafeStr, SqliteConnection};
use std::time::Duration;
use uuid::Uuid;

/// How long a statement waits for another program that looks into the database. Then the batch is tried again.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The database's steps from nothing to its present form. A step that was released is never changed.
const MIGRATIONS: [(i64, &str, &str); 2] = [
    (
        1,
        "users, streams, subscriptions",
        include_str!("../migrations/0001_users_streams_subscriptions.sql"),
    ),
    (
        2,
        "stream keys return",
        include_str!("../migrations/0002_stream_keys_return.sql"),
    ),
];

/// The open database. Nobody else has it while this lives.
#[derive(Debug)]
pub(crate) struct Store {
    connection: SqliteConnection,
    directory: DataDirectory,
}

impl Store {
    /// Opens the database of a data directory, makes it if it is not there, and brings it to its present form.
    pub(crate) async fn open(directory: DataDirectory) -> anyhow::Result<Self> {
        let path = directory.database();
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(BUSY_TIMEOUT)
            .foreign_keys(true)
            .disable_statement_logging();
        let opened = async {
            // SQLite gives what it puts beside a database the rights of that.
            private::keep(&path)?;
            let mut connection = SqliteConnection::connect_with(&options).await?;
            migrator().run(&mut connection).await?;
            anyhow::Ok(connection)
        };
        let connection = opened.await.with_context(|| {
            format!(
                "{} cannot be used\n  hint: move it away to begin with an empty one, or choose another directory \
                 with `--data`\n  reason",
                path.display()
            )
        })?;
        Ok(Self {
            connection,
            directory,
        })
    }

    /// Puts right what a crash left, and reads what is known.
    pub(crate) async fn load(&mut self) -> anyhow::Result<Snapshot> {
        let ended = sqlx::query(
            "UPDATE streams SET status = 'ENDED', ended_at = $1 WHERE status <> 'ENDED'",
        )
        .bind(records::millis(Timestamp::now()))
        .execute(&mut self.connection)
        .await?
        .rows_affected();
        if ended > 0 {
            tracing::info!(
                streams = ended,
                "the last run did not end its streams; they are ended now"
            );
        }
        let users = sqlx::query("SELECT * FROM users ORDER BY seen_at")
            .fetch_all(&mut self.connection)
            .await?;
        let subscriptions = sqlx::query("SELECT * FROM subscriptions")
            .fetch_all(&mut self.connection)
            .await?;
        let snapshot = Snapshot {
            users: users
                .iter()
                .filter_map(|row| sound(user(row), "users"))
                .collect(),
            subscriptions: subscriptions
                .iter()
                .filter_map(|row| sound(subscription(row), "subscriptions"))
                .collect(),
        };
        tracing::debug!(
            users = snapshot.users.len(),
            subscriptions = snapshot.subscriptions.len(),
            "store read"
        );
        Ok(snapshot)
    }

    /// Closes the database: what was written is in one file then.
    pub(crate) async fn close(self) -> anyhow::Result<()> {
        self.connection.close().await?;
        drop(self.directory);
        Ok(())
    }
}

fn migrator() -> Migrator {
    let steps = MIGRATIONS.map(|(version, name, sql)| {
        Migration::new(
            version,
            name.into(),
            MigrationType::Simple,
            sql.into_sql_str(),
            false,
        )
    });
    Migrator::with_migrations(steps.into())
}

/// A row that somebody has spoilt by hand is passed over; the server starts without it.
fn sound<T>(read: anyhow::Result<T>, table: &str) -> Option<T> {
    read.inspect_err(
        |error| tracing::warn!(table, %error, "a row of the store cannot be read and is left out"),
    )
    .ok()
}

fn user(row: &SqliteRow) -> anyhow::Result<UserRow> {
    let resume_hash: Vec<u8> = row.try_get("resume_hash")?;
    Ok(UserRow {
        id: uuid(row, "id")?,
        username: row.try_get("username")?,
        role: Role::from_wire(row.try_get("role")?),
        resume_hash: resume_hash
            .try_into()
            .ok()
            .context("resume_hash is not 32 bytes long")?,
        token_shown: row.try_get("token_shown")?,
        created_at: timestamp(row, "created_at")?,
        seen_at: timestamp(row, "seen_at")?,
    })
}

fn subscription(row: &SqliteRow) -> anyhow::Result<SubscriptionRow> {
    Ok(SubscriptionRow {
        follower: uuid(row, "follower_id")?,
        following: uuid(row, "following_id")?,
        created_at: timestamp(row, "created_at")?,
    })
}

fn uuid(row: &SqliteRow, column: &str) -> anyhow::Result<Uuid> {
    Uuid::parse_str(row.try_get(column)?).with_context(|| column.to_owned())
}

fn timestamp(row: &SqliteRow, column: &str) -> anyhow::Result<Timestamp> {
    let millis: i64 = row.try_get(column)?;
    Ok(Timestamp::from_millis(
        u64::try_from(millis).with_context(|| column.to_owned())?,
    ))
}

#[cfg(test)]
mod tests;
