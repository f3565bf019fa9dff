//! Private streams: whom every route lets in, and what it tells everybody else.
//!
//! A route that names a stream and has no row fails the test.

#![expect(clippy::unwrap_used, reason = "the clients of a test may fail it")]

use crate::answer::said;
use crate::links::link;
use crate::material::{body, measure, offer};
use crate::matrix::quoted;
use crate::node::Node;
use crate::stream::{ELSEWHERE, Stream};
use serde_json::{Value, json};

/// Who asks for something of a private stream.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Asks {
    /// At this machine, with nothing to show.
    Local,
    /// Anybody else.
    Stranger,
    /// With a link that has expired.
    Expired,
    /// With the token of another stream.
    Other,
    /// With a token of the operator's that was taken back.
    Revoked,
    /// With a link that holds.
    Link,
    /// With a token of the operator's to keep order.
    Moderator,
    /// Who publishes it.
    Publisher,
    Operator,
}

const ASKS: [Asks; 9] = [
    Asks::Local,
    Asks::Stranger,
    Asks::Expired,
    Asks::Other,
    Asks::Revoked,
    Asks::Link,
    Asks::Moderator,
    Asks::Publisher,
    Asks::Operator,
];

/// A route, a method, and the status for each of [`ASKS`] where the stream is private, and where there is none.
type Row = (&'static str, &'static str, &'static str, [u16; 9], [u16; 9]);

/// A key that is none is told to who shows one.
const WATCH: [u16; 9] = [404, 404, 404, 404, 401, 200, 200, 200, 200];
const NOBODY: [u16; 9] = [404, 404, 404, 404, 401, 404, 404, 404, 404];
const OWNER: [u16; 9] = [404, 404, 404, 404, 401, 404, 404, 200, 200];

const ROUTES: &[Row] = &[
    ("/watch/{key}", "GET", "/watch/KEY", [200; 9], [200; 9]),
    ("/streams/{key}", "DELETE", "/streams/KEY", OWNER, NOBODY),
    (
        "/streams/{key}/poster",
        "GET",
        "/streams/KEY/poster",
        WATCH,
        NOBODY,
    ),
    (
        "/streams/{key}/viewers",
        "GET",
        "/streams/KEY/viewers",
        [404, 401, 401, 401, 401, 401, 403, 401, 200],
        [404, 401, 401, 401, 401, 401, 403, 401, 404],
    ),
    (
        "/streams/{key}/links",
        "GET",
        "/streams/KEY/links",
        OWNER,
        NOBODY,
    ),
    (
        "/streams/{key}/links",
        "POST",
        "/streams/KEY/links",
        [404, 404, 404, 404, 401, 404, 404, 201, 201],
        NOBODY,
    ),
    (
        "/streams/{key}/links/{id}",
        "DELETE",
        "/streams/KEY/links/none",
        NOBODY,
        NOBODY,
    ),
    (
        "/streams/{key}/moderation",
        "POST",
        "/streams/KEY/moderation",
        [404, 404, 404, 404, 401, 404, 200, 200, 200],
        NOBODY,
    ),
    ("/live/{name}", "GET", "/live/KEY.jpg", WATCH, NOBODY),
    ("/live/{name}", "HEAD", "/live/KEY.mjpeg", WATCH, NOBODY),
    (
        "/live/{name}",
        "PUT",
        "/live/KEY",
        // Who may open streams here learns that the key is taken.
        [401, 401, 401, 401, 401, 401, 403, 200, 200],
        [200, 401, 401, 401, 401, 401, 403, 401, 200],
    ),
    (
        "/whip/{key}",
        "POST",
        "/whip/KEY",
        [401, 401, 401, 401, 401, 401, 403, 201, 201],
        [201, 401, 401, 401, 401, 401, 403, 401, 201],
    ),
    (
        "/whep/{key}",
        "POST",
        "/whep/KEY",
        // It is one of pictures.
        [404, 404, 404, 404, 401, 406, 406, 406, 406],
        NOBODY,
    ),
    (
        "/whip/{key}/{session}",
        "DELETE",
        "/whip/KEY/0123456789abcdef0123456789abcdef",
        [404; 9],
        [404; 9],
    ),
    (
        "/whep/{key}/{session}",
        "DELETE",
        "/whep/KEY/0123456789abcdef0123456789abcdef",
        [404; 9],
        [404; 9],
    ),
];

/// What each shows who asks.
struct House<'a> {
    stream: Stream<'a>,
    moderator: &'a str,
    revoked: &'a str,
}

