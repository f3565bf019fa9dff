//! A viewer's session: the stream's packets, put on RTP as they come.
//!
//! The payloads are made once and shared by all viewers; what is made for each is the heads of its packets and their
//! encryption (`crate::sender`). Which layer of the picture it is given, and what is left out where the network is too narrow,
//! `crate::narrow` decides: sound comes first, then whole groups of pictures.

mod layers;

use crate::narrow::{Gate, Narrow};
use crate::payload::Payloads;
use crate::probe::{Question, Step};
use crate::reach::Reach;
use crate::route::Route;
use crate::sender::{Agreed, Frame, Sender};
use crate::session::Lines;
use crate::socket::{Socket, Target};
use abanico_live::native::{Header, parse_tracks};
use abanico_live::{Content, Item, Packet, Watching, Wish};
use layers::{Lower, Turn};
use std::any::Any;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use str0m::Rtc;
use str0m::rtp::rtcp::{ReportBlock, Rtcp};

/// The newest group is given to one viewer again at most this often.
const AGAIN_EVERY: Duration = Duration::from_secs(1);

/// A viewer's session inside.
pub(crate) struct Egress {
    /// The stream itself: its sound, and the best layer of its picture.
    watching: Watching,
    /// Counted as a viewer as long as this lives.
    _guest: Box<dyn Any + Send>,
    picture: Option<Route>,
    sound: Option<Route>,
    way: Way,
    /// Another layer of the picture, which is given in place of the stream's own.
    lower: Option<Lower>,
    /// What is given from its next keyframe on.
    turning: Option<Turn>,
    /// The viewer has been given nothing yet.
    is_new: bool,
    narrow: Narrow,
    /// A moment of the stream's time, and when that was.
    anchor: Option<(Instant, i64)>,
    /// The newest picture of the stream's own channel: when it came, and its time.
    newest: Option<(Instant, i64)>,
    /// When the player was last given the newest group again.
    given_again: Option<Instant>,
}

/// Who makes the packets.
enum Way {
    /// Nobody, before the handshake is over.
    Agreed(Box<Agreed>),
    Open(Box<Sender>),
    /// There are no keys to encrypt them with.
    Closed,
}

/// Where a session's packets leave.
pub(crate) struct Outlet<'a> {
    pub(crate) rtc: &'a mut Rtc,
    pub(crate) reach: &'a mut Reach,
    pub(crate) socket: &'a mut Socket,
}

/// What came of an attempt to send.
pub(crate) enum Fed {
    /// Something was written: more may be.
    Wrote,
    /// There is nothing; the session's waker is told when there is.
    Idle,
    /// Not before then.
    At(Instant),
    /// The stream is over, or goes on with what cannot travel here.
    Over,
}

impl Egress {
    pub(crate) fn new(
        watching: Watching,
        guest: Box<dyn Any + Send>,
        lines: Lines,
        agreed: Agreed,
        now: Instant,
    ) -> Self {
        Self {
            watching,
            _guest: guest,
            picture: lines.picture.map(Route::picture),
            sound: lines.sound.map(Route::sound),
            way: Way::Agreed(Box::new(agreed)),
            lower: None,
            turning: None,
            is_new: true,
            narrow: Narrow::new(now),
            anchor: None,
            newest: None,
            given_again: None,
        }
    }

    /// The session is connected, and the viewer found there.
    pub(crate) fn connected(&mut self, target: Option<Target>, now: Instant) {
        self.narrow.connected(now);
        if !matches!(self.way, Way::Agreed(_)) {
            return;
        }
        if let Way::Agreed(agreed) = std::mem::replace(&mut self.way, Way::Closed) {
            match Sender::new(*agreed, target) {
                Ok(sender) => self.way = Way::Open(Box::new(sender)),
                Err(unusable) => tracing::debug!(?unusable, "no keys for a viewer's media"),
            }
        }
    }

    /// Who makes this viewer's packets, if there are keys.
    pub(crate) fn sender(&mut self) -> Option<&mut Sender> {
        match &mut self.way {
            Way::Open(sender) => Some(sender),
            Way::Agreed(_) | Way::Closed => None,
        }
    }

    /// Where the viewer is found.
    pub(crate) fn found(&mut self, target: Target) {
        if self.sender().is_some_and(|sender| sender.found(target)) {
            self.narrow.moved();
        }
    }

    /// Asks the viewer whether it is there, which is no question of what its network carries.
    pub(crate) fn ask(&self, question: &[u8], socket: &mut Socket) {
        if let Way::Open(sender) = &self.way {
            sender.ask(question, socket);
        }
    }

