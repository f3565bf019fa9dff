//! Makes the packets of one format: exists only while somebody watches that format.
//!
//! Frames go in once, packets go to the [`Feed`] of all who watch, and those of the newest group are kept for who comes.

use crate::group::Placed;
use crate::native::{self, HEADER_BYTES, Header};
use crate::packet::{Content, Framed, Packet};
use crate::pool::Pool;
use crate::unpacked::Unpacked;
use abanico_hub::feed::Feed;
use abanico_media::codec::opus;
use abanico_media::frame::{Codec, Track};
use abanico_media::mp4;
use abanico_media::package::PackageError;
use abanico_media::webm::{self, DocType};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// The forms that a stream is given to viewers in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// A header of 28 bytes and the payload, for our own player.
    Native,
    /// WebM, one Cluster a frame.
    WebM,
    /// Fragmented MP4, one fragment a frame.
    Mp4,
    /// JPEG pictures as parts of a multipart body.
    Mjpeg,
    /// The native header and the payload as RTP carries it: H.264 with start codes, its parameter sets before each
    /// keyframe. Sound that WebRTC has no place for is left out.
    Rtp,
}

impl Format {
    pub(crate) const ALL: [Self; 5] = [Self::Native, Self::WebM, Self::Mp4, Self::Mjpeg, Self::Rtp];

    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Native => 0,
            Self::WebM => 1,
            Self::Mp4 => 2,
            Self::Mjpeg => 3,
            Self::Rtp => 4,
        }
    }

    /// What a person calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Native => "the native door",
            Self::WebM => "WebM",
            Self::Mp4 => "MP4",
            Self::Mjpeg => "multipart JPEG",
            Self::Rtp => "WebRTC",
        }
    }

    /// The form that carries these tracks to a player that takes any but the native one.
    pub fn fitting(tracks: &[Track]) -> Option<Self> {
        [Self::Mjpeg, Self::WebM, Self::Mp4]
            .into_iter()
            .find(|format| format.suits(tracks).is_ok())
    }

    /// Whether these tracks can travel in this form.
    ///
    /// # Errors
    /// When they cannot: says which codec, and what could carry it.
    pub fn suits(self, tracks: &[Track]) -> Result<(), Unsuitable> {
        Form::new(self, tracks).map(|_| ())
    }
}

/// The line between the parts of [`Format::Mjpeg`].
pub const MJPEG_BOUNDARY: &str = "abanico";

/// Why a stream cannot be given in a format. Its text is a sentence for whoever asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Unsuitable {
    /// The format has no place for a codec.
    #[error("this stream is {codec}, which cannot travel in {}; it can be had {instead}", format.name())]
    Codec {
        /// What was asked for.
        format: Format,
        /// What the stream has.
        codec: String,
        /// Where it can be had.
        instead: String,
    },
    /// A track cannot be described.
    #[error("this stream cannot be packaged as {}: {reason}", format.name())]
    Described {
        /// What was asked for.
        format: Format,
        /// What is wrong.
        reason: String,
    },
}

/// What a person calls a codec.
pub(crate) fn codec_name(codec: &Codec) -> &str {
    match codec {
        Codec::Vp8 => "VP8",
        Codec::Vp9 => "VP9",
        Codec::Av1 => "AV1",
        Codec::H264 => "H.264",
        Codec::Hevc => "HEVC",
        Codec::Opus => "Opus",
        Codec::Aac => "AAC",
        Codec::Jpeg => "JPEG pictures",
        Codec::Other(name) => name,
    }
}

/// The doors that can carry the codecs, for a sentence.
fn doors_for(tracks: &[Track]) -> String {
    let has = |codec: &Codec| tracks.iter().any(|track| track.codec == *codec);
    let mut doors = Vec::new();
    if has(&Codec::Jpeg) {
        doors.extend([".mjpeg", ".jpg"]);
    } else {
        if webm::Muxer::new(tracks, DocType::WebM).is_ok() {
            doors.push(".webm");
        }
        if mp4::Muxer::new(tracks).is_ok() {
            doors.push(".mp4");
        }
    }
    if doors.is_empty() {
        return "at the watch page".to_owned();
    }
    format!("as {} or at the watch page", doors.join(" or "))
}

