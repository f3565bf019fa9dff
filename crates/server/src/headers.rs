//! What every answer tells the browser of how it may be used: the secure headers that OWASP lists.
//!
//! A page may load nothing but this server's files, runs no script that stands in it, and is shown in no foreign frame
//! unless the operator says so. Anything that is no page is never taken for one. `Strict-Transport-Security` belongs to
//! the listener that has a certificate.

use crate::assets::Page;
use crate::origins::{self, OriginError};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// What a page may load: its own origin's files, pictures and media made in the page. Sockets and frames are added.
const PAGE_POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
    media-src 'self' blob:; worker-src 'self' blob:; object-src 'none'; frame-src 'none'; base-uri 'none'; \
    form-action 'self'";

/// What a page may use of the machine. Browsers complain of names that they do not know.
const PAGE_PERMISSIONS: &str = "camera=(self), microphone=(self), display-capture=(self), autoplay=(self), \
    fullscreen=(self), picture-in-picture=(self), screen-wake-lock=(self), accelerometer=(), geolocation=(), \
    gyroscope=(), hid=(), magnetometer=(), midi=(), payment=(), serial=(), usb=(), xr-spatial-tracking=()";

/// What an answer may do that is no page: run nothing. Whoever opens one to look into it, with the browser's own tools,
/// may ask the server from there.
const OTHER_POLICY: &str = "default-src 'none'; connect-src 'self'; img-src 'self' blob: data:; \
    media-src 'self' blob:; frame-ancestors 'none'";

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const EMBEDDER_POLICY: HeaderName = HeaderName::from_static("cross-origin-embedder-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const CROSS_DOMAIN_POLICIES: HeaderName =
    HeaderName::from_static("x-permitted-cross-domain-policies");

/// Whose pages may show ours in a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FrameAncestors {
    /// Nobody's.
    None,
    /// Our own.
    Own,
    /// Our own, and those of these origins.
    Listed(Vec<HeaderValue>),
    /// Everybody's.
    Any,
}

impl FrameAncestors {
    fn sources(&self) -> String {
        match self {
            Self::None => "'none'".to_owned(),
            Self::Own => "'self'".to_owned(),
            Self::Listed(_) => format!("'self' {}", self.to_string().replace(',', " ")),
            Self::Any => "*".to_owned(),
        }
    }

    /// The same in the words of older browsers, as far as those have any.
    fn old_words(&self) -> Option<&'static str> {
        match self {
            Self::None => Some("DENY"),
            Self::Own => Some("SAMEORIGIN"),
            Self::Listed(_) | Self::Any => None,
        }
    }
}

/// Marks a page that asks this origin too.
#[derive(Debug, Clone)]
pub(crate) struct Reaches(pub(crate) String);

/// Dresses every answer.
pub(crate) async fn dress(
    State(ancestors): State<Arc<FrameAncestors>>,
    request: Request,
    next: Next,
) -> Response<Body> {
    let host = origins::host(request.headers(), request.uri()).and_then(plain);
    let mut response = next.run(request).await;
    let kind = response.extensions().get::<Page>().copied();
    let reaches = response.extensions_mut().remove::<Reaches>();
    let reaches = reaches.filter(|Reaches(origin)| origins::origin(origin).is_ok());
    let headers = response.headers_mut();
    match kind {
        Some(kind) => page(headers, kind, &ancestors, (host.as_deref(), reaches)),
        None => other(headers),
    }
    response
}

