//! A login that somebody else keeps: its tokens, and a server that is asked, at every door.

#![expect(clippy::unwrap_used, reason = "the clients of a test may fail it")]

use crate::matrix::{ELSEWHERE, Socket, Stream, body, offer, said};
use crate::node::{Client, Node, PATIENCE};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime};
use tempfile::TempDir;

const SECRET: &str = "a secret of at least thirty-two bytes";
const CALLBACK_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const KIND: &str = "Content-Type: multipart/x-mixed-replace; boundary=b";
const SDP: &str = "Content-Type: application/sdp";

/// A directory with a file that holds a secret.
fn file(text: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

/// The seconds since 1970, in so much time.
fn seconds_in(time: Duration) -> f64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    (since.unwrap() + time).as_secs_f64()
}

fn token(ends: f64, rights: &Value) -> String {
    let claims = json!({"sub": "ada", "exp": ends, "abanico": rights});
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&Header::default(), &claims, &key).unwrap()
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}

/// Says at the native door that it publishes.
fn publish(node: &Node, key: &str, token: &str) -> (Socket, Value) {
    let mut socket = Socket::open(
        node,
        &format!("/live/{key}"),
        "abanico.publish.v1",
        ELSEWHERE,
    );
    socket.say(&json!({"type": "publish", "token": token}).to_string());
    let heard = socket.hear();
    (socket, heard)
}

/// Begins a body that has more to come.
fn put(node: &Node, key: &str, shown: &str) -> TcpStream {
    let mut put = node.connect();
    let (address, body) = (node.address, body());
    let head = format!(
        "PUT /live/{key} HTTP/1.1\r\nHost: {address}\r\n{ELSEWHERE}\r\n{shown}\r\nTransfer-Encoding: chunked\r\n{KIND}\r\n\r\n"
    );
    let chunk = format!("{:x}\r\n", body.len());
    put.write_all(&[head.as_bytes(), chunk.as_bytes(), &body, b"\r\n"].concat())
        .unwrap();
    put
}

fn live(node: &Node) -> usize {
    node.json("/streams")["streams"].as_array().unwrap().len()
}

/// Asserts that it is the second after a right has ended.
fn is_just_over(ended: f64) {
    let late = seconds_in(Duration::ZERO) - ended;
    assert!((0.0..1.0).contains(&late), "{late} s after the end");
}

#[test]
fn what_a_token_opened_ends_with_the_token_at_every_door() {
    let (_folder, secret) = file(SECRET);
    let node = Node::start_with(&["--jwt-secret-file", &secret]);
    // None for this, none that holds, none of this login.
    let late = token(
        seconds_in(Duration::ZERO) - 180.0,
        &json!({"publish": ["*"]}),
    );
    let other = token(
        seconds_in(Duration::from_secs(60)),
        &json!({"publish": ["other"]}),
    );
    let forged = format!("{}x", &late[..late.len() - 1]);
    for (token, said) in [
        (&late, "the token expired 3 minutes ago"),
        (&forged, "the token's signature is wrong"),
        (&other, "what was shown does not give the right to do this"),
    ] {
        let (_, refused) = publish(&node, "native", token);
        assert_eq!(
            (&refused["code"], &refused["message"]),
            (&json!("key"), &json!(said))
        );
        let answer = node.request(
            "PUT",
            "/live/put",
            &[ELSEWHERE, &bearer(token), KIND],
            body(),
        );
        assert_eq!(answer.text().trim(), said);
    }

    let end = seconds_in(Duration::from_secs(3));
    let token = token(end, &json!({"publish": ["*"]}));
    let shown = bearer(&token);
    let user = json!({"username": "Ada", "role": "STREAMER"});
    let (mut socketio, _) = Client::register_with(&node, &[ELSEWHERE], &user);
    socketio.emit("stream:create", &json!({"key": token}));
    let created = socketio.heard("stream:created");
    let start = json!({"streamKey": created["stream"]["streamKey"]});
    socketio.emit("stream:start", &start);
    socketio.heard("stream:started");
    let (mut native, ready) = publish(&node, "native", &token);
    assert_eq!(ready["type"], "ready", "{ready}");
    let mut put = put(&node, "put", &shown);
    let whip = node.request(
        "POST",
        "/whip/whip",
        &[ELSEWHERE, &shown, SDP],
        offer("sendonly"),
    );
    assert_eq!(whip.status, 201, "{}", said(&whip));
    let begun = Instant::now();
    while live(&node) < 2 {
        assert!(begun.elapsed() < PATIENCE, "the streams do not begin");
    }

    while native.hear()["code"] != "expired" {}
    is_just_over(end);
    let mut answer = [0; 12];
    put.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 410");
    is_just_over(end);
    assert!(socketio.heard("stream:ended")["reason"].is_string());
    is_just_over(end);
    let begun = Instant::now();
    while live(&node) > 0 {
        assert!(begun.elapsed() < PATIENCE, "WHIP's stream stays");
    }
    is_just_over(end);
}

