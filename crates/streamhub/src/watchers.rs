//! What the operator sees of a stream's viewers, one by one: what each was given, and what it missed.

use crate::StreamHub;
use crate::grant::Grant;
use abanico_core::ladder::Rung;
use abanico_hub::tally::Look;
use serde::Serialize;
use std::cmp::Reverse;

/// Viewers that are listed at most, those first that stand still, then those that missed most; the others are counted only.
const LISTED_MAX: usize = 1_000;

/// The viewers of one stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Watchers {
    stream_key: String,
    /// How many there are, of whom 1,000 are listed at most.
    total: usize,
    viewers: Vec<Watcher>,
}

/// One viewer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Watcher {
    door: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    seconds: u64,
    delivered: u64,
    skipped: u64,
    lags: u64,
    receiving: &'static str,
    /// Packets that wait for it.
    behind: u64,
    /// How long it has taken none of them.
    stalled_seconds: u64,
}

impl StreamHub {
    /// The viewers of the stream `key` over every door; `None` when there is no such stream, or none for who asks.
    pub async fn watchers(&self, key: &str, grant: &Grant) -> Option<Watchers> {
        let room = self.shared.room(key)?;
        let session = self.shared.next_door_session();
        if room.private && !room.is_of(grant, session).await {
            return None;
        }
        let looks = room.channel.tallies().look();
        Some(Watchers {
            stream_key: key.to_owned(),
            total: looks.len(),
            viewers: worst(looks).into_iter().map(Watcher::from).collect(),
        })
    }
}

fn worst(mut looks: Vec<Look>) -> Vec<Look> {
    looks.sort_by_key(|look| {
        Reverse((
            look.stalled_for.as_secs(),
            look.skipped,
            look.lags,
            look.watching_for,
        ))
    });
    looks.truncate(LISTED_MAX);
    looks
}

impl From<Look> for Watcher {
    fn from(look: Look) -> Self {
        Self {
            door: look.door,
            name: look.name,
            seconds: look.watching_for.as_secs(),
            delivered: look.delivered,
            skipped: look.skipped,
            lags: look.lags,
            receiving: receiving(look.receiving),
            behind: look.behind,
            stalled_seconds: look.stalled_for.as_secs(),
        }
    }
}

/// What a viewer is given, in the word that it is told, too.
pub(crate) fn receiving(rung: Rung) -> &'static str {
    match rung {
        Rung::All => "all",
        Rung::Keyframes => "keyframes",
        Rung::Stills => "stills",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn in_a_crowd_those_are_listed_who_missed_most() {
        let looks = (0..5_000u64).map(|n| Look {
            door: "WebM",
            name: String::new(),
            watching_for: Duration::ZERO,
            delivered: 0,
            skipped: n % 4_321,
            lags: 0,
            receiving: Rung::All,
            behind: 0,
            stalled_for: Duration::ZERO,
        });
        let listed = worst(looks.collect());
        assert_eq!((listed.len(), listed[0].skipped), (LISTED_MAX, 4_320));
        assert!(listed.is_sorted_by_key(|look| Reverse(look.skipped)));
        let still = Look {
            stalled_for: Duration::from_secs(2),
            behind: 7,
            skipped: 0,
            ..listed[0].clone()
        };
        let listed = worst([listed, vec![still.clone()]].concat());
        assert_eq!(listed[0], still);
    }
}
