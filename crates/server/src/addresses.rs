//! What one address may take of the server: so many connections, open requests and sessions at a time, so many sessions a
//! second, so many stills and so many offers of WebRTC, so many WebRTC sessions that are not connected yet. Of what there is
//! for all it has half at most.
//!
//! An address that speaks for many is not counted: a trusted proxy, whose visitors are told apart by what it writes, and
//! as long as no proxy is trusted also loopback, where one may stand that nobody named. Invariant: what is remembered of
//! addresses has a bound; whoever has a network of IPv6 has one address.

use crate::config::{Config, Count};
use crate::doors::say_later;
use crate::held;
use crate::rights::{Asker, Keeper, Networks};
use abanico_core::rate::{Bucket, Rate};
use abanico_socketio::Kept;
use abanico_socketio::retry::FULL_RETRY;
use abanico_streamhub::by_address::ByAddress;
use abanico_streamhub::grant::neighbourhood;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use http::header::UPGRADE;
use http::{Method, Response, StatusCode};
use http_body::Body as _;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;
use uuid::Uuid;

/// The connections, requests and sessions of each address. Clones are the same.
#[derive(Clone)]
pub(crate) struct Addresses(Arc<Inner>);

/// What each address may have at one time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shares {
    connections: Share,
    /// Requests that are open, whatever they ask for: from their head to the end of their answer.
    requests: Share,
    /// Whatever stays: sessions of Socket.IO, of viewers, of publishers and of WebRTC.
    sessions: Share,
    /// Those of WebRTC among them.
    webrtc: Share,
    /// Those that are not connected yet.
    connecting: Share,
    /// Handshakes of TLS.
    handshakes: Share,
}

/// So many, and what says so.
#[derive(Debug, Clone, Copy)]
struct Share {
    max: usize,
    limit: &'static str,
}

impl Shares {
    /// What is set, but of what there is for all no more than half.
    pub(crate) fn of(config: &Config) -> Self {
        let (connections, webrtc) = (&config.connections, &config.webrtc);
        let sessions = Share::new(
            connections.sessions_per_address_max,
            "sessions-per-address-max",
        );
        let connecting = webrtc.rtc_connecting_per_address_max;
        Self {
            connections: Share::new(
                connections.connections_per_address_max,
                "connections-per-address-max",
            )
            .or_half(connections.connections_max, "half of connections-max"),
            requests: Share::new(
                connections.requests_per_address_max,
                "requests-per-address-max",
            ),
            sessions: sessions.or_half(config.socketio.sessions_max, "half of sessions-max"),
            webrtc: sessions.or_half(webrtc.rtc_sessions_max, "half of rtc-sessions-max"),
            connecting: Share::new(connecting, "rtc-connecting-per-address-max"),
            handshakes: Share::new(
                config.tls.tls_handshakes_per_address_max,
                "tls-handshakes-per-address-max",
            ),
        }
    }
}

impl Share {
    fn new(max: Count, limit: &'static str) -> Self {
        Self { max: max.0, limit }
    }

    /// Half of what all have, if that is less. Of what one alone may have whoever comes first has all.
    fn or_half(self, all: Count, limit: &'static str) -> Self {
        let max = all.0.div_ceil(2);
        match max < self.max {
            true => Self { max, limit },
            false => self,
        }
    }
}

/// How often each address may do something.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rates {
    /// Begin a session.
    pub(crate) sessions: Rate,
    /// Ask for a still.
    pub(crate) stills: Rate,
    /// Send an offer of WebRTC.
    pub(crate) offers: Rate,
}

struct Inner {
    connections: Arc<Places>,
    connecting: Arc<Places>,
    handshakes: Arc<Places>,
    requests: Arc<Places>,
    webrtc: Arc<Places>,
    sessions: Arc<Places>,
    shares: Shares,
    begun: Mutex<PerAddress>,
    stills: Mutex<PerAddress>,
    offers: Mutex<PerAddress>,
    keeper: Keeper,
}

impl Addresses {
    pub(crate) fn new(shares: Shares, rates: Rates, keeper: Keeper) -> Self {
        Self(Arc::new(Inner {
            connections: Places::of(shares.connections.max),
            connecting: Places::of(shares.connecting.max),
            handshakes: Places::of(shares.handshakes.max),
            requests: Places::of(shares.requests.max),
            webrtc: Places::of(shares.webrtc.max),
            sessions: Places::of(shares.sessions.max),
            shares,
            begun: Mutex::new(PerAddress::new(rates.sessions)),
            stills: Mutex::new(PerAddress::new(rates.stills)),
            offers: Mutex::new(PerAddress::new(rates.offers)),
            keeper,
        }))
    }

