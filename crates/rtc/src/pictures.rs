//! The layers of a publisher's picture: which one the stream's own channel carries, and a channel for each of them.
//!
//! Without simulcast there is one layer, and no channel beside the stream's. With it the best layer that flows is the
//! stream's picture, for every door; it changes at a keyframe only. WHEP viewers may be given another.

use crate::clock::{RtpTime, TrackClock};
use crate::ingress::PICTURE;
use crate::meter::Meter;
use abanico_live::native::Header;
use abanico_live::{Channel, Encoder, Layer};
use abanico_media::frame::{Codec, Track, TrackKind};
use bytes::Bytes;
use std::time::{Duration, Instant};
use str0m::media::Rid;
use tokio::sync::watch;

/// Layers of one picture. Those that come after are not taken.
const LAYERS_MAX: usize = 4;

/// A layer of which nothing came for so long does not flow: its publisher has no room for it.
const FLOWS_FOR: Duration = Duration::from_secs(1);

/// A publisher is asked for a keyframe of one layer at most this often.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// A publisher is asked for a keyframe when the newest is so old: who joins is given all that came since.
const GROUP_FOR: Duration = Duration::from_secs(2);

/// Viewers are told of the layers' rates so often.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// The layers of one publisher's picture.
pub(crate) struct Pictures {
    channel: Channel,
    layers: Vec<Picture>,
    /// Which one the stream's channel carries.
    main: usize,
    told: Option<Instant>,
}

/// One layer.
struct Picture {
    rid: Option<Rid>,
    clock: TrackClock,
    beside: Option<Beside>,
    newest: Instant,
    meter: Meter,
    /// Pixels, as far as they are known.
    area: u64,
    wants_keyframe: bool,
    asked: Option<Instant>,
    keyframe: Option<Instant>,
}

/// A layer's own channel.
struct Beside {
    channel: Channel,
    encoder: Encoder,
    codec: Option<Codec>,
    /// Changes when a viewer of the layer wants a keyframe.
    wanted: watch::Receiver<u64>,
}

/// A picture that came, and where it belongs.
pub(crate) struct Came<'a> {
    pub(crate) rid: Option<Rid>,
    pub(crate) codec: &'a Codec,
    pub(crate) time: RtpTime,
    pub(crate) keyframe: bool,
    pub(crate) gap: bool,
    pub(crate) sequence: u32,
    pub(crate) payload: &'a Bytes,
}

impl Pictures {
    pub(crate) fn new(channel: Channel) -> Self {
        Self {
            channel,
            layers: Vec::new(),
            main: 0,
            told: None,
        }
    }

    /// The clock of the stream's picture, if it has one.
    pub(crate) fn clock(&self) -> Option<&TrackClock> {
        self.layers.get(self.main).map(|layer| &layer.clock)
    }

    /// Somebody would like a keyframe of the stream's picture.
    pub(crate) fn want_keyframe(&mut self) {
        if let Some(layer) = self.layers.get_mut(self.main) {
            layer.wants_keyframe = true;
        }
    }

    /// When the publisher is to be asked for a keyframe next.
    pub(crate) fn ask_at(&self, now: Instant) -> Option<Instant> {
        self.layers
            .iter()
            .filter_map(|layer| layer.ask_at(now))
            .min()
    }

    /// The layer that the publisher is asked for a keyframe of now, if one is due.
    pub(crate) fn asking(&mut self, now: Instant) -> Option<Option<Rid>> {
        let is_due = |layer: &&mut Picture| layer.ask_at(now).is_some_and(|at| at <= now);
        let layer = self.layers.iter_mut().find(is_due)?;
        layer.wants_keyframe = false;
        layer.asked = Some(now);
        Some(layer.rid)
    }

    /// Takes a picture. Returns its header if it is one of the stream's own channel.
    pub(crate) fn take(&mut self, came: &Came<'_>, began: Instant) -> Option<Header> {
        let now = came.time.arrived;
        let index = self.layer(came.rid, now)?;
        let layer = &mut self.layers[index];
        layer.newest = now;
        layer.meter.count(came.payload.len(), now);
        // What is lost is lost until the next keyframe.
        layer.wants_keyframe |= came.gap;
        layer.wants_keyframe &= !came.keyframe;
        if came.keyframe {
            layer.keyframe = Some(now);
        }
        let header = Header {
            track: PICTURE,
            keyframe: came.keyframe,
            gap: came.gap,
            sequence: came.sequence,
            duration: 0,
            timestamp: layer.clock.place(came.time, began),
            captured: 0,
        };
        if let Some(beside) = &mut layer.beside {
            let wanted = beside.take(came.codec, &header, came.payload);
            layer.wants_keyframe |= wanted && !came.keyframe;
            if came.keyframe {
                layer.area = area(&beside.channel);
            }
            self.choose(index, came.keyframe, now);
        }
        (index == self.main).then_some(header)
    }

