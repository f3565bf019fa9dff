//! What an offer of WebRTC may cost who did not ask for it: lines of the log, time of the processor, room.

use crate::answer::Answer;
use crate::material::offer;
use crate::node::Node;

const SDP: &str = "Content-Type: application/sdp";

/// An offer with so many lines, each of which str0m warns of.
fn warned_of(direction: &str, lines: usize) -> String {
    let said = (0..lines).map(|line| {
        let id = line % 14 + 1;
        format!("a=extmap:{id} urn:ietf:params:rtp-hdrext:sdes:mid\r\n")
    });
    offer(direction) + &said.collect::<String>()
}

fn post(node: &Node, path: &str, offer: &str) -> Answer {
    node.request("POST", path, &[SDP], offer)
}

#[test]
fn what_an_offer_says_fills_no_log() {
    let mut node = Node::start_with_log(&[]);
    let publishes = warned_of("sendonly", 400);
    let watches = warned_of("recvonly", 400);
    for _ in 0..5 {
        let taken = post(&node, "/whip/demo", &publishes);
        assert_eq!(taken.status, 201, "{}", taken.text());
        let session = taken.header("location").unwrap();
        assert_eq!(node.status("DELETE", session, &[]), 200);
        assert_eq!(post(&node, "/whep/none", &watches).status, 404);
    }
    node.signal("TERM");
    let log = node.log();
    assert!(log.contains("stopped"), "{log}");
    assert!(log.len() < 5_000, "{} bytes: {log}", log.len());

    // They are there for who wants to read them.
    let mut node = Node::start_with_log(&["--log", "info,str0m=warn"]);
    assert_eq!(
        post(&node, "/whip/demo", &warned_of("sendonly", 30)).status,
        201
    );
    node.signal("TERM");
    let warnings = node.log().matches("Extmap locked").count();
    assert!(warnings > 20, "{warnings}");
}

#[test]
fn an_offer_without_end_is_refused_with_the_number_that_may_be() {
    let node = Node::start();
    let many = offer("sendonly") + &"a=x\r\n".repeat(700);
    let refused = post(&node, "/whip/other", &many);
    assert_eq!(refused.status, 413);
    assert!(refused.text().contains("600 lines"), "{}", refused.text());
    let long = offer("sendonly") + &format!("a=x:{}\r\n", "y".repeat(30_000));
    let refused = post(&node, "/whip/other", &long);
    assert_eq!(refused.status, 413);
    assert!(refused.text().contains("24576 bytes"), "{}", refused.text());
    let within = post(&node, "/whip/other", &warned_of("sendonly", 400));
    assert_eq!(within.status, 201, "{}", within.text());
}

#[test]
fn one_address_sends_so_many_offers_and_others_send_theirs() {
    let rate = ["--rtc-offer-rate", "0/s burst 2"];
    let node = Node::start_with(&[rate, ["--trusted-proxies", "127.0.0.1"]].concat());
    let ask = |visitor: &str| {
        let headers = [SDP, visitor];
        node.request("POST", "/whep/none", &headers, offer("recvonly"))
    };
    let (eve, bob) = (
        "X-Forwarded-For: 203.0.113.1",
        "X-Forwarded-For: 203.0.113.2",
    );
    assert_eq!([ask(eve).status, ask(eve).status], [404, 404]);
    let refused = ask(eve);
    assert_eq!(refused.status, 429);
    assert!(
        refused.text().contains("(rtc-offer-rate)"),
        "{}",
        refused.text()
    );
    assert!(refused.header("retry-after").is_some());
    assert_eq!(ask(bob).status, 404);
    // Who speaks for many is not counted as one.
    let node = Node::start_with(&rate);
    for _ in 0..4 {
        let answered = post(&node, "/whep/none", &offer("recvonly"));
        assert_eq!(answered.status, 404, "{}", answered.text());
    }
}
