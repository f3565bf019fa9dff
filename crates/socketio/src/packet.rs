//! Socket.IO v5 packets: what stands in an Engine.IO message.
//!
//! Pure. A packet is a text and, for the binary kinds, the messages of bytes that follow it; [`Assembler`] puts them
//! together. JSON is checked and cut into its arguments here, but read by the application only.
//!
//! Invariant: no more is kept of an unfinished packet than [`Limits`] allow.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use bytestring::ByteString;
use serde::Deserializer;
use serde::de::{self, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// A whole packet from a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// The namespace's path, `/` when the packet names none.
    pub namespace: ByteString,
    /// What it asks or tells.
    pub body: Body,
}

/// What a packet asks or tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// To enter the namespace.
    Connect {
        /// A JSON object, if the client gave one.
        auth: Option<ByteString>,
    },
    /// To leave the namespace.
    Disconnect,
    /// An event. The first argument is its name.
    Event {
        /// The name.
        name: ByteString,
        /// Name and arguments.
        args: Args,
        /// The number under which the client awaits an answer.
        id: Option<u64>,
    },
    /// The answer to an event of ours.
    Ack {
        /// The number that we gave it.
        id: u64,
        /// The arguments.
        args: Args,
    },
}

/// A JSON list, cut into its items, and the attachments that its placeholders count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Args {
    text: ByteString,
    items: Box<[Range<usize>]>,
    pub(crate) attachments: Vec<Bytes>,
}

impl Args {
    fn parse(text: ByteString) -> Result<Self, PacketError> {
        check_depth(text.as_bytes())?;
        let Items(items) = Items::parse(&text)?;
        Ok(Self {
            text,
            items,
            attachments: Vec::new(),
        })
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The JSON text of an item.
    pub fn item(&self, index: usize) -> Option<&str> {
        self.items.get(index).map(|range| &self.text[range.clone()])
    }

    /// The JSON text of the items from `index` on, with the commas between them and without brackets.
    pub fn items_from(&self, index: usize) -> &str {
        match (self.items.get(index), self.items.last()) {
            (Some(first), Some(last)) => &self.text[first.start..last.end],
            _ => "",
        }
    }

    /// A part of the text: shared if it is most of it, copied if it would hold much more than itself.
    pub(crate) fn share(&self, part: &str) -> ByteString {
        if part.len() < self.text.len() / 2 {
            return ByteString::from(part);
        }
        self.text.slice_ref(part)
    }

    /// The attachments in order.
    pub fn attachments(&self) -> &[Bytes] {
        &self.attachments
    }
}

/// Lists and objects within one another in a packet. It is handed on to other clients as it is, and many a JSON reader of
/// theirs goes one call deeper for each: a packet that is deeper closes the session of who sent it.
const DEPTH_MAX: usize = 64;

/// Refuses JSON that is nested too deep. What is no JSON is for others to notice.
fn check_depth(json: &[u8]) -> Result<(), PacketError> {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(byte) = json.get(at) {
        at += 1;
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' => at = end_of_string(json, at),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return Err(PacketError::TooDeep { max: DEPTH_MAX });
        }
    }
    Ok(())
}

/// Where it goes on behind the string whose content begins at `at`.
fn end_of_string(json: &[u8], mut at: usize) -> usize {
    while let Some(found) = json
        .get(at..)
        .and_then(|rest| memchr::memchr2(b'"', b'\\', rest))
    {
        at += found + 1;
        if json[at - 1] == b'"' {
            return at;
        }
        // Whatever is escaped ends nothing.
        at += 1;
    }
    json.len()
}

/// Most items of one list. A packet with more closes the session: each item costs more than it takes on the wire.
const ITEMS_MAX: usize = 1000;

/// Where the items of a list stand in its text.
struct Items(Box<[Range<usize>]>);

impl Items {
    fn parse(text: &str) -> Result<Self, PacketError> {
        let mut json = serde_json::Deserializer::from_str(text);
        let items = (&mut json).deserialize_seq(ItemsVisitor {
            base: text.as_ptr() as usize,
        });
        let items = items.and_then(|items| json.end().map(|()| items));
        items.map_err(|_| PacketError::Payload)
    }
}

struct ItemsVisitor {
    base: usize,
}

impl<'de> Visitor<'de> for ItemsVisitor {
    type Value = Items;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {ITEMS_MAX} items")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Items, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element::<&'de RawValue>()? {
            if items.len() == ITEMS_MAX {
                return Err(de::Error::invalid_length(ITEMS_MAX + 1, &self));
            }
            let start = item.get().as_ptr() as usize - self.base;
            items.push(start..start + item.get().len());
        }
        Ok(Items(items.into()))
    }
}

