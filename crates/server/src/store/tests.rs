use super::*;
use abanico_streamhub::store::{Record, Status, StreamRow};
use sqlx::Row;
use std::path::Path;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A run of the store: open, loaded, with its writer going.
struct Running {
    snapshot: Snapshot,
    journal: mpsc::Sender<Record>,
    stop: CancellationToken,
    writer: JoinHandle<()>,
}

impl Running {
    async fn start(data: &Path) -> Self {
        let mut store = Store::open(DataDirectory::take(data).unwrap())
            .await
            .unwrap();
        let snapshot = store.load().await.unwrap();
        let (writer, journal) = Writer::new(store, Duration::MAX, None);
        let stop = CancellationToken::new();
        let writer = tokio::spawn(writer.run(stop.clone()));
        Self {
            snapshot,
            journal,
            stop,
            writer,
        }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.writer.await.unwrap();
    }

    /// Ends as `kill -9` does: what is in the journal is gone, nothing is closed.
    async fn kill(self) {
        self.writer.abort();
        let _ = self.writer.await;
    }
}

fn data() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn ada() -> UserRow {
    UserRow {
        id: Uuid::from_u128(1),
        username: "Ada".to_owned(),
        role: Role::Streamer,
        resume_hash: [7; 32],
        token_shown: true,
        created_at: Timestamp::from_millis(1_000),
        seen_at: Timestamp::from_millis(2_000),
    }
}

fn bob() -> UserRow {
    UserRow {
        id: Uuid::from_u128(2),
        username: "Bob".to_owned(),
        role: Role::Viewer,
        ..ada()
    }
}

fn bob_follows_ada() -> SubscriptionRow {
    SubscriptionRow {
        follower: bob().id,
        following: ada().id,
        created_at: Timestamp::from_millis(3_000),
    }
}

fn stream(status: Status) -> StreamRow {
    StreamRow {
        id: Uuid::from_u128(3),
        stream_key: "a".repeat(32),
        streamer_id: ada().id,
        opened_by: None,
        status,
        viewers_peak: 5,
        created_at: Timestamp::from_millis(4_000),
        started_at: Some(Timestamp::from_millis(5_000)),
        ended_at: (status == Status::Ended).then(Timestamp::now),
    }
}

/// The history as (status, viewers' peak, whether it has an end).
async fn history(data: &Path) -> Vec<(String, i64, bool)> {
    let mut store = Store::open(DataDirectory::take(data).unwrap())
        .await
        .unwrap();
    let rows = sqlx::query("SELECT * FROM streams")
        .fetch_all(&mut store.connection)
        .await
        .unwrap();
    rows.iter()
        .map(|row| {
            (
                row.get("status"),
                row.get("viewers_peak"),
                row.get::<Option<i64>, _>("ended_at").is_some(),
            )
        })
        .collect()
}

#[tokio::test]
async fn users_and_followers_survive_a_restart() {
    let data = data();
    let first = Running::start(data.path()).await;
    assert!(first.snapshot.users.is_empty());
    for record in [
        Record::User(ada()),
        Record::User(bob()),
        Record::Subscribed(bob_follows_ada()),
    ] {
        first.journal.send(record).await.unwrap();
    }
    first.stop().await;

    let second = Running::start(data.path()).await;
    assert_eq!(second.snapshot.users, [ada(), bob()]);
    assert_eq!(second.snapshot.subscriptions, [bob_follows_ada()]);
    second.stop().await;
}

#[tokio::test]
async fn a_user_seen_again_keeps_its_followers() {
    let data = data();
    let first = Running::start(data.path()).await;
    let seen_again = UserRow {
        seen_at: Timestamp::from_millis(9_000),
        ..ada()
    };
    let said = [
        Record::User(ada()),
        Record::User(bob()),
        Record::Subscribed(bob_follows_ada()),
        Record::User(seen_again.clone()),
    ];
    for record in said {
        first.journal.send(record).await.unwrap();
    }
    first.stop().await;

    let second = Running::start(data.path()).await;
    assert_eq!(second.snapshot.users, [bob(), seen_again]);
    assert_eq!(second.snapshot.subscriptions, [bob_follows_ada()]);
    second.stop().await;
}

#[tokio::test]
async fn a_forgotten_user_takes_its_subscriptions_along() {
    let data = data();
    let first = Running::start(data.path()).await;
    let said = [
        Record::User(ada()),
        Record::User(bob()),
        Record::Subscribed(bob_follows_ada()),
        Record::UserForgotten(ada().id),
    ];
    for record in said {
        first.journal.send(record).await.unwrap();
    }
    first.stop().await;

    let second = Running::start(data.path()).await;
    assert_eq!(second.snapshot.users, [bob()]);
    assert!(second.snapshot.subscriptions.is_empty());
    second.stop().await;
}

