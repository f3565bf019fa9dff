//! How a phone comes to trust LAN mode's authority: the page that takes it through, and what that page hands out.
//!
//! All of it is served over plain HTTP, too, for who is not yet trusted has nothing better. So the page shows the
//! certificate's fingerprint, and the server prints the same one.
//!
//! Invariant: a code that lets a phone go live is shown at this machine alone, in its terminal and on its own page, and is
//! taken over HTTPS alone.

use crate::assets;
use crate::connection::OverTls;
use crate::headers::Reaches;
use crate::origins;
use crate::qr;
use crate::rights::{CODE_FOR, Keeper, Secret};
use crate::tls::Https;
use crate::tls::lan::Lan;
use abanico_core::rights::{Place, Refused};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Json};
use axum::routing::{get, post};
use axum::{Router, http};
use base64_simd::STANDARD;
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, HeaderName,
    ORIGIN, RETRY_AFTER, VARY,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode, Uri};
use http_body::Body as _;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::timeout;
use uuid::Uuid;

/// Most bytes of what somebody shows as a code. More are refused unread.
const CODE_BYTES_MAX: usize = 256;

/// How long somebody may take to show it.
const CODE_TIME_MAX: Duration = Duration::from_secs(10);

/// What LAN mode tells of itself.
#[derive(Clone)]
pub(crate) struct Trust {
    lan: Lan,
    bound: SocketAddr,
    tls_port: u16,
    keeper: Keeper,
}

impl Trust {
    /// That of a server whose plain HTTP is at `bound`, if it is in LAN mode.
    pub(crate) fn of(https: &Https, bound: SocketAddr, keeper: Keeper) -> Option<Self> {
        Some(Self {
            lan: https.lan()?.clone(),
            bound,
            tls_port: https.public_port,
            keeper,
        })
    }

    /// The page's address for a phone, if this machine is in a network and the server listens there.
    pub(crate) fn address(&self) -> Option<String> {
        let host = self.lan.outward(self.bound.ip())?;
        Some(format!("http://{host}:{}/trust", self.bound.port()))
    }

    /// The same with a new code, which lets the phone go live; none where nobody needs one.
    pub(crate) fn address_with_code(&self) -> Option<String> {
        Some(with_code(&self.address()?, &self.keeper.make_code()?))
    }

    /// The authority's fingerprint, as devices show it.
    pub(crate) fn fingerprint(&self) -> String {
        let mut shown = String::new();
        for byte in Sha256::digest(self.lan.certificate()) {
            let colon = if shown.is_empty() { "" } else { ":" };
            write!(shown, "{colon}{byte:02X}").expect("a string takes everything");
        }
        shown
    }

    /// Where its page asks whether the server is trusted. That page is of another origin, whichever are let in: it is asked
    /// outside of their guard, and tells pages of the same host alone.
    pub(crate) fn asked(self) -> Router {
        Router::new()
            .route("/trust/about.json", get(about))
            .with_state(self)
    }

    /// Its other routes.
    pub(crate) fn router<S: Clone + Send + Sync + 'static>(self) -> Router<S> {
        Router::new()
            .route("/trust", get(page))
            .route("/trust/qr.svg", get(picture))
            .route("/trust/code", post(code))
            .route("/trust/pair", post(pair))
            .route("/trust/abanico-ca.crt", get(certificate))
            .route("/trust/abanico-ca.mobileconfig", get(profile))
            .with_state(self)
    }
}

/// The page. It asks the same host over HTTPS whether it is trusted, and nobody else.
async fn page(State(trust): State<Trust>, uri: Uri, headers: HeaderMap) -> Response<Body> {
    let Some(mut page) = assets::page("trust.html", &headers) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if let Some(host) = origins::host(&headers, &uri).map(without_port) {
        let secure = format!("https://{host}:{}", trust.tls_port);
        page.extensions_mut().insert(Reaches(secure));
    }
    page
}

/// A host as it stands in an address, without its port.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Whether a page of this origin was served by the host that it asks, at whatever port.
fn is_same_host(origin: &HeaderValue, host: Option<&str>) -> bool {
    let name = origin.to_str().ok().and_then(|origin| {
        let plain = origin.strip_prefix("http://");
        plain.or_else(|| origin.strip_prefix("https://"))
    });
    name.zip(host)
        .is_some_and(|(name, host)| without_port(name).eq_ignore_ascii_case(without_port(host)))
}

