//! One viewer's place in one format of a channel.
//!
//! A viewer that comes is given the init packet, the newest group and then each packet as it comes. One that comes back
//! and says what it has is given the rest, if that is recent. One that lags is moved on to the newest group and told
//! how many frames it missed. One that lags again and again is given keyframes, then a still now and then, until it
//! recovers. What is held for it is its place, never a packet.

use crate::channel::{Channel, State, now};
use crate::keyframes::{Wish, Wisher};
use crate::packager::{Format, Unsuitable};
use crate::packet::{Content, Packet};
use abanico_core::key::shortened;
use abanico_core::ladder::{Ladder, Rung};
use abanico_hub::feed::{Cursor, Next, Outlet};
use abanico_hub::tally::Tally;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Instant;
use tracing::debug;

/// What a viewer is given next.
#[derive(Debug, Clone)]
pub enum Item {
    /// Bytes of its wire.
    Packet(Packet),
    /// Frames are left out here: it goes on at the newest group.
    Skipped {
        /// How many, of all tracks.
        frames: u64,
        /// What it is given from now on.
        receiving: Rung,
    },
    /// The stream has changed to codecs that cannot travel in this format. Nothing follows.
    Unsuitable(Unsuitable),
}

/// A viewer of one format. Dropping it ends it.
pub struct Watching {
    channel: Channel,
    format: Format,
    /// Which packager it watches.
    packager: u64,
    cursor: Cursor<Packet>,
    place: Place,
    /// The init packet that it has.
    has: Option<u64>,
    /// The number of the frame after the last one that it was given.
    next: Option<u64>,
    ladder: Ladder,
    had: Had,
    /// Whether it was told why the packets ended.
    told: bool,
    wisher: Wisher,
}

/// What became of one viewer's packets.
#[derive(Debug)]
struct Had {
    /// Whether this is anybody: what looks at a stream on behalf of others is not.
    counts: bool,
    since: Instant,
    delivered: u64,
    skipped: u64,
    lags: u64,
    /// The same for others to see, of whom counts.
    tally: Option<Tally>,
}

/// Where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It has come back, and is given what lies between its last frame and the newest group.
    Resuming,
    /// It looks for a group that it may begin with.
    Entering,
    /// There was none: it begins with the first that comes.
    Awaiting,
    /// In the group of this number, which is held for those who come.
    Group(u64),
    /// At its cursor.
    Live,
    /// It has the keyframe of the group of this number, and is given no more of it.
    Thinned(u64),
}

impl Watching {
    pub(crate) fn new(
        channel: Channel,
        format: Format,
        packager: u64,
        cursor: Cursor<Packet>,
        next: Option<u64>,
        ladder: Ladder,
    ) -> Self {
        let feed = cursor.feed().clone();
        let tally = channel
            .tallies()
            .open(format.name(), String::new(), move || feed.head());
        Self {
            channel,
            format,
            packager,
            cursor,
            place: if next.is_some() {
                Place::Resuming
            } else {
                Place::Entering
            },
            has: None,
            next,
            ladder,
            had: Had {
                counts: true,
                since: now(),
                delivered: 0,
                skipped: 0,
                lags: 0,
                tally: Some(tally),
            },
            told: false,
            wisher: Wisher::default(),
        }
    }

    /// The same, by somebody on whose behalf the publisher is asked for keyframes so often.
    #[must_use]
    pub fn wished_by(mut self, wisher: Wisher) -> Self {
        self.wisher = wisher;
        self
    }

    /// The same viewer of another layer of the stream's picture.
    ///
    /// # Errors
    /// When that cannot travel in this format.
    pub fn of_layer(&self, layer: &Channel) -> Result<Self, Unsuitable> {
        let watching = layer.watch(self.format)?.uncounted();
        Ok(watching.wished_by(self.wisher.clone()))
    }

    /// It would like a keyframe.
    pub fn want_keyframe(&self) -> Wish {
        self.channel.want_keyframe(&self.wisher)
    }

    /// The same on behalf of others, who are counted where they are.
    #[must_use]
    pub fn uncounted(mut self) -> Self {
        self.had.counts = false;
        self.had.tally = None;
        self
    }

