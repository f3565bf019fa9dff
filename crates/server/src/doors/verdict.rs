//! What a publisher over plain HTTP is told of its body: how much of it was published, and what of it was of no use.

use super::beginning::PROOF_BYTES_MAX;
use super::publish::refuse;
use super::{say, say_later};
use abanico_core::rights::Over;
use abanico_live::{Fault, SourceError, Taken};
use abanico_media::ingest::IngestError;
use abanico_media::rest::Rest;
use abanico_socketio::retry::FULL_RETRY;
use abanico_streamhub::door::PublishRefusal;
use axum::body::Body;
use http::{Response, StatusCode};
use std::fmt::Write;
use std::time::Duration;

/// How a body ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// With its end, which may come in the middle of something, as an encoder's that was killed.
    Whole(Rest),
    /// With bytes that mean nothing, or with more of them than are read.
    Garbage { bytes: u64, expected: &'static str },
    /// With a connection that broke off.
    Broken(String),
    /// With nothing more for so long.
    Stalled(Duration),
    /// With something that cannot be taken.
    Refused(SourceError),
    /// More stood unfinished than may, and this for longest: the sentence.
    Unfinished(&'static str),
    /// Too much of it had no frame for a stream that exists.
    Unproved,
    /// With the end of the right to publish it.
    Withdrawn(Over),
    /// The stream that it was to take over has changed meanwhile.
    Denied(PublishRefusal),
}

/// What was sent in a body so far.
#[derive(Debug, Default)]
pub(super) struct Sent {
    pub(super) frames: usize,
    pub(super) bytes: u64,
    /// It says of itself that it is a form.
    is_form: bool,
    /// Bytes that meant nothing, before something that did.
    garbage: u64,
    /// The first that was left out, if it is more than garbage.
    left_out: Option<Fault>,
    /// The longest time without a keyframe, if it was too long for who joins.
    since_keyframe: Option<Duration>,
}

impl Sent {
    /// Nothing yet, of a body that is a form or is none.
    pub(super) fn of(is_form: bool) -> Self {
        Self {
            is_form,
            ..Self::default()
        }
    }

    /// Counts what came of a push. A keyframe is to come after `gap_max` at the latest.
    pub(super) fn take(&mut self, taken: &Taken, gap_max: Duration) {
        self.frames += taken.frames;
        self.garbage += taken.garbage;
        if self.left_out.is_none() {
            let other = |fault: &&Fault| !matches!(fault, Fault::Garbage(_));
            self.left_out = taken.faults.iter().find(other).cloned();
        }
        let gap = taken.since_keyframe.filter(|gap| *gap > gap_max);
        self.since_keyframe = self.since_keyframe.max(gap);
    }

    /// What was published of a body that ended like this.
    fn sentence(&self, rest: Rest) -> String {
        let mut sentence = format!("{} frames were published", self.frames);
        if let Some(gap) = self.since_keyframe {
            let _ = write!(
                sentence,
                ", but for {:.1} s without a keyframe: who joins waits for the next. With ffmpeg, -g and the frames of \
                 a second make one every second",
                gap.as_secs_f64()
            );
        }
        if self.garbage > 0 {
            let _ = write!(
                sentence,
                "; {} bytes in the middle meant nothing and were passed over",
                self.garbage
            );
        }
        if let Some(fault) = &self.left_out {
            let _ = write!(sentence, "; {fault}");
        }
        if let Rest::Unfinished { what, bytes } = rest {
            let _ = write!(sentence, "; the body ends in the middle of {what}");
            if bytes > 0 {
                let _ = write!(sentence, ", and its last {bytes} bytes were of no use");
            }
        }
        sentence
    }
}

impl Ended {
    /// What the publisher is told who sent this.
    pub(super) fn answer(&self, sent: &Sent) -> Response<Body> {
        let frames = sent.frames;
        let broken = |sentence: &str| say(StatusCode::UNPROCESSABLE_ENTITY, sentence);
        match self {
            Self::Whole(_) | Self::Unproved | Self::Refused(SourceError::Ingest(_))
                if sent.is_form && frames == 0 =>
            {
                say(
                    StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    &format!("a form, as curl -F sends it, is no stream: {REMEDY}"),
                )
            }
            Self::Whole(rest) if frames > 0 => say(StatusCode::OK, &sent.sentence(*rest)),
            Self::Whole(_) => {
                broken("the body had no whole frame of WebM, Matroska, fragmented MP4 or JPEG")
            }
            Self::Garbage { bytes, expected } => broken(&format!(
                "after {frames} frames and {} bytes the body is broken: {bytes} bytes of garbage came where {expected} \
                 should begin",
                sent.bytes.saturating_sub(*bytes)
            )),
            Self::Broken(reason) => broken(&format!(
                "after {frames} frames and {} bytes the body broke off before its end ({reason}): {REMEDY}, in chunks \
                 that are as long as they say or with the Content-Length of all of it",
                sent.bytes
            )),
            Self::Stalled(within) => say(
                StatusCode::REQUEST_TIMEOUT,
                &format!(
                    "nothing of the body came for {} s (body-timeout)",
                    within.as_secs_f64()
                ),
            ),
            Self::Unproved => broken(&format!(
                "there was no whole frame in the first {} MiB, and the stream goes on without this body",
                PROOF_BYTES_MAX >> 20
            )),
            Self::Unfinished(told) => {
                let mut answer = say_later(told, FULL_RETRY);
                *answer.status_mut() = StatusCode::TOO_MANY_REQUESTS;
                answer
            }
            Self::Denied(refusal) => refuse(refusal.clone()),
            Self::Withdrawn(over) => say(StatusCode::GONE, &withdrawn(*over)),
            Self::Refused(error) => refused(error, sent),
        }
    }
}

/// How a body is sent whole.
const REMEDY: &str =
    "send the media themselves as the body, as curl -T FILE or --data-binary @FILE does";

/// What a publisher is told whose right is over.
pub(super) fn withdrawn(over: Over) -> String {
    format!("this stream has ended, since {over}")
}

/// What cannot be taken, and how much could before.
fn refused(error: &SourceError, sent: &Sent) -> Response<Body> {
    let (status, sentence) = match error {
        SourceError::Replaced => (StatusCode::CONFLICT, error.to_string()),
        SourceError::Ended => (StatusCode::GONE, error.to_string()),
        SourceError::Ingest(IngestError::Unrecognised | IngestError::Picture(_)) => (
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!("the body is {error}"),
        ),
        _ if sent.frames > 0 => (
            StatusCode::UNPROCESSABLE_ENTITY,
            format!(
                "after {} frames, within its first {} bytes, the body is broken: {error}",
                sent.frames, sent.bytes
            ),
        ),
        _ => (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()),
    };
    say(status, &sentence)
}