/// What an answer has that is no page.
pub(crate) fn other(headers: &mut HeaderMap) {
    set(headers, X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(headers, CROSS_DOMAIN_POLICIES, "none");
    // The elements in other people's pages load all of this; who may read it is a question of CORS.
    set(headers, RESOURCE_POLICY, "cross-origin");
    set(headers, REFERRER_POLICY, "no-referrer");
    if is_text(headers) {
        set(headers, CONTENT_SECURITY_POLICY, OTHER_POLICY);
        set(headers, X_FRAME_OPTIONS, "DENY");
    }
}

fn page(
    headers: &mut HeaderMap,
    kind: Page,
    ancestors: &FrameAncestors,
    (host, reaches): (Option<&str>, Option<Reaches>),
) {
    // Not every browser counts a WebSocket to the same host as one to 'self'.
    let sockets = host.map(|host| format!(" ws://{host} wss://{host}"));
    let policy = format!(
        "{PAGE_POLICY}; connect-src 'self'{}{}; frame-ancestors {}",
        sockets.unwrap_or_default(),
        reaches.map_or_else(String::new, |Reaches(origin)| format!(" {origin}")),
        ancestors.sources()
    );
    if let Ok(policy) = HeaderValue::try_from(policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    set(headers, X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(headers, CROSS_DOMAIN_POLICIES, "none");
    set(headers, REFERRER_POLICY, "same-origin");
    set(headers, PERMISSIONS_POLICY, PAGE_PERMISSIONS);
    set(headers, OPENER_POLICY, "same-origin");
    set(headers, EMBEDDER_POLICY, "require-corp");
    // The elements load their parts from other people's pages.
    let is_ours_alone =
        kind == Page::Document && matches!(ancestors, FrameAncestors::None | FrameAncestors::Own);
    let resource = if is_ours_alone {
        "same-origin"
    } else {
        "cross-origin"
    };
    set(headers, RESOURCE_POLICY, resource);
    if let Some(words) = ancestors.old_words() {
        set(headers, X_FRAME_OPTIONS, words);
    }
}

/// Sets a header that the answer does not have yet.
fn set(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers
        .entry(name)
        .or_insert(HeaderValue::from_static(value));
}

/// A host that may stand in a policy as it is.
fn plain(host: &str) -> Option<String> {
    let is_plain = host
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte));
    (is_plain && !host.is_empty()).then(|| host.to_owned())
}

/// Whether a browser would show it as a document of its own. Media is shown by players that the policy would stop.
fn is_text(headers: &HeaderMap) -> bool {
    let told = headers
        .get(CONTENT_TYPE)
        .and_then(|told| told.to_str().ok());
    told.is_none_or(|told| told.starts_with("text/") || told.starts_with("application/"))
}

impl FromStr for FrameAncestors {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        match text {
            "none" => Ok(Self::None),
            "self" => Ok(Self::Own),
            "*" => Ok(Self::Any),
            list => list
                .split(',')
                .map(|one| origins::origin(one.trim()))
                .collect::<Result<_, _>>()
                .map(Self::Listed),
        }
    }
}

impl fmt::Display for FrameAncestors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Own => f.write_str("self"),
            Self::Any => f.write_str("*"),
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

    fn policy(ancestors: &str, host: Option<&str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        page(
            &mut headers,
            Page::Document,
            &ancestors.parse().unwrap(),
            (host, None),
        );
        headers
    }

    #[test]
    fn pages_may_not_run_foreign_or_inline_script() {
        let headers = policy("self", Some("live.test"));
        let policy = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("script-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
    }

    #[test]
    fn a_page_talks_to_its_own_host_and_to_nobody_else() {
        let connect = |host| {
            let headers = policy("self", host);
            let policy = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
            let mut parts = policy.split("; ").map(str::to_owned);
            parts.find(|part| part.starts_with("connect-src")).unwrap()
        };
        assert_eq!(connect(None), "connect-src 'self'");
        assert_eq!(
            connect(plain("[::1]:3000").as_deref()),
            "connect-src 'self' ws://[::1]:3000 wss://[::1]:3000"
        );
        assert_eq!(plain("a; script-src *"), None);
        assert_eq!(plain(""), None);
    }

    #[test]
    fn frames_are_for_whom_the_setting_names() {
        for (setting, sources, old) in [
            ("self", "'self'", Some("SAMEORIGIN")),
            ("none", "'none'", Some("DENY")),
            ("*", "*", None),
            (
                "https://a.test,https://b.test:8443",
                "'self' https://a.test https://b.test:8443",
                None,
            ),
        ] {
            let headers = policy(setting, None);
            let policy = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
            let wanted = format!("frame-ancestors {sources}");
            assert!(policy.ends_with(&wanted), "{policy}");
            let told = headers.get(X_FRAME_OPTIONS);
            assert_eq!(told.map(|told| told.to_str().unwrap()), old, "{setting}");
            assert_eq!(
                setting.parse::<FrameAncestors>().unwrap().to_string(),
                setting
            );
        }
        for wrong in ["", "example.org", "https://a.test; script-src *"] {
            assert!(wrong.parse::<FrameAncestors>().is_err(), "{wrong}");
        }
    }
}
