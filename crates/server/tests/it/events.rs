//! Who may do what with every event of the dialect: a table with a row for each and a column for each who says it.
//!
//! An event that has no row fails the test.

#![expect(clippy::unwrap_used, reason = "the clients of a test may fail it")]

use crate::client::Client;
use crate::login::{file, jwt};
use crate::matrix::quoted;
use crate::node::Node;
use crate::private::{revoke, token};
use crate::stream::{ELSEWHERE, Stream};
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
    /// Elsewhere, with a token of the operator's to publish.
    Licensed,
    /// Elsewhere, with a token of the operator's to keep order.
    Moderator,
    /// Elsewhere, with a token for everything that was taken back.
    Revoked,
    /// Elsewhere, with a login's token to publish and to keep order.
    Signed,
    /// Elsewhere, with one whose time is over.
    Expired,
    /// Elsewhere, with one of the same user as the stream was opened for, which does not give the right to publish.
    Namesake,
}

const SAYS: [Says; 12] = [
    Says::Local,
    Says::Stranger,
    Says::Viewer,
    Says::Other,
    Says::Publisher,
    Says::Operator,
    Says::Licensed,
    Says::Moderator,
    Says::Revoked,
    Says::Signed,
    Says::Expired,
    Says::Namesake,
];

/// Nothing was answered, and nothing has changed.
const SILENT: &str = "";
/// Refused, and nothing has changed.
const NO: &str = "stream:error";
/// Nothing was answered, and the stream is another.
const DONE: &str = "(changed)";

/// An event as `names.rs` has it, its payload, and for each of [`SAYS`] what it is answered with first. `KEY` is the stream,
/// `STREAMER` who publishes it, `BYSTANDER` another viewer; who shows a token has it in the payload too.
pub(crate) const EVENTS: &[(&str, &str, [&str; 12])] = &[
    (
        "user:register",
        r#"{"username": "Eve", "role": "STREAMER"}"#,
        ["user:registered"; 12],
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
            "user:subscribed",
            "user:subscribed",
            "user:subscribed",
            "user:subscribed",
            "user:subscribed",
            "user:subscribed",
        ],
    ),
    (
        "user:unsubscribe",
        r#"{"targetUserId": "STREAMER"}"#,
        [SILENT; 12],
    ),
    ("users:get", "{}", ["users:list"; 12]),
    ("subscriptions:get", "{}", ["subscriptions:list"; 12]),
    (
        "stream:create",
        "{}",
        // A viewer is none who may create; who publishes has a stream already.
        [
            "stream:created",
            NO,
            NO,
            NO,
            NO,
            "stream:created",
            "stream:created",
            NO,
            NO,
            "stream:created",
            NO,
            NO,
        ],
    ),
    (
        "stream:start",
        r#"{"streamKey": "KEY"}"#,
        [NO, NO, NO, NO, "stream:started", NO, NO, NO, NO, NO, NO, NO],
    ),
    (
        "stream:end",
        r#"{"streamKey": "KEY"}"#,
        [NO, NO, NO, NO, "stream:ended", NO, NO, NO, NO, NO, NO, NO],
    ),
    (
        "stream:pause",
        r#"{"streamKey": "KEY", "paused": true}"#,
        [NO, NO, NO, NO, "stream:paused", NO, NO, NO, NO, NO, NO, NO],
    ),
    (
        "stream:data:send",
        r#"{"streamKey": "KEY", "data": "data:image/jpeg;base64,/9j/wAALCAAQABABAREA/9oACAEBAAA/AAcHBwcHBwcHBwcHBwf/2Q=="}"#,
        [
            SILENT, SILENT, SILENT, SILENT, DONE, SILENT, SILENT, SILENT, SILENT, SILENT, SILENT,
            SILENT,
        ],
    ),
    (
        "stream:poster",
        r#"{"streamKey": "KEY", "data": "data:image/jpeg;base64,/9j/4AAQAAD/2Q=="}"#,
        [NO, NO, NO, NO, DONE, NO, NO, NO, NO, NO, NO, NO],
    ),
    (
        "stream:join",
        r#"{"streamKey": "KEY"}"#,
        ["stream:buffer"; 12],
    ),
    (
        "stream:peers",
        r#"{"streamKey": "KEY", "max": 3}"#,
        [NO, NO, NO, NO, "stream:peers", NO, NO, NO, NO, NO, NO, NO],
    ),
    ("stream:leave", r#"{"streamKey": "KEY"}"#, [SILENT; 12]),
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
            SILENT,
            SILENT,
            SILENT,
            SILENT,
            SILENT,
            SILENT,
        ],
    ),
    (
        "chat:message:remove",
        r#"{"streamKey": "KEY", "messageId": "00000000-0000-0000-0000-000000000001"}"#,
        // Who shows the operator's key, or a token for it, does it, and is not there to hear of it.
        [
            NO,
            NO,
            NO,
            NO,
            "chat:message:removed",
            SILENT,
            NO,
            SILENT,
            NO,
            SILENT,
            NO,
            NO,
        ],
    ),
    (
        "viewer:silence",
        r#"{"streamKey": "KEY", "userId": "BYSTANDER"}"#,
        [
            NO,
            NO,
            NO,
            NO,
            "viewer:silenced",
            SILENT,
            NO,
            SILENT,
            NO,
            SILENT,
            NO,
            NO,
        ],
    ),
    (
        "viewer:remove",
        r#"{"streamKey": "KEY", "userId": "BYSTANDER"}"#,
        [
            NO,
            NO,
            NO,
            NO,
            "viewer:left",
            SILENT,
            NO,
            SILENT,
            NO,
            SILENT,
            NO,
            NO,
        ],
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
            SILENT,
            SILENT,
            SILENT,
            SILENT,
            SILENT,
            SILENT,
        ],
    ),
    ("clock:get", "{}", ["clock:now"; 12]),
    (
        "webrtc:request",
        r#"{"streamKey": "KEY", "viewerId": "x", "socketId": "x"}"#,
        [SILENT; 12],
    ),
    (
        "webrtc:offer",
        r#"{"streamKey": "KEY", "from": "x", "to": "x"}"#,
        [SILENT; 12],
    ),
    (
        "webrtc:answer",
        r#"{"streamKey": "KEY", "from": "x", "to": "x"}"#,
        [SILENT; 12],
    ),
    (
        "webrtc:ice-candidate",
        r#"{"streamKey": "KEY", "from": "x", "to": "x"}"#,
        [SILENT; 12],
    ),
    (
        "webrtc:close",
        r#"{"streamKey": "KEY", "from": "x", "to": "x"}"#,
        [SILENT; 12],
    ),
];