impl House<'_> {
    fn shown(&self, asks: Asks) -> Option<String> {
        match asks {
            Asks::Local | Asks::Stranger => None,
            Asks::Expired => Some(link(&self.stream, &json!({"expires": "0s"}))),
            Asks::Other => Some("0123456789abcdef0123456789abcdef".to_owned()),
            Asks::Revoked => Some(self.revoked.to_owned()),
            Asks::Link => Some(link(&self.stream, &json!({}))),
            Asks::Moderator => Some(self.moderator.to_owned()),
            Asks::Publisher => Some(self.stream.token.clone()),
            Asks::Operator => Some(self.stream.node.key().to_owned()),
        }
    }
}

/// Makes a token as the operator does.
pub(crate) fn token(node: &Node, wanted: &Value) -> String {
    let shown = format!("Authorization: Bearer {}", node.key());
    let made = node.request("POST", "/tokens", &[&shown], wanted.to_string());
    let made: Value = serde_json::from_slice(&made.body).unwrap();
    made["token"].as_str().unwrap().to_owned()
}

/// Takes it back.
pub(crate) fn revoke(node: &Node, name: &str) {
    let shown = format!("Authorization: Bearer {}", node.key());
    let path = format!("/tokens/{name}");
    assert_eq!(node.status("DELETE", &path, &[&shown]), 200);
}

#[test]
fn every_route_tells_a_private_stream_to_those_alone_who_are_let_in() {
    let listed = quoted(include_str!("../../src/routes.rs"), ".route(");
    let naming = listed
        .into_iter()
        .filter(|route| route.contains("{key}") || route.starts_with("/live/"));
    let in_table = ROUTES.iter().map(|(route, ..)| (*route).to_owned());
    assert_eq!(
        naming.collect::<std::collections::BTreeSet<_>>(),
        in_table.collect(),
        "every route that names a stream needs a row"
    );
    // Wrong tokens are shown more often here than by anybody who means well.
    let node = Node::start_with(&["--key-rate", "1000/s burst 1000"]);
    let moderator = token(&node, &json!({"name": "moderator", "may": ["moderate"]}));
    let revoked = token(
        &node,
        &json!({"name": "revoked", "may": ["publish", "watch"]}),
    );
    revoke(&node, "revoked");
    for (at, (_, method, path, private, none)) in ROUTES.iter().enumerate() {
        for (which, asks) in ASKS.iter().enumerate() {
            let stream = Stream::open_as(&node, &json!({"private": true}));
            let house = House {
                stream,
                moderator: &moderator,
                revoked: &revoked,
            };
            let shown = house.shown(*asks);
            let shown = shown.map(|shown| format!("Authorization: Bearer {shown}"));
            let (kind, sent) = match *method {
                "POST" if path.ends_with("/moderation") => ("application/json", measure()),
                "POST" if path.ends_with("/links") => ("application/json", b"{}".to_vec()),
                "POST" if path.starts_with("/whip") => {
                    ("application/sdp", offer("sendonly").into_bytes())
                }
                "POST" => ("application/sdp", offer("recvonly").into_bytes()),
                "PUT" => ("multipart/x-mixed-replace; boundary=b", body()),
                _ => ("text/plain", Vec::new()),
            };
            let kind = format!("Content-Type: {kind}");
            let mut headers = vec![kind.as_str()];
            headers.extend(shown.as_deref());
            headers.extend((*asks != Asks::Local).then_some(ELSEWHERE));
            let ask = |key: &str| node.request(method, &path.replace("KEY", key), &headers, &sent);
            let there = ask(&house.stream.key);
            let nowhere = ask(&format!("none{at}{which}"));
            let name = format!("{method} {path} by {asks:?}");
            assert_eq!(there.status, private[which], "{name}: {}", said(&there));
            assert_eq!(
                nowhere.status,
                none[which],
                "{name}, none: {}",
                said(&nowhere)
            );
            if there.status == nowhere.status && there.status >= 400 {
                let own = said(&there).replace(&house.stream.key, "KEY");
                let other = said(&nowhere).replace(&format!("none{at}{which}"), "KEY");
                let may_know = matches!(asks, Asks::Publisher | Asks::Operator);
                assert!(may_know || own == other, "{name}: {own} is not {other}");
            }
        }
    }
}
