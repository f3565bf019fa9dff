//! Tokens that somebody else signs, at every door: what they open, and that it ends with them.

#![expect(clippy::unwrap_used, reason = "the clients of a test may fail it")]

use super::{KIND, SDP, bearer, file, is_just_over, publish, seconds_in};
use crate::answer::said;
use crate::client::Client;
use crate::material::{body, offer};
use crate::node::{Node, PATIENCE};
use crate::socket::Socket;
use crate::stream::{ELSEWHERE, Stream};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// What a server checks such tokens with.
pub(crate) const SECRET: &str = "a secret of at least thirty-two bytes";

/// A token of Ada's.
fn token(ends: f64, rights: &Value) -> String {
    token_of("ada", ends, rights)
}

fn token_of(sub: &str, ends: f64, rights: &Value) -> String {
    let claims = json!({"sub": sub, "exp": ends, "abanico": rights});
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&Header::default(), &claims, &key).unwrap()
}

/// One with which everybody's streams may be published and kept in order.
pub(crate) fn signed() -> String {
    let rights = json!({"publish": ["*"], "moderate": ["*"]});
    token(seconds_in(Duration::from_secs(3600)), &rights)
}

/// The same whose time is over.
pub(crate) fn expired() -> String {
    let rights = json!({"publish": ["*"], "moderate": ["*"]});
    token(seconds_in(Duration::ZERO) - 3600.0, &rights)
}

/// One of another user's, for whom the streams of the tables are opened.
pub(crate) fn holder() -> String {
    let ends = seconds_in(Duration::from_secs(3600));
    token_of("holder", ends, &json!({"publish": ["*"]}))
}

/// One of the same user's with which streams are watched, and no more.
pub(crate) fn namesake() -> String {
    let ends = seconds_in(Duration::from_secs(3600));
    token_of("holder", ends, &json!({"watch": ["*"]}))
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
    socketio.go_live(&json!({"key": token}));
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
fn a_stream_goes_on_with_a_newer_token_of_its_holder_that_may_publish_and_with_no_other() {
    let (_folder, secret) = file(SECRET);
    let node = Node::start_with(&["--jwt-secret-file", &secret]);
    let publishes = json!({"publish": ["*"]});
    let end = seconds_in(Duration::from_secs(2));
    let mut opened = Vec::new();
    for key in ["kept", "given-up"] {
        let (socket, ready) = publish(&node, key, &token(end, &publishes));
        assert_eq!(ready["type"], "ready", "{ready}");
        opened.push(socket);
    }
    let later = seconds_in(Duration::from_secs(60));
    let others = json!({"publish": ["others"], "watch": ["*"]});
    for rights in [json!({"watch": ["*"]}), json!({}), others] {
        let token = token(later, &rights);
        for key in ["kept", "given-up"] {
            assert_eq!(publish(&node, key, &token).1["code"], "token", "{rights}");
        }
    }
    let (_kept, ready) = publish(&node, "kept", &token(later, &publishes));
    assert_eq!(ready["type"], "ready", "{ready}");
    let mut given_up = opened.pop().unwrap();
    while given_up.hear()["code"] != "expired" {}
    is_just_over(end);
    let known = |key| node.status("DELETE", &format!("/streams/{key}"), &[ELSEWHERE]);
    assert_eq!((known("kept"), known("given-up")), (401, 404));
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
