//! A room that is flooded: with chat, with signals, with who comes and goes. Whoever is in it stays, and hears what matters.

use crate::client::Client;
use crate::node::Node;
use serde_json::json;

#[test]
fn however_many_flood_a_chat_who_reads_slowly_stays_and_the_streamer_is_heard() {
    let few = ["--room-chat-bytes-rate", "1KiB/s burst 256KiB"];
    let unbounded = [
        "--room-chat-rate",
        "1000/s burst 10000",
        "--room-chat-bytes-rate",
        "64MiB/s burst 64MiB",
    ];
    for (rates, limit) in [(&few[..], Some("room-chat-bytes-rate")), (&unbounded, None)] {
        let node = Node::start_with(&[&["--queue-bytes-max", "1MiB"], rates].concat());
        let (mut ada, key) = Client::live(&node, "Ada");
        let (mut bob, _) = Client::register(&node, &json!({"username": "Bob", "role": "VIEWER"}));
        bob.emit("stream:join", &json!({"streamKey": key}));
        bob.heard("stream:joined");
        // Neither fetches anything while 2.4 MB are said, by who is not even there.
        let words =
            json!(["chat:message:send", {"streamKey": key, "content": "\u{1f600}".repeat(2000)}]);
        let flood = vec![format!("42{words}"); 30].join("\x1e");
        for number in 0..10 {
            let user = json!({"username": format!("Eve {number}"), "role": "VIEWER"});
            let (mut eve, _) = Client::register(&node, &user);
            eve.post(&flood);
            eve.emit("clock:get", &json!({}));
            let heard = eve.heard_any();
            let refused = heard[1].get("limit").and_then(|limit| limit.as_str());
            let expected = limit.filter(|_| number > 0);
            assert_eq!(refused, expected, "Eve {number}: {heard}");
        }
        ada.emit(
            "chat:message:send",
            &json!({"streamKey": key, "content": "hold on"}),
        );
        for who in [&mut ada, &mut bob] {
            let mut chat = 0;
            while who.heard("chat:message:broadcast")["message"]["content"] != "hold on" {
                chat += 1;
            }
            assert!((1..40).contains(&chat), "{chat} of 300 messages were kept");
        }
    }
}

#[test]
fn whoever_floods_a_chat_over_many_connections_of_one_address_others_are_heard() {
    let flags = [
        "--address-chat-rate",
        "0.01/s burst 40",
        "--trusted-proxies",
        "127.0.0.1",
        "--publishing",
        "open",
    ];
    let node = Node::start_with(&flags);
    let (mut ada, key) = Client::live(&node, "Ada");
    let (_other, elsewhere) = Client::live(&node, "Bea");
    let viewer = |name: &str| json!({"username": name, "role": "VIEWER"});
    let flooder = ["X-Forwarded-For: 203.0.113.1"];
    let said = |key: &str, content: &str| json!({"streamKey": key, "content": content});
    let mut limits = Vec::new();
    for number in 0..3 {
        let user = viewer(&format!("Eve {number}"));
        let (mut eve, _) = Client::register_with(&node, &flooder, &user);
        // As many as one connection may say, the last of them in another stream.
        let keys = std::iter::repeat_n(&key, 29).chain([&elsewhere]);
        let flood: Vec<_> = keys
            .map(|key| format!("42{}", json!(["chat:message:send", said(key, "spam")])))
            .collect();
        eve.post(&flood.join("\x1e"));
        eve.emit("clock:get", &json!({}));
        limits.push(loop {
            let heard = eve.heard_any();
            if heard[0] == "clock:now" || heard[0] == "stream:error" {
                break heard[1]["limit"].as_str().map(str::to_owned);
            }
        });
    }
    let full = Some("address-chat-rate".to_owned());
    assert_eq!(limits, [None, full.clone(), full]);
    let from = ["X-Forwarded-For: 198.51.100.1"];
    let (mut bob, _) = Client::register_with(&node, &from, &viewer("Bob"));
    bob.emit("chat:message:send", &said(&key, "hello"));
    let mut spam = 0;
    while ada.heard("chat:message:broadcast")["message"]["content"] != "hello" {
        spam += 1;
    }
    assert_eq!(spam, 39, "with the one that was said elsewhere forty");
}

