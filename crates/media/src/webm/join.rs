//! What a viewer needs to join a recording that is already running.
//!
//! Chunks go in exactly as the publisher sent them and are passed on untouched by the caller; here
//! they are only read. Kept are the init segment and the bytes since the newest video keyframe, as
//! slices of the chunks themselves.
//!
//! Invariant: [`Joinable::join`]'s bytes and the chunks that are pushed after them are one valid
//! recording, which begins with a keyframe.

use std::time::Duration;

use bytes::Bytes;

use super::Limits;
use super::demux::{Demuxer, Located, Step};
use super::ebml::{UNKNOWN_SIZE, id, put_id, put_uint};
use crate::demux::{Event, Init};
use crate::join::{ChunkInfo, Held, Restart};

/// The backlog of one recording: init segment plus newest group.
#[derive(Debug)]
pub struct Joinable {
    group_bytes_max: usize,
    demuxer: Demuxer,
    held: Held,
    init: Option<Init>,
    group: Option<Group>,
    lead: Lead,
    /// The newest video keyframe's time, in this recording.
    keyframe_at: Option<Duration>,
    /// The first block's time, in this recording.
    first_at: Option<Duration>,
    newest_at: Duration,
    /// A viewer may be moved at the very end of the last chunk.
    boundary_at_end: bool,
}

/// The newest group: where it begins, and the time of the Cluster it was cut out of.
#[derive(Debug)]
struct Group {
    start: u64,
    /// Where the keyframe's block ends.
    keyframe_end: u64,
    cluster_ticks: u64,
    timestamp: Duration,
}

/// Which blocks begin a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lead {
    /// Keyframes of this track.
    Video(u64),
    /// There is no video: any block of this track, when the group has lasted [`AUDIO_GROUP`].
    Audio(u64),
    /// There is neither.
    None,
}

