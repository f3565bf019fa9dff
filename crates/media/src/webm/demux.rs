//! Makes tracks and frames of a recording's bytes.
//!
//! Driven by whoever has the bytes; every call takes one chunk, cut anywhere, and says all that
//! became known by it. Frames are slices of the chunks where they lie in one.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::Limits;
use super::block::Block;
use super::ebml::{UNKNOWN_SIZE, id, put_element, put_id, uint};
use super::tracks::{self, TIMESTAMP_SCALE_DEFAULT};
use super::walk::{Item, Walker};
use crate::codec::opus;
use crate::demux::{Event, Init};
use crate::frame::{Codec, Frame, Track};
use crate::rest::Rest;

/// Reads one WebM or Matroska stream.
#[derive(Debug)]
pub struct Demuxer {
    walker: Walker,
    header: Bytes,
    info: Bytes,
    track_entries: Bytes,
    scale: u64,
    tracks: Arc<[Track]>,
    announced: bool,
    /// The Timestamp of the Cluster that is being read.
    cluster_ticks: Option<u64>,
}

/// What [`Demuxer::step`] says: an [`Event`] before it is made, with its place.
#[derive(Debug)]
pub(crate) enum Step {
    Document {
        at: u64,
        cut_short: bool,
    },
    Init(Init),
    Cluster {
        at: u64,
    },
    ClusterEnd {
        at: u64,
    },
    Block(Located),
    /// Garbage: something may be missing.
    Skipped {
        bytes: u64,
    },
    /// One block that nobody can use; everything around it is whole.
    Unread {
        bytes: u64,
    },
}

/// A block of a known track, and where it stood.
#[derive(Debug)]
pub(crate) struct Located {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) open_ended: bool,
    pub(crate) cluster_ticks: u64,
    pub(crate) timestamp: Duration,
    pub(crate) block: Block,
}