    /// What the viewer reports.
    pub(crate) fn heard(&mut self, report: &Rtcp, socket: &mut Socket, now: Instant) {
        let Some(sender) = self.sender() else { return };
        let reports = match report {
            Rtcp::Nack(nack) => {
                let missed = sender.repeat(nack, socket);
                return self.narrow.missed(missed);
            }
            Rtcp::ReceiverReport(report) => &report.reports,
            Rtcp::SenderReport(report) => &report.reports,
            Rtcp::ExtendedReport(report) => {
                for block in &report.blocks {
                    if let ReportBlock::Rrtr(question) = block {
                        sender.asked(*report.ssrc, question.ntp_time, now);
                    }
                }
                return;
            }
            _ => return,
        };
        let of_picture = reports.iter().find_map(|report| sender.reported(report));
        if let Some(reported) = of_picture {
            tracing::debug!(?reported, "a viewer reports");
            self.narrow.reported(reported, now);
        }
    }

    /// The player has answered.
    pub(crate) fn answered(&mut self, question: Question, now: Instant) {
        self.narrow.answered(question, now);
    }

    /// The player has lost its picture. The publisher is asked for a keyframe; if it cannot be asked, or was for this player
    /// often enough, the newest group is given again.
    pub(crate) fn want_keyframe(&mut self, now: Instant) {
        tracing::debug!("a player has lost its picture");
        let given = self.lower.as_mut().map(|lower| &mut lower.watching);
        let given = given.unwrap_or(&mut self.watching);
        if given.want_keyframe() == Wish::Told {
            return;
        }
        let is_due = |at| now.saturating_duration_since(at) >= AGAIN_EVERY;
        if self.given_again.is_none_or(is_due) {
            self.given_again = Some(now);
            given.rejoin();
        }
    }

    /// Writes the next packet, if there is one and it is time for it.
    pub(crate) fn feed(&mut self, out: &mut Outlet<'_>, now: Instant, cx: &mut Context<'_>) -> Fed {
        if matches!(self.way, Way::Closed) {
            return Fed::Over;
        }
        if let Some(wanted) = self.narrow.wanted(self.watching.channel(), now) {
            self.turn_to(wanted.layer);
        }
        let next = self.measure(out, now);
        // Beside a lesser layer it is there for its sound.
        let is_live = self.watching.is_live() || self.lower.is_some();
        if let Some(at) = self.narrow.waits(is_live, now) {
            return Fed::At(at);
        }
        if self.poll_turning(out, now, cx) || self.poll_lower(out, now, cx) {
            return Fed::Wrote;
        }
        loop {
            let packet = match self.watching.poll_next(cx) {
                Poll::Pending => return self.rests(next, now),
                Poll::Ready(Some(Item::Packet(packet))) => packet,
                Poll::Ready(Some(Item::Skipped { .. })) => continue,
                Poll::Ready(None | Some(Item::Unsuitable(_))) => return Fed::Over,
            };
            let wrote = match packet.content {
                Content::Init { .. } => {
                    if !self.route(out.rtc, &packet) {
                        return Fed::Over;
                    }
                    if std::mem::take(&mut self.is_new) && self.begin(now, cx) {
                        return Fed::Wrote;
                    }
                    false
                }
                // Of what was held the picture is another.
                Content::Frame { video: false, .. }
                    if self.lower.is_some() && !self.watching.is_live() =>
                {
                    false
                }
                Content::Frame { video: false, .. } => self.write(out, &packet, false, 0, now),
                Content::Frame { .. } => self.main_picture(out, &packet, now),
            };
            if wrote {
                return Fed::Wrote;
            }
        }
    }

    /// Does what is to be done to know what the network carries. Returns when there is more to do.
    fn measure(&mut self, out: &mut Outlet<'_>, now: Instant) -> Option<Instant> {
        loop {
            let step = self.narrow.step(now);
            let Way::Open(sender) = &mut self.way else {
                return None;
            };
            match step {
                Step::Rest(at) => return at,
                Step::Ask => {
                    // Without a question nothing answers, which is taken for a loss.
                    let question = self.narrow.asks(now);
                    if let Some(asks) = out.reach.measure(question) {
                        sender.ask(&asks, out.socket);
                    }
                }
                Step::Send(bytes) => match sender.fill(bytes, out.socket) {
                    0 => self.narrow.put_off(now),
                    filled => self.narrow.sent(filled),
                },
            }
        }
    }

