//! What one address may take of the server: so many connections, open requests and sessions at a time, so many sessions a
//! second, so many stills and so many offers of WebRTC, so many WebRTC sessions that are not connected yet, so much of what
//! it says unfinished. Of what there is for all it has half at most.
//!
//! An address that speaks for many is not counted: a trusted proxy, whose visitors are told apart by what it writes, and
//! as long as no proxy is trusted also loopback, where one may stand that nobody named. Invariant: what is remembered of
//! addresses has a bound; whoever has a network of IPv6 has one address.

mod asked;
mod buckets;
mod places;
mod shares;
mod unfinished;

pub(crate) use buckets::PerAddress;
pub(crate) use places::{Place, Places};

use crate::config::Config;
use asked::{asks_for_still, begins_session, is_poll};
use shares::Shares;

use crate::doors::say_later;
use crate::held;
use crate::rights::{Asker, Keeper, Networks};
use abanico_core::rate::Rate;
use abanico_socketio::retry::FULL_RETRY;
use abanico_socketio::{Kept, Stay, Unfinished};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use http::{Response, StatusCode};
use http_body::Body as _;
use parking_lot::Mutex;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

/// The connections, requests and sessions of each address. Clones are the same.
#[derive(Clone)]
pub(crate) struct Addresses(Arc<Inner>);

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
    unfinished: Arc<Unfinished>,
    shares: Shares,
    begun: Mutex<PerAddress>,
    stills: Mutex<PerAddress>,
    offers: Mutex<PerAddress>,
    keeper: Keeper,
}

impl Addresses {
    pub(crate) fn new(config: &Config, rates: Rates, keeper: Keeper) -> Self {
        let shares = Shares::of(config);
        Self(Arc::new(Inner {
            connections: Places::of(shares.connections.max),
            connecting: Places::of(shares.connecting.max),
            handshakes: Places::of(shares.handshakes.max),
            requests: Places::of(shares.requests.max),
            webrtc: Places::of(shares.webrtc.max),
            sessions: Places::of(shares.sessions.max),
            unfinished: unfinished::counted(config),
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
            return Some(Place::UNCOUNTED);
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
        let place = self.place(&self.0.sessions, address);
        let place = place.ok_or(TooMany::Open(self.0.shares.sessions.limit))?;
        // Who finds no place has begun none.
        if !self.may(&self.0.begun, address) {
            return Err(TooMany::Begun);
        }
        let kept = Kept::new(Visit {
            place,
            unfinished: Arc::clone(&self.0.unfinished),
        });
        request.extensions_mut().insert(kept.clone());
        Ok(kept)
    }
}

/// What a session has as long as it stays.
struct Visit {
    place: Place,
    unfinished: Arc<Unfinished>,
}

impl Stay for Visit {
    fn unfinished(&self) -> Option<(&Arc<Unfinished>, Option<IpAddr>)> {
        Some((&self.unfinished, self.place.address()))
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

/// Whether this address is not one client's.
pub(crate) fn speaks_for_many(address: IpAddr, proxies: &Networks) -> bool {
    proxies.contain(address) || (proxies.are_none() && address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
