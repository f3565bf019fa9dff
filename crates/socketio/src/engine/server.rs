//! The Engine.IO server: which request opens a session, which belongs to one, which is refused.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::body::Body;
use crate::config::Config;
use crate::engine::answer::{self, Refused};
use crate::engine::greedy::Greedy;
use crate::engine::parcel::Parcel;
use crate::engine::polling;
use crate::engine::service::Service;
use crate::engine::session::{Session, Shared, Upgrading};
use crate::engine::task::{self, Task};
use crate::handler::DisconnectReason;
use crate::handshake::{self, Handshake, Kept};
use crate::id::Id;
use crate::websocket::accept;

/// An Engine.IO server. Clones are the same server.
pub struct Server<S> {
    inner: Arc<Inner<S>>,
}

struct Inner<S> {
    config: Arc<Config>,
    service: S,
    registry: Arc<Registry>,
}

impl<S: Service> Server<S> {
    /// A server that has no sessions yet.
    pub fn new(config: Config, service: S) -> Self {
        let registry = Arc::new(Registry::default());
        Self {
            inner: Arc::new(Inner {
                config: Arc::new(config),
                service,
                registry,
            }),
        }
    }

    /// Answers one HTTP request. The connection must be served `with_upgrades`, inside of a tokio runtime.
    ///
    /// A poll is answered when there is something to say, which may take [`Config::ping_interval`]; to drop the future
    /// before means that the client is gone.
    pub async fn call<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
    {
        let cors = self.inner.config.cors;
        let mut response = match self.answer(request).await {
            Ok(response) => response,
            Err(refused) => refused.response(&self.inner.config),
        };
        answer::allow_origin(cors, &mut response);
        response
    }

    /// How many sessions are open.
    pub fn sessions(&self) -> usize {
        self.inner.registry.open()
    }

    /// The sessions for which more than `bytes` are held: that wait for them, or that they let stand unfinished for seconds.
    pub fn greedy(&self, bytes: usize) -> Vec<Greedy> {
        self.inner.registry.greedy(bytes)
    }

    /// Refuses new sessions and ends the open ones: what is queued is written within [`Config::close_timeout`],
    /// WebSockets are closed with 1001, polls are answered. Returns when all have ended, or after twice that time.
    pub async fn shutdown(&self) {
        let within = 2 * self.inner.config.close_timeout;
        self.inner.registry.shutdown(within).await;
    }

    pub(crate) fn service(&self) -> &S {
        &self.inner.service
    }

    async fn answer<B>(&self, request: Request<B>) -> Result<Response<Body>, Refused>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
    {
        let config = &self.inner.config;
        if request.uri().path() != config.path {
            return Err(Refused::TransportUnknown);
        }
        if request.method() == Method::OPTIONS {
            return Ok(answer::preflight(config.cors, request.headers()));
        }
        let query = request.uri().query().unwrap_or_default();
        let is_websocket = match handshake::param(query, "transport").as_deref() {
            Some("polling") => false,
            Some("websocket") => true,
            _ => return Err(Refused::TransportUnknown),
        };
        let Some(sid) = handshake::param(query, "sid") else {
            return self.open(request, is_websocket);
        };
        let session = Id::parse(&sid)
            .and_then(|id| self.inner.registry.sessions.lock().open.get(&id).cloned())
            .ok_or(Refused::SessionUnknown)?;
        match (is_websocket, request.method()) {
            (true, _) => self.upgrade(request, &session),
            (false, &Method::GET) => polling::poll(&session).await,
            (false, &Method::POST) => polling::post(&session, request.into_body()).await,
            (false, _) => Err(Refused::BadRequest),
        }
    }

    fn open<B>(
        &self,
        mut request: Request<B>,
        is_websocket: bool,
    ) -> Result<Response<Body>, Refused> {
        if request.method() != Method::GET {
            return Err(Refused::BadHandshakeMethod);
        }
        if is_websocket && !accept::is_upgrade(&request) {
            return Err(Refused::BadRequest);
        }
        let handshake = Handshake::of(&request);
        if handshake.query_param("EIO").as_deref() != Some("4") {
            return Err(Refused::UnsupportedVersion);
        }
        let accepted = is_websocket
            .then(|| accept::accept(&request).ok_or(Refused::BadRequest))
            .transpose()?;
        let shared = Shared::new(Arc::clone(&self.inner.config), handshake, is_websocket);
        let sessions_max = self.inner.config.sessions_max;
        let kept = Kept::of(&request);
        let ticket = self.inner.registry.enter(&shared, sessions_max, kept)?;
        let driver = self.inner.service.open(Session(Arc::clone(&shared)));
        let open = open_packet(&shared, is_websocket);
        match accepted {
            Some(response) => {
                let upgrade = hyper::upgrade::on(&mut request);
                tokio::spawn(Task::over_websocket(
                    ticket,
                    driver,
                    upgrade,
                    Some(Parcel::open(&open)),
                ));
                Ok(response)
            }
            None => {
                shared.state.lock().polling().kept = ticket.kept.clone();
                tokio::spawn(Task::over_polling(ticket, driver));
                Ok(answer::text(Body::from(Bytes::from(format!("0{open}")))))
            }
        }
    }

