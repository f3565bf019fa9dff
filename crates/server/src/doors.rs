//! The plain HTTP doors: `/live/{key}` to publish with one long request, `/live/{key}.webm` and its siblings to watch with
//! another; `/whip/{key}` and `/whep/{key}` for WebRTC.
//!
//! Says in status and sentence what went wrong; what a stream is, and who may do what, is `streamhub`'s to know.

mod beginning;
mod conversation;
mod direct;
mod end;
mod leaving;
mod links;
mod moderation;
mod native;
mod outlet;
mod publish;
mod standing;
mod tokens;
mod verdict;
mod watch;
mod webrtc;

pub(crate) use beginning::PROOF_BYTES_MAX;

use crate::addresses::Addresses;
use crate::config::Config;
use crate::rights::Keeper;
use abanico_core::rate::Rate;
use abanico_core::rights::{Deed, Question};
use abanico_live::Format;
use abanico_rtc::Endpoint;
use abanico_socketio::Cable;
use abanico_socketio::engine::{Greedy, PlainSessions};
use abanico_socketio::retry;
use abanico_streamhub::StreamHub;
use abanico_streamhub::door::WatchRefusal;
use abanico_streamhub::grant::Grant;
use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, Request};
use axum::response::IntoResponse;
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, RETRY_AFTER,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Method, Response, StatusCode};
use leaving::Leaving;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// The sessions at the doors. Clones are the same.
#[derive(Clone)]
pub(crate) struct Doors {
    streamhub: StreamHub,
    keeper: Keeper,
    /// Viewers, of WebSockets and of plain HTTP.
    viewers: PlainSessions,
    publishers: PlainSessions,
    /// Texts that one client at the native door may send.
    texts: Rate,
    /// WebRTC, unless it is off.
    rtc: Option<Endpoint>,
    /// Its publishers.
    leaving: Leaving,
    /// The STUN and TURN servers that a WebRTC peer is told of.
    ice_servers: Arc<[HeaderValue]>,
    addresses: Addresses,
    /// How long a publisher's body may stand still.
    body_timeout: Duration,
    /// Pages of everywhere may ask, so that a page's request need not be looked at for that.
    any_origin: bool,
}

/// The largest message of a viewer at the native door, which has little to say.
const VIEWER_MESSAGE_BYTES_MAX: usize = 4 << 10;

impl Doors {
    /// No sessions yet.
    ///
    /// Pings and queues are those of Socket.IO; as many sessions are let in as there may be connections.
    pub(crate) fn new(
        streamhub: StreamHub,
        keeper: Keeper,
        config: &Config,
        rtc: Option<Endpoint>,
        addresses: Addresses,
    ) -> Self {
        let transport = config.transport();
        let dialect = config.dialect();
        let of_at_most = |max_payload, max_payload_setting| {
            PlainSessions::new(abanico_socketio::Config {
                max_payload,
                max_payload_setting,
                sessions_max: config.connections.connections_max.0,
                ..transport.clone()
            })
        };
        Self {
            streamhub,
            keeper,
            viewers: of_at_most(VIEWER_MESSAGE_BYTES_MAX, ""),
            publishers: of_at_most(config.clients.frame_bytes_max.0, "frame-bytes-max"),
            texts: dialect.rates.requests,
            rtc,
            leaving: Leaving::default(),
            ice_servers: {
                let servers = dialect.peer_to_peer.ice_servers.iter();
                servers.filter_map(webrtc::link).collect()
            },
            addresses,
            body_timeout: config.connections.body_timeout.0,
            any_origin: config.browsers.origins.are_any(),
        }
    }

    /// The request to watch over plain HTTP with which the connection begins, if it can be answered past hyper.
    pub(crate) async fn look(&self, stream: &Cable, peer: SocketAddr) -> Option<direct::Request> {
        let mut request = direct::look(stream, peer).await?;
        // What is refused is refused beside all other requests.
        let is_for_us = self.any_origin || !request.is_from_a_page();
        (is_for_us && self.addresses.begin(request.head()).is_ok()).then_some(request)
    }

