//! A stream that somebody publishes, for tests of what others may do with it.

#![expect(clippy::unwrap_used, reason = "the clients of a test may fail it")]

use crate::client::Client;
use crate::login::jwt;
use crate::material::picture;
use crate::node::Node;
use serde_json::{Value, json};

/// What a request from elsewhere has in a test.
pub(crate) const ELSEWHERE: &str = "X-Forwarded-For: 203.0.113.9";

/// A stream of pictures that somebody at this machine publishes over Socket.IO.
pub(crate) struct Stream<'a> {
    pub(crate) node: &'a Node,
    pub(crate) publisher: Client<'a>,
    pub(crate) streamer: Value,
    pub(crate) key: String,
    pub(crate) token: String,
}

impl<'a> Stream<'a> {
    pub(crate) fn open(node: &'a Node) -> Self {
        Self::open_as(node, &json!({}))
    }

    /// The same, opened with a login's token.
    pub(crate) fn open_for_holder(node: &'a Node) -> Self {
        Self::open_as(node, &json!({"key": jwt::holder()}))
    }

    /// The same, with more of a wish.
    pub(crate) fn open_as(node: &'a Node, wish: &Value) -> Self {
        let user = json!({"username": "Ada", "role": "STREAMER"});
        let (mut publisher, registered) = Client::register(node, &user);
        let created = publisher.go_live(wish);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let key = text(&created["stream"]["streamKey"]);
        let picture = base64_simd::STANDARD.encode_to_string(picture(100));
        let frame = json!({"streamKey": key, "data": picture});
        publisher.emit("stream:data:send", &frame);
        // What one client says is handled in order: with the answer to this, the picture is there.
        publisher.emit("clock:get", &json!({}));
        publisher.heard("clock:now");
        Self {
            node,
            publisher,
            streamer: registered["user"]["id"].clone(),
            token: text(&created["publishToken"]),
            key,
        }
    }

    /// What others can see of it: that it is live, whether it pauses, and its picture.
    pub(crate) fn looks(&self) -> Value {
        let listed = self.node.json("/streams");
        let ours = listed["streams"].as_array().unwrap().iter();
        let mut ours = ours.filter(|listed| listed["streamKey"] == self.key);
        let ours = ours.next().map(|listed| listed["paused"].clone());
        let picture = self.node.get(&format!("/streams/{}/poster", self.key)).body;
        json!([ours, picture])
    }
}