    /// A WebSocket that means to take over a polling session.
    fn upgrade<B>(
        &self,
        mut request: Request<B>,
        session: &Arc<Shared>,
    ) -> Result<Response<Body>, Refused> {
        let response = accept::accept(&request).ok_or(Refused::BadRequest)?;
        let upgrade = hyper::upgrade::on(&mut request);
        let mut state = session.state.lock();
        let is_free = !session.is_websocket() && state.polling().upgrading == Upgrading::No;
        if is_free && state.accepts_requests() {
            let polling = state.polling();
            polling.upgrading = Upgrading::Connected;
            polling.upgrade = Some(upgrade);
            drop(state);
            session.wake();
        } else {
            drop(state);
            // Clients take a closed WebSocket better than a refused one, and socket.io does it so.
            tokio::spawn(task::refuse(upgrade, self.inner.config.close_timeout));
        }
        Ok(response)
    }
}

impl<S> Clone for Server<S> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<S> fmt::Debug for Server<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sessions = self.inner.registry.sessions.lock().open.len();
        f.debug_struct("Server")
            .field("path", &self.inner.config.path)
            .field("sessions", &sessions)
            .finish()
    }
}

fn open_packet(shared: &Shared, is_websocket: bool) -> String {
    let config = &shared.config;
    format!(
        r#"{{"sid":"{}","upgrades":[{}],"pingInterval":{},"pingTimeout":{},"maxPayload":{}}}"#,
        shared.id,
        if is_websocket { "" } else { r#""websocket""# },
        config.ping_interval.as_millis(),
        config.ping_timeout.as_millis(),
        config.max_payload,
    )
}

/// The open sessions, by id.
#[derive(Default)]
pub(crate) struct Registry {
    sessions: Mutex<Sessions>,
    ended: Notify,
}

#[derive(Default)]
struct Sessions {
    open: HashMap<Id, Arc<Shared>>,
    /// Sessions whose task has not ended: a driver may outlive its transport.
    tasks: usize,
    is_closed: bool,
}

impl Registry {
    /// How many sessions are open.
    pub(crate) fn open(&self) -> usize {
        self.sessions.lock().open.len()
    }

    /// The sessions that hold more than `bytes`.
    pub(crate) fn greedy(&self, bytes: usize) -> Vec<Greedy> {
        let open: Vec<_> = self.sessions.lock().open.values().cloned().collect();
        Greedy::of(open, bytes)
    }

    /// Refuses new sessions, ends the open ones and waits for them.
    pub(crate) async fn shutdown(&self, within: Duration) {
        let open: Vec<_> = {
            let mut sessions = self.sessions.lock();
            sessions.is_closed = true;
            sessions.open.values().cloned().collect()
        };
        for session in open {
            session.close(DisconnectReason::ServerShutdown);
        }
        let all_ended = async {
            loop {
                let ended = self.ended.notified();
                if self.sessions.lock().tasks == 0 {
                    return;
                }
                ended.await;
            }
        };
        if tokio::time::timeout(within, all_ended).await.is_err() {
            let sessions = self.sessions.lock().tasks;
            tracing::warn!(sessions, "sessions did not end in time");
        }
    }

    pub(crate) fn enter(
        self: &Arc<Self>,
        shared: &Arc<Shared>,
        max: usize,
        kept: Option<Kept>,
    ) -> Result<Ticket, Refused> {
        let mut sessions = self.sessions.lock();
        if sessions.is_closed || sessions.tasks >= max {
            return Err(Refused::Unavailable);
        }
        sessions.open.insert(shared.id, Arc::clone(shared));
        sessions.tasks += 1;
        Ok(Ticket {
            shared: Arc::clone(shared),
            registry: Arc::clone(self),
            kept,
        })
    }
}

/// A session's place in the registry, given back when its task ends in whatever way.
pub(crate) struct Ticket {
    pub(crate) shared: Arc<Shared>,
    registry: Arc<Registry>,
    pub(crate) kept: Option<Kept>,
}

impl Ticket {
    /// The session's transport has ended: requests for it are refused from now on.
    pub(crate) fn withdraw(&self) {
        self.registry.sessions.lock().open.remove(&self.shared.id);
        self.shared.retire();
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.withdraw();
        self.registry.sessions.lock().tasks -= 1;
        self.registry.ended.notify_waiters();
    }
}
