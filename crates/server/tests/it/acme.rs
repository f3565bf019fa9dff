//! Certificates by ACME, from an authority of the test's own that asks back.

#![expect(clippy::unwrap_used, reason = "the clients of a test may fail it")]

use crate::acme_server::AcmeServer;
use crate::answer::Answer;
use crate::node::{Node, PATIENCE, abanico, ran};
use crate::secure::Secured;
use std::io::Write;
use std::time::{Duration, Instant};

const MONTHS: Duration = Duration::from_secs(90 * 24 * 3600);
const NAMES: &str = "live.example,www.live.example";
const SHOWN: &str = "a certificate by ACME is shown";
const NOT_OURS: &str = "the authority could not make sure that live.example is this server";

/// The flags of a server that gets its certificate from that authority, and further ones.
fn flags(server: &AcmeServer, further: &[&str]) -> Vec<String> {
    let further = further.iter().map(|flag| (*flag).to_owned());
    server.flags(NAMES).into_iter().chain(further).collect()
}

fn strs(flags: &[String]) -> Vec<&str> {
    flags.iter().map(String::as_str).collect()
}

fn shown(stream: &Secured) -> Vec<u8> {
    stream.conn.peer_certificates().unwrap()[0].to_vec()
}

/// A connection to who has a certificate sooner or later.
fn connected(server: &AcmeServer, node: &Node) -> Secured {
    let begun = Instant::now();
    loop {
        match server.authority().connect(node, "live.example") {
            Ok(stream) => return stream,
            Err(error) => assert!(begun.elapsed() < PATIENCE, "no certificate: {error}"),
        }
    }
}

#[test]
fn a_certificate_for_all_names_is_got_over_http_and_kept_over_a_restart() {
    let server = AcmeServer::start(MONTHS);
    let flags = flags(&server, &["--tls-redirect"]);
    let mut node = Node::start_with_log(&strs(&flags));
    // It does not wait for the authority, which does not ask yet.
    assert!(node.greeting.contains("HTTPS waits for its certificate"));
    assert!(node.greeting.contains("https://www.live.example:"));
    server.aim(&node);
    node.log_until(SHOWN);
    let connect = |node: &Node, name| server.authority().connect(node, name).unwrap();
    let first = shown(&connect(&node, "live.example"));
    assert_eq!(shown(&connect(&node, "www.live.example")), first);
    assert_eq!(server.given(), (1, 1));
    let mut folders = std::fs::read_dir(node.data().join("acme")).unwrap();
    let folder = folders.next().unwrap().unwrap().path();
    #[cfg(unix)]
    for file in ["account.json", "certificate.pem"] {
        use std::os::unix::fs::PermissionsExt;
        let metadata = std::fs::metadata(folder.join(file)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{file}");
    }

    let node = Node::start_in(node.killed(), &strs(&flags));
    assert!(!node.greeting.contains("waits"), "{}", node.greeting);
    assert_eq!(shown(&connect(&node, "live.example")), first);
    assert_eq!(server.given(), (1, 1));

    // An authority that has lost its accounts is shown a new one; and what was written by halves is no certificate.
    server.forget();
    let data = node.killed();
    let file = data.path().join("acme").join(folder.file_name().unwrap());
    let file = file.join("certificate.pem");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, &text[..text.len() / 2]).unwrap();
    let node = Node::start_in(data, &strs(&flags));
    server.aim(&node);
    assert_ne!(shown(&connected(&server, &node)), first);
    assert_eq!(server.given(), (1, 2));
}

#[test]
fn a_certificate_is_got_in_a_handshake_and_renewed_in_place_before_it_ends() {
    let server = AcmeServer::start(Duration::from_secs(8));
    let flags = flags(&server, &["--acme-challenge", "tls-alpn-01"]);
    let mut node = Node::start_with_log(&strs(&flags));
    server.aim(&node);
    node.log_until(SHOWN);
    let mut stays = connected(&server, &node);
    let first = shown(&stays);
    node.log_until(SHOWN);
    assert_ne!(shown(&connected(&server, &node)), first);
    assert_eq!((server.given(), server.replaced()), ((1, 2), 1));
    // Who was there notices nothing.
    let request = "GET /health HTTP/1.1\r\nHost: live.example\r\nConnection: close\r\n\r\n";
    stays.write_all(request.as_bytes()).unwrap();
    assert_eq!(Answer::read(&mut stays).status, 200);
}

#[test]
fn an_answer_at_which_the_library_panics_is_a_failure_like_another() {
    let server = AcmeServer::start(MONTHS);
    let flags = flags(&server, &["--acme-retry-wait", "100ms"]);
    let mut node = Node::start_with_log(&strs(&flags));
    server.put_off();
    server.aim(&node);
    node.log_until("no certificate by ACME");
    node.log_until(SHOWN);
    connected(&server, &node);
}

