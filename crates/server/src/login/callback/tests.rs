use super::*;
use crate::outgoing::tests::{Peer, Reply, outgoing};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const BOUNDS: Bounds = Bounds {
    at_once: 4,
    waiting: 10,
    within: Duration::from_secs(20),
};

fn callback(peer: &Peer, bounds: Bounds) -> Callback {
    let secret = Secret::read(SECRET).unwrap();
    let events = "publish,watch,end".parse().unwrap();
    let outgoing = outgoing("127.0.0.1");
    Callback::new(
        outgoing,
        peer.target(),
        secret,
        events,
        bounds,
        Networks::default(),
    )
}

fn wish(stream: &str) -> Wish<'_> {
    Wish {
        event: Event::Watch,
        stream: Some(stream),
        address: IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9)),
        connection: Uuid::from_u128(7),
        user: Some("ada"),
        token: Some("shown"),
    }
}

/// The same from another address for each number.
fn wish_from(number: u32, stream: &str) -> Wish<'_> {
    Wish {
        address: IpAddr::V4(Ipv4Addr::from_bits(0xcb00_7100 + number)),
        ..wish(stream)
    }
}

fn says(status: u16, body: &str) -> Reply {
    Reply::Says(
        status,
        "Content-Type: application/json\r\n",
        body.to_owned(),
    )
}

