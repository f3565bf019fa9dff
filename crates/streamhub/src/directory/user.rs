//! One user, as the directory knows it.

use crate::store::{Role, UserRow};
use crate::time::Timestamp;
use abanico_core::key::{SessionId, StreamKey};
use std::collections::{BTreeMap, HashSet};
use uuid::Uuid;

/// One user.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) row: UserRow,
    /// The session that speaks for it now.
    pub(crate) presence: Option<Present>,
    /// The stream that it has, if that has not ended.
    pub(crate) stream: Option<StreamKey>,
    /// The stream of it that ended last.
    pub(crate) last_ended: Option<StreamKey>,
    pub(super) following: BTreeMap<Uuid, Timestamp>,
    pub(super) followers: HashSet<Uuid>,
    /// Those of them who came back with their token. Names can be had by the thousand, and count for nothing here.
    pub(super) returned_followers: usize,
}

/// The session of a user that is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Present {
    pub(crate) session: SessionId,
    pub(crate) socket_id: String,
}

/// What a person calls itself, whatever the case of the letters, and what it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Label(String, Role);

impl User {
    pub(super) fn new(row: UserRow) -> Self {
        Self {
            row,
            presence: None,
            stream: None,
            last_ended: None,
            following: BTreeMap::new(),
            followers: HashSet::new(),
            returned_followers: 0,
        }
    }

    pub(super) fn label(&self) -> Label {
        Label(self.row.username.to_lowercase(), self.row.role)
    }

    /// Whether it has gone without ever showing that its client knows tokens.
    pub(super) fn is_label_only(&self) -> bool {
        self.presence.is_none() && !self.row.token_shown
    }

    /// Whether it follows anybody, or is followed.
    pub(super) fn has_ties(&self) -> bool {
        !self.following.is_empty() || !self.followers.is_empty()
    }
}
