//! What the opening request of a session said.
//!
//! Kept for the whole session, hence in as few bytes as it takes: hyper's header map would pin its read buffer.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use http::HeaderMap;

use crate::unfinished::{Account, Unfinished};

/// The peer's address: put it into the extensions of each request given to
/// [`Server::call`](crate::Server::call).
#[derive(Debug, Clone, Copy)]
pub struct PeerAddr(pub SocketAddr);

/// What a session has as long as it stays.
pub trait Stay: Send + Sync + 'static {
    /// Where is counted what it leaves unfinished, and for which address, if for one.
    fn unfinished(&self) -> Option<(&Arc<Unfinished>, Option<IpAddr>)> {
        None
    }
}

/// Something that is dropped when the session ends that a request opens: an extension of the request.
#[derive(Clone)]
pub struct Kept(Arc<dyn Stay>);

impl Kept {
    /// Keeps a thing.
    pub fn new(thing: impl Stay) -> Self {
        Self(Arc::new(thing))
    }

    /// Opens an account for what the session leaves unfinished, if that is counted.
    pub fn account(&self, end: impl FnOnce(&'static str) + Send + 'static) -> Option<Account> {
        let (unfinished, from) = self.0.unfinished()?;
        Some(unfinished.open(from, end))
    }

    /// What a request brings, if anything.
    pub fn of<B>(request: &http::Request<B>) -> Option<Self> {
        request.extensions().get().cloned()
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Kept").finish_non_exhaustive()
    }
}

/// What carries a session at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// HTTP long-polling.
    Polling,
    /// WebSocket.
    WebSocket,
}

/// The opening request of a session.
#[derive(Debug)]
pub struct Handshake {
    /// The query, then name and value of each header, each followed by a line feed, which none of them can hold.
    text: Box<str>,
    peer_addr: Option<SocketAddr>,
    opened_at: Instant,
    number: u64,
}

/// Sessions that were opened.
static OPENED: AtomicU64 = AtomicU64::new(0);

impl Handshake {
    pub(crate) fn of<B>(request: &http::Request<B>) -> Self {
        Self {
            text: pack(request.uri().query().unwrap_or_default(), request.headers()),
            peer_addr: request.extensions().get::<PeerAddr>().map(|addr| addr.0),
            opened_at: tokio::time::Instant::now().into_std(),
            number: OPENED.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// The value of a header, by its lower-case name; the first one if there are several.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers()
            .find(|(other, _)| *other == name)
            .map(|(_, value)| value)
    }

    /// All headers, names in lower case; a value that is no text is empty.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut lines = self.text.split_terminator('\n').skip(1);
        std::iter::from_fn(move || lines.next().zip(lines.next()))
    }

    /// The query string as it came, without the question mark.
    pub fn query(&self) -> &str {
        self.text.split('\n').next().unwrap_or_default()
    }

    /// A decoded parameter of the query; the first one if there are several.
    pub fn query_param(&self, name: &str) -> Option<Cow<'_, str>> {
        param(self.query(), name)
    }

    /// Where the request came from, if the caller of [`Server::call`](crate::Server::call) said.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.peer_addr
    }

    /// Which session it opened: no other one of this process has the number, and it is no secret.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// When the session was opened.
    pub fn opened_at(&self) -> Instant {
        self.opened_at
    }
}

/// A decoded parameter of a query string.
pub(crate) fn param<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    form_urlencoded::parse(query.as_bytes())
        .find(|(other, _)| other == name)
        .map(|(_, value)| value)
}

fn pack(query: &str, headers: &HeaderMap) -> Box<str> {
    let mut text = String::with_capacity(1024);
    text.push_str(query);
    text.push('\n');
    for (name, value) in headers {
        // That a header is there can matter even where its value cannot be read.
        let value = value.to_str().unwrap_or_default();
        text.extend([name.as_str(), "\n", value, "\n"]);
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_and_headers_are_found_again() {
        let request = http::Request::builder()
            .uri("/socket.io/?EIO=4&name=a%20b")
            .header("User-Agent", "tests")
            .header("X-Two", "1")
            .header("X-Bytes", &b"\xff"[..])
            .body(())
            .unwrap();
        let handshake = Handshake::of(&request);
        assert_eq!(handshake.query(), "EIO=4&name=a%20b");
        assert_eq!(handshake.query_param("name").unwrap(), "a b");
        assert_eq!(handshake.query_param("none"), None);
        assert_eq!(handshake.header("user-agent"), Some("tests"));
        assert_eq!(handshake.header("x-bytes"), Some(""));
        assert_eq!(handshake.headers().count(), 3);
        assert_eq!(handshake.peer_addr(), None);
    }
}
