//! Engine.IO v4 by itself: sessions that carry messages of text and bytes over polling or WebSocket. [`PlainSessions`] are the
//! same sessions without Engine.IO.
//!
//! Socket.IO is one [`Service`] on top of it; a program of its own can be another. Each session is one task, which reads,
//! drives the service's [`Driver`] and writes, so that none of the three can hold up the others.
//!
//! ```
//! use abanico_socketio::{Config, DisconnectReason, engine};
//! use std::task::{Context, Poll};
//!
//! struct Echo;
//! struct EchoDriver(engine::Session);
//!
//! impl engine::Service for Echo {
//!     type Driver = EchoDriver;
//!     fn open(&self, session: engine::Session) -> EchoDriver {
//!         EchoDriver(session)
//!     }
//! }
//!
//! impl engine::Driver for EchoDriver {
//!     fn poll(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
//!         Poll::Ready(())
//!     }
//!     fn accepts(&self) -> bool {
//!         true
//!     }
//!     fn message(&mut self, message: engine::Inbound) -> Result<(), engine::Malformed> {
//!         let parcel = match message {
//!             engine::Inbound::Text(text) => engine::Parcel::text(&text),
//!             engine::Inbound::Binary(bytes) => engine::Parcel::binary(bytes),
//!         };
//!         let _ = self.0.send(parcel);
//!         Ok(())
//!     }
//!     fn poll_close(&mut self, _reason: DisconnectReason, _cx: &mut Context<'_>) -> Poll<()> {
//!         Poll::Ready(())
//!     }
//! }
//!
//! let server = engine::Server::new(Config { path: "/engine.io/".into(), ..Config::default() }, Echo);
//! # let _ = server;
//! ```

pub mod packet;
pub(crate) mod parcel;
pub(crate) mod server;
pub(crate) mod service;
pub(crate) mod session;

mod alarm;
mod answer;
mod ending;
mod feeds;
mod greedy;
mod heartbeat;
pub(crate) mod held;
mod intake;
mod link;
mod outbox;
pub(crate) mod outlet;
mod pace;
mod patience;
mod plain;
mod polling;
mod probe;
mod task;

pub use greedy::Greedy;
pub use outlet::Outlet;
pub use parcel::Parcel;
pub use plain::PlainSessions;
pub use server::Server;
pub use service::{Driver, Feed, Holds, Inbound, Malformed, Service};
pub use session::{SendError, Session};

pub use crate::websocket::turn::Offered;