#[tokio::test]
async fn a_wish_is_asked_about_and_signed() {
    let mut peer = Peer::start(|_| says(200, r#"{"user": "Ada"}"#)).await;
    let allowed = callback(&peer, BOUNDS).decide(wish("demo")).await.unwrap();
    assert_eq!(allowed.user.as_deref(), Some("Ada"));
    let request = peer.received.recv().await.unwrap();
    let header = |name: &str| {
        let start = format!("{name}: ");
        let line = request
            .head
            .lines()
            .find_map(|line| line.strip_prefix(&start));
        line.unwrap().to_owned()
    };
    let (id, seconds) = (header("webhook-id"), header("webhook-timestamp"));
    let signed = Secret::read(SECRET).unwrap();
    let signed = signed.sign(&id, seconds.parse().unwrap(), &request.body);
    assert_eq!(header("webhook-signature"), signed);
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(body["type"], "watch");
    assert!(humantime::parse_rfc3339(body["timestamp"].as_str().unwrap()).is_ok());
    let data = json!({
        "stream": "demo",
        "address": "203.0.113.9",
        "connection": "00000000-0000-0000-0000-000000000007",
        "user": "ada",
        "token": "shown",
    });
    assert_eq!(body["data"], data);
}

#[tokio::test]
async fn whatever_is_no_clear_yes_is_a_refusal() {
    let soon = Bounds {
        within: Duration::from_millis(50),
        ..BOUNDS
    };
    for (reply, bounds) in [
        (says(500, "{}"), BOUNDS),
        (says(302, "{}"), BOUNDS),
        (says(200, r#"{"allow": false}"#), BOUNDS),
        (Reply::Endless, BOUNDS),
        (Reply::Silent, soon),
    ] {
        let what = format!("{reply:?}");
        let peer = Peer::start(move |_| reply.clone()).await;
        let decided = callback(&peer, bounds).decide(wish("demo")).await;
        assert_eq!(decided, Err(Denied::Undecided), "{what}");
    }
    let peer = Peer::start(|_| says(403, r#"{"message": "members only"}"#)).await;
    let decided = callback(&peer, BOUNDS).decide(wish("demo")).await;
    assert_eq!(decided, Err(Denied::Decided("members only".to_owned())));
}

#[tokio::test]
async fn a_flood_is_asked_about_a_few_at_a_time_and_the_rest_is_refused() {
    let mut peer = Peer::closed(|_| says(200, "")).await;
    let callback = callback(&peer, BOUNDS);
    let streams: Vec<_> = (0..100).map(|at| at.to_string()).collect();
    let mut decided: FuturesUnordered<_> = streams
        .iter()
        .zip(0..)
        .map(|(stream, number)| callback.decide(wish_from(number, stream)))
        .collect();
    for _ in 0..100 - BOUNDS.at_once - BOUNDS.waiting {
        assert_eq!(decided.next().await, Some(Err(Denied::Undecided)));
    }
    let answering = async {
        for _ in 0..BOUNDS.at_once {
            peer.received.recv().await.unwrap();
        }
        peer.gate.add_permits(100);
    };
    let allowed = async {
        while let Some(decided) = decided.next().await {
            assert_eq!(decided, Ok(Allowed::default()));
        }
    };
    tokio::join!(answering, allowed);
    assert_eq!(peer.most_at_once.load(Ordering::SeqCst), BOUNDS.at_once);
}

#[tokio::test]
async fn an_address_that_asks_without_end_has_half_of_the_places_and_another_is_asked_about_at_once()
 {
    let mut peer = Peer::closed(|_| says(200, "")).await;
    let callback = callback(&peer, BOUNDS);
    let streams: Vec<_> = (0..6).map(|at| at.to_string()).collect();
    let one = streams.iter().map(|stream| callback.decide(wish(stream)));
    let mut flood: FuturesUnordered<_> = one.collect();
    // As many as its half and its share of who waits; the others are refused.
    for _ in 0..streams.len() - BOUNDS.at_once / 2 - BOUNDS.waiting.div_ceil(8) {
        assert_eq!(flood.next().await, Some(Err(Denied::Undecided)));
    }
    let other = async {
        let streams = async {
            let mut streams = Vec::new();
            while !streams.contains(&"other".to_owned()) {
                let asked = peer.received.recv().await.unwrap();
                let body: Value = serde_json::from_slice(&asked.body).unwrap();
                streams.push(body["data"]["stream"].as_str().unwrap().to_owned());
            }
            // Nobody was answered yet.
            peer.gate.add_permits(100);
            streams.len()
        };
        let other = callback.decide(wish_from(200, "other"));
        let (asked, decided) = tokio::join!(streams, other);
        assert_eq!(decided, Ok(Allowed::default()));
        assert!(asked <= BOUNDS.at_once / 2 + 1, "{asked}");
    };
    let rest = async { while flood.next().await.is_some() {} };
    tokio::join!(other, rest);
}

#[tokio::test]
async fn an_address_that_fills_its_share_keeps_nobody_out_nor_do_viewers_keep_out_publishers() {
    let mut peer = Peer::closed(|_| says(200, "")).await;
    let bounds = Bounds {
        at_once: 1,
        waiting: 16,
        ..BOUNDS
    };
    let callback = callback(&peer, bounds);
    let streams: Vec<_> = (0..100).map(|at| at.to_string()).collect();
    let flood = streams
        .iter()
        .map(|stream| callback.decide(wish_from(1, stream)));
    let mut flood: FuturesUnordered<_> = flood.collect();
    // One is asked about, two wait.
    for _ in 0..100 - 3 {
        assert_eq!(flood.next().await, Some(Err(Denied::Undecided)));
    }
    let viewer = callback.decide(wish_from(2, "viewer"));
    let publisher = callback.decide(Wish {
        event: Event::Publish,
        ..wish_from(1, "publisher")
    });
    let answering = async {
        let mut asked = Vec::new();
        // Nothing is answered yet, and who would like to publish is asked about.
        for _ in 0..2 {
            let request = peer.received.recv().await.unwrap();
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            asked.push(body["type"].as_str().unwrap().to_owned());
        }
        asked.sort();
        assert_eq!(asked, ["publish", "watch"]);
        peer.gate.add_permits(100);
    };
    let rest = async { while flood.next().await.is_some() {} };
    let (viewer, publisher, (), ()) = tokio::join!(viewer, publisher, answering, rest);
    assert_eq!(viewer, Ok(Allowed::default()));
    assert_eq!(publisher, Ok(Allowed::default()));
}

#[tokio::test]
async fn a_crowd_is_asked_about_once_where_the_answer_says_so() {
    let mut peer = Peer::start(|_| says(200, r#"{"cacheFor": 60}"#)).await;
    let callback = callback(
        &peer,
        Bounds {
            at_once: 1,
            waiting: 100,
            ..BOUNDS
        },
    );
    let mut decided: FuturesUnordered<_> = (0..50)
        .map(|number| callback.decide(wish_from(number, "demo")))
        .collect();
    while let Some(decided) = decided.next().await {
        assert_eq!(decided, Ok(Allowed::default()));
    }
    assert_eq!(callback.decide(wish("other")).await, Ok(Allowed::default()));
    for stream in ["demo", "other"] {
        let request = peer.received.recv().await.unwrap();
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(body["data"]["stream"], stream);
    }
    assert!(peer.received.try_recv().is_err());
}

#[tokio::test]
async fn what_is_too_long_is_refused_unasked() {
    let mut peer = Peer::start(|_| says(200, "")).await;
    let long = "x".repeat(TEXT_BYTES_MAX + 1);
    let decided = callback(&peer, BOUNDS).decide(wish(&long)).await;
    assert!(matches!(decided, Err(Denied::Decided(_))));
    assert!(peer.received.try_recv().is_err());
}

#[tokio::test]
async fn an_end_is_told_until_it_is_heard() {
    let tries = AtomicUsize::new(0);
    let mut peer = Peer::start(move |_| match tries.fetch_add(1, Ordering::SeqCst) {
        0 => says(500, ""),
        _ => says(204, ""),
    })
    .await;
    let reports = callback(&peer, BOUNDS).reports();
    reports.tell(Ended {
        stream: "demo".to_owned(),
        connection: Some(Uuid::from_u128(7)),
        created_at: "2026-11-22T12:00:00.000Z".to_owned(),
        started_at: None,
        ended_at: Some("2026-11-22T13:00:00.000Z".to_owned()),
        viewers_peak: 7,
    });
    reports.finish().await;
    let (first, second) = (
        peer.received.recv().await.unwrap(),
        peer.received.recv().await.unwrap(),
    );
    let body: Value = serde_json::from_slice(&first.body).unwrap();
    assert_eq!(
        (&body["type"], &body["data"]["viewersPeak"]),
        (&json!("end"), &json!(7))
    );
    assert_eq!(first.body, second.body);
    let id = |head: &str| {
        head.lines()
            .find(|line| line.starts_with("webhook-id"))
            .map(str::to_owned)
    };
    assert_eq!(id(&first.head), id(&second.head));
}

#[test]
fn events_are_named_with_commas_between_them() {
    let events: Events = "end, publish".parse().unwrap();
    assert_eq!(events.to_string(), "end,publish");
    for wrong in ["", "join", "publish,"] {
        assert!(wrong.parse::<Events>().is_err(), "{wrong}");
    }
}
