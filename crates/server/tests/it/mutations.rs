//! Every event of the dialect with each of its fields missing, of another type, huge, deep or strange: the server answers
//! or ignores it, and nobody else hears anything of it. The same inputs in every run.

use crate::client::Client;
use crate::events::EVENTS;
use crate::node::Node;
use crate::socket::connected;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;

/// Fields that some event knows, beside those in the table.
const FIELDS: [&str; 10] = [
    "publishToken",
    "resumeToken",
    "role",
    "media",
    "capturedAt",
    "id",
    "key",
    "type",
    "data",
    "__proto__",
];

/// As JSON text, since some of it is nothing that a value can hold.
fn values() -> Vec<String> {
    let mut values: Vec<String> = [
        "null",
        "true",
        "false",
        "0",
        "-1",
        "-0",
        "1e400",
        "-1e400",
        "1e-400",
        "9007199254740993",
        "18446744073709551616",
        "0.1",
        "\"\"",
        "\"NaN\"",
        "\"Infinity\"",
        "\"__proto__\"",
        "\"constructor\"",
        "\"toString\"",
        "\"\\u0000\"",
        "\"\\ud800\"",
        "\"\\u202e\\u200b\u{1f469}\u{200d}\u{1f680}\"",
        "\"../../etc/passwd\"",
        "\"<script>alert(1)</script>\"",
        "\"' OR 1=1 --\"",
        "\"%00%n%s\"",
        "[]",
        "{}",
        "[null]",
        "{\"__proto__\":{\"polluted\":true}}",
        "{\"constructor\":{\"prototype\":{}}}",
        "{\"toString\":1,\"length\":-1}",
        "{\"_placeholder\":true,\"num\":0}",
        "{\"_placeholder\":true,\"num\":-1}",
        "{\"_placeholder\":true,\"num\":1e99}",
    ]
    .map(str::to_owned)
    .into();
    values.push(format!("\"{}\"", "x".repeat(70_000)));
    values.push(format!("[{}0]", "0,".repeat(900)));
    values.push(format!("{}{}", "[".repeat(50), "]".repeat(50)));
    values.push(format!("{}1{}", "{\"a\":".repeat(50), "}".repeat(50)));
    values
}

/// The payload as text, with one field another, or left out.
fn with(payload: &Map<String, Value>, field: &str, value: Option<&str>) -> String {
    let mut fields: Vec<_> = payload
        .iter()
        .filter(|(name, _)| *name != field)
        .map(|(name, value)| format!("{}:{value}", json!(name)))
        .collect();
    fields.extend(value.map(|value| format!("{}:{value}", json!(field))));
    format!("{{{}}}", fields.join(","))
}

/// A client that says what no client would.
struct Talker {
    stream: TcpStream,
    unread: Vec<u8>,
    asked: u32,
    /// What it said last.
    last: String,
    /// A stream of its own.
    own: String,
}

