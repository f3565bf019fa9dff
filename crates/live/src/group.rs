//! The newest group: a keyframe of the video track and everything since, sound included.
//!
//! A stream without video begins a group now and then with any frame of its sound. What came right before the group is
//! kept a little longer, its lead, for viewers who come back to where they were.

use crate::pool::Pool;
use abanico_media::frame::Frame;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// A frame with its place in the stream.
#[derive(Debug, Clone)]
pub(crate) struct Placed {
    pub(crate) frame: Frame,
    /// Its number among all frames of the stream.
    pub(crate) sequence: u64,
    /// Wall clock in microseconds since 1970, in the server's time; 0 when unknown.
    pub(crate) captured: i64,
    /// Frames of its track were left out right before it.
    pub(crate) gap: bool,
    pub(crate) video: bool,
}

/// The newest group of a stream.
#[derive(Debug)]
pub(crate) struct Group {
    pool: Arc<Pool>,
    frames: Vec<Placed>,
    bytes: usize,
    /// The frames right before the group's first.
    lead: VecDeque<Placed>,
    lead_bytes: usize,
    /// Counts groups, so that whoever reads one notices the next.
    number: u64,
}

/// What sound alone begins a group after.
const SOUND_GROUP: Duration = Duration::from_secs(1);

/// What keeping a frame costs beside its payload: here, and in a format or two that are watched.
const FRAME_CHARGE: usize = 1024;

impl Group {
    pub(crate) fn new(pool: Arc<Pool>) -> Self {
        Self {
            pool,
            frames: Vec::new(),
            bytes: 0,
            lead: VecDeque::new(),
            lead_bytes: 0,
            number: 0,
        }
    }

    /// Whether this frame begins a group. `has_video` says whether the stream has a video track.
    pub(crate) fn begins_with(&self, placed: &Placed, has_video: bool) -> bool {
        if has_video {
            return placed.video && placed.frame.keyframe;
        }
        let from = self.frames.first().map(|first| first.frame.timestamp);
        from.is_none_or(|from| placed.frame.timestamp.abs_diff(from) >= SOUND_GROUP)
    }

    /// Begins the next group. `with_lead` keeps what came right before it.
    pub(crate) fn begin(&mut self, placed: Placed, with_lead: bool) {
        if with_lead {
            self.lead.extend(self.frames.drain(..));
            self.lead_bytes += std::mem::take(&mut self.bytes);
            // Who is further behind than this is moved on wherever it stands.
            let lag = &self.pool.bounds.feed;
            let from = placed.frame.timestamp.saturating_sub(lag.lag_for_max);
            let too_old = |first: &Placed| first.frame.timestamp < from;
            // Nor is it a reason to hold more than a group may be.
            let most = lag.lag_bytes_max.min(self.pool.bounds.group_bytes_max);
            while let Some(first) = self.lead.front()
                && (self.lead_bytes > most || too_old(first))
            {
                let bytes = charge(first);
                self.lead_bytes -= bytes;
                self.pool.give_back(bytes);
                self.lead.pop_front();
            }
        } else {
            self.clear();
        }
        self.number += 1;
        self.append(placed);
    }

    /// Adds a frame, if there is a group. A group that outgrows its bounds is let go of.
    pub(crate) fn add(&mut self, placed: Placed) {
        if !self.frames.is_empty() {
            self.append(placed);
        }
    }

    fn append(&mut self, placed: Placed) {
        let bytes = charge(&placed);
        let too_long = self.bytes + bytes > self.pool.bounds.group_bytes_max;
        if too_long || !self.pool.take(bytes) {
            return self.clear();
        }
        self.bytes += bytes;
        self.frames.push(placed);
    }

    /// Lets go of the group and of its lead.
    pub(crate) fn clear(&mut self) {
        self.pool.give_back(self.bytes + self.lead_bytes);
        self.bytes = 0;
        self.lead_bytes = 0;
        self.frames.clear();
        self.lead.clear();
    }

    /// What came right before the group, without a gap.
    pub(crate) fn lead(&self) -> impl Iterator<Item = &Placed> {
        self.lead.iter()
    }

    /// The number of the oldest frame that is held.
    pub(crate) fn held_from(&self) -> Option<u64> {
        let first = self.lead.front().or(self.frames.first())?;
        Some(first.sequence)
    }

    pub(crate) fn frames(&self) -> &[Placed] {
        &self.frames
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }
}

fn charge(placed: &Placed) -> usize {
    placed.frame.payload.len() + FRAME_CHARGE
}

impl Drop for Group {
    fn drop(&mut self) {
        self.clear();
    }
}
