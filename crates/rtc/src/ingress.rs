//! A publisher's session: frames as RTP brought them, into the stream's channel.

use crate::clock::{RtpTime, TrackClock};
use crate::driver::Command;
use crate::pictures::{Came, Pictures};
use abanico_live::native::Header;
use abanico_live::{Channel, Encoder, SourceError};
use abanico_media::frame::{Codec, Track, TrackKind};
use bytes::Bytes;
use std::time::{Duration, Instant};
use str0m::format;
use str0m::media::{MediaData, MediaKind, Rid};
use tokio::sync::{mpsc, watch};

/// Sound alone is a stream when no picture came for so long.
const PICTURE_WITHIN: Duration = Duration::from_secs(2);

/// The numbers of the tracks.
pub(crate) const PICTURE: u8 = 0;
const SOUND: u8 = 1;

/// How a publisher's session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// Its publisher said so: with `DELETE`, or by closing the connection.
    Asked,
    /// Its publisher was not heard any more, or never.
    Lost,
    /// The channel takes no more of it.
    Refused(SourceError),
}

/// How far a publisher's session is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    Waiting,
    Flowing,
    Ended(Ended),
}

/// A publisher's session from outside. Dropping it ends the session.
#[derive(Debug)]
pub struct Publishing {
    session: u64,
    commands: mpsc::UnboundedSender<Command>,
    stages: watch::Receiver<Stage>,
}

impl Publishing {
    /// Waits until the first frame was taken. Does not return if none ever is.
    pub async fn flowing(&self) {
        let mut stages = self.stages.clone();
        if stages
            .wait_for(|stage| *stage == Stage::Flowing)
            .await
            .is_err()
        {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until the session is over.
    pub async fn ended(&self) -> Ended {
        let mut stages = self.stages.clone();
        let stage = stages
            .wait_for(|stage| matches!(stage, Stage::Ended(_)))
            .await;
        match stage.as_deref() {
            Ok(Stage::Ended(ended)) => ended.clone(),
            // Nobody drives sessions any more.
            _ => Ended::Asked,
        }
    }

    /// Asks the publisher for a keyframe, soon.
    pub fn ask_for_keyframe(&self) {
        // A session that is over has none to give.
        let _ = self.commands.send(Command::Keyframe(self.session));
    }
}

impl Drop for Publishing {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.commands.send(Command::End(self.session));
    }
}

/// A publisher's session inside.
pub(crate) struct Ingress {
    encoder: Encoder,
    stage: watch::Sender<Stage>,
    began: Instant,
    has_picture_line: bool,
    has_sound_line: bool,
    /// What the channel was told that it gets: the codec of the picture, and whether there is sound.
    announced: Option<(Option<Codec>, bool)>,
    pictures: Pictures,
    sound: TrackClock,
    sequence: u32,
}

impl Ingress {
    /// The session of that number, and its outside.
    pub(crate) fn new(
        session: u64,
        channel: &Channel,
        lines: (bool, bool),
        commands: mpsc::UnboundedSender<Command>,
        now: Instant,
    ) -> (Self, Publishing) {
        let (stage, stages) = watch::channel(Stage::Waiting);
        let ingress = Self {
            encoder: channel.encoder(),
            stage,
            began: now,
            has_picture_line: lines.0,
            has_sound_line: lines.1,
            announced: None,
            pictures: Pictures::new(channel.clone()),
            sound: TrackClock::default(),
            sequence: 0,
        };
        let publishing = Publishing {
            session,
            commands,
            stages,
        };
        (ingress, publishing)
    }

    /// Somebody would like a keyframe.
    pub(crate) fn want_keyframe(&mut self) {
        self.pictures.want_keyframe();
    }

    /// When the publisher is to be asked for a keyframe.
    pub(crate) fn ask_at(&self, now: Instant) -> Option<Instant> {
        self.pictures.ask_at(now)
    }

    /// The layer that the publisher is asked for a keyframe of now, if one is due.
    pub(crate) fn asking(&mut self, now: Instant) -> Option<Option<Rid>> {
        self.pictures.asking(now)
    }

