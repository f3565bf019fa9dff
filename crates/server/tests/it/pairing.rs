//! How a phone gets the right to go live: by a code that is shown at the server's machine alone.

#![expect(clippy::unwrap_used, reason = "the clients of a test may fail it")]

use crate::answer::Answer;
use crate::client::Client;
use crate::material::body;
use crate::node::Node;
use crate::secure::{client, shake, tcp};
use crate::stream::ELSEWHERE;
use serde_json::{Value, json};
use std::io::Write;

const LAN: [&str; 3] = ["--lan", "--tls-listen", "127.0.0.1:0"];

/// The code that the page at the server's machine is given.
fn code(node: &Node) -> String {
    let shown = node.request("POST", "/trust/code", &[], "");
    assert_eq!(shown.status, 200, "{}", shown.text());
    let shown: Value = serde_json::from_slice(&shown.body).unwrap();
    shown["code"].as_str().unwrap().to_owned()
}

/// What a phone is answered that shows a code over HTTPS, as it does once it trusts LAN mode's authority.
fn pair(node: &Node, code: &str) -> Answer {
    let root = node.get("/trust/abanico-ca.crt").body.into();
    let mut stream = shake(client(root, &["http/1.1"]), tcp(node), "localhost").unwrap();
    let length = code.len();
    let request = format!(
        "POST /trust/pair HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{code}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    Answer::read(&mut stream)
}

fn pass(node: &Node) -> String {
    let answer = pair(node, &code(node));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    answer["pass"].as_str().unwrap().to_owned()
}

/// What somebody from elsewhere hears who would open a stream with this.
fn opens(node: &Node, key: &str) -> Value {
    let streamer = json!({"username": "Ada", "role": "STREAMER"});
    let (mut client, _) = Client::register_with(node, &[ELSEWHERE], &streamer);
    client.emit("stream:create", &json!({"key": key}));
    client.heard_any()
}

#[test]
fn a_code_is_shown_to_nobody_but_who_is_at_the_machine() {
    let node = Node::start_with(&LAN);
    for header in [ELSEWHERE, "Origin: http://evil.example", "Via: 1.1 proxy"] {
        let refused = node.request("POST", "/trust/code", &[header], "");
        assert_eq!(refused.status, 403, "{header}");
    }
    assert_eq!(node.get("/trust/code").status, 405);
    // Where being there is not enough to go live, and where nobody needs a code.
    for publishing in ["key", "open"] {
        let node = Node::start_with(&[&LAN[..], &["--publishing", publishing]].concat());
        let none = node.request("POST", "/trust/code", &[], "");
        assert_eq!((none.status, none.text()), (204, ""), "{publishing}");
    }
}

#[test]
fn a_code_is_good_once_for_a_pass_that_goes_live_and_does_nothing_else() {
    let mut node = Node::start_with_log(&[&LAN[..], &["--log", "abanico=trace"]].concat());
    let first = code(&node);
    // Over plain HTTP everybody in the network would read the pass.
    assert_eq!(node.request("POST", "/trust/pair", &[], &first).status, 403);
    assert_eq!(pair(&node, &first).status, 200);
    assert_eq!(pair(&node, &first).status, 403);

    let pass = pass(&node);
    let opened = opens(&node, &pass);
    assert_eq!(opened[0], "stream:created", "{opened}");
    // It ends no stream of others, and shows nobody who watches.
    let (_client, key) = Client::live(&node, "Grace");
    let shown = format!("Authorization: Bearer {pass}");
    for (method, path) in [
        ("DELETE", format!("/streams/{key}")),
        ("GET", format!("/streams/{key}/viewers")),
    ] {
        let refused = node.request(method, &path, &[ELSEWHERE, &shown], "");
        assert!([401, 403].contains(&refused.status), "{method} {path}");
    }
    // A code itself opens nothing.
    let refused = opens(&node, &code(&node));
    assert_eq!(refused[0], "stream:error", "{refused}");

    node.signal("TERM");
    node.ended();
    let log = node.log();
    assert!(!log.contains(&first) && !log.contains(&pass), "{log}");
}

#[test]
fn a_new_start_voids_passes_and_says_that_a_key_is_asked_for() {
    let node = Node::start_with(&LAN);
    let pass = pass(&node);
    let node = Node::start_in(node.killed(), &LAN);
    let refused = opens(&node, &pass);
    assert_eq!(refused[1]["code"], "key-missing", "{refused}");
    let shown = format!("Authorization: Bearer {pass}");
    let kind = "Content-Type: multipart/x-mixed-replace; boundary=b";
    let put = node.request("PUT", "/live/new", &[ELSEWHERE, &shown, kind], body());
    assert_eq!(put.status, 401);
}

#[test]
fn codes_are_not_guessed_for_long() {
    let node = Node::start_with(&[&LAN[..], &["--key-rate", "0.01/s burst 2"]].concat());
    let wrong = "abc-00000-00000-00000-00000-00000";
    let tries: Vec<_> = (0..3).map(|_| pair(&node, wrong)).collect();
    let statuses: Vec<_> = tries.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [403, 403, 429]);
    assert!(tries[2].header("retry-after").is_some());
    assert_eq!(pair(&node, &"0".repeat(300)).status, 400);
}

#[test]
fn the_page_of_trust_is_dressed_as_all_are_and_foreign_pages_are_told_nothing() {
    let node = Node::start_with(&[&LAN[..], &["--origins", "self"]].concat());
    let page = node.get("/trust");
    for (name, wanted) in [
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-embedder-policy", "require-corp"),
        ("referrer-policy", "same-origin"),
        ("x-frame-options", "SAMEORIGIN"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(page.header(name), Some(wanted), "{name}");
    }
    assert!(page.header("permissions-policy").is_some());
    // It asks its own host, and that over HTTPS, and nobody else.
    let about = node.json("/trust/about.json");
    let (port, host) = (node.address.port(), "127.0.0.1");
    let reaches = format!(
        "connect-src 'self' ws://{host}:{port} wss://{host}:{port} https://{host}:{};",
        about["httpsPort"]
    );
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains(&reaches), "{policy}");

    let evil = "Origin: http://evil.example";
    assert_eq!(node.request("GET", "/trust", &[evil], "").status, 403);
    let asked = node.request("GET", "/trust/about.json", &[evil], "");
    assert_eq!(asked.header("access-control-allow-origin"), None);
    assert_eq!(asked.header("x-content-type-options"), Some("nosniff"));
    // The page over plain HTTP is of another port.
    let ours = format!("http://{host}:1");
    let header = format!("Origin: {ours}");
    let asked = node.request("GET", "/trust/about.json", &[&header], "");
    assert_eq!(asked.status, 200);
    assert_eq!(
        asked.header("access-control-allow-origin"),
        Some(ours.as_str())
    );
}
