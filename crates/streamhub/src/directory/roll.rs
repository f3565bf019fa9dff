//! Who stands where among all users, kept as they change: no question and no registration costs a walk over everybody.
//!
//! Of users who are a label only, the one with the highest rank stands for all with that label, and none of them is
//! listed if somebody stands above it who is more than that.

use super::user::{Label, User};
use crate::time::Timestamp;
use std::collections::{BTreeSet, HashMap};
use uuid::Uuid;

/// So many who are a label only are remembered of one label: whoever comes under it begins with what the last one followed.
pub(super) const LABEL_ONLY_MAX: usize = 16;
/// So often within [`HEIRS_EVERY_MS`] a label gives its subscriptions to somebody new: pages that load anew at every turn
/// come a few times, and every time costs as many rows as there are subscriptions.
const HEIRS_MAX: u32 = 8;
const HEIRS_EVERY_MS: u64 = 60_000;

/// Those who are here stand above those who have gone, and who was seen later above who was seen earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    is_here: bool,
    seen_at: Timestamp,
    pub(super) id: Uuid,
}

impl Rank {
    fn of(user: &User) -> Self {
        Self {
            is_here: user.presence.is_some(),
            seen_at: user.row.seen_at,
            id: user.row.id,
        }
    }
}

/// All users by label and by rank.
#[derive(Debug, Default)]
pub(super) struct Roll {
    labels: HashMap<Label, Bearers>,
    listed: BTreeSet<Rank>,
    /// Those who have gone, in the order in which they are forgotten.
    gone: BTreeSet<(bool, bool, Timestamp, Uuid)>,
}

/// The users with one label.
#[derive(Debug, Default)]
struct Bearers {
    all: BTreeSet<Rank>,
    label_only: BTreeSet<Rank>,
    heirs: u32,
    heirs_since: Timestamp,
}

impl Roll {
    /// Takes a user in as it is now.
    pub(super) fn enter(&mut self, user: &User) {
        let rank = Rank::of(user);
        let bearers = self.labels.entry(user.label()).or_default();
        let before = bearers.all.last().copied();
        bearers.all.insert(rank);
        if user.is_label_only() {
            bearers.label_only.insert(rank);
        }
        let is_first = before.is_none_or(|before| before < rank);
        if let Some(before) = before
            && is_first
            && bearers.label_only.contains(&before)
        {
            self.listed.remove(&before);
        }
        if is_first || !user.is_label_only() {
            self.listed.insert(rank);
        }
        if user.presence.is_none() {
            self.gone.insert(place_among_gone(user));
        }
    }

    /// Takes a user out, before it changes or because it is forgotten.
    pub(super) fn leave(&mut self, user: &User) {
        let rank = Rank::of(user);
        self.listed.remove(&rank);
        self.gone.remove(&place_among_gone(user));
        let label = user.label();
        let Some(bearers) = self.labels.get_mut(&label) else {
            return;
        };
        bearers.all.remove(&rank);
        bearers.label_only.remove(&rank);
        match bearers.all.last() {
            Some(first) => {
                self.listed.insert(*first);
            }
            // How often it gave its subscriptions is forgotten with the last who had any.
            None => {
                self.labels.remove(&label);
            }
        }
    }

    /// Those who are listed, from the highest rank on.
    pub(super) fn listed(&self) -> impl Iterator<Item = Uuid> {
        self.listed.iter().rev().map(|rank| rank.id)
    }

    /// Whether this user is listed.
    pub(super) fn is_listed(&self, user: &User) -> bool {
        self.listed.contains(&Rank::of(user))
    }

    /// Those who are this label only, from the highest rank on.
    pub(super) fn label_only(&self, label: &Label) -> impl Iterator<Item = Uuid> {
        let bearers = self.labels.get(label).into_iter();
        bearers.flat_map(|bearers| bearers.label_only.iter().rev().map(|rank| rank.id))
    }

    /// Whether this label may give its subscriptions once more.
    pub(super) fn may_inherit(&mut self, label: &Label, now: Timestamp) -> bool {
        let Some(bearers) = self.labels.get_mut(label) else {
            return false;
        };
        let passed = now.millis().abs_diff(bearers.heirs_since.millis());
        if passed > HEIRS_EVERY_MS {
            (bearers.heirs, bearers.heirs_since) = (0, now);
        }
        bearers.heirs += 1;
        bearers.heirs <= HEIRS_MAX
    }

    /// Those who have gone: who never came back with its token first, of either kind first whom nobody follows who did,
    /// and of each the longest gone.
    pub(super) fn gone(&self) -> impl Iterator<Item = Uuid> {
        self.gone.iter().map(|(_, _, _, id)| *id)
    }
}

fn place_among_gone(user: &User) -> (bool, bool, Timestamp, Uuid) {
    let is_followed = user.returned_followers > 0;
    (
        user.row.token_shown,
        is_followed,
        user.row.seen_at,
        user.row.id,
    )
}
