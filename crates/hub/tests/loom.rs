//! The fan-out under a model checker: every order with up to a few preemptions in which a publisher's packets and a viewer's waiting can meet.
//!
//! `LOOM_MAX_PREEMPTIONS=3 RUSTFLAGS="--cfg abanico_loom" cargo test --package abanico-hub --test loom --target-dir target/loom`

#![cfg(abanico_loom)]

use abanico_core::ring::Bounds;
use abanico_hub::budget::Budget;
use abanico_hub::feed::{Cursor, Feed, Next, Offered, Outlet};
use loom::future::block_on;
use loom::thread;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

fn feed() -> Feed<u8> {
    feed_with(Bounds::default())
}

fn feed_with(bounds: Bounds) -> Feed<u8> {
    Feed::new(bounds, Arc::new(Budget::new(usize::MAX)))
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

/// An outlet that takes so many packets, then goes back to its owner. While one is put there it cannot be taken back.
#[derive(Clone)]
struct Socket(
    Arc<loom::sync::Mutex<State>>,
    Arc<loom::future::AtomicWaker>,
);

struct State {
    lent: bool,
    writing: bool,
    place: u64,
    room: u8,
    got: Vec<u8>,
}

impl Socket {
    fn with_room(room: u8) -> Self {
        let state = State {
            lent: false,
            writing: false,
            place: 0,
            room,
            got: Vec::new(),
        };
        Self(
            Arc::new(loom::sync::Mutex::new(state)),
            Arc::new(loom::future::AtomicWaker::new()),
        )
    }
}

impl Outlet<u8> for Socket {
    fn open(&self, place: u64) {
        let mut state = self.0.lock().unwrap();
        (state.lent, state.place) = (true, place);
    }

    fn close(&self) -> Option<u64> {
        let mut state = self.0.lock().unwrap();
        if state.writing {
            return None;
        }
        std::mem::take(&mut state.lent).then_some(state.place)
    }

    fn offer(&self, place: u64, packet: &u8) -> Offered {
        let mut state = self.0.lock().unwrap();
        if !state.lent || state.place > place {
            return Offered::Busy;
        }
        if state.place < place || state.room == 0 {
            state.lent = false;
            drop(state);
            self.1.wake();
            return Offered::Busy;
        }
        state.writing = true;
        drop(state);
        // Here its owner may want it back.
        let mut state = self.0.lock().unwrap();
        assert!(state.lent && state.writing);
        state.writing = false;
        state.room -= 1;
        state.place += 1;
        state.got.push(*packet);
        Offered::Taken
    }

    fn give_back(&self) {
        self.0.lock().unwrap().lent = false;
        self.1.wake();
    }
}

/// All that a viewer gets until the end which lends its outlet whenever it has nothing to read.
fn read_lending(mut cursor: Cursor<u8>, socket: &Socket) -> Vec<u8> {
    let mut lent = false;
    loop {
        let next = block_on(poll_fn(|cx| {
            if lent {
                socket.1.register_by_ref(cx.waker());
                let place = {
                    let state = socket.0.lock().unwrap();
                    if state.lent {
                        return Poll::Pending;
                    }
                    state.place
                };
                lent = false;
                cursor.returned(place);
            }
            let next = cursor.poll_next(cx);
            if next.is_pending() {
                socket.1.register_by_ref(cx.waker());
                lent = cursor.lend(socket);
                // Whatever was given back before the waker was seen has woken nobody.
                if lent && !socket.0.lock().unwrap().lent {
                    cx.waker().wake_by_ref();
                }
            }
            next
        }));
        match next {
            None => return socket.0.lock().unwrap().got.clone(),
            Some(Next::Packet(packet)) => socket.0.lock().unwrap().got.push(packet),
            Some(Next::Lagging(_) | Next::Lost(_)) => {
                let newest = cursor.feed().head() - 1;
                cursor.skip_to(newest);
            }
        }
    }
}

#[test]
fn a_viewer_that_lends_its_outlet_gets_everything_in_order() {
    loom::model(|| {
        let feed = feed();
        let cursor = feed.cursor();
        let publisher = thread::spawn(move || {
            feed.push(1, 1);
            feed.finish(Some(3));
        });
        assert_eq!(read_lending(cursor, &Socket::with_room(9)), [1, 3]);
        publisher.join().unwrap();
    });
}

#[test]
fn a_viewer_whose_outlet_is_full_reads_on_by_itself() {
    loom::model(|| {
        let feed = feed();
        let cursor = feed.cursor();
        let publisher = thread::spawn(move || {
            feed.push(1, 1);
            feed.finish(Some(3));
        });
        assert_eq!(read_lending(cursor, &Socket::with_room(0)), [1, 3]);
        publisher.join().unwrap();
    });
}

#[test]
fn what_comes_while_an_outlet_is_lent_and_cannot_be_taken_back_is_brought_there() {
    loom::model(|| {
        let feed = feed();
        let cursor = feed.cursor();
        feed.push(1, 1);
        let publisher = thread::spawn(move || {
            feed.push(2, 1);
            feed.finish(Some(3));
        });
        assert_eq!(read_lending(cursor, &Socket::with_room(9)), [1, 2, 3]);
        publisher.join().unwrap();
    });
}

#[test]
fn a_viewer_whose_courier_is_late_goes_on_at_the_newest_packet_and_hears_the_end() {
    loom::model(|| {
        // All but the newest packet is late.
        let feed = feed_with(Bounds {
            lag_bytes_max: 0,
            ..Bounds::default()
        });
        let cursor = feed.cursor();
        let publisher = thread::spawn(move || {
            feed.push(1, 1);
            feed.push(2, 1);
            feed.finish(Some(3));
        });
        let got = read_lending(cursor, &Socket::with_room(9));
        assert!(got == [1, 2, 3] || got == [2, 3], "{got:?}");
        publisher.join().unwrap();
    });
}