impl Joinable {
    /// A backlog that is empty.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            group_bytes_max: limits.group_bytes_max,
            demuxer: Demuxer::new(limits),
            held: Held::default(),
            init: None,
            group: None,
            lead: Lead::None,
            keyframe_at: None,
            first_at: None,
            newest_at: Duration::ZERO,
            boundary_at_end: false,
        }
    }

    /// Takes the next chunk and tells what was in it.
    pub fn push(&mut self, chunk: &Bytes) -> ChunkInfo {
        self.push_and_tell(chunk, None)
    }

    /// As [`Joinable::push`], and appends the frames in it to `events`: one reading serves both who
    /// pass the chunks on and who package the frames anew.
    pub fn push_with_events(&mut self, chunk: &Bytes, events: &mut Vec<Event>) -> ChunkInfo {
        self.push_and_tell(chunk, Some(events))
    }

    fn push_and_tell(&mut self, chunk: &Bytes, mut events: Option<&mut Vec<Event>>) -> ChunkInfo {
        let mut info = ChunkInfo::default();
        if chunk.is_empty() {
            return info;
        }
        let chunk_start = self.held.end;
        if std::mem::take(&mut self.boundary_at_end) {
            info.first_boundary = Some(0);
        }
        self.held.push(chunk.clone());

        let mut rest = chunk.clone();
        let mut next = self.demuxer.begin_chunk(&mut rest);
        loop {
            let Some(step) = next.or_else(|| self.demuxer.step(&mut rest)) else {
                break;
            };
            self.take(&step, chunk_start, &mut info);
            if let Some(events) = &mut events {
                self.demuxer.tell(step, events);
            }
            next = None;
        }

        info.ends_in_garbage = self.is_lost();
        let unfinished = self.demuxer.unfinished_from();
        self.held
            .drop_before(self.group.as_ref().map_or(unfinished, |group| group.start));
        if self.held.cost > self.group_bytes_max {
            info.group_outgrown |= self.group.take().is_some();
            self.held.drop_before(unfinished);
            if self.held.cost > self.group_bytes_max {
                self.held.drop_before(self.held.end);
            }
        }
        if !matches!(self.lead, Lead::Audio(_)) && self.first_at.is_some() {
            info.since_keyframe = self
                .keyframe_at
                .or(self.first_at)
                .map(|at| self.newest_at.saturating_sub(at));
        }
        info
    }

    /// What a joiner must get before the next live chunk: the init segment, a cluster header of our
    /// own (unknown size, the Timestamp of the Cluster that the keyframe stands in), the keyframe's
    /// block and every byte after it, the beginning of an unfinished element included. The live
    /// chunks then continue it byte for byte. `None` before the first keyframe.
    #[must_use]
    pub fn join(&self) -> Option<Vec<Bytes>> {
        let init = self.init.as_ref()?;
        self.group_after([init.segment.clone()])
    }

    /// The same without the init segment: for a viewer that has it, lagged and stopped at an
    /// element's end ([`ChunkInfo::first_boundary`]).
    #[must_use]
    pub fn rejoin(&self) -> Option<Vec<Bytes>> {
        self.group_after([])
    }

    /// The newest keyframe alone, in a cluster of our own: for a viewer that has the init segment and
    /// stopped at an element's end, and that cannot take more. [`Joinable::rejoin`] follows it, or
    /// the next keyframe alone.
    #[must_use]
    pub fn keyframe(&self) -> Option<Vec<Bytes>> {
        let group = self.group.as_ref()?;
        let mut out = vec![cluster_header(group.cluster_ticks)];
        let mut rest = usize::try_from(group.keyframe_end - group.start).ok()?;
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

    fn group_after<const N: usize>(&self, before: [Bytes; N]) -> Option<Vec<Bytes>> {
        let group = self.group.as_ref()?;
        let mut out = Vec::with_capacity(N + 1 + self.held.pieces.len());
        out.extend(before);
        out.push(cluster_header(group.cluster_ticks));
        out.extend(self.held.pieces.iter().cloned());
        Some(out)
    }

    /// What the recording says before its first frame. `None` before its first Cluster.
    #[must_use]
    pub fn init(&self) -> Option<&Init> {
        self.init.as_ref()
    }

    /// Whether nothing has been understood since the last garbage began.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.demuxer.rest().garbage().is_some()
    }

    /// How many bytes were pushed in all.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.held.end
    }

    /// Where the newest group begins, counted like [`Joinable::position`]. A viewer that already
    /// has this byte gains nothing by [`Joinable::rejoin`].
    #[must_use]
    pub fn group_position(&self) -> Option<u64> {
        self.group.as_ref().map(|group| group.start)
    }

    /// Bytes kept: init segment, group and the beginning of an unfinished element.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.init.as_ref().map_or(0, |init| init.segment.len()) + self.held.cost
    }

    fn take(&mut self, step: &Step, chunk_start: u64, info: &mut ChunkInfo) {
        match step {
            Step::Document { at, cut_short } => {
                self.init = None;
                self.group = None;
                self.lead = Lead::None;
                self.keyframe_at = None;
                self.first_at = None;
                info.restarted = Some(Restart {
                    offset: offset(*at, chunk_start),
                    cut_short: *cut_short,
                });
            }
            Step::Init(init) => {
                self.init = Some(init.clone());
                self.lead = lead(init);
                info.new_init = true;
            }
            Step::Skipped { bytes } => {
                info.skipped_bytes += bytes;
                self.group = None;
            }
            Step::Unread { bytes } => info.skipped_bytes += bytes,
            Step::Cluster { at } | Step::ClusterEnd { at } => self.boundary(*at, chunk_start, info),
            Step::Block(located) => {
                self.block(located, info);
                if located.open_ended {
                    self.boundary(located.end, chunk_start, info);
                }
            }
        }
    }

    fn boundary(&mut self, at: u64, chunk_start: u64, info: &mut ChunkInfo) {
        if at == self.held.end {
            self.boundary_at_end = true;
        }
        if at >= chunk_start && info.first_boundary.is_none() {
            info.first_boundary = Some(offset(at, chunk_start));
        }
    }

    fn block(&mut self, located: &Located, info: &mut ChunkInfo) {
        let now = located.timestamp;
        let block = &located.block;
        self.first_at.get_or_insert(now);
        self.newest_at = now;
        let begins = match self.lead {
            Lead::Video(track) => block.track == track && block.keyframe,
            Lead::Audio(track) => {
                let lasted = |group: &Group| now.saturating_sub(group.timestamp) >= AUDIO_GROUP;
                block.track == track && self.group.as_ref().is_none_or(lasted)
            }
            Lead::None => false,
        };
        if !begins || block.is_empty() {
            return;
        }
        info.keyframes += 1;
        if matches!(self.lead, Lead::Video(_))
            && let Some(before) = self.keyframe_at.replace(now)
        {
            info.keyframe_gap = info.keyframe_gap.max(Some(now.saturating_sub(before)));
        }
        // A block that outgrew the bound by itself is no longer here.
        let here = located.start >= self.held.start;
        info.group_outgrown |= !here;
        self.group = here.then_some(Group {
            start: located.start,
            keyframe_end: located.end,
            cluster_ticks: located.cluster_ticks,
            timestamp: now,
        });
    }
}

/// Sound alone can be joined anywhere: a group as short as this costs a joiner nothing.
const AUDIO_GROUP: Duration = Duration::from_millis(500);

fn lead(init: &Init) -> Lead {
    let video = init.tracks.iter().find(|track| track.is_video());
    let audio = init.tracks.iter().find(|track| track.is_audio());
    match (video, audio) {
        (Some(video), _) => Lead::Video(video.id),
        (None, Some(audio)) => Lead::Audio(audio.id),
        (None, None) => Lead::None,
    }
}

fn offset(at: u64, chunk_start: u64) -> usize {
    usize::try_from(at.saturating_sub(chunk_start)).expect("it lies in the chunk")
}

/// The beginning of a Cluster that goes on until the next. The blocks that follow keep their
/// relative times, so its own time is that of the Cluster they were cut out of.
fn cluster_header(ticks: u64) -> Bytes {
    let mut out = Vec::with_capacity(24);
    put_id(&mut out, id::CLUSTER);
    out.extend_from_slice(&UNKNOWN_SIZE);
    put_uint(&mut out, id::TIMESTAMP, ticks);
    out.into()
}
