//! Who may open a stream: asked here, answered by whoever knows keys and addresses.

use abanico_core::rights::Refused;
use abanico_socketio::Handshake;
use std::future::Future;
use std::pin::Pin;

/// The answer to who asks to open a stream.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Result<(), Refused>> + Send + 'a>>;

/// Decides who may open a stream over Socket.IO. The other doors ask before they come here.
pub trait Gate: Send + Sync + 'static {
    /// Whether the client with this opening request, which shows `key`, may open a stream.
    fn may_open<'a>(&'a self, handshake: &'a Handshake, key: Option<&'a str>) -> Answer<'a>;
}
