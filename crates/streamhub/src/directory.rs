//! Who is known, who is here, and who follows whom.
//!
//! Pure state; time is an argument. A name is a label: two people may use the same. A user is who shows the resume token
//! that was handed out at its first registration, and nobody else.
//!
//! Clients that were written for StreamHub know no token, and their pages load anew at every turn. So a new user under
//! the label of one who has gone, and never showed its token, begins with the same subscriptions in both directions.
//! That is all it gets: not the id, not the stream, and nothing is taken from the other.
//!
//! Invariant: a session speaks for at most one user, and a user is spoken for by at most one session.

mod roll;

use crate::config::Limits;
use crate::store::{Role, Snapshot, SubscriptionRow, UserRow};
use crate::time::Timestamp;
use abanico_core::key::{SessionId, StreamKey};
use roll::{LABEL_ONLY_MAX, Roll};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap, HashSet};
use thiserror::Error;
use uuid::Uuid;

/// The users that are known.
pub(crate) struct Directory {
    limits: Limits,
    users: HashMap<Uuid, User>,
    by_token: HashMap<[u8; 32], Uuid>,
    roll: Roll,
    sessions: HashMap<SessionId, Uuid>,
}

/// What a person calls itself, whatever the case of the letters, and what it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Label(String, Role);

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
    following: BTreeMap<Uuid, Timestamp>,
    followers: HashSet<Uuid>,
    /// Those of them who came back with their token. Names can be had by the thousand, and count for nothing here.
    returned_followers: usize,
}

/// The session of a user that is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Present {
    pub(crate) session: SessionId,
    pub(crate) socket_id: String,
}

/// What came of a registration.
#[derive(Debug)]
pub(crate) struct Registered {
    /// The user as it is now.
    pub(crate) user: User,
    /// What it must show to be the same user again.
    pub(crate) resume_token: String,
    /// The session that spoke for it until now, and does no longer.
    pub(crate) replaced: Option<SessionId>,
    /// Users that were forgotten to make room.
    pub(crate) forgotten: Vec<Uuid>,
    /// Subscriptions that a new user begins with.
    pub(crate) inherited: Vec<SubscriptionRow>,
}

