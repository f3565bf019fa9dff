//! The operator's key, who is at this machine, and what a proxy may say.

use crate::answer::said;
use crate::client::Client;
use crate::material::body;
use crate::node::Node;
use crate::stream::{ELSEWHERE, Stream};
use serde_json::{Value, json};

#[test]
fn the_key_is_told_once_and_another_one_takes_its_place_at_once() {
    let node = Node::start();
    let old = node.key().to_owned();
    let put = |node: &Node, key: &str, path: &str| {
        let shown = format!("Authorization: Bearer {key}");
        let kind = "Content-Type: multipart/x-mixed-replace; boundary=b";
        node.request("PUT", path, &[ELSEWHERE, &shown, kind], body())
    };
    assert_eq!(put(&node, &old, "/live/first").status, 200);

    let mut command = crate::node::abanico();
    let made = crate::node::ran(command.args(["key", "--data"]).arg(node.data()));
    assert!(made.status.success(), "{made:?}");
    let new = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    assert_eq!(put(&node, &old, "/live/second").status, 401);
    assert_eq!(put(&node, &new, "/live/third").status, 200);

    let again = Node::start_in(node.killed(), &[]);
    assert!(!again.greeting.contains("abk-"), "{}", again.greeting);
    assert_eq!(put(&again, &new, "/live/fourth").status, 200);
}

#[test]
fn wrong_keys_are_not_listened_to_for_long_and_others_are_not_hurt_by_that() {
    let node = Node::start_with(&[
        "--key-rate",
        "0.01/s burst 2",
        "--trusted-proxies",
        "127.0.0.1",
    ]);
    let put = |from: &str, key: &str| {
        let from = format!("X-Forwarded-For: 198.51.100.1, {from}");
        let shown = format!("Authorization: Bearer {key}");
        let kind = "Content-Type: multipart/x-mixed-replace; boundary=b";
        node.request("PUT", "/live/new", &[&from, &shown, kind], body())
    };
    let wrong = "abk-00000-00000-00000-00000-00000";
    let statuses: Vec<_> = (0..3).map(|_| put("203.0.113.1", wrong).status).collect();
    assert_eq!(statuses, [401, 401, 429]);
    assert!(put("203.0.113.1", wrong).header("retry-after").is_some());
    assert_eq!(put("203.0.113.2", node.key()).status, 200);
}

#[test]
fn behind_a_trusted_proxy_nobody_is_at_this_machine() {
    let node = Node::start_with(&["--trusted-proxies", "127.0.0.0/8"]);
    for headers in [&[][..], &["X-Forwarded-For: 127.0.0.1"][..]] {
        let (mut client, _) = Client::register_with(
            &node,
            headers,
            &json!({"username": "Ada", "role": "STREAMER"}),
        );
        client.emit("stream:create", &json!({}));
        let refused = client.heard_any();
        assert_eq!(refused[1]["code"], "key-missing", "{headers:?}: {refused}");
        client.emit("stream:create", &json!({"key": node.key()}));
        client.heard("stream:created");
    }
}

#[test]
fn publishing_is_for_whom_the_setting_names() {
    let kind = "Content-Type: multipart/x-mixed-replace; boundary=b";
    for (setting, here, elsewhere) in [("key", 401, 401), ("local", 200, 401), ("open", 200, 200)] {
        let node = Node::start_with(&["--publishing", setting]);
        let put = |path, headers: &[&str]| {
            let headers = [headers, &[kind]].concat();
            node.request("PUT", path, &headers, body()).status
        };
        assert_eq!(put("/live/here", &[]), here, "{setting}");
        assert_eq!(put("/live/elsewhere", &[ELSEWHERE]), elsewhere, "{setting}");
    }
}

#[test]
fn a_page_of_elsewhere_does_not_borrow_the_place_of_the_browser() {
    let node = Node::start();
    for (origin, code) in [
        ("Origin: https://example.org", Some("key-missing")),
        ("Origin: null", Some("key-missing")),
        ("Origin: http://localhost:8080", None),
    ] {
        let headers = [origin];
        let user = json!({"username": "Ada", "role": "STREAMER"});
        let (mut client, _) = Client::register_with(&node, &headers, &user);
        client.emit("stream:create", &json!({}));
        let answer = client.heard_any();
        assert_eq!(
            answer[1].get("code").and_then(Value::as_str),
            code,
            "{origin}: {answer}"
        );
    }
}

#[test]
fn neither_key_nor_token_is_in_a_log_a_list_or_an_error() {
    let mut node = Node::start_with_log(&["--log", "debug"]);
    let stream = Stream::open(&node);
    let (key, token) = (node.key().to_owned(), stream.token.clone());
    let mut seen = String::new();
    for secret in [&key, &token, &format!("{token}x"), &format!("{key}x")] {
        let shown = format!("Authorization: Bearer {secret}");
        for (method, path) in [("PUT", "/live/secret"), ("DELETE", "/streams/none")] {
            seen += &said(&node.request(method, path, &[ELSEWHERE, &shown], b"x"));
        }
    }
    for path in ["/health", "/streams"] {
        seen += &said(&node.get(path));
    }
    drop(stream);
    node.signal("TERM");
    node.ended();
    seen += &node.log();
    assert!(!seen.contains(&key[4..]) && !seen.contains(&token));
    assert!(seen.len() > 1000, "the log was read");
}
