//! Packages frames as a live CMAF stream: an init segment, then one fragment (`moof`, `mdat`) a
//! frame.
//!
//! Each fragment says when its frame is decoded and how long it lasts, so that a viewer may begin
//! at any keyframe and a player shows a frame when it has it.

use std::num::NonZeroU32;
use std::time::Duration;

use bytes::{BufMut, Bytes};
use shiguredo_mp4::boxes::{
    Brand, DinfBox, FtypBox, HdlrBox, MdhdBox, MdiaBox, MediaHeader, MinfBox, MoovBox, MvexBox,
    MvhdBox, SampleEntry, SmhdBox, StblBox, StcoBox, StscBox, StsdBox, StszBox, SttsBox, TkhdBox,
    TrakBox, TrexBox, VmhdBox,
};
use shiguredo_mp4::{Either, Encode, FixedPointNumber, LanguageCode, Mp4FileTime, SampleFlags};

use super::entry::sample_entry;
use super::order::Order;
use crate::frame::{Frame, Track, TrackKind};
use crate::package::{Pace, PackageError, Packet};

/// Writes one stream.
#[derive(Debug)]
pub struct Muxer {
    init_segment: Bytes,
    tracks: Vec<Lane>,
    sequence: u32,
}

/// One track of the stream.
#[derive(Debug)]
struct Lane {
    id: u64,
    track_id: u32,
    timescale: u32,
    pace: Pace,
    order: Order,
}

impl Muxer {
    /// A stream of these tracks, which are as [`crate::codec::Normalizer`] gives them.
    ///
    /// # Errors
    ///
    /// When there is no track, or one whose codec cannot travel in MP4.
    pub fn new(tracks: &[Track]) -> Result<Self, PackageError> {
        let mut boxes = Vec::new();
        let mut lanes = Vec::new();
        for (track, track_id) in tracks.iter().zip(1..) {
            let unfit = |reason: String| PackageError::ConfigUnfit {
                container: CONTAINER,
                codec: track.codec.clone(),
                reason,
            };
            let entry = sample_entry(track).map_err(unfit)?;
            let entry = entry.ok_or_else(|| PackageError::CodecUnfit {
                container: CONTAINER,
                codec: track.codec.clone(),
            })?;
            let timescale = timescale(track);
            boxes.push(trak(track, track_id, timescale, entry));
            lanes.push(Lane {
                id: track.id,
                track_id,
                timescale: timescale.get(),
                pace: Pace::new(track),
                order: Order::default(),
            });
        }
        let Some(first) = tracks.first() else {
            return Err(PackageError::NoTrack);
        };
        let init_segment = init_segment(boxes).map_err(|error| PackageError::ConfigUnfit {
            container: CONTAINER,
            codec: first.codec.clone(),
            reason: error.reason,
        })?;
        Ok(Self {
            init_segment,
            tracks: lanes,
            sequence: 0,
        })
    }

    /// Goes on where another muxer of the same stream was: the times of its tracks are not before those that were written.
    pub fn follow(&mut self, other: &Self) {
        for lane in &mut self.tracks {
            let is_same =
                |before: &&Lane| before.id == lane.id && before.timescale == lane.timescale;
            if let Some(before) = other.tracks.iter().find(is_same) {
                lane.pace.follow(&before.pace);
                lane.order.follow(&before.order);
            }
        }
    }

    /// What every viewer gets first.
    #[must_use]
    pub fn init_segment(&self) -> Bytes {
        self.init_segment.clone()
    }