impl Demuxer {
    /// A demuxer before the first byte.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            walker: Walker::new(limits),
            header: Bytes::new(),
            info: Bytes::new(),
            track_entries: Bytes::new(),
            scale: TIMESTAMP_SCALE_DEFAULT,
            tracks: Arc::new([]),
            announced: false,
            cluster_ticks: None,
        }
    }

    /// Takes the next chunk and appends to `out` what became known by it.
    pub fn push(&mut self, mut chunk: Bytes, out: &mut Vec<Event>) {
        if let Some(step) = self.begin_chunk(&mut chunk) {
            self.tell(step, out);
        }
        while let Some(step) = self.step(&mut chunk) {
            self.tell(step, out);
        }
    }

    /// The tracks of the recording that is being read; none before they were read.
    #[must_use]
    pub fn tracks(&self) -> &Arc<[Track]> {
        &self.tracks
    }

    /// How the recording would stand if nothing followed.
    #[must_use]
    pub fn rest(&self) -> Rest {
        self.walker.rest()
    }

    pub(crate) fn unfinished_from(&self) -> u64 {
        self.walker.unfinished_from()
    }

    /// Before the first [`Self::step`] of a chunk: a new recording may begin in the middle of an
    /// element of the old.
    pub(crate) fn begin_chunk(&mut self, chunk: &mut Bytes) -> Option<Step> {
        let item = self.walker.begin_chunk(chunk)?;
        self.read(item)
    }

    /// The next thing in `chunk`, whose front is taken off as it is read.
    pub(crate) fn step(&mut self, chunk: &mut Bytes) -> Option<Step> {
        loop {
            let item = self.walker.next(chunk)?;
            if let Some(step) = self.read(item) {
                return Some(step);
            }
        }
    }

    /// Appends the events of one step to `out`.
    pub(crate) fn tell(&self, step: Step, out: &mut Vec<Event>) {
        match step {
            Step::Init(init) => out.push(Event::Init(init)),
            Step::Skipped { bytes } | Step::Unread { bytes } => out.push(Event::Skipped(bytes)),
            Step::Block(located) => self.tell_block(located, out),
            Step::Document { .. } | Step::Cluster { .. } | Step::ClusterEnd { .. } => {}
        }
    }

    fn tell_block(&self, located: Located, out: &mut Vec<Event>) {
        let Located {
            start,
            end,
            timestamp,
            block,
            ..
        } = located;
        let (track, keyframe) = (block.track, block.keyframe);
        let block_duration = block.duration.map(|ticks| self.time(u128::from(ticks)));
        let Some(frames) = block.frames() else {
            out.push(Event::Skipped(end - start));
            return;
        };
        let count = u32::try_from(frames.remaining()).unwrap_or(u32::MAX);
        let known = block_duration.map(|whole| whole / count.max(1));
        let known_track = self.track(track);
        let mut timestamp = timestamp;
        for payload in frames {
            let duration = known.or_else(|| known_track?.frame_duration).or_else(|| {
                // Only here is it said how long laced Opus packets are.
                let opus = known_track?.codec == Codec::Opus;
                opus.then(|| opus::packet_duration(&payload)).flatten()
            });
            if !payload.is_empty() {
                out.push(Event::Frame(Frame {
                    track,
                    timestamp,
                    decode_timestamp: None,
                    duration,
                    keyframe,
                    payload,
                }));
            }
            timestamp = timestamp.saturating_add(duration.unwrap_or_default());
        }
    }

    fn read(&mut self, item: Item) -> Option<Step> {
        match item {
            Item::Document { at, cut_short } => {
                self.header = Bytes::new();
                self.info = Bytes::new();
                self.track_entries = Bytes::new();
                self.scale = TIMESTAMP_SCALE_DEFAULT;
                self.tracks = Arc::new([]);
                self.announced = false;
                self.cluster_ticks = None;
                Some(Step::Document { at, cut_short })
            }
            Item::Cluster { at } => {
                self.cluster_ticks = None;
                Some(Step::Cluster { at })
            }
            Item::ClusterEnd { at } => Some(Step::ClusterEnd { at }),
            Item::Garbage { bytes, .. } => Some(Step::Skipped { bytes }),
            Item::Leaf {
                id,
                start,
                end,
                body,
                open_ended,
            } => match id {
                id::SIMPLE_BLOCK => self.block(Block::simple(body), start, end, open_ended),
                id::BLOCK_GROUP => self.block(Block::group(&body), start, end, open_ended),
                id::TIMESTAMP => {
                    self.cluster_ticks = uint(&body);
                    self.announce()
                }
                id::EBML => {
                    self.header = detach(&body);
                    None
                }
                id::INFO if !self.announced => {
                    self.scale = tracks::timestamp_scale(&body);
                    self.info = detach(&body);
                    None
                }
                id::TRACKS if !self.announced => {
                    self.track_entries = detach(&body);
                    self.tracks = tracks::tracks(&self.track_entries).into();
                    None
                }
                _ => None,
            },
        }
    }

    /// The init segment is complete when the first Cluster's time is known.
    fn announce(&mut self) -> Option<Step> {
        if self.announced || self.tracks.is_empty() || self.header.is_empty() {
            return None;
        }
        self.announced = true;
        let bodies = [&self.header, &self.info, &self.track_entries].map(Bytes::len);
        let mut segment = Vec::with_capacity(bodies.iter().sum::<usize>() + 48);
        put_element(&mut segment, id::EBML, &self.header);
        put_id(&mut segment, id::SEGMENT);
        segment.extend_from_slice(&UNKNOWN_SIZE);
        put_element(&mut segment, id::INFO, &self.info);
        put_element(&mut segment, id::TRACKS, &self.track_entries);
        Some(Step::Init(Init {
            tracks: self.tracks.clone(),
            segment: segment.into(),
        }))
    }

    /// Places a block in time. One that is broken, of an unknown track, or before its Cluster's
    /// time is passed over.
    fn block(&self, block: Option<Block>, start: u64, end: u64, open_ended: bool) -> Option<Step> {
        let known = block.filter(|block| self.announced && self.track(block.track).is_some());
        let (Some(block), Some(cluster_ticks)) = (known, self.cluster_ticks) else {
            return Some(Step::Unread { bytes: end - start });
        };
        // Before zero there is nothing that a player could show.
        let ticks = (i128::from(cluster_ticks) + i128::from(block.relative)).max(0);
        let timestamp = self.time(ticks.unsigned_abs());
        Some(Step::Block(Located {
            start,
            end,
            open_ended,
            cluster_ticks,
            timestamp,
            block,
        }))
    }

    fn track(&self, id: u64) -> Option<&Track> {
        self.tracks.iter().find(|track| track.id == id)
    }

    fn time(&self, ticks: u128) -> Duration {
        let nanos = ticks.saturating_mul(u128::from(self.scale));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// What is kept as long as the recording lasts must not keep its whole chunk alive.
fn detach(body: &Bytes) -> Bytes {
    Bytes::copy_from_slice(body)
}