/// Why somebody could not be registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum RegisterError {
    /// The name is too long.
    #[error("el nombre tiene {chars} caracteres; el máximo es {max}")]
    NameTooLong {
        /// How long it is.
        chars: usize,
        /// How long it may be.
        max: usize,
    },
    /// As many are known as may be, and none can be forgotten.
    #[error("el servidor ya conoce a {max} usuarios; inténtalo más tarde")]
    Full {
        /// How many.
        max: usize,
    },
}

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
    /// What was known when the process last ran. Nobody is here yet.
    pub(crate) fn new(limits: Limits, snapshot: Snapshot) -> Self {
        let mut directory = Self {
            limits,
            users: HashMap::new(),
            by_token: HashMap::new(),
            roll: Roll::default(),
            sessions: HashMap::new(),
        };
        for row in snapshot.users {
            directory.insert(User::new(row));
        }
        for row in snapshot.subscriptions {
            directory.link(&row);
        }
        directory
    }

    /// Makes `session` speak for a user: the one whose `resume_token` it shows, the one it speaks for already if the name
    /// is the same, or else a new one.
    pub(crate) fn register(
        &mut self,
        present: Present,
        name: &str,
        role: Role,
        resume_token: Option<&str>,
        new_token: impl FnOnce() -> String,
        now: Timestamp,
    ) -> Result<Registered, RegisterError> {
        let max = self.limits.name_chars_max;
        let chars = name.chars().count();
        if chars > max {
            return Err(RegisterError::NameTooLong { chars, max });
        }
        let session = present.session;
        let resumed = resume_token.and_then(|token| {
            let id = *self.by_token.get(&hash(token))?;
            Some((id, token.to_owned()))
        });
        let shown = resumed.is_some();
        let mut forgotten = Vec::new();
        let mut inherited = Vec::new();
        let (id, resume_token) = match resumed {
            Some(resumed) => resumed,
            None => {
                let token = new_token();
                match self.same_again(session, name) {
                    // Only the hash is kept, so that whoever registers again is given a new token.
                    Some(id) => self.set_token(id, &token),
                    None => {
                        forgotten = self.make_room()?;
                        let (id, token) = self.add(name, role, &token, now);
                        inherited = self.inherit(id, now);
                        forgotten.extend(self.forget_namesakes(id));
                        (id, token)
                    }
                }
            }
        };
        if self.sessions.get(&session) != Some(&id) {
            self.session_gone(session, now);
        }
        if shown {
            self.comes_back(id);
        }
        let before = self.change(id, |user| {
            user.row.seen_at = now;
            user.presence.replace(present)
        });
        let before = before.flatten().map(|present| present.session);
        let user = self.users[&id].clone();
        let replaced = before.filter(|before| *before != session);
        if let Some(replaced) = replaced {
            self.sessions.remove(&replaced);
        }
        self.sessions.insert(session, id);
        Ok(Registered {
            user,
            resume_token,
            replaced,
            forgotten,
            inherited,
        })
    }

    /// Whether who registers so is a user that is known already.
    pub(crate) fn knows(&self, session: SessionId, name: &str, resume_token: Option<&str>) -> bool {
        let is_known = |token| self.by_token.contains_key(&hash(token));
        resume_token.is_some_and(is_known) || self.same_again(session, name).is_some()
    }

    /// The session has gone. Returns the user that it spoke for.
    pub(crate) fn session_gone(&mut self, session: SessionId, now: Timestamp) -> Option<&User> {
        let id = self.sessions.remove(&session)?;
        self.change(id, |user| {
            user.presence = None;
            user.row.seen_at = now;
        });
        self.users.get(&id)
    }

    /// The user that a session speaks for.
    pub(crate) fn of_session(&self, session: SessionId) -> Option<&User> {
        self.users.get(self.sessions.get(&session)?)
    }

    /// The user with this id.
    pub(crate) fn user(&self, id: Uuid) -> Option<&User> {
        self.users.get(&id)
    }

    /// A user has opened a stream.
    pub(crate) fn stream_opened(&mut self, id: Uuid, key: &StreamKey) {
        if let Some(user) = self.users.get_mut(&id) {
            user.stream = Some(key.clone());
        }
    }

    /// A user's stream is over.
    pub(crate) fn stream_over(&mut self, id: Uuid, key: &StreamKey) {
        if let Some(user) = self.users.get_mut(&id) {
            user.last_ended = Some(key.clone());
            user.stream.take_if(|open| open == key);
        }
    }

    /// Everybody but `asker`: those who are here first, then those seen last. Of those who are a label only, the last one
    /// stands for all, and none if somebody with that label is here.
    pub(crate) fn others(&self, asker: Uuid) -> Vec<&User> {
        let others = self.roll.listed().filter(|id| *id != asker);
        let others = others.filter_map(|id| self.users.get(&id));
        others.take(self.limits.users_listed_max).collect()
    }

    /// How many users a list has, at most.
    pub(crate) fn listed_len(&self) -> usize {
        self.users.len().min(self.limits.users_listed_max)
    }

    /// How many whom the user of a session follows.
    pub(crate) fn following_len(&self, session: SessionId) -> usize {
        self.of_session(session)
            .map_or(0, |user| user.following.len())
    }

    /// How many users are known, and how many of them are here.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.users.len(), self.sessions.len())
    }

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

    /// The user that `session` speaks for, if it has this name but for case.
    fn same_again(&self, session: SessionId, name: &str) -> Option<Uuid> {
        let user = self.of_session(session)?;
        (user.row.username.to_lowercase() == name.to_lowercase()).then_some(user.row.id)
    }

    fn set_token(&mut self, id: Uuid, token: &str) -> (Uuid, String) {
        let user = self
            .users
            .get_mut(&id)
            .expect("a session speaks for a known user");
        self.by_token.remove(&user.row.resume_hash);
        user.row.resume_hash = hash(token);
        self.by_token.insert(user.row.resume_hash, id);
        (id, token.to_owned())
    }

    fn add(&mut self, name: &str, role: Role, token: &str, now: Timestamp) -> (Uuid, String) {
        let row = UserRow {
            id: Uuid::new_v4(),
            username: name.to_owned(),
            role,
            resume_hash: hash(token),
            token_shown: false,
            created_at: now,
            seen_at: now,
        };
        let id = row.id;
        self.insert(User::new(row));
        (id, token.to_owned())
    }

    fn insert(&mut self, user: User) {
        self.by_token.insert(user.row.resume_hash, user.row.id);
        self.roll.enter(&user);
        self.users.insert(user.row.id, user);
    }

    /// Changes a user, and with it where it stands.
    fn change<T>(&mut self, id: Uuid, change: impl FnOnce(&mut User) -> T) -> Option<T> {
        let user = self.users.get_mut(&id)?;
        self.roll.leave(user);
        let changed = change(user);
        self.roll.enter(user);
        Some(changed)
    }

    fn remove(&mut self, id: Uuid) {
        let Some(user) = self.users.remove(&id) else {
            return;
        };
        self.by_token.remove(&user.row.resume_hash);
        self.roll.leave(&user);
        let one = usize::from(user.row.token_shown);
        for target in user.following.keys() {
            self.change(*target, |target| {
                target.followers.remove(&id);
                target.returned_followers -= one;
            });
        }
        for follower in &user.followers {
            if let Some(follower) = self.users.get_mut(follower) {
                follower.following.remove(&id);
            }
        }
    }

    /// Gives a new user the subscriptions of the one who last had its label, if that one is a label only. Under a label
    /// that gave them often just now it begins without, and whoever comes later gets them of the same one.
    fn inherit(&mut self, heir: Uuid, now: Timestamp) -> Vec<SubscriptionRow> {
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

    /// Forgets those who are the same label only as a new user and longest gone, beyond so many: what they followed, the
    /// later ones follow. One of them, the last who has any, keeps its subscriptions for those who come.
    fn forget_namesakes(&mut self, of: Uuid) -> Vec<Uuid> {
        let Some(label) = self.users.get(&of).map(User::label) else {
            return Vec::new();
        };
        // Not the new one itself, wherever among those of the same millisecond it stands.
        let bearers = self.roll.label_only(&label).filter(|id| *id != of);
        let bearers: Vec<_> = bearers.collect();
        let is_tied = |id: &&Uuid| self.users.get(*id).is_some_and(User::has_ties);
        let keeper = bearers.iter().find(is_tied).copied();
        let beyond = bearers.into_iter().skip(LABEL_ONLY_MAX - 1);
        let is_idle = |id: &Uuid| self.users.get(id).is_some_and(|user| user.stream.is_none());
        let beyond: Vec<_> = beyond
            .filter(|id| Some(*id) != keeper && is_idle(id))
            .collect();
        beyond.iter().for_each(|id| self.remove(*id));
        beyond
    }

    fn link(&mut self, row: &SubscriptionRow) {
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
    fn comes_back(&mut self, id: Uuid) {
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

    /// Forgets somebody who has gone if there is no room for one more, in the order of [`Roll::gone`].
    fn make_room(&mut self) -> Result<Vec<Uuid>, RegisterError> {
        let max = self.limits.users_max;
        if self.users.len() < max {
            return Ok(Vec::new());
        }
        let is_idle = |id: &Uuid| self.users.get(id).is_some_and(|user| user.stream.is_none());
        let Some(longest_gone) = self.roll.gone().find(is_idle) else {
            return Err(RegisterError::Full { max });
        };
        self.remove(longest_gone);
        Ok(vec![longest_gone])
    }
}

impl User {
    fn new(row: UserRow) -> Self {
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

    fn label(&self) -> Label {
        Label(self.row.username.to_lowercase(), self.row.role)
    }

    /// Whether it has gone without ever showing that its client knows tokens.
    fn is_label_only(&self) -> bool {
        self.presence.is_none() && !self.row.token_shown
    }

    /// Whether it follows anybody, or is followed.
    fn has_ties(&self) -> bool {
        !self.following.is_empty() || !self.followers.is_empty()
    }
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests;
