//! What a publisher at another door sends, as `stream:data` for those who watch over Socket.IO.
//!
//! Pictures travel as they are, video as pieces of WebM or of fragmented MP4, whichever carries its codecs. A task does
//! it, and only while somebody watches over Socket.IO. The relay takes the pieces as if a Socket.IO publisher had sent
//! them: it knows what who comes late needs, and who lags.

use crate::payload::Data;
use crate::relay::{Packet, Relay, Stamps};
use crate::room::SharedRoom;
use crate::time::Timestamp;
use abanico_hub::Stream;
use abanico_live::{Content, Format, Item, Watching};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

/// Makes sure that Socket.IO viewers are given what a publisher at another door sends. Called with the room's relay
/// locked; what is there already is in the relay when it returns.
pub(crate) fn ensure(room: &SharedRoom, stream: &Stream<Packet>, relay: &mut Relay) {
    if !room.is_by_door() || relay.bridged {
        return;
    }
    relay.bridged = true;
    let mut bridge = Bridge {
        room: room.clone(),
        stream: stream.clone(),
    };
    let mut watching = bridge.watch();
    if let Some((_, watching)) = &mut watching {
        let mut nobody = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(Item::Packet(packet))) = watching.poll_next(&mut nobody) {
            bridge.pass(relay, &packet);
        }
    }
    tokio::spawn(async move { bridge.run(watching).await });
}

struct Bridge {
    room: SharedRoom,
    stream: Stream<Packet>,
}

impl Bridge {
    /// A view of the stream in a format that carries it, if there is anything yet.
    fn watch(&self) -> Option<(Format, Watching)> {
        let format = Format::fitting(&self.room.channel.tracks())?;
        Some((format, self.room.channel.watch(format).ok()?))
    }

    async fn run(&mut self, mut watching: Option<(Format, Watching)>) {
        let mut tracks = self.room.channel.watch_tracks();
        loop {
            while watching.is_none() {
                if !self.goes_on() {
                    return;
                }
                // The channel is held by the room, which this holds: its tracks cannot go.
                let _ = tracks.changed().await;
                watching = self.watch();
            }
            let Some((_, view)) = &mut watching else {
                continue;
            };
            match view.next().await {
                None => return self.stop(&mut self.room.relay.lock()),
                Some(Item::Packet(packet)) => {
                    if !self.goes_on() {
                        return;
                    }
                    self.pass(&mut self.room.relay.lock(), &packet);
                }
                Some(Item::Skipped(_)) => {}
                Some(Item::Unsuitable(_)) => {
                    self.room.relay.lock().forget();
                    watching = self.watch();
                }
            }
        }
    }

    /// Whether anybody needs this still. It has stopped if not.
    fn goes_on(&self) -> bool {
        let mut relay = self.room.relay.lock();
        // Who joins holds the relay's lock: nobody comes between the look and the stop.
        let goes_on = self.room.is_by_door()
            && self.stream.feed().readers() > 0
            && !self.room.channel.has_ended();
        if !goes_on {
            self.stop(&mut relay);
        }
        goes_on
    }

    fn stop(&self, relay: &mut Relay) {
        relay.bridged = false;
        if self.room.is_by_door() {
            relay.forget();
        }
    }

    fn pass(&self, relay: &mut Relay, packet: &abanico_live::Packet) {
        let (bytes, captured) = match packet.content {
            Content::Init { .. } if packet.head.starts_with(b"--") => return,
            Content::Init { .. } => (packet.head.clone(), 0),
            Content::Frame { captured, .. } if packet.tail.is_empty() => {
                (packet.joined(), captured)
            }
            // A part of a multipart body: the picture alone.
            Content::Frame { captured, .. } => (packet.payload.clone(), captured),
        };
        let stamps = Stamps {
            received: Timestamp::now(),
            captured: u64::try_from(captured / 1000).ok().filter(|at| *at > 0),
        };
        let feed = self.stream.feed();
        let taken = relay.take(Data::binary(bytes), stamps, Instant::now(), feed.head());
        if feed.readers() > 0 {
            let bytes = taken.len();
            feed.push(relay.parcel(taken), bytes);
        }
    }
}