    /// A place for one more connection of this address, or the limit that it has reached.
    pub(crate) fn connect(&self, from: IpAddr) -> Result<Place, &'static str> {
        let place = self.place(&self.0.connections, from);
        place.ok_or(self.0.shares.connections.limit)
    }

    /// A place for one more WebRTC session of this address that is not connected yet, or none.
    pub(crate) fn begin_connecting(&self, from: IpAddr) -> Option<Place> {
        self.place(&self.0.connecting, from)
    }

    /// A place for one more handshake of this address, or none.
    pub(crate) fn begin_handshake(&self, from: IpAddr) -> Option<Place> {
        self.place(&self.0.handshakes, from)
    }

    /// A place for one more WebRTC session of this address among those, beside that among its sessions.
    pub(crate) fn begin_webrtc(&self, from: IpAddr) -> Result<Place, TooMany> {
        let place = self.place(&self.0.webrtc, from);
        place.ok_or(TooMany::Open(self.0.shares.webrtc.limit))
    }

    /// Whether this address may send another offer of WebRTC now.
    pub(crate) fn may_offer(&self, from: IpAddr) -> bool {
        self.may(&self.0.offers, from)
    }

    fn may(&self, buckets: &Mutex<PerAddress>, from: IpAddr) -> bool {
        speaks_for_many(from, self.0.keeper.proxies()) || buckets.lock().take(from, Instant::now())
    }

    fn place(&self, places: &Arc<Places>, from: IpAddr) -> Option<Place> {
        if speaks_for_many(from, self.0.keeper.proxies()) {
            return Some(Place(None));
        }
        places.take(from)
    }

    /// Whether who makes a request may have another still now.
    fn may_look<B>(&self, request: &http::Request<B>) -> bool {
        let Asker { address, .. } = self.0.keeper.asker(request);
        self.may(&self.0.stills, address)
    }

    /// A place for one more open request of who makes it, or none.
    fn ask<B>(&self, request: &http::Request<B>) -> Option<Place> {
        let Asker { address, .. } = self.0.keeper.asker(request);
        self.place(&self.0.requests, address)
    }

    /// Has who makes a request begin another session, which has its place as long as what is kept of the request's
    /// extensions, if it may.
    pub(crate) fn begin<B>(&self, request: &mut http::Request<B>) -> Result<Kept, TooMany> {
        let Asker { address, .. } = self.0.keeper.asker(request);
        if !self.may(&self.0.begun, address) {
            return Err(TooMany::Begun);
        }
        let place = self.place(&self.0.sessions, address);
        let kept = Kept::new(place.ok_or(TooMany::Open(self.0.shares.sessions.limit))?);
        request.extensions_mut().insert(kept.clone());
        Ok(kept)
    }
}

/// Why an address may not begin another session, look once more or ask for anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TooMany {
    /// It begins them too fast.
    Begun,
    /// It has as many as one may, by this limit.
    Open(&'static str),
    /// It has as many requests open as one may.
    Requests,
    /// It asks for stills too fast.
    Stills,
}

impl TooMany {
    pub(crate) fn response(self) -> Response<Body> {
        let (what, limit) = match self {
            Self::Begun => ("begins more sessions than one may", "session-rate"),
            Self::Open(limit) => ("has as many sessions as one may", limit),
            Self::Requests => (
                "has as many requests open as one may",
                "requests-per-address-max",
            ),
            Self::Stills => ("asks for more stills than one may", "still-rate"),
        };
        let mut refusal = say_later(&format!("your address {what} ({limit})"), FULL_RETRY);
        *refusal.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        refusal
    }
}

/// Refuses a request that would begin one session too many, asks for one still too many or is one too many itself.
pub(crate) async fn guard(
    State(addresses): State<Addresses>,
    mut request: Request,
    next: Next,
) -> Response<Body> {
    if asks_for_still(&request) && !addresses.may_look(&request) {
        return TooMany::Stills.response();
    }
    if is_poll(&request) {
        return next.run(request).await;
    }
    if !begins_session(&request) {
        let Some(place) = addresses.ask(&request) else {
            return TooMany::Requests.response();
        };
        return next.run(request).await.map(|body| held::body(body, place));
    }
    let kept = match addresses.begin(&mut request) {
        Ok(kept) => kept,
        Err(too_many) => return too_many.response(),
    };
    next.run(request).await.map(|body| lasting(body, kept))
}

/// A body that keeps a place while it lasts, if nobody knows how long that is. HTTP/2 has many on one connection.
fn lasting(body: Body, kept: Kept) -> Body {
    if body.size_hint().exact().is_some() {
        return body;
    }
    held::body(body, kept)
}

/// Whether a request waits for what a session of Socket.IO has to say: the session is counted, and has one.
fn is_poll<B>(request: &http::Request<B>) -> bool {
    let is_read = request.method() == Method::GET;
    is_read && request.uri().path() == "/socket.io/" && !begins_session(request)
}

