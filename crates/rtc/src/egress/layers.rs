//! Which layer of the picture a viewer is given: it begins with one, and goes over to another with that one's keyframe.

use super::{Egress, Outlet};
use abanico_live::native::Header;
use abanico_live::{Channel, Content, Item, Packet, Watching};
use std::task::{Context, Poll};
use std::time::Instant;

/// Another layer.
pub(super) struct Lower {
    pub(super) watching: Watching,
    /// What to add to its time to have the stream's.
    offset: i64,
}

/// Where the picture comes from next.
pub(super) enum Turn {
    Main,
    Lower(Box<Watching>),
}

impl Egress {
    /// Begins with the newest group of a lesser layer, if that is what this viewer is given first.
    pub(super) fn begin(&mut self, now: Instant, cx: &mut Context<'_>) -> bool {
        let repeats = self
            .picture
            .as_ref()
            .and_then(|route| route.payload.as_ref());
        if repeats.is_some_and(|payload| payload.repeats.is_some()) {
            self.narrow.takes_trains();
        }
        let main = self.watching.channel().clone();
        let Some(layer) = self.narrow.first(&main) else {
            return false;
        };
        let lower = self.watching.of_layer(&layer.channel);
        let mut newest = |channel| {
            let held = self.watching.of_layer(channel).ok()?;
            newest_picture(held, cx)
        };
        // The newest pictures of both were taken at the same time.
        let (Ok(watching), Some(here), Some(there)) =
            (lower, newest(&main), newest(&layer.channel))
        else {
            return false;
        };
        self.narrow.begin(&layer, now);
        self.lower = Some(Lower {
            watching,
            offset: here - there,
        });
        true
    }

    /// What is given from its next keyframe on; what is given already, if nothing else is.
    pub(super) fn next(&self) -> &Watching {
        match (&self.turning, &self.lower) {
            (Some(Turn::Lower(watching)), _) => watching,
            (None, Some(lower)) => &lower.watching,
            (Some(Turn::Main), _) | (None, None) => &self.watching,
        }
    }

    /// Makes for a layer, which is given from its next keyframe on. `None` is the stream's own.
    pub(super) fn turn_to(&mut self, layer: Option<Channel>) {
        let Some(channel) = layer else {
            if self.lower.is_some() && !matches!(self.turning, Some(Turn::Main)) {
                self.watching.want_keyframe();
                self.turning = Some(Turn::Main);
            } else if self.lower.is_none() {
                self.turning = None;
            }
            return;
        };
        let is = |watching: &Watching| watching.channel().epoch() == channel.epoch();
        let turns = matches!(&self.turning, Some(Turn::Lower(turning)) if is(turning));
        if self.lower.as_ref().is_some_and(|lower| is(&lower.watching)) {
            self.turning = None;
        } else if !turns && let Ok(watching) = self.watching.of_layer(&channel) {
            // Without room for one it is wanted later.
            if !self.narrow.is_closed() {
                watching.want_keyframe();
            }
            self.turning = Some(Turn::Lower(Box::new(watching)));
        }
    }

    /// Goes over to the layer that is made for, if its keyframe has come. True if that was written.
    pub(super) fn poll_turning(
        &mut self,
        out: &mut Outlet<'_>,
        now: Instant,
        cx: &mut Context<'_>,
    ) -> bool {
        loop {
            let Some(Turn::Lower(turning)) = &mut self.turning else {
                return false;
            };
            let packet = match turning.poll_next(cx) {
                Poll::Pending => return false,
                Poll::Ready(Some(Item::Packet(packet))) => packet,
                Poll::Ready(Some(Item::Skipped { .. })) => continue,
                Poll::Ready(None | Some(Item::Unsuitable(_))) => {
                    self.turning = None;
                    return false;
                }
            };
            if !(packet.begins_group() && turning.is_live()) {
                continue;
            }
            let Some(Turn::Lower(watching)) = self.turning.take() else {
                return false;
            };
            let offset = self.offset(&packet, now);
            self.lower = Some(Lower {
                watching: *watching,
                offset,
            });
            if self.give_picture(out, &packet, offset, now) {
                return true;
            }
        }
    }

    /// Writes the next picture of the lower layer, if that is what is given.
    pub(super) fn poll_lower(
        &mut self,
        out: &mut Outlet<'_>,
        now: Instant,
        cx: &mut Context<'_>,
    ) -> bool {
        loop {
            let Some(lower) = &mut self.lower else {
                return false;
            };
            let offset = lower.offset;
            if self.narrow.waits(lower.watching.is_live(), now).is_some() {
                return false;
            }
            match lower.watching.poll_next(cx) {
                Poll::Pending => return false,
                Poll::Ready(Some(Item::Packet(packet))) => {
                    if !packet.is_init() && self.give_picture(out, &packet, offset, now) {
                        return true;
                    }
                }
                Poll::Ready(Some(Item::Skipped { .. })) => {}
                Poll::Ready(None | Some(Item::Unsuitable(_))) => {
                    // Its publisher has gone, or sends it no more.
                    self.turning = Some(Turn::Main);
                    self.watching.want_keyframe();
                    return false;
                }
            }
        }
    }

    /// What to add to a layer's time to have the stream's, going by when its frame came.
    fn offset(&self, packet: &Packet, now: Instant) -> i64 {
        let Ok(Some((header, _))) = Header::split(&packet.head) else {
            return 0;
        };
        self.newest.map_or(0, |(came, timestamp)| {
            let since = now.saturating_duration_since(came).as_micros();
            timestamp + i64::try_from(since).unwrap_or(0) - header.timestamp
        })
    }
}

/// The time of the newest picture that is held for who comes.
fn newest_picture(mut held: Watching, cx: &mut Context<'_>) -> Option<i64> {
    let mut newest = None;
    while let Poll::Ready(Some(item)) = held.poll_next(cx) {
        if let Item::Packet(packet) = item
            && matches!(packet.content, Content::Frame { video: true, .. })
            && let Ok(Some((header, _))) = Header::split(&packet.head)
        {
            newest = Some(header.timestamp);
        }
    }
    newest
}
