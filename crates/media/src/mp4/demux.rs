//! Makes tracks and frames of a fragmented MP4 stream, however its bytes are cut.
//!
//! Boxes say their size and nothing else marks them: after the first that is broken there is no way
//! back, so the demuxer says what is wrong and reads no more. What was whole before has been told.
//!
//! Invariants: nothing is kept but the box or the frame that is being read, and that only as far as
//! it has come; a frame that lies in one chunk is a slice of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};

use super::fragment::{Origin, Sample, samples};
use super::movie::{Lane, init_segment, lanes};
use super::{DemuxError, Limits};
use crate::demux::{Event, Init};
use crate::frame::{Frame, Track};
use crate::rest::Rest;

/// Reads one stream.
#[derive(Debug)]
pub struct Demuxer {
    limits: Limits,
    /// Where the next byte stands that is read.
    position: u64,
    state: State,
    /// Where the recording began.
    file: u64,
    brands: Bytes,
    lanes: Vec<Lane>,
    next_decode: Vec<u64>,
    /// The samples of the newest fragment that were not read yet, the last one first.
    samples: Vec<Sample>,
    broken: Option<DemuxError>,
    /// Where things begin and end, for who wants to know.
    marks: Option<Vec<Mark>>,
}

/// A place in the recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// `moov` ended.
    Movie,
    /// A fragment begins.
    Fragment {
        /// The first byte of its `moof`.
        start: u64,
        /// Whether a viewer can begin with it.
        begins: bool,
        /// When its first frame is shown.
        at: Duration,
    },
    /// A box other than `moof` ended: another one may be put here.
    End(u64),
}

#[derive(Debug)]
enum State {
    /// Before or in a box's header, whose first bytes are kept here.
    Header(BytesMut),
    /// In a box that is read whole: its bytes so far, the header included.
    Whole {
        kind: [u8; 4],
        start: u64,
        size: usize,
        bytes: BytesMut,
    },
    /// In a box that nobody reads.
    Pass { rest: u64 },
    /// In `mdat`: so much of it is to come, and this of the sample that has begun.
    Data { rest: u64, sample: BytesMut },
}

