//! What is said and never finished, over so many connections that each of them alone is within its bounds.

use super::addresses::goodbye;
use super::innocent::Innocent;
use super::{COUNTED, closed};
use crate::material::picture;
use crate::node::Node;
use crate::socket::{Socket, connected, frame};
use std::io::{Read, Write};
use std::net::TcpStream;

/// As many bytes as one message may have, nearly.
const HALF: usize = 900_000;

/// A message of Socket.IO, of which all is said but its last hundred bytes.
fn unfinished(node: &Node) -> (TcpStream, Vec<u8>) {
    let text = format!(r#"42["x","{}"]"#, "a".repeat(HALF));
    let message = frame(0x81, text.as_bytes());
    let (said, rest) = message.split_at(message.len() - 100);
    let mut stream = connected(node);
    // It may be ended amid that.
    let _ = stream.write_all(said);
    (stream, rest.to_vec())
}

/// Whether this one goes on where others were ended: it finishes what it says, and is answered.
fn goes_on((mut stream, rest): (TcpStream, Vec<u8>)) {
    stream.write_all(&rest).unwrap();
    let asked = frame(0x81, br#"42["clock:get",{"id":7}]"#);
    stream.write_all(&asked).unwrap();
    let mut heard = Vec::new();
    while !String::from_utf8_lossy(&heard).contains("clock:now") {
        let mut some = [0; 4096];
        let count = stream.read(&mut some).unwrap();
        assert!(
            count > 0,
            "it is ended: {}",
            String::from_utf8_lossy(&heard)
        );
        heard.extend_from_slice(&some[..count]);
    }
}

#[test]
fn what_an_address_leaves_unfinished_has_a_bound_at_every_door_and_who_finishes_is_not_touched() {
    let bound = ["--unfinished-bytes-max", "32MiB", "--publishing", "open"];
    let node = Node::start_with(&[&bound[..], &COUNTED].concat());
    // Of the same address.
    let innocent = Innocent::new(&node);

    let mut body = node.connect();
    let head = "PUT /live/half HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000000\r\n\r\n";
    body.write_all(head.as_bytes()).unwrap();
    body.write_all(&picture(2_000_000)[..HALF]).unwrap();
    while node.status("HEAD", "/live/half.mjpeg", &[]) == 404 {}

    let opened = node.get("/socket.io/?EIO=4&transport=polling");
    let sid = opened.text().split('"').nth(3).unwrap().to_owned();
    let mut post = node.connect();
    let head = format!(
        "POST /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 990000\r\n\r\n"
    );
    post.write_all(head.as_bytes()).unwrap();
    post.write_all(&vec![b'4'; HALF]).unwrap();
    assert_eq!(node.get("/health").status, 200);

    let mut native = Socket::open(&node, "/live/native", "abanico.publish.v1", "");
    native.say(r#"{"type":"publish"}"#);
    assert_eq!(native.hear()["type"], "ready");
    let large = frame(0x82, &vec![0; 2 * HALF]);
    native.0.write_all(&large[..HALF]).unwrap();
    assert_eq!(node.get("/health").status, 200);

    let mut sockets: Vec<_> = (0..30).map(|_| unfinished(&node)).collect();
    let told = "your address has too much unfinished (half of unfinished-bytes-max)";
    for (door, answer) in [("PUT", closed(body)), ("POST", closed(post))] {
        assert!(answer.starts_with("HTTP/1.1 429"), "{door}: {answer}");
        assert!(answer.contains(told), "{door}: {answer}");
    }
    let (newest, (oldest, _)) = (sockets.pop().unwrap(), sockets.swap_remove(0));
    for stream in [native.0, oldest] {
        let (code, reason) = goodbye(stream);
        assert_eq!(code, 1008, "{reason}");
        assert!(reason.starts_with(told), "{reason}");
    }
    goes_on(newest);
    innocent.noticed_nothing(&node);
}

#[test]
fn what_all_leave_unfinished_together_has_a_bound_too_though_none_of_them_is_counted() {
    let node = Node::start_with(&["--unfinished-bytes-max", "32MiB"]);
    let innocent = Innocent::new(&node);
    let mut sockets: Vec<_> = (0..50).map(|_| unfinished(&node)).collect();
    let (newest, (oldest, _)) = (sockets.pop().unwrap(), sockets.swap_remove(0));
    let (code, reason) = goodbye(oldest);
    assert_eq!(code, 1008, "{reason}");
    let told = "too much is unfinished here (unfinished-bytes-max)";
    assert!(reason.starts_with(told), "{reason}");
    goes_on(newest);
    drop(sockets);
    innocent.noticed_nothing(&node);
}
