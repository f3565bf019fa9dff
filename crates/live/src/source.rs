//! What a publisher pushes into a [`Channel`]: container bytes ([`Source`]), or encoded frames and pictures
//! ([`Encoder`]).
//!
//! A channel takes from one source at a time, the newest; one that was replaced is told so. A stream has one video and one
//! sound track; what a publisher has beyond that is left out. Invariant: whatever is pushed, viewers keep what was whole.

use crate::channel::{Channel, State};
use crate::clock::{Clock, Reading};
use crate::native::Header;
use abanico_media::codec::{CodecError, Normal, Normalizer};
use abanico_media::frame::{Codec, Frame, Track, TrackKind};
use abanico_media::ingest::{Ingest, IngestError, Ingested, Timeline};
use abanico_media::rest::Rest;
use bytes::Bytes;
use std::time::Duration;
use thiserror::Error;

/// Why a publisher's bytes or frames are not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SourceError {
    /// A newer source publishes the stream.
    #[error("another publisher has taken this stream over")]
    Replaced,
    /// The stream is over.
    #[error("this stream has ended")]
    Ended,
    /// The bytes are nothing that can be passed on.
    #[error(transparent)]
    Ingest(#[from] IngestError),
    /// A track is nothing that can be passed on.
    #[error("track {number}: {reason}")]
    Track {
        /// The number that the publisher gave it.
        number: u8,
        /// What is wrong with it.
        reason: CodecError,
    },
    /// There is neither video nor sound.
    #[error("there is no video and no audio track")]
    NoTrack,
    /// A frame before its track was described.
    #[error("a frame of track {0}, which was not described")]
    UnknownTrack(u8),
}

/// What came of a push.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    /// Frames that the stream has now, and had not before.
    pub frames: usize,
    /// How many of them are keyframes of its video.
    pub keyframes: usize,
    /// The longest time from a keyframe to one of the pictures that need it.
    pub since_keyframe: Option<Duration>,
    /// Bytes that meant nothing and were passed over.
    pub garbage: u64,
    /// What was wrong and is left out, the first few of it; the stream goes on without it.
    pub faults: Vec<Fault>,
    /// Why nothing more can be taken from this source, if what was whole came together with what broke it.
    pub broken: Option<IngestError>,
}

impl Taken {
    fn note(&mut self, fault: Fault) {
        /// Whoever sends rubbish need not be told of each piece.
        const FAULTS_MAX: usize = 16;
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(fault);
        }
    }
}

/// What was left out of what a publisher sent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Fault {
    /// A track, with all its frames.
    #[error("a track is left out: {0}")]
    Track(CodecError),
    /// A frame; its track goes on with its next keyframe.
    #[error("a frame is left out: {0}")]
    Frame(CodecError),
    /// A frame at a time that its stream cannot have come to; its track goes on with its next keyframe.
    #[error("a frame is left out: its timestamp of {0} µs is more than a day from those before it")]
    Timestamp(i64),
    /// Bytes that mean nothing.
    #[error("{0} bytes of garbage were passed over")]
    Garbage(u64),
}

/// A publisher of container bytes.
#[derive(Debug)]
pub struct Source {
    intake: Intake,
    ingest: Ingest,
    ingested: Vec<Ingested>,
}

impl Source {
    pub(crate) fn new(channel: Channel, make: impl FnOnce(Timeline) -> Ingest) -> Self {
        Self {
            intake: Intake::new(channel),
            ingest: make(Timeline::default()),
            ingested: Vec::new(),
        }
    }

