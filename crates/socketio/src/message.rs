//! One event, encoded once for all who get it.

use bytes::Bytes;
use serde::Serialize;

/// One event with its arguments in wire form. A clone shares the bytes.
#[derive(Debug, Clone)]
pub struct Message(());

impl Message {
    /// An event with one argument, for the main namespace.
    pub fn event(name: &str, argument: &(impl Serialize + ?Sized)) -> Result<Self, EncodeError> {
        let _ = (name, argument);
        unimplemented!()
    }

    /// An event with the arguments of a tuple, slice or unit (none).
    pub fn event_args(
        name: &str,
        arguments: &(impl Serialize + ?Sized),
    ) -> Result<Self, EncodeError> {
        let _ = (name, arguments);
        unimplemented!()
    }

    /// An event from JSON text: `arguments` is what stands after the name, without brackets, such as `{"a":1},2`, with
    /// `{"_placeholder":true,"num":N}` where the attachments belong. The text is not checked.
    pub fn raw(name: &str, arguments: &str, attachments: Vec<Bytes>) -> Result<Self, EncodeError> {
        let _ = (name, arguments, attachments);
        unimplemented!()
    }

    /// The same event for another namespace. A socket does this by itself when it must, at the cost of a copy.
    #[must_use]
    pub fn in_namespace(&self, path: &str) -> Self {
        let _ = path;
        unimplemented!()
    }

    /// Bytes that it takes over a WebSocket, frame headers included.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        unimplemented!()
    }
}

/// Why an event cannot be encoded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The name has a meaning of its own in Socket.IO.
    #[error("event name {0} is reserved")]
    ReservedName(String),
    /// The arguments do not serialize to JSON.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// Arguments for [`Message::event_args`] that are no list.
    #[error("event arguments are not a list")]
    NotAList,
}
