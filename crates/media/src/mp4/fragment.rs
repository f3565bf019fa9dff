//! Reads `moof`: where each sample of a fragment stands, and when.
//!
//! Called for every frame of a live stream, so it reads the boxes where they lie.

use std::time::Duration;

use bytes::Buf;

use super::DemuxError;
use super::movie::{Defaults, Lane};

/// One sample of a fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    /// Where it stands in the stream.
    pub(crate) position: u64,
    pub(crate) size: usize,
    /// Index of its track.
    pub(crate) lane: usize,
    pub(crate) timestamp: Duration,
    pub(crate) decode_timestamp: Duration,
    pub(crate) duration: Duration,
    pub(crate) keyframe: bool,
}

/// Where a fragment stands in the stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    /// The first byte of its `moof`.
    pub(crate) moof: u64,
    /// The first byte of the recording.
    pub(crate) file: u64,
}

/// A fragment with more samples than this is broken: an hour of sound has not so many.
pub(crate) const SAMPLES_MAX: usize = 100_000;

/// The samples of a `moof` box's body, in the order of their places. `next` holds, for each track,
/// the decoding time after its newest sample.
pub(crate) fn samples(
    body: &[u8],
    origin: Origin,
    lanes: &[Lane],
    next: &mut [u64],
    sample_bytes_max: usize,
) -> Result<Vec<Sample>, DemuxError> {
    let mut out = Vec::new();
    // Without a base, a track's data follows the data of the track before it.
    let mut data_end = origin.moof;
    let mut first = true;
    for (kind, body) in boxes(body) {
        if &kind != b"traf" {
            continue;
        }
        let mut run = Run {
            origin,
            lanes,
            sample_bytes_max,
            out: &mut out,
        };
        data_end = run.track(body, if first { origin.moof } else { data_end }, next)?;
        first = false;
    }
    out.sort_by_key(|sample| sample.position);
    Ok(out)
}

struct Run<'a> {
    origin: Origin,
    lanes: &'a [Lane],
    sample_bytes_max: usize,
    out: &'a mut Vec<Sample>,
}

