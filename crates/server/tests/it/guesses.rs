//! Guesses of a token that a publisher chose, at every door that takes one.

use crate::answer::Answer;
use crate::client::Client;
use crate::material::{body, offer};
use crate::node::Node;
use crate::socket::Socket;
use serde_json::{Value, json};

/// What somebody is told at a door.
#[derive(Debug, PartialEq)]
enum Told {
    Wrong,
    /// Not now, by which bound, and when again.
    Later,
    In,
}

const DOORS: [&str; 5] = ["put", "whip", "native", "delete", "socketio"];

const RIGHT: &str = "hackme";

#[test]
fn guesses_of_a_chosen_token_stop_at_every_door_and_the_right_one_gets_in_from_elsewhere() {
    let node = start();
    for (at, door) in DOORS.iter().enumerate() {
        let _publisher = opened(&node, door);
        let guesser = format!("X-Forwarded-For: 203.0.113.{at}");
        let shown = ["password", "letmein", "hackme!", "12345678", RIGHT];
        let told = shown.map(|token| show(&node, door, &guesser, door, token));
        let (wrong, later) = (|| Told::Wrong, || Told::Later);
        assert_eq!(
            told,
            [wrong(), wrong(), wrong(), later(), later()],
            "{door}"
        );
        let other = "X-Forwarded-For: 198.51.100.1";
        assert_eq!(show(&node, door, other, door, RIGHT), Told::In, "{door}");
    }
}

#[test]
fn one_address_does_not_try_one_word_at_every_stream_and_who_knows_the_token_pays_nothing() {
    let node = start();
    let streams: Vec<_> = (0..5).map(|at| format!("stream{at}")).collect();
    let _publishers: Vec<_> = streams.iter().map(|key| opened(&node, key)).collect();
    let honest = "X-Forwarded-For: 198.51.100.1";
    for _ in 0..10 {
        let told = show(&node, "whip", honest, &streams[4], RIGHT);
        assert_eq!(told, Told::In);
    }
    let guesser = "X-Forwarded-For: 203.0.113.1";
    let told: Vec<_> = streams
        .iter()
        .map(|key| show(&node, "delete", guesser, key, "password"))
        .collect();
    assert_eq!(told[..3], [Told::Wrong, Told::Wrong, Told::Wrong]);
    assert_eq!(told[3..], [Told::Later, Told::Later]);
}

#[test]
fn of_a_private_stream_guesses_tell_nothing_before_or_after_they_stop() {
    let node = start();
    let publisher = "X-Forwarded-For: 192.0.2.1";
    let mut socket = Socket::open(&node, "/live/hidden", "abanico.publish.v1", publisher);
    let opening = json!({"type": "publish", "token": RIGHT, "private": true});
    socket.say(&opening.to_string());
    assert_eq!(socket.hear()["type"], "ready");
    let guesser = "X-Forwarded-For: 203.0.113.1";
    let delete = |key: &str, from: &str, token: &str| {
        let shown = format!("Authorization: Bearer {token}");
        let answer = node.request("DELETE", &format!("/streams/{key}"), &[from, &shown], "");
        (answer.status, answer.text().to_owned())
    };
    let nothing = delete("none", guesser, "password");
    assert_eq!(nothing.0, 404);
    for _ in 0..4 {
        assert_eq!(delete("hidden", guesser, "password"), nothing);
    }
    assert_eq!(delete("hidden", guesser, RIGHT), nothing, "it stopped");
    // What was said there counts nowhere else.
    let _public = opened(&node, "public");
    assert_eq!(delete("public", guesser, "password").0, 401);
    assert_eq!(delete("hidden", publisher, RIGHT).0, 200);
}

fn start() -> Node {
    Node::start_with(&[
        "--key-rate",
        "0.01/s burst 3",
        "--publishing",
        "open",
        "--trusted-proxies",
        "127.0.0.1",
    ])
}

/// A stream whose publisher chose its token.
fn opened(node: &Node, key: &str) -> Socket {
    let from = "X-Forwarded-For: 192.0.2.1";
    let path = format!("/live/{key}");
    let mut socket = Socket::open(node, &path, "abanico.publish.v1", from);
    socket.say(&json!({"type": "publish", "token": RIGHT}).to_string());
    let ready = socket.hear();
    assert_eq!(ready["type"], "ready", "{ready}");
    socket
}

/// Shows a token for the stream `key` at a door.
fn show(node: &Node, door: &str, from: &str, key: &str, token: &str) -> Told {
    let shown = format!("Authorization: Bearer {token}");
    let ask = |method, path: &str, kind, sent: Vec<u8>| {
        let kind = format!("Content-Type: {kind}");
        of_status(&node.request(method, path, &[from, &shown, &kind], sent))
    };
    match door {
        "put" => {
            let kind = "multipart/x-mixed-replace; boundary=b";
            ask("PUT", &format!("/live/{key}"), kind, body())
        }
        "whip" => {
            let offer = offer("sendonly").into_bytes();
            ask("POST", &format!("/whip/{key}"), "application/sdp", offer)
        }
        "delete" => ask("DELETE", &format!("/streams/{key}"), "text/plain", vec![]),
        "native" => {
            let path = format!("/live/{key}");
            let mut socket = Socket::open(node, &path, "abanico.publish.v1", from);
            socket.say(&json!({"type": "publish", "token": token}).to_string());
            of_words(&socket.hear(), "token", "full")
        }
        _ => {
            let (headers, user) = ([from], json!({"username": "Eve", "role": "VIEWER"}));
            let (mut client, _) = Client::register_with(node, &headers, &user);
            let start = json!({"streamKey": key, "publishToken": token});
            client.emit("stream:start", &start);
            let heard = client.heard_any();
            if heard[0] != "stream:error" {
                return Told::In;
            }
            let code = &heard[1]["code"];
            assert!(code.is_null() || heard[1]["limit"] == "key-rate", "{heard}");
            if code.is_null() {
                return Told::Wrong;
            }
            of_words(&heard[1], "", "key-later")
        }
    }
}

fn of_status(answer: &Answer) -> Told {
    match answer.status {
        200 | 201 => Told::In,
        401 => Told::Wrong,
        429 => {
            assert!(answer.text().contains("key-rate"), "{}", answer.text());
            assert!(answer.header("retry-after").is_some());
            Told::Later
        }
        other => panic!("{other}: {}", answer.text()),
    }
}

fn of_words(heard: &Value, wrong: &str, later: &str) -> Told {
    match heard["code"].as_str() {
        None => Told::In,
        Some(code) if code == wrong => Told::Wrong,
        Some(code) if code == later => {
            assert!(
                heard["retryAfterMs"]
                    .as_u64()
                    .is_some_and(|after| after > 0)
            );
            Told::Later
        }
        Some(_) => panic!("{heard}"),
    }
}
