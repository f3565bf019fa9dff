//! The media of one stream: its tracks, its newest group, and a packager for each format that somebody watches.
//!
//! One lock holds it all. It is taken for each frame that is pushed and for each viewer that joins or lags, never for a
//! viewer that keeps up, and never while a socket is written.

use crate::group::{Group, Placed};
use crate::keyframes::{Wish, Wisher, Wishes};
use crate::layer::Layer;
use crate::packager::{Format, Packager, Unsuitable};
use crate::pool::Pool;
use crate::source::{Encoder, Source};
use crate::watching::Watching;
use abanico_core::ladder::{self, Ladder};
use abanico_hub::feed::Counts;
use abanico_hub::tally::Tallies;
use abanico_media::frame::{Codec, Frame, Track};
use abanico_media::ingest::{self, Timeline};
use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// The media of one stream. Cloning it clones a handle.
#[derive(Clone)]
pub struct Channel(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    key: Box<str>,
    epoch: Box<str>,
    began: Instant,
    ladder: ladder::Policy,
    watching: AtomicUsize,
    tallies: Tallies,
    aside: Aside,
    tracks: watch::Sender<Arc<[Track]>>,
    /// Counts how often the publisher was asked for a keyframe.
    asked: watch::Sender<u64>,
    layers: Mutex<Arc<[Layer]>>,
}

/// What the feeds' own counts do not know of.
#[derive(Debug, Default)]
pub(crate) struct Aside {
    /// Packets that viewers were given from the group that is held.
    pub(crate) given: AtomicU64,
    /// Packets that were read from a feed and given to nobody.
    pub(crate) unread: AtomicU64,
    /// Frames that viewers were moved past.
    pub(crate) skipped: AtomicU64,
}

/// What the lock holds.
pub(crate) struct State {
    pool: Arc<Pool>,
    pub(crate) tracks: Arc<[Track]>,
    /// Counts changes of the tracks.
    version: u64,
    timeline: Timeline,
    pub(crate) group: Group,
    /// The number of the frame that comes next.
    pub(crate) next: u64,
    newest_at: Option<Instant>,
    packagers: [Option<Packager>; Format::ALL.len()],
    packagers_made: u64,
    /// What became of the packets of packagers that are gone.
    gone: Counts,
    wishes: Wishes,
    /// Which source may push: the newest.
    pub(crate) source: u64,
    pub(crate) ended: bool,
}

impl Channel {
    /// The media of a stream that has none yet, and no name.
    pub fn new(pool: &Arc<Pool>) -> Self {
        Self::named(pool, "")
    }

    /// The media of the stream `key`, which is its name in the log.
    pub fn named(pool: &Arc<Pool>, key: &str) -> Self {
        let state = State {
            pool: Arc::clone(pool),
            tracks: Arc::default(),
            version: 0,
            timeline: Timeline::default(),
            group: Group::new(Arc::clone(pool)),
            next: 0,
            newest_at: None,
            packagers: Default::default(),
            packagers_made: 0,
            gone: Counts::default(),
            wishes: Wishes::default(),
            source: 0,
            ended: false,
        };
        Self(Arc::new(Shared {
            state: Mutex::new(state),
            key: key.into(),
            epoch: random_hex().into(),
            began: now(),
            ladder: pool.bounds.ladder,
            watching: AtomicUsize::new(0),
            tallies: Tallies::default(),
            aside: Aside::default(),
            tracks: watch::Sender::new(Arc::default()),
            asked: watch::Sender::new(0),
            layers: Mutex::default(),
        }))
    }

    /// A channel for one layer of this stream's picture.
    #[must_use]
    pub fn beside(&self) -> Self {
        let pool = Arc::clone(&self.lock().pool);
        Self::named(&pool, self.key())
    }

    /// The layers of its picture that flow; none without simulcast.
    pub fn layers(&self) -> Arc<[Layer]> {
        Arc::clone(&self.0.layers.lock())
    }

    /// Its picture has these layers from now on.
    pub fn set_layers(&self, layers: Arc<[Layer]>) {
        *self.0.layers.lock() = layers;
    }

    /// Names this stream's count of frames: another stream under the same key has another.
    pub fn epoch(&self) -> &str {
        &self.0.epoch
    }

    /// A publisher's container bytes: WebM, Matroska or fragmented MP4, whatever they turn out to be. The source before
    /// it is refused from now on.
    pub fn bytes(&self) -> Source {
        Source::new(self.clone(), |timeline| {
            ingest::Ingest::new(ingest::Limits::default(), timeline)
        })
    }

    /// A publisher's multipart body of JPEG pictures, with the boundary of its `Content-Type`.
    pub fn multipart(&self, boundary: &str) -> Source {
        Source::new(self.clone(), |timeline| {
            ingest::Ingest::multipart(boundary, ingest::Limits::default(), timeline)
        })
    }

