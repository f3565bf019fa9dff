//! Sessions without Engine.IO: over plain WebSockets, where each message is the driver's and pings are those of the
//! WebSocket, and as bodies of HTTP answers that last until the connection is closed.
//!
//! The same task carries them, so that they are written, bounded and lent as all others are.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};

use crate::body::Body;
use crate::config::Config;
use crate::engine::greedy::Greedy;
use crate::engine::parcel::Parcel;
use crate::engine::server::Registry;
use crate::engine::service::Driver;
use crate::engine::session::{Session, Shared, Wire};
use crate::engine::task::Task;
use crate::handshake::{Handshake, Kept};
use crate::websocket::accept;
use crate::websocket::cable::Cable;

/// The sessions of a server that do without Engine.IO. Clones are the same.
#[derive(Clone)]
pub struct PlainSessions {
    config: Arc<Config>,
    registry: Arc<Registry>,
}

impl PlainSessions {
    /// No sessions yet. Of the configuration counts what concerns WebSockets: pings, the sizes of messages and queues.
    pub fn new(config: Config) -> Self {
        Self {
            config: Arc::new(config),
            registry: Arc::default(),
        }
    }

    /// Whether the request asks for a WebSocket at all.
    pub fn is_upgrade<B>(request: &Request<B>) -> bool {
        accept::is_upgrade(request)
    }

    /// The first subprotocol that the client offers and `known` has.
    pub fn subprotocol<'a, B>(request: &Request<B>, known: &[&'a str]) -> Option<&'a str> {
        accept::subprotocol(request, known)
    }

    /// Answers a request for a WebSocket, with the subprotocol chosen. `open` makes the driver of the session.
    ///
    /// The connection must be served `with_upgrades`, inside of a tokio runtime.
    pub fn accept<B, D: Driver>(
        &self,
        mut request: Request<B>,
        subprotocol: Option<&'static str>,
        open: impl FnOnce(Session) -> D,
    ) -> Response<Body> {
        let Some(mut response) = accept::accept(&request) else {
            return sentence(http::StatusCode::BAD_REQUEST, "not a WebSocket handshake");
        };
        if let Some(subprotocol) = subprotocol {
            response.headers_mut().insert(
                header::SEC_WEBSOCKET_PROTOCOL,
                HeaderValue::from_static(subprotocol),
            );
        }
        let shared = Shared::plain(
            Arc::clone(&self.config),
            Handshake::of(&request),
            Wire::WebSocket,
        );
        let kept = Kept::of(&request);
        let ticket = match self.registry.enter(&shared, self.config.sessions_max, kept) {
            Ok(ticket) => ticket,
            Err(refused) => return refused.response(&self.config),
        };
        let driver = open(Session(shared));
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(Task::over_websocket(ticket, driver, upgrade, None));
        response
    }

    /// Goes on with a connection as the body of an HTTP answer whose head is `head`. `request` is what was asked. Gives the
    /// connection back if there is no room.
    pub fn answer<D: Driver>(
        &self,
        request: &Request<()>,
        cable: Cable,
        head: Bytes,
        open: impl FnOnce(Session) -> D,
    ) -> Result<(), Cable> {
        let handshake = Handshake::of(request);
        let shared = Shared::plain(Arc::clone(&self.config), handshake, Wire::Body);
        let kept = Kept::of(request);
        let Ok(ticket) = self.registry.enter(&shared, self.config.sessions_max, kept) else {
            return Err(cable);
        };
        let driver = open(Session(shared));
        let head = Parcel::body([head]);
        tokio::spawn(Task::over_body(ticket, driver, cable, head));
        Ok(())
    }

    /// How many sessions are open.
    pub fn sessions(&self) -> usize {
        self.registry.open()
    }

    /// The sessions that hold more than `bytes`, as [`Server::greedy`](crate::engine::Server::greedy) has them.
    pub fn greedy(&self, bytes: usize) -> Vec<Greedy> {
        self.registry.greedy(bytes)
    }

    /// Refuses new sessions and ends the open ones: what is queued is written within [`Config::close_timeout`], and they
    /// are closed with 1001. Returns when all have ended, or after twice that time.
    pub async fn shutdown(&self) {
        self.registry.shutdown(2 * self.config.close_timeout).await;
    }
}

impl fmt::Debug for PlainSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlainSessions")
            .field("sessions", &self.sessions())
            .finish()
    }
}

fn sentence(status: http::StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response
}
