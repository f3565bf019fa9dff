//! From an offer to its answer: what str0m is told to agree to, for publishers and for viewers.
//!
//! Who may have a session, and how many there are, is the [`endpoint`](crate::endpoint)'s.

use crate::keys::{self, Escrow};
use crate::offer::{self, Refused};
use crate::registry::Side;
use crate::route::payload_params;
use crate::session::{HalfOpen, Lines, Way};
use abanico_media::frame::Codec;
use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;
use str0m::change::SdpOffer;
use str0m::config::{CryptoProvider, DtlsCert};
use str0m::media::MediaKind;
use str0m::net::{Protocol, TcpType};
use str0m::rtp::{Extension, ExtensionMap};
use str0m::{Candidate, IceCreds, Output, Rtc, RtcConfig};
use tokio::sync::OwnedSemaphorePermit;

/// The number under which the name of a line of media travels, unless the peer has another.
const MEDIA_LINE: u8 = 4;

/// The number under which the playout delay travels, unless the peer has another.
const PLAYOUT_DELAY: u8 = 12;

/// The profiles of H.264 that are understood, at level 3.1, which the peer's may differ from: baseline, constrained baseline, main,
/// high and constrained high. The numbers under which they and their repeats travel are str0m's, unless the peer has others.
const H264: [(u8, u8, u32); 5] = [
    (127, 121, 0x42_001f),
    (108, 109, 0x42_e01f),
    (123, 119, 0x4d_001f),
    (114, 115, 0x64_001f),
    (125, 107, 0x64_0c1f),
];

/// What is the same in all answers.
pub(crate) struct Terms {
    crypto: Arc<CryptoProvider>,
    certificate: DtlsCert,
    /// Where peers are told that we are.
    ways: Vec<Way>,
}

/// An offer that was answered, and whose session has not begun.
pub struct Negotiated {
    pub(crate) rtc: Rtc,
    pub(crate) answer: String,
    pub(crate) lines: Lines,
    pub(crate) fragment: String,
    pub(crate) remote: IceCreds,
    /// A viewer's packets are ours: what they are encrypted with.
    pub(crate) escrow: Escrow,
    pub(crate) place: OwnedSemaphorePermit,
    pub(crate) half_open: HalfOpen,
}

impl Terms {
    /// With a certificate of its own; `None` if none can be made.
    pub(crate) fn new(ways: Vec<Way>) -> Option<Self> {
        let crypto = Arc::new(keys::provider());
        let certificate = crypto.dtls_provider.generate_certificate()?;
        Some(Self {
            crypto,
            certificate,
            ways,
        })
    }

    /// Where peers are told that we are. An address that ICE has no use for is none.
    pub(crate) fn candidates(&self) -> impl Iterator<Item = Candidate> {
        self.ways.iter().filter_map(|(proto, address)| {
            if *proto == Protocol::Udp {
                return Candidate::host(*address, Protocol::Udp).ok();
            }
            let tcp = Candidate::builder().tcp().host(*address);
            tcp.tcptype(TcpType::Passive).build().ok()
        })
    }

    /// Answers an offer of somebody who wants to be on that side. The error says what of it cannot be answered.
    pub(crate) fn negotiate(
        &self,
        offer: SdpOffer,
        credentials: IceCreds,
        side: Side,
    ) -> Result<(Rtc, String, Escrow), String> {
        let ours = side == Side::Viewer;
        let mut config = RtcConfig::new();
        if ours {
            // Nobody looks at reports of each packet, so that none are asked for.
            let mut extensions = ExtensionMap::empty();
            extensions.set(MEDIA_LINE, Extension::RtpMid);
            config = config.set_extension_map(extensions);
        }
        let mut config = config
            .set_crypto_provider(Arc::clone(&self.crypto))
            .set_dtls_cert(self.certificate.clone())
            .set_local_ice_credentials(credentials)
            .set_ice_lite(true)
            .enable_raw_packets(ours)
            .clear_codecs()
            .enable_opus(true, false)
            .enable_vp8(true)
            .enable_vp9(true)
            .enable_av1(true)
            .set_extension(PLAYOUT_DELAY, Extension::PlayoutDelay);
        for (number, repeats, profile) in H264 {
            let codecs = config.codec_config();
            codecs.add_h264(number.into(), Some(repeats.into()), true, profile);
        }
        let mut rtc = config.build(Instant::now());
        let escrow = keys::taken();
        for candidate in self.candidates() {
            rtc.add_local_candidate(candidate);
        }
        let answer = rtc
            .sdp_api()
            .accept_offer(offer)
            .map_err(|error| error.to_string())?;
        // Nothing may be done to it next before it has said all.
        while !matches!(
            rtc.poll_output().map_err(|error| error.to_string())?,
            Output::Timeout(_)
        ) {}
        Ok((rtc, answer.to_sdp_string(), escrow))
    }
}

impl Negotiated {
    /// Keeps `guest` until the session is connected, or over.
    pub fn keep_until_connected(&mut self, guest: impl Any + Send) {
        self.half_open.guest = Some(Box::new(guest));
    }

    /// Whether a viewer's offer has the codec of the stream's picture.
    ///
    /// # Errors
    /// With the codec that it does not have.
    pub fn suits(&self, picture: &Codec) -> Result<(), Refused> {
        let has = |mid| payload_params(&self.rtc, mid, picture, None).is_some();
        let name = match picture {
            Codec::Vp8 => "VP8",
            Codec::Vp9 => "VP9",
            Codec::Av1 => "AV1",
            Codec::H264 => "H.264",
            // What has no place in WebRTC does not get here.
            _ => return Ok(()),
        };
        if self.lines.picture.is_some_and(|mid| !has(mid)) {
            return Err(Refused::OtherCodec { codec: name });
        }
        Ok(())
    }

    /// What of it cannot be understood. A publisher is not told that it sends what is not taken: all that it would send must be. A
    /// viewer is given what it can take.
    pub(crate) fn fault(&self, side: Side, offered: [String; 2]) -> Option<Refused> {
        let [picture, sound] = offered;
        let lines = [
            (self.lines.picture, MediaKind::Video, picture),
            (self.lines.sound, MediaKind::Audio, sound),
        ];
        let media = |mid| self.rtc.media(mid);
        let is_empty = |mid| media(mid).is_none_or(|media| media.remote_pts().is_empty());
        let there = lines.iter().filter(|(mid, ..)| mid.is_some()).count();
        let mut faults = lines.into_iter().filter_map(|(mid, kind, offered)| {
            is_empty(mid?).then(|| Refused::NoCodec {
                kind: offer::name(kind),
                offered,
                understood: offer::understood(kind),
            })
        });
        let first = faults.next()?;
        let all = faults.count() + 1 == there;
        (all || side == Side::Publisher).then_some(first)
    }
}

impl fmt::Debug for Negotiated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Negotiated")
            .field("lines", &self.lines)
            .finish_non_exhaustive()
    }
}