impl Run<'_> {
    /// Reads one `traf`; says where its data ends.
    fn track(
        &mut self,
        traf: &[u8],
        implicit_base: u64,
        next: &mut [u64],
    ) -> Result<u64, DemuxError> {
        let find = |wanted: &[u8; 4]| {
            boxes(traf)
                .find(|(kind, _)| kind == wanted)
                .map(|(_, body)| body)
        };
        let header = find(b"tfhd").ok_or_else(|| broken("traf", "no tfhd"))?;
        let mut header = Fields::new("tfhd", header)?;
        let track_id = header.u32()?;
        let Some(lane) = self
            .lanes
            .iter()
            .position(|lane| lane.track.id == u64::from(track_id))
        else {
            // A track that moov did not announce, or one too many.
            return Ok(implicit_base);
        };
        let base = match header.flags {
            flags if flags & 0x01 != 0 => self.origin.file.saturating_add(header.u64()?),
            flags if flags & 0x02_0000 != 0 => self.origin.moof,
            _ => implicit_base,
        };
        let mut defaults = self.lanes[lane].defaults;
        if header.flags & 0x02 != 0 {
            header.u32()?;
        }
        for (flag, field) in [
            (0x08, &mut defaults.duration),
            (0x10, &mut defaults.size),
            (0x20, &mut defaults.flags),
        ] {
            if header.flags & flag != 0 {
                *field = header.u32()?;
            }
        }
        let mut decode = next[lane];
        if let Some(body) = find(b"tfdt") {
            let mut time = Fields::new("tfdt", body)?;
            decode = if time.version == 1 {
                time.u64()?
            } else {
                u64::from(time.u32()?)
            };
        }
        let mut position = base;
        for (kind, body) in boxes(traf) {
            if &kind == b"trun" {
                self.run(body, lane, defaults, base, &mut position, &mut decode)?;
            }
        }
        next[lane] = decode;
        Ok(position)
    }

    fn run(
        &mut self,
        body: &[u8],
        lane: usize,
        defaults: Defaults,
        base: u64,
        position: &mut u64,
        decode: &mut u64,
    ) -> Result<(), DemuxError> {
        let mut run = Fields::new("trun", body)?;
        let count = run.u32()? as usize;
        if count > SAMPLES_MAX || self.out.len() + count > SAMPLES_MAX {
            return Err(broken("trun", &format!("{count} samples are too many")));
        }
        if run.flags & 0x01 != 0 {
            let offset = i64::from(run.i32()?);
            *position = base
                .checked_add_signed(offset)
                .ok_or_else(|| broken("trun", "data before the recording"))?;
        }
        let first_flags = if run.flags & 0x04 != 0 {
            Some(run.u32()?)
        } else {
            None
        };
        for n in 0..count {
            let mut field = |flag: u32, default: u32| {
                if run.flags & flag != 0 {
                    run.u32()
                } else {
                    Ok(default)
                }
            };
            let duration = field(0x100, defaults.duration)?;
            let size = field(0x200, defaults.size)? as usize;
            let flags = field(
                0x400,
                first_flags.filter(|_| n == 0).unwrap_or(defaults.flags),
            )?;
            let offset = field(0x800, 0)?;
            let offset = if run.version == 0 {
                i64::from(offset)
            } else {
                i64::from(offset.cast_signed())
            };
            if size > self.sample_bytes_max {
                return Err(broken(
                    "trun",
                    &format!("a frame of {size} bytes is too large"),
                ));
            }
            let track = &self.lanes[lane];
            let time = |ticks: i128| time(ticks - i128::from(track.shift), track.timescale);
            self.out.push(Sample {
                position: *position,
                size,
                lane,
                timestamp: time(i128::from(*decode) + i128::from(offset)),
                decode_timestamp: time(i128::from(*decode)),
                duration: self::time(i128::from(duration), track.timescale),
                keyframe: track.track.is_audio() || flags & SAMPLE_IS_NON_SYNC == 0,
            });
            *position = position.saturating_add(size as u64);
            *decode = decode.saturating_add(u64::from(duration));
        }
        Ok(())
    }
}

const SAMPLE_IS_NON_SYNC: u32 = 0x0001_0000;

/// Before zero there is nothing that a player could show.
fn time(ticks: i128, timescale: u32) -> Duration {
    let nanos = ticks.max(0).unsigned_abs() * 1_000_000_000 / u128::from(timescale.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

fn broken(kind: &str, reason: &str) -> DemuxError {
    DemuxError::BoxBroken {
        kind: kind.to_owned(),
        reason: reason.to_owned(),
    }
}

/// The boxes in a body that is whole. Ends at the first that is broken or reaches beyond it.
fn boxes(mut rest: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let (header, _) = rest.split_first_chunk::<8>()?;
        let [s0, s1, s2, s3, k0, k1, k2, k3] = *header;
        let size = u32::from_be_bytes([s0, s1, s2, s3]) as usize;
        let body = rest.get(8..size)?;
        rest = &rest[size..];
        Some(([k0, k1, k2, k3], body))
    })
}

/// The fields of a full box.
struct Fields<'a> {
    kind: &'static str,
    version: u8,
    flags: u32,
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    fn new(kind: &'static str, rest: &'a [u8]) -> Result<Self, DemuxError> {
        let mut fields = Self {
            kind,
            version: 0,
            flags: 0,
            rest,
        };
        let word = fields.u32()?;
        fields.version = (word >> 24) as u8;
        fields.flags = word & 0x00ff_ffff;
        Ok(fields)
    }

    fn u32(&mut self) -> Result<u32, DemuxError> {
        self.rest
            .try_get_u32()
            .map_err(|_| broken(self.kind, "it is cut off"))
    }

    fn i32(&mut self) -> Result<i32, DemuxError> {
        self.u32().map(u32::cast_signed)
    }

    fn u64(&mut self) -> Result<u64, DemuxError> {
        self.rest
            .try_get_u64()
            .map_err(|_| broken(self.kind, "it is cut off"))
    }
}
