//! Socket.IO packets: messages apart by 0x1e, those that begin with `b` as bytes. What is refused ends the session.

use abanico_socketio::packet::{Assembler, Body, Limits};
use bytes::Bytes;
use bytestring::ByteString;

const LIMITS: Limits = Limits {
    attachments_max: 3,
    bytes_max: 4096,
};

pub(super) fn run(bytes: &[u8]) {
    let mut assembler = Assembler::new(LIMITS);
    for message in bytes.split(|byte| *byte == 0x1e) {
        let packet = match (message, std::str::from_utf8(message)) {
            ([b'b', bytes @ ..], _) => assembler.bytes(Bytes::copy_from_slice(bytes)),
            (_, Ok(text)) => assembler.text(&ByteString::from(text)),
            (_, Err(_)) => continue,
        };
        let Ok(packet) = packet else { return };
        if let Some(Body::Event { args, .. } | Body::Ack { args, .. }) =
            packet.map(|packet| packet.body)
        {
            assert!(args.attachments().len() <= LIMITS.attachments_max);
            for at in 0..args.len() {
                assert!(
                    args.items_from(at)
                        .starts_with(args.item(at).expect("it is there"))
                );
            }
        }
    }
}