#[test]
fn a_certificate_that_the_authority_takes_back_is_renewed_at_once_and_a_new_one_is_let_be() {
    let server = AcmeServer::start(MONTHS);
    let flags = flags(&server, &[]);
    let mut node = Node::start_with_log(&strs(&flags));
    server.aim(&node);
    node.log_until(SHOWN);
    let first = shown(&connected(&server, &node));
    // It would like every certificate to be renewed: who asked for the next one at once would never stop.
    server.recall();
    let node = Node::start_in(node.killed(), &strs(&flags));
    server.aim(&node);
    let begun = Instant::now();
    while shown(&connected(&server, &node)) == first {
        assert!(begun.elapsed() < PATIENCE, "it is not renewed");
    }
    assert_eq!((server.given(), server.advised()), ((1, 2), 1));
    assert_eq!(server.replaced(), 1);
    // One that will not hear of that gives a certificate all the same.
    server.refuse_replacing();
    let second = shown(&connected(&server, &node));
    let node = Node::start_in(node.killed(), &strs(&flags));
    server.aim(&node);
    let begun = Instant::now();
    while shown(&connected(&server, &node)) == second {
        assert!(begun.elapsed() < PATIENCE, "it is not renewed");
    }
    assert_eq!((server.given(), server.replaced()), ((1, 3), 1));
}

#[test]
fn what_the_authority_found_wrong_is_told_and_it_is_asked_again() {
    let server = AcmeServer::start(MONTHS);
    let flags = flags(&server, &["--acme-retry-wait", "200ms"]);
    let mut node = Node::start_with_log(&strs(&flags));
    server.aim_at(server.nowhere(), server.nowhere());
    node.log_until(NOT_OURS);
    node.log_until("Connection refused");
    node.log_until("hint: the name must lead to this machine, and its port 80 to `listen`");
    // Plain HTTP goes on, and nothing is shown that no browser would take.
    assert_eq!(node.get("/health").status, 200);
    assert!(server.authority().connect(&node, "live.example").is_err());
    node.log_until(NOT_OURS);

    let node = Node::start_in(node.killed(), &strs(&flags));
    let last = format!("Last time: {NOT_OURS}");
    assert!(node.greeting.contains(&last), "{}", node.greeting);
    assert_eq!(server.given(), (1, 0));
    server.aim(&node);
    connected(&server, &node);
    assert_eq!(server.given(), (1, 1));
}

#[test]
fn an_authority_that_cannot_be_reached_is_told_of_and_does_not_hold_the_start_up() {
    let server = AcmeServer::start(MONTHS);
    let directory = format!("https://{}/directory", server.nowhere());
    let root = server.root();
    let mut node = Node::start_with_log(&[
        "--acme-names",
        "live.example",
        "--acme-directory",
        &directory,
        "--acme-root",
        root.to_str().unwrap(),
        "--tls-listen",
        "127.0.0.1:0",
    ]);
    assert_eq!(node.get("/health").status, 200);
    node.log_until("the authority cannot be asked: ");
    node.log_until("Connection refused");
    node.log_until("must reach the address in acme-directory");
}

#[test]
fn settings_that_cannot_get_a_certificate_end_the_start_with_a_hint() {
    let said = |flags: &[&str]| {
        let data = tempfile::tempdir().unwrap();
        let mut command = abanico();
        command.args(["--listen", "127.0.0.1:0", "--tls-listen", "127.0.0.1:0"]);
        command.arg("--data").arg(data.path()).args(flags);
        let output = ran(&mut command);
        assert_eq!(output.status.code(), Some(1), "{flags:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let names = ["--acme-names", "live.example"];
    let cases = [
        (
            said(&["--acme-names", "live.example,192.0.2.1"]),
            "`live.example,192.0.2.1` has an address",
        ),
        (
            said(&[&names[..], &["--lan"]].concat()),
            "acme-names is set, and so is another certificate\n  hint: ",
        ),
        (
            said(&[&names[..], &["--acme-directory", "http://a.example"]].concat()),
            "`http://a.example` is no address of HTTPS\n  hint: ",
        ),
        (
            said(&[&names[..], &["--acme-root", "/missing.pem"]].concat()),
            "acme-root /missing.pem cannot be used\n  hint: ",
        ),
        (
            said(&["--acme-contact", "operator@example.org"]),
            "acme-names is not\n  hint: ",
        ),
    ];
    for (said, wanted) in cases {
        assert!(said.contains(wanted), "{wanted} is not in {said}");
    }
}
