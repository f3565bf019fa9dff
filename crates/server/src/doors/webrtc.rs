//! WebRTC: `POST` an offer to `/whip/{key}` to publish, to `/whep/{key}` to watch; `PATCH` and `DELETE` the session that
//! the answer names.

use super::publish::{in_address, is_private, refuse, refuse_key, token, unauthorized};
use super::{Doors, refuse_viewer, say, say_later, watch};
use crate::addresses::Place;
use crate::rights::Asker;
use abanico_core::key::shortened;
use abanico_live::Format;
use abanico_rtc::{
    Accepted, Ended, Endpoint, OFFER_BYTES_MAX, Patched, Publishing, Refused, Side, TrickleRefused,
};
use abanico_socketio::Kept;
use abanico_streamhub::IceServer;
use abanico_streamhub::door::{Claim, Publisher};
use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, Request};
use axum::response::IntoResponse;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ALLOW, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, HeaderName,
    IF_MATCH, LINK, LOCATION, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Method, Response, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::oneshot;
use tracing::info;

const SDP: &str = "application/sdp";
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";

/// How long a client may take to send the body of a request.
const BODY_WITHIN: Duration = Duration::from_secs(10);

/// When to come again if too many of an address connect just now.
const CONNECTING_RETRY: Duration = Duration::from_secs(1);

/// When to come again if an address has sent too many offers.
const OFFER_RETRY: Duration = Duration::from_secs(5);

/// `/whip/{key}`.
pub(crate) async fn whip(
    Extension(doors): Extension<Doors>,
    Path(key): Path<String>,
    request: Request,
) -> Response<Body> {
    offer(&doors, Side::Publisher, &key, request).await
}

/// `/whep/{key}`.
pub(crate) async fn whep(
    Extension(doors): Extension<Doors>,
    Path(key): Path<String>,
    request: Request,
) -> Response<Body> {
    offer(&doors, Side::Viewer, &key, request).await
}

/// `/whip/{key}/{session}`.
pub(crate) async fn whip_session(
    Extension(doors): Extension<Doors>,
    Path((key, name)): Path<(String, String)>,
    request: Request,
) -> Response<Body> {
    session(&doors, Side::Publisher, &key, &name, request).await
}

/// `/whep/{key}/{session}`.
pub(crate) async fn whep_session(
    Extension(doors): Extension<Doors>,
    Path((key, name)): Path<(String, String)>,
    request: Request,
) -> Response<Body> {
    session(&doors, Side::Viewer, &key, &name, request).await
}

async fn offer(doors: &Doors, side: Side, key: &str, request: Request) -> Response<Body> {
    match *request.method() {
        Method::OPTIONS => return options("POST, OPTIONS"),
        Method::POST => {}
        _ => {
            return allowed(
                say(
                    StatusCode::METHOD_NOT_ALLOWED,
                    "POST an offer here; PATCH and DELETE go to the address that the answer names",
                ),
                "POST, OPTIONS",
            );
        }
    }
    let Some(rtc) = &doors.rtc else {
        return no_webrtc();
    };
    let asker = doors.keeper.asker(&request);
    if !doors.addresses.may_offer(asker.address) {
        let sentence = "your address sends more offers of WebRTC than one may (rtc-offer-rate)";
        return too_many(sentence, OFFER_RETRY);
    }
    let of_webrtc = match doors.addresses.begin_webrtc(asker.address) {
        Ok(place) => place,
        Err(too_many) => return too_many.response(),
    };
    let Some(connecting) = doors.addresses.begin_connecting(asker.address) else {
        let sentence = "your address has as many WebRTC sessions that are not connected yet as one may \
            (rtc-connecting-per-address-max)";
        return too_many(sentence, CONNECTING_RETRY);
    };
    let places = Places {
        connecting,
        kept: (Kept::of(&request), of_webrtc),
    };
    let in_address = request.uri().query().and_then(in_address);
    let private = is_private(request.uri());
    let (head, body) = request.into_parts();
    let offer = match text(&head.headers, SDP, body).await {
        Ok(offer) => offer,
        Err(refusal) => return refusal,
    };
    let accepted = match side {
        Side::Publisher => {
            let asks = (asker, &head.headers, private);
            publish(doors, rtc, key, asks, (offer, places)).await
        }
        Side::Viewer => {
            let shown = token(&head.headers).map(|token| token.or(in_address));
            view(doors, rtc, key, (asker, shown), (offer, places)).await
        }
    };
    match accepted {
        Ok(accepted) => created(side, key, &accepted, &doors.ice_servers),
        Err(refusal) => refusal,
    }
}