/// How frames are written.
#[derive(Debug)]
enum Form {
    Native,
    WebM(Box<webm::Muxer>),
    Mp4(Box<mp4::Muxer>),
    Mjpeg,
    Rtp(Unpacked),
}

impl Form {
    fn new(format: Format, tracks: &[Track]) -> Result<Self, Unsuitable> {
        let unfit = |codec: &Codec| Unsuitable::Codec {
            format,
            codec: codec_name(codec).to_owned(),
            instead: doors_for(tracks),
        };
        let refused = |error: PackageError| match error {
            PackageError::CodecUnfit { codec, .. } => unfit(&codec),
            other => Unsuitable::Described {
                format,
                reason: other.to_string(),
            },
        };
        Ok(match format {
            Format::Native => Self::Native,
            Format::WebM => {
                let muxer = webm::Muxer::new(tracks, DocType::WebM).map_err(refused)?;
                Self::WebM(Box::new(muxer))
            }
            Format::Mp4 => Self::Mp4(Box::new(mp4::Muxer::new(tracks).map_err(refused)?)),
            Format::Mjpeg => match tracks.iter().find(|track| track.is_video()) {
                Some(video) if video.codec == Codec::Jpeg => Self::Mjpeg,
                Some(video) => return Err(unfit(&video.codec)),
                None => {
                    return Err(unfit(
                        &tracks
                            .first()
                            .map_or(Codec::Jpeg, |track| track.codec.clone()),
                    ));
                }
            },
            Format::Rtp => Self::Rtp(Unpacked::new(tracks).map_err(|codec| unfit(&codec))?),
        })
    }

    fn init(&self, tracks: &[Track]) -> Bytes {
        match self {
            Self::Native | Self::Rtp(_) => native::tracks_json(tracks).into(),
            Self::WebM(muxer) => muxer.init_segment(),
            Self::Mp4(muxer) => muxer.init_segment(),
            Self::Mjpeg => Bytes::from_static(MJPEG_FIRST.as_bytes()),
        }
    }

    /// Its times go on after those of the form before it.
    fn follow(&mut self, before: &Self) {
        match (self, before) {
            (Self::WebM(muxer), Self::WebM(before)) => muxer.follow(before),
            (Self::Mp4(muxer), Self::Mp4(before)) => muxer.follow(before),
            _ => {}
        }
    }

    /// Whether who has the init packet of `before` can go on with frames of `after`. What changes within a WebM track,
    /// its size for one, stands in the frames too.
    fn goes_on(&self, before: &[Track], after: &[Track]) -> bool {
        match self {
            Self::Mjpeg => true,
            Self::WebM(_) => {
                before.len() == after.len()
                    && before.iter().zip(after).all(|(before, after)| {
                        before.codec == after.codec
                            && (before.is_video() || before.config == after.config)
                    })
            }
            // The parameter sets come with each keyframe.
            Self::Rtp(_) => {
                let codecs = |tracks: &[Track]| -> Vec<Codec> {
                    tracks.iter().map(|track| track.codec.clone()).collect()
                };
                codecs(before) == codecs(after)
            }
            Self::Native | Self::Mp4(_) => before == after,
        }
    }

