//! One event, encoded once for all who get it.

use bytes::Bytes;
use serde::Serialize;

use crate::engine::parcel::{Manner, Parcel};
use crate::packet::{Head, is_reserved};

/// One event with its arguments in the bytes of the wire. A clone shares the bytes.
#[derive(Debug, Clone)]
pub struct Message(Parcel);

impl Message {
    /// An event with one argument, for the main namespace.
    pub fn event(name: &str, argument: &(impl Serialize + ?Sized)) -> Result<Self, EncodeError> {
        Self::build(name, Vec::new(), |buffer| {
            buffer.push(b',');
            Ok(serde_json::to_writer(buffer, argument)?)
        })
    }

    /// An event with the arguments of a tuple, slice or unit (none), for the main namespace.
    pub fn event_args(
        name: &str,
        arguments: &(impl Serialize + ?Sized),
    ) -> Result<Self, EncodeError> {
        Self::build(name, Vec::new(), |buffer| {
            let start = buffer.len();
            write_list(buffer, arguments)?;
            if buffer.len() > start {
                buffer.insert(start, b',');
            }
            Ok(())
        })
    }

    /// An event from JSON text, for the main namespace. `arguments` is what stands after the name, without brackets,
    /// such as `{"a":1},2`, with `{"_placeholder":true,"num":N}` where the attachments belong. It is not checked.
    pub fn raw(name: &str, arguments: &str, attachments: Vec<Bytes>) -> Result<Self, EncodeError> {
        Self::raw_parts(name, &[arguments], attachments)
    }

    /// The same from text in parts that follow each other, each copied once.
    pub fn raw_parts(
        name: &str,
        arguments: &[&str],
        attachments: Vec<Bytes>,
    ) -> Result<Self, EncodeError> {
        Self::build(name, attachments, |buffer| {
            let len: usize = arguments.iter().map(|part| part.len()).sum();
            if len > 0 {
                // With the comma before and the bracket after it.
                buffer.reserve_exact(len + 2);
                buffer.push(b',');
                for part in arguments {
                    buffer.extend_from_slice(part.as_bytes());
                }
            }
            Ok(())
        })
    }

    /// The same event for another namespace. A socket does this by itself when it must, at the cost of a copy.
    #[must_use]
    pub fn in_namespace(&self, path: &str) -> Self {
        self.addressed(path, None)
    }

    /// The same event, which is left out for a session that has more than
    /// [`skippable_bytes_max`](crate::Config::skippable_bytes_max) of such waiting.
    #[must_use]
    pub fn skippable(self) -> Self {
        Self(self.0.in_manner(Manner::Skippable))
    }

    /// The same event, which a session does not take that has more than
    /// [`refusable_bytes_max`](crate::Config::refusable_bytes_max) of such waiting: for what somebody else wants it to be
    /// told, who learns by the error that it was not.
    #[must_use]
    pub fn refusable(self) -> Self {
        Self(self.0.in_manner(Manner::Refusable))
    }

    /// Bytes that it takes over a WebSocket, frame headers included.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The bytes for a namespace: shared if the message was made for it.
    pub(crate) fn parcel(&self, namespace: &str) -> Parcel {
        let is_addressed = match (self.namespace(), namespace) {
            ("", "/") => true,
            (own, other) => own == other,
        };
        if is_addressed {
            self.0.clone()
        } else {
            self.addressed(namespace, None).0
        }
    }

    /// The bytes of a message that was made for the main namespace.
    pub(crate) fn main_parcel(&self) -> &Parcel {
        &self.0
    }

    /// The bytes with a number under which the client is to answer.
    pub(crate) fn parcel_with_ack(&self, namespace: &str, id: u64) -> Parcel {
        self.addressed(namespace, Some(id)).0
    }

    fn build(
        name: &str,
        attachments: Vec<Bytes>,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
    ) -> Result<Self, EncodeError> {
        if is_reserved(name) {
            return Err(EncodeError::ReservedName(name.to_owned()));
        }
        let head = Head {
            kind: Head::EVENT,
            namespace: "/",
            id: None,
            attachments: attachments.len(),
        };
        let mut result = Ok(());
        let parcel = Parcel::build(attachments, |buffer| {
            head.write(buffer);
            buffer.push(b'[');
            result = serde_json::to_writer(&mut *buffer, name)
                .map_err(Into::into)
                .and_then(|()| write(buffer));
            buffer.push(b']');
        });
        result.map(|()| Self(parcel))
    }