/// One address asks for more than it may.
fn too_many(sentence: &str, retry_after: Duration) -> Response<Body> {
    let mut refusal = say_later(sentence, retry_after);
    *refusal.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    refusal
}

/// What an address has for one session.
struct Places {
    /// Until it is connected.
    connecting: Place,
    /// Until it ends, among all its sessions and among those of WebRTC.
    kept: (Option<Kept>, Place),
}

async fn publish(
    doors: &Doors,
    rtc: &Endpoint,
    key: &str,
    (asker, headers, private): (Asker, &HeaderMap, bool),
    (offer, places): (String, Places),
) -> Result<Accepted, Response<Body>> {
    let token = token(headers).map_err(unauthorized)?;
    let claim = doors.keeper.claim(asker, key, token.as_deref(), None).await;
    let claim = Claim {
        private,
        ..claim.map_err(refuse_key)?
    };
    // What cannot be answered takes nobody's seat.
    let negotiated = rtc.answer_aside(offer, Side::Publisher).await;
    let mut negotiated = negotiated.map_err(refuse_offer)?;
    negotiated.keep_until_connected(places.connecting);
    let publisher = doors.streamhub.publish(key, &claim).await;
    let publisher = publisher.map_err(refuse)?;
    let (accepted, publishing) = rtc.publish(negotiated, key, publisher.channel());
    let accompanied = accompany(publisher, publishing, claim.may_come_back());
    let seated = doors.leaving.enter(&accepted.name);
    tokio::spawn(async move {
        let _kept = places.kept;
        accompanied.await;
        drop(seated);
    });
    Ok(accepted)
}

/// Stays with a publisher's session to its end, and leaves the seat as that end asks for.
async fn accompany(publisher: Publisher, publishing: Publishing, may_come_back: bool) {
    let mut wanted = publisher.channel().keyframes_wanted();
    let mut flows = false;
    let ended = loop {
        tokio::select! {
            ended = publishing.ended() => break Some(ended),
            () = publisher.seat_lost() => break None,
            () = publishing.flowing(), if !flows => {
                flows = true;
                publisher.start().await;
            }
            Ok(()) = wanted.changed() => publishing.ask_for_keyframe(),
        }
    };
    info!(
        key = shortened(publisher.key()),
        flows,
        ?ended,
        "WebRTC of a publisher ended"
    );
    let is_awaited = ended == Some(Ended::Lost) && may_come_back && flows;
    if is_awaited || !publisher.has_seat() {
        drop(publisher);
    } else {
        publisher.end().await;
    }
}