impl Demuxer {
    /// A demuxer before the first byte.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            position: 0,
            state: State::Header(BytesMut::new()),
            file: 0,
            brands: Bytes::new(),
            lanes: Vec::new(),
            next_decode: Vec::new(),
            samples: Vec::new(),
            broken: None,
            marks: None,
        }
    }

    /// Marks places from now on.
    pub(super) fn mark(&mut self) {
        self.marks = Some(Vec::new());
    }

    /// The places that were passed since the last call.
    pub(super) fn take_marks(&mut self) -> Vec<Mark> {
        self.marks.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Where the box begins that is being read; of `mdat`, what is to be read next.
    pub(super) fn unfinished_from(&self) -> u64 {
        match &self.state {
            State::Header(head) => self.position - head.len() as u64,
            State::Whole { start, .. } => *start,
            State::Pass { .. } | State::Data { .. } => self.position,
        }
    }

    /// How the recording would stand if nothing followed. Of one that is broken the error says all.
    #[must_use]
    pub fn rest(&self) -> Rest {
        if self.broken.is_some() {
            return Rest::Nothing;
        }
        match &self.state {
            State::Header(head) if head.is_empty() && !self.samples.is_empty() => {
                Rest::unfinished("a fragment", 0)
            }
            State::Header(head) => Rest::begun("a box's header", head.len()),
            State::Whole { kind, bytes, .. } => {
                let what = match kind {
                    b"moof" => "a moof box",
                    b"moov" => "a moov box",
                    _ => "a box",
                };
                Rest::unfinished(what, bytes.len() as u64)
            }
            State::Pass { .. } => Rest::unfinished("a box", 0),
            // One that goes on to the end of the stream ends with its samples.
            State::Data { rest, .. } if self.samples.is_empty() && *rest > u64::MAX / 2 => {
                Rest::Nothing
            }
            State::Data { sample, .. } => Rest::unfinished("an mdat box", sample.len() as u64),
        }
    }

    fn note(&mut self, mark: Mark) {
        if let Some(marks) = &mut self.marks {
            marks.push(mark);
        }
    }

    /// Takes the next chunk and appends to `out` what became known by it.
    ///
    /// # Errors
    ///
    /// When a box is broken or too large, or the recording is no fragmented MP4. From then on every
    /// call says the same.
    pub fn push(&mut self, mut chunk: Bytes, out: &mut Vec<Event>) -> Result<(), DemuxError> {
        if let Some(broken) = &self.broken {
            return Err(broken.clone());
        }
        while !chunk.is_empty() {
            self.step(&mut chunk, out)
                .inspect_err(|error| self.broken = Some(error.clone()))?;
        }
        Ok(())
    }

    /// Makes some way in `input`, which is not empty.
    fn step(&mut self, input: &mut Bytes, out: &mut Vec<Event>) -> Result<(), DemuxError> {
        match &mut self.state {
            State::Header(head) => {
                let wanted = if head.len() >= 8 && head[..4] == [0, 0, 0, 1] {
                    16
                } else {
                    8
                };
                let len = input.len().min(wanted - head.len());
                head.extend_from_slice(&input.split_to(len));
                self.position += len as u64;
                let large = head.len() == 8 && head[..4] == [0, 0, 0, 1];
                if head.len() == wanted && !large {
                    let head = std::mem::take(head);
                    self.state = self.enter(head)?;
                }
                self.leave_if_empty(out)
            }
            State::Whole { size, bytes, .. } => {
                let len = input.len().min(*size - bytes.len());
                bytes.extend_from_slice(&input.split_to(len));
                self.position += len as u64;
                self.leave_if_empty(out)
            }
            State::Pass { rest } => {
                let len = usize::try_from(*rest)
                    .unwrap_or(usize::MAX)
                    .min(input.len());
                input.advance(len);
                self.position += len as u64;
                *rest -= len as u64;
                self.leave_if_empty(out)
            }
            State::Data { .. } => {
                self.data(input, out);
                self.leave_if_empty(out)
            }
        }
    }

    /// Goes into a box whose header was just read.
    fn enter(&mut self, head: BytesMut) -> Result<State, DemuxError> {
        let [s0, s1, s2, s3, kind @ ..] =
            *head.first_chunk::<8>().expect("a header has eight bytes");
        let start = self.position - head.len() as u64;
        if !kind
            .iter()
            .all(|byte| (0x20..0x7f).contains(byte) || *byte == 0xa9)
        {
            return Err(DemuxError::NotMp4);
        }
        let size = match u32::from_be_bytes([s0, s1, s2, s3]) {
            // To the end of the stream.
            0 if &kind == b"mdat" => u64::MAX,
            1 => head[8..].try_into().map_or(0, u64::from_be_bytes),
            size => u64::from(size),
        };
        let Some(rest) = size.checked_sub(head.len() as u64) else {
            return Err(DemuxError::BoxBroken {
                kind: name(kind),
                reason: format!("it is {size} bytes long"),
            });
        };
        let max = match &kind {
            b"ftyp" => FTYP_BYTES_MAX,
            b"moov" => self.limits.init_bytes_max,
            b"moof" => self.limits.fragment_header_bytes_max,
            b"mdat" => {
                return Ok(State::Data {
                    rest,
                    sample: BytesMut::new(),
                });
            }
            _ => return Ok(State::Pass { rest }),
        };
        match usize::try_from(size) {
            Ok(size) if size <= max => Ok(State::Whole {
                kind,
                start,
                size,
                bytes: head,
            }),
            _ => Err(DemuxError::BoxTooLarge {
                kind: name(kind),
                size,
                max,
            }),
        }
    }

    /// Ends the box that is being read when all of it was.
    fn leave_if_empty(&mut self, out: &mut Vec<Event>) -> Result<(), DemuxError> {
        let done = match &mut self.state {
            State::Header(_) => false,
            State::Pass { rest } | State::Data { rest, .. } => *rest == 0,
            State::Whole { size, bytes, .. } => bytes.len() == *size,
        };
        if !done {
            return Ok(());
        }
        let State::Whole {
            kind, start, bytes, ..
        } = std::mem::replace(&mut self.state, State::Header(BytesMut::new()))
        else {
            self.note(Mark::End(self.position));
            return Ok(());
        };
        let bytes = bytes.freeze();
        match &kind {
            b"ftyp" => {
                self.file = start;
                self.brands = bytes;
                self.samples.clear();
            }
            b"moov" => {
                self.movie(&bytes, out)?;
                self.note(Mark::Movie);
                self.note(Mark::End(self.position));
            }
            _ => self.fragment(&bytes, start)?,
        }
        Ok(())
    }

    fn movie(&mut self, whole: &Bytes, out: &mut Vec<Event>) -> Result<(), DemuxError> {
        self.lanes = lanes(whole)?;
        self.next_decode = vec![0; self.lanes.len()];
        self.samples.clear();
        let tracks: Arc<[Track]> = self.lanes.iter().map(|lane| lane.track.clone()).collect();
        out.push(Event::Init(Init {
            tracks,
            segment: init_segment(&self.brands, whole),
        }));
        Ok(())
    }

    fn fragment(&mut self, whole: &Bytes, start: u64) -> Result<(), DemuxError> {
        if self.lanes.is_empty() {
            return Err(DemuxError::NoInit);
        }
        let header = if whole[..4] == [0, 0, 0, 1] { 16 } else { 8 };
        let origin = Origin {
            moof: start,
            file: self.file,
        };
        let max = self.limits.frame_bytes_max;
        self.samples = samples(
            &whole[header..],
            origin,
            &self.lanes,
            &mut self.next_decode,
            max,
        )?;
        self.samples.reverse();
        let video = |sample: &&Sample| self.lanes[sample.lane].track.is_video();
        let has_video = self.lanes.iter().any(|lane| lane.track.is_video());
        let first = self.samples.iter().rev();
        let first = if has_video {
            first.clone().find(video)
        } else {
            first.clone().next()
        };
        if let Some(first) = first {
            let (begins, at) = (first.keyframe, first.timestamp);
            self.note(Mark::Fragment { start, begins, at });
        }
        Ok(())
    }

    /// Reads the samples that stand in this part of `mdat`.
    fn data(&mut self, input: &mut Bytes, out: &mut Vec<Event>) {
        let State::Data { rest, sample } = &mut self.state else {
            return;
        };
        let len = usize::try_from(*rest)
            .unwrap_or(usize::MAX)
            .min(input.len());
        let mut data = input.split_to(len);
        *rest -= len as u64;
        while let Some(next) = self.samples.last() {
            let begun = next.position + sample.len() as u64;
            if begun < self.position {
                // It stands before this box, or inside of another sample.
                out.push(Event::Skipped(next.size as u64));
                sample.clear();
                self.samples.pop();
                continue;
            }
            let skip = usize::try_from(begun - self.position).unwrap_or(usize::MAX);
            if skip > data.len() || data.is_empty() && next.size > sample.len() {
                break;
            }
            data.advance(skip);
            self.position += skip as u64;
            let missing = next.size - sample.len();
            let payload = if data.len() < missing {
                self.position += data.len() as u64;
                sample.extend_from_slice(&data);
                return;
            } else if sample.is_empty() {
                data.split_to(missing)
            } else {
                sample.extend_from_slice(&data.split_to(missing));
                std::mem::take(sample).freeze()
            };
            self.position += missing as u64;
            if let Some(next) = self.samples.pop().filter(|next| next.size > 0) {
                out.push(Event::Frame(self.lanes[next.lane].frame(&next, payload)));
            }
        }
        self.position += data.len() as u64;
    }
}

impl Lane {
    fn frame(&self, sample: &Sample, payload: Bytes) -> Frame {
        Frame {
            track: self.track.id,
            timestamp: sample.timestamp,
            decode_timestamp: Some(sample.decode_timestamp)
                .filter(|decode| *decode != sample.timestamp),
            duration: Some(sample.duration).filter(|duration| !duration.is_zero()),
            keyframe: sample.keyframe,
            payload,
        }
    }
}

/// Brands are a handful of names.
const FTYP_BYTES_MAX: usize = 4096;

fn name(kind: [u8; 4]) -> String {
    kind.escape_ascii().to_string()
}
