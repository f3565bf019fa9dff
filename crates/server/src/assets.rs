//! The files inside the binary: the pages that Vite built, and the Socket.IO client from its npm package.
//!
//! Answers are made from the embedded bytes alone; nothing is ever read from a disk. Every file has an ETag, and a
//! client that shows it is answered 304.

use axum::body::Body;
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

/// A file inside the binary.
struct File {
    /// From the root of the site, without a slash at the front.
    path: &'static str,
    /// Changes with the content; in its quotes.
    etag: &'static str,
    bytes: &'static [u8],
}

// The build script's tables, ordered by path: `PAGES` is what Vite made, `SOCKETIO_CLIENT` the client for browsers with
// its package's version for a tag.
include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

fn find(table: &'static [File], path: &str) -> Option<&'static File> {
    let at = table.binary_search_by(|file| file.path.cmp(path)).ok()?;
    table.get(at)
}

/// Files whose names carry a hash of their content: they never change.
const HASHED: &str = "assets/";

/// Marks an answer that gets the headers of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Page {
    /// A page.
    Document,
    /// A file of one. A worker takes its policy from its script.
    Part,
}

/// The page at this path (without its slash), if there is one; 304 if the client has it.
pub(crate) fn page(path: &str, request: &HeaderMap) -> Option<Response<Body>> {
    let cache = if path.starts_with(HASHED) {
        "public, max-age=31536000, immutable"
    } else {
        "public, max-age=0"
    };
    let mut response = answer(find(PAGES, path)?, cache, request);
    let page = if path.ends_with(".html") {
        Page::Document
    } else {
        Page::Part
    };
    response.extensions_mut().insert(page);
    Some(response)
}

/// The file of the Socket.IO client with this name, as socket.io serves it.
pub(crate) fn socketio_client(name: &str, request: &HeaderMap) -> Option<Response<Body>> {
    let mut response = answer(find(SOCKETIO_CLIENT, name)?, "public, max-age=0", request);
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    Some(response)
}

fn answer(file: &'static File, cache: &'static str, request: &HeaderMap) -> Response<Body> {
    let mut shown = request.get_all(IF_NONE_MATCH).iter();
    let mut response = if shown.any(|shown| shows(shown, file.etag)) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        let mut response = Response::new(Body::from(file.bytes));
        let media_type = HeaderValue::from_static(content_type(file.path));
        response.headers_mut().insert(CONTENT_TYPE, media_type);
        response
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(ETAG, HeaderValue::from_static(file.etag));
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
        for File { path, .. } in PAGES.iter().chain(SOCKETIO_CLIENT) {
            assert_ne!(
                content_type(path),
                "application/octet-stream",
                "name the type of {path} in content_type"
            );
        }
    }

    #[test]
    fn every_embedded_file_is_found_by_its_path() {
        for file in PAGES {
            assert!(find(PAGES, file.path).is_some_and(|found| found.path == file.path));
        }
        assert!(find(PAGES, "index.html").is_some());
        assert!(find(PAGES, "../Cargo.toml").is_none());
    }
}
