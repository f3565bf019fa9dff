//! Publishing over plain HTTP: one request whose body is the stream, as ffmpeg, curl and Icecast sources send it.
//!
//! The body is read no faster than it is taken apart, and nothing of it is kept but what the stream keeps. Invariants:
//! however a body ends, viewers keep what was whole; the seat of a stream that exists is taken by media, never by a body
//! that is none.

use super::beginning::{Beginning, Proof, Shown};
use super::standing::Standing;
use super::verdict::{Ended, Sent};
use super::{Doors, say, say_later};
use crate::icecast::UntilClosed;
use abanico_core::key::shortened;
use abanico_core::rights::Refused;
use abanico_hub::late;
use abanico_live::{Source, SourceError};
use abanico_media::rest::Rest;
use abanico_socketio::retry::FULL_RETRY;
use abanico_streamhub::StreamHub;
use abanico_streamhub::door::{Claim, PublishRefusal, Publisher};
use axum::body::Body;
use axum::extract::Request;
use axum::response::IntoResponse;
use base64_simd::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HeaderMap, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::BodyExt;
use std::collections::VecDeque;
use std::time::Duration;
use tracing::{debug, info};

/// A body of which so many bytes in a row mean nothing is read no further. It is three times the longest way to the next
/// Cluster in what ffmpeg writes, where one can go on after something was lost.
const GARBAGE_BYTES_MAX: u64 = 16 << 20;

/// Takes the seat of the stream `key` and its body for its media. Answers when the body ends.
pub(super) async fn publish(doors: &Doors, key: &str, request: Request) -> Response<Body> {
    let asker = doors.keeper.asker(&request);
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
    let claim = match doors
        .keeper
        .claim(asker, key, token.as_deref(), title)
        .await
    {
        Ok(claim) => Claim {
            private: is_private(&head.uri),
            ..claim
        },
        Err(refused) => {
            hear_out(body);
            return close(refuse_key(refused));
        }
    };
    let wish = Wish {
        streamhub: doors.streamhub.clone(),
        key: key.to_owned(),
        claim,
    };
    let seat = match wish.seat().await {
        Ok(seat) => seat,
        Err(refusal) => {
            hear_out(body);
            return refuse(refusal);
        }
    };
    let mut pushing = Pushing {
        until_closed: head.extensions.get::<UntilClosed>().is_some(),
        body,
        body_timeout: doors.body_timeout,
        standing: Standing::new(head.extensions.get().cloned()),
        beginning: Beginning::new(&head.headers),
        proved: VecDeque::new(),
        source: None,
        pushed: 0,
        sent: Sent::of(is_form(&head.headers)),
    };
    if head.method.as_str() == "SOURCE" {
        // Such a source sends nothing before it has its answer.
        tokio::spawn(async move { pushing.publish(wish, seat).await });
        return StatusCode::OK.into_response();
    }
    // In a task of its own: who closes right behind its body waits for no answer, and its stream is to be ended all the same.
    let pushed = tokio::spawn(async move {
        let ended = pushing.publish(wish, seat).await;
        let answer = ended.answer(&pushing.sent);
        if !matches!(
            ended,
            Ended::Whole(_) | Ended::Broken(_) | Ended::Stalled(_)
        ) {
            hear_out(pushing.body);
        }
        close(answer)
    });
    pushed.await.unwrap_or_else(|failed| {
        // It panicked, or the process ends and nobody waits for an answer either.
        failed.try_into_panic().map_or_else(
            |_| StatusCode::SERVICE_UNAVAILABLE.into_response(),
            |panic| std::panic::resume_unwind(panic),
        )
    })
}

/// Reads on for a moment while the answer goes out. A connection that is closed with bytes unread takes the answer with
/// it.
fn hear_out(mut body: Body) {
    const FOR: Duration = Duration::from_secs(2);
    tokio::spawn(tokio::time::timeout(FOR, async move {
        while let Some(Ok(_)) = body.frame().await {}
    }));
}

/// Who wants to publish, and where.
struct Wish {
    streamhub: StreamHub,
    key: String,
    claim: Claim,
}

/// The publisher's seat, before anything of the body was read.
enum Seat {
    /// Nobody else has it.
    Taken(Box<Publisher>),
    /// The stream exists: its seat is taken with the first frame.
    OfAnother,
}

impl Wish {
    /// Takes the seat of a stream that does not exist yet.
    async fn seat(&self) -> Result<Seat, PublishRefusal> {
        if self.streamhub.takes_over(&self.key, &self.claim).await? {
            return Ok(Seat::OfAnother);
        }
        Ok(Seat::Taken(Box::new(self.take().await?)))
    }

