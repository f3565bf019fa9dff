//! What the opening request of a session said.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Instant;

/// The peer's address: put it into the extensions of each request given to [`Server::call`](crate::Server::call).
#[derive(Debug, Clone, Copy)]
pub struct PeerAddr(pub SocketAddr);

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
pub struct Handshake(());

impl Handshake {
    /// The value of a header, by its lower-case name; the first one if there are several.
    pub fn header(&self, name: &str) -> Option<&str> {
        let _ = name;
        unimplemented!()
    }
    /// All headers whose values are text, names in lower case.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        std::iter::empty()
    }
    /// The query string as it came, without the question mark.
    pub fn query(&self) -> &str {
        unimplemented!()
    }
    /// A decoded parameter of the query.
    pub fn query_param(&self, name: &str) -> Option<Cow<'_, str>> {
        let _ = name;
        unimplemented!()
    }
    /// Where the request came from, if the caller of [`Server::call`](crate::Server::call) said.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        unimplemented!()
    }
    /// When the session was opened.
    pub fn opened_at(&self) -> Instant {
        unimplemented!()
    }
}
