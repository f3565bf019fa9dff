//! The files inside the binary: the pages that Vite built, and the Socket.IO client from its npm package.
//!
//! Answers are made from the embedded bytes alone; nothing is ever read from a disk. Every file has an ETag, and a
//! client that shows it is answered 304.

use axum::body::Body;
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use rust_embed::{EmbeddedFile, RustEmbed};
use std::borrow::Cow;
use std::fmt::Write as _;

/// The pages, as the build script left them.
#[derive(RustEmbed)]
#[folder = "$OUT_DIR/pages"]
struct Pages;

/// The Socket.IO client for browsers.
#[derive(RustEmbed)]
#[folder = "$OUT_DIR/socketio-client"]
struct Client;

/// Files whose names carry a hash of their content: they never change.
const HASHED: &str = "assets/";

/// What a page may load: its own origin's files, pictures and media made in the page, and sockets.
const PAGE_POLICY: &str = "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; \
    connect-src 'self' ws: wss:; worker-src 'self' blob:; style-src 'self'; script-src 'self'; object-src 'none'; \
    base-uri 'none'; frame-ancestors 'self'; form-action 'self'";

/// What a page may use of the machine.
const PAGE_PERMISSIONS: &str = "camera=(self), microphone=(self), display-capture=(self), autoplay=(self), \
    fullscreen=(self), picture-in-picture=(self), screen-wake-lock=(self), geolocation=(), payment=(), usb=()";

/// The page at this path (without its slash), if there is one; 304 if the client has it.
pub(crate) fn page(path: &str, request: &HeaderMap) -> Option<Response<Body>> {
    let file = Pages::get(path)?;
    let hash = file.metadata.sha256_hash();
    let mut etag = String::with_capacity(34);
    etag.push('"');
    for byte in &hash[..16] {
        let _ = write!(etag, "{byte:02x}");
    }
    etag.push('"');
    let cache = if path.starts_with(HASHED) {
        "public, max-age=31536000, immutable"
    } else {
        "public, max-age=0"
    };
    let mut response = answer(path, file, &etag, cache, request);
    response.headers_mut().insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(PAGE_POLICY),
    );
    response
        .headers_mut()
        .insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    let permissions = HeaderName::from_static("permissions-policy");
    response
        .headers_mut()
        .insert(permissions, HeaderValue::from_static(PAGE_PERMISSIONS));
    Some(response)
}

/// The file of the Socket.IO client with this name, with the package's version as its ETag, as socket.io serves it.
pub(crate) fn socketio_client(name: &str, request: &HeaderMap) -> Option<Response<Body>> {
    let file = Client::get(name)?;
    let etag = concat!('"', env!("ABANICO_SOCKETIO_CLIENT_VERSION"), '"');
    let mut response = answer(name, file, etag, "public, max-age=0", request);
    response
        .headers_mut()
        .insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    Some(response)
}

fn answer(
    path: &str,
    file: EmbeddedFile,
    etag: &str,
    cache: &'static str,
    request: &HeaderMap,
) -> Response<Body> {
    let fresh = request
        .get_all(IF_NONE_MATCH)
        .iter()
        .any(|shown| shows(shown, etag));
    let body = match file.data {
        _ if fresh => Body::empty(),
        Cow::Borrowed(bytes) => Body::from(bytes),
        Cow::Owned(bytes) => Body::from(bytes),
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    if fresh {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type(path)));
    }
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    if let Ok(etag) = HeaderValue::from_str(etag) {
        headers.insert(ETAG, etag);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Whether an `If-None-Match` value shows the file's tag, weak or strong.
fn shows(shown: &HeaderValue, etag: &str) -> bool {
    let Ok(shown) = shown.to_str() else {
        return false;
    };
    shown
        .split(',')
        .map(str::trim)
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

/// The media type by the file's ending. Unknown endings are plain bytes: a browser must not guess.
fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json" | "map") => "application/json; charset=utf-8",
        Some("webmanifest") => "application/manifest+json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("webp") => "image/webp",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("wasm") => "application/wasm",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_recognised_weak_strong_or_in_a_list() {
        for shown in ["\"4.8.1\"", "W/\"4.8.1\"", "\"1\", W/\"4.8.1\"", "*"] {
            assert!(
                shows(&HeaderValue::from_static(shown), "\"4.8.1\""),
                "{shown}"
            );
        }
        assert!(!shows(&HeaderValue::from_static("\"4.8.2\""), "\"4.8.1\""));
    }

    #[test]
    fn no_embedded_page_has_an_unknown_type() {
        for path in Pages::iter().chain(Client::iter()) {
            assert_ne!(
                content_type(&path),
                "application/octet-stream",
                "name the type of {path} in content_type"
            );
        }
    }

    #[test]
    fn pages_may_not_run_foreign_or_inline_script() {
        assert!(PAGE_POLICY.contains("script-src 'self';"));
        assert!(!PAGE_POLICY.contains("unsafe"));
    }
}
