//! Each kind of record as the statement that writes it.
//!
//! One text for SQLite and PostgreSQL. A statement may be run twice: it then changes nothing.

use abanico_streamhub::store::{Record, StreamRow, SubscriptionRow, UserRow};
use abanico_streamhub::time::Timestamp;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteArguments;
use uuid::Uuid;

/// Writes one record.
pub(super) async fn write(connection: &mut SqliteConnection, record: &Record) -> sqlx::Result<()> {
    let statement = match record {
        Record::User(row) => user(row),
        Record::UserForgotten(id) => sqlx::query("DELETE FROM users WHERE id = $1").bind(text(*id)),
        Record::Subscribed(row) => subscribed(row),
        Record::Unsubscribed {
            follower,
            following,
        } => sqlx::query("DELETE FROM subscriptions WHERE follower_id = $1 AND following_id = $2")
            .bind(text(*follower))
            .bind(text(*following)),
        Record::Stream(row) => stream(row),
    };
    statement.execute(connection).await.map(drop)
}

type Statement<'a> = sqlx::query::Query<'a, sqlx::Sqlite, SqliteArguments>;

fn user(row: &UserRow) -> Statement<'_> {
    sqlx::query(
        "INSERT INTO users (id, username, role, resume_hash, token_shown, created_at, seen_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) \
         ON CONFLICT (id) DO UPDATE SET username = excluded.username, role = excluded.role, \
         resume_hash = excluded.resume_hash, token_shown = excluded.token_shown, seen_at = excluded.seen_at",
    )
    .bind(text(row.id))
    .bind(row.username.as_str())
    .bind(row.role.as_str())
    .bind(row.resume_hash.as_slice())
    .bind(row.token_shown)
    .bind(millis(row.created_at))
    .bind(millis(row.seen_at))
}

fn subscribed(row: &SubscriptionRow) -> Statement<'_> {
    sqlx::query(
        "INSERT INTO subscriptions (follower_id, following_id, created_at) VALUES ($1, $2, $3) \
         ON CONFLICT (follower_id, following_id) DO NOTHING",
    )
    .bind(text(row.follower))
    .bind(text(row.following))
    .bind(millis(row.created_at))
}

fn stream(row: &StreamRow) -> Statement<'_> {
    sqlx::query(
        "INSERT INTO streams (id, stream_key, streamer_id, status, viewers_peak, created_at, started_at, ended_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
         ON CONFLICT (id) DO UPDATE SET status = excluded.status, viewers_peak = excluded.viewers_peak, \
         started_at = excluded.started_at, ended_at = excluded.ended_at",
    )
    .bind(text(row.id))
    .bind(row.stream_key.as_str())
    .bind(text(row.streamer_id))
    .bind(row.status.as_str())
    .bind(i64::try_from(row.viewers_peak).unwrap_or(i64::MAX))
    .bind(millis(row.created_at))
    .bind(row.started_at.map(millis))
    .bind(row.ended_at.map(millis))
}

fn text(id: Uuid) -> String {
    id.hyphenated().to_string()
}

/// A moment as the database keeps it.
pub(super) fn millis(at: Timestamp) -> i64 {
    i64::try_from(at.millis()).unwrap_or(i64::MAX)
}