    async fn take(&self) -> Result<Publisher, PublishRefusal> {
        self.streamhub.publish(&self.key, &self.claim).await
    }
}

struct Pushing {
    body: Body,
    /// How long it may stand still.
    body_timeout: Duration,
    /// Whether the end of the connection is the end of the body.
    until_closed: bool,
    /// What is kept of it.
    standing: Standing,
    beginning: Beginning,
    /// What was read before the seat was taken.
    proved: VecDeque<Bytes>,
    source: Option<Source>,
    /// So many bytes were given to it.
    pushed: u64,
    sent: Sent,
}

impl Pushing {
    /// Publishes the body to its end, and leaves the seat as that end asks for.
    async fn publish(&mut self, wish: Wish, seat: Seat) -> Ended {
        let publisher = match seat {
            Seat::Taken(publisher) => *publisher,
            Seat::OfAnother => match self.prove(&wish).await {
                Ok(publisher) => publisher,
                Err(ended) => {
                    info!(
                        key = shortened(&wish.key),
                        bytes = self.sent.bytes,
                        ?ended,
                        "body took no seat"
                    );
                    return ended;
                }
            },
        };
        self.standing.spare();
        let ended = self.run(&publisher).await;
        let (key, frames, bytes) = (publisher.key(), self.sent.frames, self.sent.bytes);
        let key = shortened(key);
        info!(key, frames, bytes, ?ended, "body of a publisher ended");
        let is_lost = publisher.has_seat() && !matches!(ended, Ended::Whole(_));
        if is_lost && wish.claim.may_come_back() && frames > 0 {
            // It can come back: the seat waits for it.
            drop(publisher);
        } else {
            publisher.end().await;
        }
        ended
    }

    /// Reads until there is a frame, and takes the seat then.
    async fn prove(&mut self, wish: &Wish) -> Result<Publisher, Ended> {
        let mut proof = None;
        while self.proved.is_empty() {
            let data = self.read().await?;
            let data = match &proof {
                Some(_) => data,
                None => match self.beginning.read(data) {
                    Some((container, data)) => {
                        proof = Some((Proof::new(&container), container));
                        data
                    }
                    None => continue,
                },
            };
            let Some((proof, _)) = &mut proof else {
                continue;
            };
            match proof.push(data) {
                Ok(Shown::Media(proved)) => self.proved = proved,
                Ok(Shown::Nothing) => self.standing.set(self.sent.bytes, self.sent.bytes),
                Ok(Shown::Enough) => return Err(Ended::Unproved),
                Err(error) => return Err(Ended::Refused(error.into())),
            }
        }
        let publisher = tokio::select! {
            biased;
            told = self.standing.ended() => return Err(Ended::Unfinished(told)),
            publisher = wish.take() => publisher.map_err(Ended::Denied)?,
        };
        self.source = proof.map(|(_, container)| container.source(publisher.channel()));
        Ok(publisher)
    }

    async fn run(&mut self, publisher: &Publisher) -> Ended {
        loop {
            let data = match self.proved.pop_front() {
                Some(data) => data,
                // Also a publisher that sends nothing hears of it at once.
                None => {
                    let data = tokio::select! {
                        biased;
                        () = publisher.seat_lost() => {
                            if let Some(over) = publisher.withdrawn() {
                                return Ended::Withdrawn(over);
                            }
                            let over = publisher.channel().has_ended();
                            return Ended::Refused(if over {
                                SourceError::Ended
                            } else {
                                SourceError::Replaced
                            });
                        }
                        data = self.read() => data,
                    };
                    match data {
                        Ok(data) => data,
                        Err(Ended::Whole(_)) => return self.end_of_body(),
                        Err(ended) => return ended,
                    }
                }
            };
            let Some(data) = self.begin(publisher, data) else {
                continue;
            };
            let Some(source) = &mut self.source else {
                continue;
            };
            self.pushed += data.len() as u64;
            let broken = match source.push(data, 0) {
                Ok(taken) => {
                    self.sent.take(&taken, publisher.keyframe_gap_max());
                    for fault in &taken.faults {
                        debug!(key = shortened(publisher.key()), %fault, "left out");
                    }
                    taken.broken
                }
                Err(error) => {
                    let withdrawn = publisher.withdrawn().map(Ended::Withdrawn);
                    return withdrawn.unwrap_or(Ended::Refused(error));
                }
            };
            let unfinished = match source.rest() {
                Rest::Unfinished { bytes, .. } => bytes,
                Rest::Nothing | Rest::Garbage { .. } => 0,
            };
            self.standing.set(unfinished, self.pushed);
            if self.sent.frames > 0 {
                publisher.start().await;
            }
            if let Some(error) = broken {
                return Ended::Refused(error.into());
            }
            if let Some(Rest::Garbage { bytes, expected }) = self.source.as_ref().map(Source::rest)
                && bytes > GARBAGE_BYTES_MAX
            {
                return Ended::Garbage { bytes, expected };
            }
        }
    }

