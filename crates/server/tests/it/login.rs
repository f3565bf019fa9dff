//! A login that somebody else keeps: its tokens, and a server that is asked. Here is what both need, and what their settings
//! must be.

#![expect(clippy::unwrap_used, reason = "the clients of a test may fail it")]

mod callback;
pub(crate) mod jwt;

use crate::node::Node;
use crate::socket::Socket;
use crate::stream::ELSEWHERE;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

const KIND: &str = "Content-Type: multipart/x-mixed-replace; boundary=b";
const SDP: &str = "Content-Type: application/sdp";

/// A directory with a file that holds a secret.
pub(crate) fn file(text: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

/// The seconds since 1970, in so much time.
pub(crate) fn seconds_in(time: Duration) -> f64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    (since.unwrap() + time).as_secs_f64()
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

/// Asserts that it is the second after a right has ended.
fn is_just_over(ended: f64) {
    let late = seconds_in(Duration::ZERO) - ended;
    assert!((0.0..1.0).contains(&late), "{late} s after the end");
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
