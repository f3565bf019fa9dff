//! Reads `moov`: the tracks, and what fragments leave out because it is said here once.

use bytes::Bytes;
use shiguredo_mp4::Decode;
use shiguredo_mp4::boxes::{MoovBox, TrakBox, TrexBox};

use super::DemuxError;
use super::entry::described;
use crate::frame::{Track, TrackKind};

/// One track, and how its fragments are to be read.
#[derive(Clone, Debug)]
pub(crate) struct Lane {
    pub(crate) track: Track,
    pub(crate) timescale: u32,
    /// Ticks that an edit list takes off each time (or adds, when negative).
    pub(crate) shift: i64,
    pub(crate) defaults: Defaults,
}

/// What a sample is when its fragment does not say.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Defaults {
    pub(crate) duration: u32,
    pub(crate) size: u32,
    pub(crate) flags: u32,
}

/// The tracks of a `moov` box, which is whole.
pub(crate) fn lanes(whole: &[u8]) -> Result<Vec<Lane>, DemuxError> {
    let broken = |reason: String| DemuxError::BoxBroken {
        kind: "moov".to_owned(),
        reason,
    };
    let (movie, _) = MoovBox::decode(whole).map_err(|error| broken(error.reason))?;
    let Some(extends) = &movie.mvex_box else {
        return Err(DemuxError::NotFragmented);
    };
    let movie_timescale = movie.mvhd_box.timescale.get();
    let lane = |trak: &TrakBox| {
        let id = trak.tkhd_box.track_id;
        let entry = trak.mdia_box.minf_box.stbl_box.stsd_box.entries.first();
        let (codec, kind, config) =
            described(entry.ok_or_else(|| broken(format!("track {id} without a sample entry")))?)
                .map_err(|reason| broken(format!("track {id}: {reason}")))?;
        let timescale = trak.mdia_box.mdhd_box.timescale.get();
        Ok(Lane {
            track: Track {
                id: u64::from(id),
                codec,
                kind: with_rate(kind, timescale),
                config,
                codec_string: String::new(),
                frame_duration: None,
            },
            timescale,
            shift: shift(trak, movie_timescale),
            defaults: extends
                .trex_boxes
                .iter()
                .find(|trex| trex.track_id == id)
                .map(defaults)
                .unwrap_or_default(),
        })
    };
    movie.trak_boxes.iter().take(TRACKS_MAX).map(lane).collect()
}

/// So many tracks are read; more are passed over.
const TRACKS_MAX: usize = 32;

/// A rate that does not fit into a sample entry is 0 there; by custom it is the timescale.
fn with_rate(kind: TrackKind, timescale: u32) -> TrackKind {
    match kind {
        TrackKind::Audio {
            sample_rate: 0,
            channels,
        } => TrackKind::Audio {
            sample_rate: timescale,
            channels,
        },
        TrackKind::Audio { .. } | TrackKind::Video { .. } | TrackKind::Other => kind,
    }
}

fn defaults(trex: &TrexBox) -> Defaults {
    Defaults {
        duration: trex.default_sample_duration,
        size: trex.default_sample_size,
        flags: trex.default_sample_flags.get(),
    }
}

/// Encoders write edit lists to say where the first sample is shown: an empty edit delays the
/// track, and the first other begins in the middle of it.
fn shift(trak: &TrakBox, movie_timescale: u32) -> i64 {
    let entries = trak
        .edts_box
        .as_ref()
        .and_then(|edits| edits.elst_box.as_ref())
        .map(|list| &list.entries[..]);
    let mut empty: u64 = 0;
    for entry in entries.unwrap_or_default() {
        if entry.media_time < 0 {
            empty = empty.saturating_add(entry.edit_duration);
            continue;
        }
        let timescale = trak.mdia_box.mdhd_box.timescale.get();
        let delay = u128::from(empty) * u128::from(timescale) / u128::from(movie_timescale);
        return entry
            .media_time
            .saturating_sub(i64::try_from(delay).unwrap_or(i64::MAX));
    }
    0
}

/// The init segment: `ftyp` if there was one, and `moov`.
pub(crate) fn init_segment(brands: &[u8], movie: &[u8]) -> Bytes {
    [brands, movie].concat().into()
}
