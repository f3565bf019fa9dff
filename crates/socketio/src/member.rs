//! Handlers without their types: each call of one becomes a future that owns what it needs and gives it back.
//!
//! A panic inside of it is caught, logged and told; the socket's state survives it.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

use bytestring::ByteString;
use futures_util::FutureExt;
use serde_json::value::RawValue;

use crate::event::Event;
use crate::handler::{DisconnectReason, Handler, Refusal};
use crate::namespace::Members;
use crate::socket::Socket;

/// A call of a handler under way.
pub(crate) type Work = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// How a call of a handler ended.
pub(crate) enum Outcome {
    Admitted(Box<dyn Member>),
    Refused(Socket, Refusal),
    Returned(Box<dyn Member>),
    Panicked(Box<dyn Member>),
    Gone(DisconnectReason),
}

/// A namespace with its handler.
pub(crate) trait Namespace: Send + Sync {
    fn members(&self) -> &Arc<Members>;
    fn connect(self: Arc<Self>, socket: Socket, auth: Option<ByteString>) -> Work;
}

/// A socket that its handler has let in, with what the handler keeps for it.
pub(crate) trait Member: Send {
    fn socket(&self) -> &Socket;
    fn connected(self: Box<Self>) -> Work;
    fn event(self: Box<Self>, event: Event) -> Work;
    fn disconnect(self: Box<Self>, reason: DisconnectReason) -> Work;
}

pub(crate) struct Handled<H> {
    handler: H,
    members: Arc<Members>,
}

impl<H: Handler> Handled<H> {
    pub(crate) fn new(handler: H, members: Arc<Members>) -> Self {
        Self { handler, members }
    }
}

impl<H: Handler> Namespace for Handled<H> {
    fn members(&self) -> &Arc<Members> {
        &self.members
    }

    fn connect(self: Arc<Self>, socket: Socket, auth: Option<ByteString>) -> Work {
        Box::pin(async move {
            let auth = auth
                .as_deref()
                .and_then(|auth| serde_json::from_str::<&RawValue>(auth).ok());
            let call = async { self.handler.connect(&socket, auth).await };
            match guard(&socket, "connect", call).await {
                Some(Ok(state)) => Outcome::Admitted(Box::new(Seated {
                    namespace: Arc::clone(&self),
                    socket,
                    state,
                })),
                Some(Err(refusal)) => Outcome::Refused(socket, refusal),
                None => Outcome::Refused(socket, Refusal::new("internal error")),
            }
        })
    }
}

struct Seated<H: Handler> {
    namespace: Arc<Handled<H>>,
    socket: Socket,
    state: H::State,
}

impl<H: Handler> Member for Seated<H> {
    fn socket(&self) -> &Socket {
        &self.socket
    }

    fn connected(mut self: Box<Self>) -> Work {
        Box::pin(async move {
            let Self {
                namespace,
                socket,
                state,
            } = &mut *self;
            let call = async { namespace.handler.connected(socket, state).await };
            match guard(socket, "connected", call).await {
                Some(()) => Outcome::Returned(self),
                None => Outcome::Panicked(self),
            }
        })
    }

    fn event(mut self: Box<Self>, event: Event) -> Work {
        Box::pin(async move {
            let Self {
                namespace,
                socket,
                state,
            } = &mut *self;
            let call = async { namespace.handler.event(socket, state, event).await };
            match guard(socket, "event", call).await {
                Some(()) => Outcome::Returned(self),
                None => Outcome::Panicked(self),
            }
        })
    }

    fn disconnect(self: Box<Self>, reason: DisconnectReason) -> Work {
        Box::pin(async move {
            let Self {
                namespace,
                socket,
                state,
            } = *self;
            let call = async { namespace.handler.disconnect(&socket, state, reason).await };
            guard(&socket, "disconnect", call).await;
            Outcome::Gone(reason)
        })
    }
}

/// `None` after a panic, which has been logged.
async fn guard<T>(socket: &Socket, call: &str, future: impl Future<Output = T>) -> Option<T> {
    match AssertUnwindSafe(future).catch_unwind().await {
        Ok(output) => Some(output),
        Err(payload) => {
            let panic = text_of(&*payload);
            tracing::error!(
                socket = socket.id(),
                namespace = socket.namespace(),
                call,
                panic,
                "handler panicked"
            );
            None
        }
    }
}

fn text_of(payload: &(dyn Any + Send)) -> &str {
    match (
        payload.downcast_ref::<&str>(),
        payload.downcast_ref::<String>(),
    ) {
        (Some(text), _) => text,
        (_, Some(text)) => text,
        _ => "no text",
    }
}
