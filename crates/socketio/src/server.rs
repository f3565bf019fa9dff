//! The Socket.IO server as its caller sees it.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};

use crate::body::Body;
use crate::client::Client;
use crate::config::Config;
use crate::engine::{self, Greedy};
use crate::handler::Handler;
use crate::member::{Handled, Namespace};
use crate::namespace::{Members, NamespaceHandle};

/// A Socket.IO server. Clones are the same server.
#[derive(Clone)]
pub struct Server {
    engine: engine::Server<Namespaces>,
}

/// The namespaces of a server. They are few: a list is searched faster than a map.
pub(crate) struct Namespaces {
    config: Arc<Config>,
    list: Arc<[Arc<dyn Namespace>]>,
}

impl engine::Service for Namespaces {
    type Driver = Client;

    fn open(&self, session: engine::Session) -> Client {
        Client::new(session, &self.config, Arc::clone(&self.list))
    }
}

impl Server {
    /// Starts to describe a server.
    pub fn builder(config: Config) -> Builder {
        Builder {
            config,
            namespaces: Vec::new(),
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
        self.engine.call(request).await
    }

    /// The namespace with this path, if the server has it.
    pub fn namespace(&self, path: &str) -> Option<NamespaceHandle> {
        let namespaces = &self.engine.service().list;
        let namespace = namespaces
            .iter()
            .find(|namespace| namespace.members().path() == path)?;
        Some(NamespaceHandle(Arc::clone(namespace.members())))
    }

    /// How many sessions are open, with or without a socket in a namespace.
    pub fn sessions(&self) -> usize {
        self.engine.sessions()
    }

    /// The sessions for which more than `bytes` are held outside of feeds: that wait for them, or that they let stand
    /// unfinished for seconds.
    pub fn greedy(&self, bytes: usize) -> Vec<Greedy> {
        self.engine.greedy(bytes)
    }

    /// Refuses new sessions and ends the open ones: what is queued is written within [`Config::close_timeout`],
    /// WebSockets are closed with 1001, polls are answered. Returns when all have ended and their handlers have been told,
    /// or after twice that time.
    pub async fn shutdown(&self) {
        self.engine.shutdown().await;
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paths: Vec<_> = self
            .engine
            .service()
            .list
            .iter()
            .map(|one| one.members().path().to_owned())
            .collect();
        f.debug_struct("Server")
            .field("engine", &self.engine)
            .field("namespaces", &paths)
            .finish()
    }
}

/// A server in the making.
pub struct Builder {
    config: Config,
    namespaces: Vec<Arc<dyn Namespace>>,
}

impl Builder {
    /// Adds a namespace. Clients that ask for a path that was not added are refused with `Invalid namespace`.
    #[must_use]
    pub fn namespace(mut self, path: &str, handler: impl Handler) -> Self {
        let members = Arc::new(Members::new(path.to_owned()));
        self.namespaces
            .push(Arc::new(Handled::new(handler, members)));
        self
    }

    /// The server.
    pub fn build(self) -> Server {
        let config = self.config.clone();
        let namespaces = Namespaces {
            config: Arc::new(self.config),
            list: self.namespaces.into(),
        };
        Server {
            engine: engine::Server::new(config, namespaces),
        }
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