/// What the page says. That it can be read over HTTPS is the proof that the authority is trusted.
async fn about(State(trust): State<Trust>, uri: Uri, asked: HeaderMap) -> Response<Body> {
    let about = json!({
        "address": trust.address(),
        "httpsPort": trust.tls_port,
        "fingerprint": trust.fingerprint(),
    });
    let mut response = ([(CACHE_CONTROL, "no-store")], Json(about)).into_response();
    let headers = response.headers_mut();
    headers.insert(VARY, HeaderValue::from_static("Origin"));
    // The page over plain HTTP is another origin.
    if let Some(origin) = asked.get(ORIGIN)
        && is_same_host(origin, origins::host(&asked, &uri))
    {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
    response
}

async fn picture(State(trust): State<Trust>) -> Response<Body> {
    match trust.address().and_then(|address| qr::picture(&address)) {
        Some(picture) => handed_out("image/svg+xml", None, picture.into_bytes()),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// What a phone scans. The code stands where neither a server nor its log sees it.
fn with_code(address: &str, code: &Secret) -> String {
    format!("{address}#pair={}", code.reveal())
}

/// A new code for the page of somebody at this machine.
async fn code(State(trust): State<Trust>, request: Request) -> Response<Body> {
    let uncached = [(CACHE_CONTROL, "no-store")];
    let asker = trust.keeper.asker(&request);
    if asker.place != Place::Here {
        let said = "a code is shown at the server's own machine alone\n";
        return (StatusCode::FORBIDDEN, uncached, said).into_response();
    }
    let Some(code) = trust.keeper.code_for(asker) else {
        return (StatusCode::NO_CONTENT, uncached).into_response();
    };
    let address = trust.address().map(|address| with_code(&address, &code));
    let shown = json!({
        "code": code.reveal(),
        "picture": address.as_deref().and_then(qr::picture),
        "address": address,
        "seconds": CODE_FOR.as_secs(),
    });
    (uncached, Json(shown)).into_response()
}

/// The pass for a code.
async fn pair(State(trust): State<Trust>, request: Request) -> Response<Body> {
    let uncached = [(CACHE_CONTROL, "no-store")];
    if request.extensions().get::<OverTls>().is_none() {
        let said = "a code is taken over HTTPS alone\n";
        return (StatusCode::FORBIDDEN, uncached, said).into_response();
    }
    let asker = trust.keeper.asker(&request);
    // What cannot be right is not waited for.
    if request.body().size_hint().lower() > CODE_BYTES_MAX as u64 {
        return too_long();
    }
    if let Some(refused) = trust.keeper.refuses_codes(asker) {
        return no_pass(&refused);
    }
    let body = axum::body::to_bytes(request.into_body(), CODE_BYTES_MAX);
    let Ok(Ok(body)) = timeout(CODE_TIME_MAX, body).await else {
        return too_long();
    };
    let code = String::from_utf8_lossy(&body);
    match trust.keeper.pair(asker, code.trim()) {
        Ok(pass) => (uncached, Json(json!({ "pass": pass.reveal() }))).into_response(),
        Err(refused) => no_pass(&refused),
    }
}

fn too_long() -> Response<Body> {
    let said = "a code is a short text\n";
    (StatusCode::BAD_REQUEST, [(CACHE_CONTROL, "no-store")], said).into_response()
}

fn no_pass(refused: &Refused) -> Response<Body> {
    if let Refused::TooManyWrong { retry_after } = refused {
        let headers = [
            (CACHE_CONTROL, "no-store".to_owned()),
            (RETRY_AFTER, retry_after.as_secs().max(1).to_string()),
        ];
        let said = "too many codes were tried; try again later\n";
        return (StatusCode::TOO_MANY_REQUESTS, headers, said).into_response();
    }
    let said = "this code has run out, or was used, or is none\n";
    (StatusCode::FORBIDDEN, [(CACHE_CONTROL, "no-store")], said).into_response()
}

/// For Android and everybody else.
async fn certificate(State(trust): State<Trust>) -> Response<Body> {
    let file = "attachment; filename=\"abanico-ca.crt\"";
    let bytes = trust.lan.certificate().to_vec();
    handed_out("application/x-x509-ca-cert", Some(file), bytes)
}

/// For iPhones: a profile that holds the certificate.
async fn profile(State(trust): State<Trust>) -> Response<Body> {
    let profile = mobileconfig(trust.lan.certificate());
    handed_out("application/x-apple-aspen-config", None, profile.into())
}

fn handed_out(
    media_type: &'static str,
    disposition: Option<&'static str>,
    bytes: Vec<u8>,
) -> Response<Body> {
    let nosniff = (HeaderName::from_static("x-content-type-options"), "nosniff");
    let headers = [
        (CONTENT_TYPE, media_type),
        (CACHE_CONTROL, "no-store"),
        nosniff,
    ];
    let mut response = (headers, bytes).into_response();
    if let Some(disposition) = disposition {
        response
            .headers_mut()
            .insert(CONTENT_DISPOSITION, HeaderValue::from_static(disposition));
    }
    response
}

/// A configuration profile of Apple's with this certificate. The same certificate is always the same profile, so that a
/// second installation replaces the first.
fn mobileconfig(certificate: &[u8]) -> String {
    let digest = Sha256::digest(certificate);
    let mut identifiers = digest.chunks_exact(16).map(|half| {
        let bytes = half.try_into().expect("it is sixteen bytes");
        uuid::Builder::from_custom_bytes(bytes).into_uuid()
    });
    let mut next = || -> Uuid { identifiers.next().expect("a digest is two of them") };
    let (profile, payload) = (next(), next());
    let base64 = STANDARD.encode_to_string(certificate);
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>PayloadContent</key>
	<array>
		<dict>
			<key>PayloadCertificateFileName</key>
			<string>abanico-ca.crt</string>
			<key>PayloadContent</key>
			<data>{base64}</data>
			<key>PayloadDescription</key>
			<string>Lets this device open Abanico's pages in your own network over HTTPS.</string>
			<key>PayloadDisplayName</key>
			<string>Abanico</string>
			<key>PayloadIdentifier</key>
			<string>abanico.lan.ca.{payload}</string>
			<key>PayloadType</key>
			<string>com.apple.security.root</string>
			<key>PayloadUUID</key>
			<string>{payload}</string>
			<key>PayloadVersion</key>
			<integer>1</integer>
		</dict>
	</array>
	<key>PayloadDescription</key>
	<string>Lets this device open Abanico's pages in your own network over HTTPS.</string>
	<key>PayloadDisplayName</key>
	<string>Abanico</string>
	<key>PayloadIdentifier</key>
	<string>abanico.lan.{profile}</string>
	<key>PayloadRemovalDisallowed</key>
	<false/>
	<key>PayloadType</key>
	<string>Configuration</string>
	<key>PayloadUUID</key>
	<string>{profile}</string>
	<key>PayloadVersion</key>
	<integer>1</integer>
</dict>
</plist>
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_the_same_host_is_told_at_whatever_port() {
        let is = |origin: &'static str, host| {
            is_same_host(&HeaderValue::from_static(origin), Some(host))
        };
        assert!(is("http://192.0.2.7:3000", "192.0.2.7:3443"));
        assert!(is("http://[2001:db8::7]:3000", "[2001:db8::7]"));
        assert!(is("https://Camera.local", "camera.local:3443"));
        assert!(!is("http://evil.example", "192.0.2.7:3443"));
        assert!(!is("http://192.0.2.7.evil.example", "192.0.2.7:3443"));
        assert!(!is("null", "null"));
        assert!(!is_same_host(&HeaderValue::from_static("http://a"), None));
    }

    #[test]
    fn the_same_certificate_is_the_same_profile_and_another_is_another() {
        let profile = mobileconfig(b"certificate");
        assert_eq!(profile, mobileconfig(b"certificate"));
        assert_ne!(profile, mobileconfig(b"another"));
        assert!(
            profile.contains("<data>Y2VydGlmaWNhdGU=</data>"),
            "{profile}"
        );
    }
}