    /// What comes next; `None` when the stream has ended. Cancelling it loses nothing.
    pub async fn next(&mut self) -> Option<Item> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// What comes next; `None` when the stream has ended.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        let before = (self.cursor.place(), self.had.skipped, self.had.lags);
        let polled = self.poll_item(cx);
        // Packets may have been passed over though there is nothing to give.
        if polled.is_ready() || before != (self.cursor.place(), self.had.skipped, self.had.lags) {
            self.note_figures();
        }
        polled
    }

    fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        loop {
            let found = match self.place {
                Place::Resuming => self.read_lead(),
                Place::Entering => self.enter(),
                Place::Group(number) => self.read_group(number),
                Place::Awaiting | Place::Live | Place::Thinned(_) => None,
            };
            if let Some(item) = found {
                return Poll::Ready(Some(item));
            }
            if matches!(self.place, Place::Group(_)) {
                continue;
            }
            let live = self.place == Place::Live;
            match ready!(self.cursor.poll_next(cx)) {
                None => {
                    let told = std::mem::replace(&mut self.told, true);
                    let why = (!told).then(|| self.unsuitable()).flatten();
                    return Poll::Ready(why.map(Item::Unsuitable));
                }
                Some(Next::Packet(packet)) if live => {
                    return Poll::Ready(Some(self.give_read(packet)));
                }
                Some(Next::Packet(packet)) => {
                    if self.place == Place::Awaiting && packet.is_init() {
                        return Poll::Ready(Some(self.give_read(packet)));
                    }
                    if self.place == Place::Awaiting && packet.begins_group() && self.next.is_none()
                    {
                        self.place = Place::Live;
                        return Poll::Ready(Some(self.give_read(packet)));
                    }
                    // If it is given this at all, then from the group that is held.
                    add(&self.channel.aside().unread, 1);
                    if self.place == Place::Awaiting {
                        // Something else has come: perhaps there is a group now.
                        self.place = Place::Entering;
                        continue;
                    }
                    if let Some(item) = self.thinned(&packet) {
                        return Poll::Ready(Some(item));
                    }
                }
                Some(Next::Lagging(_) | Next::Lost(_)) => self.fall_back(),
            }
        }
    }

    /// Whether it has had what was held for those who come: the next packet is given as it comes.
    pub fn is_live(&self) -> bool {
        self.place == Place::Live
    }

    /// Goes to the newest group and gives all of it again, because the player lost its way or comes back from a pause.
    pub fn rejoin(&mut self) {
        self.place = Place::Entering;
        self.next = None;
    }

    /// Lends the viewer's outlet to the channel's courier, who puts there what follows as it comes; see
    /// [`Cursor::lend`]. Only for a viewer that has everything up to now and is given everything.
    pub fn lend(&mut self, outlet: &(impl Outlet<Packet> + Clone)) -> bool {
        if self.place != Place::Live || !self.ladder.gives_all() {
            return false;
        }
        let before = self.cursor.place();
        let lent = self.cursor.lend(outlet);
        if lent {
            if let Some(tally) = &self.had.tally {
                tally.lent(before);
            }
        } else {
            // A courier may have been quicker.
            self.has_read(before);
        }
        lent
    }

    /// The outlet is back; everything before `place` was put there, no init packet among it.
    pub fn returned(&mut self, place: u64) {
        let before = self.cursor.place();
        self.cursor.returned(place);
        self.has_read(before);
        self.note_figures();
    }

    fn note_figures(&self) {
        let Had {
            delivered,
            skipped,
            lags,
            tally,
            ..
        } = &self.had;
        if let Some(tally) = tally {
            let place = self.cursor.place();
            tally.note(place, *delivered, *skipped, *lags, self.ladder.last());
        }
    }

    /// A courier has brought everything from `before` to the cursor's place.
    fn has_read(&mut self, before: u64) {
        let place = self.cursor.place();
        if place == before {
            return;
        }
        self.had.delivered += place.saturating_sub(before);
        self.cursor.feed().visit_from(place - 1, |packet| {
            if let Content::Frame { sequence, .. } = packet.content {
                self.next = Some(sequence + 1);
            }
            false
        });
    }

    /// The channel that it watches.
    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    /// Of what came right before the group that is held, what it has not been given yet.
    fn read_lead(&mut self) -> Option<Item> {
        let channel = self.channel.clone();
        let state = channel.lock();
        // What it missed means something to who knows what it gets.
        if let Some(init) = self.init(&state) {
            return Some(init);
        }
        let Some(packager) = state.watched(self.format, self.packager) else {
            self.place = Place::Live;
            return None;
        };
        let lead = packager.lead();
        let first = lead.front().and_then(Packet::sequence);
        if first.is_some() && first <= self.next {
            let at = lead.partition_point(|packet| packet.sequence() < self.next);
            if let Some(packet) = lead.get(at) {
                return Some(self.give(packet.clone()));
            }
        }
        drop(state);
        self.enter()
    }

    fn enter(&mut self) -> Option<Item> {
        let channel = self.channel.clone();
        let state = channel.lock();
        // From here on whatever is pushed is found by the cursor.
        self.cursor.move_to(self.cursor.feed().head());
        let packager = state.watched(self.format, self.packager)?;
        let first = packager.group().first().and_then(Packet::sequence);
        let may_begin = state.is_recent() || self.next.is_some();
        if let Some(first) = first.filter(|_| may_begin) {
            self.place = Place::Group(state.group.number());
            return self.missed(first);
        }
        self.place = Place::Awaiting;
        self.init(&state)
    }

    /// Of the group that is held, what it has not been given yet.
    fn read_group(&mut self, number: u64) -> Option<Item> {
        let channel = self.channel.clone();
        let state = channel.lock();
        let Some(packager) = state.watched(self.format, self.packager) else {
            self.place = Place::Live;
            return None;
        };
        if let Some(init) = self.init(&state) {
            return Some(init);
        }
        let group = packager.group();
        let Some(first) = group.first().and_then(Packet::sequence) else {
            self.place = Place::Entering;
            return None;
        };
        let next = self.next.unwrap_or(first);
        if state.group.number() != number {
            self.place = Place::Group(state.group.number());
            if let Some(skipped) = self.missed(first) {
                return Some(skipped);
            }
        }
        let at = group.partition_point(|packet| packet.sequence() < Some(next.max(first)));
        if let Some(packet) = group.get(at) {
            let packet = packet.clone();
            if !self.ladder.gives_all() {
                self.place = Place::Thinned(state.group.number());
                self.cursor.move_to(self.cursor.feed().head());
            }
            return Some(self.give(packet));
        }
        // Nothing is pushed while the lock is held: the cursor's next packet is the one after the group's last.
        self.cursor.move_to(self.cursor.feed().head());
        self.place = Place::Live;
        None
    }

    /// The init packet, if it has not got the one that holds now.
    fn init(&mut self, state: &State) -> Option<Item> {
        let init = state.watched(self.format, self.packager)?.init()?;
        let Content::Init { version } = init.content else {
            return None;
        };
        (self.has != Some(version)).then(|| self.give(init.clone()))
    }

    /// That frames before `first` are left out, if there are any.
    fn missed(&mut self, first: u64) -> Option<Item> {
        let next = self.next?;
        let missed = first.saturating_sub(next);
        if missed == 0 {
            return None;
        }
        self.next = Some(first);
        if self.had.counts {
            self.had.skipped += missed;
            add(&self.channel.aside().skipped, missed);
        }
        Some(Item::Skipped {
            frames: missed,
            receiving: self.ladder.rung(now()),
        })
    }

    /// A packet has come for a viewer that is given keyframes only: perhaps it is time for one, or for everything again.
    fn thinned(&mut self, packet: &Packet) -> Option<Item> {
        let Place::Thinned(number) = self.place else {
            return None;
        };
        let now = now();
        let all = self.ladder.rung(now) == Rung::All;
        if !all && (!packet.begins_group() || !self.ladder.keyframe_is_due(now)) {
            return None;
        }
        let state = self.channel.lock();
        let newest = state.group.number();
        let first = state
            .watched(self.format, self.packager)
            .and_then(|packager| packager.group().first())
            .and_then(Packet::sequence);
        drop(state);
        // Of the group whose keyframe it has, it cannot take up what it was not given.
        let first = first.filter(|_| newest != number)?;
        self.place = Place::Group(newest);
        self.missed(first)
    }

    /// It is too far behind to go on at its cursor.
    fn fall_back(&mut self) {
        let state = self.channel.lock();
        let held = state
            .watched(self.format, self.packager)
            .and_then(|packager| packager.group().first())
            .and_then(Packet::sequence);
        let number = state.group.number();
        drop(state);
        let thinned = matches!(self.place, Place::Thinned(_));
        match (held, self.next) {
            // What is left of the group that it is in is still there: it misses nothing then.
            (Some(first), Some(next)) if next >= first && !thinned => {
                self.place = Place::Group(number);
            }
            _ => {
                self.ladder.lagged(now());
                self.had.lags += 1;
                self.cursor.move_to(self.cursor.feed().head());
                if !thinned {
                    self.place = Place::Entering;
                }
            }
        }
    }

    /// Gives what the cursor has read.
    fn give_read(&mut self, packet: Packet) -> Item {
        if !self.had.counts {
            add(&self.channel.aside().unread, 1);
        }
        self.note(packet)
    }

    /// Gives what is held beside the feed.
    fn give(&mut self, packet: Packet) -> Item {
        if self.had.counts {
            add(&self.channel.aside().given, 1);
        }
        self.note(packet)
    }

    fn note(&mut self, packet: Packet) -> Item {
        self.had.delivered += 1;
        match packet.content {
            Content::Init { version } => self.has = Some(version),
            Content::Frame { sequence, .. } => self.next = Some(sequence + 1),
        }
        Item::Packet(packet)
    }

    /// Why the format's packets ended, if not with the stream.
    fn unsuitable(&self) -> Option<Unsuitable> {
        let state = self.channel.lock();
        if state.ended {
            return None;
        }
        self.format.suits(&state.tracks).err()
    }
}

fn add(count: &AtomicU64, more: u64) {
    count.fetch_add(more, Ordering::Relaxed);
}

impl Drop for Watching {
    fn drop(&mut self) {
        if self.had.counts {
            let now = now();
            // Who goes while a courier serves it has not counted what that has brought.
            let brought = self.had.tally.as_ref().map_or(0, Tally::brought);
            debug!(
                target: "abanico::viewers",
                key = shortened(self.channel.key()),
                door = self.format.name(),
                seconds = now.saturating_duration_since(self.had.since).as_secs(),
                delivered = self.had.delivered + brought,
                skipped = self.had.skipped,
                lags = self.had.lags,
                receiving = ?self.ladder.rung(now),
                "a viewer has gone"
            );
        }
        self.channel.left(self.format, self.packager);
    }
}