async fn view(
    doors: &Doors,
    rtc: &Endpoint,
    key: &str,
    (asker, shown): (Asker, Result<Option<String>, &'static str>),
    (offer, places): (String, Places),
) -> Result<Accepted, Response<Body>> {
    let shown = shown.map_err(unauthorized)?;
    let visit = doors.keeper.visit(asker, key, shown.as_deref()).await;
    let grant = visit.map_err(refuse_key)?;
    // Of a stream that is none, or not for them, nobody has an offer read.
    let observer = doors.streamhub.observe(key, &grant).await;
    drop(observer.map_err(refuse_viewer)?);
    let negotiated = rtc.answer_aside(offer, Side::Viewer).await;
    let mut negotiated = negotiated.map_err(refuse_offer)?;
    negotiated.keep_until_connected(places.connecting);
    let (viewer, watching) = watch::join(&doors.streamhub, key, &grant, Format::Rtp).await?;
    let tracks = viewer.channel().tracks();
    if let Some(picture) = tracks.iter().find(|track| track.is_video()) {
        negotiated.suits(&picture.codec).map_err(refuse_offer)?;
    }
    let lease = viewer.lease().clone();
    let (stays, gone) = oneshot::channel::<Infallible>();
    let guest = (viewer, stays, places.kept);
    let accepted = rtc.watch(negotiated, key, watching, guest);
    if lease.may_end() {
        let (rtc, key, name) = (rtc.clone(), key.to_owned(), accepted.name.clone());
        tokio::spawn(async move {
            tokio::select! {
                // Its end is dropped with the session.
                _ = gone => {}
                _ = lease.over() => {
                    // It may have gone by itself just now.
                    let _ = rtc.end(Side::Viewer, &key, &name);
                }
            }
        });
    }
    Ok(accepted)
}

async fn session(
    doors: &Doors,
    side: Side,
    key: &str,
    name: &str,
    request: Request,
) -> Response<Body> {
    const METHODS: &str = "PATCH, DELETE, OPTIONS";
    let Some(rtc) = &doors.rtc else {
        return no_webrtc();
    };
    match *request.method() {
        Method::OPTIONS => options(METHODS),
        Method::DELETE => {
            let left = doors.leaving.left(name);
            match rtc.end(side, key, name) {
                Ok(()) => {
                    left.await;
                    say(StatusCode::OK, "the session has ended")
                }
                Err(unlisted) => say(StatusCode::NOT_FOUND, &unlisted.to_string()),
            }
        }
        Method::PATCH => {
            // Nobody says anything to a session that there is not.
            if let Err(unlisted) = rtc.listed(side, key, name) {
                return say(StatusCode::NOT_FOUND, &unlisted.to_string());
            }
            let (head, body) = request.into_parts();
            let fragment = match text(&head.headers, FRAGMENT, body).await {
                Ok(fragment) => fragment,
                Err(refusal) => return refusal,
            };
            let if_match = if_match(&head.headers);
            match rtc
                .patch(side, key, name, if_match.as_deref(), &fragment)
                .await
            {
                Ok(Patched::Understood) => with_cors(StatusCode::NO_CONTENT.into_response()),
                Ok(Patched::Restarted { etag, fragment }) => {
                    let mut response = with_cors(fragment.into_response());
                    let headers = response.headers_mut();
                    headers.insert(CONTENT_TYPE, HeaderValue::from_static(FRAGMENT));
                    put(headers, ETAG, &format!("\"{etag}\""));
                    response
                }
                Err(refusal) => {
                    let status = match refusal {
                        TrickleRefused::Unlisted(_) => StatusCode::NOT_FOUND,
                        TrickleRefused::OtherTag => StatusCode::PRECONDITION_FAILED,
                        TrickleRefused::NoTag => StatusCode::PRECONDITION_REQUIRED,
                        TrickleRefused::Former => StatusCode::CONFLICT,
                        _ => StatusCode::BAD_REQUEST,
                    };
                    say(status, &refusal.to_string())
                }
            }
        }
        _ => allowed(
            say(
                StatusCode::METHOD_NOT_ALLOWED,
                "PATCH brings candidates or restarts ICE, DELETE ends the session",
            ),
            METHODS,
        ),
    }
}

/// All that a request says in `If-Match`: several of them are one list.
fn if_match(headers: &HeaderMap) -> Option<String> {
    let said = headers.get_all(IF_MATCH).iter();
    let said: Vec<_> = said
        .map(|said| String::from_utf8_lossy(said.as_bytes()))
        .collect();
    (!said.is_empty()).then(|| said.join(", "))
}

/// The body of a request, if it is of the media type and not too long.
async fn text(headers: &HeaderMap, media_type: &str, body: Body) -> Result<String, Response<Body>> {
    let told = headers
        .get(CONTENT_TYPE)
        .and_then(|told| told.to_str().ok())
        .unwrap_or_default();
    let essence = told.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case(media_type) {
        let sentence = format!("the body must be {media_type}, and Content-Type say so");
        return Err(say(StatusCode::UNSUPPORTED_MEDIA_TYPE, &sentence));
    }
    let read = Limited::new(body, OFFER_BYTES_MAX).collect();
    let bytes = match tokio::time::timeout(BODY_WITHIN, read).await {
        Ok(Ok(read)) => read.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let sentence = format!("a session description has at most {OFFER_BYTES_MAX} bytes");
            return Err(say(StatusCode::PAYLOAD_TOO_LARGE, &sentence));
        }
        Ok(Err(_)) => return Err(say(StatusCode::BAD_REQUEST, "the body broke off")),
        Err(_) => return Err(say(StatusCode::REQUEST_TIMEOUT, "the body did not come")),
    };
    String::from_utf8(bytes.to_vec())
        .map_err(|_| say(StatusCode::BAD_REQUEST, "the body is not UTF-8 text"))
}