    /// Packages a frame. `None` when its track is not in this stream, or its payload would not fit
    /// into a box.
    pub fn write(&mut self, frame: &Frame) -> Option<Packet> {
        let lane = self.tracks.iter_mut().find(|lane| lane.id == frame.track)?;
        let payload_len = u32::try_from(frame.payload.len()).ok()?;
        let mdat_len = payload_len.checked_add(BOX_HEADER_BYTES)?;
        let place = lane.pace.place(frame);
        let stamped = ticks(frame.timestamp, lane.timescale);
        let placed = ticks(place.decode, lane.timescale);
        let end = ticks(place.decode.saturating_add(place.duration), lane.timescale);
        // Sound that was put in its place is heard there.
        let moved = place.decode != frame.decode_timestamp.unwrap_or(frame.timestamp);
        let shown = if moved { placed } else { stamped };
        let (decode, duration) = match frame.decode_timestamp {
            Some(_) => lane.order.given(placed, end),
            None => lane.order.guess(placed, end),
        };
        let duration = u32::try_from(duration).unwrap_or(u32::MAX).max(1);
        let offset =
            i32::try_from(i64::try_from(shown).ok()? - i64::try_from(decode).ok()?).unwrap_or(0);
        self.sequence = self.sequence.wrapping_add(1);

        let mut head = Vec::with_capacity((MOOF_BYTES + BOX_HEADER_BYTES) as usize);
        head.put_u32(MOOF_BYTES);
        head.put_slice(b"moof");
        head.put_u32(MFHD_BYTES);
        head.put_slice(b"mfhd\0\0\0\0");
        head.put_u32(self.sequence);
        head.put_u32(TRAF_BYTES);
        head.put_slice(b"traf");
        head.put_u32(TFHD_BYTES);
        head.put_slice(b"tfhd");
        head.put_u32(TFHD_DEFAULT_BASE_IS_MOOF);
        head.put_u32(lane.track_id);
        head.put_u32(TFDT_BYTES);
        head.put_slice(b"tfdt\x01\0\0\0");
        head.put_u64(decode);
        head.put_u32(TRUN_BYTES);
        head.put_slice(b"trun");
        head.put_u32(TRUN_FLAGS);
        head.put_u32(1);
        head.put_u32(MOOF_BYTES + BOX_HEADER_BYTES);
        head.put_u32(duration);
        head.put_u32(payload_len);
        head.put_u32(if frame.keyframe {
            SAMPLE_SYNC
        } else {
            SAMPLE_DELTA
        });
        head.put_i32(offset);
        head.put_u32(mdat_len);
        head.put_slice(b"mdat");
        Some(Packet {
            head: head.into(),
            payload: frame.payload.clone(),
        })
    }
}

const CONTAINER: &str = "mp4";

const BOX_HEADER_BYTES: u32 = 8;
const MFHD_BYTES: u32 = 16;
const TFHD_BYTES: u32 = 16;
const TFDT_BYTES: u32 = 20;
const TRUN_BYTES: u32 = 36;
const TRAF_BYTES: u32 = BOX_HEADER_BYTES + TFHD_BYTES + TFDT_BYTES + TRUN_BYTES;
const MOOF_BYTES: u32 = BOX_HEADER_BYTES + MFHD_BYTES + TRAF_BYTES;

const TFHD_DEFAULT_BASE_IS_MOOF: u32 = 0x02_0000;
/// Version 1 (offsets may be negative); offset of the data, and of each sample the duration, size,
/// flags and composition offset.
const TRUN_FLAGS: u32 = 0x0100_0f01;
/// Depends on no other sample.
const SAMPLE_SYNC: u32 = 0x0200_0000;
/// Depends on others, and is no place to begin.
const SAMPLE_DELTA: u32 = 0x0101_0000;

/// Ticks a second: sound counts in samples, so that its packets join without a rounding error.
fn timescale(track: &Track) -> NonZeroU32 {
    let ticks = match track.kind {
        TrackKind::Audio { .. } if track.codec == crate::frame::Codec::Opus => 48_000,
        TrackKind::Audio { sample_rate, .. } => sample_rate,
        TrackKind::Video { .. } | TrackKind::Other => 90_000,
    };
    NonZeroU32::new(ticks).unwrap_or(NonZeroU32::MIN)
}

/// Ticks, rounded.
fn ticks(time: Duration, timescale: u32) -> u64 {
    let ticks = (time.as_nanos() * u128::from(timescale) + 500_000_000) / 1_000_000_000;
    u64::try_from(ticks)
        .unwrap_or(u64::MAX >> 1)
        .min(u64::MAX >> 1)
}