#[test]
fn who_watches_with_a_token_goes_with_it_at_every_door() {
    let (_folder, secret) = file(SECRET);
    let node = Node::start_with(&["--jwt-secret-file", &secret, "--watching", "token"]);
    let stream = Stream::open(&node);
    let key = &stream.key;
    let user = json!({"username": "Bob", "role": "VIEWER"});
    let (mut socketio, _) = Client::register_with(&node, &[ELSEWHERE], &user);
    let join = |token: Option<&str>| json!({"streamKey": key, "token": token});
    let (mjpeg, whep) = (format!("/live/{key}.mjpeg"), format!("/whep/{key}"));
    let watch = |token: &str| {
        let path = format!("/live/{key}?token={token}");
        let mut socket = Socket::open(&node, &path, "abanico.watch.v1", ELSEWHERE);
        socket.say(r#"{"type":"watch"}"#);
        let heard = socket.hear();
        (socket, heard)
    };

    socketio.emit("stream:join", &join(None));
    assert_eq!(socketio.heard_any()[1]["code"], "key-missing");
    assert_eq!(watch("").1["code"], "key");
    for path in [
        &mjpeg,
        &format!("/live/{key}.jpg"),
        &format!("/streams/{key}/poster"),
    ] {
        assert_eq!(node.status("GET", path, &[ELSEWHERE]), 401, "{path}");
    }
    let answer = node.request("POST", &whep, &[ELSEWHERE, SDP], offer("recvonly"));
    assert_eq!(answer.status, 401);
    let other = token(
        seconds_in(Duration::from_secs(60)),
        &json!({"watch": ["x*"]}),
    );
    assert_eq!(
        node.status("GET", &mjpeg, &[ELSEWHERE, &bearer(&other)]),
        403
    );

    let end = seconds_in(Duration::from_secs(3));
    let token = token(end, &json!({"watch": [key]}));
    let shown = bearer(&token);
    socketio.emit("stream:join", &join(Some(&token)));
    socketio.heard("stream:joined");
    let (mut native, welcome) = watch(&token);
    assert_eq!(welcome["type"], "welcome", "{welcome}");
    let mut http = node.connect();
    let head = format!(
        "GET {mjpeg} HTTP/1.1\r\nHost: {}\r\n{shown}\r\n\r\n",
        node.address
    );
    http.write_all(head.as_bytes()).unwrap();
    let mut answer = [0; 12];
    http.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    // It is let in, and finds pictures that WebRTC has no codec for.
    let answer = node.request("POST", &whep, &[ELSEWHERE, &shown, SDP], offer("recvonly"));
    assert_eq!(answer.status, 406, "{}", said(&answer));

    http.read_to_end(&mut Vec::new()).unwrap();
    is_just_over(end);
    while native.told()["code"] != "expired" {}
    is_just_over(end);
    assert_eq!(socketio.heard("stream:ended")["code"], "expired");
    is_just_over(end);
}

#[test]
fn a_key_that_is_withdrawn_takes_with_it_what_its_tokens_opened() {
    let signer = |id: &str| {
        let curve = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pair = EcdsaKeyPair::generate_pkcs8(curve, &SystemRandom::new()).unwrap();
        let key = EncodingKey::from_ec_der(pair.as_ref());
        let mut jwk = Jwk::from_encoding_key(&key, Algorithm::ES256).unwrap();
        jwk.common.key_id = Some(id.to_owned());
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(id.to_owned());
        let end = seconds_in(Duration::from_secs(600));
        let claims =
            json!({"sub": "ada", "exp": end, "aud": "here", "abanico": {"publish": ["*"]}});
        (jwk, jsonwebtoken::encode(&header, &claims, &key).unwrap())
    };
    let ((old, by_old), (new, by_new)) = (signer("old"), signer("new"));
    let set = |keys: Vec<Jwk>| serde_json::to_string(&JwkSet { keys }).unwrap();
    let (_folder, path) = file(&set(vec![old]));
    let node = Node::start_with(&["--jwks", &path, "--jwt-audience", "here"]);
    let (mut native, ready) = publish(&node, "one", &by_old);
    assert_eq!(ready["type"], "ready", "{ready}");
    let (_, refused) = publish(&node, "two", &by_new);
    assert_eq!(
        refused["message"],
        "the token's key new is none of those that this server knows"
    );
    std::fs::write(&path, set(vec![new])).unwrap();
    while native.hear()["code"] != "revoked" {}
    assert_eq!(publish(&node, "two", &by_new).1["type"], "ready");
    assert_eq!(publish(&node, "three", &by_old).1["code"], "key");
}

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
fn an_answer_bounds_how_long_somebody_may() {
    let end = seconds_in(Duration::from_secs(3));
    let hook = Hook::start(move |asked| match asked["type"].as_str() {
        Some("publish") => (200, json!({})),
        _ => (200, json!({"until": end})),
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
    is_just_over(end);
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

#[test]
fn settings_that_do_not_fit_together_end_the_start() {
    let (_folder, short) = file("short");
    for (flags, words) in [
        (&["--jwt-issuer", "x"][..], "set jwt-secret-file or jwks"),
        (&["--jwt-secret-file", &short][..], "HS256 needs 32"),
        (&["--jwks", &short][..], "this is no JWKS"),
        (
            &["--callback-url", "https://example.org/"][..],
            "needs callback-secret-file",
        ),
        (
            &[
                "--callback-url",
                "https://example.org/",
                "--callback-secret-file",
                &short,
            ][..],
            "24 are needed",
        ),
    ] {
        let data = tempfile::tempdir().unwrap();
        let mut command = crate::node::abanico();
        command.args(["--listen", "127.0.0.1:0", "--data"]);
        let ran = crate::node::ran(command.arg(data.path()).args(flags));
        let complaint = String::from_utf8(ran.stderr).unwrap();
        assert!(
            !ran.status.success() && complaint.contains(words),
            "{complaint}"
        );
        assert!(!complaint.contains("short\n"), "{complaint}");
    }
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
    let documented = include_str!("../../../../docs/login.md");
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

#[test]
fn no_token_of_a_login_is_in_a_log() {
    let (_folder, secret) = file(SECRET);
    let mut node = Node::start_with_log(&["--log", "debug", "--jwt-secret-file", &secret]);
    let good = token(
        seconds_in(Duration::from_secs(60)),
        &json!({"publish": ["*"]}),
    );
    let bad = format!("{good}x");
    for shown in [&good, &bad] {
        publish(&node, "native", shown);
        node.request(
            "PUT",
            "/live/put",
            &[ELSEWHERE, &bearer(shown), KIND],
            body(),
        );
        node.status(
            "GET",
            &format!("/live/none.mjpeg?token={shown}"),
            &[ELSEWHERE],
        );
    }
    node.signal("TERM");
    node.ended();
    let log = node.log();
    let (_, claims) = good.split_once('.').unwrap();
    assert!(
        !log.contains(&claims[..20]) && !log.contains(SECRET),
        "{log}"
    );
    assert!(log.len() > 1000, "the log was read");
}
