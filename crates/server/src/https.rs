//! What is said to who comes over plain HTTP where HTTPS is wanted, and to browsers that are to remember it.
//!
//! Invariant: browsers are told to remember it only where it cannot lock anybody out: not for an address or a local name,
//! which others may have tomorrow, and not while anything is served over plain HTTP.

use crate::config::Tls as Settings;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::IntoResponse;
use http::header::{CACHE_CONTROL, HOST, LOCATION, STRICT_TRANSPORT_SECURITY};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Response, StatusCode, Uri};
use std::net::IpAddr;
use std::time::Duration;

/// The port at which browsers look for HTTPS by themselves. HSTS keeps every other port, and would lead them astray.
const PORT: u16 = 443;

/// Redirects every request to HTTPS at `port`.
pub(crate) fn redirecting(port: u16) -> Router {
    Router::new().fallback(move |request: Request| async move { redirect(&request, port) })
}

fn redirect(request: &Request, port: u16) -> Response<Body> {
    let Some(location) = host(request.uri(), request.headers())
        .and_then(|host| location(&host, port, request.uri()))
    else {
        return (
            StatusCode::BAD_REQUEST,
            "this server is reached over https://\n",
        )
            .into_response();
    };
    // With method and body; and asked anew each time, in case that the operator thinks better of it.
    let headers = [
        (LOCATION, location),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (
        StatusCode::PERMANENT_REDIRECT,
        headers,
        "this server is reached over https://\n",
    )
        .into_response()
}

fn location(host: &str, port: u16, uri: &Uri) -> Option<HeaderValue> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let port = if port == PORT {
        String::new()
    } else {
        format!(":{port}")
    };
    HeaderValue::try_from(format!("https://{host}{port}{path}")).ok()
}

/// The host that a request is for, without its port.
fn host(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    // HTTP/2 has it in the address alone.
    let authority = match uri.authority() {
        Some(authority) => authority.clone(),
        None => Authority::try_from(headers.get(HOST)?.as_bytes()).ok()?,
    };
    let host = authority.host();
    (!host.is_empty()).then(|| host.to_owned())
}

/// Lets every answer to a public name say that it is reached over HTTPS only, if that is so.
pub(crate) fn remembered(router: Router, settings: &Settings, public_port: u16) -> Router {
    let age = settings.hsts_for.0;
    if !settings.tls_redirect || age.is_zero() || public_port != PORT {
        return router;
    }
    let value = hsts(age);
    router.layer(axum::middleware::from_fn(
        move |request: Request, next: axum::middleware::Next| {
            let value = host(request.uri(), request.headers())
                .filter(|host| is_public(host))
                .map(|_| value.clone());
            async move {
                let mut answer = next.run(request).await;
                if let Some(value) = value {
                    answer
                        .headers_mut()
                        .insert(STRICT_TRANSPORT_SECURITY, value);
                }
                answer
            }
        },
    ))
}

fn hsts(age: Duration) -> HeaderValue {
    HeaderValue::try_from(format!("max-age={}", age.as_secs())).expect("a number is a header value")
}

/// Whether a host has a name that means the same everywhere.
fn is_public(host: &str) -> bool {
    /// Endings of names that mean something in one network only.
    const LOCAL: [&str; 9] = [
        "localhost",
        "local",
        "localdomain",
        "lan",
        "home",
        "internal",
        "home.arpa",
        "test",
        "invalid",
    ];
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let is_address = host.starts_with('[') || host.parse::<IpAddr>().is_ok();
    let is_local = |ending: &&str| {
        host.strip_suffix(*ending)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    host.contains('.') && !is_address && !LOCAL.iter().any(is_local)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_keeps_host_and_path_and_changes_the_port() {
        let to = |host: &str, port| {
            let request = Request::builder()
                .uri("/watch/a?b=c")
                .header(HOST, host)
                .body(Body::empty())
                .unwrap();
            let answer = redirect(&request, port);
            let location = answer.headers().get(LOCATION);
            location.map(|location| location.to_str().unwrap().to_owned())
        };
        let wanted = |text: &str| Some(text.to_owned());
        assert_eq!(
            to("live.example:3000", 3443),
            wanted("https://live.example:3443/watch/a?b=c")
        );
        assert_eq!(
            to("live.example", 443),
            wanted("https://live.example/watch/a?b=c")
        );
        assert_eq!(
            to("[::1]:80", 3443),
            wanted("https://[::1]:3443/watch/a?b=c")
        );
        assert_eq!(to("a b", 443), None);
        assert_eq!(to("", 443), None);
    }

    #[test]
    fn only_a_name_that_means_the_same_everywhere_is_remembered() {
        for host in ["live.example.org", "LIVE.EXAMPLE.ORG.", "a.locals"] {
            assert!(is_public(host), "{host}");
        }
        for host in [
            "localhost",
            "a.localhost",
            "camera.local",
            "camera.lan",
            "camera",
            "192.168.1.2",
            "[::1]",
            "8.8.8.8",
            "nas.home.arpa",
            "",
        ] {
            assert!(!is_public(host), "{host}");
        }
    }
}
