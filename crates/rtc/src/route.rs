//! Where the frames of one track go: the line of media, and what its packets are called there.

use abanico_media::frame::Codec;
use str0m::Rtc;
use str0m::format::PayloadParams;
use str0m::media::{Frequency, Mid, Pt};

/// Where the frames of one track go.
pub(crate) struct Route {
    mid: Mid,
    rate: Frequency,
    pub(crate) payload: Option<Payload>,
    /// The time of the newest frame that was written, in the track's own ticks.
    pub(crate) newest: Option<u64>,
}

/// A codec, and the payload types of its packets and of their repeats.
pub(crate) struct Payload {
    pub(crate) codec: Codec,
    pub(crate) kind: Pt,
    pub(crate) repeats: Option<Pt>,
}

impl Route {
    pub(crate) fn picture(mid: Mid) -> Self {
        Self::new(mid, Frequency::NINETY_KHZ)
    }

    pub(crate) fn sound(mid: Mid) -> Self {
        Self::new(mid, Frequency::FORTY_EIGHT_KHZ)
    }

    fn new(mid: Mid, rate: Frequency) -> Self {
        Self {
            mid,
            rate,
            payload: None,
            newest: None,
        }
    }

    /// Chooses the payload types for a codec. False if the peer has none.
    pub(crate) fn choose(&mut self, rtc: &Rtc, codec: &Codec, profile: Option<u32>) -> bool {
        let params = payload_params(rtc, self.mid, codec, profile);
        self.payload = params.map(|params| Payload {
            codec: codec.clone(),
            kind: params.pt(),
            repeats: params.resend(),
        });
        self.payload.is_some()
    }

    /// The moment, in microseconds of the stream's time, in the track's own ticks.
    pub(crate) fn ticks(&self, timestamp: i64) -> u64 {
        u64::try_from(timestamp).unwrap_or(0) * u64::from(self.rate.get()) / 1_000_000
    }
}

/// What the peer gave the codec; of H.264, what it gave the same profile if there is that.
pub(crate) fn payload_params<'a>(
    rtc: &'a Rtc,
    mid: Mid,
    wanted: &Codec,
    profile: Option<u32>,
) -> Option<&'a PayloadParams> {
    let media = rtc.media(mid)?;
    let fits = |params: &&PayloadParams| {
        let spec = params.spec();
        crate::ingress::codec(spec.codec).as_ref() == Some(wanted)
            && (*wanted != Codec::H264 || spec.format.packetization_mode == Some(1))
            && media.remote_pts().contains(&params.pt())
    };
    let same = |params: &&PayloadParams| {
        let theirs = params.spec().format.profile_level_id;
        theirs.map(|theirs| theirs >> 16) == profile.map(|profile| profile >> 16)
    };
    let all = || rtc.codec_config().params().iter().filter(fits);
    all().find(same).or_else(|| all().next())
}