/// Whether a request asks for something that stays: a session of Socket.IO, a viewer's or a publisher's.
fn begins_session<B>(request: &http::Request<B>) -> bool {
    let uri = request.uri();
    let (path, method) = (uri.path(), request.method());
    if path == "/socket.io/" {
        let mut asked = uri.query().unwrap_or_default().split('&');
        return method == Method::GET && !asked.any(|one| one.starts_with("sid="));
    }
    if path.starts_with("/live/") {
        // Whoever writes there publishes, and an upgrade stays, whatever the name ends with.
        let may_stay = request.headers().contains_key(UPGRADE) || path.contains('%');
        let is_still = asks_for_still(request) && !may_stay;
        return !is_still && method != Method::OPTIONS && method != Method::HEAD;
    }
    let is_webrtc = path.starts_with("/whip/") || path.starts_with("/whep/");
    is_webrtc && method == Method::POST
}

/// Whether a request asks for one picture, live or a poster. A name with letters as numbers, as in `%6apg`, which no key and no
/// ending needs, may be one's, too: who writes so is counted as if it asked for a still and for a stream.
fn asks_for_still<B>(request: &http::Request<B>) -> bool {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return false;
    }
    let path = request.uri().path();
    let is_poster = path.starts_with("/streams/") && path.ends_with("/poster");
    let may_be =
        |name: &str| [".jpg", ".jpeg"].iter().any(|end| name.ends_with(end)) || name.contains('%');
    is_poster || path.strip_prefix("/live/").is_some_and(may_be)
}

/// So many things of a kind each address may have at one time.
#[derive(Debug)]
pub(crate) struct Places {
    max: usize,
    taken: Mutex<HashMap<IpAddr, usize>>,
}

impl Places {
    pub(crate) fn of(max: usize) -> Arc<Self> {
        let taken = Mutex::default();
        Arc::new(Self { max, taken })
    }

    /// A place for this address, or none.
    pub(crate) fn take(self: &Arc<Self>, from: IpAddr) -> Option<Place> {
        let from = neighbourhood(from);
        let mut taken = self.taken.lock();
        let count = taken.get(&from).copied().unwrap_or(0);
        if count >= self.max {
            return None;
        }
        taken.insert(from, count + 1);
        Some(Place(Some((Arc::clone(self), from))))
    }
}

/// A place of an address, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place(Option<(Arc<Places>, IpAddr)>);

impl Drop for Place {
    fn drop(&mut self) {
        let Some((places, from)) = &self.0 else {
            return;
        };
        let mut taken = places.taken.lock();
        if let Some(count) = taken.get_mut(from) {
            *count -= 1;
            if *count == 0 {
                taken.remove(from);
            }
        }
    }
}

/// Whether this address is not one client's.
pub(crate) fn speaks_for_many(address: IpAddr, proxies: &Networks) -> bool {
    proxies.contain(address) || (proxies.are_none() && address.to_canonical().is_loopback())
}

/// A bucket for each address, or several for one, each for a thing of its own.
#[derive(Debug)]
pub(crate) struct PerAddress {
    rate: Rate,
    of: ByAddress<Bucket>,
}

impl PerAddress {
    /// All are full.
    pub(crate) fn new(rate: Rate) -> Self {
        Self {
            rate,
            of: ByAddress::default(),
        }
    }

    /// What each address is given.
    pub(crate) fn rate(&self) -> Rate {
        self.rate
    }

    /// Takes one of the address's, or says that none is left.
    pub(crate) fn take(&mut self, from: IpAddr, now: Instant) -> bool {
        self.bucket((from, None), now).take(now)
    }

