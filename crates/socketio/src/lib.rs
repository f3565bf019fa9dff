//! An Engine.IO v4 and Socket.IO v5 server made for fan-out.

mod body;
mod config;
mod event;
mod feed;
mod handler;
mod handshake;
mod message;
mod namespace;
mod server;
mod socket;

pub use body::Body;
pub use config::{Config, Cors};
pub use event::{Ack, AckArgs, AckError, AckSendError, ArgError, Event};
pub use feed::{Feed, FeedId};
pub use handler::{DisconnectReason, Handler, Refusal};
pub use handshake::{Handshake, PeerAddr, Transport};
pub use message::{EncodeError, Message};
pub use namespace::{Broadcast, NamespaceHandle};
pub use server::{Builder, Server};
pub use socket::{EmitError, Socket};