/// The tokens that the operator and a login have made for others.
struct Tokens {
    licensed: String,
    moderator: String,
    revoked: String,
    signed: String,
    expired: String,
    namesake: String,
}

impl Tokens {
    fn make(node: &Node) -> Self {
        let tokens = Self {
            licensed: token(node, &json!({"name": "licensed", "may": ["publish"]})),
            moderator: token(node, &json!({"name": "moderator", "may": ["moderate"]})),
            revoked: token(
                node,
                &json!({"name": "revoked", "may": ["publish", "watch", "moderate"]}),
            ),
            signed: jwt::signed(),
            expired: jwt::expired(),
            namesake: jwt::namesake(),
        };
        revoke(node, "revoked");
        tokens
    }
}

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

    // Wrong tokens are shown more often here than by anybody who means well.
    let (_folder, secret) = file(jwt::SECRET);
    let flags = [
        "--key-rate",
        "1000/s burst 1000",
        "--jwt-secret-file",
        &secret,
    ];
    let node = Node::start_with(&flags);
    let tokens = Tokens::make(&node);
    let mut wrong = Vec::new();
    for (event, payload, expected) in EVENTS {
        for (says, answer) in SAYS.iter().zip(expected) {
            let stream = Stream::open_for_holder(&node);
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
                (*says, &tokens),
                event,
                serde_json::from_str(&payload).unwrap(),
            );
            if heard != *answer {
                wrong.push(format!("{event} by {says:?}: `{heard}`, not `{answer}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What somebody hears first who says something.
fn answered(
    mut stream: Stream<'_>,
    (says, tokens): (Says, &Tokens),
    event: &str,
    mut payload: Value,
) -> String {
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
        Says::Operator
        | Says::Licensed
        | Says::Moderator
        | Says::Revoked
        | Says::Signed
        | Says::Expired
        | Says::Namesake => {
            payload["key"] = json!(match says {
                Says::Licensed => &tokens.licensed,
                Says::Moderator => &tokens.moderator,
                Says::Revoked => &tokens.revoked,
                Says::Signed => &tokens.signed,
                Says::Expired => &tokens.expired,
                Says::Namesake => &tokens.namesake,
                _ => node.key(),
            });
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
