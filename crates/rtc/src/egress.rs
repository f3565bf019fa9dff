//! A viewer's session: the stream's packets, put on RTP as they come.
//!
//! The payload is made once and shared by all viewers; what is made for each is its packets and their encryption.

use abanico_live::native::{Header, parse_tracks};
use abanico_live::{Content, Item, Packet, Watching};
use abanico_media::frame::Codec;
use bytes::Bytes;
use std::any::Any;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use str0m::Rtc;
use str0m::format;
use str0m::media::{Frequency, MediaTime, Mid, Pt};

/// How fast a group that is given at once goes out, in bytes a second. More would overrun the peer's receive buffer.
const PACE: f64 = 12e6;

/// What may go out at once.
const BURST_BYTES: f64 = 96e3;

/// The newest group is given to one viewer again at most this often.
const AGAIN_EVERY: Duration = Duration::from_secs(1);

/// A player that is told so shows each picture as soon as it has it.
const PLAYOUT_MAX: Duration = Duration::from_millis(400);

/// A viewer's session inside.
pub(crate) struct Egress {
    watching: Watching,
    /// Counted as a viewer as long as this lives.
    _guest: Box<dyn Any + Send>,
    picture: Option<Route>,
    sound: Option<Route>,
    /// A moment of the stream's time, and when that was.
    anchor: Option<(Instant, i64)>,
    allowance: f64,
    refilled: Instant,
    /// When the player was last given the newest group again.
    given_again: Option<Instant>,
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
            anchor: None,
            allowance: BURST_BYTES,
            refilled: now,
            given_again: None,
        }
    }

    /// The player has lost its picture. The publisher is asked for a keyframe; if it cannot be asked, the newest group is
    /// given again.
    pub(crate) fn want_keyframe(&mut self, now: Instant) {
        if self.watching.channel().want_keyframe() {
            return;
        }
        let is_due = |at| now.saturating_duration_since(at) >= AGAIN_EVERY;
        if self.given_again.is_none_or(is_due) {
            self.given_again = Some(now);
            self.watching.rejoin();
        }
    }

    /// Writes the next packet, if there is one and it is time for it.
    pub(crate) fn feed(&mut self, rtc: &mut Rtc, now: Instant, cx: &mut Context<'_>) -> Fed {
        let passed = now.saturating_duration_since(self.refilled).as_secs_f64();
        self.refilled = now;
        self.allowance = (self.allowance + passed * PACE).min(BURST_BYTES);
        if self.allowance < 0.0 {
            return Fed::At(now + Duration::from_secs_f64(-self.allowance / PACE));
        }
        loop {
            let packet = match self.watching.poll_next(cx) {
                Poll::Pending => return Fed::Idle,
                Poll::Ready(Some(Item::Packet(packet))) => packet,
                Poll::Ready(Some(Item::Skipped { .. })) => continue,
                Poll::Ready(None | Some(Item::Unsuitable(_))) => return Fed::Over,
            };
            match packet.content {
                Content::Init { .. } => {
                    if !self.route(rtc, &packet) {
                        return Fed::Over;
                    }
                }
                Content::Frame { video, .. } => {
                    if self.write(rtc, &packet, video, now) {
                        return Fed::Wrote;
                    }
                }
            }
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
    fn write(&mut self, rtc: &mut Rtc, packet: &Packet, video: bool, now: Instant) -> bool {
        let Ok(Some((header, _))) = Header::split(&packet.head) else {
            return false;
        };
        let shown = self.shown_at(header.timestamp, now);
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
        let ticks = u64::try_from(header.timestamp).unwrap_or(0) * rate / 1_000_000;
        if !video && route.newest >= Some(ticks) {
            // It was heard before.
            return false;
        }
        // Pictures that are given again pass at once: time on the wire only goes forward.
        let ticks = route.newest.map_or(ticks, |newest| ticks.max(newest + 1));
        route.newest = Some(ticks);
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
        #[expect(
            clippy::cast_precision_loss,
            reason = "a frame has fewer bytes than a double has digits"
        )]
        let bytes = shared.len() as f64;
        self.allowance -= bytes;
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
