//! Who may do what at every route: [`tables`] with a row for each and a column for each who asks.
//!
//! A route that has no row fails the test. Who comes from elsewhere says so with a header that only a proxy
//! would send, since every peer of a test is at this machine.

#![expect(clippy::unwrap_used, reason = "the clients of a test may fail it")]

mod tables;

use crate::answer::said;
use crate::login::{file, jwt};
use crate::material::{body, measure, offer};
use crate::node::Node;
use crate::socket::Socket;
use crate::stream::{ELSEWHERE, Stream};
use serde_json::json;
use std::collections::BTreeSet;
use tables::{ASKS, Asks, NATIVE, OF_MODES, ROUTES};

#[test]
fn every_route_answers_each_who_asks_as_the_table_says() {
    let listed = quoted(include_str!("../../src/routes.rs"), ".route(");
    let in_table = ROUTES.iter().map(|(route, ..)| (*route).to_owned());
    assert_eq!(
        listed,
        in_table.collect(),
        "every route needs a row in ROUTES"
    );

    let (_folder, secret) = file(jwt::SECRET);
    let node = Node::start_with(&["--jwt-secret-file", &secret]);
    let mut wrong = Vec::new();
    for (at, (_, method, path, expected)) in ROUTES.iter().enumerate() {
        for (asks, status) in ASKS.iter().zip(expected) {
            let (stream, path) = (
                Stream::open_for_holder(&node),
                path.replace("NEW", &format!("new{at}{asks:?}")),
            );
            let path = path.replace("KEY", &stream.key);
            let (kind, body) = match *method {
                "PATCH" => (
                    "application/trickle-ice-sdpfrag",
                    b"a=end-of-candidates\r\n".to_vec(),
                ),
                "POST" if path.starts_with("/whip") => {
                    ("application/sdp", offer("sendonly").into_bytes())
                }
                "POST" if path.starts_with("/whep") => {
                    ("application/sdp", offer("recvonly").into_bytes())
                }
                "POST" if path.ends_with("/moderation") => ("application/json", measure()),
                "POST" if path.ends_with("/links") => ("application/json", b"{}".to_vec()),
                "POST" if path == "/tokens" => ("application/json", br#"{"name": "a"}"#.to_vec()),
                "PUT" | "POST" | "SOURCE" => ("multipart/x-mixed-replace; boundary=b", body()),
                _ => ("text/plain", Vec::new()),
            };
            let mut headers = stream.headers(*asks);
            headers.push(format!("Content-Type: {kind}"));
            let headers: Vec<_> = headers.iter().map(String::as_str).collect();
            let answer = node.request(method, &path, &headers, &body);
            if answer.status != *status {
                let (heard, said) = (answer.status, said(&answer));
                wrong.push(format!(
                    "{method} {path} by {asks:?}: {heard} {said}, not {status}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_route_of_a_mode_answers_each_who_asks_as_the_table_says() {
    let mut listed = quoted(include_str!("../../src/trust.rs"), ".route(");
    let challenges = include_str!("../../src/tls/acme/challenges.rs");
    listed.extend(quoted(challenges, ".route("));
    let in_table = OF_MODES.iter().map(|(route, ..)| (*route).to_owned());
    assert_eq!(
        listed,
        in_table.collect(),
        "every route needs a row in OF_MODES"
    );
    let tls = ["--tls-listen", "127.0.0.1:0"];
    let lan = ["--lan", "--lan-names", "abanico-test.local"];
    let lan = Node::start_with(&[&lan[..], &tls].concat());
    // Nobody is there: it asks in vain.
    let acme = ["--acme-names", "live.example", "--acme-directory"];
    let nobody = ["https://127.0.0.1:9/"];
    let acme = Node::start_with(&[&acme[..], &nobody, &tls].concat());
    for (route, method, path, expected) in OF_MODES {
        let node = if route.starts_with("/trust") {
            &lan
        } else {
            &acme
        };
        let stream = Stream::open(&lan);
        for (asks, status) in ASKS.iter().zip(expected) {
            let headers = match asks {
                Asks::Operator => vec![
                    format!("Authorization: Bearer {}", node.key()),
                    ELSEWHERE.to_owned(),
                ],
                other => stream.headers(*other),
            };
            let headers: Vec<_> = headers.iter().map(String::as_str).collect();
            let answer = node.request(method, path, &headers, "");
            let name = format!("{method} {path} by {asks:?}");
            assert_eq!(answer.status, *status, "{name}: {}", said(&answer));
        }
    }
}

#[test]
fn the_native_door_answers_each_who_asks_as_the_table_says() {
    let (_folder, secret) = file(jwt::SECRET);
    let node = Node::start_with(&["--jwt-secret-file", &secret]);
    let mut wrong = Vec::new();
    for (at, (path, says, expected)) in NATIVE.iter().enumerate() {
        for (asks, heard) in ASKS.iter().zip(expected) {
            let (stream, path) = (
                Stream::open_for_holder(&node),
                path.replace("NEW", &format!("new{at}{asks:?}")),
            );
            let path = path.replace("KEY", &stream.key);
            let elsewhere = if *asks == Asks::Local { "" } else { ELSEWHERE };
            let protocol = format!("abanico.{says}.v1");
            let mut socket = Socket::open(&node, &path, &protocol, elsewhere);
            let mut first = json!({"type": says});
            if let Some(token) = stream.shown(*asks).filter(|_| *says == "publish") {
                first["token"] = json!(token);
            }
            socket.say(&first.to_string());
            let answer = socket.hear();
            let word = answer.get("code").unwrap_or(&answer["type"]);
            if word != heard {
                wrong.push(format!("{says} {path} by {asks:?}: {answer}, not {heard}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

impl Stream<'_> {
    /// What somebody shows at a door.
    fn shown(&self, asks: Asks) -> Option<String> {
        match asks {
            Asks::Local | Asks::Stranger => None,
            Asks::Other => Some("0123456789abcdef0123456789abcdef".to_owned()),
            Asks::Publisher => Some(self.token.clone()),
            Asks::Operator => Some(self.node.key().to_owned()),
            Asks::Signed => Some(jwt::signed()),
            Asks::Expired => Some(jwt::expired()),
            Asks::Namesake => Some(jwt::namesake()),
        }
    }

    fn headers(&self, asks: Asks) -> Vec<String> {
        let shown = self.shown(asks);
        let shown = shown.map(|shown| format!("Authorization: Bearer {shown}"));
        let elsewhere = (asks != Asks::Local).then(|| ELSEWHERE.to_owned());
        shown.into_iter().chain(elsewhere).collect()
    }
}

/// The text in quotes that comes first behind each `mark`.
pub(crate) fn quoted(source: &str, mark: &str) -> BTreeSet<String> {
    let pieces = source.split(mark).skip(1);
    pieces
        .map(|piece| piece.split('"').nth(1).unwrap().to_owned())
        .collect()
}