/// Bounds of one packet.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most attachments.
    pub attachments_max: usize,
    /// Most bytes of text and attachments together.
    pub bytes_max: usize,
}

/// Why a client's message is no packet, or no part of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// The first character names no type that a client may send.
    #[error("packet type does not exist")]
    Type,
    /// The number of attachments cannot be read.
    #[error("number of attachments is malformed")]
    Attachments,
    /// It announces more attachments than allowed.
    #[error("more than {max} attachments")]
    TooManyAttachments {
        /// The bound.
        max: usize,
    },
    /// Text and attachments have more bytes than allowed.
    #[error("more than {max} bytes")]
    TooLarge {
        /// The bound.
        max: usize,
    },
    /// An acknowledgement without its number, or a number where none belongs or that is too large.
    #[error("acknowledgement id is malformed")]
    Id,
    /// What follows is not the JSON that belongs there.
    #[error("payload is malformed")]
    Payload,
    /// It nests lists and objects deeper than allowed.
    #[error("JSON nested deeper than {max}")]
    TooDeep {
        /// The bound.
        max: usize,
    },
    /// An event without a name, or with one that has a meaning of its own.
    #[error("event name is missing or reserved")]
    Name,
    /// A text where an attachment was due.
    #[error("text where an attachment was due")]
    AttachmentDue,
    /// Bytes that no packet announced.
    #[error("bytes that no packet announced")]
    StrayBytes,
}

/// Names that Socket.IO libraries keep for themselves.
pub(crate) fn is_reserved(name: &str) -> bool {
    matches!(
        name,
        "connect"
            | "connect_error"
            | "disconnect"
            | "disconnecting"
            | "newListener"
            | "removeListener"
    )
}

impl Packet {
    /// Bytes of its arguments and attachments.
    pub(crate) fn len(&self) -> usize {
        match &self.body {
            Body::Connect { auth } => auth.as_ref().map_or(0, |auth| auth.len()),
            Body::Disconnect => 0,
            Body::Event { args, .. } | Body::Ack { args, .. } => {
                args.text.len() + args.attachments.iter().map(Bytes::len).sum::<usize>()
            }
        }
    }

    /// Reads the text of a packet, and how many attachments are to follow it.
    pub fn decode(text: &ByteString, attachments_max: usize) -> Result<(Self, usize), PacketError> {
        let (kind, mut rest) = text.split_at_checked(1).ok_or(PacketError::Type)?;
        let mut attachments = 0;
        if matches!(kind, "5" | "6") {
            let (count, after) = rest.split_once('-').ok_or(PacketError::Attachments)?;
            attachments = number(count).ok_or(PacketError::Attachments)?;
            if attachments > attachments_max as u64 {
                return Err(PacketError::TooManyAttachments {
                    max: attachments_max,
                });
            }
            rest = after;
        }
        let mut namespace = ByteString::from_static("/");
        if rest.starts_with('/') {
            let (path, after) = rest.split_once(',').unwrap_or((rest, ""));
            namespace = text.slice_ref(path);
            rest = after;
        }
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (id, rest) = rest.split_at(digits);
        let id = match id {
            "" => None,
            id => Some(number(id).ok_or(PacketError::Id)?),
        };
        let body = match (kind, id) {
            ("0", None) => Body::Connect {
                auth: auth(text, rest)?,
            },
            ("1", None) if rest.is_empty() => Body::Disconnect,
            ("1", None) => return Err(PacketError::Payload),
            ("2" | "5", id) => {
                let args = Args::parse(text.slice_ref(rest))?;
                Body::Event {
                    name: name(&args)?,
                    args,
                    id,
                }
            }
            ("3" | "6", Some(id)) => Body::Ack {
                id,
                args: Args::parse(text.slice_ref(rest))?,
            },
            ("0" | "1" | "3" | "6", _) => return Err(PacketError::Id),
            _ => return Err(PacketError::Type),
        };
        let attachments = usize::try_from(attachments).expect("bounded above");
        Ok((Self { namespace, body }, attachments))
    }
}

fn number(digits: &str) -> Option<u64> {
    // `parse` alone would let a plus sign pass.
    digits
        .bytes()
        .all(|digit| digit.is_ascii_digit())
        .then(|| digits.parse().ok())?
}

fn auth(text: &ByteString, rest: &str) -> Result<Option<ByteString>, PacketError> {
    if rest.is_empty() {
        return Ok(None);
    }
    check_depth(rest.as_bytes())?;
    let value: &RawValue = serde_json::from_str(rest).map_err(|_| PacketError::Payload)?;
    if !value.get().starts_with('{') {
        return Err(PacketError::Payload);
    }
    Ok(Some(text.slice_ref(value.get())))
}

