//! Keeping order: what its publisher and a moderator do, and that it holds for whom it concerns and nobody else.

use crate::answer::said;
use crate::client::Client;
use crate::node::Node;
use crate::socket::Socket;
use crate::stream::{ELSEWHERE, Stream};
use serde_json::{Value, json};

/// Hears the next answer to a wish to join.
fn join(client: &mut Client<'_>, key: &str) -> Value {
    client.emit("stream:join", &json!({"streamKey": key}));
    loop {
        let heard = client.heard_any();
        if heard[0] == "stream:joined" || heard[0] == "stream:error" {
            return heard;
        }
    }
}

fn watch(stream: &Stream<'_>, header: &str) -> (Socket, Value) {
    let path = format!("/live/{}", stream.key);
    let mut socket = Socket::open(stream.node, &path, "abanico.watch.v1", header);
    socket.say(r#"{"type": "watch"}"#);
    let heard = socket.hear();
    (socket, heard)
}

#[test]
fn a_message_goes_a_viewer_falls_silent_and_is_put_out_for_a_while() {
    const FAR: &str = "X-Forwarded-For: 203.0.113.200";
    let node = Node::start_with(&["--publishing", "open", "--trusted-proxies", "127.0.0.1"]);
    let mut stream = Stream::open(&node);
    let key = stream.key.clone();
    let viewer = |name: &str| json!({"username": name, "role": "VIEWER"});
    let (mut eve, is) = Client::register_with(&node, &[ELSEWHERE], &viewer("Eve"));
    let (mut bob, _) = Client::register_with(&node, &[FAR], &viewer("Bob"));
    assert_eq!(join(&mut eve, &key)[0], "stream:joined");
    assert_eq!(join(&mut bob, &key)[0], "stream:joined");
    // The room is told of him when he is in it.
    bob.heard("viewer:joined");
    let eve_id = is["user"]["id"].clone();

    let chat = json!({"streamKey": key, "content": "buy now"});
    eve.emit("chat:message:send", &chat);
    let id = loop {
        let message = bob.heard("chat:message:broadcast")["message"].clone();
        if message["content"] == "buy now" {
            break message["id"].clone();
        }
    };
    let remove = json!({"streamKey": key, "messageId": id});
    stream.publisher.emit("chat:message:remove", &remove);
    assert_eq!(bob.heard("chat:message:removed")["messageId"], id);

    let silence = json!({"streamKey": key, "userId": eve_id});
    stream.publisher.emit("viewer:silence", &silence);
    assert_eq!(eve.heard("viewer:silenced")["silenced"], true);
    eve.emit("chat:message:send", &chat);
    assert_eq!(eve.heard_any()[1]["code"], "silenced");
    let again = json!({"streamKey": key, "userId": eve_id, "silenced": false});
    stream.publisher.emit("viewer:silence", &again);
    eve.heard("viewer:silenced");
    eve.emit("chat:message:send", &chat);
    eve.heard("chat:message:broadcast");

    // Somebody whom the operator trusts to keep order, over plain HTTP.
    let (mut near, heard) = watch(&stream, ELSEWHERE);
    assert_eq!(heard["type"], "welcome", "{heard}");
    let (_far, heard) = watch(&stream, FAR);
    assert_eq!(heard["type"], "welcome", "{heard}");
    let shown = format!("Authorization: Bearer {}", node.key());
    let wanted = json!({"name": "order", "may": ["moderate"]}).to_string();
    let made = node.request("POST", "/tokens", &[&shown], wanted);
    let made: Value = serde_json::from_slice(&made.body).unwrap();
    let shown = format!("Authorization: Bearer {}", made["token"].as_str().unwrap());
    let path = format!("/streams/{key}/moderation");
    let put_out = json!({"do": "remove", "userId": eve_id}).to_string();
    let done = node.request("POST", &path, &[ELSEWHERE, &shown], put_out);
    assert_eq!(done.status, 200, "{}", said(&done));
    assert_eq!(eve.heard("stream:ended")["code"], "removed");
    assert_eq!(bob.heard("viewer:removed")["userId"], eve_id);
    while near.told()["code"] != "removed" {}

    // Neither she nor a new name from her address is back at once; others come as before.
    assert_eq!(join(&mut eve, &key)[1]["code"], "removed");
    let (mut other, _) = Client::register_with(&node, &[ELSEWHERE], &viewer("Nobody"));
    assert_eq!(join(&mut other, &key)[1]["code"], "removed");
    other.emit("chat:message:send", &chat);
    assert_eq!(other.heard_any()[1]["code"], "silenced");
    assert_eq!(watch(&stream, ELSEWHERE).1["code"], "removed");
    let jpg = format!("/live/{key}.jpg");
    assert_eq!(node.status("GET", &jpg, &[ELSEWHERE]), 403);
    assert_eq!(node.status("GET", &jpg, &[FAR]), 200);
    assert_eq!(join(&mut bob, &key)[0], "stream:joined");
    // The streamer is nobody's to put out.
    let streamer = json!({"do": "remove", "userId": stream.streamer}).to_string();
    let done = node.request("POST", &path, &[ELSEWHERE, &shown], streamer);
    assert_eq!(done.status, 404, "{}", said(&done));
}

#[test]
fn who_was_never_there_hears_nothing_of_being_put_out_and_does_not_come_in() {
    let node = Node::start_with(&["--publishing", "open"]);
    let (_ada, key) = Client::live(&node, "Ada");
    let (mut mallory, other) = Client::live(&node, "Mallory");
    let viewer = json!({"username": "Eve", "role": "VIEWER"});
    let (mut eve, is) = Client::register(&node, &viewer);
    assert_eq!(join(&mut eve, &key)[0], "stream:joined");
    let remove = json!({"streamKey": other, "userId": is["user"]["id"]});
    mallory.emit("viewer:remove", &remove);
    loop {
        let heard = mallory.heard_any();
        assert_ne!(heard[1]["message"]["content"], "Eve salió del stream");
        if heard[0] == "viewer:removed" {
            break;
        }
    }
    // Of what came before this answer nothing was for her.
    eve.emit("clock:get", &json!({}));
    loop {
        let heard = eve.heard_any();
        assert_ne!(heard[0], "stream:ended", "{heard}");
        if heard[0] == "clock:now" {
            break;
        }
    }
    assert_eq!(join(&mut eve, &other)[1]["code"], "removed");
    assert_eq!(join(&mut eve, &key)[0], "stream:joined");
}
