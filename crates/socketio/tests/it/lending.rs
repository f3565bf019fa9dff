//! Sockets that are lent to the courier of a feed while their sessions go on talking.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use abanico_core::ring::Bounds;
use abanico_hub::budget::Budget;
use abanico_hub::feed::{self, Cursor, Next};
use abanico_socketio::{Config, Feed, Message, Offered, Outlet};
use bytes::Bytes;

use crate::world::{Frame, Node, PATIENCE, frame, soon};

/// A feed of the fan-out as a socket has it.
struct Viewer {
    cursor: Cursor<Message>,
    taken: Arc<AtomicU64>,
}

/// Its outlet, which counts what couriers put there.
#[derive(Clone)]
struct Counted(Outlet, Arc<AtomicU64>);

impl Feed for Viewer {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        Poll::Ready(match ready!(self.cursor.poll_next(cx)) {
            Some(Next::Packet(message)) => Some(message),
            Some(Next::Lagging(_) | Next::Lost(_)) => unreachable!("its bounds are wide"),
            None => None,
        })
    }

    fn lend(&mut self, outlet: &Outlet) -> bool {
        let outlet = Counted(outlet.clone(), Arc::clone(&self.taken));
        self.cursor.lend(&outlet)
    }

    fn returned(&mut self, place: u64) {
        self.cursor.returned(place);
    }
}

impl feed::Outlet<Message> for Counted {
    fn open(&self, place: u64) {
        self.0.open(place);
    }

    fn close(&self) -> Option<u64> {
        self.0.close()
    }

    fn offer(&self, place: u64, message: &Message) -> feed::Offered {
        let offered = self.0.offer(place, message);
        self.1
            .fetch_add(u64::from(offered == Offered::Taken), Ordering::Relaxed);
        of(offered)
    }

    fn offer_run(&self, place: u64, messages: &[Message]) -> (usize, feed::Offered) {
        let (taken, offered) = self.0.offer_run(place, messages.iter());
        self.1.fetch_add(taken as u64, Ordering::Relaxed);
        (taken, of(offered))
    }

    fn give_back(&self) {
        self.0.give_back();
    }
}

fn of(offered: Offered) -> feed::Offered {
    match offered {
        Offered::Taken => feed::Offered::Taken,
        Offered::Busy => feed::Offered::Busy,
        Offered::Gone => feed::Offered::Gone,
    }
}

const PICTURES: u32 = 400;
const CONTROLS: u32 = 200;

/// A picture of some size that tells its number; every tenth is more than the socket takes at once.
fn picture(number: u32) -> Message {
    let len = if number % 10 == 9 { 900_000 } else { 3_000 };
    let mut bytes = number.to_be_bytes().to_vec();
    bytes.resize(len, 7);
    let placeholder = r#"{"_placeholder":true,"num":0}"#;
    Message::raw("picture", placeholder, vec![Bytes::from(bytes)]).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_session_says_and_what_a_courier_brings_share_a_socket_without_a_byte_astray() {
    let node = Node::start(Config::default()).await;
    let (mut client, socket) = node.member().await;
    let bounds = Bounds {
        held_bytes_max: 1 << 30,
        held_for_max: 10 * PATIENCE,
        lag_bytes_max: 1 << 30,
        lag_for_max: 10 * PATIENCE,
    };
    let pictures = feed::Feed::new(bounds, Arc::new(Budget::new(usize::MAX)));
    let taken = Arc::new(AtomicU64::new(0));
    socket.attach(Viewer {
        cursor: pictures.cursor(),
        taken: Arc::clone(&taken),
    });
    let publisher = tokio::spawn({
        let pictures = pictures.clone();
        async move {
            for number in 0..PICTURES {
                pictures.push(picture(number), 1);
                // Most come one at a time, so that the socket is lent again; some come in a heap.
                while number % 16 > 3 && pictures.counts().read <= u64::from(number) {
                    tokio::task::yield_now().await;
                }
            }
        }
    });
    let talker = tokio::spawn({
        let pictures = pictures.clone();
        async move {
            for number in 0..CONTROLS {
                // Spread over the pictures.
                while pictures.counts().read < u64::from(number * PICTURES / CONTROLS) {
                    tokio::task::yield_now().await;
                }
                let control = Message::event("control", &number).unwrap();
                socket.emit(&control).unwrap();
            }
        }
    });
    let (mut seen_pictures, mut seen_controls, mut pings, mut pongs) = (0, 0, 0, 0);
    while (seen_pictures, seen_controls) != (PICTURES, CONTROLS) {
        if pings == pongs {
            pings += 1;
            client.send_raw(&frame(0x89, &[pings])).await;
        }
        match client.frame().await {
            Frame::Text(text) if text.starts_with("451-[\"picture\",") => {
                let Frame::Binary(bytes) = client.frame().await else {
                    panic!("an attachment follows its event at once")
                };
                let expected = if seen_pictures % 10 == 9 {
                    900_000
                } else {
                    3_000
                };
                assert_eq!(bytes.len(), expected);
                assert_eq!(bytes[..4], seen_pictures.to_be_bytes());
                assert!(bytes[4..].iter().all(|byte| *byte == 7));
                seen_pictures += 1;
            }
            Frame::Text(text) => {
                assert_eq!(text, format!("42[\"control\",{seen_controls}]"));
                seen_controls += 1;
            }
            Frame::Pong(payload) => {
                assert_eq!(payload, [pings]);
                pongs = pings;
                if pongs == u8::MAX {
                    (pings, pongs) = (0, 0);
                }
            }
            other => panic!("{other:?}"),
        }
    }
    soon(publisher).await.unwrap();
    soon(talker).await.unwrap();
    let taken = taken.load(Ordering::Relaxed);
    assert!(taken > 0, "the socket was never lent");
    assert_eq!(pictures.counts().read, u64::from(PICTURES));
}
