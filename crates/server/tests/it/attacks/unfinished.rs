//! What is said and never finished, over so many connections that each of them alone is within its bounds.

use super::addresses::goodbye;
use super::innocent::Innocent;
use super::{COUNTED, closed};
use crate::answer::head_of;
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

/// A publisher's body that stands amid a picture, and what is not said of it.
fn half_body(node: &Node, key: &str) -> (TcpStream, Vec<u8>) {
    let picture = picture(2_000_000);
    let length = picture.len();
    let head =
        format!("PUT /live/{key} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n");
    let mut body = node.connect();
    body.write_all(head.as_bytes()).unwrap();
    // It may be ended amid that.
    let _ = body.write_all(&picture[..HALF]);
    while node.status("HEAD", &format!("/live/{key}.mjpeg"), &[]) == 404 {}
    (body, picture[HALF..].to_vec())
}

/// What is told to whose address has too much.
const OF_ADDRESS: &str = "your address has too much unfinished (half of unfinished-bytes-max)";

#[test]
fn what_an_address_leaves_unfinished_has_a_bound_and_who_finishes_or_publishes_is_not_touched() {
    let bound = ["--unfinished-bytes-max", "32MiB", "--publishing", "open"];
    let node = Node::start_with(&[&bound[..], &COUNTED].concat());
    // Of the same address.
    let innocent = Innocent::new(&node);
    let (mut publisher, rest) = half_body(&node, "half");

    let opened = node.get("/socket.io/?EIO=4&transport=polling");
    let sid = opened.text().split('"').nth(3).unwrap().to_owned();
    let mut post = node.connect();
    let head = format!(
        "POST /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 990000\r\n\r\n"
    );
    post.write_all(head.as_bytes()).unwrap();
    post.write_all(&vec![b'4'; HALF]).unwrap();
    assert_eq!(node.get("/health").status, 200);

    let mut sockets: Vec<_> = (0..30).map(|_| unfinished(&node)).collect();
    let answer = closed(post);
    assert!(answer.starts_with("HTTP/1.1 429"), "{answer}");
    assert!(answer.contains(OF_ADDRESS), "{answer}");
    let (newest, (oldest, _)) = (sockets.pop().unwrap(), sockets.swap_remove(0));
    let (code, reason) = goodbye(oldest);
    assert_eq!(code, 1008, "{reason}");
    assert!(reason.starts_with(OF_ADDRESS), "{reason}");
    goes_on(newest);
    // It has stood longer than all of these.
    publisher.write_all(&rest).unwrap();
    let answer = head_of(&mut publisher);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    innocent.noticed_nothing(&node);
}

#[test]
fn what_publishers_of_one_address_leave_unfinished_has_a_bound_too() {
    let bound = ["--unfinished-bytes-max", "32MiB", "--publishing", "open"];
    let node = Node::start_with(&[&bound[..], &COUNTED].concat());
    let innocent = Innocent::new(&node);
    let (first, _) = half_body(&node, "half");
    let mut native = Socket::open(&node, "/live/native", "abanico.publish.v1", "");
    native.say(r#"{"type":"publish"}"#);
    assert_eq!(native.hear()["type"], "ready");
    let large = frame(0x82, &vec![0; 2 * HALF]);
    native.0.write_all(&large[..HALF]).unwrap();
    assert_eq!(node.get("/health").status, 200);

    let mut bodies: Vec<_> = (0..20)
        .map(|nth| half_body(&node, &format!("half{nth}")))
        .collect();
    let answer = closed(first);
    assert!(answer.starts_with("HTTP/1.1 429"), "{answer}");
    assert!(answer.contains(OF_ADDRESS), "{answer}");
    let (code, reason) = goodbye(native.0);
    assert_eq!(code, 1008, "{reason}");
    assert!(reason.starts_with(OF_ADDRESS), "{reason}");
    let (mut newest, rest) = bodies.pop().unwrap();
    newest.write_all(&rest).unwrap();
    let answer = head_of(&mut newest);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
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
