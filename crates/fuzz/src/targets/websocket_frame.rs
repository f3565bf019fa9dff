//! WebSocket frames: the same bytes cut in two places give the same messages, within the bounds.

use abanico_socketio::websocket::frame::{Decoder, FrameError, Incoming, Limits};

const LIMITS: Limits = Limits {
    message_bytes_max: 512,
    fragments_max: 8,
};

fn decode(pieces: [&[u8]; 3]) -> (Vec<Incoming>, Option<FrameError>) {
    let mut decoder = Decoder::new(LIMITS);
    let mut messages = Vec::new();
    for mut piece in pieces {
        loop {
            match decoder.decode(&mut piece) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => return (messages, Some(error)),
            }
        }
    }
    (messages, None)
}

pub(super) fn run(input: &[u8]) {
    let [first, second, bytes @ ..] = input else {
        return;
    };
    let (head, tail) = bytes.split_at(usize::from(*first).min(bytes.len()));
    let (middle, tail) = tail.split_at(usize::from(*second).min(tail.len()));
    let whole = decode([bytes, b"", b""]);
    assert_eq!(whole, decode([head, middle, tail]));
    for message in whole.0 {
        match message {
            Incoming::Text(text) => assert!(text.len() <= LIMITS.message_bytes_max),
            Incoming::Binary(bytes) => assert!(bytes.len() <= LIMITS.message_bytes_max),
            Incoming::Ping(bytes) | Incoming::Pong(bytes) => assert!(bytes.len() <= 125),
            Incoming::Close { .. } => {}
        }
    }
}