    /// Answers a request to watch over plain HTTP, and carries the answer past hyper.
    pub(crate) async fn answer(&self, request: direct::Request, cable: Cable) {
        direct::answer(self, request, cable).await;
    }

    /// WebRTC, unless it is off.
    pub(crate) fn webrtc(&self) -> Option<&Endpoint> {
        self.rtc.as_ref()
    }

    /// What who makes a request to watch a stream has for that, or the answer that says why not.
    pub(crate) fn visit<'a, B>(
        &'a self,
        key: &'a str,
        request: &http::Request<B>,
    ) -> impl Future<Output = Result<Grant, Response<Body>>> + Send + use<'a, B> {
        // A request cannot be looked at while one waits.
        let shown = publish::shown(request);
        let asker = self.keeper.asker(request);
        async move {
            let shown = shown.map_err(publish::unauthorized)?;
            let visit = self.keeper.visit(asker, key, shown.as_deref()).await;
            visit.map_err(publish::refuse_key)
        }
    }

    /// What who makes a request has, who may do the deed, or the answer that says why not.
    pub(crate) fn granted<'a>(
        &'a self,
        deed: Deed,
        stream: Option<&'a str>,
        request: &Request,
    ) -> impl Future<Output = Result<Grant, Response<Body>>> + Send + use<'a> {
        let asked = self.asked(deed, stream, request);
        async move {
            let grant = asked.await?;
            let may = grant.may(deed).map(|()| grant);
            may.map_err(publish::refuse_key)
        }
    }

    /// What who makes a request has for a deed, be it enough or not.
    fn asked<'a>(
        &'a self,
        deed: Deed,
        stream: Option<&'a str>,
        request: &Request,
    ) -> impl Future<Output = Result<Grant, Response<Body>>> + Send + use<'a> {
        // A request cannot be looked at while one waits.
        let shown = publish::token(request.headers());
        let asker = self.keeper.asker(request);
        async move {
            let shown = shown.map_err(publish::unauthorized)?;
            let question = Question {
                deed,
                stream,
                shown: shown.as_deref(),
            };
            let answer = self.keeper.ask(asker, question).await;
            answer.map_err(publish::refuse_key)
        }
    }

    /// How many connections watch or publish here that hyper has let go of.
    pub(crate) fn sessions(&self) -> usize {
        self.viewers.sessions() + self.publishers.sessions()
    }

    /// The sessions that hold more than `bytes`, of the native door and of HTTP. Of WebRTC next to nothing waits.
    pub(crate) fn greedy(&self, bytes: usize) -> impl Iterator<Item = Greedy> {
        let viewers = self.viewers.greedy(bytes).into_iter();
        viewers.chain(self.publishers.greedy(bytes))
    }

    /// Ends all sessions: WebSockets are closed with 1001.
    pub(crate) async fn shutdown(&self) {
        if let Some(rtc) = &self.rtc {
            rtc.shutdown();
        }
        tokio::join!(self.viewers.shutdown(), self.publishers.shutdown());
    }
}

pub(crate) use end::end;
pub(crate) use links::{links, make_link, revoke_link};
pub(crate) use moderation::moderate;
pub(crate) use tokens::{make_token, revoke_token, tokens};
pub(crate) use webrtc::{whep, whep_session, whip, whip_session};

/// What stands behind the dot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Stream(Format),
    Still,
}