    fn write(&mut self, placed: &Placed, tracks: &[Track]) -> Option<Packet> {
        let content = Content::Frame {
            sequence: placed.sequence,
            video: placed.video,
            keyframe: placed.frame.keyframe,
            captured: placed.captured,
        };
        let packet = |head: Bytes, payload: Bytes, tail: &'static [u8]| Packet {
            head,
            payload,
            tail,
            content,
            framed: Framed::default(),
        };
        match self {
            Self::Native => {
                let mut head = Vec::with_capacity(HEADER_BYTES);
                header(placed, tracks).put(&mut head);
                Some(packet(head.into(), placed.frame.payload.clone(), &[]))
            }
            Self::WebM(muxer) => muxer
                .write(&placed.frame)
                .map(|written| packet(written.head, written.payload, &[])),
            Self::Mp4(muxer) => muxer
                .write(&placed.frame)
                .map(|written| packet(written.head, written.payload, &[])),
            Self::Mjpeg if placed.video => {
                let length = placed.frame.payload.len();
                let head = format!("Content-Type: image/jpeg\r\nContent-Length: {length}\r\n\r\n");
                // The line after a picture comes with it: browsers show a picture when they see that it ends.
                let tail = MJPEG_NEXT.as_bytes();
                Some(packet(head.into(), placed.frame.payload.clone(), tail))
            }
            Self::Rtp(unpacked) => {
                let payload = unpacked.write(&placed.frame, placed.video)?;
                let mut head = Vec::with_capacity(HEADER_BYTES);
                header(placed, tracks).put(&mut head);
                Some(packet(head.into(), payload, &[]))
            }
            Self::Mjpeg => None,
        }
    }
}

const MJPEG_FIRST: &str = "--abanico\r\n";
const MJPEG_NEXT: &str = "\r\n--abanico\r\n";

fn header(placed: &Placed, tracks: &[Track]) -> Header {
    let frame = &placed.frame;
    let known = frame.duration.or_else(|| {
        let track = tracks.iter().find(|track| track.id == frame.track)?;
        let told = || {
            (track.codec == Codec::Opus)
                .then(|| opus::packet_duration(&frame.payload))
                .flatten()
        };
        track.frame_duration.or_else(told)
    });
    Header {
        track: native::number(placed.video),
        keyframe: frame.keyframe,
        gap: placed.gap,
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the wire's counter wraps around after years"
        )]
        sequence: placed.sequence as u32,
        duration: known.map_or(0, |known: Duration| {
            u32::try_from(known.as_micros()).unwrap_or(0)
        }),
        timestamp: native::micros(frame.timestamp),
        captured: placed.captured,
    }
}

/// What holding a packet costs beside its bytes.
const PACKET_CHARGE: usize = 384;

/// One format of one stream while it is watched.
pub(crate) struct Packager {
    /// Tells this from another of the same format, before or after it.
    pub(crate) id: u64,
    pub(crate) watching: usize,
    pub(crate) feed: Feed<Packet>,
    format: Format,
    /// `None` until the tracks are known.
    form: Option<Form>,
    tracks: Arc<[Track]>,
    init: Option<Packet>,
    group: Vec<Packet>,
    /// Bytes of the group that the stream's own group does not share, and that are charged to the pool.
    copied: usize,
    /// There was no room for the copies of the newest group.
    let_go: bool,
    pool: Arc<Pool>,
    /// What came right before the group. Of the native format alone: other players cannot say where they were.
    lead: VecDeque<Packet>,
}

impl Packager {
    pub(crate) fn new(id: u64, format: Format, pool: &Arc<Pool>) -> Self {
        Self {
            id,
            watching: 0,
            feed: Feed::new(pool.bounds.feed, Arc::clone(&pool.budget)),
            format,
            form: None,
            tracks: Arc::default(),
            init: None,
            group: Vec::new(),
            copied: 0,
            let_go: false,
            pool: Arc::clone(pool),
            lead: VecDeque::new(),
        }
    }

    /// The tracks are these from now on.
    ///
    /// # Errors
    /// When they cannot travel in this format.
    pub(crate) fn begin(&mut self, tracks: &Arc<[Track]>, version: u64) -> Result<(), Unsuitable> {
        let mut form = Form::new(self.format, tracks)?;
        if let Some(before) = &self.form {
            form.follow(before);
        }
        let packet = Packet::init(form.init(tracks), version);
        let goes_on = form.goes_on(&self.tracks, tracks);
        self.forget_group();
        self.init = Some(match &self.init {
            // Who watches needs nothing new; who comes is given what is right now.
            Some(before) if goes_on => Packet {
                content: before.content,
                ..packet
            },
            _ => {
                self.feed.push_whole(packet.clone(), packet.len());
                packet
            }
        });
        self.form = Some(form);
        self.tracks = Arc::clone(tracks);
        Ok(())
    }