impl Talker {
    fn new(node: &Node, key: &str) -> Self {
        let mut talker = Self {
            stream: connected(node),
            unread: Vec::new(),
            asked: 0,
            last: String::new(),
            own: String::new(),
        };
        talker.say("user:register", r#"{"username":"Eve","role":"STREAMER"}"#);
        talker.say("stream:join", &json!({ "streamKey": key }).to_string());
        talker.say("stream:create", "{}");
        let heard = talker.heard_until_now();
        let created = heard.iter().find(|heard| heard[0] == "stream:created");
        let own = &created.expect("who is here may create")[1]["stream"]["streamKey"];
        own.as_str().expect("a key").clone_into(&mut talker.own);
        talker
    }

    fn say(&mut self, event: &str, payload: &str) {
        let text = format!("42[{},{payload}]", json!(event));
        let frame = crate::socket::frame(0x81, text.as_bytes());
        self.stream
            .write_all(&frame)
            .expect("it is still connected");
        self.last = text;
    }

    /// All that was said to it until now. It is answered in order, so it is still there, and has its answers.
    fn heard_until_now(&mut self) -> Vec<Value> {
        self.asked += 1;
        let id = format!("question {}", self.asked);
        self.say("clock:get", &json!({ "id": id }).to_string());
        let mut heard = Vec::new();
        loop {
            let text = self.text();
            let Some(event) = text.strip_prefix("42") else {
                continue;
            };
            let Ok(event) = serde_json::from_str::<Value>(event) else {
                // An id is given back as it came, and 1e400 is JSON.
                assert!(event.starts_with("[\"clock:now\",{\"id\":"), "{event}");
                continue;
            };
            if event[1]["id"] == id {
                return heard;
            }
            heard.push(event);
        }
    }

    /// The next text, whole: the server cuts none.
    fn text(&mut self) -> String {
        loop {
            if let Some((first, payload, length)) = whole(&self.unread) {
                let text = String::from_utf8_lossy(&self.unread[payload..length]).into_owned();
                self.unread.drain(..length);
                assert_ne!(first, 0x88, "closed after {}: {text}", self.last);
                if first == 0x81 {
                    return text;
                }
                continue;
            }
            let mut buffer = [0; 65_536];
            let count = self.stream.read(&mut buffer).expect("the server answers");
            assert!(count > 0, "it was cut off");
            self.unread.extend_from_slice(&buffer[..count]);
        }
    }
}

/// The first byte of a frame, where its payload begins, and where it ends, if all of it is there.
fn whole(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (first, length) = (*bytes.first()?, *bytes.get(1)?);
    let (begin, length) = match length {
        126 => {
            let length = bytes.get(2..4)?.try_into().ok()?;
            (4, usize::from(u16::from_be_bytes(length)))
        }
        127 => {
            let length = bytes.get(2..10)?.try_into().ok()?;
            (10, usize::try_from(u64::from_be_bytes(length)).ok()?)
        }
        short => (2, usize::from(short)),
    };
    (bytes.len() >= begin + length).then_some((first, begin, begin + length))
}

/// What a client may be told of whatever it says: nothing of the inside of the server.
fn is_harmless(heard: &Value) -> bool {
    if heard[0] != "stream:error" {
        return true;
    }
    let text = heard[1].to_string();
    let is_short = text.len() < 1000;
    let is_inside = ["panicked", "src/", "unwrap", "serde", "line 1"].iter();
    is_short && !is_inside.into_iter().any(|word| text.contains(word))
}

#[test]
fn whatever_the_fields_of_an_event_are_nobody_else_hears_of_it() {
    let fast = "100000/s burst 1000000";
    // Who hears all of it fetches it at the end.
    let room = [
        ("--room-chat-bytes-rate", "1GiB/s burst 1GiB".to_owned()),
        ("--queue-chat-bytes-max", "200MiB".to_owned()),
        ("--queue-messages-max", "1000000".to_owned()),
        ("--queue-bytes-max", "200MiB".to_owned()),
    ];
    let mut flags: Vec<_> = room.map(|(flag, value)| [flag.to_owned(), value]).into();
    for rate in [
        "request",
        "chat",
        "room-chat",
        "reaction",
        "signal",
        "data",
        "message",
    ] {
        flags.push([format!("--{rate}-rate"), fast.to_owned()]);
    }
    let flags: Vec<_> = flags.iter().flatten().map(String::as_str).collect();
    let mut node = Node::start_with_log(&flags);
    let (mut ada, key) = Client::live(&node, "Ada");
    let (mut bob, _) = Client::register(&node, &json!({"username": "Bob", "role": "VIEWER"}));
    bob.emit("stream:join", &json!({"streamKey": key}));
    bob.heard("stream:joined");
    let rss_before = node.rss_kb();

    let mut eve = Talker::new(&node, &key);
    let values = values();
    let mut said = 0;
    let of_whom = EVENTS
        .iter()
        .flat_map(|(event, payload, _)| [(event, payload, false), (event, payload, true)]);
    for (event, payload, is_own) in of_whom {
        let named = if is_own { &eve.own } else { &key };
        let payload = payload.replace("KEY", named);
        let Ok(Value::Object(payload)) = serde_json::from_str(&payload) else {
            panic!("the payload of {event} is an object");
        };
        let mut fields: BTreeSet<&str> = payload.keys().map(String::as_str).collect();
        fields.extend(FIELDS);
        for value in &values {
            eve.say(event, value);
            said += 1;
        }
        for field in fields {
            eve.say(event, &with(&payload, field, None));
            for value in &values {
                eve.say(event, &with(&payload, field, Some(value)));
            }
            said += values.len() + 1;
            for heard in eve.heard_until_now() {
                assert!(is_harmless(&heard), "{event} {field}: {heard}");
            }
        }
        // Somebody new, whom nothing is known of.
        eve = Talker::new(&node, &key);
    }
    assert!(said > 5_000, "{said}");

    // The stream is Ada's as before, and those who watch it have heard what may be said in a room.
    let listed = node.json("/streams")["streams"].clone();
    let hers = listed
        .as_array()
        .expect("a list")
        .iter()
        .find(|one| one["streamKey"] == key);
    assert_eq!(hers.expect("it is still live")["streamerUsername"], "Ada");
    let data = "data:image/jpeg;base64,/9j/4AAQAAD/2Q==";
    ada.emit("stream:data:send", &json!({"streamKey": key, "data": data}));
    loop {
        let heard = bob.heard_any();
        let name = heard[0].as_str().expect("a name");
        let is_of_rooms = matches!(
            name,
            "stream:data"
                | "stream:paused"
                | "chat:message:broadcast"
                | "reaction:broadcast"
                | "viewer:joined"
                | "viewer:left"
                | "viewer:count:update"
        );
        assert!(is_of_rooms, "{heard}");
        assert_ne!(name, "stream:paused", "nobody but Ada pauses it");
        if name == "stream:data" {
            assert_eq!(heard[1]["data"], data);
            break;
        }
    }
    let grown = node.rss_kb().saturating_sub(rss_before);
    assert!(grown < 60_000, "{grown} kB more");
    node.signal("TERM");
    assert!(node.ended().success());
    let log = node.log();
    assert!(!log.contains("panicked"), "{log}");
}
