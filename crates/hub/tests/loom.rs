//! The fan-out under a model checker: every order with up to three preemptions in which a publisher's packets and a viewer's waiting can meet.
//!
//! `LOOM_MAX_PREEMPTIONS=3 RUSTFLAGS="--cfg abanico_loom" cargo test --package abanico-hub --test loom --target-dir target/loom`

#![cfg(abanico_loom)]

use abanico_core::ring::Bounds;
use abanico_hub::budget::Budget;
use abanico_hub::feed::{Cursor, Feed, Next};
use loom::future::block_on;
use loom::thread;
use std::future::poll_fn;
use std::sync::Arc;

fn feed() -> Feed<u8> {
    Feed::new(Bounds::default(), Arc::new(Budget::new(usize::MAX)))
}

/// All that a viewer gets until the end.
fn read(mut cursor: Cursor<u8>) -> Vec<u8> {
    let mut got = Vec::new();
    while let Some(next) = block_on(poll_fn(|cx| cursor.poll_next(cx))) {
        let Next::Packet(packet) = next else {
            unreachable!("nobody lags here")
        };
        got.push(packet);
    }
    got
}

#[test]
fn a_viewer_that_waits_is_never_forgotten() {
    loom::model(|| {
        let feed = feed();
        let cursor = feed.cursor();
        let publisher = thread::spawn(move || {
            feed.push(1, 1);
            feed.push(2, 1);
            feed.finish(Some(3));
        });
        assert_eq!(read(cursor), [1, 2, 3]);
        publisher.join().unwrap();
    });
}

#[test]
fn a_viewer_that_goes_while_a_packet_comes_disturbs_nobody() {
    loom::model(|| {
        let feed = feed();
        let (staying, going) = (feed.cursor(), feed.cursor());
        let publisher = thread::spawn(move || {
            feed.push(1, 1);
            feed.finish(None);
        });
        let leaver = thread::spawn(move || drop(going));
        assert_eq!(read(staying), [1]);
        publisher.join().unwrap();
        leaver.join().unwrap();
    });
}
