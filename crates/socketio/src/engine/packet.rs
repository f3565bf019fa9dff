//! Engine.IO v4 packets in their text form, and the payloads of polling that hold several of them.
//!
//! Pure. Over a WebSocket a packet is a text message of its own and binary goes without a packet around it; over polling
//! binary is base64 after a `b`.

use bytes::Bytes;
use bytestring::ByteString;

/// One packet as a client sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// `0`: the opening, which only servers send.
    Open,
    /// `1`: the session ends.
    Close,
    /// `2`: a ping; clients send it with `probe` to try a transport.
    Ping(ByteString),
    /// `3`: the answer to a ping.
    Pong(ByteString),
    /// `4`: a message of text.
    Message(ByteString),
    /// `5`: go over to the transport that this came by.
    Upgrade,
    /// `6`: nothing.
    Noop,
    /// `b`: a message of bytes.
    Binary(Bytes),
}

impl Packet {
    /// Reads one packet. Texts and bytes within it share the memory of `text` where they can.
    pub fn decode(text: &ByteString) -> Result<Self, PacketError> {
        let Some(kind) = text.as_bytes().first() else {
            return Err(PacketError::Empty);
        };
        let rest = || text.slice_ref(&text[1..]);
        match kind {
            b'0' => Ok(Self::Open),
            b'1' => Ok(Self::Close),
            b'2' => Ok(Self::Ping(rest())),
            b'3' => Ok(Self::Pong(rest())),
            b'4' => Ok(Self::Message(rest())),
            b'5' => Ok(Self::Upgrade),
            b'6' => Ok(Self::Noop),
            b'b' => base64_simd::forgiving_decode_to_vec(&text.as_bytes()[1..])
                .map(|bytes| Self::Binary(bytes.into()))
                .map_err(|_| PacketError::Base64),
            other => Err(PacketError::Type(*other)),
        }
    }
}

/// Why a text is no packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// There is nothing.
    #[error("packet is empty")]
    Empty,
    /// The first byte names no type.
    #[error("packet type {0:#04x} does not exist")]
    Type(u8),
    /// What follows a `b` is no base64.
    #[error("binary packet is not base64")]
    Base64,
    /// A payload is no UTF-8.
    #[error("payload is not UTF-8")]
    Utf8,
}

/// What stands between the packets of a payload.
pub const SEPARATOR: u8 = 0x1e;

/// The packets of one POST, decoded one by one as they are asked for.
#[derive(Debug, Clone)]
pub struct Payload {
    text: ByteString,
    at: Option<usize>,
}

impl Payload {
    /// A payload from the bytes of a body.
    pub fn new(body: Bytes) -> Result<Self, PacketError> {
        let text = ByteString::try_from(body).map_err(|_| PacketError::Utf8)?;
        Ok(Self { text, at: Some(0) })
    }

    /// Bytes of its text.
    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    /// Whether all packets are well formed, and whether one of them is a goodbye.
    pub(crate) fn check(&self) -> Result<bool, PacketError> {
        let mut says_goodbye = false;
        for packet in self.clone() {
            says_goodbye |= packet? == Packet::Close;
        }
        Ok(says_goodbye)
    }
}

impl Iterator for Payload {
    type Item = Result<Packet, PacketError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = &self.text[self.at?..];
        let packet = match rest.split_once(char::from(SEPARATOR)) {
            Some((packet, _)) => {
                self.at = self.at.map(|at| at + packet.len() + 1);
                packet
            }
            None => {
                self.at = None;
                rest
            }
        };
        // What is kept of it must not keep much more than itself.
        if packet.len() < self.text.len() / 2 {
            return Some(Packet::decode(&ByteString::from(packet)));
        }
        Some(Packet::decode(&self.text.slice_ref(packet)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn payload(text: &str) -> Vec<Result<Packet, PacketError>> {
        Payload::new(Bytes::copy_from_slice(text.as_bytes()))
            .unwrap()
            .collect()
    }

    #[test]
    fn each_type_is_told_by_its_first_character() {
        let decode = |text: &'static str| Packet::decode(&ByteString::from_static(text));
        assert_eq!(decode("0"), Ok(Packet::Open));
        assert_eq!(decode("1"), Ok(Packet::Close));
        assert_eq!(decode("2probe"), Ok(Packet::Ping("probe".into())));
        assert_eq!(decode("3"), Ok(Packet::Pong("".into())));
        assert_eq!(decode("4é"), Ok(Packet::Message("é".into())));
        assert_eq!(decode("5"), Ok(Packet::Upgrade));
        assert_eq!(decode("6"), Ok(Packet::Noop));
        assert_eq!(
            decode("bAQIDBA=="),
            Ok(Packet::Binary(Bytes::from_static(&[1, 2, 3, 4])))
        );
    }

    #[test]
    fn what_is_no_packet_is_refused() {
        let decode = |text: &'static str| Packet::decode(&ByteString::from_static(text));
        assert_eq!(decode(""), Err(PacketError::Empty));
        assert_eq!(decode("7"), Err(PacketError::Type(b'7')));
        assert_eq!(decode("é"), Err(PacketError::Type(0xc3)));
        assert_eq!(decode("b*"), Err(PacketError::Base64));
        assert!(Payload::new(Bytes::from_static(&[b'4', 0xff])).is_err());
    }

    #[test]
    fn a_payload_gives_its_packets_in_order() {
        assert_eq!(
            payload("4a\u{1e}bAQ==\u{1e}2"),
            [
                Ok(Packet::Message("a".into())),
                Ok(Packet::Binary(Bytes::from_static(&[1]))),
                Ok(Packet::Ping("".into())),
            ]
        );
        assert_eq!(payload(""), [Err(PacketError::Empty)]);
        assert_eq!(
            payload("4\u{1e}"),
            [Ok(Packet::Message("".into())), Err(PacketError::Empty)]
        );
    }

    proptest! {
        #[test]
        fn hostile_payloads_never_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(payload) = Payload::new(body.into()) {
                payload.for_each(drop);
            }
        }

        #[test]
        fn joined_messages_come_apart_again(texts in prop::collection::vec("[^\u{1e}]{0,20}", 1..10)) {
            let joined = texts.iter().map(|text| format!("4{text}")).collect::<Vec<_>>().join("\u{1e}");
            let packets: Vec<_> = payload(&joined).into_iter().map(Result::unwrap).collect();
            let expected: Vec<_> = texts.into_iter().map(|text| Packet::Message(text.into())).collect();
            prop_assert_eq!(packets, expected);
        }
    }
}
