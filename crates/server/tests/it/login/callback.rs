//! A server of the operator's that is asked at every door, and told of ends.

#![expect(clippy::unwrap_used, reason = "the clients of a test may fail it")]

use super::{KIND, SDP, bearer, file, is_just_over, publish, seconds_in};
use crate::answer::said;
use crate::client::Client;
use crate::material::{body, offer};
use crate::node::{Node, PATIENCE};
use crate::socket::Socket;
use crate::stream::{ELSEWHERE, Stream};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock, mpsc};
use std::time::Duration;

const CALLBACK_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A server that is asked, and what it is asked.
struct Hook {
    address: SocketAddr,
    heard: mpsc::Receiver<Value>,
}

impl Hook {
    /// Answers each body with a status and a body.
    fn start(answer: impl Fn(&Value) -> (u16, Value) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, heard) = mpsc::channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut length = 0;
                loop {
                    let mut line = String::new();
                    if reader.read_line(&mut line).unwrap() < 3 {
                        break;
                    }
                    let line = line.to_lowercase();
                    if let Some(value) = line.strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                let asked: Value = serde_json::from_slice(&body).unwrap();
                let (status, answer) = answer(&asked);
                let answer = answer.to_string();
                let length = answer.len();
                let text = format!(
                    "HTTP/1.1 {status} So\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{answer}"
                );
                // Told before it is answered: who has the answer finds it there.
                let _ = sender.send(asked);
                let _ = stream.write_all(text.as_bytes());
            }
        });
        Self { address, heard }
    }

    fn next(&self) -> Value {
        self.heard.recv_timeout(PATIENCE).unwrap()
    }
}

/// A server that asks whoever is at an address.
fn asking(address: SocketAddr, secret: &str, flags: &[&str]) -> Node {
    let address = format!("http://{address}/hook");
    let always = [
        "--publishing",
        "open",
        "--callback-url",
        &address,
        "--callback-secret-file",
        secret,
    ];
    Node::start_with(&[&always, flags].concat())
}

const HERE: [&str; 2] = ["--outgoing-allow", "127.0.0.1"];

