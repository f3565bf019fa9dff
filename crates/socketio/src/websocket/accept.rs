//! The opening handshake of a WebSocket: is the request one, and what is answered.

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode, Version};
use sha1::{Digest, Sha1};

use crate::body::Body;

/// Whether the request asks for an upgrade of the connection at all.
pub(crate) fn is_upgrade<B>(request: &Request<B>) -> bool {
    has_token(request.headers(), header::UPGRADE, "websocket")
}

/// The first subprotocol of those that the client offers, in its order, which `known` knows.
pub(crate) fn subprotocol<'a, B>(request: &Request<B>, known: &[&'a str]) -> Option<&'a str> {
    request
        .headers()
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .find_map(|offered| known.iter().find(|one| **one == offered.trim()).copied())
}

/// The answer that accepts the upgrade. `None` if the request is not as RFC 6455 wants it.
pub(crate) fn accept<B>(request: &Request<B>) -> Option<Response<Body>> {
    let headers = request.headers();
    let is_valid = request.method() == Method::GET
        && request.version() == Version::HTTP_11
        && is_upgrade(request)
        && has_token(headers, header::CONNECTION, "upgrade")
        && headers
            .get(header::SEC_WEBSOCKET_VERSION)
            .is_some_and(|version| version == "13");
    let key = headers
        .get(header::SEC_WEBSOCKET_KEY)
        .filter(|key| is_key(key.as_bytes()))?;
    if !is_valid {
        return None;
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept_value(key.as_bytes()));
    Some(response)
}

fn has_token(headers: &HeaderMap, name: header::HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|value| value.trim().eq_ignore_ascii_case(token))
}

/// 16 bytes in base64.
fn is_key(key: &[u8]) -> bool {
    key.len() == 24 && base64_simd::STANDARD.check(key).is_ok() && key.ends_with(b"==")
}

fn accept_value(key: &[u8]) -> HeaderValue {
    let digest = Sha1::new()
        .chain_update(key)
        .chain_update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11")
        .finalize();
    let value = base64_simd::STANDARD.encode_to_string(digest);
    HeaderValue::try_from(value).expect("base64 is a header value")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> http::request::Builder {
        Request::builder()
            .header("Connection", "keep-alive, Upgrade")
            .header("Upgrade", "WebSocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
    }

    #[test]
    fn the_key_of_the_rfc_gets_the_answer_of_the_rfc() {
        let response = accept(&request().body(()).unwrap()).unwrap();
        assert_eq!(response.status(), 101);
        assert_eq!(
            response.headers()["Sec-WebSocket-Accept"],
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    }

    #[test]
    fn what_is_not_an_opening_is_refused() {
        assert!(accept(&request().method("POST").body(()).unwrap()).is_none());
        assert!(accept(&request().version(Version::HTTP_10).body(()).unwrap()).is_none());
        let mut other = request().body(()).unwrap();
        other
            .headers_mut()
            .insert("sec-websocket-version", HeaderValue::from_static("12"));
        assert!(accept(&other).is_none());
        let mut other = request().body(()).unwrap();
        other
            .headers_mut()
            .insert("sec-websocket-key", HeaderValue::from_static("short"));
        assert!(accept(&other).is_none());
        let mut other = request().body(()).unwrap();
        other.headers_mut().remove("connection");
        assert!(accept(&other).is_none());
    }
}
