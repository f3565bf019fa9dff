//! Every route of the server, and what is said where there is none.
//!
//! No logic lives here: the streams' words are `streamhub`'s, the sessions' `socketio`'s, the files' [`assets`]'s.

use crate::addresses::{self, Addresses};
use crate::config::Browsers;
use crate::doors::{self, Doors};
use crate::trust::Trust;
use crate::{assets, headers, origins};
use abanico_core::rights::Deed;
use abanico_streamhub::StreamHub;
use abanico_streamhub::door::WatchRefusal;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Json};
use axum::routing::{any, delete, get, post};
use axum::{Extension, Router};
use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri};
use parking_lot::Mutex;
use serde_json::json;
use std::sync::Arc;

/// The routes of StreamHub, of our pages, and of LAN mode if there is one.
pub(crate) fn router(
    streamhub: StreamHub,
    doors: Doors,
    addresses: Addresses,
    browsers: &Browsers,
    trust: Option<Trust>,
) -> Router {
    let ancestors = Arc::new(browsers.frame_ancestors.clone());
    let asked = trust.clone().map(Trust::asked).unwrap_or_default();
    let trusted = trust.map(Trust::router).unwrap_or_default();
    let router = Router::new()
        .route("/", get(home))
        .route("/watch/{key}", get(watch))
        .route("/health", get(health))
        .route("/streams", get(streams))
        .route("/streams/{key}", delete(doors::end))
        .route("/streams/{key}/poster", get(poster))
        .route("/streams/{key}/viewers", get(viewers))
        .route(
            "/streams/{key}/links",
            get(doors::links).post(doors::make_link),
        )
        .route("/streams/{key}/moderation", post(doors::moderate))
        .route("/streams/{key}/links/{id}", delete(doors::revoke_link))
        .route("/tokens", get(doors::tokens).post(doors::make_token))
        .route("/tokens/{name}", delete(doors::revoke_token))
        .route("/live/{name}", any(doors::live))
        .route("/whip/{key}", any(doors::whip))
        .route("/whip/{key}/{session}", any(doors::whip_session))
        .route("/whep/{key}", any(doors::whep))
        .route("/whep/{key}/{session}", any(doors::whep_session))
        .route("/socket.io/", any(socketio))
        .route("/socket.io/{*name}", any(socketio_client))
        .fallback(file)
        .method_not_allowed_fallback(missing)
        .merge(trusted)
        .layer(Extension(doors))
        .layer(Extension(Newest::default()))
        .layer(from_fn_with_state(addresses, addresses::guard))
        .layer(from_fn_with_state(browsers.origins.clone(), origins::guard))
        .with_state(streamhub);
    router
        .merge(asked)
        .layer(from_fn_with_state(ancestors, headers::dress))
}

async fn home(headers: HeaderMap) -> Response<Body> {
    assets::page("index.html", &headers).unwrap_or_else(|| not_found(&Method::GET, "/"))
}

/// The short link that people share. The page reads the key from its own address.
async fn watch(Path(key): Path<String>, headers: HeaderMap) -> Response<Body> {
    assets::page("viewer.html", &headers)
        .unwrap_or_else(|| not_found(&Method::GET, &format!("/watch/{key}")))
}

async fn health(State(streamhub): State<StreamHub>) -> impl IntoResponse {
    ([(CACHE_CONTROL, "no-store")], Json(streamhub.health()))
}

async fn streams(
    State(streamhub): State<StreamHub>,
    Extension(newest): Extension<Newest>,
) -> impl IntoResponse {
    // The elements in other people's pages ask for it, too.
    let headers = [
        (CACHE_CONTROL, "no-store"),
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (CONTENT_TYPE, "application/json"),
    ];
    let listed = json!({ "streams": streamhub.live_streams() }).to_string();
    (headers, newest.shared(listed))
}

/// The newest list of streams, which those who ask share as long as it is the same: many may wait to be taken. Clones are
/// the same.
#[derive(Clone, Default)]
struct Newest(Arc<Mutex<Bytes>>);

impl Newest {
    /// This list, as it was given out before if it was.
    fn shared(&self, list: String) -> Bytes {
        let mut newest = self.0.lock();
        if *newest != list {
            *newest = list.into();
        }
        newest.clone()
    }
}