fn created(
    side: Side,
    key: &str,
    accepted: &Accepted,
    ice_servers: &[HeaderValue],
) -> Response<Body> {
    let door = match side {
        Side::Publisher => "whip",
        Side::Viewer => "whep",
    };
    let location = format!("/{door}/{key}/{}", accepted.name);
    let mut response = (StatusCode::CREATED, accepted.answer.clone()).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(SDP));
    headers.insert("accept-patch", HeaderValue::from_static(FRAGMENT));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    put(headers, LOCATION, &location);
    put(headers, ETAG, &format!("\"{}\"", accepted.etag));
    for server in ice_servers {
        headers.append(LINK, server.clone());
    }
    with_cors(response)
}

/// How a STUN or TURN server is told of in the answer to an offer. `None` if it has what no header may have.
pub(super) fn link(server: &IceServer) -> Option<HeaderValue> {
    let mut value = format!("<{}>; rel=\"ice-server\"", server.urls);
    let mut put = |name: &str, text: &str| {
        let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");
        value.extend(["; ", name, "=\"", &quoted, "\""]);
    };
    if let (Some(username), Some(credential)) = (&server.username, &server.credential) {
        put("username", username);
        put("credential", credential);
        put("credential-type", "password");
    }
    HeaderValue::from_str(&value).ok()
}

/// Inserts a header whose value was made here, of what can stand in one.
fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// Why an offer is not answered.
#[expect(
    clippy::needless_pass_by_value,
    reason = "a refusal is answered once, in map_err"
)]
fn refuse_offer(refused: Refused) -> Response<Body> {
    let sentence = refused.to_string();
    let status = match refused {
        Refused::Full { retry_after } | Refused::Crowded { retry_after } => {
            return say_later(&sentence, retry_after);
        }
        Refused::TooLong | Refused::TooManyLines => StatusCode::PAYLOAD_TOO_LARGE,
        Refused::Many { .. } | Refused::NoCodec { .. } | Refused::OtherCodec { .. } => {
            StatusCode::NOT_ACCEPTABLE
        }
        _ => StatusCode::BAD_REQUEST,
    };
    say(status, &sentence)
}

fn no_webrtc() -> Response<Body> {
    say(
        StatusCode::NOT_FOUND,
        "WebRTC is off on this server, or its UDP port could not be opened",
    )
}

fn options(methods: &'static str) -> Response<Body> {
    let mut response = allowed(StatusCode::NO_CONTENT.into_response(), methods);
    let headers = response.headers_mut();
    headers.insert(
        ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static(methods),
    );
    headers.insert(
        ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("Authorization, Content-Type, If-Match"),
    );
    headers.insert("accept-post", HeaderValue::from_static(SDP));
    with_cors(response)
}

fn allowed(mut response: Response<Body>, methods: &'static str) -> Response<Body> {
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(methods));
    response
}

/// Pages from elsewhere may ask, and read the address of what they were given.
fn with_cors(mut response: Response<Body>) -> Response<Body> {
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(
        ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("Location, ETag, Link, Retry-After"),
    );
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ice_server_is_told_of_as_a_link() {
        let mut server = IceServer {
            urls: "turn:turn.example.org:3478?transport=udp".to_owned(),
            username: None,
            credential: None,
        };
        let link =
            |server: &IceServer| link(server).map(|value| value.to_str().unwrap().to_owned());
        let alone = "<turn:turn.example.org:3478?transport=udp>; rel=\"ice-server\"";
        assert_eq!(link(&server).as_deref(), Some(alone));
        server.username = Some("who".to_owned());
        server.credential = Some("a\"b\\".to_owned());
        let secret = "; username=\"who\"; credential=\"a\\\"b\\\\\"; credential-type=\"password\"";
        assert_eq!(link(&server), Some(format!("{alone}{secret}")));
        server.username = Some("line\nbreak".to_owned());
        assert_eq!(link(&server), None);
    }
}
