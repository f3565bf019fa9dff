//! The turns under a model checker: every order in which an owner who lends, wants back and lets go can meet a borrower.
//!
//! Run by `cargo xtask test`, or `RUSTFLAGS="--cfg abanico_loom" cargo test --package abanico-socketio --lib turn::model
//! --target-dir target/loom`.

use std::future::poll_fn;
use std::sync::Arc;

use loom::future::block_on;
use loom::thread;

use super::{Offered, Put, Returned, Turn};

/// What has been written of all messages: a message is two bytes, its place twice.
struct Wire(loom::sync::Mutex<Vec<u64>>);

/// The rest of a message is its second byte.
type Socket = Turn<Wire, u64>;

const LOAN: u64 = 1;

fn socket() -> Arc<Socket> {
    Arc::new(Turn::new(Wire(loom::sync::Mutex::new(Vec::new()))))
}

impl Wire {
    /// Writes some bytes. That nobody else does at the same time is what the turns are for.
    fn write(&self, bytes: &[u64]) {
        let mut wire = self.0.try_lock().expect("nobody else writes");
        wire.extend_from_slice(bytes);
    }

    fn read(&self) -> Vec<u64> {
        self.0.lock().unwrap().clone()
    }
}

/// Offers the messages from `from` to `to`, each once, as a courier does: who is late or full is left to its owner.
fn offer(socket: &Socket, from: u64, to: u64) -> Vec<Offered> {
    (from..to)
        .map(|place| {
            let (_, offered) = socket.offer_with(LOAN, place, 1, |wire, _| {
                wire.write(&[place, place]);
                Put::All(1)
            });
            offered
        })
        .collect()
}

/// Waits until the socket is the owner's again, without asking for it.
fn wait(socket: &Socket) {
    block_on(poll_fn(|cx| {
        socket.remember(cx.waker());
        if socket.is_lent() {
            std::task::Poll::Pending
        } else {
            std::task::Poll::Ready(())
        }
    }));
}

fn recall(socket: &Socket) -> Returned<u64> {
    block_on(poll_fn(|cx| socket.poll_recall(cx)))
}

/// The owner writes what the borrower has not, up to `to`.
fn write_rest(socket: &Socket, returned: &Returned<u64>, to: u64) {
    if let Some(rest) = returned.begun {
        socket.stream.write(&[rest]);
    }
    for place in returned.place..to {
        socket.stream.write(&[place, place]);
    }
}

fn all(to: u64) -> Vec<u64> {
    (0..to).flat_map(|place| [place, place]).collect()
}

#[test]
fn who_wants_it_back_gets_it_and_each_message_is_put_once_and_in_order() {
    loom::model(|| {
        let socket = socket();
        socket.open(LOAN, 0);
        let courier = {
            let socket = Arc::clone(&socket);
            thread::spawn(move || offer(&socket, 0, 2))
        };
        let returned = recall(&socket);
        write_rest(&socket, &returned, 2);
        let offered = courier.join().unwrap();
        assert_eq!(socket.stream.read(), all(2));
        let taken = offered.iter().filter(|one| **one == Offered::Taken);
        assert_eq!(taken.count() as u64, returned.place);
        assert!(!socket.is_lent());
    });
}

#[test]
fn what_was_put_there_in_part_comes_back_with_it_and_its_owner_is_woken() {
    loom::model(|| {
        let socket = socket();
        socket.open(LOAN, 0);
        let courier = {
            let socket = Arc::clone(&socket);
            thread::spawn(move || {
                let (_, first) = socket.offer_with(LOAN, 0, 1, |wire, _| {
                    wire.write(&[0]);
                    Put::Full(1, Some(0))
                });
                (first, offer(&socket, 1, 2))
            })
        };
        wait(&socket);
        let returned = recall(&socket);
        assert_eq!(returned.place, 1);
        write_rest(&socket, &returned, 2);
        let (first, second) = courier.join().unwrap();
        assert_eq!((first, second), (Offered::Taken, vec![Offered::Busy]));
        assert_eq!(socket.stream.read(), all(2));
    });
}

#[test]
fn a_full_socket_wanted_or_not_comes_back_with_nothing_put_there() {
    loom::model(|| {
        let socket = socket();
        socket.open(LOAN, 0);
        let courier = {
            let socket = Arc::clone(&socket);
            thread::spawn(move || socket.offer_with(LOAN, 0, 1, |_, _| Put::Full(0, None)))
        };
        let returned = recall(&socket);
        assert_eq!((returned.place, returned.begun), (0, None));
        write_rest(&socket, &returned, 1);
        assert_eq!(courier.join().unwrap(), (0, Offered::Busy));
        assert_eq!(socket.stream.read(), all(1));
    });
}