fn name(args: &Args) -> Result<ByteString, PacketError> {
    let raw = args.item(0).ok_or(PacketError::Name)?;
    let name = match raw.as_bytes() {
        [b'"', inner @ .., b'"'] if !inner.contains(&b'\\') => {
            args.text.slice_ref(&raw[1..raw.len() - 1])
        }
        [b'"', ..] => serde_json::from_str::<String>(raw)
            .map_err(|_| PacketError::Payload)?
            .into(),
        [b'-' | b'0'..=b'9', ..] => return Ok(args.text.slice_ref(raw)),
        _ => return Err(PacketError::Name),
    };
    if is_reserved(&name) {
        return Err(PacketError::Name);
    }
    Ok(name)
}

/// Puts the texts and bytes of one session together to packets.
#[derive(Debug)]
pub struct Assembler {
    limits: Limits,
    begun: Option<Box<Begun>>,
    /// Packets with attachments that have begun.
    count: u64,
}

#[derive(Debug)]
struct Begun {
    packet: Packet,
    due: usize,
    bytes: usize,
    attachments: Vec<Bytes>,
}

impl Assembler {
    /// An assembler at the beginning of a session.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            begun: None,
            count: 0,
        }
    }

    /// Bytes that are kept of a packet whose attachments have not all come, and how many with attachments had begun by then.
    pub(crate) fn unfinished(&self) -> Option<(usize, u64)> {
        let begun = self.begun.as_ref()?;
        Some((begun.bytes, self.count))
    }

    /// Lets go of a packet whose attachments will not come.
    pub(crate) fn forget(&mut self) {
        self.begun = None;
    }

    /// Takes a text. `None` means that attachments are to follow.
    pub fn text(&mut self, text: &ByteString) -> Result<Option<Packet>, PacketError> {
        if self.begun.is_some() {
            return Err(PacketError::AttachmentDue);
        }
        let max = self.limits.bytes_max;
        if text.len() > max {
            return Err(PacketError::TooLarge { max });
        }
        let (packet, due) = Packet::decode(text, self.limits.attachments_max)?;
        if due == 0 {
            return Ok(Some(packet));
        }
        let attachments = Vec::with_capacity(due);
        self.count += 1;
        self.begun = Some(Box::new(Begun {
            packet,
            due,
            bytes: text.len(),
            attachments,
        }));
        Ok(None)
    }

    /// Takes an attachment. `None` means that more are to follow.
    pub fn bytes(&mut self, bytes: Bytes) -> Result<Option<Packet>, PacketError> {
        let begun = self.begun.as_mut().ok_or(PacketError::StrayBytes)?;
        let max = self.limits.bytes_max;
        begun.bytes += bytes.len();
        if begun.bytes > max {
            return Err(PacketError::TooLarge { max });
        }
        begun.attachments.push(bytes);
        if begun.attachments.len() < begun.due {
            return Ok(None);
        }
        let mut begun = self.begun.take().expect("it was there above");
        if let Body::Event { args, .. } | Body::Ack { args, .. } = &mut begun.packet.body {
            args.attachments = begun.attachments;
        }
        Ok(Some(begun.packet))
    }
}

/// What the server writes into the text of a packet, before the JSON.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head<'a> {
    /// `0` to `4`; the binary kinds follow from the attachments.
    pub(crate) kind: u8,
    pub(crate) namespace: &'a str,
    pub(crate) id: Option<u64>,
    pub(crate) attachments: usize,
}

impl Head<'_> {
    pub(crate) const CONNECT: u8 = 0;
    pub(crate) const DISCONNECT: u8 = 1;
    pub(crate) const EVENT: u8 = 2;
    pub(crate) const ACK: u8 = 3;
    pub(crate) const CONNECT_ERROR: u8 = 4;

    /// Appends the head, with the Engine.IO type of messages before it.
    pub(crate) fn write(self, buffer: &mut Vec<u8>) {
        buffer.push(b'4');
        if self.attachments == 0 {
            buffer.push(b'0' + self.kind);
        } else {
            buffer.push(b'0' + self.kind + 3);
            buffer.extend_from_slice(self.attachments.to_string().as_bytes());
            buffer.push(b'-');
        }
        if self.namespace != "/" {
            buffer.extend_from_slice(self.namespace.as_bytes());
            buffer.push(b',');
        }
        if let Some(id) = self.id {
            buffer.extend_from_slice(id.to_string().as_bytes());
        }
    }
}

#[cfg(test)]
mod tests;
