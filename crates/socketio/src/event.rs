//! An event of a client.

use bytes::Bytes;
use bytestring::ByteString;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::ack::Ack;
use crate::packet::Args;
use crate::socket::Socket;

/// One event as it came. Its arguments are read from the received text on demand.
#[derive(Debug)]
pub struct Event {
    pub(crate) name: ByteString,
    /// The name, then the arguments.
    pub(crate) args: Args,
    pub(crate) ack: Option<(Socket, u64)>,
}

impl Event {
    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many arguments there are.
    pub fn args_len(&self) -> usize {
        self.args.len() - 1
    }

    /// The JSON text of argument `index`.
    pub fn arg_raw(&self, index: usize) -> Option<&str> {
        self.args.item(index + 1)
    }

    /// Argument `index`, which may borrow from the event.
    pub fn arg<'a, T: Deserialize<'a>>(&'a self, index: usize) -> Result<T, ArgError> {
        read(self.arg_raw(index), index)
    }

    /// The JSON text of all arguments, as [`Message::raw`](crate::Message::raw) takes it.
    pub fn args_raw(&self) -> &str {
        self.args.items_from(1)
    }

    /// The text of a value that was read from this event. It shares the event's memory, unless that is much more than it.
    pub fn share(&self, value: &RawValue) -> ByteString {
        self.args.share(value.get())
    }

    /// The binary attachments, in the order in which the placeholders count them.
    pub fn attachments(&self) -> &[Bytes] {
        self.args.attachments()
    }

    /// The attachment that a value of this event stands for: `None` if the value is no placeholder, or one for nothing.
    pub fn attachment(&self, value: &RawValue) -> Option<&Bytes> {
        attachment(self.attachments(), value)
    }

    /// How to answer, when the client asked for an acknowledgement. Clients heed the first answer only.
    pub fn ack(&self) -> Option<Ack> {
        self.ack
            .as_ref()
            .map(|(socket, id)| Ack::new(socket.clone(), *id))
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

pub(crate) fn read<'a, T: Deserialize<'a>>(
    raw: Option<&'a str>,
    index: usize,
) -> Result<T, ArgError> {
    let raw = raw.ok_or(ArgError::Missing(index))?;
    serde_json::from_str(raw).map_err(|source| ArgError::Json { index, source })
}

pub(crate) fn attachment<'a>(attachments: &'a [Bytes], value: &RawValue) -> Option<&'a Bytes> {
    /// What stands in the JSON for an attachment.
    #[derive(Deserialize)]
    struct Placeholder {
        #[serde(rename = "_placeholder")]
        is_placeholder: bool,
        num: usize,
    }

    // A large string is no placeholder: do not read it to find out.
    if attachments.is_empty() || !value.get().starts_with('{') {
        return None;
    }
    let placeholder: Placeholder = serde_json::from_str(value.get()).ok()?;
    placeholder
        .is_placeholder
        .then(|| attachments.get(placeholder.num))?
}
