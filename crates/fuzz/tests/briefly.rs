//! Each target for a moment, always with the same inputs.

use abanico_fuzz::{TARGETS, fuzz, seeds_of};

/// Inputs of each target: a second or so.
const INPUTS: u64 = 200_000;

/// The same where each input is taken apart several times.
const INPUTS_OF_RECORDINGS: u64 = 20_000;

fn holds(name: &str) {
    let inputs = match name {
        "webm" | "mp4" => INPUTS_OF_RECORDINGS,
        _ => INPUTS,
    };
    let target = TARGETS.iter().find(|target| target.name == name);
    let target = target.expect("it is in the list");
    match fuzz(target, 1, |number| number < inputs) {
        Ok(tried) => assert_eq!(tried, inputs),
        Err(found) => panic!(
            "input {} of seed 1 breaks {name}: {:02x?}",
            found.number, found.input
        ),
    }
}

macro_rules! targets {
    ($($test:ident: $name:literal,)*) => {
        $(#[test] fn $test() { holds($name); })*

        #[test]
        fn every_target_is_run_and_begins_with_good_input() {
            let run = [$($name),*];
            for target in TARGETS {
                assert!(run.contains(&target.name), "add {} to this file", target.name);
                assert!(!seeds_of(&target).is_empty(), "{} has no seeds", target.name);
            }
        }
    };
}

targets! {
    engine_payload: "engine-payload",
    socket_packet: "socket-packet",
    websocket_frame: "websocket-frame",
    native: "native",
    webm: "webm",
    mp4: "mp4",
    jpeg: "jpeg",
    codec: "codec",
    http_body: "http-body",
}