    /// Takes a frame. `Err` when the channel takes no more.
    pub(crate) fn take(&mut self, data: &MediaData) -> Result<(), SourceError> {
        let Some(codec) = codec(data.params.spec().codec) else {
            return Ok(());
        };
        let is_picture = data.params.spec().codec.kind() == MediaKind::Video;
        let time = RtpTime {
            ticks: data.time.numer(),
            rate: data.time.denom(),
            arrived: data.network_time,
            report: data
                .last_sender_info
                .map(|report| (report.ntp_time, report.rtp_time.numer())),
        };
        let payload = Bytes::from_owner(std::sync::Arc::clone(&data.data));
        let sequence = self.sequence;
        self.sequence = self.sequence.wrapping_add(1);
        let header = if is_picture {
            let came = Came {
                rid: data.rid,
                codec: &codec,
                time,
                keyframe: data.is_keyframe(),
                gap: !data.contiguous,
                sequence,
                payload: &payload,
            };
            self.pictures.take(&came, self.began)
        } else {
            if let Some(picture) = self.pictures.clock() {
                self.sound.follow(picture);
            }
            Some(Header {
                track: SOUND,
                keyframe: false,
                gap: false,
                sequence,
                duration: 0,
                timestamp: self.sound.place(time, self.began),
                captured: 0,
            })
        };
        let Some(header) = header else {
            return Ok(());
        };
        if !self.announce(is_picture.then_some(codec), data.network_time)? {
            return Ok(());
        }
        let taken = self.encoder.push(&header, payload)?;
        for fault in &taken.faults {
            tracing::debug!(%fault, "left out of what came by WebRTC");
        }
        if is_picture && !taken.faults.is_empty() {
            self.pictures.want_keyframe();
        }
        if taken.frames > 0 {
            self.stage.send_if_modified(|stage| {
                let first = *stage == Stage::Waiting;
                if first {
                    *stage = Stage::Flowing;
                }
                first
            });
        }
        Ok(())
    }

    /// The session is over.
    pub(crate) fn end(&self, ended: Ended) {
        self.stage.send_if_modified(|stage| {
            let goes_on = !matches!(stage, Stage::Ended(_));
            if goes_on {
                *stage = Stage::Ended(ended);
            }
            goes_on
        });
    }

    /// Tells the channel which tracks there are, with the picture of a frame that came, if it is one. False while the frame
    /// cannot be placed.
    fn announce(&mut self, picture: Option<Codec>, now: Instant) -> Result<bool, SourceError> {
        let wanted = match (&self.announced, picture) {
            (Some((known, _)), Some(codec)) if known.as_ref() == Some(&codec) => return Ok(true),
            (_, Some(codec)) => (Some(codec), self.has_sound_line),
            (Some((_, sound)), None) => return Ok(*sound),
            (None, None) => {
                let waits = now.saturating_duration_since(self.began) < PICTURE_WITHIN;
                if self.has_picture_line && waits {
                    return Ok(false);
                }
                (None, true)
            }
        };
        let mut tracks = Vec::new();
        if let Some(codec) = wanted.0.clone() {
            tracks.push(Track::new(PICTURE.into(), codec, TrackKind::UNSIZED_VIDEO));
        }
        if wanted.1 {
            let kind = TrackKind::Audio {
                sample_rate: 48_000,
                channels: 2,
            };
            tracks.push(Track::new(SOUND.into(), Codec::Opus, kind));
        }
        self.encoder.tracks(tracks)?;
        self.announced = Some(wanted);
        Ok(true)
    }
}

/// What the stream calls a codec.
pub(crate) fn codec(codec: format::Codec) -> Option<Codec> {
    Some(match codec {
        format::Codec::Vp8 => Codec::Vp8,
        format::Codec::Vp9 => Codec::Vp9,
        format::Codec::Av1 => Codec::Av1,
        format::Codec::H264 => Codec::H264,
        format::Codec::Opus => Codec::Opus,
        _ => return None,
    })
}