    /// The layer of that name, made if there is room for one more.
    fn layer(&mut self, rid: Option<Rid>, now: Instant) -> Option<usize> {
        let known = self.layers.iter().position(|layer| layer.rid == rid);
        if known.is_some() {
            return known;
        }
        if self.layers.len() >= LAYERS_MAX {
            return None;
        }
        self.layers.push(Picture {
            rid,
            clock: TrackClock::default(),
            beside: rid.map(|_| Beside::new(self.channel.beside())),
            newest: now,
            meter: Meter::new(now),
            area: 0,
            wants_keyframe: false,
            asked: None,
            keyframe: None,
        });
        Some(self.layers.len() - 1)
    }

    /// Goes over to the best layer that flows, with its keyframe.
    fn choose(&mut self, came: usize, keyframe: bool, now: Instant) {
        let flowing = |(_, layer): &(usize, &Picture)| layer.flows(now);
        let all = self.layers.iter().enumerate();
        let best = all
            .filter(flowing)
            .max_by_key(|(_, layer)| (layer.area, layer.meter.bits_per_second()))
            .map(|(index, _)| index);
        let Some(best) = best else { return };
        let mut changed = false;
        if best != self.main {
            if best == came && keyframe {
                self.main = best;
                changed = true;
            } else {
                self.layers[best].wants_keyframe = true;
            }
        }
        let is_due = |told| now.saturating_duration_since(told) >= TELL_EVERY;
        if changed || self.told.is_none_or(is_due) {
            self.told = Some(now);
            self.tell(now);
        }
    }

    /// Tells viewers which layers there are.
    fn tell(&self, now: Instant) {
        let layers = self.layers.iter().enumerate();
        let flowing = layers.filter(|(_, layer)| layer.flows(now));
        let told = flowing.filter_map(|(index, layer)| {
            Some(Layer {
                channel: layer.beside.as_ref()?.channel.clone(),
                bits_per_second: layer.meter.bits_per_second(),
                is_main: index == self.main,
            })
        });
        self.channel.set_layers(told.collect());
    }
}

impl Drop for Pictures {
    fn drop(&mut self) {
        if self.layers.iter().any(|layer| layer.beside.is_some()) {
            self.channel.set_layers([].into());
        }
        for beside in self.layers.iter().filter_map(|layer| layer.beside.as_ref()) {
            beside.channel.end();
        }
    }
}

impl Picture {
    fn flows(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.newest) < FLOWS_FOR
    }

    fn ask_at(&self, now: Instant) -> Option<Instant> {
        if !self.flows(now) {
            return None;
        }
        if self.wants_keyframe {
            return Some(self.asked.map_or(now, |asked| asked + ASK_EVERY));
        }
        let newest = self.keyframe?;
        Some(newest.max(self.asked.unwrap_or(newest)) + GROUP_FOR)
    }
}

impl Beside {
    fn new(channel: Channel) -> Self {
        let mut wanted = channel.keyframes_wanted();
        wanted.mark_unchanged();
        Self {
            encoder: channel.encoder(),
            channel,
            codec: None,
            wanted,
        }
    }

    /// Takes a picture. True if a keyframe is wanted: by a viewer, or because this one was of no use.
    fn take(&mut self, codec: &Codec, header: &Header, payload: &Bytes) -> bool {
        if self.codec.as_ref() != Some(codec) {
            let track = Track::new(PICTURE.into(), codec.clone(), TrackKind::UNSIZED_VIDEO);
            // It is checked where the stream's own picture is taken.
            let _ = self.encoder.tracks(vec![track]);
            self.codec = Some(codec.clone());
        }
        let taken = self.encoder.push(header, payload.clone());
        let is_useless = taken.is_ok_and(|taken| !taken.faults.is_empty());
        let is_wanted = self.wanted.has_changed().unwrap_or(false);
        self.wanted.mark_unchanged();
        is_useless || is_wanted
    }
}

/// Pixels of a channel's picture; 0 while they are not known.
fn area(channel: &Channel) -> u64 {
    let tracks = channel.tracks();
    let size = |track: &Track| match track.kind {
        TrackKind::Video { width, height } => Some(u64::from(width) * u64::from(height)),
        TrackKind::Audio { .. } | TrackKind::Other => None,
    };
    tracks.iter().find_map(size).unwrap_or(0)
}