    /// A new group begins. What came before it is kept from the frame of the number `held_from` on.
    pub(crate) fn begin_group(&mut self, held_from: u64) {
        self.let_go = false;
        if self.format != Format::Native {
            return self.forget_group();
        }
        self.lead.extend(self.group.drain(..));
        while self
            .lead
            .front()
            .is_some_and(|first| first.sequence() < Some(held_from))
        {
            self.lead.pop_front();
        }
    }

    /// Nothing that came before is a beginning for what comes.
    pub(crate) fn forget_group(&mut self) {
        self.pool.give_back(std::mem::take(&mut self.copied));
        self.group.clear();
        self.lead.clear();
    }

    /// Packages a frame, and keeps it if it is `held` in the newest group.
    pub(crate) fn write(&mut self, placed: &Placed, held: bool) {
        let Some(packet) = self.package(placed) else {
            return;
        };
        if held {
            self.hold(placed, packet.clone());
        } else {
            self.forget_group();
        }
        let bytes = packet.len() + self.made_of(&packet) + PACKET_CHARGE;
        // Whoever lags is given the newest group, which is held beside the feed.
        self.feed.push_whole(packet, bytes);
    }

    /// What the format's door makes of a packet for its wire, and keeps with it: RTP's cuts the payload into packets of about a
    /// kilobyte, with a descriptor before each and a note of where it ends.
    fn made_of(&self, packet: &Packet) -> usize {
        let bytes = packet.payload.len();
        let is_cut = self.format == Format::Rtp;
        if is_cut { bytes + bytes / 32 + 128 } else { 0 }
    }

    /// Packages a frame of the newest group for those who come.
    pub(crate) fn catch_up(&mut self, placed: &Placed) {
        if let Some(packet) = self.package(placed) {
            self.hold(placed, packet);
        }
    }

    /// Keeps a packet of the newest group. Without room for what of it is a copy the group is let go of: who joins waits for
    /// the next keyframe.
    fn hold(&mut self, placed: &Placed, packet: Packet) {
        if self.let_go {
            return;
        }
        let is_copy = packet.payload.as_ptr() != placed.frame.payload.as_ptr();
        let copied = if is_copy { packet.payload.len() } else { 0 };
        let bytes = copied + self.made_of(&packet);
        if self.pool.take(bytes) {
            self.copied += bytes;
            self.group.push(packet);
        } else {
            self.forget_group();
            self.let_go = true;
        }
    }

    /// Packages a frame of the newest group's lead for those who come back.
    pub(crate) fn catch_up_lead(&mut self, placed: &Placed) {
        if self.format == Format::Native {
            let packet = self.package(placed);
            self.lead.extend(packet);
        }
    }

    pub(crate) fn init(&self) -> Option<&Packet> {
        self.init.as_ref()
    }

    pub(crate) fn group(&self) -> &[Packet] {
        &self.group
    }

    /// The packets right before the group, without a gap.
    pub(crate) fn lead(&self) -> &VecDeque<Packet> {
        &self.lead
    }

    fn package(&mut self, placed: &Placed) -> Option<Packet> {
        self.form.as_mut()?.write(placed, &self.tracks)
    }
}

impl Drop for Packager {
    fn drop(&mut self) {
        self.forget_group();
    }
}

impl Packet {
    /// A frame's number; of an init packet, none.
    pub fn sequence(&self) -> Option<u64> {
        match self.content {
            Content::Frame { sequence, .. } => Some(sequence),
            Content::Init { .. } => None,
        }
    }
}
