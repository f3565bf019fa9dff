//! HTTPS by certificate files: what is served over it, and what becomes of files that change or are wrong.

#![expect(clippy::unwrap_used, reason = "the clients of a test may fail it")]

use crate::answer::Answer;
#[cfg(target_os = "linux")]
use crate::attacks::{COUNTED, connect_to};
use crate::node::{Node, PATIENCE, abanico, ran};
use crate::secure::{Authority, Secured, tcp};
use std::io::{Read, Write};
use std::time::Instant;

fn get(stream: &mut Secured, path: &str) -> Answer {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    Answer::read(stream)
}

#[test]
fn pages_come_over_https_and_end_with_a_goodbye() {
    let authority = Authority::new();
    let node = authority.start(&[]);
    let mut stream = authority.connect(&node, "localhost").unwrap();
    let page = get(&mut stream, "/");
    assert_eq!(page.status, 200);
    assert_eq!(page.header("strict-transport-security"), None);
    // `Answer::read` would have failed at a connection that is cut without one. Over plain HTTP all is as before.
    assert_eq!(node.get("/").status, 200);
}

#[test]
fn a_new_pair_is_shown_to_who_comes_next_and_a_broken_one_never() {
    let authority = Authority::new();
    let flags = authority.flags();
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    let mut node = Node::start_with_log(&flags);
    let mut old = authority.connect(&node, "localhost").unwrap();
    assert!(authority.connect(&node, "renewed.example").is_err());

    authority.issue("renewed.example");
    let begun = Instant::now();
    while authority.connect(&node, "renewed.example").is_err() {
        assert!(begun.elapsed() < PATIENCE, "the new pair is not shown");
    }
    assert_eq!(get(&mut old, "/health").status, 200, "who was there stays");

    // A key that belongs to another certificate.
    std::fs::write(authority.key(), authority.issued("renewed.example").1).unwrap();
    node.log_until("does not belong to the certificate in");
    assert!(authority.connect(&node, "renewed.example").is_ok());
    authority.issue("mended.example");
    let begun = Instant::now();
    while authority.connect(&node, "mended.example").is_err() {
        assert!(begun.elapsed() < PATIENCE, "the mended pair is not shown");
    }
}

#[test]
fn a_pair_that_cannot_be_used_ends_the_start_with_the_file_and_what_is_wrong_with_it() {
    let authority = Authority::new();
    let (certificate, key) = (authority.certificate(), authority.key());
    let said = |certificate: Option<&std::path::Path>, key: Option<&std::path::Path>| {
        let data = tempfile::tempdir().unwrap();
        let mut command = abanico();
        command.args(["--listen", "127.0.0.1:0", "--tls-listen", "127.0.0.1:0"]);
        command.arg("--data").arg(data.path());
        if let Some(certificate) = certificate {
            command.arg("--tls-certificate").arg(certificate);
        }
        if let Some(key) = key {
            command.arg("--tls-key").arg(key);
        }
        let output = ran(&mut command);
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let missing = authority.key().with_file_name("missing.pem");
    let encrypted = authority.key().with_file_name("encrypted.pem");
    let text = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    std::fs::write(&encrypted, text).unwrap();
    let stranger = authority.key().with_file_name("stranger.pem");
    std::fs::write(&stranger, authority.issued("localhost").1).unwrap();
    let cases = [
        (
            said(Some(&missing), Some(&key)),
            "missing.pem: No such file",
        ),
        (
            said(Some(&key), Some(&key)),
            "key.pem is not PEM text: nothing of the kind is in it\n  hint: it holds the certificate with its chain",
        ),
        (said(Some(&certificate), Some(&certificate)), "tls-key"),
        (
            said(Some(&certificate), Some(&encrypted)),
            "encrypted.pem is encrypted",
        ),
        (
            said(Some(&certificate), Some(&stranger)),
            "stranger.pem does not belong to the certificate in",
        ),
        (said(Some(&certificate), None), "tls-key is not\n  hint: "),
        (said(None, Some(&key)), "tls-certificate is not\n  hint: "),
    ];
    for (said, wanted) in cases {
        assert!(said.contains(wanted), "{wanted} is not in {said}");
    }
}

#[test]
fn who_does_not_shake_hands_is_closed_and_keeps_the_others_out_for_so_long_only() {
    let authority = Authority::new();
    let node = authority.start(&[
        "--tls-handshake-timeout",
        "500ms",
        "--tls-handshakes-max",
        "1",
    ]);
    let mut silent = tcp(&node);
    // It is in, when another is not.
    let begun = Instant::now();
    while authority.connect(&node, "localhost").is_ok() {
        assert!(begun.elapsed() < PATIENCE, "the bound does not hold");
    }
    assert_eq!(silent.read(&mut [0; 1]).unwrap_or(0), 0);
    let begun = Instant::now();
    while authority.connect(&node, "localhost").is_err() {
        assert!(begun.elapsed() < PATIENCE, "nobody comes in again");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn one_address_shakes_so_many_hands_and_others_shake_theirs() {
    let authority = Authority::new();
    let flags = [&["--tls-handshakes-per-address-max", "2"], &COUNTED[..]].concat();
    let node = authority.start(&flags);
    let https = node.tls.unwrap();
    let connect = |from: &str| {
        let tcp = connect_to(https, from);
        authority.secure(tcp, "localhost")
    };
    let silent = [(); 2].map(|()| connect_to(https, "127.0.0.1"));
    assert!(connect("127.0.0.1").is_err());
    assert!(connect("127.0.0.2").is_ok());
    drop(silent);
    let begun = Instant::now();
    while connect("127.0.0.1").is_err() {
        assert!(begun.elapsed() < PATIENCE, "who has gone leaves no place");
    }
}

#[test]
fn plain_http_is_redirected_when_told_so() {
    let authority = Authority::new();
    let node = authority.start(&["--tls-redirect", "--tls-public-port", "443"]);
    let page = node.request("GET", "/watch/a?b", &["X-A: b"], "");
    assert_eq!(
        (page.status, page.header("location")),
        (308, Some("https://127.0.0.1/watch/a?b"))
    );
    // A viewer's request that would go past the routes.
    let stream = node.get("/live/demo.webm");
    assert_eq!(
        (stream.status, stream.header("location")),
        (308, Some("https://127.0.0.1/live/demo.webm"))
    );
    let secure = |host: &str| {
        let mut stream = authority.connect(&node, "localhost").unwrap();
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let answer = Answer::read(&mut stream);
        assert_eq!(answer.status, 200);
        answer
            .header("strict-transport-security")
            .map(str::to_owned)
    };
    // Never for this machine or an address, which are something else elsewhere.
    assert_eq!(secure("localhost"), None);
    assert_eq!(secure("192.168.1.7"), None);
    assert_eq!(
        secure("live.example.org").as_deref(),
        Some("max-age=31536000")
    );
}
