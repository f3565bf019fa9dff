//! Bodies over HTTP: without an end, without a pause, packed, or sent to whom nobody listens.

use super::closed;
use crate::answer::head_of;
use crate::material::{body, picture};
use crate::node::{Node, PATIENCE};
use serde_json::json;
use std::io::{Read, Write};
use std::time::Instant;

#[test]
fn a_body_that_stands_still_has_broken_off() {
    let node = Node::start_with(&["--body-timeout", "300ms"]);
    let mut body = node.connect();
    body.write_all(
        b"PUT /live/slow HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999\r\n\r\n\xff\xd8",
    )
    .unwrap();
    let heard = closed(body);
    assert!(heard.starts_with("HTTP/1.1 408"), "{heard}");
    assert!(heard.contains("(body-timeout)"), "{heard}");
}

#[test]
fn a_publisher_that_closes_right_behind_its_body_has_ended_its_stream() {
    let node = Node::start_with(&["--publisher-grace", "10m"]);
    for round in 0..20 {
        let path = format!("/live/brief{round}");
        let mut publisher = node.connect();
        let head =
            format!("PUT {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
        publisher.write_all(head.as_bytes()).unwrap();
        let picture = picture(3000);
        let chunk = [b"bb8\r\n", &picture[..], b"\r\n"].concat();
        publisher.write_all(&chunk.repeat(2)).unwrap();
        let watched = format!("{path}.mjpeg");
        while node.status("HEAD", &watched, &[]) == 404 {}
        let mut viewer = node.connect();
        let request =
            format!("GET {watched} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        viewer.write_all(request.as_bytes()).unwrap();
        viewer.read_exact(&mut [0; 1000]).unwrap();
        publisher
            .write_all(&[&chunk[..], b"0\r\n\r\n"].concat())
            .unwrap();
        drop(publisher);
        // Not after the grace: nobody could come back.
        viewer.read_to_end(&mut Vec::new()).unwrap();
        assert_eq!(node.status("HEAD", &watched, &[]), 410);
    }
}

#[test]
fn whatever_is_said_to_a_body_without_an_end_its_connection_is_closed() {
    let node = Node::start_with(&["--trusted-proxies", "127.0.0.1"]);
    let key = format!("Authorization: Bearer {}", node.key());
    let said = |method: &str, path: &str, header: &str| {
        let mut stream = node.connect();
        let from = "X-Forwarded-For: 203.0.113.9";
        let head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\n{from}\r\n{header}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let answer = head_of(&mut stream).to_lowercase();
        (stream, answer)
    };
    for (path, header, status) in [
        ("/live/a", "X: y", 401),
        ("/live/a", "Authorization: Basic ???", 401),
        ("/live/a", "Authorization: Bearer abt-x", 401),
        ("/live/a%20b", &key, 400),
        ("/live/a.webm/x", &key, 404),
    ] {
        for method in ["PUT", "SOURCE"] {
            let (_, answer) = said(method, path, header);
            let name = format!("{method} {path} {header}: {answer}");
            assert!(answer.starts_with(&format!("http/1.1 {status}")), "{name}");
            assert!(answer.contains("connection: close\r\n"), "{name}");
        }
    }
    // Such a source is answered before it sends anything, and what it sends then is its stream.
    let kind = "Content-Type: multipart/x-mixed-replace; boundary=b";
    let (mut source, answer) = said("SOURCE", "/live/a", &format!("{key}\r\n{kind}"));
    assert!(answer.starts_with("http/1.1 200"), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    let body = body();
    source
        .write_all(&body[..body.len() - "--b--\r\n".len()])
        .unwrap();
    source.write_all(b"--b\r\n").unwrap();
    let begun = Instant::now();
    while node.json("/streams")["streams"] == json!([]) {
        assert!(begun.elapsed() < PATIENCE, "the stream does not begin");
    }
}
