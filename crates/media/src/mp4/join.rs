//! What a viewer needs to join a fragmented MP4 recording that is already running.
//!
//! Chunks go in exactly as the publisher sent them and are passed on untouched by the caller; here
//! they are only read. Kept are the init segment and the bytes since the newest fragment that
//! begins with a keyframe of the video, as slices of the chunks themselves.
//!
//! Invariant: [`Joinable::join`]'s bytes and the chunks that are pushed after them are one valid
//! recording, which begins with a keyframe.

use std::time::Duration;

use bytes::Bytes;

use super::demux::{Demuxer, Mark};
use super::{DemuxError, Limits};
use crate::demux::{Event, Init};
use crate::join::{ChunkInfo, Held, Restart};

/// The backlog of one recording: init segment plus newest group.
#[derive(Debug)]
pub struct Joinable {
    limits: Limits,
    group_bytes_max: usize,
    demuxer: Demuxer,
    held: Held,
    /// Where the demuxer began to count.
    origin: u64,
    init: Option<Init>,
    group: Option<Group>,
    has_video: bool,
    keyframe_at: Option<Duration>,
    newest_at: Duration,
    boundary_at_end: bool,
    broken: Option<DemuxError>,
    events: Vec<Event>,
}

/// The newest group: where it begins, and where its first fragment ends once it has.
#[derive(Debug)]
struct Group {
    start: u64,
    first_end: Option<u64>,
    at: Duration,
}

impl Joinable {
    /// A backlog that is empty. `group_bytes_max` bounds the newest group; one that outgrows it is
    /// let go of.
    #[must_use]
    pub fn new(limits: Limits, group_bytes_max: usize) -> Self {
        let mut demuxer = Demuxer::new(limits.clone());
        demuxer.mark();
        Self {
            limits,
            group_bytes_max,
            demuxer,
            held: Held::default(),
            origin: 0,
            init: None,
            group: None,
            has_video: false,
            keyframe_at: None,
            newest_at: Duration::ZERO,
            boundary_at_end: false,
            broken: None,
            events: Vec::new(),
        }
    }

    /// Takes the next chunk and tells what was in it. A chunk that begins as a recording does begins
    /// one, wherever the one before was cut off.
    pub fn push(&mut self, chunk: &Bytes) -> ChunkInfo {
        let mut info = ChunkInfo::default();
        if chunk.is_empty() {
            return info;
        }
        let chunk_start = self.held.end;
        let at_boundary = std::mem::take(&mut self.boundary_at_end);
        if at_boundary {
            info.first_boundary = Some(0);
        }
        if chunk.get(4..8) == Some(b"ftyp") && chunk_start > 0 {
            self.begin(chunk_start);
            info.restarted = Some(Restart {
                offset: 0,
                cut_short: !at_boundary,
            });
        }
        self.held.push(chunk.clone());
        let read = self.demuxer.push(chunk.clone(), &mut self.events);
        if let Err(error) = read {
            info.skipped_bytes += chunk.len() as u64;
            info.ends_in_garbage = true;
            self.broken = Some(error);
        }
        for event in self.events.drain(..) {
            if let Event::Init(init) = event {
                self.has_video = init.tracks.iter().any(crate::frame::Track::is_video);
                self.init = Some(init);
                self.group = None;
                self.keyframe_at = None;
            }
        }
        for mark in self.demuxer.take_marks() {
            self.take(mark, chunk_start, &mut info);
        }
        if self.is_broken() {
            // Also of a group that began in this very chunk.
            self.group = None;
        }
        self.trim(&mut info);
        if self.has_video {
            info.since_keyframe = self.keyframe_at.map(|at| self.newest_at.saturating_sub(at));
        }
        info
    }

    /// What a joiner must get before the next live chunk: the init segment and every byte since the
    /// newest keyframe's fragment began. `None` before the first.
    #[must_use]
    pub fn join(&self) -> Option<Vec<Bytes>> {
        let init = self.init.as_ref()?.segment.clone();
        Some(std::iter::once(init).chain(self.rejoin()?).collect())
    }

    /// The same without the init segment: for a viewer that has it, lagged and stopped where a box
    /// ended ([`ChunkInfo::first_boundary`]).
    #[must_use]
    pub fn rejoin(&self) -> Option<Vec<Bytes>> {
        self.group.as_ref()?;
        Some(self.held.pieces.iter().cloned().collect())
    }

    /// The newest group's first fragment alone.
    #[must_use]
    pub fn keyframe(&self) -> Option<Vec<Bytes>> {
        let group = self.group.as_ref()?;
        let mut rest = usize::try_from(group.first_end? - group.start).ok()?;
        let mut out = Vec::new();
        for piece in &self.held.pieces {
            let taken = piece.slice(..piece.len().min(rest));
            rest -= taken.len();
            out.push(taken);
            if rest == 0 {
                return Some(out);
            }
        }
        None
    }

    /// What the recording says before its first frame.
    #[must_use]
    pub fn init(&self) -> Option<&Init> {
        self.init.as_ref()
    }

    /// Whether nothing more can be read of this recording.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    /// Why nothing more can be read of this recording.
    #[must_use]
    pub fn broken(&self) -> Option<&DemuxError> {
        self.broken.as_ref()
    }

    fn begin(&mut self, at: u64) {
        self.demuxer = Demuxer::new(self.limits.clone());
        self.demuxer.mark();
        self.origin = at;
        self.init = None;
        self.group = None;
        self.keyframe_at = None;
        self.broken = None;
    }

    fn take(&mut self, mark: Mark, chunk_start: u64, info: &mut ChunkInfo) {
        match mark {
            Mark::Movie => info.new_init = true,
            Mark::Fragment { start, begins, at } => {
                self.newest_at = at;
                let start = self.origin + start;
                let lasted = |group: &Group| at.saturating_sub(group.at) >= SOUND_GROUP;
                let begins = begins && (self.has_video || self.group.as_ref().is_none_or(lasted));
                if begins && start >= self.held.start {
                    info.keyframes += 1;
                    if self.has_video
                        && let Some(before) = self.keyframe_at.replace(at)
                    {
                        info.keyframe_gap = info.keyframe_gap.max(Some(at.saturating_sub(before)));
                    }
                    self.group = Some(Group {
                        start,
                        first_end: None,
                        at,
                    });
                }
            }
            Mark::End(end) => {
                let end = self.origin + end;
                if let Some(group) = &mut self.group {
                    group.first_end.get_or_insert(end);
                }
                self.boundary_at_end = end == self.held.end;
                if info.first_boundary.is_none() && end >= chunk_start {
                    info.first_boundary = usize::try_from(end - chunk_start).ok();
                }
            }
        }
    }

    /// Lets go of what nobody needs, and of a group that outgrew its bound.
    fn trim(&mut self, info: &mut ChunkInfo) {
        let unfinished = if self.is_broken() {
            self.held.end
        } else {
            self.origin + self.demuxer.unfinished_from()
        };
        let from = self.group.as_ref().map_or(unfinished, |group| group.start);
        self.held.drop_before(from);
        if self.held.cost > self.group_bytes_max {
            info.group_outgrown |= self.group.take().is_some();
            self.held.drop_before(unfinished);
            if self.held.cost > self.group_bytes_max {
                self.held.drop_before(self.held.end);
            }
        }
    }
}

/// Sound alone can be joined anywhere: a group as short as this costs a joiner nothing.
const SOUND_GROUP: Duration = Duration::from_millis(500);