#[tokio::test]
async fn a_stream_that_was_live_at_a_crash_is_ended_at_the_next_start() {
    let data = data();
    let first = Running::start(data.path()).await;
    first
        .journal
        .send(Record::Stream(stream(Status::Active)))
        .await
        .unwrap();
    first.stop().await;
    assert_eq!(
        history(data.path()).await,
        [("ACTIVE".to_owned(), 5, false)]
    );

    Running::start(data.path()).await.kill().await;
    assert_eq!(history(data.path()).await, [("ENDED".to_owned(), 5, true)]);
}

#[tokio::test]
async fn a_record_that_does_not_fit_costs_no_other() {
    let data = data();
    let first = Running::start(data.path()).await;
    let stranger = SubscriptionRow {
        following: Uuid::from_u128(99),
        ..bob_follows_ada()
    };
    for record in [
        Record::Subscribed(stranger),
        Record::User(ada()),
        Record::Stream(stream(Status::Ended)),
    ] {
        first.journal.send(record).await.unwrap();
    }
    first.stop().await;

    let second = Running::start(data.path()).await;
    assert_eq!(second.snapshot.users, [ada()]);
    assert!(second.snapshot.subscriptions.is_empty());
    second.stop().await;
    assert_eq!(history(data.path()).await, [("ENDED".to_owned(), 5, true)]);
}

#[tokio::test]
async fn a_key_that_is_opened_again_is_in_the_history_each_time() {
    let data = data();
    let first = Running::start(data.path()).await;
    let again = StreamRow {
        id: Uuid::from_u128(4),
        viewers_peak: 6,
        ..stream(Status::Ended)
    };
    for row in [stream(Status::Ended), again] {
        first.journal.send(Record::Stream(row)).await.unwrap();
    }
    first.stop().await;
    let each = |peak| ("ENDED".to_owned(), peak, true);
    assert_eq!(history(data.path()).await, [each(5), each(6)]);
}

#[tokio::test]
async fn history_is_removed_when_it_is_old() {
    let data = data();
    let first = Running::start(data.path()).await;
    let old = StreamRow {
        ended_at: Some(Timestamp::from_millis(6_000)),
        ..stream(Status::Ended)
    };
    first.journal.send(Record::Stream(old)).await.unwrap();
    first.stop().await;
    assert_eq!(history(data.path()).await.len(), 1);

    let mut store = Store::open(DataDirectory::take(data.path()).unwrap())
        .await
        .unwrap();
    store.load().await.unwrap();
    let (mut writer, _journal) = Writer::new(store, Duration::from_secs(3600), None);
    writer.prune().await;
    drop(writer);
    assert!(history(data.path()).await.is_empty());
}

#[tokio::test]
async fn a_data_directory_belongs_to_one_server() {
    let data = data();
    let first = DataDirectory::take(data.path()).unwrap();
    let error = DataDirectory::take(data.path()).unwrap_err().to_string();
    assert!(
        error.starts_with("another abanico uses the data directory"),
        "{error}"
    );
    assert!(error.contains("--data"), "{error}");
    drop(first);
    DataDirectory::take(data.path()).unwrap();
}

#[tokio::test]
async fn a_file_that_is_no_database_is_named() {
    let data = data();
    std::fs::write(
        data.path().join("abanico.db"),
        "not a database, but long enough to be looked at ".repeat(99),
    )
    .unwrap();
    let error = Store::open(DataDirectory::take(data.path()).unwrap())
        .await
        .unwrap_err();
    let text = format!("{error:#}");
    assert!(
        text.contains("abanico.db cannot be used") && text.contains("hint: "),
        "{text}"
    );
}

#[tokio::test]
async fn a_spoilt_row_does_not_keep_the_server_from_starting() {
    let data = data();
    let mut store = Store::open(DataDirectory::take(data.path()).unwrap())
        .await
        .unwrap();
    sqlx::query("INSERT INTO users VALUES ('no uuid', 'x', 'VIEWER', x'00', TRUE, 1, 1)")
        .execute(&mut store.connection)
        .await
        .unwrap();
    assert!(store.load().await.unwrap().users.is_empty());
}

#[cfg(unix)]
#[tokio::test]
async fn what_is_made_is_its_users_alone_and_a_folder_that_was_there_keeps_its_rights() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let theirs = data();
    std::fs::set_permissions(theirs.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let ours = theirs.path().join("new");
    for (folder, wanted) in [(theirs.path(), 0o755), (&*ours, 0o700)] {
        let running = Running::start(folder).await;
        running.journal.send(Record::User(ada())).await.unwrap();
        assert_eq!(mode(folder), wanted);
        for name in [
            "abanico.db",
            "abanico.db-wal",
            "abanico.db-shm",
            "abanico.lock",
        ] {
            assert_eq!(mode(&folder.join(name)), 0o600, "{name}");
        }
        running.stop().await;
    }
}
