//! Links to private streams at every door: who is let in, how many, and until when; and that no log names the stream.

#![expect(clippy::unwrap_used, reason = "the clients of a test may fail it")]

use crate::answer::{head_of, said};
use crate::client::Client;
use crate::material::{body, offer};
use crate::node::{Node, PATIENCE};
use crate::socket::Socket;
use crate::stream::{ELSEWHERE, Stream};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

/// Makes a link as its publisher does, and gives its token.
pub(crate) fn link(stream: &Stream<'_>, wanted: &Value) -> String {
    let path = format!("/streams/{}/links", stream.key);
    let shown = format!("Authorization: Bearer {}", stream.token);
    let headers = [ELSEWHERE, &shown];
    let made = stream
        .node
        .request("POST", &path, &headers, wanted.to_string());
    assert_eq!(made.status, 201, "{}", said(&made));
    let made: Value = serde_json::from_slice(&made.body).unwrap();
    made["token"].as_str().unwrap().to_owned()
}

#[test]
fn nobody_looks_past_the_seats_of_a_link() {
    let node = Node::start();
    let stream = Stream::open_as(&node, &json!({"private": true}));
    let token = link(&stream, &json!({"seats": 1}));
    let paths = [
        format!("/live/{}.jpg?token={token}", stream.key),
        format!("/streams/{}/poster?token={token}", stream.key),
    ];
    let looks = || {
        paths
            .each_ref()
            .map(|path| node.request("GET", path, &[ELSEWHERE], ""))
    };
    // A look leaves the seat free.
    assert_eq!(looks().map(|look| look.status), [200; 2]);
    let seated = watch(&stream, &stream.key, Some(&token), false);
    assert_eq!(seated.1["type"], "welcome", "{}", seated.1);
    for look in looks() {
        let (status, said) = (look.status, said(&look));
        assert_eq!(
            (status, said.trim()),
            (503, "all seats of this link are taken now")
        );
        assert!(look.header("retry-after").is_some());
    }
    drop(seated);
    let begun = Instant::now();
    while looks().iter().any(|look| look.status != 200) {
        assert!(begun.elapsed() < PATIENCE, "the seat is not free again");
    }
}

/// What somebody hears first who would like to watch at the native door.
fn watch(stream: &Stream<'_>, key: &str, shown: Option<&str>, in_address: bool) -> (Socket, Value) {
    let query = shown.filter(|_| in_address);
    let query = query.map(|token| format!("?token={token}"));
    let path = format!("/live/{key}{}", query.unwrap_or_default());
    let mut socket = Socket::open(stream.node, &path, "abanico.watch.v1", ELSEWHERE);
    let mut first = json!({"type": "watch"});
    if let Some(token) = shown.filter(|_| !in_address) {
        first["token"] = json!(token);
    }
    socket.say(&first.to_string());
    let heard = socket.hear();
    (socket, heard)
}

#[test]
fn the_native_door_and_socketio_let_in_who_shows_a_link_and_nobody_else() {
    let node = Node::start();
    let stream = Stream::open_as(&node, &json!({"private": true}));
    let good = link(&stream, &json!({"seats": 3}));
    let void = link(&stream, &json!({"expires": "0s"}));
    let viewer = json!({"username": "Bob", "role": "VIEWER"});
    for (shown, is_in) in [(None, false), (Some(&void), false), (Some(&good), true)] {
        let shown = shown.map(String::as_str);
        for in_address in [false, true] {
            let (_, heard) = watch(&stream, &stream.key, shown, in_address);
            let (_, nowhere) = watch(&stream, "none", shown, in_address);
            assert_eq!(nowhere["code"], "no-stream");
            if is_in {
                assert_eq!(heard["type"], "welcome", "{heard}");
            } else {
                assert_eq!(heard, nowhere);
            }
        }
        let (mut client, _) = Client::register_with(&node, &[ELSEWHERE], &viewer);
        let mut first = Vec::new();
        for key in [&*stream.key, "none"] {
            for more in [json!({}), json!({"media": false})] {
                let mut join = json!({"streamKey": key, "token": shown});
                join.as_object_mut()
                    .unwrap()
                    .extend(more.as_object().unwrap().clone());
                client.emit("stream:join", &join);
                let heard = loop {
                    let heard = client.heard_any();
                    let name = heard[0].as_str().unwrap();
                    if ["stream:joined", "stream:error"].contains(&name) {
                        break heard;
                    }
                };
                first.push(heard);
            }
        }
        if is_in {
            assert_eq!(
                (&first[0][0], &first[1][0]),
                (&json!("stream:joined"), &json!("stream:joined"))
            );
        } else {
            assert_eq!(first[..2], first[2..]);
            // Whoever is not in it says nothing there, and learns nothing of it.
            for (event, payload) in [
                (
                    "stream:poster",
                    json!({"streamKey": stream.key, "data": "data:image/jpeg;base64,/9j/2Q=="}),
                ),
                (
                    "stream:poster",
                    json!({"streamKey": stream.key, "data": "x", "publishToken": "x"}),
                ),
                (
                    "chat:message:send",
                    json!({"streamKey": stream.key, "content": "psst"}),
                ),
                (
                    "stream:end",
                    json!({"streamKey": stream.key, "publishToken": "x"}),
                ),
            ] {
                client.emit(event, &payload);
            }
            let refused = client.heard_any();
            for event in ["stream:poster", "stream:end"] {
                let payload = json!({"streamKey": "none", "data": "x", "publishToken": "x"});
                client.emit(event, &payload);
            }
            assert_eq!(refused, client.heard_any());
            client.emit("clock:get", &json!({}));
            assert_eq!(client.heard_any()[0], "clock:now");
            client.emit("users:get", &json!({}));
            let users = client.heard("users:list");
            assert!(!users.to_string().contains(&stream.key), "{users}");
        }
    }
    for path in ["/streams", "/health"] {
        let told = node.get(path);
        assert!(!said(&told).contains(&stream.key[..6]), "{}", said(&told));
    }
}