    /// A publisher that sends encoded frames, or pictures. The source before it is refused from now on.
    pub fn encoder(&self) -> Encoder {
        Encoder::new(self.clone())
    }

    /// What the stream consists of; empty until it is known.
    pub fn tracks(&self) -> Arc<[Track]> {
        self.0.tracks.borrow().clone()
    }

    /// The same, for whoever waits for it or for a change.
    pub fn watch_tracks(&self) -> watch::Receiver<Arc<[Track]>> {
        self.0.tracks.subscribe()
    }

    /// A viewer of this format. It is given the init packet, the newest group, and then each packet as it comes; while
    /// nothing is known of the stream it waits.
    ///
    /// # Errors
    /// When the stream's codecs cannot travel in this format.
    pub fn watch(&self, format: Format) -> Result<Watching, Unsuitable> {
        self.join(format, None)
    }

    /// A viewer of the native format that has every frame up to and with `sequence` of `epoch`. It is given the rest if
    /// that lies in the newest group or no further before it than a viewer may lag; or else it is told how much it missed,
    /// and given the newest group.
    pub fn resume(&self, epoch: &str, sequence: u32) -> Watching {
        let next = (*epoch == *self.0.epoch).then(|| u64::from(sequence) + 1);
        self.join(Format::Native, next)
            .unwrap_or_else(|_| unreachable!("every codec can travel in the native format"))
    }

    /// How many watch, in all formats together.
    pub fn watching(&self) -> usize {
        self.0.watching.load(Ordering::Relaxed)
    }

    /// What each viewer was given. Who carries the stream to viewers past this channel lists them here, too.
    pub fn tallies(&self) -> &Tallies {
        &self.0.tallies
    }

    /// What became of the packets, for all viewers together, those that are gone too.
    pub fn counts(&self) -> Counts {
        let state = self.lock();
        let packagers = state.packagers.iter().flatten();
        let read = packagers.fold(state.gone, |sum, packager| sum + packager.feed.counts());
        let aside = &self.0.aside;
        let given = read.read + aside.given.load(Ordering::Relaxed);
        Counts {
            read: given.saturating_sub(aside.unread.load(Ordering::Relaxed)),
            skipped: read.skipped + aside.skipped.load(Ordering::Relaxed),
        }
    }

    /// A viewer would like a keyframe. The publisher is asked at most twice a second.
    pub fn want_keyframe(&self, by: &Wisher) -> Wish {
        let wished = self.lock().wishes.wish(by, now());
        match wished {
            None => return Wish::Beyond,
            Some(true) => self.ask(),
            Some(false) => {}
        }
        match self.0.asked.receiver_count() {
            0 => Wish::Unheard,
            _ => Wish::Told,
        }
    }

    /// Changes each time that the publisher is to make a keyframe.
    pub fn keyframes_wanted(&self) -> watch::Receiver<u64> {
        self.0.asked.subscribe()
    }

    /// The newest picture, if the stream is one of JPEG pictures.
    pub fn still(&self) -> Option<Bytes> {
        let state = self.lock();
        let video = state.tracks.iter().find(|track| track.is_video())?;
        if video.codec != Codec::Jpeg {
            return None;
        }
        let newest = state.group.frames().iter().rev().find(|held| held.video)?;
        Some(newest.frame.payload.clone())
    }

    /// Nothing follows. Viewers are given what they have not read yet, and then the end.
    pub fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        for packager in state.packagers.iter().flatten() {
            packager.feed.finish(None);
        }
        drop(state);
        // Whoever waits for tracks waits in vain.
        self.0.tracks.send_modify(|_| ());
    }

    /// Whether [`Channel::end`] was called.
    pub fn has_ended(&self) -> bool {
        self.lock().ended
    }

    /// Forgets the newest group when nobody watches: what follows need not go on from it.
    pub fn forget_group(&self) {
        let mut state = self.lock();
        state.group.clear();
        state.timeline.rewind();
        for packager in state.packagers.iter_mut().flatten() {
            packager.forget_group();
        }
    }

    fn join(&self, format: Format, next: Option<u64>) -> Result<Watching, Unsuitable> {
        let mut state = self.lock();
        let packager = state.packager(format)?;
        packager.watching += 1;
        let (id, cursor) = (packager.id, packager.feed.cursor());
        if state.ended {
            cursor.feed().finish(None);
        }
        // Nobody has what did not come yet.
        let next = next.filter(|next| *next <= state.next);
        drop(state);
        self.0.watching.fetch_add(1, Ordering::Relaxed);
        let ladder = Ladder::new(self.0.ladder);
        Ok(Watching::new(
            self.clone(),
            format,
            id,
            cursor,
            next,
            ladder,
        ))
    }

    pub(crate) fn key(&self) -> &str {
        &self.0.key
    }

    pub(crate) fn aside(&self) -> &Aside {
        &self.0.aside
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock()
    }

    /// The time of this stream's life.
    pub(crate) fn life(&self) -> Duration {
        now().saturating_duration_since(self.0.began)
    }

    pub(crate) fn publish_tracks(&self, tracks: &Arc<[Track]>) {
        self.0.tracks.send_replace(Arc::clone(tracks));
    }

    pub(crate) fn ask(&self) {
        self.0.asked.send_modify(|asked| *asked += 1);
    }

    pub(crate) fn left(&self, format: Format, id: u64) {
        let mut state = self.lock();
        let slot = &mut state.packagers[format.index()];
        if let Some(packager) = slot.as_mut().filter(|packager| packager.id == id) {
            packager.watching -= 1;
            if packager.watching == 0
                && let Some(packager) = slot.take()
            {
                state.gone += packager.feed.counts();
            }
        }
        drop(state);
        self.0.watching.fetch_sub(1, Ordering::Relaxed);
    }
}

