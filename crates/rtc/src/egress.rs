//! A viewer's session: the stream's packets, put on RTP as they come.
//!
//! The payload is made once and shared by all viewers; what is made for each is its packets and their encryption. Which
//! layer of the picture it is given, and what is left out where the network is too narrow, `crate::narrow` decides: sound
//! comes first, then whole groups of pictures.

use crate::narrow::{Gate, Narrow};
use abanico_live::native::{Header, parse_tracks};
use abanico_live::{Channel, Content, Format, Item, Packet, Watching};
use abanico_media::frame::Codec;
use bytes::Bytes;
use std::any::Any;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use str0m::Rtc;
use str0m::bwe::{Bitrate, BweKind};
use str0m::format;
use str0m::media::{Frequency, MediaTime, Mid, Pt};

/// The newest group is given to one viewer again at most this often.
const AGAIN_EVERY: Duration = Duration::from_secs(1);

/// A player that is told so shows each picture as soon as it has it.
const PLAYOUT_MAX: Duration = Duration::from_millis(400);

/// A viewer's session inside.
pub(crate) struct Egress {
    /// The stream itself: its sound, and the best layer of its picture.
    watching: Watching,
    /// Counted as a viewer as long as this lives.
    _guest: Box<dyn Any + Send>,
    picture: Option<Route>,
    sound: Option<Route>,
    /// Another layer of the picture, which is given in place of the stream's own.
    lower: Option<Lower>,
    /// What is given from its next keyframe on.
    turning: Option<Turn>,
    narrow: Narrow,
    /// A moment of the stream's time, and when that was.
    anchor: Option<(Instant, i64)>,
    /// The newest picture of the stream's own channel: when it came, and its time.
    newest: Option<(Instant, i64)>,
    /// When the player was last given the newest group again.
    given_again: Option<Instant>,
}

/// Another layer.
struct Lower {
    watching: Watching,
    /// What to add to its time to have the stream's.
    offset: i64,
}

/// Where the picture comes from next.
enum Turn {
    Main,
    Lower(Box<Watching>),
}

