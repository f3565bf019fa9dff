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

mod following;
mod roll;
mod user;

use crate::config::Limits;
use crate::store::{Role, Snapshot, SubscriptionRow, UserRow};
use crate::time::Timestamp;
use abanico_core::key::{SessionId, StreamKey};
pub(crate) use following::SubscribeError;
use roll::{LABEL_ONLY_MAX, Roll};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use thiserror::Error;
pub(crate) use user::{Present, User};
use uuid::Uuid;

/// The users that are known.
pub(crate) struct Directory {
    limits: Limits,
    users: HashMap<Uuid, User>,
    by_token: HashMap<[u8; 32], Uuid>,
    roll: Roll,
    sessions: HashMap<SessionId, Uuid>,
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

    /// How many users are known, and how many of them are here.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.users.len(), self.sessions.len())
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

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests;
