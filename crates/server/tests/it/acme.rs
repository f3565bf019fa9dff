//! Certificates by ACME, from an authority of the test's own that asks back.

#![expect(clippy::unwrap_used, reason = "the clients of a test may fail it")]

use crate::acme_server::AcmeServer;
use crate::node::{Node, PATIENCE};
use crate::secure::Secured;
use std::time::{Duration, Instant};

const MONTHS: Duration = Duration::from_secs(90 * 24 * 3600);

fn start(server: &AcmeServer, challenge: &str) -> Node {
    let flags = server.flags("live.example,www.live.example");
    let flags = flags.iter().map(String::as_str);
    let flags: Vec<_> = flags.chain(["--acme-challenge", challenge]).collect();
    Node::start_with_log(&flags)
}

/// A connection to whom the certificate is shown, as soon as there is one.
fn connected(server: &AcmeServer, node: &Node, name: &'static str) -> Secured {
    let begun = Instant::now();
    loop {
        match server.authority().connect(node, name) {
            Ok(stream) => return stream,
            Err(error) => assert!(begun.elapsed() < PATIENCE, "no certificate: {error}"),
        }
    }
}

fn shown(stream: &Secured) -> Vec<u8> {
    stream.conn.peer_certificates().unwrap()[0].to_vec()
}

#[test]
fn a_certificate_for_all_names_is_got_over_http_and_kept_over_a_restart() {
    let server = AcmeServer::start(MONTHS);
    let node = start(&server, "http-01");
    server.aim(&node);
    connected(&server, &node, "live.example");
    let first = shown(&connected(&server, &node, "www.live.example"));
    assert_eq!(server.given(), (1, 1));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mut folders = std::fs::read_dir(node.data().join("acme")).unwrap();
        let folder = folders.next().unwrap().unwrap().path();
        for file in ["account.json", "key.pem"] {
            let mode = std::fs::metadata(folder.join(file)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
    }
    let data = node.killed();
    let flags = server.flags("live.example,www.live.example");
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    let node = Node::start_in(data, &flags);
    let second = server.authority().connect(&node, "live.example").unwrap();
    assert_eq!(shown(&second), first);
    assert_eq!(server.given(), (1, 1));
}

#[test]
fn a_certificate_is_got_in_a_handshake_and_renewed_in_place_before_it_ends() {
    let server = AcmeServer::start(Duration::from_secs(8));
    let node = start(&server, "tls-alpn-01");
    server.aim(&node);
    let first = shown(&connected(&server, &node, "live.example"));
    let begun = Instant::now();
    // Nobody finds the door shut meanwhile.
    while shown(&server.authority().connect(&node, "live.example").unwrap()) == first {
        assert!(begun.elapsed() < PATIENCE, "it is not renewed");
        std::thread::sleep(Duration::from_millis(50));
    }
    let (accounts, certificates) = server.given();
    assert_eq!(accounts, 1);
    assert!(certificates >= 2);
}

#[test]
fn what_the_authority_says_is_in_the_log_and_plain_http_goes_on() {
    let server = AcmeServer::start(MONTHS);
    let mut node = start(&server, "http-01");
    server.aim_at(server.nowhere(), server.nowhere());
    node.log_until("the authority could not make sure that live.example is this server");
    node.log_until("Connection refused");
    assert_eq!(node.get("/health").status, 200);
    assert!(server.authority().connect(&node, "live.example").is_err());
    assert_eq!(server.given().1, 0);
}
