//! Who may do what at every route: a table with a row for each and a column for each who asks.
//!
//! A route that has no row fails the test. Who comes from elsewhere says so with a header that only a proxy
//! would send, since every peer of a test is at this machine.

#![expect(clippy::unwrap_used, reason = "the clients of a test may fail it")]

use crate::answer::said;
use crate::login::{file, jwt};
use crate::material::{body, measure, offer};
use crate::node::Node;
use crate::socket::Socket;
use crate::stream::{ELSEWHERE, Stream};
use serde_json::json;
use std::collections::BTreeSet;

/// Who asks over plain HTTP or the native door.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Asks {
    /// At this machine, with nothing to show.
    Local,
    /// Anybody else; a viewer is no more than that here.
    Stranger,
    /// Who publishes another stream, and shows its token.
    Other,
    /// Who publishes this stream.
    Publisher,
    Operator,
    /// With a login's token to publish and to keep order.
    Signed,
    /// With one whose time is over.
    Expired,
    /// With one of the same user as the stream was opened for, which does not give the right to publish.
    Namesake,
}

const ASKS: [Asks; 8] = [
    Asks::Local,
    Asks::Stranger,
    Asks::Other,
    Asks::Publisher,
    Asks::Operator,
    Asks::Signed,
    Asks::Expired,
    Asks::Namesake,
];