    /// What the end of the body is, by where it comes.
    fn end_of_body(&self) -> Ended {
        match self.source.as_ref().map_or(Rest::Nothing, Source::rest) {
            Rest::Garbage { bytes, expected } if self.sent.frames > 0 => {
                Ended::Garbage { bytes, expected }
            }
            rest => Ended::Whole(rest),
        }
    }

    /// Opens a source for what the first bytes are. `None` while they are too few to tell.
    fn begin(&mut self, publisher: &Publisher, data: Bytes) -> Option<Bytes> {
        if self.source.is_some() {
            return Some(data);
        }
        let (container, data) = self.beginning.read(data)?;
        self.source = Some(container.source(publisher.channel()));
        Some(data)
    }

    /// The next bytes, or how the body ended. Cancelling it loses nothing.
    async fn read(&mut self) -> Result<Bytes, Ended> {
        loop {
            let within = late::within(self.body_timeout, self.body.frame());
            let frame = tokio::select! {
                biased;
                told = self.standing.ended() => return Err(Ended::Unfinished(told)),
                frame = within => frame,
            };
            let Some(frame) = frame else {
                return Err(Ended::Stalled(self.body_timeout));
            };
            match frame.map(|frame| frame.map(http_body::Frame::into_data)) {
                Some(Ok(Ok(data))) => {
                    self.sent.bytes += data.len() as u64;
                    return Ok(data);
                }
                // Trailers say nothing of the media.
                Some(Ok(Err(_))) => {}
                Some(Err(_)) if self.until_closed => return Err(Ended::Whole(Rest::Nothing)),
                Some(Err(error)) => return Err(Ended::Broken(error.to_string())),
                None => return Err(Ended::Whole(Rest::Nothing)),
            }
        }
    }
}

/// Whether a body is said to be a form: what is in it may be media all the same.
fn is_form(headers: &HeaderMap) -> bool {
    const FORM: &[u8] = b"multipart/form-data";
    let of = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    of.and_then(|of| of.get(..FORM.len()))
        .is_some_and(|of| of.eq_ignore_ascii_case(FORM))
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

/// What a request to watch shows: as a publisher's does, or in its address, which is all that an `img` has.
pub(super) fn shown<B>(request: &http::Request<B>) -> Result<Option<String>, &'static str> {
    let in_header = token(request.headers())?;
    Ok(in_header.or_else(|| in_address(request.uri().query()?)))
}

/// The token in a query.
pub(super) fn in_address(query: &str) -> Option<String> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    // Ours have nothing that is written otherwise in an address.
    let mut tokens = pairs.filter(|(name, token)| *name == "token" && !token.is_empty());
    tokens.next().map(|(_, token)| token.to_owned())
}

/// Whether a stream that is opened at this address is to be private.
pub(super) fn is_private(address: &http::Uri) -> bool {
    let mut words = address.query().unwrap_or_default().split('&');
    words.any(|word| matches!(word, "private" | "private=true" | "private=1"))
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
        PublishRefusal::MayNotOpen(refused) | PublishRefusal::TooManyWrong(refused) => {
            refuse_key(refused)
        }
        PublishRefusal::Ended => say(StatusCode::GONE, &sentence),
        PublishRefusal::Full { .. } => say_later(&sentence, FULL_RETRY),
    })
}

/// Why a key is not taken, or that one is missing.
pub(super) fn refuse_key(refused: Refused) -> Response<Body> {
    let sentence = refused.to_string();
    match refused {
        Refused::KeyMissing | Refused::KeyWrong | Refused::TokenMissing => unauthorized(&sentence),
        Refused::TokenBad(why) => unauthorized(&why),
        Refused::NotForThis => say(StatusCode::FORBIDDEN, &sentence),
        Refused::Denied(why) => say(StatusCode::FORBIDDEN, &why),
        Refused::TooManyWrong { retry_after } => {
            let mut response = say_later(&format!("{sentence} (key-rate)"), retry_after);
            *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
            response
        }
        Refused::Busy { retry_after } | Refused::Undecided { retry_after } => {
            say_later(&sentence, retry_after)
        }
    }
}

/// Ends the connection with the answer: of the body nobody reads any more.
fn close(mut response: Response<Body>) -> Response<Body> {
    response
        .headers_mut()
        .insert(CONNECTION, HeaderValue::from_static("close"));
    response
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
}
