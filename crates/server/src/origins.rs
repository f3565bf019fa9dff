//! Which pages of elsewhere may use this server, at all its routes.
//!
//! A browser says with `Origin` whose page asks; programs say nothing, and are not held up here. Nothing that this server
//! gives hangs on who a browser is: there are no cookies, and every right is shown in the request. That is why pages of
//! everywhere may ask, unless the operator wants otherwise. Invariant: no answer allows credentials.

use crate::doors::say;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, HOST, ORIGIN, VARY};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Response, StatusCode, Uri};
use std::fmt;
use std::str::FromStr;

/// Whose pages may ask, beside our own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// Everybody's.
    Any,
    /// Those of these origins; of none, if there are none.
    Listed(Vec<HeaderValue>),
}

/// A text that names no origins.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no origin: type for example https://example.org or https://example.org,http://localhost:8080"
)]
pub struct OriginError(String);

impl Origins {
    /// Whether pages of everywhere may ask.
    pub(crate) fn are_any(&self) -> bool {
        *self == Self::Any
    }

    fn allow(&self, origin: &HeaderValue, host: Option<&str>) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(listed) => listed.contains(origin) || is_ours(origin, host),
        }
    }
}

/// An origin as browsers write it, without a path: `https://example.org`, `http://localhost:8080`.
pub(crate) fn origin(text: &str) -> Result<HeaderValue, OriginError> {
    let wrong = || OriginError(text.to_owned());
    let name = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))
        .ok_or_else(wrong)?;
    let is_plain = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte));
    if !is_plain || name.parse::<Authority>().is_err() {
        return Err(wrong());
    }
    HeaderValue::try_from(text.to_ascii_lowercase()).map_err(|_| wrong())
}

/// Whether a page of this origin was served under the name that it asks.
fn is_ours(origin: &HeaderValue, host: Option<&str>) -> bool {
    let name = origin.to_str().ok().and_then(|origin| {
        origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"))
    });
    name.zip(host)
        .is_some_and(|(name, host)| name.eq_ignore_ascii_case(host))
}

/// The name under which a request asks.
pub(crate) fn host<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a str> {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    // HTTP/2 has it in the address.
    host.or_else(|| uri.authority().map(Authority::as_str))
}

/// Refuses what pages ask that may not, and tells the browser of the others who may read the answer.
pub(crate) async fn guard(
    State(origins): State<Origins>,
    request: Request,
    next: Next,
) -> Response<Body> {
    if origins.are_any() {
        return next.run(request).await;
    }
    let asking = request.headers().get(ORIGIN).cloned();
    if let Some(origin) = &asking
        && !origins.allow(origin, host(request.headers(), request.uri()))
    {
        let mut refusal = say(
            StatusCode::FORBIDDEN,
            "pages of this origin may not use this server; its operator lists those that may (origins)",
        );
        refusal.headers_mut().remove(ACCESS_CONTROL_ALLOW_ORIGIN);
        return refusal;
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    if headers.remove(ACCESS_CONTROL_ALLOW_ORIGIN).is_some()
        && let Some(origin) = asking
    {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
    headers.append(VARY, HeaderValue::from_static("Origin"));
    response
}

impl FromStr for Origins {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        match text {
            "*" => Ok(Self::Any),
            "self" => Ok(Self::Listed(Vec::new())),
            list => list
                .split(',')
                .map(|one| origin(one.trim()))
                .collect::<Result<_, _>>()
                .map(Self::Listed),
        }
    }
}

impl fmt::Display for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Listed(listed) if listed.is_empty() => f.write_str("self"),
            Self::Listed(listed) => {
                let listed: Vec<_> = listed.iter().filter_map(|one| one.to_str().ok()).collect();
                f.write_str(&listed.join(","))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_pages_and_those_that_are_listed_may_ask() {
        let origins: Origins = "https://example.org, http://localhost:8080"
            .parse()
            .unwrap();
        let allow = |origin: &'static str| {
            origins.allow(&HeaderValue::from_static(origin), Some("live.test:3000"))
        };
        for allowed in [
            "https://example.org",
            "http://localhost:8080",
            "http://live.test:3000",
            "https://LIVE.test:3000",
        ] {
            assert!(allow(allowed), "{allowed}");
        }
        for other in [
            "null",
            "",
            "https://live.test",
            "http://example.org",
            "https://example.org:8443",
            "https://evil.example.org",
            "ftp://live.test:3000",
        ] {
            assert!(!allow(other), "{other}");
        }
        assert!(Origins::Any.allow(&HeaderValue::from_static("null"), None));
    }

    #[test]
    fn origins_are_written_as_they_are_read() {
        for text in ["*", "self", "https://example.org,http://[::1]:8080"] {
            assert_eq!(text.parse::<Origins>().unwrap().to_string(), text);
        }
        for wrong in [
            "",
            "example.org",
            "https://",
            "https://example.org/",
            "https://a b",
            "https://a;b",
        ] {
            assert_eq!(wrong.parse::<Origins>(), Err(OriginError(wrong.to_owned())));
        }
    }
}