    /// The bucket of an address, or the one that it has for some thing.
    pub(crate) fn bucket(&mut self, from: (IpAddr, Option<Uuid>), now: Instant) -> &mut Bucket {
        self.of.of(from, now, || Bucket::new(self.rate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_network_of_ipv6_is_one_address() {
        let network = |text: &str| neighbourhood(text.parse().unwrap()).to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(network("192.0.2.1"), "192.0.2.1");
    }

    #[test]
    fn each_address_has_a_bucket() {
        let mut buckets = PerAddress::new(Rate {
            burst: 1,
            per_second: 0.0,
        });
        let now = Instant::now();
        for (address, is_given) in [
            ("2001:db8::1", true),
            ("2001:db8::2", false),
            ("2001:db8:0:1::1", true),
            ("192.0.2.1", true),
            ("::ffff:192.0.2.1", false),
        ] {
            let taken = buckets.take(address.parse().unwrap(), now);
            assert_eq!(taken, is_given, "{address}");
        }
    }

    #[test]
    fn an_address_has_its_share_of_places_and_gives_them_back() {
        let places = Places::of(2);
        let take = |address: &str| places.take(address.parse().unwrap());
        let first = take("2001:db8::1");
        let second = take("2001:db8::2");
        assert!(first.is_some() && second.is_some());
        assert!(take("2001:db8::3").is_none());
        assert!(take("192.0.2.1").is_some());
        drop(first);
        assert!(take("2001:db8::3").is_some());
        drop(second);
        assert!(places.taken.lock().is_empty());
    }

    #[test]
    fn what_stays_is_a_session_and_what_is_answered_is_none() {
        let begins = |method: &str, uri: &str| {
            let request = http::Request::builder().method(method).uri(uri);
            begins_session(&request.body(()).unwrap())
        };
        for (method, uri) in [
            ("GET", "/socket.io/?EIO=4&transport=polling"),
            ("GET", "/live/demo.webm"),
            ("GET", "/live/demo"),
            ("PUT", "/live/demo"),
            ("PUT", "/live/demo.jpg"),
            ("POST", "/live/demo.jpeg"),
            ("SOURCE", "/live/demo"),
            ("SOURCE", "/live/demo.jpg"),
            ("GET", "/live/demo%2ewebm"),
            ("POST", "/whip/demo"),
            ("POST", "/whep/demo"),
        ] {
            assert!(begins(method, uri), "{method} {uri}");
        }
        let socket = http::Request::get("/live/demo.jpg").header(UPGRADE, "websocket");
        let socket = socket.body(()).unwrap();
        assert!(begins_session(&socket) && asks_for_still(&socket));
        for (method, uri, is_still) in [
            ("GET", "/live/demo.jpg", true),
            ("GET", "/live/demo.jpeg", true),
            ("GET", "/streams/demo/poster", true),
            ("GET", "/streams/demo/links", false),
            ("PUT", "/live/demo.jpg", false),
            ("GET", "/live/demo.mjpeg", false),
            ("HEAD", "/live/demo.jpg", true),
            ("HEAD", "/streams/demo/poster", true),
            ("HEAD", "/live/demo.mjpeg", false),
            ("GET", "/live/demo.%6apg", true),
        ] {
            let request = http::Request::builder().method(method).uri(uri);
            let asks = asks_for_still(&request.body(()).unwrap());
            assert_eq!(asks, is_still, "{method} {uri}");
        }
        for (method, uri) in [
            ("GET", "/socket.io/?EIO=4&transport=polling&sid=abc"),
            ("POST", "/socket.io/?EIO=4&transport=polling&sid=abc"),
            ("GET", "/live/demo.jpg"),
            ("HEAD", "/live/demo.webm"),
            ("OPTIONS", "/live/demo"),
            ("PATCH", "/whep/demo/1"),
            ("GET", "/"),
        ] {
            assert!(!begins(method, uri), "{method} {uri}");
        }
    }

    #[test]
    fn who_waits_for_what_its_session_hears_has_its_place_already() {
        let polls = |method: &str, uri: &str| {
            let request = http::Request::builder().method(method).uri(uri);
            is_poll(&request.body(()).unwrap())
        };
        let session = "/socket.io/?EIO=4&transport=polling&sid=abc";
        assert!(polls("GET", session));
        assert!(!polls("POST", session));
        assert!(!polls("GET", "/socket.io/?EIO=4&transport=polling"));
        assert!(!polls("GET", "/socket.io/socket.io.js"));
    }

    #[test]
    fn who_speaks_for_many_is_not_counted_as_one() {
        let of = |address: &str, proxies: &str| {
            let proxies = match proxies {
                "" => Networks::default(),
                some => some.parse().unwrap(),
            };
            speaks_for_many(address.parse().unwrap(), &proxies)
        };
        assert!(of("127.0.0.1", ""));
        assert!(of("::ffff:127.0.0.1", ""));
        assert!(of("10.0.0.1", "10.0.0.0/8"));
        assert!(!of("127.0.0.1", "10.0.0.0/8"));
        assert!(!of("192.0.2.1", ""));
    }

    #[test]
    fn of_what_there_is_for_all_an_address_has_half_at_most_and_is_told_of_what() {
        let share = |set, all| {
            let share = Share::new(Count(set), "set").or_half(Count(all), "half of all");
            (share.max, share.limit)
        };
        assert_eq!(share(1_000, 50_000), (1_000, "set"));
        assert_eq!(share(1_000, 2_000), (1_000, "set"));
        assert_eq!(share(1_000, 1_999), (1_000, "set"));
        assert_eq!(share(1_000, 100), (50, "half of all"));
        assert_eq!(share(1_000, 1), (1, "half of all"));
        assert_eq!(share(1_000, 0), (0, "half of all"));
    }
}