/// Where the frames of one track go.
#[derive(Clone, Copy)]
struct Route {
    mid: Mid,
    payload: Option<Pt>,
    /// The time of the newest frame that was written, in the track's own ticks.
    newest: Option<u64>,
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
        picture: Option<Mid>,
        sound: Option<Mid>,
        now: Instant,
    ) -> Self {
        let route = |mid| Route {
            mid,
            payload: None,
            newest: None,
        };
        Self {
            watching,
            _guest: guest,
            picture: picture.map(route),
            sound: sound.map(route),
            lower: None,
            turning: None,
            narrow: Narrow::new(now),
            anchor: None,
            newest: None,
            given_again: None,
        }
    }

    /// The session is connected.
    pub(crate) fn connected(&mut self, now: Instant) {
        self.narrow.connected(now);
    }

    /// The player has lost its picture. The publisher is asked for a keyframe; if it cannot be asked, the newest group is
    /// given again.
    pub(crate) fn want_keyframe(&mut self, now: Instant) {
        let given = self.lower.as_mut().map(|lower| &mut lower.watching);
        let given = given.unwrap_or(&mut self.watching);
        if given.channel().want_keyframe() {
            return;
        }
        let is_due = |at| now.saturating_duration_since(at) >= AGAIN_EVERY;
        if self.given_again.is_none_or(is_due) {
            self.given_again = Some(now);
            given.rejoin();
        }
    }

    /// What the network carries, as the player's reports say.
    pub(crate) fn estimated(&mut self, estimate: &BweKind) {
        match estimate {
            BweKind::Twcc { estimate, .. } | BweKind::Remb { estimate, .. } => {
                self.narrow.estimated(estimate.as_u64());
            }
            _ => {}
        }
    }

    /// What of the picture the player lost lately, and how far away it is, as it reports.
    pub(crate) fn reported(&mut self, loss: Option<f32>, rtt: Option<Duration>, now: Instant) {
        self.narrow.reported(loss, rtt, now);
    }

    /// Writes the next packet, if there is one and it is time for it.
    pub(crate) fn feed(&mut self, rtc: &mut Rtc, now: Instant, cx: &mut Context<'_>) -> Fed {
        if let Some(wanted) = self.narrow.wanted(self.watching.channel(), now) {
            self.turn_to(wanted.layer);
            if let Some(desired) = wanted.desired {
                rtc.bwe().set_bitrate(Bitrate::ZERO, Bitrate::bps(desired));
                return Fed::Wrote;
            }
        }
        let is_live = self.watching.is_live();
        if let Some(at) = self.narrow.waits(is_live, now) {
            return Fed::At(at);
        }
        if self.poll_turning(rtc, now, cx) || self.poll_lower(rtc, now, cx) {
            return Fed::Wrote;
        }
        loop {
            let packet = match self.watching.poll_next(cx) {
                Poll::Pending => return Fed::Idle,
                Poll::Ready(Some(Item::Packet(packet))) => packet,
                Poll::Ready(Some(Item::Skipped { .. })) => continue,
                Poll::Ready(None | Some(Item::Unsuitable(_))) => return Fed::Over,
            };
            let wrote = match packet.content {
                Content::Init { .. } => {
                    if !self.route(rtc, &packet) {
                        return Fed::Over;
                    }
                    false
                }
                Content::Frame { video: false, .. } => self.write(rtc, &packet, false, 0, now),
                Content::Frame { .. } => self.main_picture(rtc, &packet, now),
            };
            if wrote {
                return Fed::Wrote;
            }
        }
    }

    /// A picture of the stream's own channel came.
    fn main_picture(&mut self, rtc: &mut Rtc, packet: &Packet, now: Instant) -> bool {
        if let Ok(Some((header, _))) = Header::split(&packet.head) {
            self.newest = Some((now, header.timestamp));
        }
        self.narrow.came(packet.len(), now);
        let returns = matches!(self.turning, Some(Turn::Main)) && packet.begins_group();
        if returns {
            self.turning = None;
            self.lower = None;
        }
        self.lower.is_none() && self.give_picture(rtc, packet, 0, now)
    }

    /// Writes a picture, unless the network is too narrow for it.
    fn give_picture(&mut self, rtc: &mut Rtc, packet: &Packet, offset: i64, now: Instant) -> bool {
        match self.narrow.passes(packet.begins_group(), now) {
            Gate::Open => self.write(rtc, packet, true, offset, now),
            Gate::Closes => {
                let given = self.lower.as_ref().map(|lower| &lower.watching);
                let given = given.unwrap_or(&self.watching);
                given.channel().want_keyframe();
                false
            }
            Gate::Closed => false,
        }
    }

    /// Makes for a layer, which is given from its next keyframe on. `None` is the stream's own.
    fn turn_to(&mut self, layer: Option<Channel>) {
        let Some(channel) = layer else {
            if self.lower.is_some() && !matches!(self.turning, Some(Turn::Main)) {
                self.watching.channel().want_keyframe();
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
        } else if !turns && let Ok(watching) = channel.watch(Format::Rtp) {
            channel.want_keyframe();
            self.turning = Some(Turn::Lower(Box::new(watching.uncounted())));
        }
    }

    /// Goes over to the layer that is made for, if its keyframe has come. True if that was written.
    fn poll_turning(&mut self, rtc: &mut Rtc, now: Instant, cx: &mut Context<'_>) -> bool {
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
            if self.give_picture(rtc, &packet, offset, now) {
                return true;
            }
        }
    }

    /// Writes the next picture of the lower layer, if that is what is given.
    fn poll_lower(&mut self, rtc: &mut Rtc, now: Instant, cx: &mut Context<'_>) -> bool {
        loop {
            let Some(lower) = &mut self.lower else {
                return false;
            };
            let offset = lower.offset;
            match lower.watching.poll_next(cx) {
                Poll::Pending => return false,
                Poll::Ready(Some(Item::Packet(packet))) => {
                    if !packet.is_init() && self.give_picture(rtc, &packet, offset, now) {
                        return true;
                    }
                }
                Poll::Ready(Some(Item::Skipped { .. })) => {}
                Poll::Ready(None | Some(Item::Unsuitable(_))) => {
                    // Its publisher has gone, or sends it no more.
                    self.turning = Some(Turn::Main);
                    self.watching.channel().want_keyframe();
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
            route.payload = payload_type(rtc, route.mid, &track.codec, profile);
            if route.payload.is_none() {
                return false;
            }
        }
        if let (Some(route), Some(track)) = (&mut self.sound, named(false)) {
            route.payload = payload_type(rtc, route.mid, &track.codec, None);
        }
        true
    }

    /// Writes a frame. False if it has no place.
    fn write(
        &mut self,
        rtc: &mut Rtc,
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
        let Some((route, payload_type)) = route
            .as_mut()
            .and_then(|route| Some((route.payload?, route)))
            .map(|(payload, route)| (route, payload))
        else {
            return false;
        };
        let rate = if video { 90_000 } else { 48_000 };
        let ticks = u64::try_from(timestamp).unwrap_or(0) * rate / 1_000_000;
        if !video && route.newest >= Some(ticks) {
            // It was heard before.
            return false;
        }
        // Pictures that are given again pass at once: time on the wire only goes forward.
        let ticks = route.newest.map_or(ticks, |newest| ticks.max(newest + 1));
        let frequency = if video {
            Frequency::NINETY_KHZ
        } else {
            Frequency::FORTY_EIGHT_KHZ
        };
        let Some(mut writer) = rtc.writer(route.mid) else {
            return false;
        };
        if video {
            let most = u64::try_from(PLAYOUT_MAX.as_millis()).unwrap_or(0);
            writer = writer.playout_delay(MediaTime::ZERO, MediaTime::from_millis(most));
        }
        let shared: &Arc<[u8]> = packet.framed(shared);
        let written = writer.write(
            payload_type,
            shown,
            MediaTime::new(ticks, frequency),
            Arc::clone(shared),
        );
        if let Err(error) = written {
            tracing::debug!(%error, "a frame was not put on RTP");
            return false;
        }
        route.newest = Some(ticks);
        self.narrow.wrote(shared.len(), now);
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

/// The payload as all viewers share it.
fn shared(packet: &Packet) -> Arc<[u8]> {
    let payload: &Bytes = &packet.payload;
    Arc::from(&payload[..])
}

/// The payload type that the peer gave the codec; of H.264, that of the same profile if there is one.
pub(crate) fn payload_type(
    rtc: &Rtc,
    mid: Mid,
    wanted: &Codec,
    profile: Option<u32>,
) -> Option<Pt> {
    let media = rtc.media(mid)?;
    let fits = |params: &&format::PayloadParams| {
        let spec = params.spec();
        crate::ingress::codec(spec.codec).as_ref() == Some(wanted)
            && (*wanted != Codec::H264 || spec.format.packetization_mode == Some(1))
            && media.remote_pts().contains(&params.pt())
    };
    let same = |params: &&format::PayloadParams| {
        let theirs = params.spec().format.profile_level_id;
        theirs.map(|theirs| theirs >> 16) == profile.map(|profile| profile >> 16)
    };
    let all = || rtc.codec_config().params().iter().filter(fits);
    all()
        .find(same)
        .or_else(|| all().next())
        .map(format::PayloadParams::pt)
}
