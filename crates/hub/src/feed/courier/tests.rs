use super::super::{Cursor, Feed, Next};
use super::{Offered, Outlet};
use crate::budget::Budget;
use abanico_core::ring::Bounds;
use parking_lot::Mutex;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tokio::sync::Notify;

/// A socket that takes so many packets before it is full.
#[derive(Clone, Default)]
struct Socket(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    lent: bool,
    gone: bool,
    panics: bool,
    place: u64,
    room: usize,
    got: Vec<u32>,
    /// How many packets came with each run.
    runs: Vec<usize>,
}

impl Socket {
    fn with_room(room: usize) -> Self {
        let socket = Self::default();
        socket.0.state.lock().room = room;
        socket
    }

    async fn until(&self, is_so: impl Fn(&State) -> bool) {
        loop {
            let changed = self.0.changed.notified();
            if is_so(&self.0.state.lock()) {
                return;
            }
            changed.await;
        }
    }

    fn got(&self) -> Vec<u32> {
        self.0.state.lock().got.clone()
    }

    fn place(&self) -> u64 {
        self.0.state.lock().place
    }
}

impl Outlet<u32> for Socket {
    fn open(&self, place: u64) {
        let mut state = self.0.state.lock();
        (state.lent, state.place) = (true, place);
    }

    fn close(&self) -> Option<u64> {
        let mut state = self.0.state.lock();
        std::mem::take(&mut state.lent).then_some(state.place)
    }

    fn offer(&self, place: u64, packet: &u32) -> Offered {
        let mut state = self.0.state.lock();
        assert!(!state.panics, "an outlet that panics");
        let offered = if state.gone {
            Offered::Gone
        } else if !state.lent || state.place > place {
            Offered::Busy
        } else if state.place < place || state.got.len() == state.room {
            state.lent = false;
            Offered::Busy
        } else {
            state.got.push(*packet);
            state.place += 1;
            Offered::Taken
        };
        self.0.changed.notify_waiters();
        offered
    }

    fn offer_run(&self, place: u64, packets: &[u32]) -> (usize, Offered) {
        self.0.state.lock().runs.push(packets.len());
        let offered = (place..).zip(packets);
        let offered: Vec<_> = offered.map(|(place, one)| self.offer(place, one)).collect();
        let taken = offered.iter().filter(|one| **one == Offered::Taken);
        (taken.count(), offered[offered.len() - 1])
    }

    fn give_back(&self) {
        self.0.state.lock().lent = false;
        self.0.changed.notify_waiters();
    }
}

fn feed() -> Feed<u32> {
    Feed::new(Bounds::default(), Arc::new(Budget::new(usize::MAX)))
}

fn poll(cursor: &mut Cursor<u32>) -> Poll<Option<Next<u32>>> {
    cursor.poll_next(&mut Context::from_waker(Waker::noop()))
}

async fn next(cursor: &mut Cursor<u32>) -> Option<Next<u32>> {
    poll_fn(|cx| cursor.poll_next(cx)).await
}

#[tokio::test]
async fn what_is_pushed_is_put_to_every_outlet_that_is_lent() {
    let feed = feed();
    let sockets: Vec<_> = (0..100).map(|_| Socket::with_room(10)).collect();
    let mut cursors: Vec<_> = sockets.iter().map(|_| feed.cursor()).collect();
    for (cursor, socket) in cursors.iter_mut().zip(&sockets) {
        assert!(poll(cursor).is_pending());
        assert!(cursor.lend(socket));
    }
    feed.push(1, 10);
    feed.push(2, 10);
    for socket in &sockets {
        socket.until(|state| state.got == [1, 2]).await;
    }
    assert_eq!(feed.counts().read, 200);
}

#[tokio::test]
async fn a_reader_goes_on_where_its_outlet_was_left() {
    let feed = feed();
    let mut cursor = feed.cursor();
    let socket = Socket::with_room(2);
    assert!(cursor.lend(&socket));
    for number in 1..=4 {
        feed.push(number, 10);
    }
    socket.until(|state| !state.lent).await;
    cursor.returned(socket.place());
    assert_eq!(socket.got(), [1, 2]);
    assert_eq!(next(&mut cursor).await, Some(Next::Packet(3)));
    assert_eq!(next(&mut cursor).await, Some(Next::Packet(4)));
    assert_eq!((cursor.counts().read, feed.counts().read), (4, 4));
}

#[tokio::test]
async fn an_outlet_is_not_lent_while_there_is_something_to_read() {
    let feed = feed();
    let mut cursor = feed.cursor();
    feed.push(1, 10);
    assert!(!cursor.lend(&Socket::with_room(9)));
    assert_eq!(next(&mut cursor).await, Some(Next::Packet(1)));
}

#[tokio::test]
async fn an_outlet_can_be_taken_back_and_lent_again() {
    let feed = feed();
    let mut cursor = feed.cursor();
    let socket = Socket::with_room(9);
    assert!(cursor.lend(&socket));
    feed.push(1, 10);
    socket.until(|state| state.got == [1]).await;
    cursor.returned(socket.close().expect("nothing is being put there"));
    feed.push(2, 10);
    assert_eq!(next(&mut cursor).await, Some(Next::Packet(2)));
    assert!(cursor.lend(&socket));
    feed.push(3, 10);
    socket.until(|state| state.got == [1, 3]).await;
}

