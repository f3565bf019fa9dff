//! Publishing over plain HTTP: one request whose body is the stream, as ffmpeg, curl and Icecast sources send it.
//!
//! The body is read no faster than it is taken apart, and nothing of it is kept but what the stream keeps. Invariant:
//! however a body ends, viewers keep what was whole.

use super::{say, say_later};
use crate::icecast::UntilClosed;
use abanico_live::{Channel, Source, SourceError};
use abanico_media::ingest::IngestError;
use abanico_streamhub::StreamHub;
use abanico_streamhub::door::{PublishRefusal, Publisher};
use axum::body::Body;
use axum::extract::Request;
use axum::response::IntoResponse;
use base64_simd::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HeaderMap, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::BodyExt;
use std::time::Duration;
use tracing::{debug, info};

/// Takes the seat of the stream `key` and its body for its media. Answers when the body ends.
pub(super) async fn publish(streamhub: &StreamHub, key: &str, request: Request) -> Response<Body> {
    let (head, body) = request.into_parts();
    let token = match token(&head.headers) {
        Ok(token) => token,
        Err(sentence) => {
            hear_out(body);
            return unauthorized(sentence);
        }
    };
    let title = head
        .headers
        .get("ice-name")
        .and_then(|name| name.to_str().ok());
    let publisher = match streamhub.publish(key, token.as_deref(), title).await {
        Ok(publisher) => publisher,
        Err(refusal) => {
            hear_out(body);
            return refuse(refusal);
        }
    };
    let mut pushing = Pushing {
        until_closed: head.extensions.get::<UntilClosed>().is_some(),
        body,
        boundary: boundary(&head.headers),
        source: None,
        first: None,
        frames: 0,
        bytes: 0,
        since_keyframe: None,
    };
    if head.method.as_str() == "SOURCE" {
        // Such a source sends nothing before it has its answer.
        tokio::spawn(async move { pushing.publish(publisher, token.is_some()).await });
        return StatusCode::OK.into_response();
    }
    let ended = pushing.publish(publisher, token.is_some()).await;
    let (frames, gap) = (pushing.frames, pushing.since_keyframe);
    if matches!(ended, Ended::Refused(_)) {
        hear_out(pushing.body);
    }
    close(ended.answer(frames, gap))
}

/// Reads on for a moment while the answer goes out. A connection that is closed with bytes unread takes the answer with
/// it.
fn hear_out(mut body: Body) {
    const FOR: Duration = Duration::from_secs(2);
    tokio::spawn(tokio::time::timeout(FOR, async move {
        while let Some(Ok(_)) = body.frame().await {}
    }));
}

/// How a body ended.
#[derive(Debug)]
enum Ended {
    /// With its end.
    Whole,
    /// With a connection that broke off.
    Broken(String),
    /// With something that cannot be taken.
    Refused(SourceError),
}

struct Pushing {
    body: Body,
    /// Whether the end of the connection is the end of the body.
    until_closed: bool,
    /// Of a multipart body, if the request names it.
    boundary: Option<String>,
    source: Option<Source>,
    /// The first bytes, until it is clear what they are.
    first: Option<Bytes>,
    frames: usize,
    bytes: u64,
    /// The longest time without a keyframe, if it was too long for who joins.
    since_keyframe: Option<Duration>,
}

impl Pushing {
    /// Publishes the body to its end, and leaves the seat as that end asks for.
    async fn publish(&mut self, publisher: Publisher, showed_token: bool) -> Ended {
        let ended = self.run(&publisher).await;
        let (key, frames, bytes) = (publisher.key(), self.frames, self.bytes);
        info!(key, frames, bytes, ?ended, "body of a publisher ended");
        let is_lost = publisher.has_seat() && matches!(ended, Ended::Broken(_));
        if is_lost && showed_token && frames > 0 {
            // It can come back: the seat waits for it.
            drop(publisher);
        } else {
            publisher.end().await;
        }
        ended
    }

