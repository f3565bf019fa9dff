//! What one native viewer's socket pulls from.

use crate::doors::outlet::Direct;
use abanico_core::ladder::Rung;
use abanico_live::{Item, Packet, Watching};
use abanico_socketio::engine::{self, Outlet, Parcel};
use std::task::{Context, Poll, ready};
use tokio::sync::oneshot;

/// A viewer's place in a stream, as its socket sees it.
pub(super) struct NativeFeed {
    watching: Watching,
    /// Dropped when the viewer was told that the stream has ended.
    ended: Option<oneshot::Sender<()>>,
}

impl NativeFeed {
    /// A feed, and what is told when it has come to the stream's end.
    pub(super) fn new(watching: Watching) -> (Self, oneshot::Receiver<()>) {
        let (ended, told) = oneshot::channel();
        let feed = Self {
            watching,
            ended: Some(ended),
        };
        (feed, told)
    }
}

/// A packet as the WebSocket carries it: made once for all viewers.
fn parcel(packet: &Packet) -> &Parcel {
    packet.framed(|packet| {
        if packet.is_init() {
            Parcel::plain_text(&String::from_utf8_lossy(&packet.head))
        } else {
            Parcel::plain_binary(packet.parts())
        }
    })
}

impl engine::Feed for NativeFeed {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Parcel>> {
        if self.ended.is_none() {
            return Poll::Ready(None);
        }
        let parcel = match ready!(self.watching.poll_next(cx)) {
            Some(Item::Packet(packet)) => parcel(&packet).clone(),
            Some(Item::Skipped { frames, receiving }) => {
                let receiving = match receiving {
                    Rung::All => "all",
                    Rung::Keyframes => "keyframes",
                    Rung::Stills => "stills",
                };
                Parcel::plain_text(&format!(
                    r#"{{"type":"skipped","frames":{frames},"receiving":"{receiving}"}}"#
                ))
            }
            Some(Item::Unsuitable(_)) | None => {
                if let Some(ended) = self.ended.take() {
                    // Whoever waits for it may have gone.
                    let _ = ended.send(());
                }
                Parcel::plain_text(r#"{"type":"ended"}"#)
            }
        };
        Poll::Ready(Some(parcel))
    }

    fn lend(&mut self, outlet: Outlet) -> bool {
        self.ended.is_some() && self.watching.lend(&Direct::new(outlet, parcel))
    }

    fn returned(&mut self, place: u64) {
        self.watching.returned(place);
    }
}