#[test]
fn a_borrower_that_has_gone_on_without_it_gives_it_back() {
    loom::model(|| {
        let socket = socket();
        socket.open(LOAN, 0);
        let courier = {
            let socket = Arc::clone(&socket);
            thread::spawn(move || offer(&socket, 1, 2))
        };
        wait(&socket);
        let returned = recall(&socket);
        write_rest(&socket, &returned, 2);
        assert_eq!(courier.join().unwrap(), [Offered::Busy]);
        assert_eq!(socket.stream.read(), all(2));
    });
}

#[test]
fn what_cannot_be_taken_back_at_once_is_put_there_and_what_can_is_lent_anew() {
    loom::model(|| {
        let socket = socket();
        socket.open(LOAN, 0);
        let courier = {
            let socket = Arc::clone(&socket);
            thread::spawn(move || offer(&socket, 0, 2))
        };
        // The owner finds that there is something to read after all.
        let mut place = 0;
        if let Some(next) = socket.close(LOAN) {
            place = next;
            if place < 2 {
                socket.stream.write(&[place, place]);
                place += 1;
            }
            socket.open(LOAN, place);
        }
        let offered = courier.join().unwrap();
        let returned = recall(&socket);
        assert!(returned.place >= place);
        write_rest(&socket, &returned, 2);
        assert_eq!(socket.stream.read(), all(2), "{offered:?}");
    });
}

#[test]
fn who_gives_it_back_while_it_is_wanted_or_used_leaves_nobody_waiting() {
    loom::model(|| {
        let socket = socket();
        socket.open(LOAN, 0);
        let courier = {
            let socket = Arc::clone(&socket);
            thread::spawn(move || offer(&socket, 0, 1))
        };
        let feed = {
            let socket = Arc::clone(&socket);
            thread::spawn(move || socket.give_back(LOAN))
        };
        let returned = recall(&socket);
        write_rest(&socket, &returned, 1);
        courier.join().unwrap();
        feed.join().unwrap();
        assert_eq!(socket.stream.read(), all(1));
    });
}

#[test]
fn who_lets_go_of_it_for_good_is_offered_nothing_more() {
    loom::model(|| {
        let socket = socket();
        socket.open(LOAN, 0);
        let courier = {
            let socket = Arc::clone(&socket);
            thread::spawn(move || offer(&socket, 0, 2))
        };
        socket.retire();
        let offered = courier.join().unwrap();
        assert_eq!(offer(&socket, 2, 3), [Offered::Gone]);
        let taken = offered.iter().filter(|one| **one == Offered::Taken).count();
        assert_eq!(socket.stream.read(), all(taken as u64), "{offered:?}");
        assert_eq!(socket.close(LOAN), None);
        socket.give_back(LOAN);
    });
}

#[test]
fn an_earlier_loan_is_over_when_there_is_a_later_one() {
    loom::model(|| {
        let socket = socket();
        socket.open(LOAN, 0);
        let courier = {
            let socket = Arc::clone(&socket);
            thread::spawn(move || offer(&socket, 0, 1))
        };
        let returned = recall(&socket);
        socket.open(LOAN + 1, 7);
        assert_eq!(
            offer(&socket, returned.place, 1)
                .last()
                .copied()
                .unwrap_or(Offered::Gone),
            Offered::Gone
        );
        courier.join().unwrap();
        let later = recall(&socket);
        assert_eq!(later.place, 7);
        write_rest(&socket, &returned, 1);
        assert_eq!(socket.stream.read(), all(1));
    });
}

#[test]
fn of_a_run_those_are_put_there_that_its_owner_has_not_written_itself() {
    loom::model(|| {
        let socket = socket();
        socket.open(LOAN, 0);
        let courier = {
            let socket = Arc::clone(&socket);
            thread::spawn(move || {
                socket.offer_with(LOAN, 0, 3, |wire, before| {
                    // The last is more than it can take.
                    for place in before..2 {
                        wire.write(&[place, place]);
                    }
                    wire.write(&[2]);
                    Put::Full(3 - before, Some(2))
                })
            })
        };
        if let Some(place) = socket.close(LOAN) {
            if place == 0 {
                socket.stream.write(&[0, 0]);
            }
            socket.open(LOAN, place.max(1));
        }
        let returned = recall(&socket);
        write_rest(&socket, &returned, 3);
        courier.join().unwrap();
        assert_eq!(socket.stream.read(), all(3));
    });
}
