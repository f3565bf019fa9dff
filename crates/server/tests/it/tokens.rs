//! Publish tokens with names: what they open, and that what they opened ends when they do, at every door.

use crate::answer::said;
use crate::client::Client;
use crate::material::{body, offer};
use crate::node::{Node, PATIENCE, abanico, ran};
use crate::socket::Socket;
use crate::stream::ELSEWHERE;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::time::Instant;

const KIND: &str = "Content-Type: multipart/x-mixed-replace; boundary=b";

/// Asks a route of the operator's with the key.
fn operate(node: &Node, method: &str, path: &str, words: &Value) -> (u16, Value) {
    let shown = format!("Authorization: Bearer {}", node.key());
    let words = if words.is_null() {
        String::new()
    } else {
        words.to_string()
    };
    let answer = node.request(method, path, &[ELSEWHERE, &shown], words);
    let said = said(&answer);
    (
        answer.status,
        serde_json::from_str(&said).unwrap_or(Value::String(said)),
    )
}

fn make(node: &Node, words: &Value) -> String {
    let (status, made) = operate(node, "POST", "/tokens", words);
    assert_eq!(status, 201, "{made}");
    made["token"].as_str().expect("the token itself").to_owned()
}

/// Says at the native door that it publishes, and what it hears.
fn publish(node: &Node, key: &str, token: &str) -> (Socket, Value) {
    let path = format!("/live/{key}");
    let mut socket = Socket::open(node, &path, "abanico.publish.v1", ELSEWHERE);
    socket.say(&json!({"type": "publish", "token": token}).to_string());
    let heard = socket.hear();
    (socket, heard)
}

/// The streams that somebody sees who looks what is live.
fn live(node: &Node) -> usize {
    let listed = node.json("/streams");
    listed["streams"].as_array().map_or(0, Vec::len)
}

#[test]
fn what_a_token_opened_ends_with_it_at_every_door() {
    let node = Node::start();
    let token = make(&node, &json!({"name": "studio"}));
    let shown = format!("Authorization: Bearer {token}");

    let user = json!({"username": "Ada", "role": "STREAMER"});
    let (mut socketio, _) = Client::register_with(&node, &[ELSEWHERE], &user);
    socketio.go_live(&json!({"key": token}));

    let (mut native, ready) = publish(&node, "native", &token);
    assert_eq!(ready["type"], "ready", "{ready}");

    let mut put = node.connect();
    let head = format!(
        "PUT /live/put HTTP/1.1\r\nHost: {}\r\n{ELSEWHERE}\r\n{shown}\r\nTransfer-Encoding: chunked\r\n{KIND}\r\n\r\n",
        node.address
    );
    let body = body();
    let chunk = format!("{:x}\r\n", body.len());
    put.write_all(&[head.as_bytes(), chunk.as_bytes(), &body, b"\r\n"].concat())
        .expect("the server reads");

    let sdp = "Content-Type: application/sdp";
    let headers = [ELSEWHERE, &shown, sdp];
    let whip = node.request("POST", "/whip/whip", &headers, offer("sendonly"));
    assert_eq!(whip.status, 201, "{}", said(&whip));

    let begun = Instant::now();
    while live(&node) < 2 {
        assert!(begun.elapsed() < PATIENCE, "the streams do not begin");
    }
    // Whoever opened a stream with it comes back to it with it.
    let (mut again, ready) = publish(&node, "whip", &token);
    assert_eq!(ready["type"], "ready", "{ready}");

    let (status, _) = operate(&node, "DELETE", "/tokens/studio", &Value::Null);
    assert_eq!(status, 200);
    assert!(socketio.heard("stream:ended")["reason"].is_string());
    for socket in [&mut native, &mut again] {
        while socket.hear()["code"] != "revoked" {}
    }
    let mut answer = [0; 12];
    put.read_exact(&mut answer).expect("the body is answered");
    assert_eq!(&answer, b"HTTP/1.1 410");
    assert_eq!(live(&node), 0);
    let (_, late) = publish(&node, "late", &token);
    assert_eq!(late["code"], "key");
}

