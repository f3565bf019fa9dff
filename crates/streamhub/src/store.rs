//! What outlives the process: the rows that a store keeps, and the records that tell it of changes.
//!
//! The dialect works in memory. At its start it is handed a [`Snapshot`]; from then on it sends a [`Record`] for every
//! change that must survive. Who writes them where is the binary's business. Streams are recorded for their history
//! only: a stream never outlives the process that carries it.

use crate::time::Timestamp;
use uuid::Uuid;

/// Everything that a store gives back at the start.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The users that are known.
    pub users: Vec<UserRow>,
    /// Who follows whom.
    pub subscriptions: Vec<SubscriptionRow>,
}

/// A change that must survive a restart.
#[derive(Debug, Clone)]
pub enum Record {
    /// A user is new, or was seen again.
    User(UserRow),
    /// A user was forgotten, with its subscriptions in both directions.
    UserForgotten(Uuid),
    /// Somebody began to follow somebody.
    Subscribed(SubscriptionRow),
    /// Somebody ceased to follow somebody.
    Unsubscribed {
        /// The follower.
        follower: Uuid,
        /// The one who was followed.
        following: Uuid,
    },
    /// A stream is new or has changed. The row replaces the one with the same id.
    Stream(StreamRow),
}

/// A person, as a label with an id. The name is no identity: many users may share one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRow {
    /// The identity.
    pub id: Uuid,
    /// The name as first spelled.
    pub username: String,
    /// What the user is, fixed at the first registration.
    pub role: Role,
    /// SHA-256 of the resume token: whoever shows the token is this user.
    pub resume_hash: [u8; 32],
    /// Whether the token was ever shown: whoever showed it once is its client's, and no label stands for it any more.
    pub token_shown: bool,
    /// When the user was first seen.
    pub created_at: Timestamp,
    /// When the user last registered or went.
    pub seen_at: Timestamp,
}

/// What a user registered as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Role {
    /// May create streams.
    Streamer,
    /// Watches.
    Viewer,
}

impl Role {
    /// The name on the wire and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Streamer => "STREAMER",
            Self::Viewer => "VIEWER",
        }
    }

    /// Any value but `STREAMER` makes a viewer, as in StreamHub.
    pub fn from_wire(name: &str) -> Self {
        if name == "STREAMER" {
            Self::Streamer
        } else {
            Self::Viewer
        }
    }
}

/// One user follows another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionRow {
    /// Who is told.
    pub follower: Uuid,
    /// Whose streams it is told of.
    pub following: Uuid,
    /// Since when.
    pub created_at: Timestamp,
}

/// A stream's entry in the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamRow {
    /// The stream's id.
    pub id: Uuid,
    /// The key that lets one watch.
    pub stream_key: String,
    /// Who created it.
    pub streamer_id: Uuid,
    /// Over which connection it was opened. That is told, and not kept.
    pub opened_by: Option<Uuid>,
    /// Where it stands.
    pub status: Status,
    /// The most viewers it had at one time.
    pub viewers_peak: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it went live, if it did.
    pub started_at: Option<Timestamp>,
    /// When it ended, if it did.
    pub ended_at: Option<Timestamp>,
}

/// Where a stream stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// Created, not yet started.
    Waiting,
    /// Live.
    Active,
    /// Over, for good.
    Ended,
}

impl Status {
    /// The name on the wire and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "WAITING",
            Self::Active => "ACTIVE",
            Self::Ended => "ENDED",
        }
    }
}
