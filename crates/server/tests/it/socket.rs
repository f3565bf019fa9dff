//! WebSockets of a client, no more than tests need: opened, and what is said over them and heard.

#![expect(clippy::unwrap_used, reason = "the clients of a test may fail it")]

use crate::answer::head_of;
use crate::node::Node;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;

/// Asks for a WebSocket at this path, with further header lines. Gives the head of the answer.
pub(crate) fn upgrade(
    stream: &mut (impl Read + Write + ?Sized),
    path: &str,
    lines: &str,
) -> String {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{lines}\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    head_of(stream)
}

/// A WebSocket at this path, opened with further header lines.
pub(crate) fn websocket(node: &Node, path: &str, lines: &str) -> (TcpStream, String) {
    let mut stream = node.connect();
    let answer = upgrade(&mut stream, path, lines);
    (stream, answer)
}

/// A session of Socket.IO over a WebSocket that has connected.
pub(crate) fn connected(node: &Node) -> TcpStream {
    let (mut stream, answer) = websocket(node, "/socket.io/?EIO=4&transport=websocket", "");
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    stream.write_all(&frame(0x81, b"40")).unwrap();
    stream
}

/// A frame of a client, under a mask that changes nothing.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short @ ..126), _) => frame.push(0x80 | short),
        (_, Ok(long)) => {
            frame.push(0x80 | 126);
            frame.extend(long.to_be_bytes());
        }
        _ => {
            frame.push(0x80 | 127);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// A WebSocket of the native door.
pub(crate) struct Socket(pub(crate) TcpStream);

impl Socket {
    pub(crate) fn open(node: &Node, path: &str, protocol: &str, header: &str) -> Self {
        let mut lines = format!("Sec-WebSocket-Protocol: {protocol}\r\n");
        if !header.is_empty() {
            lines += &format!("{header}\r\n");
        }
        let (stream, answer) = websocket(node, path, &lines);
        assert!(answer.starts_with("HTTP/1.1 101 "), "{path}: {answer}");
        Self(stream)
    }

    pub(crate) fn say(&mut self, text: &str) {
        self.0.write_all(&frame(0x81, text.as_bytes())).unwrap();
    }

    /// The next text, before any frame.
    pub(crate) fn hear(&mut self) -> Value {
        let (kind, text) = self.next();
        assert_eq!(kind, 0x81, "a text comes first");
        serde_json::from_slice(&text).unwrap()
    }

    /// The next text; frames before it are passed over.
    pub(crate) fn told(&mut self) -> Value {
        loop {
            let (kind, text) = self.next();
            if kind == 0x81 {
                return serde_json::from_slice(&text).unwrap();
            }
        }
    }

    fn next(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 2];
        self.0.read_exact(&mut head).unwrap();
        let len = match head[1] {
            126 => {
                let mut long = [0; 2];
                self.0.read_exact(&mut long).unwrap();
                usize::from(u16::from_be_bytes(long))
            }
            short => usize::from(short),
        };
        let mut content = vec![0; len];
        self.0.read_exact(&mut content).unwrap();
        (head[0], content)
    }
}