    fn addressed(&self, namespace: &str, id: Option<u64>) -> Self {
        let attachments: Vec<_> = self.0.attachments().cloned().collect();
        let head = Head {
            kind: Head::EVENT,
            namespace,
            id,
            attachments: attachments.len(),
        };
        let list = self.0.text_packet().slice(self.list_start()..);
        let parcel = Parcel::build(attachments, |buffer| {
            head.write(buffer);
            buffer.extend_from_slice(&list);
        });
        Self(parcel.in_manner(self.0.manner()))
    }

    /// The namespace that is written in the head; empty for the main one.
    fn namespace(&self) -> &str {
        let head = &self.0.text_packet()[self.head_len()..];
        let end = match head.first() {
            Some(b'/') => head
                .iter()
                .position(|byte| *byte == b',')
                .unwrap_or_default(),
            _ => 0,
        };
        std::str::from_utf8(&head[..end]).unwrap_or_default()
    }

    /// Where the list with name and arguments begins.
    fn list_start(&self) -> usize {
        match self.namespace().len() {
            0 => self.head_len(),
            len => self.head_len() + len + 1,
        }
    }

    /// Bytes of the types and the number of attachments.
    fn head_len(&self) -> usize {
        let text = self.0.text_packet();
        if text[1] == b'2' {
            return 2;
        }
        1 + text
            .iter()
            .position(|byte| *byte == b'-')
            .expect("a binary head has a hyphen")
    }
}

/// Appends the items of a list, with commas and without brackets.
pub(crate) fn write_list(
    buffer: &mut Vec<u8>,
    list: &(impl Serialize + ?Sized),
) -> Result<(), EncodeError> {
    let start = buffer.len();
    serde_json::to_writer(&mut *buffer, list)?;
    match &buffer[start..] {
        b"null" => buffer.truncate(start),
        [b'[', .., b']'] => {
            buffer.pop();
            buffer.remove(start);
        }
        _ => return Err(EncodeError::NotAList),
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(message: &Message) -> &str {
        std::str::from_utf8(message.0.text_packet()).unwrap()
    }

    #[test]
    fn arguments_are_one_value_a_list_or_text() {
        assert_eq!(
            text(&Message::event("a", &json!({"x": 1})).unwrap()),
            r#"42["a",{"x":1}]"#
        );
        assert_eq!(text(&Message::event("a", "é").unwrap()), r#"42["a","é"]"#);
        assert_eq!(
            text(&Message::event_args("a", &(1, "two")).unwrap()),
            r#"42["a",1,"two"]"#
        );
        assert_eq!(text(&Message::event_args("a", &()).unwrap()), r#"42["a"]"#);
        let none: [u8; 0] = [];
        assert_eq!(
            text(&Message::event_args("a", &none).unwrap()),
            r#"42["a"]"#
        );
        assert_eq!(
            text(&Message::raw("a", "1,[]", Vec::new()).unwrap()),
            r#"42["a",1,[]]"#
        );
        assert_eq!(
            text(&Message::raw("a", "", Vec::new()).unwrap()),
            r#"42["a"]"#
        );
        assert!(matches!(
            Message::event_args("a", &1),
            Err(EncodeError::NotAList)
        ));
        assert!(matches!(
            Message::event("connect", &1),
            Err(EncodeError::ReservedName(_))
        ));
    }

    #[test]
    fn another_namespace_or_an_ack_costs_a_new_head_only() {
        let message = Message::raw(
            "a-b",
            r#"{"_placeholder":true,"num":0}"#,
            vec![Bytes::from_static(b"x")],
        )
        .unwrap();
        assert_eq!(
            text(&message),
            r#"451-["a-b",{"_placeholder":true,"num":0}]"#
        );
        let admin = message.in_namespace("/admin");
        assert_eq!(
            text(&admin),
            r#"451-/admin,["a-b",{"_placeholder":true,"num":0}]"#
        );
        assert_eq!(admin.namespace(), "/admin");
        assert_eq!(text(&admin.in_namespace("/")), text(&message));
        let asking = Message(admin.parcel_with_ack("/admin", 7));
        assert_eq!(
            text(&asking),
            r#"451-/admin,7["a-b",{"_placeholder":true,"num":0}]"#
        );
        assert_eq!(asking.0.attachments().next().unwrap(), &b"x"[..]);
    }

    #[test]
    fn a_message_for_its_own_namespace_is_shared() {
        let message = Message::event("a", &1).unwrap();
        let own = message.parcel("/");
        assert_eq!(own.text_packet().as_ptr(), message.0.text_packet().as_ptr());
        let admin = message.in_namespace("/admin");
        assert_eq!(
            admin.parcel("/admin").text_packet().as_ptr(),
            admin.0.text_packet().as_ptr()
        );
        assert_ne!(
            admin.parcel("/").text_packet().as_ptr(),
            admin.0.text_packet().as_ptr()
        );
    }
}
