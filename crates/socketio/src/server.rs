//! The Socket.IO server as its caller sees it.

use bytes::Bytes;
use http::{Request, Response};

use crate::body::Body;
use crate::config::Config;
use crate::handler::Handler;
use crate::namespace::NamespaceHandle;

/// A Socket.IO server. Clones are the same server.
#[derive(Debug, Clone)]
pub struct Server(());

impl Server {
    /// Starts to describe a server.
    pub fn builder(config: Config) -> Builder {
        let _ = config;
        Builder(())
    }
    /// Answers one HTTP request. The connection must be served `with_upgrades`.
    pub async fn call<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
    {
        let _ = request;
        unimplemented!()
    }
    /// The namespace with this path, if the server has it.
    pub fn namespace(&self, path: &str) -> Option<NamespaceHandle> {
        let _ = path;
        unimplemented!()
    }
    /// How many sessions are open.
    pub fn sessions(&self) -> usize {
        unimplemented!()
    }
    /// Refuses new sessions and ends the open ones: what is queued is written within
    /// [`Config::close_timeout`](crate::Config::close_timeout), WebSockets are closed with 1001, polls are answered.
    pub async fn shutdown(&self) {
        unimplemented!()
    }
}

/// A server in the making.
#[derive(Debug)]
pub struct Builder(());

impl Builder {
    /// Adds a namespace.
    #[must_use]
    pub fn namespace(self, path: &str, handler: impl Handler) -> Self {
        let _ = (path, handler);
        self
    }
    /// The server.
    pub fn build(self) -> Server {
        Server(())
    }
}