fn init_segment(trak_boxes: Vec<TrakBox>) -> shiguredo_mp4::Result<Bytes> {
    let brands = FtypBox {
        major_brand: Brand::ISO6,
        minor_version: 0,
        compatible_brands: vec![Brand::ISO6, Brand::new(*b"cmfc"), Brand::MP41],
    };
    let trex = |trak: &TrakBox| TrexBox {
        track_id: trak.tkhd_box.track_id,
        default_sample_description_index: 1,
        default_sample_duration: 0,
        default_sample_size: 0,
        default_sample_flags: SampleFlags::empty(),
    };
    let movie = MoovBox {
        mvhd_box: MvhdBox {
            creation_time: Mp4FileTime::default(),
            modification_time: Mp4FileTime::default(),
            timescale: MILLIS,
            duration: 0,
            rate: MvhdBox::DEFAULT_RATE,
            volume: MvhdBox::DEFAULT_VOLUME,
            matrix: MvhdBox::DEFAULT_MATRIX,
            next_track_id: u32::try_from(trak_boxes.len()).unwrap_or(u32::MAX - 1) + 1,
        },
        mvex_box: Some(MvexBox {
            mehd_box: None,
            trex_boxes: trak_boxes.iter().map(trex).collect(),
            unknown_boxes: Vec::new(),
        }),
        trak_boxes,
        unknown_boxes: Vec::new(),
    };
    let mut out = brands.encode_to_vec()?;
    out.extend(movie.encode_to_vec()?);
    Ok(out.into())
}

const MILLIS: NonZeroU32 = NonZeroU32::new(1000).expect("it is not 0");

fn trak(track: &Track, track_id: u32, timescale: NonZeroU32, entry: SampleEntry) -> TrakBox {
    let (width, height) = match track.kind {
        TrackKind::Video { width, height } => (width, height),
        TrackKind::Audio { .. } | TrackKind::Other => (0, 0),
    };
    let side = |pixels: u32| FixedPointNumber::new(i16::try_from(pixels).unwrap_or(i16::MAX), 0);
    let (handler_type, media_header, volume) = if track.is_audio() {
        let header = MediaHeader::Smhd(SmhdBox {
            balance: SmhdBox::DEFAULT_BALANCE,
        });
        (
            HdlrBox::HANDLER_TYPE_SOUN,
            header,
            TkhdBox::DEFAULT_AUDIO_VOLUME,
        )
    } else {
        let header = MediaHeader::Vmhd(VmhdBox {
            graphicsmode: VmhdBox::DEFAULT_GRAPHICSMODE,
            opcolor: VmhdBox::DEFAULT_OPCOLOR,
        });
        (
            HdlrBox::HANDLER_TYPE_VIDE,
            header,
            TkhdBox::DEFAULT_VIDEO_VOLUME,
        )
    };
    TrakBox {
        tkhd_box: TkhdBox {
            flag_track_enabled: true,
            flag_track_in_movie: true,
            flag_track_in_preview: false,
            flag_track_size_is_aspect_ratio: false,
            creation_time: Mp4FileTime::default(),
            modification_time: Mp4FileTime::default(),
            track_id,
            duration: 0,
            layer: TkhdBox::DEFAULT_LAYER,
            alternate_group: TkhdBox::DEFAULT_ALTERNATE_GROUP,
            volume,
            matrix: TkhdBox::DEFAULT_MATRIX,
            width: side(width),
            height: side(height),
        },
        edts_box: None,
        mdia_box: MdiaBox {
            mdhd_box: MdhdBox {
                creation_time: Mp4FileTime::default(),
                modification_time: Mp4FileTime::default(),
                timescale,
                duration: 0,
                language: LanguageCode::UNDEFINED,
            },
            hdlr_box: HdlrBox {
                handler_type,
                name: b"abanico\0".to_vec(),
            },
            minf_box: MinfBox {
                media_header: Some(media_header),
                dinf_box: DinfBox::LOCAL_FILE,
                stbl_box: empty_table(entry),
                unknown_boxes: Vec::new(),
            },
            unknown_boxes: Vec::new(),
        },
        unknown_boxes: Vec::new(),
    }
}

/// All samples are in fragments.
fn empty_table(entry: SampleEntry) -> StblBox {
    StblBox {
        stsd_box: StsdBox {
            entries: vec![entry],
        },
        stts_box: SttsBox {
            entries: Vec::new(),
        },
        ctts_box: None,
        cslg_box: None,
        stsc_box: StscBox {
            entries: Vec::new(),
        },
        stsz_box: StszBox::Variable {
            entry_sizes: Vec::new(),
        },
        stco_or_co64_box: Either::A(StcoBox {
            chunk_offsets: Vec::new(),
        }),
        stss_box: None,
        sdtp_box: None,
        unknown_boxes: Vec::new(),
    }
}