#[test]
fn a_link_has_its_seats_and_its_end_puts_out_who_watches_at_every_door() {
    let node = Node::start();
    let stream = Stream::open_as(&node, &json!({"private": true}));
    let token = link(&stream, &json!({"seats": 3}));
    let (native, heard) = watch(&stream, &stream.key, Some(&token), false);
    assert_eq!(heard["type"], "welcome", "{heard}");
    let mut body = node.connect();
    ask(
        &node,
        &mut body,
        &format!("/live/{}.mjpeg?token={token}", stream.key),
    );
    let viewer = json!({"username": "Bob", "role": "VIEWER"});
    let (mut client, _) = Client::register_with(&node, &[ELSEWHERE], &viewer);
    let join = json!({"streamKey": stream.key, "token": token});
    client.emit("stream:join", &join);
    client.heard("stream:joined");
    // Who is there already comes again on its own seat; another finds none.
    client.emit("stream:join", &join);
    client.heard("stream:joined");
    let (_, full) = watch(&stream, &stream.key, Some(&token), false);
    assert_eq!(full["code"], "full", "{full}");
    client.emit("stream:leave", &join);
    client.emit("clock:get", &json!({}));
    client.heard("clock:now");
    let (mut other, heard) = watch(&stream, &stream.key, Some(&token), true);
    assert_eq!(heard["type"], "welcome", "{heard}");
    drop(native);
    let taken = |count: u64| {
        let path = format!("/streams/{}/links", stream.key);
        let shown = format!("Authorization: Bearer {}", stream.token);
        let listed = node.request("GET", &path, &[&shown], "");
        let listed: Value = serde_json::from_slice(&listed.body).unwrap();
        assert!(!listed.to_string().contains(&token));
        (listed["links"][0]["taken"] == count).then(|| listed["links"][0]["id"].clone())
    };
    let begun = std::time::Instant::now();
    let id = loop {
        if let Some(id) = taken(2) {
            break id;
        }
        assert!(
            begun.elapsed() < crate::node::PATIENCE,
            "a seat is not given up"
        );
    };
    client.emit("stream:join", &join);
    client.heard("stream:joined");

    let path = format!("/streams/{}/links/{}", stream.key, id.as_str().unwrap());
    let shown = format!("Authorization: Bearer {}", stream.token);
    assert_eq!(node.status("DELETE", &path, &[&shown]), 200);
    assert_eq!(client.heard("stream:ended")["code"], "revoked");
    while other.told()["code"] != "revoked" {}
    // The body is over, and the connection with it.
    body.read_to_end(&mut Vec::new()).unwrap();
    let (_, late) = watch(&stream, &stream.key, Some(&token), false);
    assert_eq!(late["code"], "no-stream");
}

/// Sends a request to watch, and reads the head of the answer.
fn ask(node: &Node, stream: &mut TcpStream, path: &str) {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {}\r\n{ELSEWHERE}\r\n\r\n",
        node.address
    );
    stream.write_all(request.as_bytes()).unwrap();
    let answer = head_of(stream);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{path}: {answer}");
}

#[test]
fn a_log_of_a_private_stream_at_all_doors_has_its_key_nowhere() {
    const KEY: &str = "secretroom";
    let mut node = Node::start_with_log(&["--log", "trace"]);
    let shown = format!("Authorization: Bearer {}", node.key());
    let kind = "Content-Type: multipart/x-mixed-replace; boundary=b";
    // Bodies, one of which takes no seat.
    let path = format!("/live/{KEY}?private=1");
    for sent in [body(), b"--b\r\n".to_vec()] {
        node.request("PUT", &path, &[&shown, kind], sent);
    }
    // WebRTC that ends before it begins.
    let sdp = "Content-Type: application/sdp";
    let whip = format!("/whip/{KEY}?private=1");
    let made = node.request("POST", &whip, &[&shown, sdp], offer("sendonly"));
    assert_eq!(made.status, 201, "{}", said(&made));
    let session = made.header("location").unwrap().to_owned();
    assert_eq!(node.status("DELETE", &session, &[]), 200);
    // The native door and Socket.IO, with a viewer at each door of watching.
    let stream = Stream::open_as(&node, &json!({"private": true}));
    let key = stream.key.clone();
    let token = link(&stream, &json!({}));
    let (socket, heard) = watch(&stream, &key, Some(&token), false);
    assert_eq!(heard["type"], "welcome", "{heard}");
    let bearer = format!("Authorization: Bearer {token}");
    for path in [format!("/live/{key}.jpg"), format!("/streams/{key}/poster")] {
        assert_eq!(node.status("GET", &path, &[&bearer]), 200, "{path}");
    }
    let mut publisher = Socket::open(
        &node,
        &format!("/live/{key}"),
        "abanico.publish.v1",
        ELSEWHERE,
    );
    publisher.say(&json!({"type": "publish", "token": stream.token}).to_string());
    assert_eq!(publisher.hear()["type"], "ready");
    drop((publisher, socket, stream));
    node.signal("TERM");
    let log = node.log();
    node.ended();
    for door in ["body of a publisher ended", "WebRTC of a publisher ended"] {
        assert!(log.contains(door), "{door} is not in the log: {log}");
    }
    let tells = |line: &&str| line.contains(KEY) || line.contains(&key);
    let told: Vec<_> = log.lines().filter(tells).collect();
    assert!(told.is_empty(), "{told:#?}");
}