    async fn run(&mut self, publisher: &Publisher) -> Ended {
        loop {
            // Also a publisher that sends nothing hears of it at once.
            let frame = tokio::select! {
                biased;
                () = publisher.seat_lost() => {
                    let over = publisher.channel().has_ended();
                    return Ended::Refused(if over {
                        SourceError::Ended
                    } else {
                        SourceError::Replaced
                    });
                }
                frame = self.body.frame() => frame,
            };
            let data = match frame.map(|frame| frame.map(http_body::Frame::into_data)) {
                Some(Ok(Ok(data))) => data,
                // Trailers say nothing of the media.
                Some(Ok(Err(_))) => continue,
                Some(Err(_)) if self.until_closed => return Ended::Whole,
                Some(Err(error)) => return Ended::Broken(error.to_string()),
                None => return Ended::Whole,
            };
            self.bytes += data.len() as u64;
            let Some(data) = self.begin(publisher.channel(), data) else {
                continue;
            };
            let Some(source) = &mut self.source else {
                continue;
            };
            let broken = match source.push(data, 0) {
                Ok(taken) => {
                    for fault in &taken.faults {
                        debug!(key = publisher.key(), %fault, "left out");
                    }
                    self.frames += taken.frames;
                    let most = publisher.keyframe_gap_max();
                    let gap = taken.since_keyframe.filter(|gap| *gap > most);
                    self.since_keyframe = self.since_keyframe.max(gap);
                    taken.broken
                }
                Err(error) => return Ended::Refused(error),
            };
            if self.frames > 0 {
                publisher.start().await;
            }
            if let Some(error) = broken {
                return Ended::Refused(error.into());
            }
        }
    }

    /// Opens a source for what the first bytes are. `None` while they are too few to tell.
    fn begin(&mut self, channel: &Channel, data: Bytes) -> Option<Bytes> {
        if self.source.is_some() {
            return Some(data);
        }
        if let Some(boundary) = &self.boundary {
            self.source = Some(channel.multipart(boundary));
            return Some(data);
        }
        let data = match self.first.take() {
            Some(first) => Bytes::from([first, data].concat()),
            None => data,
        };
        match first_line(&data) {
            FirstLine::Boundary(boundary) => self.source = Some(channel.multipart(boundary)),
            FirstLine::None => self.source = Some(channel.bytes()),
            FirstLine::Unfinished => {
                self.first = Some(data);
                return None;
            }
        }
        Some(data)
    }
}

/// Whether a body begins with a line that separates parts, as ffmpeg writes it without saying so in a header.
#[derive(Debug, PartialEq, Eq)]
enum FirstLine<'a> {
    Boundary(&'a str),
    Unfinished,
    None,
}

fn first_line(data: &[u8]) -> FirstLine<'_> {
    /// RFC 2046 allows 70 characters.
    const LINE_BYTES_MAX: usize = 76;
    let start = data
        .strip_prefix(b"\r\n")
        .unwrap_or(if data == b"\r" { b"" } else { data });
    if !b"--".starts_with(&start[..start.len().min(2)]) {
        return FirstLine::None;
    }
    let Some(end) = start.iter().position(|byte| *byte == b'\n') else {
        return if start.len() < LINE_BYTES_MAX {
            FirstLine::Unfinished
        } else {
            FirstLine::None
        };
    };
    let line = start[..end].strip_suffix(b"\r").unwrap_or(&start[..end]);
    let boundary = line
        .strip_prefix(b"--")
        .and_then(|line| std::str::from_utf8(line).ok());
    boundary
        .filter(|boundary| !boundary.is_empty())
        .map_or(FirstLine::None, FirstLine::Boundary)
}

/// The boundary of a multipart body.
fn boundary(headers: &HeaderMap) -> Option<String> {
    let content_type = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().to_ascii_lowercase().starts_with("multipart/") {
        return None;
    }
    let boundary = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("boundary")
            .then(|| value.trim().trim_matches('"'))
    })?;
    // Some write the two hyphens of the line into the header.
    let boundary = boundary.strip_prefix("--").unwrap_or(boundary);
    (!boundary.is_empty()).then(|| boundary.to_owned())
}

/// The token that a request shows: as Bearer, or as the password of Basic.
pub(super) fn token(headers: &HeaderMap) -> Result<Option<String>, &'static str> {
    const UNREADABLE: &str = "Authorization is Bearer with the token, or Basic with any name and the token as the password";
    let Some(shown) = headers.get(AUTHORIZATION) else {
        return Ok(None);
    };
    let (scheme, shown) = shown
        .to_str()
        .ok()
        .and_then(|shown| shown.split_once(' '))
        .ok_or(UNREADABLE)?;
    let shown = shown.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(Some(shown.to_owned()));
    }
    let basic = scheme
        .eq_ignore_ascii_case("basic")
        .then(|| STANDARD.decode_to_vec(shown).ok())
        .flatten()
        .and_then(|basic| String::from_utf8(basic).ok());
    let basic = basic.ok_or(UNREADABLE)?;
    let (_, password) = basic.split_once(':').ok_or(UNREADABLE)?;
    Ok((!password.is_empty()).then(|| password.to_owned()))
}