    /// Takes the next bytes, cut anywhere. `captured` is when they were, in microseconds since 1970 of the server's clock;
    /// 0 when nobody says so.
    ///
    /// # Errors
    /// When nothing more can be taken from this source, and nothing was. If something was, [`Taken::broken`] says so.
    pub fn push(&mut self, bytes: Bytes, captured: i64) -> Result<Taken, SourceError> {
        let life = self.intake.channel.life();
        let pushed = self.ingest.push(bytes, life, &mut self.ingested);
        let alone = self.ingested.drain(..).map(|mut ingested| {
            if let Ingested::Frame(frame) = &mut ingested {
                // Only the frame is counted that is kept, not the bytes that it came among.
                frame.payload = Bytes::copy_from_slice(&frame.payload);
            }
            (ingested, captured)
        });
        let mut taken = self.intake.take(alone)?;
        match pushed {
            Err(error) if taken.frames == 0 => Err(error.into()),
            pushed => {
                taken.broken = pushed.err();
                Ok(taken)
            }
        }
    }

    /// How its bytes would stand if nothing followed.
    pub fn rest(&self) -> Rest {
        self.ingest.rest()
    }
}

/// A publisher of encoded frames.
#[derive(Debug)]
pub struct Encoder {
    intake: Intake,
    lanes: Vec<Lane>,
    normals: Vec<Normal>,
    said: Vec<Ingested>,
    clock: Clock,
}

/// One track of an encoder.
#[derive(Debug)]
struct Lane {
    theirs: u8,
    ours: u64,
    video: bool,
    normalizer: Normalizer,
    /// Something was lost: nothing but a keyframe can be decoded.
    waits: bool,
    /// How many of its frames were broken, before one that was whole.
    broken: u32,
}

/// The numbers of a stream's tracks, the same as [`Ingest`] gives them.
const VIDEO: u64 = 1;
const SOUND: u64 = 2;

impl Encoder {
    pub(crate) fn new(channel: Channel) -> Self {
        Self {
            intake: Intake::new(channel),
            lanes: Vec::new(),
            normals: Vec::new(),
            said: Vec::new(),
            clock: Clock::default(),
        }
    }

    /// The tracks that the frames from now on belong to, as [`crate::native::parse_tracks`] gives them.
    ///
    /// # Errors
    /// When one of them cannot be passed on; the tracks before stay then.
    pub fn tracks(&mut self, tracks: Vec<Track>) -> Result<(), SourceError> {
        let mut lanes: Vec<Lane> = Vec::new();
        for track in tracks {
            let theirs = u8::try_from(track.id).unwrap_or(u8::MAX);
            let (video, ours) = match track.kind {
                TrackKind::Video { .. } => (true, VIDEO),
                TrackKind::Audio { .. } => (false, SOUND),
                TrackKind::Other => continue,
            };
            if lanes.iter().any(|lane| lane.ours == ours) {
                continue;
            }
            let normalizer = Normalizer::new(Track { id: ours, ..track }).map_err(|reason| {
                SourceError::Track {
                    number: theirs,
                    reason,
                }
            })?;
            lanes.push(Lane {
                theirs,
                ours,
                video,
                normalizer,
                waits: false,
                broken: 0,
            });
        }
        if lanes.is_empty() {
            return Err(SourceError::NoTrack);
        }
        self.lanes = lanes;
        let begun = Ingested::Begun(self.lanes.iter().map(|lane| lane.ours).collect());
        let known = self
            .lanes
            .iter_mut()
            .filter_map(|lane| lane.normalizer.announce());
        let said: Vec<_> = std::iter::once(begun)
            .chain(known.map(Ingested::Track))
            .map(|said| (said, 0))
            .collect();
        self.intake.take(said).map(|_| ())
    }

