//! Who follows whom: asked for, inherited by label, and counted for those who came back.

use super::{Directory, User};
use crate::store::SubscriptionRow;
use crate::time::Timestamp;
use abanico_core::key::SessionId;
use thiserror::Error;
use uuid::Uuid;

/// Why somebody could not follow somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum SubscribeError {
    /// There is no such user.
    #[error("no such user")]
    Unknown,
    /// It follows it already, or it is itself.
    #[error("already subscribed, or oneself")]
    Pointless,
    /// It follows as many as it may.
    #[error("el máximo es {max} suscripciones")]
    TooMany {
        /// How many.
        max: usize,
    },
}

impl Directory {
    /// Makes `follower` follow `target`.
    pub(crate) fn subscribe(
        &mut self,
        follower: Uuid,
        target: Uuid,
        now: Timestamp,
    ) -> Result<SubscriptionRow, SubscribeError> {
        if !self.users.contains_key(&target) {
            return Err(SubscribeError::Unknown);
        }
        let user = self.users.get(&follower).ok_or(SubscribeError::Unknown)?;
        if follower == target || user.following.contains_key(&target) {
            return Err(SubscribeError::Pointless);
        }
        let max = self.limits.subscriptions_max;
        if user.following.len() >= max {
            return Err(SubscribeError::TooMany { max });
        }
        let row = SubscriptionRow {
            follower,
            following: target,
            created_at: now,
        };
        self.link(&row);
        Ok(row)
    }

    /// Makes `follower` follow `target` no more. False if it did not.
    pub(crate) fn unsubscribe(&mut self, follower: Uuid, target: Uuid) -> bool {
        self.unlink(follower, target);
        self.users
            .get_mut(&follower)
            .is_some_and(|user| user.following.remove(&target).is_some())
    }

    /// Those whom a user follows.
    pub(crate) fn followed_by(&self, id: Uuid) -> impl Iterator<Item = &User> {
        let following = self
            .users
            .get(&id)
            .into_iter()
            .flat_map(|user| user.following.keys());
        following
            .filter_map(|id| self.users.get(id))
            .filter(|user| self.roll.is_listed(user))
    }

    /// The sessions of those who follow a user and are here.
    pub(crate) fn present_followers(&self, id: Uuid) -> Vec<SessionId> {
        let followers = self
            .users
            .get(&id)
            .into_iter()
            .flat_map(|user| &user.followers);
        followers
            .filter_map(|id| Some(self.users.get(id)?.presence.as_ref()?.session))
            .collect()
    }

    /// Whether `follower` follows `target`.
    pub(crate) fn follows(&self, follower: Uuid, target: Uuid) -> bool {
        self.users
            .get(&follower)
            .is_some_and(|user| user.following.contains_key(&target))
    }

    /// How many whom the user of a session follows.
    pub(crate) fn following_len(&self, session: SessionId) -> usize {
        self.of_session(session)
            .map_or(0, |user| user.following.len())
    }

    /// Gives a new user the subscriptions of the one who last had its label, if that one is a label only. Under a label
    /// that gave them often just now it begins without, and whoever comes later gets them of the same one.
    pub(super) fn inherit(&mut self, heir: Uuid, now: Timestamp) -> Vec<SubscriptionRow> {
        let Some(label) = self.users.get(&heir).map(User::label) else {
            return Vec::new();
        };
        let bearers = self.roll.label_only(&label).filter(|id| *id != heir);
        let before = bearers
            .filter_map(|id| self.users.get(&id))
            .find(|user| user.has_ties());
        let Some(before) = before.filter(|_| self.roll.may_inherit(&label, now)) else {
            return Vec::new();
        };
        let row = |follower, following| SubscriptionRow {
            follower,
            following,
            created_at: now,
        };
        let followed = before.following.keys().map(|target| row(heir, *target));
        let max = self.limits.subscriptions_max;
        let has_room = |id: &Uuid| {
            self.users
                .get(id)
                .is_some_and(|user| user.following.len() < max)
        };
        let followers = before
            .followers
            .iter()
            .filter(|id| has_room(id))
            .map(|id| row(*id, heir));
        let rows: Vec<_> = followed.chain(followers).collect();
        rows.iter().for_each(|row| self.link(row));
        rows
    }

    pub(super) fn link(&mut self, row: &SubscriptionRow) {
        if !self.users.contains_key(&row.following) {
            return;
        }
        if let Some(follower) = self.users.get_mut(&row.follower) {
            follower.following.insert(row.following, row.created_at);
            let one = usize::from(follower.row.token_shown);
            self.change(row.following, |target| {
                if target.followers.insert(row.follower) {
                    target.returned_followers += one;
                }
            });
        }
    }

    fn unlink(&mut self, follower: Uuid, target: Uuid) {
        let user = self.users.get(&follower);
        let one = usize::from(user.is_some_and(|user| user.row.token_shown));
        self.change(target, |target| {
            if target.followers.remove(&follower) {
                target.returned_followers -= one;
            }
        });
    }

    /// A user has shown its token: it is more than a name from now on, to those whom it follows, too.
    pub(super) fn comes_back(&mut self, id: Uuid) {
        let first = self.change(id, |user| {
            !std::mem::replace(&mut user.row.token_shown, true)
        });
        if first != Some(true) {
            return;
        }
        let following: Vec<_> = self.users[&id].following.keys().copied().collect();
        for target in following {
            self.change(target, |target| target.returned_followers += 1);
        }
    }
}