impl State {
    /// Another source takes over. Returns its number.
    pub(crate) fn take_over(&mut self) -> u64 {
        self.source += 1;
        self.timeline.source_changes();
        self.source
    }

    /// This source's clock was set: if it is still the one that pushes, what it brings is placed by when it comes.
    pub(crate) fn counts_anew(&mut self, source: u64) {
        if self.source == source {
            self.timeline.recording_begins();
        }
    }

    /// The stream consists of these tracks from its next frame on. False if it did already.
    pub(crate) fn set_tracks(&mut self, tracks: Vec<Track>) -> bool {
        if *self.tracks == *tracks {
            return false;
        }
        self.tracks = tracks.into();
        self.version += 1;
        self.group.clear();
        for slot in &mut self.packagers {
            let Some(packager) = slot else { continue };
            if packager.begin(&self.tracks, self.version).is_err() {
                packager.feed.finish(None);
                self.gone += packager.feed.counts();
                *slot = None;
            }
        }
        true
    }

    /// Takes the stream's next frame, whose track is one of the tracks. True if the publisher is to be asked for a
    /// keyframe.
    pub(crate) fn push(
        &mut self,
        mut frame: Frame,
        captured: i64,
        gap: bool,
        life: Duration,
    ) -> bool {
        let Some(track) = self.tracks.iter().find(|track| track.id == frame.track) else {
            return false;
        };
        let video = track.is_video();
        // Of pictures the newest is all that one could want.
        let is_picture = track.codec == Codec::Jpeg;
        let has_video = self.tracks.iter().any(Track::is_video);
        let now = now();
        self.timeline.place_in_order(&mut frame, life);
        self.newest_at = Some(now);
        let placed = Placed {
            frame,
            sequence: self.next,
            captured,
            gap,
            video,
        };
        self.next += 1;
        let keyframe = video && placed.frame.keyframe;
        if self.group.begins_with(&placed, has_video) {
            self.group.begin(placed.clone(), !is_picture);
            let held_from = self.group.held_from().unwrap_or(placed.sequence);
            for packager in self.packagers.iter_mut().flatten() {
                packager.begin_group(held_from);
            }
        } else {
            self.group.add(placed.clone());
        }
        let held = !self.group.frames().is_empty();
        for packager in self.packagers.iter_mut().flatten() {
            packager.write(&placed, held);
        }
        self.wishes.frame(keyframe, now)
    }

    /// The packager of a format, made if there is none.
    fn packager(&mut self, format: Format) -> Result<&mut Packager, Unsuitable> {
        let slot = &mut self.packagers[format.index()];
        if slot.is_none() {
            let mut packager = Packager::new(self.packagers_made, format, &self.pool);
            if !self.tracks.is_empty() {
                packager.begin(&self.tracks, self.version)?;
                for placed in self.group.lead() {
                    packager.catch_up_lead(placed);
                }
                for placed in self.group.frames() {
                    packager.catch_up(placed);
                }
            }
            self.packagers_made += 1;
            *slot = Some(packager);
        }
        Ok(slot.as_mut().expect("made above if there was none"))
    }

    /// The packager that a viewer watches, if there still is that one.
    pub(crate) fn watched(&self, format: Format, id: u64) -> Option<&Packager> {
        self.packagers[format.index()]
            .as_ref()
            .filter(|packager| packager.id == id)
    }

    #[cfg(test)]
    pub(crate) fn has_packager(&self, format: Format) -> bool {
        self.packagers[format.index()].is_some()
    }

    /// Whether the newest group may be shown to somebody who joins.
    pub(crate) fn is_recent(&self) -> bool {
        self.newest_at
            .is_some_and(|at| now().saturating_duration_since(at) <= self.pool.bounds.backlog_for)
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("epoch", &self.0.epoch)
            .field("watching", &self.watching())
            .finish_non_exhaustive()
    }
}

/// The clock of the runtime, which tests can stop.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn random_hex() -> String {
    let mut bytes = [0u8; 8];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
