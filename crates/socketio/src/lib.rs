#![doc = include_str!("../README.md")]

// From the wire up: frames, packets, sessions, then what an application sees.
pub mod engine;
pub mod packet;
pub mod retry;
pub mod websocket;

mod ack;
mod body;
mod client;
mod config;
mod event;
mod feed;
mod handler;
mod handshake;
mod id;
mod member;
mod message;
mod namespace;
mod server;
mod socket;
mod sync;
mod unfinished;

pub use ack::{Ack, AckArgs, AckError, AckSendError};
pub use body::Body;
pub use config::{Config, Cors, EVENT_TEXT_BYTES, Flow};
pub use engine::Offered;
pub use event::{ArgError, Event};
pub use feed::{Feed, FeedId, Outlet};
pub use handler::{DisconnectReason, Handler, Refusal};
pub use handshake::{Handshake, Kept, PeerAddr, Stay, Transport};
pub use message::{EncodeError, Message};
pub use namespace::{Broadcast, NamespaceHandle};
pub use server::{Builder, Server};
pub use socket::{EmitError, Socket};
pub use unfinished::{Account, Unfinished, UnfinishedMax};
pub use websocket::cable::{Cable, Held, Secure};