    /// Takes the next frame. The header's sequence is the publisher's own and means nothing here.
    ///
    /// # Errors
    /// When this source is refused, or the frame belongs to no track.
    pub fn push(&mut self, header: &Header, payload: Bytes) -> Result<Taken, SourceError> {
        let lane = self
            .lanes
            .iter_mut()
            .find(|lane| lane.theirs == header.track)
            .ok_or(SourceError::UnknownTrack(header.track))?;
        let captured = header.captured;
        let came = payload.len();
        lane.waits |= header.gap && lane.video;
        match self.clock.reads(header.timestamp) {
            Reading::GoesOn => {}
            Reading::WasSet => self.intake.counts_anew(),
            Reading::Leaps => {
                lane.waits |= lane.video;
                self.intake.lost(lane.video);
                let mut taken = self.intake.take([])?;
                taken.note(Fault::Timestamp(header.timestamp));
                return Ok(taken);
            }
        }
        let frame = Frame {
            track: lane.ours,
            // A clock that began before its zero has no time that the stream could have.
            timestamp: Duration::from_micros(u64::try_from(header.timestamp).unwrap_or(0)),
            decode_timestamp: None,
            duration: (header.duration > 0)
                .then(|| Duration::from_micros(u64::from(header.duration))),
            keyframe: header.keyframe || !lane.video,
            payload,
        };
        let broken = lane.normalizer.push(frame, &mut self.normals).err();
        lane.waits |= broken.is_some() && lane.video;
        let is_hopeless = lane.is_hopeless(broken.is_some());
        self.said.extend(broken.map(Ingested::Broken));
        for normal in self.normals.drain(..) {
            match normal {
                Normal::Track(track) => self.said.push(Ingested::Track(track)),
                Normal::Frame(mut frame) => {
                    lane.waits &= !frame.keyframe;
                    if !lane.waits {
                        if frame.payload.len() < came / 2 {
                            // Most of the message was left out, and is not to be kept with the rest.
                            frame.payload = Bytes::copy_from_slice(&frame.payload);
                        }
                        self.said.push(Ingested::Frame(frame));
                    }
                }
            }
        }
        if header.gap {
            self.intake.lost(lane.video);
        }
        if is_hopeless {
            self.leave_sound_out();
        }
        self.intake
            .take(self.said.drain(..).map(|said| (said, captured)))
    }

    /// Goes on without the sound track, of which nothing is whole: a player would wait for it.
    fn leave_sound_out(&mut self) {
        let Some(video) = self.lanes.iter().find(|lane| lane.video) else {
            return;
        };
        self.said.push(Ingested::Begun(vec![video.ours]));
        let known = video.normalizer.track().cloned();
        self.said.extend(known.map(Ingested::Track));
    }

    /// Takes a JPEG picture, as the only track of the stream.
    ///
    /// # Errors
    /// When this source is refused.
    pub fn picture(&mut self, picture: Bytes, captured: i64) -> Result<Taken, SourceError> {
        if self.lanes.is_empty() {
            self.tracks(vec![Track::new(0, Codec::Jpeg, TrackKind::UNSIZED_VIDEO)])?;
        }
        let life = self.intake.channel.life();
        let header = Header {
            track: 0,
            keyframe: true,
            gap: false,
            sequence: 0,
            duration: 0,
            timestamp: crate::native::micros(life),
            captured,
        };
        self.push(&header, picture)
    }
}

impl Lane {
    /// Sound whose first frames are all broken is no sound: with 20 ms each, this is a second of it.
    const BROKEN_MAX: u32 = 50;

    /// Counts a frame. True when the track is to be left out, now.
    fn is_hopeless(&mut self, broken: bool) -> bool {
        if self.video || self.broken > Self::BROKEN_MAX {
            return false;
        }
        self.broken = if broken {
            self.broken + 1
        } else {
            // It has begun, and is never left out.
            Self::BROKEN_MAX + 1
        };
        self.broken == Self::BROKEN_MAX
    }
}

/// Puts what a source brought into its channel.
#[derive(Debug)]
struct Intake {
    channel: Channel,
    /// Which source of the channel this is.
    number: u64,
    /// The tracks that the publisher announced.
    announced: Vec<u64>,
    /// Those of them that are known so far.
    described: Vec<Track>,
    /// Whether the channel has the tracks.
    settled: bool,
    /// When the tracks were announced, in the stream's life.
    announced_at: Duration,
    /// Whether frames were lost before the next one: of video, of sound.
    lost: [bool; 2],
    /// When its newest keyframe is shown, in its own time.
    keyframe_at: Option<Duration>,
}