pub(super) fn unauthorized(sentence: &str) -> Response<Body> {
    let mut response = say(StatusCode::UNAUTHORIZED, sentence);
    response.headers_mut().insert(
        WWW_AUTHENTICATE,
        HeaderValue::from_static("Basic realm=\"abanico\", Bearer"),
    );
    response
}

pub(super) fn refuse(refusal: PublishRefusal) -> Response<Body> {
    let sentence = refusal.to_string();
    close(match refusal {
        PublishRefusal::BadKey | PublishRefusal::BadToken => {
            say(StatusCode::BAD_REQUEST, &sentence)
        }
        PublishRefusal::TokenMissing | PublishRefusal::TokenWrong => unauthorized(&sentence),
        PublishRefusal::Ended => say(StatusCode::GONE, &sentence),
        PublishRefusal::Full { .. } => say_later(&sentence, Duration::from_secs(5)),
    })
}

/// Ends the connection with the answer: of the body nobody reads any more.
fn close(mut response: Response<Body>) -> Response<Body> {
    response
        .headers_mut()
        .insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

fn far_apart(gap: Duration) -> String {
    let seconds = gap.as_secs_f64();
    format!(
        ", but for {seconds:.1} s without a keyframe: who joins waits for the next. With ffmpeg, -g and the frames of a \
         second make one every second"
    )
}

impl Ended {
    /// What a publisher of so many frames is told, who sent no keyframe for the time `gap`.
    fn answer(&self, frames: usize, gap: Option<Duration>) -> Response<Body> {
        let sentence = match self {
            Self::Whole if frames > 0 => {
                let but = gap.map(far_apart).unwrap_or_default();
                return say(
                    StatusCode::OK,
                    &format!("{frames} frames were published{but}"),
                );
            }
            Self::Whole => "the body had no whole frame of WebM, Matroska, fragmented MP4 or JPEG",
            Self::Broken(reason) => reason,
            Self::Refused(error) => {
                let status = match error {
                    SourceError::Replaced => StatusCode::CONFLICT,
                    SourceError::Ended => StatusCode::GONE,
                    SourceError::Ingest(IngestError::Unrecognised | IngestError::Picture(_)) => {
                        StatusCode::UNSUPPORTED_MEDIA_TYPE
                    }
                    _ => StatusCode::UNPROCESSABLE_ENTITY,
                };
                let sentence = match error {
                    SourceError::Ingest(IngestError::Unrecognised | IngestError::Picture(_)) => {
                        format!("the body is {error}")
                    }
                    _ => error.to_string(),
                };
                return say(status, &sentence);
            }
        };
        say(StatusCode::UNPROCESSABLE_ENTITY, sentence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: http::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn a_token_is_shown_as_bearer_or_as_a_password() {
        let of = |value| token(&headers(AUTHORIZATION, value));
        assert_eq!(of("Bearer secret"), Ok(Some("secret".to_owned())));
        assert_eq!(
            of("basic c291cmNlOnNlY3JldA=="),
            Ok(Some("secret".to_owned()))
        );
        assert_eq!(of("Basic c291cmNlOg=="), Ok(None));
        assert_eq!(token(&HeaderMap::new()), Ok(None));
        for wrong in ["secret", "Basic ???", "Digest a=b", "Basic c291cmNl"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_boundary_stands_in_the_header_or_in_the_first_line() {
        let of = |value| boundary(&headers(CONTENT_TYPE, value));
        let named = Some("ffmpeg".to_owned());
        assert_eq!(of("multipart/x-mixed-replace;boundary=ffmpeg"), named);
        assert_eq!(
            of("Multipart/Mixed; charset=x; Boundary=\"--ffmpeg\""),
            named
        );
        assert_eq!(of("video/webm"), None);
        assert_eq!(
            first_line(b"--ffmpeg\r\nContent"),
            FirstLine::Boundary("ffmpeg")
        );
        assert_eq!(
            first_line(b"\r\n--ffmpeg\r\n"),
            FirstLine::Boundary("ffmpeg")
        );
        assert_eq!(first_line(b"-"), FirstLine::Unfinished);
        assert_eq!(first_line(b"--ffm"), FirstLine::Unfinished);
        assert_eq!(first_line(b"\x1a\x45"), FirstLine::None);
        assert_eq!(first_line(b"--\r\n"), FirstLine::None);
    }
}
