//! Links to watch a private stream: each with a secret, an end if that is wanted, and so many seats.
//!
//! They live as long as their stream. A seat is taken by a session that is given media, and free again when that is gone.
//! Invariants: a link's secret is told once, and kept as a hash; no link has more sessions than seats.

use crate::dialect::random_hex;
use crate::grant::{Lease, Lessor};
use crate::time::Timestamp;
use parking_lot::Mutex;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Links of one stream. One more is refused.
pub(crate) const LINKS_MAX: usize = 100;

/// Seats of one link, at most as many as a stream has.
pub(crate) const SEATS_MAX: usize = 100_000;

/// How a link's secret begins. Behind it are 128 random bits, hence the fast hash.
const BEGINNING: &str = "abl-";

/// A link as it is listed: without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// Tells one from another.
    pub id: String,
    /// How many may watch with it at the same time.
    pub seats: usize,
    /// How many do.
    pub taken: usize,
    /// When it was made.
    pub made_at: Timestamp,
    /// When it is void, if ever.
    pub expires_at: Option<Timestamp>,
}

/// The links of one stream.
#[derive(Default)]
pub(crate) struct Links(Mutex<Vec<Kept>>);

struct Kept {
    link: Link,
    hash: [u8; 32],
    taken: Arc<AtomicUsize>,
    lessor: Lessor,
}

/// A seat of a link, free again when this is dropped.
pub(crate) struct Seat(Arc<AtomicUsize>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a link gives who shows it.
pub(crate) enum Shown {
    /// It is none of this stream's, or holds no longer.
    Nothing,
    /// All its seats are taken.
    Full,
    /// So long, and a seat if one was asked for.
    Stay(Lease, Option<Seat>),
}

impl Links {
    /// Makes a link, and gives its secret for the one time that it is told. `None` if there are too many.
    pub(crate) fn make(&self, seats: usize, time: Option<Duration>) -> Option<(Link, String)> {
        let now = Timestamp::now();
        let mut kept = self.0.lock();
        kept.retain(|kept| kept.link.holds(now));
        if kept.len() >= LINKS_MAX {
            return None;
        }
        let secret = format!("{BEGINNING}{}", random_hex());
        let end = time.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        let link = Link {
            // A part of another random number: nothing of the secret is told again.
            id: random_hex()[..12].to_owned(),
            seats,
            taken: 0,
            made_at: now,
            expires_at: end.map(|end| Timestamp::from_millis(now.millis().saturating_add(end))),
        };
        kept.push(Kept {
            link: link.clone(),
            hash: hash(&secret),
            taken: Arc::default(),
            lessor: Lessor::default(),
        });
        Some((link, secret))
    }

    /// The links that hold.
    pub(crate) fn list(&self) -> Vec<Link> {
        let now = Timestamp::now();
        let kept = self.0.lock();
        let holding = kept.iter().filter(|kept| kept.link.holds(now));
        holding
            .map(|kept| Link {
                taken: kept.taken.load(Ordering::Relaxed),
                ..kept.link.clone()
            })
            .collect()
    }

    /// Takes a link back. False if there is none of this id.
    pub(crate) fn revoke(&self, id: &str) -> bool {
        let mut kept = self.0.lock();
        let before = kept.len();
        kept.retain(|kept| kept.link.id != id);
        kept.len() < before
    }

    /// What a secret gives, with a seat or without.
    pub(crate) fn show(&self, secret: &str, wants_seat: bool) -> Shown {
        if !secret.starts_with(BEGINNING) {
            return Shown::Nothing;
        }
        let (hash, now) = (hash(secret), Timestamp::now());
        let kept = self.0.lock();
        // What is compared is a hash: how long that takes tells nothing of the secret.
        let found = kept.iter().find(|kept| kept.hash == hash);
        let Some(found) = found.filter(|found| found.link.holds(now)) else {
            return Shown::Nothing;
        };
        let mut seat = None;
        if wants_seat {
            // Seats are taken under the lock, so two do not take the last.
            if found.taken.load(Ordering::Relaxed) >= found.link.seats {
                return Shown::Full;
            }
            found.taken.fetch_add(1, Ordering::Relaxed);
            seat = Some(Seat(found.taken.clone()));
        }
        let mut lease = found.lessor.lease();
        if let Some(end) = found.link.expires_at {
            let rest = end.millis().saturating_sub(now.millis());
            lease = lease.ending_in(Duration::from_millis(rest));
        }
        Shown::Stay(lease, seat)
    }
}

impl Link {
    fn holds(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn a_link_has_its_seats_and_no_more_and_they_are_free_again() {
        let links = Links::default();
        let (link, secret) = links.make(1, None).unwrap();
        assert!(!serde_json::to_string(&link).unwrap().contains(&secret[4..]));
        let Shown::Stay(_, seat) = links.show(&secret, true) else {
            panic!("there is a seat");
        };
        assert!(matches!(links.show(&secret, true), Shown::Full));
        assert!(matches!(links.show(&secret, false), Shown::Stay(_, None)));
        assert_eq!(links.list()[0].taken, 1);
        drop(seat);
        assert!(matches!(links.show(&secret, true), Shown::Stay(_, Some(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_link_ends_when_it_is_taken_back_or_expires() {
        let links = Links::default();
        let (first, secret) = links.make(1, None).unwrap();
        let Shown::Stay(lease, _) = links.show(&secret, true) else {
            panic!("it holds");
        };
        assert!(links.revoke(&first.id) && !links.revoke(&first.id));
        assert!(lease.over().now_or_never().is_some());
        assert!(matches!(links.show(&secret, true), Shown::Nothing));

        let (_, void) = links.make(1, Some(Duration::ZERO)).unwrap();
        assert!(matches!(links.show(&void, true), Shown::Nothing));
        let (_, short) = links.make(1, Some(Duration::from_secs(60))).unwrap();
        let Shown::Stay(lease, _) = links.show(&short, true) else {
            panic!("it holds for a minute");
        };
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(lease.over().now_or_never().is_some());
    }

    #[test]
    fn a_stream_has_so_many_links_and_void_ones_do_not_count() {
        let links = Links::default();
        for _ in 0..LINKS_MAX {
            links.make(1, Some(Duration::ZERO)).unwrap();
        }
        for _ in 0..LINKS_MAX {
            links.make(1, None).unwrap();
        }
        assert!(links.make(1, None).is_none());
    }
}