#[tokio::test]
async fn when_nothing_follows_every_outlet_goes_back_for_the_last_word() {
    let feed = feed();
    let mut cursor = feed.cursor();
    let socket = Socket::with_room(9);
    assert!(cursor.lend(&socket));
    feed.push(1, 10);
    feed.finish(Some(9));
    socket.until(|state| !state.lent).await;
    cursor.returned(socket.place());
    assert_eq!(socket.got(), [1]);
    assert_eq!(next(&mut cursor).await, Some(Next::Packet(9)));
    assert_eq!(next(&mut cursor).await, None);
    assert!(
        !cursor.lend(&socket),
        "nothing can be lent to a feed that is over"
    );
}

#[tokio::test]
async fn outlets_of_readers_that_went_make_room_for_others() {
    let feed = feed();
    let gone = Socket::with_room(9);
    let mut cursor = feed.cursor();
    assert!(cursor.lend(&gone));
    gone.0.state.lock().gone = true;
    drop(cursor);
    let (socket, mut cursor) = (Socket::with_room(9), feed.cursor());
    assert!(cursor.lend(&socket));
    feed.push(1, 10);
    socket.until(|state| state.got == [1]).await;
    assert!(gone.got().is_empty());
}

#[tokio::test]
async fn an_outlet_that_panics_goes_back_to_its_owner_and_costs_nobody_else_anything() {
    let feed = feed();
    let (faulty, sound) = (Socket::with_room(9), Socket::with_room(9));
    let mut cursors = [feed.cursor(), feed.cursor()];
    assert!(cursors[0].lend(&faulty) && cursors[1].lend(&sound));
    faulty.0.state.lock().panics = true;
    feed.push(1, 10);
    feed.push(2, 10);
    sound.until(|state| state.got == [1, 2]).await;
    assert!(!faulty.0.state.lock().lent);
}

#[tokio::test]
async fn the_couriers_end_with_their_feed() {
    let feed = feed();
    let mut cursor = feed.cursor();
    assert!(cursor.lend(&Socket::with_room(9)));
    let metrics = tokio::runtime::Handle::current().metrics();
    assert!(metrics.num_alive_tasks() > 0);
    drop((cursor, feed));
    while metrics.num_alive_tasks() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_is_ready_together_is_brought_together_and_counted() {
    let feed = feed();
    let sockets = [Socket::with_room(99), Socket::with_room(3)];
    let mut cursors = [feed.cursor(), feed.cursor()];
    for (cursor, socket) in cursors.iter_mut().zip(&sockets) {
        assert!(cursor.lend(socket));
    }
    // The courier runs when this task waits.
    (0..20).for_each(|number| feed.push(number, 10));
    let [roomy, full] = &sockets;
    roomy.until(|state| state.got.len() == 20).await;
    assert_eq!(roomy.got(), (0..20).collect::<Vec<_>>());
    assert_eq!(roomy.0.state.lock().runs, [8, 8, 4]);
    assert_eq!(full.got(), [0, 1, 2]);
    assert_eq!(feed.counts().read, 23);
}

#[tokio::test]
async fn what_everybody_was_brought_is_held_no_longer() {
    let feed = feed();
    let sockets: Vec<_> = (0..10).map(|_| Socket::with_room(100)).collect();
    let mut cursors: Vec<_> = sockets.iter().map(|_| feed.cursor()).collect();
    for (cursor, socket) in cursors.iter_mut().zip(&sockets) {
        assert!(cursor.lend(socket));
    }
    for number in 0..50 {
        feed.push(number, 10);
        for socket in &sockets {
            socket
                .until(|state| state.got.len() > number as usize)
                .await;
        }
    }
    tokio::task::yield_now().await;
    assert!(feed.held_bytes() <= 20, "{} bytes", feed.held_bytes());
    // One takes its outlet back and reads by itself: what it has not read is held, and so is the last that it was brought.
    let place = sockets[3].close().unwrap();
    cursors[3].returned(place);
    for number in 50..60 {
        feed.push(number, 10);
    }
    sockets[4].until(|state| state.got.len() == 60).await;
    tokio::task::yield_now().await;
    assert!(feed.held_bytes() >= 100, "{} bytes", feed.held_bytes());
    for number in 50..60 {
        assert_eq!(
            poll(&mut cursors[3]),
            Poll::Ready(Some(Next::Packet(number)))
        );
    }
    // It has everything, and lends again.
    assert!(cursors[3].lend(&sockets[3]));
    feed.push(60, 10);
    sockets[4].until(|state| state.got.len() == 61).await;
    tokio::task::yield_now().await;
    assert!(feed.held_bytes() <= 20, "{} bytes", feed.held_bytes());
    // Somebody comes who has lent nothing yet.
    let mut comer = feed.cursor();
    for number in 61..65 {
        feed.push(number, 10);
    }
    sockets[4].until(|state| state.got.len() == 65).await;
    tokio::task::yield_now().await;
    for number in 61..65 {
        assert_eq!(poll(&mut comer), Poll::Ready(Some(Next::Packet(number))));
    }
    drop((cursors, comer));
    assert_eq!(feed.held_bytes(), 10, "nobody reads any more");
}

#[tokio::test]
async fn what_one_outlet_did_not_take_is_held_for_its_reader() {
    let feed = feed();
    let (wide, narrow) = (Socket::with_room(100), Socket::with_room(3));
    let (mut first, mut second) = (feed.cursor(), feed.cursor());
    assert!(first.lend(&wide) && second.lend(&narrow));
    for number in 0..20 {
        feed.push(number, 10);
        wide.until(|state| state.got.len() > number as usize).await;
        tokio::task::yield_now().await;
    }
    second.returned(narrow.place());
    for number in 3..20 {
        assert_eq!(poll(&mut second), Poll::Ready(Some(Next::Packet(number))));
    }
}