#[test]
fn nobody_is_closed_for_the_signals_of_others_who_are_told_what_is_too_much() {
    let rates = [
        "--signal-request-rate",
        "1/s burst 3",
        "--room-signal-bytes-rate",
        "1KiB/s burst 600KiB",
        "--queue-bytes-max",
        "1MiB",
    ];
    let node = Node::start_with(&rates);
    let user = json!({"username": "Ada", "role": "STREAMER"});
    let (mut ada, registered) = Client::register(&node, &user);
    let host = registered["user"]["socketId"].as_str().unwrap();
    let created = ada.go_live(&json!({}));
    let key = created["stream"]["streamKey"].as_str().unwrap();
    let (mut bob, reads_nothing) = member(&node, "Bob", key);

    let packet = |event: &str, payload: serde_json::Value| format!("42{}", json!([event, payload]));
    let request = |own: &str, padding: usize| {
        let padding = "x".repeat(padding);
        let payload =
            json!({"streamKey": key, "viewerId": "v", "socketId": own, "padding": padding});
        packet("webrtc:request", payload)
    };
    let sent = |event: &str, own: &str, to: &str| {
        let data = "x".repeat(60_000);
        packet(
            event,
            json!({"type": "any", "data": data, "from": own, "to": to, "streamKey": key}),
        )
    };
    // Ada fetches nothing while 1.7 MB are sent to her.
    let (mut eve, id) = member(&node, "Eve", key);
    eve.post(&request(&id, 60_000));
    assert_eq!(refused(&mut eve), ["signal-request-bytes-max"]);
    let (mut eve, id) = member(&node, "Eve 1", key);
    eve.post(&vec![request(&id, 100); 10].join("\x1e"));
    assert_eq!(refused(&mut eve), ["signal-request-rate"]);
    let mut limits = Vec::new();
    for number in 2..12 {
        let (mut eve, id) = member(&node, &format!("Eve {number}"), key);
        // The third is one too many of her own.
        eve.post(&vec![sent("webrtc:answer", &id, host); 3].join("\x1e"));
        // She is told of the first that is too much, and of no other in the same second.
        limits.push(refused(&mut eve).remove(0));
    }
    limits.dedup();
    let reached = [
        "signal-bytes-rate",
        "queue-signal-bytes-max",
        "room-signal-bytes-rate",
    ];
    assert_eq!(limits, reached);

    // Nor does Bob fetch anything while Ada's page sends him offers without end.
    ada.post(&vec![sent("webrtc:offer", host, &reads_nothing); 15].join("\x1e"));
    ada.post(&vec![sent("webrtc:offer", host, &reads_nothing); 15].join("\x1e"));
    assert_eq!(refused(&mut ada), ["queue-signal-bytes-max"]);
    ada.emit(
        "chat:message:send",
        &json!({"streamKey": key, "content": "hold on"}),
    );
    let mut offers = 0;
    loop {
        let heard = bob.heard_any();
        if heard[1]["message"]["content"] == "hold on" {
            break;
        }
        offers += usize::from(heard[0] == "webrtc:offer");
    }
    assert!((1..10).contains(&offers), "{offers} of 30 offers");
    assert_eq!(node.json("/health")["activeStreams"], 1);
}

#[test]
fn nobody_is_closed_for_what_it_is_told_of_who_comes_and_goes() {
    let node = Node::start_with(&[
        "--queue-messages-max",
        "300",
        "--presence-rate",
        "1/s burst 10",
        "--request-rate",
        "1000/s burst 1000",
    ]);
    let (mut ada, key) = Client::live(&node, "Ada");
    let (mut bob, _) = member(&node, "Bob", &key);
    // Neither fetches anything meanwhile.
    for (number, media) in [true, false].into_iter().enumerate() {
        let (mut eve, _) = member(&node, &format!("Eve {number}"), &key);
        let join = json!(["stream:join", {"streamKey": key, "media": media}]);
        let leave = json!(["stream:leave", {"streamKey": key}]);
        let storm = vec![format!("42{join}\x1e42{leave}"); 150].join("\x1e");
        eve.post(&storm);
        assert!(refused(&mut eve).is_empty());
    }
    ada.emit(
        "chat:message:send",
        &json!({"streamKey": key, "content": "hold on"}),
    );
    for who in [&mut ada, &mut bob] {
        let (mut told, mut count) = (0, json!(null));
        loop {
            let heard = who.heard_any();
            if heard[1]["message"]["content"] == "hold on" {
                break;
            }
            match heard[0].as_str().unwrap() {
                "viewer:joined" | "viewer:left" => told += 1,
                "viewer:count:update" => count = heard[1]["viewerCount"].clone(),
                _ => {}
            }
        }
        assert!((2..50).contains(&told), "{told} of 600 are told by name");
        // Who is not named is counted all the same, when it is over.
        while count != 1 {
            count = who.heard("viewer:count:update")["viewerCount"].clone();
        }
    }
}

/// Somebody who is in a stream, and its address for signals there.
fn member<'a>(node: &'a Node, name: &str, key: &str) -> (Client<'a>, String) {
    let user = json!({"username": name, "role": "VIEWER"});
    let (mut client, registered) = Client::register(node, &user);
    client.emit("stream:join", &json!({"streamKey": key}));
    client.heard("stream:joined");
    let id = registered["user"]["socketId"].as_str().unwrap();
    (client, id.to_owned())
}

/// The limits that were named in refusals of what a client has said up to now.
fn refused(client: &mut Client<'_>) -> Vec<String> {
    client.emit("clock:get", &json!({}));
    let mut limits = Vec::new();
    loop {
        let heard = client.heard_any();
        match heard[0].as_str().unwrap() {
            "clock:now" => {
                limits.dedup();
                return limits;
            }
            "stream:error" => limits.push(heard[1]["limit"].as_str().unwrap_or("?").to_owned()),
            _ => {}
        }
    }
}