    /// There is nothing to write, until then at most.
    fn rests(&mut self, next: Option<Instant>, now: Instant) -> Fed {
        let held = self.lower.as_ref();
        let held = held.and_then(|lower| self.narrow.waits(lower.watching.is_live(), now));
        match next.into_iter().chain(held).min() {
            Some(at) => Fed::At(at),
            None => Fed::Idle,
        }
    }

    /// A picture of the stream's own channel came.
    fn main_picture(&mut self, out: &mut Outlet<'_>, packet: &Packet, now: Instant) -> bool {
        if let Ok(Some((header, _))) = Header::split(&packet.head) {
            self.newest = Some((now, header.timestamp));
        }
        self.narrow.came(packet.len(), now);
        let returns = matches!(self.turning, Some(Turn::Main)) && packet.begins_group();
        if returns {
            self.turning = None;
            self.lower = None;
        }
        self.lower.is_none() && self.give_picture(out, packet, 0, now)
    }

    /// Writes a picture, unless the network is too narrow for it.
    fn give_picture(
        &mut self,
        out: &mut Outlet<'_>,
        packet: &Packet,
        offset: i64,
        now: Instant,
    ) -> bool {
        // What is turned away from does not begin anew.
        let begins = packet.begins_group() && self.turning.is_none();
        match self.narrow.passes(begins, now) {
            Gate::Open => self.write(out, packet, true, offset, now),
            Gate::Closes => {
                tracing::debug!("pictures are left out: the network carries less");
                false
            }
            Gate::Waits => {
                self.next().want_keyframe();
                false
            }
            Gate::Closed => false,
        }
    }

    /// Chooses the payload types for the tracks that follow. False if the picture has none.
    fn route(&mut self, rtc: &Rtc, init: &Packet) -> bool {
        let tracks = std::str::from_utf8(&init.head)
            .ok()
            .and_then(|json| parse_tracks(json).ok())
            .unwrap_or_default();
        let named = |video: bool| tracks.iter().find(|track| track.is_video() == video);
        if let (Some(route), Some(track)) = (&mut self.picture, named(true)) {
            let profile = track.config.get(1..4).map(|profile| {
                profile
                    .iter()
                    .fold(0, |profile, byte| profile << 8 | u32::from(*byte))
            });
            if !route.choose(rtc, &track.codec, profile) {
                return false;
            }
        }
        if let (Some(route), Some(track)) = (&mut self.sound, named(false)) {
            route.choose(rtc, &track.codec, None);
        }
        true
    }

    /// Writes a frame. False if it has no place.
    fn write(
        &mut self,
        out: &mut Outlet<'_>,
        packet: &Packet,
        video: bool,
        offset: i64,
        now: Instant,
    ) -> bool {
        let Ok(Some((header, _))) = Header::split(&packet.head) else {
            return false;
        };
        let timestamp = header.timestamp + offset;
        let shown = self.shown_at(timestamp, now);
        let route = if video {
            &mut self.picture
        } else {
            &mut self.sound
        };
        let Some(route) = route else { return false };
        let Some(payload) = &route.payload else {
            return false;
        };
        let ticks = route.ticks(timestamp);
        if !video && route.newest >= Some(ticks) {
            // It was heard before.
            return false;
        }
        // Pictures that are given again pass at once: time on the wire only goes forward.
        let ticks = route.newest.map_or(ticks, |newest| ticks.max(newest + 1));
        let Way::Open(sender) = &mut self.way else {
            return false;
        };
        #[expect(clippy::cast_possible_truncation, reason = "time on the wire wraps")]
        let frame = Frame {
            payloads: Arc::clone(Payloads::shared(packet, &payload.codec)),
            payload_type: payload.kind,
            repeat_type: payload.repeats,
            time: ticks as u32,
            picture: 0,
        };
        let sent = sender.send(video, frame, shown, out.socket, now);
        route.newest = Some(ticks);
        self.narrow.wrote(packet.payload.len(), now);
        self.narrow.sent(sent);
        if video {
            self.narrow.began(now);
        }
        true
    }

    /// When a moment of the stream was, never later than now. The same for sound and picture, so that the player can bring
    /// them together.
    fn shown_at(&mut self, timestamp: i64, now: Instant) -> Instant {
        let (at, anchor) = *self.anchor.get_or_insert((now, timestamp));
        let apart = Duration::from_micros((timestamp - anchor).unsigned_abs());
        let shown = if timestamp >= anchor {
            at.checked_add(apart)
        } else {
            at.checked_sub(apart)
        };
        match shown {
            Some(shown) if shown <= now => shown,
            _ => {
                self.anchor = Some((now, timestamp));
                now
            }
        }
    }
}