#[test]
fn nobody_is_asked_about_streams_that_are_none_or_let_nobody_in() {
    let hook = Hook::start(|asked| match asked["type"].as_str() {
        Some("watch") => (403, json!({"message": "members only"})),
        _ => (200, json!({})),
    });
    let (_folder, secret) = file(CALLBACK_SECRET);
    let node = asking(hook.address, &secret, &HERE);
    let private = Stream::open_as(&node, &json!({"private": true}));
    assert_eq!(hook.next()["type"], "publish");
    let user = json!({"username": "Bob", "role": "VIEWER"});
    let (mut socketio, _) = Client::register_with(&node, &[ELSEWHERE], &user);
    for key in ["none", &private.key] {
        for path in [
            format!("/live/{key}.jpg?token=x"),
            format!("/live/{key}.mjpeg?token=x"),
            format!("/streams/{key}/poster?token=x"),
        ] {
            assert_eq!(node.status("GET", &path, &[ELSEWHERE]), 404, "{path}");
        }
        let whep = format!("/whep/{key}");
        let answer = node.request("POST", &whep, &[ELSEWHERE, SDP], offer("recvonly"));
        assert_eq!(answer.status, 404, "{}", said(&answer));
        let path = format!("/live/{key}?token=x");
        let mut native = Socket::open(&node, &path, "abanico.watch.v1", ELSEWHERE);
        native.say(r#"{"type":"watch"}"#);
        assert_eq!(native.hear()["code"], "no-stream");
        socketio.emit("stream:join", &json!({"streamKey": key, "token": "x"}));
        let refused = socketio.heard_any();
        assert_eq!(refused[1]["message"], "Stream no encontrado", "{refused}");
    }
    // Where it could be enough, it is asked about, and the answer counts.
    let (path, shown) = (format!("/live/{}.jpg", private.key), bearer(&private.token));
    assert_eq!(node.status("GET", &path, &[ELSEWHERE, &shown]), 403);
    assert_eq!(hook.next()["data"]["token"], json!(private.token));
}

#[test]
fn whoever_is_asked_decides_at_every_door_and_hears_of_the_end() {
    // A token that says no is refused, one that is broken breaks who is asked.
    let hook = Hook::start(|asked| match asked["data"]["token"].as_str() {
        Some("no") => (403, json!({"message": "members only"})),
        Some("broken") => (500, json!({})),
        _ => (200, json!({})),
    });
    let (_folder, secret) = file(CALLBACK_SECRET);
    let node = asking(hook.address, &secret, &HERE);
    let stream = Stream::open(&node);
    assert_eq!(hook.next()["type"], "publish");
    let key = &stream.key;

    let user = json!({"username": "Bob", "role": "STREAMER"});
    let (mut socketio, _) = Client::register_with(&node, &[ELSEWHERE], &user);
    for (event, shown, name) in [
        ("stream:create", "key", "publish"),
        ("stream:join", "token", "watch"),
    ] {
        for (token, code) in [("no", "denied"), ("broken", "key-later")] {
            let mut payload = json!({"streamKey": key});
            payload[shown] = json!(token);
            socketio.emit(event, &payload);
            let refused = socketio.heard_any();
            assert_eq!(
                (&refused[0], &refused[1]["code"]),
                (&json!("stream:error"), &json!(code))
            );
            let asked = hook.next();
            assert_eq!(
                (&asked["type"], &asked["data"]["token"]),
                (&json!(name), &json!(token))
            );
            assert_eq!(asked["data"]["address"], "127.0.0.1");
        }
    }
    let watch = |token: &str| {
        let path = format!("/live/{key}?token={token}");
        let mut socket = Socket::open(&node, &path, "abanico.watch.v1", ELSEWHERE);
        socket.say(r#"{"type":"watch"}"#);
        socket.hear()
    };
    for (token, code) in [("no", "denied"), ("broken", "full")] {
        assert_eq!(publish(&node, "native", token).1["code"], code);
        assert_eq!(hook.next()["type"], "publish");
        assert_eq!(watch(token)["code"], code);
        assert_eq!(hook.next()["type"], "watch");
    }
    let (mjpeg, jpg) = (format!("/live/{key}.mjpeg"), format!("/live/{key}.jpg"));
    let (whep, poster) = (format!("/whep/{key}"), format!("/streams/{key}/poster"));
    for (method, path, kind, sent, name) in [
        ("PUT", "/live/new", KIND, body(), "publish"),
        ("POST", "/live/new", KIND, body(), "publish"),
        ("SOURCE", "/live/new", KIND, body(), "publish"),
        (
            "POST",
            "/whip/new",
            SDP,
            offer("sendonly").into_bytes(),
            "publish",
        ),
        ("GET", &mjpeg, KIND, Vec::new(), "watch"),
        ("HEAD", &mjpeg, KIND, Vec::new(), "watch"),
        ("GET", &jpg, KIND, Vec::new(), "watch"),
        ("GET", &poster, KIND, Vec::new(), "watch"),
        ("POST", &whep, SDP, offer("recvonly").into_bytes(), "watch"),
    ] {
        for (token, status) in [("no", 403), ("broken", 503)] {
            let answer = node.request(method, path, &[ELSEWHERE, &bearer(token), kind], &sent);
            assert_eq!(answer.status, status, "{method} {path}: {}", said(&answer));
            if token == "no" && method != "HEAD" {
                assert_eq!(answer.text().trim(), "members only");
            }
            assert_eq!(hook.next()["type"], name, "{method} {path}");
        }
    }
    // The operator is let in unasked, and ends the stream, which is told.
    let ended = node.request(
        "DELETE",
        &format!("/streams/{key}"),
        &[&bearer(node.key())],
        "",
    );
    assert_eq!(ended.status, 200);
    let told = hook.next();
    assert_eq!(
        (&told["type"], &told["data"]["stream"]),
        (&json!("end"), &json!(key))
    );
    assert!(told["data"]["endedAt"].is_string(), "{told}");
}

#[test]
fn what_is_done_over_one_connection_is_told_with_its_id_up_to_the_end() {
    let hook = Hook::start(|_| (200, json!({})));
    let (_folder, secret) = file(CALLBACK_SECRET);
    let node = asking(hook.address, &secret, &HERE);
    let next = |kind: &str| {
        let told = hook.next();
        assert_eq!(told["type"], kind, "{told}");
        let connection = told["data"]["connection"].as_str().unwrap();
        assert_eq!(connection.len(), 36);
        connection.to_owned()
    };
    // The stream has no key when it is asked about, so only this ties its end to it.
    let mut first = Stream::open(&node);
    let publisher = next("publish");
    let second = Stream::open(&node);
    let other = next("publish");
    assert_ne!(publisher, other);
    first
        .publisher
        .emit("stream:join", &json!({"streamKey": second.key}));
    assert_eq!(next("watch"), publisher);
    let path = format!("/live/{}.jpg", first.key);
    assert_eq!(node.status("GET", &path, &[]), 200);
    let viewer = next("watch");
    assert_eq!(node.status("GET", &path, &[]), 200);
    let again = next("watch");
    assert!(viewer != again && viewer != publisher && again != publisher);
    for (stream, connection) in [(&second, other), (&first, publisher)] {
        let path = format!("/streams/{}", stream.key);
        assert_eq!(node.status("DELETE", &path, &[&bearer(node.key())]), 200);
        assert_eq!(next("end"), connection);
    }
}

#[test]
fn an_answer_bounds_how_long_somebody_may() {
    // From the first time on that it is asked about who watches.
    let until = Arc::new(OnceLock::new());
    let told = Arc::clone(&until);
    let hook = Hook::start(move |asked| match asked["type"].as_str() {
        Some("publish") => (200, json!({})),
        _ => {
            let end = told.get_or_init(|| seconds_in(Duration::from_secs(2)));
            (200, json!({"until": end}))
        }
    });
    let (_folder, secret) = file(CALLBACK_SECRET);
    let node = asking(hook.address, &secret, &HERE);
    let stream = Stream::open(&node);
    let mut watch = node.connect();
    let head = format!(
        "GET /live/{}.mjpeg HTTP/1.1\r\nHost: {}\r\n\r\n",
        stream.key, node.address
    );
    watch.write_all(head.as_bytes()).unwrap();
    let mut answer = [0; 12];
    watch.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    watch.read_to_end(&mut Vec::new()).unwrap();
    is_just_over(*until.get().unwrap());
    assert_eq!(node.get(&format!("/live/{}.mjpeg", stream.key)).status, 403);
}

#[test]
fn nobody_at_an_inner_address_is_asked_unless_it_is_listed() {
    let hook = Hook::start(|_| (200, json!({})));
    let (_folder, secret) = file(CALLBACK_SECRET);
    for flags in [&[][..], &["--outgoing-allow", "10.0.0.0/8"][..]] {
        let node = asking(hook.address, &secret, flags);
        let answer = node.request("PUT", "/live/new", &[KIND], body());
        assert_eq!(answer.status, 503, "{}", said(&answer));
        assert!(answer.header("retry-after").is_some());
        // What is told says nothing of what stands behind it.
        assert!(!answer.text().contains("127.0.0.1"), "{}", said(&answer));
    }
    assert!(hook.heard.try_recv().is_err());
}

/// Ended with the test.
struct Example(Child);

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_example_of_the_documentation_verifies_and_decides() {
    let documented = include_str!("../../../../../docs/login.md");
    let (_, code) = documented.split_once("```js\n").unwrap();
    let (code, _) = code.split_once("```").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("callback.mjs");
    std::fs::write(&path, code).unwrap();
    let start = |secret: &str| {
        let mut node = Command::new("node");
        let node = node.arg(&path).env("SECRET", secret).env("PORT", "0");
        let mut example = Example(node.stdout(Stdio::piped()).spawn().unwrap());
        let mut port = String::new();
        let mut told = BufReader::new(example.0.stdout.take().unwrap());
        told.read_line(&mut port).unwrap();
        let address: SocketAddr = format!("127.0.0.1:{}", port.trim()).parse().unwrap();
        (example, address)
    };
    let (_folder, secret) = file(CALLBACK_SECRET);
    let put = |node: &Node, token: &str| {
        let answer = node.request(
            "PUT",
            "/live/new",
            &[ELSEWHERE, &bearer(token), KIND],
            body(),
        );
        (answer.status, said(&answer))
    };
    let (_example, address) = start(CALLBACK_SECRET);
    let node = asking(address, &secret, &HERE);
    assert_eq!(
        put(&node, "wrong"),
        (403, "only members publish\n".to_owned())
    );
    assert_eq!(put(&node, "sesame").0, 200);
    // With another secret it does not believe what it is asked.
    let (_example, address) = start("whsec_bm90IHRoZSBzZWNyZXQgdGhhdCBpcyBtZWFudA==");
    let node = asking(address, &secret, &HERE);
    assert_eq!(put(&node, "sesame").0, 403);
}
