//! What an application gives: one [`Handler`] per namespace, and the reasons it is told.

use std::future::Future;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::event::Event;
use crate::socket::Socket;

/// The application of one namespace.
///
/// The calls for one socket come strictly one after the other, in the order in which its packets came; while one of
/// them waits, pings and writes go on and the client's further packets wait in a bounded queue, then in its own
/// connection. A panic in any of them is logged and costs that socket only.
pub trait Handler: Send + Sync + 'static {
    /// What the application keeps for each socket.
    type State: Send + 'static;

    /// A client asks to enter the namespace with what it calls `auth`. `Err` refuses it (CONNECT_ERROR).
    ///
    /// The socket can neither emit nor join rooms before this has answered.
    fn connect(
        &self,
        socket: &Socket,
        auth: Option<&RawValue>,
    ) -> impl Future<Output = Result<Self::State, Refusal>> + Send;

    /// The socket is in and the answer to its CONNECT is queued: the first moment to emit to it.
    fn connected(
        &self,
        socket: &Socket,
        state: &mut Self::State,
    ) -> impl Future<Output = ()> + Send {
        let _ = (socket, state);
        async {}
    }

    /// One event of the client.
    fn event(
        &self,
        socket: &Socket,
        state: &mut Self::State,
        event: Event,
    ) -> impl Future<Output = ()> + Send;

    /// The socket is gone. Called exactly once for each `connect` that returned `Ok`, after a panic too.
    fn disconnect(
        &self,
        socket: &Socket,
        state: Self::State,
        reason: DisconnectReason,
    ) -> impl Future<Output = ()> + Send;
}

/// Why a client may not enter a namespace; it receives this as `connect_error`.
#[derive(Debug, Clone, Serialize)]
pub struct Refusal {
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Box<RawValue>>,
}

impl Refusal {
    /// A refusal with a text.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            data: None,
        }
    }

    /// Adds what the client finds in the `data` of its error; left out when it cannot be written as JSON.
    #[must_use]
    pub fn with_data(mut self, data: &impl Serialize) -> Self {
        self.data = to_raw_value(data).ok();
        self
    }
}

/// How a socket came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// The client said goodbye: a Socket.IO DISCONNECT or an Engine.IO close packet.
    ClientDisconnect,
    /// The connection ended without a goodbye. Pages that are left or reloaded end so, by a WebSocket close frame or none.
    TransportClose,
    /// The connection failed or broke the WebSocket protocol or the rules of polling.
    TransportError,
    /// The client did not answer a ping in time.
    PingTimeout,
    /// A message or an event of the client did not come whole in time.
    MessageTimeout,
    /// More stood unfinished of what clients say than may, and what this one says for longest.
    Unfinished,
    /// The application called [`Socket::disconnect`].
    ServerDisconnect,
    /// More was waiting for the client than [`Config`](crate::Config) allows.
    SlowConsumer,
    /// The client sent what is no packet, or a packet out of its turn.
    ParseError,
    /// A handler panicked.
    HandlerPanic,
    /// The server is going down.
    ServerShutdown,
}

impl DisconnectReason {
    /// Whether the client meant to leave: nobody need wait for its return.
    pub fn is_explicit(self) -> bool {
        matches!(self, Self::ClientDisconnect)
    }
}