/// A route as `routes.rs` has it, a method, the address that is asked, and the status for each of [`ASKS`]. `KEY` is a
/// stream that exists, `NEW` one that does not; both are others in each cell.
type Row = (&'static str, &'static str, &'static str, [u16; 8]);

const ROUTES: &[Row] = &[
    ("/", "GET", "/", [200; 8]),
    ("/watch/{key}", "GET", "/watch/KEY", [200; 8]),
    ("/health", "GET", "/health", [200; 8]),
    ("/streams", "GET", "/streams", [200; 8]),
    (
        "/streams/{key}",
        "DELETE",
        "/streams/KEY",
        [401, 401, 401, 200, 200, 401, 401, 401],
    ),
    (
        "/streams/{key}",
        "DELETE",
        "/streams/NEW",
        [404, 404, 404, 404, 404, 404, 401, 404],
    ),
    ("/streams/{key}", "GET", "/streams/KEY", [404; 8]),
    (
        "/streams/{key}/poster",
        "GET",
        "/streams/KEY/poster",
        [200, 200, 200, 200, 200, 200, 401, 200],
    ),
    (
        "/streams/{key}/viewers",
        "GET",
        "/streams/KEY/viewers",
        [200, 401, 401, 401, 200, 403, 401, 403],
    ),
    // It is not private.
    (
        "/streams/{key}/links",
        "GET",
        "/streams/KEY/links",
        [401, 401, 401, 409, 409, 401, 401, 401],
    ),
    (
        "/streams/{key}/links",
        "POST",
        "/streams/KEY/links",
        [401, 401, 401, 409, 409, 401, 401, 401],
    ),
    (
        "/streams/{key}/links/{id}",
        "DELETE",
        "/streams/KEY/links/none",
        [401, 401, 401, 409, 409, 401, 401, 401],
    ),
    (
        "/streams/{key}/moderation",
        "POST",
        "/streams/KEY/moderation",
        [401, 401, 401, 200, 200, 200, 401, 401],
    ),
    (
        "/tokens",
        "GET",
        "/tokens",
        [401, 401, 401, 401, 200, 403, 401, 403],
    ),
    (
        "/tokens",
        "POST",
        "/tokens",
        [401, 401, 401, 401, 201, 403, 401, 403],
    ),
    (
        "/tokens/{name}",
        "DELETE",
        "/tokens/none",
        [401, 401, 401, 401, 404, 403, 401, 403],
    ),
    (
        "/live/{name}",
        "GET",
        "/live/KEY.jpg",
        [200, 200, 200, 200, 200, 200, 401, 200],
    ),
    (
        "/live/{name}",
        "HEAD",
        "/live/KEY.mjpeg",
        [200, 200, 200, 200, 200, 200, 401, 200],
    ),
    (
        "/live/{name}",
        "PUT",
        "/live/KEY",
        [401, 401, 401, 200, 200, 401, 401, 401],
    ),
    (
        "/live/{name}",
        "POST",
        "/live/KEY",
        [401, 401, 401, 200, 200, 401, 401, 401],
    ),
    (
        "/live/{name}",
        "SOURCE",
        "/live/KEY",
        [401, 401, 401, 200, 200, 401, 401, 401],
    ),
    (
        "/live/{name}",
        "PUT",
        "/live/NEW",
        [200, 401, 401, 401, 200, 200, 401, 403],
    ),
    (
        "/live/{name}",
        "POST",
        "/live/NEW",
        [200, 401, 401, 401, 200, 200, 401, 403],
    ),
    (
        "/live/{name}",
        "SOURCE",
        "/live/NEW",
        [200, 401, 401, 401, 200, 200, 401, 403],
    ),
    ("/live/{name}", "OPTIONS", "/live/KEY", [204; 8]),
    (
        "/whip/{key}",
        "POST",
        "/whip/KEY",
        [401, 401, 401, 201, 201, 401, 401, 401],
    ),
    (
        "/whip/{key}",
        "POST",
        "/whip/NEW",
        [201, 401, 401, 401, 201, 201, 401, 403],
    ),
    // It exists, and is one of pictures.
    (
        "/whep/{key}",
        "POST",
        "/whep/KEY",
        [406, 406, 406, 406, 406, 406, 401, 406],
    ),
    (
        "/whep/{key}",
        "POST",
        "/whep/NEW",
        [404, 404, 404, 404, 404, 404, 401, 404],
    ),
    // Whoever knows the address of a session has it.
    (
        "/whip/{key}/{session}",
        "DELETE",
        "/whip/KEY/0123456789abcdef0123456789abcdef",
        [404; 8],
    ),
    (
        "/whip/{key}/{session}",
        "PATCH",
        "/whip/KEY/0123456789abcdef0123456789abcdef",
        [404; 8],
    ),
    (
        "/whep/{key}/{session}",
        "DELETE",
        "/whep/KEY/0123456789abcdef0123456789abcdef",
        [404; 8],
    ),
    (
        "/whep/{key}/{session}",
        "PATCH",
        "/whep/KEY/0123456789abcdef0123456789abcdef",
        [404; 8],
    ),
    (
        "/socket.io/",
        "GET",
        "/socket.io/?EIO=4&transport=polling",
        [200; 8],
    ),
    ("/socket.io/{*name}", "GET", "/socket.io/none", [400; 8]),
];

/// The routes of LAN mode and of ACME, which are there in those modes alone. `KEY` and `NEW` are not in them.
const OF_MODES: &[Row] = &[
    ("/trust", "GET", "/trust", [200; 8]),
    ("/trust/about.json", "GET", "/trust/about.json", [200; 8]),
    ("/trust/qr.svg", "GET", "/trust/qr.svg", [200; 8]),
    // At the machine alone, whatever one shows.
    (
        "/trust/code",
        "POST",
        "/trust/code",
        [200, 403, 403, 403, 403, 403, 403, 403],
    ),
    // Over HTTPS alone, which `pairing.rs` does.
    ("/trust/pair", "POST", "/trust/pair", [403; 8]),
    (
        "/trust/abanico-ca.crt",
        "GET",
        "/trust/abanico-ca.crt",
        [200; 8],
    ),
    (
        "/trust/abanico-ca.mobileconfig",
        "GET",
        "/trust/abanico-ca.mobileconfig",
        [200; 8],
    ),
    // No challenge is set here; `acme.rs` has one answered.
    (
        "/.well-known/acme-challenge/{token}",
        "GET",
        "/.well-known/acme-challenge/none",
        [404; 8],
    ),
];

/// The native door: what a WebSocket says first, and what it hears first, for each of [`ASKS`].
const NATIVE: &[(&str, &str, [&str; 8])] = &[
    ("/live/KEY", "watch", ["welcome"; 8]),
    ("/live/NEW", "watch", ["no-stream"; 8]),
    (
        "/live/KEY",
        "publish",
        [
            "token", "token", "token", "ready", "ready", "token", "key", "token",
        ],
    ),
    (
        "/live/NEW",
        "publish",
        ["ready", "key", "key", "key", "ready", "ready", "key", "key"],
    ),
];

#[test]
fn every_route_answers_each_who_asks_as_the_table_says() {
    let listed = quoted(include_str!("../../src/routes.rs"), ".route(");
    let in_table = ROUTES.iter().map(|(route, ..)| (*route).to_owned());
    assert_eq!(
        listed,
        in_table.collect(),
        "every route needs a row in ROUTES"
    );

    let (_folder, secret) = file(jwt::SECRET);
    let node = Node::start_with(&["--jwt-secret-file", &secret]);
    let mut wrong = Vec::new();
    for (at, (_, method, path, expected)) in ROUTES.iter().enumerate() {
        for (asks, status) in ASKS.iter().zip(expected) {
            let (stream, path) = (
                Stream::open_for_holder(&node),
                path.replace("NEW", &format!("new{at}{asks:?}")),
            );
            let path = path.replace("KEY", &stream.key);
            let (kind, body) = match *method {
                "PATCH" => (
                    "application/trickle-ice-sdpfrag",
                    b"a=end-of-candidates\r\n".to_vec(),
                ),
                "POST" if path.starts_with("/whip") => {
                    ("application/sdp", offer("sendonly").into_bytes())
                }
                "POST" if path.starts_with("/whep") => {
                    ("application/sdp", offer("recvonly").into_bytes())
                }
                "POST" if path.ends_with("/moderation") => ("application/json", measure()),
                "POST" if path.ends_with("/links") => ("application/json", b"{}".to_vec()),
                "POST" if path == "/tokens" => ("application/json", br#"{"name": "a"}"#.to_vec()),
                "PUT" | "POST" | "SOURCE" => ("multipart/x-mixed-replace; boundary=b", body()),
                _ => ("text/plain", Vec::new()),
            };
            let mut headers = stream.headers(*asks);
            headers.push(format!("Content-Type: {kind}"));
            let headers: Vec<_> = headers.iter().map(String::as_str).collect();
            let answer = node.request(method, &path, &headers, &body);
            if answer.status != *status {
                let (heard, said) = (answer.status, said(&answer));
                wrong.push(format!(
                    "{method} {path} by {asks:?}: {heard} {said}, not {status}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_route_of_a_mode_answers_each_who_asks_as_the_table_says() {
    let mut listed = quoted(include_str!("../../src/trust.rs"), ".route(");
    let challenges = include_str!("../../src/tls/acme/challenges.rs");
    listed.extend(quoted(challenges, ".route("));
    let in_table = OF_MODES.iter().map(|(route, ..)| (*route).to_owned());
    assert_eq!(
        listed,
        in_table.collect(),
        "every route needs a row in OF_MODES"
    );
    let tls = ["--tls-listen", "127.0.0.1:0"];
    let lan = ["--lan", "--lan-names", "abanico-test.local"];
    let lan = Node::start_with(&[&lan[..], &tls].concat());
    // Nobody is there: it asks in vain.
    let acme = ["--acme-names", "live.example", "--acme-directory"];
    let nobody = ["https://127.0.0.1:9/"];
    let acme = Node::start_with(&[&acme[..], &nobody, &tls].concat());
    for (route, method, path, expected) in OF_MODES {
        let node = if route.starts_with("/trust") {
            &lan
        } else {
            &acme
        };
        let stream = Stream::open(&lan);
        for (asks, status) in ASKS.iter().zip(expected) {
            let headers = match asks {
                Asks::Operator => vec![
                    format!("Authorization: Bearer {}", node.key()),
                    ELSEWHERE.to_owned(),
                ],
                other => stream.headers(*other),
            };
            let headers: Vec<_> = headers.iter().map(String::as_str).collect();
            let answer = node.request(method, path, &headers, "");
            let name = format!("{method} {path} by {asks:?}");
            assert_eq!(answer.status, *status, "{name}: {}", said(&answer));
        }
    }
}

#[test]
fn the_native_door_answers_each_who_asks_as_the_table_says() {
    let (_folder, secret) = file(jwt::SECRET);
    let node = Node::start_with(&["--jwt-secret-file", &secret]);
    let mut wrong = Vec::new();
    for (at, (path, says, expected)) in NATIVE.iter().enumerate() {
        for (asks, heard) in ASKS.iter().zip(expected) {
            let (stream, path) = (
                Stream::open_for_holder(&node),
                path.replace("NEW", &format!("new{at}{asks:?}")),
            );
            let path = path.replace("KEY", &stream.key);
            let elsewhere = if *asks == Asks::Local { "" } else { ELSEWHERE };
            let protocol = format!("abanico.{says}.v1");
            let mut socket = Socket::open(&node, &path, &protocol, elsewhere);
            let mut first = json!({"type": says});
            if let Some(token) = stream.shown(*asks).filter(|_| *says == "publish") {
                first["token"] = json!(token);
            }
            socket.say(&first.to_string());
            let answer = socket.hear();
            let word = answer.get("code").unwrap_or(&answer["type"]);
            if word != heard {
                wrong.push(format!("{says} {path} by {asks:?}: {answer}, not {heard}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

impl Stream<'_> {
    /// What somebody shows at a door.
    fn shown(&self, asks: Asks) -> Option<String> {
        match asks {
            Asks::Local | Asks::Stranger => None,
            Asks::Other => Some("0123456789abcdef0123456789abcdef".to_owned()),
            Asks::Publisher => Some(self.token.clone()),
            Asks::Operator => Some(self.node.key().to_owned()),
            Asks::Signed => Some(jwt::signed()),
            Asks::Expired => Some(jwt::expired()),
            Asks::Namesake => Some(jwt::namesake()),
        }
    }

    fn headers(&self, asks: Asks) -> Vec<String> {
        let shown = self.shown(asks);
        let shown = shown.map(|shown| format!("Authorization: Bearer {shown}"));
        let elsewhere = (asks != Asks::Local).then(|| ELSEWHERE.to_owned());
        shown.into_iter().chain(elsewhere).collect()
    }
}

/// The text in quotes that comes first behind each `mark`.
pub(crate) fn quoted(source: &str, mark: &str) -> BTreeSet<String> {
    let pieces = source.split(mark).skip(1);
    pieces
        .map(|piece| piece.split('"').nth(1).unwrap().to_owned())
        .collect()
}