/// Anything that is asked of `/live/{name}`.
pub(crate) async fn live(
    Extension(doors): Extension<Doors>,
    Path(name): Path<String>,
    request: Request,
) -> Response<Body> {
    if PlainSessions::is_upgrade(&request) {
        return native::open(&doors, &name, request);
    }
    let (key, ending) = split(&name);
    match (request.method(), ending) {
        (&Method::GET | &Method::HEAD, Some(Ending::Stream(format))) => {
            let head = request.method() == Method::HEAD;
            let visit = doors.visit(key, &request);
            watch::stream(&doors.streamhub, key, format, head, visit).await
        }
        (&Method::GET | &Method::HEAD, Some(Ending::Still)) => {
            let visit = doors.visit(key, &request);
            watch::still(&doors.streamhub, key, visit).await
        }
        (&Method::GET | &Method::HEAD, None) => say(
            StatusCode::NOT_FOUND,
            "a stream is watched at its key followed by .webm, .mp4, .mjpeg or .jpg",
        ),
        (&Method::OPTIONS, _) => allowed(StatusCode::NO_CONTENT.into_response()),
        (&Method::PUT | &Method::POST, _) => publish::publish(&doors, key, request).await,
        (method, _) if method.as_str() == "SOURCE" => publish::publish(&doors, key, request).await,
        _ => allowed(say(
            StatusCode::METHOD_NOT_ALLOWED,
            "GET watches a stream, PUT publishes one",
        )),
    }
}

/// The key in a name, and what stands behind the dot, if that is anything known.
fn split(name: &str) -> (&str, Option<Ending>) {
    let Some((key, ending)) = name.rsplit_once('.') else {
        return (name, None);
    };
    let ending = match ending {
        "webm" => Ending::Stream(Format::WebM),
        "mp4" => Ending::Stream(Format::Mp4),
        "mjpeg" | "mjpg" => Ending::Stream(Format::Mjpeg),
        "jpg" | "jpeg" => Ending::Still,
        _ => return (name, None),
    };
    (key, Some(ending))
}

/// An answer that is one sentence.
pub(crate) fn say(status: StatusCode, sentence: &str) -> Response<Body> {
    let headers = [
        (CONTENT_TYPE, "text/plain; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, format!("{sentence}\n")).into_response()
}

/// The same, for what is worth another try after `retry_after` or a while longer, which differs for each.
pub(crate) fn say_later(sentence: &str, retry_after: Duration) -> Response<Body> {
    let mut response = say(StatusCode::SERVICE_UNAVAILABLE, sentence);
    let seconds = retry::spread_seconds(retry_after);
    response
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from(seconds));
    response
}

/// Why somebody may not watch.
pub(crate) fn refuse_viewer(refusal: WatchRefusal) -> Response<Body> {
    let sentence = refusal.to_string();
    match refusal {
        WatchRefusal::Unknown => say(StatusCode::NOT_FOUND, &sentence),
        WatchRefusal::Ended => say(StatusCode::GONE, &sentence),
        WatchRefusal::Removed { retry_after } => {
            let mut response = say_later(&sentence, retry_after);
            *response.status_mut() = StatusCode::FORBIDDEN;
            response
        }
        WatchRefusal::Seats { retry_after } | WatchRefusal::Full { retry_after, .. } => {
            say_later(&sentence, retry_after)
        }
    }
}

/// Adds which methods there are.
fn allowed(mut response: Response<Body>) -> Response<Body> {
    const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, PUT, POST, SOURCE, OPTIONS");
    let headers = response.headers_mut();
    headers.insert(ALLOW, METHODS);
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    let asked = HeaderName::from_static("access-control-allow-methods");
    headers.insert(asked, HeaderValue::from_static("GET, HEAD"));
    let range = HeaderName::from_static("access-control-allow-headers");
    headers.insert(range, HeaderValue::from_static("Range"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_key_and_an_ending_that_is_known() {
        assert_eq!(
            split("demo.webm"),
            ("demo", Some(Ending::Stream(Format::WebM)))
        );
        assert_eq!(split("demo.jpg"), ("demo", Some(Ending::Still)));
        assert_eq!(split("demo"), ("demo", None));
        assert_eq!(split("demo.ogg"), ("demo.ogg", None));
    }
}
