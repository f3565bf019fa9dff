//! An event of a client, and acknowledgements in both directions.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::message::EncodeError;
use crate::socket::EmitError;

/// One event as it came. Its arguments are read from the received text on demand.
#[derive(Debug)]
pub struct Event(());

impl Event {
    /// The name.
    pub fn name(&self) -> &str {
        unimplemented!()
    }
    /// How many arguments there are.
    pub fn args_len(&self) -> usize {
        unimplemented!()
    }
    /// The JSON text of argument `index`.
    pub fn arg_raw(&self, index: usize) -> Option<&str> {
        let _ = index;
        unimplemented!()
    }
    /// Argument `index`, which may borrow from the event.
    pub fn arg<'a, T: Deserialize<'a>>(&'a self, index: usize) -> Result<T, ArgError> {
        let _ = index;
        unimplemented!()
    }
    /// The JSON text of all arguments, as [`Message::raw`](crate::Message::raw) takes it.
    pub fn args_raw(&self) -> &str {
        unimplemented!()
    }
    /// The binary attachments, in the order in which the placeholders count them.
    pub fn attachments(&self) -> &[Bytes] {
        unimplemented!()
    }
    /// How to answer, when the client asked for an acknowledgement.
    pub fn ack(&self) -> Option<Ack> {
        unimplemented!()
    }
}

/// Why an argument cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArgError {
    /// There are fewer arguments.
    #[error("argument {0} is missing")]
    Missing(usize),
    /// The argument is of another shape.
    #[error("argument {index} is not as expected")]
    Json {
        /// Which argument.
        index: usize,
        /// What serde says.
        source: serde_json::Error,
    },
}

/// The right to answer one event once.
#[derive(Debug)]
pub struct Ack(());

impl Ack {
    /// Answers with the arguments of a tuple, slice or unit (none).
    pub fn send(self, arguments: &(impl Serialize + ?Sized)) -> Result<(), AckSendError> {
        let _ = arguments;
        unimplemented!()
    }
    /// Answers with JSON text, as [`Message::raw`](crate::Message::raw) takes it.
    pub fn send_raw(self, arguments: &str, attachments: Vec<Bytes>) -> Result<(), AckSendError> {
        let _ = (arguments, attachments);
        unimplemented!()
    }
}

/// Why an answer was not queued.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AckSendError {
    /// It cannot be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The socket does not take it.
    #[error(transparent)]
    Emit(#[from] EmitError),
}

/// What a client answered to [`Socket::emit_with_ack`](crate::Socket::emit_with_ack): arguments without a name.
#[derive(Debug)]
pub struct AckArgs(());

impl AckArgs {
    /// How many arguments there are.
    pub fn args_len(&self) -> usize {
        unimplemented!()
    }
    /// The JSON text of argument `index`.
    pub fn arg_raw(&self, index: usize) -> Option<&str> {
        let _ = index;
        unimplemented!()
    }
    /// Argument `index`, which may borrow from the answer.
    pub fn arg<'a, T: Deserialize<'a>>(&'a self, index: usize) -> Result<T, ArgError> {
        let _ = index;
        unimplemented!()
    }
    /// The binary attachments, in the order in which the placeholders count them.
    pub fn attachments(&self) -> &[Bytes] {
        unimplemented!()
    }
}

/// Why there is no answer to an event that asked for one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AckError {
    /// The event was not queued.
    #[error(transparent)]
    Emit(#[from] EmitError),
    /// The client took too long.
    #[error("no acknowledgement in time")]
    Timeout,
    /// The socket ended first.
    #[error("socket disconnected before it acknowledged")]
    Disconnected,
    /// Too many answers are outstanding already.
    #[error("more than {max} acknowledgements outstanding")]
    TooMany {
        /// [`Config::acks_pending_max`](crate::Config::acks_pending_max).
        max: usize,
    },
}
