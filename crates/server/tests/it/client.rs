//! A Socket.IO client over polling, no more than a test needs, which hides nothing of the wire.

use crate::answer::Answer;
use crate::node::{Node, PATIENCE};
use serde_json::{Value, json};
use std::net::TcpStream;
use std::time::Instant;

/// Somebody who has a session.
pub(crate) struct Client<'a> {
    node: &'a Node,
    path: String,
    /// Of the opening request.
    headers: &'a [&'a str],
    waiting: Vec<Value>,
}

impl<'a> Client<'a> {
    /// Opens a session and connects to the main namespace.
    pub(crate) fn connect(node: &'a Node) -> Self {
        Self::connect_with(node, &[])
    }

    /// The same, with headers that tell where it comes from.
    pub(crate) fn connect_with(node: &'a Node, headers: &'a [&'a str]) -> Self {
        let opened = node.request("GET", "/socket.io/?EIO=4&transport=polling", headers, "");
        assert_eq!(opened.status, 200, "{}", opened.text());
        let open: Value = serde_json::from_str(&opened.text()[1..]).expect("an open packet");
        let sid = open["sid"].as_str().expect("a session id");
        let path = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
        let client = Self {
            node,
            path,
            headers,
            waiting: Vec::new(),
        };
        client.post("40");
        let answer = client.poll();
        assert!(answer.starts_with("40{"), "{answer}");
        client
    }

    /// Connects and registers. Gives the client and the answer.
    pub(crate) fn register(node: &'a Node, user: &Value) -> (Self, Value) {
        Self::register_with(node, &[], user)
    }

    /// The same, with headers that tell where it comes from.
    pub(crate) fn register_with(
        node: &'a Node,
        headers: &'a [&'a str],
        user: &Value,
    ) -> (Self, Value) {
        let mut client = Self::connect_with(node, headers);
        client.emit("user:register", user);
        let registered = client.heard("user:registered");
        (client, registered)
    }

    /// A streamer with a live stream, and that stream's key.
    pub(crate) fn live(node: &'a Node, name: &str) -> (Self, String) {
        let (mut client, _) = Self::register(node, &json!({"username": name, "role": "STREAMER"}));
        let created = client.go_live(&json!({}));
        let key = created["stream"]["streamKey"].as_str().expect("a key");
        (client, key.to_owned())
    }

    /// Creates a stream and starts it. Gives what it was told of it.
    pub(crate) fn go_live(&mut self, wish: &Value) -> Value {
        self.emit("stream:create", wish);
        let created = self.heard("stream:created");
        let key = &created["stream"]["streamKey"];
        self.emit("stream:start", &json!({"streamKey": key}));
        self.heard("stream:started");
        created
    }

    pub(crate) fn emit(&mut self, event: &str, payload: &Value) {
        self.post(&format!("42{}", json!([event, payload])));
    }

    /// Says something, and does not look whether it is heard.
    pub(crate) fn ask(&self, event: &str, payload: &Value) -> TcpStream {
        self.send(&format!("42{}", json!([event, payload])))
    }

    /// The payload of the next event of this name; others are passed over.
    pub(crate) fn heard(&mut self, event: &str) -> Value {
        loop {
            let heard = self.heard_any();
            assert_ne!(heard[0], "stream:error", "instead of {event}: {heard}");
            if heard[0] == event {
                return heard[1].clone();
            }
        }
    }

    /// The same, whatever is refused before it.
    pub(crate) fn heard_after_refusals(&mut self, event: &str) -> Value {
        loop {
            let heard = self.heard_any();
            if heard[0] == event {
                return heard[1].clone();
            }
        }
    }

    /// The next event, with its name.
    pub(crate) fn heard_any(&mut self) -> Value {
        let begun = Instant::now();
        loop {
            assert!(begun.elapsed() < PATIENCE, "no event comes");
            if !self.waiting.is_empty() {
                return self.waiting.remove(0);
            }
            let polled = self.poll();
            for packet in polled.split('\u{1e}') {
                if let Some(event) = packet.strip_prefix("42") {
                    self.waiting
                        .push(serde_json::from_str(event).expect("JSON"));
                }
            }
        }
    }

    pub(crate) fn post(&self, packet: &str) {
        let answer = Answer::read(&mut self.send(packet));
        assert_eq!((answer.status, answer.text()), (200, "ok"), "POST {packet}");
    }

    fn send(&self, packet: &str) -> TcpStream {
        self.node.ask(
            "POST",
            &self.path,
            &[&["Content-Type: text/plain;charset=UTF-8"], self.headers].concat(),
            packet,
        )
    }

    fn poll(&self) -> String {
        let answer = self.node.request("GET", &self.path, self.headers, "");
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text().to_owned()
    }
}
