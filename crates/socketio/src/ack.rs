//! Acknowledgements: our answers to events of a client, and its answers to ours.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::oneshot;

use crate::engine::parcel::Parcel;
use crate::event::{self, ArgError};
use crate::message::{EncodeError, write_list};
use crate::packet::{Args, Head};
use crate::socket::{EmitError, Socket};

/// The right to answer one event.
#[derive(Debug)]
pub struct Ack {
    socket: Socket,
    id: u64,
}

impl Ack {
    pub(crate) fn new(socket: Socket, id: u64) -> Self {
        Self { socket, id }
    }

    /// Answers with the arguments of a tuple, slice or unit (none).
    pub fn send(self, arguments: &(impl Serialize + ?Sized)) -> Result<(), AckSendError> {
        let mut list = Vec::new();
        write_list(&mut list, arguments)?;
        Ok(self.answer(&list, Vec::new())?)
    }

    /// Answers with JSON text, as [`Message::raw`](crate::Message::raw) takes it.
    pub fn send_raw(self, arguments: &str, attachments: Vec<Bytes>) -> Result<(), AckSendError> {
        Ok(self.answer(arguments.as_bytes(), attachments)?)
    }

    fn answer(&self, list: &[u8], attachments: Vec<Bytes>) -> Result<(), EmitError> {
        let namespace = self.socket.namespace();
        let head = Head {
            kind: Head::ACK,
            namespace,
            id: Some(self.id),
            attachments: attachments.len(),
        };
        self.socket.send(Parcel::build(attachments, |buffer| {
            head.write(buffer);
            buffer.push(b'[');
            buffer.extend_from_slice(list);
            buffer.push(b']');
        }))
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

/// What a client answered to [`Socket::emit_with_ack`](crate::Socket::emit_with_ack).
#[derive(Debug)]
pub struct AckArgs(Args);

impl AckArgs {
    /// How many arguments there are.
    pub fn args_len(&self) -> usize {
        self.0.len()
    }

    /// The JSON text of argument `index`.
    pub fn arg_raw(&self, index: usize) -> Option<&str> {
        self.0.item(index)
    }

    /// Argument `index`, which may borrow from the answer.
    pub fn arg<'a, T: Deserialize<'a>>(&'a self, index: usize) -> Result<T, ArgError> {
        event::read(self.arg_raw(index), index)
    }

    /// The binary attachments, in the order in which the placeholders count them.
    pub fn attachments(&self) -> &[Bytes] {
        self.0.attachments()
    }

    /// The attachment that a value of this answer stands for: `None` if the value is no placeholder, or one for nothing.
    pub fn attachment(&self, value: &RawValue) -> Option<&Bytes> {
        event::attachment(self.attachments(), value)
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

/// The answers that one socket owes us. Made when the first is asked for.
#[derive(Debug, Default)]
pub(crate) struct Owed(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    next: u64,
    waiting: HashMap<u64, oneshot::Sender<Args>>,
    is_over: bool,
}

impl Owed {
    /// Reserves a number, sends with it, and waits.
    pub(crate) fn ask(
        self: &Arc<Self>,
        max: usize,
        timeout: Duration,
        send: impl FnOnce(u64) -> Result<(), EmitError>,
    ) -> impl Future<Output = Result<AckArgs, AckError>> + Send + 'static {
        let asked = self.reserve(max).and_then(|(number, answer)| {
            // From here on the number is given back in any case.
            let number = Number {
                owed: Arc::clone(self),
                number,
            };
            send(number.number)?;
            Ok((number, answer))
        });
        async move {
            let (_number, answer) = asked?;
            match tokio::time::timeout(timeout, answer).await {
                Ok(Ok(args)) => Ok(AckArgs(args)),
                Ok(Err(_)) => Err(AckError::Disconnected),
                Err(_) => Err(AckError::Timeout),
            }
        }
    }

    fn reserve(&self, max: usize) -> Result<(u64, oneshot::Receiver<Args>), AckError> {
        let mut state = self.0.lock();
        if state.is_over {
            return Err(AckError::Disconnected);
        }
        if state.waiting.len() >= max {
            return Err(AckError::TooMany { max });
        }
        let number = state.next;
        state.next += 1;
        let (sender, receiver) = oneshot::channel();
        state.waiting.insert(number, sender);
        Ok((number, receiver))
    }

    /// An answer has come. One that nobody waits for is dropped.
    pub(crate) fn answer(&self, number: u64, args: Args) {
        if let Some(waiting) = self.0.lock().waiting.remove(&number) {
            let _ = waiting.send(args);
        }
    }

    /// No answer will come any more.
    pub(crate) fn end(&self) {
        let mut state = self.0.lock();
        state.is_over = true;
        state.waiting = HashMap::new();
    }
}

/// A number that is given back when nobody waits under it.
struct Number {
    owed: Arc<Owed>,
    number: u64,
}

impl Drop for Number {
    fn drop(&mut self) {
        self.owed.0.lock().waiting.remove(&self.number);
    }
}
