//! `abanico bench` before a server of this binary.

use crate::node::{Node, abanico, ran};
use serde_json::Value;

/// Half a second of load, with further flags.
fn load(node: &Node, flags: &[&str]) -> (Option<i32>, Value) {
    let url = format!("http://{}", node.address);
    let shape = [
        "--viewers",
        "5",
        "--size",
        "3kB",
        "--ramp",
        "0s",
        "--duration",
        "500ms",
    ];
    let output = ran(abanico()
        .args(["bench", "--json", "--url", &url])
        .args(shape)
        .args(flags));
    let figures = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code(), figures)
}

#[test]
fn the_load_tester_counts_every_frame_over_every_door() {
    let node = Node::start();
    for door in ["socketio", "socketio-binary", "polling"] {
        let (code, figures) = load(&node, &["--door", door, "--max-lost", "0"]);
        assert_eq!(code, Some(0), "{figures:#}");
        assert_eq!(figures["joined"], 5, "{figures:#}");
        assert!(figures["delivered"].as_u64() >= Some(10), "{figures:#}");
        assert_eq!(figures["latencyMs"]["count"], figures["delivered"]);
    }
}

#[test]
fn a_limit_that_is_exceeded_is_an_exit_code_and_a_verdict() {
    let node = Node::start();
    let (code, figures) = load(&node, &["--max-p99", "1us"]);
    assert_eq!(code, Some(1), "{figures:#}");
    assert_eq!(figures["verdict"][0]["kept"], false, "{figures:#}");
}

#[test]
fn only_this_machine_is_loaded() {
    let output = ran(abanico().args(["bench", "--url", "http://192.0.2.1:3000"]));
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(told.contains("only a loopback address"), "{told}");
}

#[test]
fn the_floor_sends_what_its_receivers_count() {
    let output = ran(abanico().args([
        "bench",
        "floor",
        "--viewers",
        "5",
        "--size",
        "3kB",
        "--duration",
        "500ms",
        "--json",
    ]));
    let told = String::from_utf8_lossy(&output.stderr);
    let figures: Value = serde_json::from_slice(&output.stdout).expect(&told);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(figures["delivered"].as_u64() >= Some(10), "{figures:#}");
    assert!(
        figures["server"]["cpuSeconds"].as_f64() > Some(0.0),
        "{figures:#}"
    );
}