/// A track that was announced and is not described after this long is not waited for.
const DESCRIBED_WITHIN: Duration = Duration::from_secs(2);

impl Intake {
    fn new(channel: Channel) -> Self {
        let number = channel.lock().take_over();
        Self {
            channel,
            number,
            announced: Vec::new(),
            described: Vec::new(),
            settled: false,
            announced_at: Duration::ZERO,
            lost: [false; 2],
            keyframe_at: None,
        }
    }

    fn lost(&mut self, video: bool) {
        self.lost[usize::from(!video)] = true;
    }

    /// The source's clock was set: what follows is placed by when it comes.
    fn counts_anew(&mut self) {
        self.channel.lock().counts_anew(self.number);
    }

    fn take(
        &mut self,
        said: impl IntoIterator<Item = (Ingested, i64)>,
    ) -> Result<Taken, SourceError> {
        let channel = self.channel.clone();
        let life = channel.life();
        let mut state = channel.lock();
        if state.ended {
            return Err(SourceError::Ended);
        }
        if state.source != self.number {
            return Err(SourceError::Replaced);
        }
        let (mut taken, mut changed, mut asked) = (Taken::default(), false, false);
        for (said, captured) in said {
            match said {
                Ingested::Begun(announced) => {
                    self.announced = announced;
                    self.announced.retain(|id| [VIDEO, SOUND].contains(id));
                    self.described.clear();
                    self.settled = false;
                    self.announced_at = life;
                    self.keyframe_at = None;
                }
                Ingested::Track(track) => changed |= self.describe(track, &mut state),
                Ingested::Frame(frame) => {
                    if !self.settled && life.saturating_sub(self.announced_at) >= DESCRIBED_WITHIN {
                        changed |= self.settle(&mut state);
                    }
                    let video = frame.track == VIDEO;
                    if self.settled && (video || frame.track == SOUND) {
                        let gap = std::mem::take(&mut self.lost[usize::from(!video)]);
                        taken.frames += 1;
                        taken.keyframes += usize::from(video && frame.keyframe);
                        if video {
                            taken.since_keyframe =
                                taken.since_keyframe.max(self.since_keyframe(&frame));
                        }
                        asked |= state.push(frame, captured, gap, life);
                    }
                }
                Ingested::Refused(why) => taken.note(Fault::Track(why)),
                Ingested::Broken(why) => {
                    // Pictures go on where a piece of sound is broken.
                    self.lost = [self.lost[0] || !why.is_of_sound(), true];
                    taken.note(Fault::Frame(why));
                }
                Ingested::Skipped(bytes) => {
                    self.lost = [true; 2];
                    taken.garbage += bytes;
                    taken.note(Fault::Garbage(bytes));
                }
            }
        }
        let tracks = changed.then(|| state.tracks.clone());
        drop(state);
        if let Some(tracks) = tracks {
            channel.publish_tracks(&tracks);
        }
        if asked {
            channel.ask();
        }
        Ok(taken)
    }

    /// How long before this picture the keyframe was that it needs.
    fn since_keyframe(&mut self, picture: &Frame) -> Option<Duration> {
        if picture.keyframe {
            self.keyframe_at = Some(picture.timestamp);
            return None;
        }
        Some(picture.timestamp.saturating_sub(self.keyframe_at?))
    }

    /// Takes a track's description. True if the channel's tracks changed.
    fn describe(&mut self, track: Track, state: &mut State) -> bool {
        if !self.announced.contains(&track.id) {
            return false;
        }
        match self.described.iter_mut().find(|known| known.id == track.id) {
            Some(known) => *known = track,
            None => self.described.push(track),
        }
        let complete = self.described.len() == self.announced.len();
        (complete || self.settled) && self.settle(state)
    }

    /// Gives the channel the tracks that are known. True if they changed.
    fn settle(&mut self, state: &mut State) -> bool {
        self.settled = !self.described.is_empty();
        self.described.sort_by_key(|track| track.id);
        self.settled && state.set_tracks(self.described.clone())
    }
}
