//! What each viewer of a stream was given, for somebody else to look at while it watches.
//!
//! A viewer notes its figures with stores that wait for nobody, so whoever looks may see them a moment apart. While a
//! courier serves a viewer, nobody notes anything: it has then what the feed had since.

use abanico_core::ladder::Rung;
use parking_lot::Mutex;
use slab::Slab;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// The viewers of one stream. Cloning it clones a handle.
#[derive(Clone, Default)]
pub struct Tallies(Arc<Mutex<Slab<Arc<Figures>>>>);

/// One viewer's figures, in its own hands. Dropping it takes them off the list.
pub struct Tally {
    all: Tallies,
    slot: usize,
    figures: Arc<Figures>,
}

struct Figures {
    door: &'static str,
    name: String,
    since: Instant,
    delivered: AtomicU64,
    skipped: AtomicU64,
    lags: AtomicU64,
    rung: AtomicU8,
    /// Where in its feed it stands, when it last came there, in milliseconds of its own time.
    place: AtomicU64,
    noted_ms: AtomicU64,
    /// Where in its feed a courier began to serve it, or [`NOT_LENT`].
    lent_from: AtomicU64,
    head: Box<dyn Fn() -> u64 + Send + Sync>,
}

const NOT_LENT: u64 = u64::MAX;

/// What one viewer had up to now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// What it watches over.
    pub door: &'static str,
    /// What it calls itself; empty where nobody is asked.
    pub name: String,
    /// Since when it watches.
    pub watching_for: Duration,
    /// Packets that it was given.
    pub delivered: u64,
    /// Packets that it was moved past.
    pub skipped: u64,
    /// How often it fell behind.
    pub lags: u64,
    /// What it is given.
    pub receiving: Rung,
    /// Packets that wait for it.
    pub behind: u64,
    /// How long it has taken none of them.
    pub stalled_for: Duration,
}

impl Tallies {
    /// A viewer comes. `head` tells the place after the newest packet of the feed that it reads.
    pub fn open(
        &self,
        door: &'static str,
        name: String,
        head: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Tally {
        let figures = Arc::new(Figures {
            door,
            name,
            since: Instant::now(),
            delivered: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
            lags: AtomicU64::new(0),
            rung: AtomicU8::new(0),
            place: AtomicU64::new(head()),
            noted_ms: AtomicU64::new(0),
            lent_from: AtomicU64::new(NOT_LENT),
            head: Box::new(head),
        });
        let slot = self.0.lock().insert(Arc::clone(&figures));
        Tally {
            all: self.clone(),
            slot,
            figures,
        }
    }

    /// What each viewer had up to now, in no order.
    pub fn look(&self) -> Vec<Look> {
        let all: Vec<_> = {
            let listed = self.0.lock();
            listed
                .iter()
                .map(|(_, figures)| Arc::clone(figures))
                .collect()
        };
        all.iter().map(|figures| figures.look()).collect()
    }
}

impl fmt::Debug for Tallies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tallies")
            .field(&self.0.lock().len())
            .finish()
    }
}

impl Tally {
    /// What it had up to now, and that it has come to `place`. Called by the viewer itself, which nobody serves then.
    pub fn note(&self, place: u64, delivered: u64, skipped: u64, lags: u64, receiving: Rung) {
        let figures = &self.figures;
        figures.place.store(place, Ordering::Relaxed);
        let now = u64::try_from(figures.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        figures.noted_ms.store(now, Ordering::Relaxed);
        figures.delivered.store(delivered, Ordering::Relaxed);
        figures.skipped.store(skipped, Ordering::Relaxed);
        figures.lags.store(lags, Ordering::Relaxed);
        figures.rung.store(receiving as u8, Ordering::Relaxed);
        figures.lent_from.store(NOT_LENT, Ordering::Relaxed);
    }

    /// A courier brings what follows from `place` on, until the viewer notes something again.
    pub fn lent(&self, place: u64) {
        self.figures.lent_from.store(place, Ordering::Relaxed);
    }

    /// Packets that a courier has brought since, which the viewer has not counted itself.
    pub fn brought(&self) -> u64 {
        self.figures.brought().unwrap_or(0)
    }
}

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tally").field(&self.figures.look()).finish()
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.all.0.lock().remove(self.slot);
    }
}

