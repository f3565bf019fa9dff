//! Clients that read slowly, clients that send faster than they are handled: what waits has a bound.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use abanico_socketio::engine::Greedy;
use abanico_socketio::{Config, DisconnectReason, EmitError, Feed, Message};
use tokio::io::AsyncWriteExt;

use crate::world::{Frame, Node, frame, message, pass, soon};

#[tokio::test]
async fn a_client_that_does_not_read_is_closed_when_its_queue_is_full() {
    let node = Node::start(Config {
        queue_bytes_max: 1 << 20,
        ..Config::default()
    })
    .await;
    let (_reads_nothing, socket) = node.member().await;
    let picture = message("picture", 100_000);
    let mut sent = 0;
    let refusal = loop {
        match socket.emit(&picture) {
            Ok(()) => sent += picture.len(),
            Err(refusal) => break refusal,
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(refusal, EmitError::SlowConsumer);
    // The kernel's buffers take a few megabytes, the queue no more than its bound.
    assert!(sent < 32 << 20);
    assert_eq!(node.gone().await.1, DisconnectReason::SlowConsumer);
    assert_eq!(socket.emit(&picture), Err(EmitError::NotConnected));
}

#[tokio::test]
async fn a_polling_client_that_does_not_poll_is_closed_when_its_queue_is_full() {
    let node = Node::start(Config {
        queue_messages_max: 100,
        ..Config::default()
    })
    .await;
    let poller = node.polling().await;
    poller.enter().await;
    let socket = node.connected().await;
    let tick = Message::event("tick", &1).unwrap();
    let taken = (0..1000).take_while(|_| socket.emit(&tick).is_ok()).count();
    assert_eq!(taken, 100);
    assert_eq!(node.gone().await.1, DisconnectReason::SlowConsumer);
}

#[tokio::test]
async fn what_may_be_left_out_is_before_anybody_is_closed_and_nothing_else_is() {
    let node = Node::start(Config {
        queue_bytes_max: 20_000,
        queue_messages_max: 100,
        skippable_bytes_max: 10_000,
        ..Config::default()
    })
    .await;
    let poller = node.polling().await;
    poller.enter().await;
    let socket = node.connected().await;
    let chat = |number| {
        let words = format!("{number:03}{}", "x".repeat(1000));
        Message::event("chat", &words).unwrap().skippable()
    };
    let count = |number: u32| Message::event("count", &number).unwrap();
    for number in 0..50 {
        socket.emit(&chat(number)).unwrap();
        socket.emit(&count(number)).unwrap();
    }
    // With so many of these all of the others give way.
    for number in 50..100 {
        socket.emit(&count(number)).unwrap();
    }
    assert_eq!(socket.emit(&count(100)), Err(EmitError::SlowConsumer));
    assert_eq!(node.gone().await.1, DisconnectReason::SlowConsumer);

    let poller = node.polling().await;
    poller.enter().await;
    let socket = node.connected().await;
    for number in 0..50 {
        socket.emit(&chat(number)).unwrap();
        socket.emit(&count(number)).unwrap();
    }
    let mut heard = Vec::new();
    while !heard.iter().any(|packet: &String| packet.contains(",49]")) {
        heard.extend(poller.poll().await.packets().into_iter().map(str::to_owned));
    }
    let of = |name: &str| heard.iter().filter(|packet| packet.contains(name)).count();
    assert_eq!((of("count"), of("chat")), (50, 9));
    assert!(
        heard.iter().any(|packet| packet.contains("\"049x")),
        "the newest is there"
    );
}

#[tokio::test]
async fn what_may_be_refused_is_and_its_sender_told_before_anybody_is_closed() {
    let node = Node::start(Config {
        queue_bytes_max: 20_000,
        queue_messages_max: 100,
        refusable_bytes_max: 8_000,
        ..Config::default()
    })
    .await;
    let poller = node.polling().await;
    poller.enter().await;
    let socket = node.connected().await;
    let signal = |bytes: usize| {
        let message = Message::event("signal", &"x".repeat(bytes)).unwrap();
        message.refusable()
    };
    let count = |number: u32| Message::event("count", &number).unwrap();
    // A single one passes the bound, and is all that there is room for.
    assert_eq!(socket.emit(&signal(9_000)), Ok(()));
    assert_eq!(socket.emit(&signal(1)), Err(EmitError::Refused));
    // It gives way to what must be told, of which a hundred wait in the end.
    for number in 0..100 {
        assert_eq!(socket.emit(&count(number)), Ok(()));
        assert_eq!(socket.emit(&signal(8_000)), Err(EmitError::Refused));
    }
    let mut heard = Vec::new();
    while !heard.iter().any(|packet: &String| packet.contains(",99]")) {
        heard.extend(poller.poll().await.packets().into_iter().map(str::to_owned));
    }
    let of = |name: &str| heard.iter().filter(|packet| packet.contains(name)).count();
    assert_eq!((of("count"), of("signal")), (100, 0));
    // What was fetched waits no longer; however small they are, they leave half of the places free.
    let taken = (0..100).take_while(|_| socket.emit(&signal(1)).is_ok());
    assert_eq!(taken.count(), 50);
    assert!(socket.is_connected());
}

#[tokio::test]
async fn one_message_larger_than_the_bound_still_goes() {
    let node = Node::start(Config {
        queue_bytes_max: 1000,
        ..Config::default()
    })
    .await;
    let (mut client, socket) = node.member().await;
    socket.emit(&message("large", 100_000)).unwrap();
    client.text().await;
    assert!(matches!(client.frame().await, Frame::Binary(bytes) if bytes.len() == 100_000));
}

/// Ends who holds most, so many at most of those that hold more than so many bytes.
fn shed(node: &Node, count: usize, bytes: usize) -> usize {
    Greedy::end_most(node.server.greedy(bytes), count)
}

#[tokio::test]
async fn when_memory_is_short_those_are_ended_for_whom_most_is_waiting() {
    let node = Node::start(Config {
        queue_bytes_max: 100 << 20,
        ..Config::default()
    })
    .await;
    let (_reads_nothing, worst) = node.member().await;
    let (_reads_nothing_either, bad) = node.member().await;
    let (mut reads, good) = node.member().await;
    for _ in 0..200 {
        worst.emit(&message("picture", 100_000)).unwrap();
        bad.emit(&message("picture", 50_000)).unwrap();
    }
    good.emit(&Message::event("hello", &1).unwrap()).unwrap();
    assert_eq!(shed(&node, 1, 1_000_000), 1);
    let is_gone = |socket: &abanico_socketio::Socket| !socket.is_connected();
    soon(async {
        while !is_gone(&worst) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(!is_gone(&bad) && !is_gone(&good));
    assert_eq!(shed(&node, 8, 1_000_000), 1, "the other one is left");
    assert_eq!(shed(&node, 8, 1_000_000), 0, "nobody else is in the way");
    assert_eq!(reads.text().await, "42[\"hello\",1]");
}

#[tokio::test]
async fn when_memory_is_short_who_holds_most_of_all_servers_together_goes_first() {
    let config = Config {
        queue_bytes_max: 100 << 20,
        ..Config::default()
    };
    let (one, other) = (Node::start(config.clone()).await, Node::start(config).await);
    let (_reads_nothing, little) = one.member().await;
    let (_reads_nothing_either, most) = other.member().await;
    for _ in 0..200 {
        little.emit(&message("picture", 50_000)).unwrap();
        most.emit(&message("picture", 100_000)).unwrap();
    }
    let all = || [&one, &other].map(|node| node.server.greedy(1_000_000));
    assert_eq!(Greedy::end_most(all().into_iter().flatten(), 1), 1);
    soon(async {
        while most.is_connected() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(little.is_connected());
    assert_eq!(Greedy::end_most(all().into_iter().flatten(), 8), 1);
}

#[tokio::test]
async fn when_memory_is_short_who_lets_most_of_what_it_says_stand_is_ended_first() {
    let node = Node::start(Config::default()).await;
    let (mut little, _) = node.member().await;
    let (mut most, _) = node.member().await;
    let (mut honest, _) = node.member().await;
    honest.send("451-[\"whole\"]").await;
    honest.send_bytes(&vec![0; 900_000]).await;
    node.event().await;
    most.send("459-[\"never\"]").await;
    most.send_bytes(&vec![0; 900_000]).await;
    // A part of a message that has no end.
    little
        .send_raw(&[0x02, 0x80 | 127, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0])
        .await;
    little.send_raw(&[0; 0x30000]).await;
    assert_eq!(shed(&node, 1, 64 << 10), 0, "it may yet go on");
    soon(async {
        while shed(&node, 1, 800_000) == 0 {
            pass(Duration::from_millis(100)).await;
        }
    })
    .await;
    assert_eq!(most.close_code().await, 1008);
    assert_eq!(node.gone().await.1, DisconnectReason::MessageTimeout);
    assert_eq!(shed(&node, 8, 64 << 10), 1, "the other one is left");
    assert_eq!(little.close_code().await, 1008);
    node.gone().await;
    assert_eq!(shed(&node, 8, 64 << 10), 0);
    honest.send("42[\"echo\",1]").await;
    assert_eq!(honest.text().await, "42[\"echo\",1]");
}

/// Gives pictures without end and counts them.
struct Endless {
    pulled: Arc<AtomicUsize>,
    picture: Message,
}

impl Feed for Endless {
    fn poll_next(&mut self, _cx: &mut Context<'_>) -> Poll<Option<Message>> {
        self.pulled.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(Some(self.picture.clone()))
    }
}

#[tokio::test]
async fn a_feed_is_pulled_only_as_fast_as_the_client_reads() {
    let node = Node::start(Config::default()).await;
    let (mut client, socket) = node.member().await;
    let pulled = Arc::new(AtomicUsize::new(0));
    let feed = socket.attach(Endless {
        pulled: Arc::clone(&pulled),
        picture: message("picture", 100_000),
    });
    // The kernel's buffers fill up; then nothing is pulled however long we wait. A clock that is stopped moves only when
    // nobody has anything to do.
    tokio::time::pause();
    let mut before = 0;
    let full = soon(async {
        loop {
            tokio::time::sleep(Duration::from_millis(1)).await;
            let now = pulled.load(Ordering::Relaxed);
            if now == before && now > 0 {
                return now;
            }
            before = now;
        }
    });
    let full = full.await;
    tokio::time::resume();
    assert!(
        full < 200,
        "{full} pictures were pulled for a client that reads none"
    );
    for _ in 0..2 * full {
        client.text().await;
        assert!(matches!(client.frame().await, Frame::Binary(_)));
    }
    assert!(pulled.load(Ordering::Relaxed) > full);
    // Control messages go ahead of the feed.
    socket
        .emit(&Message::event("control", &1).unwrap())
        .unwrap();
    let mut ahead = 0;
    while client.text().await != "42[\"control\",1]" {
        client.frame().await;
        ahead += 1;
        assert!(ahead < 200, "no more is ahead of it than the kernel holds");
    }
    socket.detach(feed);
    socket.emit(&Message::event("last", &1).unwrap()).unwrap();
    while client.text().await != "42[\"last\",1]" {
        client.frame().await;
    }
    assert_eq!(Arc::strong_count(&pulled), 1, "the feed is dropped");
}

#[tokio::test]
async fn over_polling_a_feed_is_pulled_only_when_a_poll_is_open() {
    let node = Node::start(Config::default()).await;
    let poller = node.polling().await;
    poller.enter().await;
    let socket = node.connected().await;
    let pulled = Arc::new(AtomicUsize::new(0));
    socket.attach(Endless {
        pulled: Arc::clone(&pulled),
        picture: message("picture", 100_000),
    });
    socket.emit(&Message::event("first", &1).unwrap()).unwrap();
    let answer = poller.poll().await;
    assert_eq!(answer.packets()[0], "42[\"first\",1]");
    assert!(answer.packets().len() <= 16);
    assert!(answer.body.len() <= 1_000_100);
    let now = pulled.load(Ordering::Relaxed);
    assert!(now <= 16);
    assert_eq!(poller.post("42[\"echo\"]").await.text(), "ok");
    node.event().await;
    assert_eq!(
        pulled.load(Ordering::Relaxed),
        now,
        "nothing was pulled without a poll"
    );
}

#[tokio::test]
async fn a_client_that_sends_faster_than_it_is_handled_is_read_no_further() {
    let node = Node::start(Config {
        inbound_messages_max: 8,
        ..Config::default()
    })
    .await;
    let (client, socket) = node.member().await;
    let (_reader, mut writer) = client.stream.into_split();
    let event = frame(
        0x81,
        format!("42[\"wait\",\"{}\"]", "x".repeat(100_000)).as_bytes(),
    );
    let mut sent = 0;
    // The handler waits, so the kernel's buffers fill up and the client cannot go on.
    while tokio::time::timeout(Duration::from_millis(300), writer.write_all(&event))
        .await
        .is_ok()
    {
        sent += event.len();
        assert!(sent < 64 << 20, "the server reads without end");
    }
    assert!(socket.is_connected());
    node.permits.add_permits(1);
    assert_eq!(node.event().await.name(), "wait");
}

#[tokio::test]
async fn a_handler_that_waits_stops_neither_events_nor_pongs_to_its_client() {
    let node = Node::start(Config::default()).await;
    let (mut client, socket) = node.member().await;
    client.send("42[\"wait\"]").await;
    client.send_raw(&frame(0x89, b"?")).await;
    assert_eq!(client.frame().await, Frame::Pong(b"?".to_vec()));
    socket
        .emit(&Message::event("meanwhile", &1).unwrap())
        .unwrap();
    assert_eq!(client.text().await, "42[\"meanwhile\",1]");
    node.permits.add_permits(1);
    node.event().await;
}

#[tokio::test]
async fn a_feed_ends_with_its_socket_and_not_with_another_of_the_session() {
    let node = Node::start(Config::default()).await;
    let (mut client, main) = node.member().await;
    client.send("40/side").await;
    client.text().await;
    let side = node.connected().await;
    let (of_main, of_side) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let endless = |pulled: &Arc<AtomicUsize>| Endless {
        pulled: Arc::clone(pulled),
        picture: message("picture", 100_000),
    };
    main.attach(endless(&of_main));
    side.attach(endless(&of_side));
    client.send("41").await;
    assert_eq!(node.gone().await.0, main.id());
    // Reading makes room; the session drops the feed when it next writes.
    while Arc::strong_count(&of_main) > 1 {
        client.text().await;
        client.frame().await;
    }
    assert_eq!(Arc::strong_count(&of_side), 2);
    main.attach(endless(&of_main));
    while Arc::strong_count(&of_main) > 1 {
        client.text().await;
        client.frame().await;
    }
    assert_eq!(side.namespace(), "/side");
}