#[test]
fn a_token_has_its_own_streams_and_no_others_and_ends_by_itself() {
    let node = Node::start();
    let studio = make(&node, &json!({"name": "studio", "stream": "sh*"}));
    let phone = make(&node, &json!({"name": "phone"}));
    let (_socket, heard) = publish(&node, "show", &phone);
    assert_eq!(heard["type"], "ready", "{heard}");
    // Neither another's stream, nor one that it is not for, nor what it does not name.
    let (_, refused) = publish(&node, "show", &studio);
    assert_eq!(refused["code"], "token", "{refused}");
    let (_, refused) = publish(&node, "other", &studio);
    assert_eq!(refused["code"], "key", "{refused}");
    let shown = format!("Authorization: Bearer {studio}");
    assert_eq!(node.status("GET", "/tokens", &[ELSEWHERE, &shown]), 403);

    let brief = make(&node, &json!({"name": "brief", "expires": "2s"}));
    let (mut socket, heard) = publish(&node, "brief", &brief);
    assert_eq!(heard["type"], "ready", "{heard}");
    while socket.hear()["code"] != "expired" {}
    let (_, listed) = operate(&node, "GET", "/tokens", &Value::Null);
    let tokens = listed["tokens"].as_array().into_iter().flatten();
    let holds: Vec<_> = tokens
        .map(|token| (&token["name"], &token["holds"]))
        .collect();
    let (yes, no) = (json!(true), json!(false));
    let wanted = [("studio", &yes), ("phone", &yes), ("brief", &no)];
    let wanted = wanted.map(|(name, holds)| (json!(name), holds));
    assert_eq!(holds, wanted.each_ref().map(|(name, holds)| (name, *holds)));
    let listed = listed.to_string();
    assert!(
        !listed.contains(&studio) && !listed.contains("hash"),
        "{listed}"
    );
}

#[test]
fn the_command_makes_lists_and_revokes_tokens_of_a_server_that_runs() {
    let node = Node::start();
    let token = |words: &[&str]| {
        let mut command = abanico();
        command.arg("token").args(words);
        let made = ran(command.arg("--data").arg(node.data()));
        assert!(made.status.success(), "{made:?}");
        String::from_utf8(made.stdout).expect("text")
    };
    let secret = token(&["add", "studio", "--expires", "1day", "--stream", "st-*"]);
    let secret = secret.trim();
    let (mut socket, ready) = publish(&node, "st-1", secret);
    assert_eq!(ready["type"], "ready", "{ready}");
    let listed = token(&["list"]);
    assert!(listed.contains("studio\tst-*\tpublish\tuntil "), "{listed}");
    assert!(!listed.contains(secret), "{listed}");
    token(&["revoke", "studio"]);
    while socket.hear()["code"] != "revoked" {}
    let (_, late) = publish(&node, "st-2", secret);
    assert_eq!(late["code"], "key");
}

#[test]
fn what_is_wrong_with_a_wish_is_said() {
    let node = Node::start();
    for (words, status) in [
        (json!({"name": ""}), 409),
        (json!({"name": "a", "expires": "soon"}), 400),
        (json!({"name": "a", "stream": "a b"}), 400),
        (json!({"name": "a", "may": ["operate"]}), 400),
        (json!({"title": "a"}), 400),
        (json!({"name": "x".repeat(5000)}), 400),
        (json!({"name": "a"}), 201),
        (json!({"name": "a"}), 409),
    ] {
        let (answered, said) = operate(&node, "POST", "/tokens", &words);
        assert_eq!(answered, status, "{said}");
    }
    let (status, _) = operate(&node, "DELETE", "/tokens/none", &Value::Null);
    assert_eq!(status, 404);
}