async fn poster(
    State(streamhub): State<StreamHub>,
    Extension(doors): Extension<Doors>,
    Path(key): Path<String>,
    request: Request,
) -> Response<Body> {
    let visit = doors.visit(&key, &request);
    let grant = match visit.await {
        Ok(grant) => grant,
        Err(refusal) => return refusal,
    };
    let still = streamhub.still(&key, &grant).await;
    if let Err(refusal @ WatchRefusal::Seats { .. }) = still {
        return doors::refuse_viewer(refusal);
    }
    let Ok(Some((media_type, bytes))) = still else {
        return (
            StatusCode::NOT_FOUND,
            [(CACHE_CONTROL, "no-store")],
            "no picture of this stream\n",
        )
            .into_response();
    };
    let headers = [
        (CONTENT_TYPE, media_type),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, bytes).into_response()
}

/// The viewers one by one, for the operator: who watches is nobody else's business.
async fn viewers(
    State(streamhub): State<StreamHub>,
    Extension(doors): Extension<Doors>,
    Path(key): Path<String>,
    request: Request,
) -> Response<Body> {
    let uncached = [(CACHE_CONTROL, "no-store")];
    let granted = doors.granted(Deed::Inspect, Some(&key), &request);
    let grant = match granted.await {
        Ok(grant) => grant,
        Err(refusal) => return refusal,
    };
    match streamhub.watchers(&key, &grant).await {
        Some(watchers) => (uncached, Json(watchers)).into_response(),
        None => (StatusCode::NOT_FOUND, uncached, "there is no such stream\n").into_response(),
    }
}

async fn socketio(State(streamhub): State<StreamHub>, request: Request) -> Response<Body> {
    streamhub.socketio().call(request).await.map(Body::new)
}

/// The files of the Socket.IO client; any other name gets what Engine.IO says to a request without a transport.
async fn socketio_client(
    method: Method,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response<Body> {
    const NO_TRANSPORT: &str = r#"{"code":0,"message":"Transport unknown"}"#;
    let readable = matches!(method, Method::GET | Method::HEAD);
    if readable && let Some(response) = assets::socketio_client(&name, &headers) {
        return response;
    }
    let headers = [
        (CONTENT_TYPE, "application/json"),
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ];
    (StatusCode::BAD_REQUEST, headers, NO_TRANSPORT).into_response()
}

/// Any other path: a file of the pages, or nothing.
async fn file(method: Method, uri: Uri, headers: HeaderMap) -> Response<Body> {
    let path = uri.path();
    let readable = matches!(method, Method::GET | Method::HEAD);
    let page = path
        .strip_prefix('/')
        .filter(|_| readable)
        .and_then(|name| assets::page(name, &headers));
    page.unwrap_or_else(|| not_found(&method, path))
}

async fn missing(method: Method, uri: Uri) -> Response<Body> {
    not_found(&method, uri.path())
}

/// The same page as StreamHub's framework answers with.
fn not_found(method: &Method, path: &str) -> Response<Body> {
    /// Characters of a path that are repeated. A path may be as long as a head, and several times as long as text of HTML.
    const SHOWN_MAX: usize = 1024;
    let shown: String = path.chars().take(SHOWN_MAX).collect();
    let text = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>Error</title>\n</head>\n\
         <body>\n<pre>Cannot {method} {}</pre>\n</body>\n</html>\n",
        escape(&shown)
    );
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = StatusCode::NOT_FOUND;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    headers.insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'"),
    );
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Text as it may stand in HTML.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_is_the_same_is_kept_once_and_a_new_one_is_given_at_once() {
        let newest = Newest::default();
        let list = |text: &str| newest.shared(text.to_owned());
        let (first, same, other) = (list("one"), list("one"), list("two"));
        assert_eq!(first.as_ptr(), same.as_ptr());
        assert_eq!(other, "two");
    }

    #[test]
    fn no_more_of_a_path_is_repeated_than_helps() {
        let answer = not_found(&Method::GET, &"/\"".repeat(8000));
        let bytes = http_body::Body::size_hint(answer.body()).exact();
        assert!(bytes.is_some_and(|bytes| bytes < 5000), "{bytes:?}");
    }

    #[test]
    fn a_path_in_a_page_is_text() {
        assert_eq!(escape("/<script>'\"&"), "/&lt;script&gt;&#39;&quot;&amp;");
    }
}
