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
use std::future::poll_fn;
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

/// What is kept in the relay while a bridge is there: its view of the stream, in a format that carries it. None while
/// nothing is known of the stream.
pub(crate) struct Bridge(Option<Watching>);

/// Makes sure that Socket.IO viewers are given what a publisher at another door sends. Called with the room's relay
/// locked; what is there already is in the relay when it returns.
pub(crate) fn ensure(room: &SharedRoom, stream: &Stream<Packet>, relay: &mut Relay) {
    if !room.is_by_door() || relay.bridge.is_some() {
        return;
    }
    relay.bridge = Some(Bridge(None));
    flush(room, stream, relay);
    let (room, stream) = (room.clone(), stream.clone());
    tokio::spawn(async move {
        let mut tracks = room.channel.watch_tracks();
        while poll_fn(|cx| poll(&room, &stream, cx)).await == Found::NothingYet {
            // The room holds the channel: its tracks cannot go while this waits.
            let _ = tracks.changed().await;
        }
    });
}

/// Brings what is there, without waiting for more. Called with the room's relay locked.
pub(crate) fn flush(room: &SharedRoom, stream: &Stream<Packet>, relay: &mut Relay) {
    let mut nobody = Context::from_waker(Waker::noop());
    let _ = bring(room, stream, relay, &mut nobody);
}

/// What a bridge has found when it has nothing to wait for in its view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// The stream has no tracks.
    NothingYet,
    /// The stream has ended, or nobody needs the bridge.
    End,
}

fn poll(room: &SharedRoom, stream: &Stream<Packet>, cx: &mut Context<'_>) -> Poll<Found> {
    let mut relay = room.relay.lock();
    // Who joins holds the relay's lock: nobody comes between the look and the end.
    if !room.is_by_door() || stream.feed().readers() == 0 {
        relay.bridge = None;
        if room.is_by_door() {
            relay.forget();
        }
        return Poll::Ready(Found::End);
    }
    bring(room, stream, &mut relay, cx)
}

fn bring(
    room: &SharedRoom,
    stream: &Stream<Packet>,
    relay: &mut Relay,
    cx: &mut Context<'_>,
) -> Poll<Found> {
    let Some(Bridge(view)) = relay.bridge.take() else {
        return Poll::Ready(Found::End);
    };
    let Some(mut view) = view.or_else(|| watch(room)) else {
        if room.channel.has_ended() {
            return Poll::Ready(Found::End);
        }
        relay.bridge = Some(Bridge(None));
        return Poll::Ready(Found::NothingYet);
    };
    loop {
        match view.poll_next(cx) {
            Poll::Pending => {
                relay.bridge = Some(Bridge(Some(view)));
                return Poll::Pending;
            }
            Poll::Ready(None) => return Poll::Ready(Found::End),
            Poll::Ready(Some(Item::Packet(packet))) => pass(stream, relay, &packet),
            Poll::Ready(Some(Item::Skipped { .. })) => {}
            Poll::Ready(Some(Item::Unsuitable(_))) => {
                // Another codec: what was sent is no beginning for what comes.
                relay.forget();
                relay.bridge = Some(Bridge(None));
                drop(view);
                return Poll::Ready(ready!(bring(room, stream, relay, cx)));
            }
        }
    }
}

/// A view of the stream in a format that carries it, if there is anything yet.
fn watch(room: &SharedRoom) -> Option<Watching> {
    let format = Format::fitting(&room.channel.tracks())?;
    Some(room.channel.watch(format).ok()?.uncounted())
}

/// What holding a frame costs beside its bytes: a publisher at a door may send more of them than one over Socket.IO.
const PARCEL_CHARGE: usize = 512;

/// Takes a packet as if a Socket.IO publisher had sent it.
fn pass(stream: &Stream<Packet>, relay: &mut Relay, packet: &abanico_live::Packet) {
    let (bytes, captured) = match packet.content {
        Content::Init { .. } if packet.is_separator() => return,
        Content::Init { .. } => (packet.head.clone(), 0),
        // Of a part of a multipart body, the picture alone.
        Content::Frame { captured, .. } if packet.is_part() => (packet.payload.clone(), captured),
        Content::Frame { captured, .. } => (packet.joined(), captured),
    };
    let stamps = Stamps {
        received: Timestamp::now(),
        captured: u64::try_from(captured / 1000).ok().filter(|at| *at > 0),
    };
    let feed = stream.feed();
    let taken = relay.take(Data::binary(bytes), stamps, Instant::now(), feed.head());
    if feed.readers() > 0 {
        let bytes = taken.len() + PARCEL_CHARGE;
        relay.put(feed, taken, bytes);
    }
}
