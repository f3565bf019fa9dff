//! The HTTP answers of Engine.IO: literal bodies that clients know.

use http::header::{self, HeaderValue};
use http::{HeaderMap, Response, StatusCode};

use crate::body::Body;
use crate::config::{Config, Cors};
use crate::retry;

/// Why a request is refused, with the code that goes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    TransportUnknown,
    SessionUnknown,
    BadHandshakeMethod,
    BadRequest,
    UnsupportedVersion,
    /// More than `sessions_max`, or the server is going down.
    Unavailable,
    /// A POST of more than `max_payload`; its session lives on.
    TooLarge,
    /// More stood unfinished than may, and this for longest: the sentence. Its session is over.
    Unfinished(&'static str),
}

impl Refused {
    pub(crate) fn response(self, config: &Config) -> Response<Body> {
        let too_large;
        let (status, code, message) = match self {
            Self::TransportUnknown => (StatusCode::BAD_REQUEST, 0, "Transport unknown"),
            Self::SessionUnknown => (StatusCode::BAD_REQUEST, 1, "Session ID unknown"),
            Self::BadHandshakeMethod => (StatusCode::BAD_REQUEST, 2, "Bad handshake method"),
            Self::BadRequest => (StatusCode::BAD_REQUEST, 3, "Bad request"),
            Self::UnsupportedVersion => {
                (StatusCode::BAD_REQUEST, 5, "Unsupported protocol version")
            }
            Self::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                6,
                "Server is full (sessions-max)",
            ),
            Self::TooLarge => {
                too_large = config.too_large(config.max_payload);
                (StatusCode::PAYLOAD_TOO_LARGE, 7, &*too_large)
            }
            Self::Unfinished(told) => (StatusCode::TOO_MANY_REQUESTS, 8, told),
        };
        let text = format!(r#"{{"code":{code},"message":"{message}"}}"#);
        let mut response = Response::new(Body::from(bytes::Bytes::from(text)));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        if matches!(self, Self::Unavailable | Self::Unfinished(_)) {
            let seconds = retry::spread_seconds(retry::FULL_RETRY);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// Packets for a poll, or the `ok` for a POST.
pub(crate) fn text(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=UTF-8"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The answer to a page's question what it may send.
pub(crate) fn preflight(cors: Cors, request: &HeaderMap) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    if cors == Cors::Any {
        let headers = response.headers_mut();
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("GET,POST"),
        );
        if let Some(asked) = request.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
        }
        headers.insert(
            header::VARY,
            HeaderValue::from_static("Access-Control-Request-Headers"),
        );
    }
    response
}

/// Lets pages of other origins read the answer.
pub(crate) fn allow_origin(cors: Cors, response: &mut Response<Body>) {
    if cors == Cors::Any {
        response.headers_mut().insert(
            header::ACCESS_CONTROL_ALLOW_ORIGIN,
            HeaderValue::from_static("*"),
        );
    }
}
