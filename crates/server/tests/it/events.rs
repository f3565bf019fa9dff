//! Who may do what with every event of the dialect: a table with a row for each and a column for each who says it.
//!
//! An event that has no row fails the test.

#![expect(clippy::unwrap_used, reason = "the clients of a test may fail it")]

use crate::matrix::{ELSEWHERE, Stream, quoted};
use crate::node::{Client, Node};
use serde_json::{Value, json};

/// Who says something over Socket.IO.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Says {
    /// Registered as a streamer at this machine.
    Local,
    /// The same from elsewhere.
    Stranger,
    /// Elsewhere, and watches the stream.
    Viewer,
    /// Publishes another stream, and shows that one's token.
    Other,
    /// The connection that created the stream.
    Publisher,
    /// Elsewhere, with the operator's key.
    Operator,
}

const SAYS: [Says; 6] = [
    Says::Local,
    Says::Stranger,
    Says::Viewer,
    Says::Other,
    Says::Publisher,
    Says::Operator,
];

/// Nothing was answered, and nothing has changed.
const SILENT: &str = "";
/// Refused, and nothing has changed.
const NO: &str = "stream:error";
/// Nothing was answered, and the stream is another.
const DONE: &str = "(changed)";

/// An event as `names.rs` has it, its payload, and for each of [`SAYS`] what it is answered with first. `KEY` is the stream,
/// `STREAMER` who publishes it, `BYSTANDER` another viewer; who shows a token has it in the payload too.
pub(crate) const EVENTS: &[(&str, &str, [&str; 6])] = &[
    (
        "user:register",
        r#"{"username": "Eve", "role": "STREAMER"}"#,
        ["user:registered"; 6],
    ),
    (
        "user:subscribe",
        r#"{"targetUserId": "STREAMER"}"#,
        [
            "user:subscribed",
            "user:subscribed",
            "user:subscribed",
            "user:subscribed",
            NO,
            "user:subscribed",
        ],
    ),
    (
        "user:unsubscribe",
        r#"{"targetUserId": "STREAMER"}"#,
        [SILENT; 6],
    ),
    ("users:get", "{}", ["users:list"; 6]),
    ("subscriptions:get", "{}", ["subscriptions:list"; 6]),
    (
        "stream:create",
        "{}",
        // A viewer is none who may create; who publishes has a stream already.
        ["stream:created", NO, NO, NO, NO, "stream:created"],
    ),
    (
        "stream:start",
        r#"{"streamKey": "KEY"}"#,
        [NO, NO, NO, NO, "stream:started", NO],
    ),
    (
        "stream:end",
        r#"{"streamKey": "KEY"}"#,
        [NO, NO, NO, NO, "stream:ended", NO],
    ),
    (
        "stream:pause",
        r#"{"streamKey": "KEY", "paused": true}"#,
        [NO, NO, NO, NO, "stream:paused", NO],
    ),
    (
        "stream:data:send",
        r#"{"streamKey": "KEY", "data": "data:image/jpeg;base64,/9j/4AAQAAD/2Q=="}"#,
        [SILENT, SILENT, SILENT, SILENT, DONE, SILENT],
    ),
    (
        "stream:poster",
        r#"{"streamKey": "KEY", "data": "data:image/jpeg;base64,/9j/4AAQAAD/2Q=="}"#,
        [NO, NO, NO, NO, DONE, NO],
    ),
    (
        "stream:join",
        r#"{"streamKey": "KEY"}"#,
        ["stream:buffer"; 6],
    ),
    (
        "stream:peers",
        r#"{"streamKey": "KEY", "max": 3}"#,
        [NO, NO, NO, NO, "stream:peers", NO],
    ),
    ("stream:leave", r#"{"streamKey": "KEY"}"#, [SILENT; 6]),
    (
        "chat:message:send",
        r#"{"streamKey": "KEY", "content": "hello"}"#,
        [
            SILENT,
            SILENT,
            "chat:message:broadcast",
            SILENT,
            "chat:message:broadcast",
            SILENT,
        ],
    ),
    (
        "chat:message:remove",
        r#"{"streamKey": "KEY", "messageId": "00000000-0000-0000-0000-000000000001"}"#,
        // Who shows the operator's key does it, and is not there to hear of it.
        [NO, NO, NO, NO, "chat:message:removed", SILENT],
    ),
    (
        "viewer:silence",
        r#"{"streamKey": "KEY", "userId": "BYSTANDER"}"#,
        [NO, NO, NO, NO, "viewer:silenced", SILENT],
    ),
    (
        "viewer:remove",
        r#"{"streamKey": "KEY", "userId": "BYSTANDER"}"#,
        [NO, NO, NO, NO, "viewer:left", SILENT],
    ),
    (
        "reaction:send",
        r#"{"streamKey": "KEY", "emoji": "+"}"#,
        [
            SILENT,
            SILENT,
            "reaction:broadcast",
            SILENT,
            "reaction:broadcast",
            SILENT,
        ],
    ),
    ("clock:get", "{}", ["clock:now"; 6]),
    (
        "webrtc:request",
        r#"{"streamKey": "KEY", "viewerId": "x", "socketId": "x"}"#,
        [SILENT; 6],
    ),
    (
        "webrtc:offer",
        r#"{"streamKey": "KEY", "from": "x", "to": "x"}"#,
        [SILENT; 6],
    ),
    (
        "webrtc:answer",
        r#"{"streamKey": "KEY", "from": "x", "to": "x"}"#,
        [SILENT; 6],
    ),
    (
        "webrtc:ice-candidate",
        r#"{"streamKey": "KEY", "from": "x", "to": "x"}"#,
        [SILENT; 6],
    ),
    (
        "webrtc:close",
        r#"{"streamKey": "KEY", "from": "x", "to": "x"}"#,
        [SILENT; 6],
    ),
];

#[test]
fn every_event_is_answered_to_each_who_says_it_as_the_table_says() {
    let names = include_str!("../../../streamhub/src/names.rs");
    let of_clients = names.split("pub(crate) mod from_server").next().unwrap();
    let listed = quoted(of_clients, "&str =");
    let in_table = EVENTS.iter().map(|(event, ..)| (*event).to_owned());
    assert_eq!(
        listed,
        in_table.collect(),
        "every event needs a row in EVENTS"
    );

    let node = Node::start();
    for (event, payload, expected) in EVENTS {
        for (says, answer) in SAYS.iter().zip(expected) {
            let stream = Stream::open(&node);
            let streamer = stream.streamer.as_str().unwrap();
            let payload = payload.replace("KEY", &stream.key);
            let payload = payload.replace("STREAMER", streamer);
            let bystander = json!({"username": "Zoe", "role": "VIEWER"});
            let (mut bystander, is) = Client::register(&node, &bystander);
            bystander.emit("stream:join", &json!({"streamKey": stream.key}));
            bystander.heard("stream:joined");
            let payload = payload.replace("BYSTANDER", is["user"]["id"].as_str().unwrap());
            let heard = answered(
                stream,
                *says,
                event,
                serde_json::from_str(&payload).unwrap(),
            );
            assert_eq!(heard, *answer, "{event} by {says:?}");
        }
    }
}

/// What somebody hears first who says something.
fn answered(mut stream: Stream<'_>, says: Says, event: &str, mut payload: Value) -> String {
    const FROM: &[&str] = &[ELSEWHERE];
    let node = stream.node;
    let before = stream.looks();
    let streamer = json!({"username": "Bob", "role": "STREAMER"});
    let mut client = match says {
        Says::Publisher => None,
        Says::Local => Some(Client::register(node, &streamer).0),
        Says::Stranger => Some(Client::register_with(node, FROM, &streamer).0),
        Says::Viewer => {
            let viewer = json!({"username": "Bob", "role": "VIEWER"});
            let mut client = Client::register_with(node, FROM, &viewer).0;
            client.emit("stream:join", &json!({"streamKey": stream.key}));
            client.heard("stream:joined");
            Some(client)
        }
        Says::Other => {
            let mut client = Client::register_with(node, FROM, &streamer).0;
            client.emit("stream:create", &json!({"key": node.key()}));
            payload["publishToken"] = client.heard("stream:created")["publishToken"].clone();
            Some(client)
        }
        Says::Operator => {
            payload["key"] = json!(node.key());
            Some(Client::register_with(node, FROM, &streamer).0)
        }
    };
    let client = client.as_mut().unwrap_or(&mut stream.publisher);
    // What was said before is past when this is answered.
    client.emit("clock:get", &json!({"id": "before"}));
    while client.heard_any()[1]["id"] != "before" {}
    client.emit(event, &payload);
    client.emit("clock:get", &json!({"id": "after"}));
    let mut first = None;
    loop {
        let heard = client.heard_any();
        let name = heard[0].as_str().unwrap().to_owned();
        if heard[1]["id"] == "after" {
            break;
        }
        first = first.or(Some(name));
    }
    let has_changed = stream.looks() != before;
    match (first, has_changed) {
        (None, false) => SILENT.to_owned(),
        (None, true) => DONE.to_owned(),
        (Some(first), changed) => {
            assert!(
                first != NO || !changed,
                "{event} by {says:?} was refused, and done"
            );
            first
        }
    }
}