impl Figures {
    /// What a courier has brought; `None` if none serves it.
    fn brought(&self) -> Option<u64> {
        let lent_from = self.lent_from.load(Ordering::Relaxed);
        (lent_from != NOT_LENT).then(|| (self.head)().saturating_sub(lent_from))
    }

    fn look(&self) -> Look {
        let (brought, behind) = match self.brought() {
            Some(brought) => (brought, 0),
            None => {
                let place = self.place.load(Ordering::Relaxed);
                (0, (self.head)().saturating_sub(place))
            }
        };
        let watching_for = self.since.elapsed();
        let noted = Duration::from_millis(self.noted_ms.load(Ordering::Relaxed));
        let stalled_for = if behind > 0 {
            watching_for.saturating_sub(noted)
        } else {
            Duration::ZERO
        };
        Look {
            door: self.door,
            name: self.name.clone(),
            watching_for,
            delivered: self.delivered.load(Ordering::Relaxed) + brought,
            skipped: self.skipped.load(Ordering::Relaxed),
            lags: self.lags.load(Ordering::Relaxed),
            receiving: match self.rung.load(Ordering::Relaxed) {
                rung if rung == Rung::Keyframes as u8 => Rung::Keyframes,
                rung if rung == Rung::Stills as u8 => Rung::Stills,
                _ => Rung::All,
            },
            behind,
            stalled_for,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_watches_is_listed_with_what_it_had_and_who_goes_is_not() {
        let tallies = Tallies::default();
        let one = tallies.open("Socket.IO", "bob".into(), || 0);
        let other = tallies.open("WebM", String::new(), || 0);
        one.note(0, 7, 2, 1, Rung::Stills);
        tokio::time::advance(Duration::from_secs(3)).await;
        let mut looks = tallies.look();
        looks.sort_by_key(|look| look.delivered);
        assert_eq!(looks[0].door, "WebM");
        assert_eq!(
            looks[1],
            Look {
                door: "Socket.IO",
                name: "bob".into(),
                watching_for: Duration::from_secs(3),
                delivered: 7,
                skipped: 2,
                lags: 1,
                receiving: Rung::Stills,
                behind: 0,
                stalled_for: Duration::ZERO,
            }
        );
        drop(one);
        assert_eq!(tallies.look().len(), 1);
        drop(other);
        assert_eq!(tallies.look(), []);
    }

    #[tokio::test]
    async fn who_is_served_by_a_courier_has_what_the_feed_had_since() {
        let tallies = Tallies::default();
        let head = Arc::new(AtomicU64::new(10));
        let seen = Arc::clone(&head);
        let tally = tallies.open("WebM", String::new(), move || seen.load(Ordering::Relaxed));
        tally.note(10, 4, 0, 0, Rung::All);
        tally.lent(10);
        head.store(25, Ordering::Relaxed);
        assert_eq!(tallies.look()[0].delivered, 19);
        assert_eq!(tally.brought(), 15);
        tally.note(25, 19, 0, 0, Rung::All);
        assert_eq!(tallies.look()[0].delivered, 19);
        assert_eq!(tally.brought(), 0, "the viewer has counted it");
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_is_seen_to_be_behind_and_for_how_long() {
        let tallies = Tallies::default();
        let head = Arc::new(AtomicU64::new(10));
        let seen = Arc::clone(&head);
        let tally = tallies.open("WebM", String::new(), move || seen.load(Ordering::Relaxed));
        let look = || {
            let look = tallies.look().remove(0);
            (look.behind, look.stalled_for.as_secs())
        };
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(look(), (0, 0), "who has everything waits for nothing");
        tally.lent(10);
        head.store(25, Ordering::Relaxed);
        assert_eq!(look(), (0, 0), "a courier brings it everything");
        // Its socket is full: the courier has given it back.
        tally.note(25, 15, 0, 0, Rung::All);
        tokio::time::advance(Duration::from_secs(4)).await;
        head.store(65, Ordering::Relaxed);
        assert_eq!(look(), (40, 4));
        tally.note(65, 16, 39, 1, Rung::All);
        assert_eq!(look(), (0, 0), "it was moved on");
    }
}
