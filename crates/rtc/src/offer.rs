//! What a peer offers, made safe to read: bounded, with the directions that we answer, without candidates.

use crate::registry::Side;
use crate::session::Lines;
use std::time::Duration;
use str0m::change::SdpOffer;
use str0m::media::{MediaKind, Mid};
use thiserror::Error;

/// An offer with more bytes is refused.
pub const OFFER_BYTES_MAX: usize = 64 << 10;

/// Lines of media in an offer.
const MEDIA_LINES_MAX: usize = 16;

/// Why an offer is not answered.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refused {
    /// It is longer than [`OFFER_BYTES_MAX`].
    #[error("an offer has at most {OFFER_BYTES_MAX} bytes")]
    TooLong,
    /// It is no offer.
    #[error("the body is no session description that can be answered: {0}")]
    Unreadable(String),
    /// Nothing in it goes the right way.
    #[error("the offer has no audio or video line that {wanted}")]
    Direction {
        /// What such a line would do.
        wanted: &'static str,
    },
    /// It has a line for data.
    #[error("data channels are not answered here")]
    Data,
    /// It has none of the codecs.
    #[error("the offer has none of VP8, VP9, H.264, AV1 and Opus")]
    NoCodec,
    /// It has not the stream's codec.
    #[error("this stream is {codec}, which the offer does not have")]
    OtherCodec {
        /// What the stream is.
        codec: &'static str,
    },
    /// There are as many sessions as there may be.
    #[error("there is no room for another WebRTC session now (rtc-sessions-max)")]
    Full {
        /// When it is worth another try.
        retry_after: Duration,
    },
    /// As many are connecting as may be.
    #[error(
        "more WebRTC sessions are connecting now than can be; of one address, rtc-connecting-per-address-max may be"
    )]
    Crowded {
        /// When it is worth another try.
        retry_after: Duration,
    },
}

/// An offer that can be answered.
#[derive(Debug)]
pub(crate) struct Offer {
    pub(crate) sdp: SdpOffer,
    /// The peer's ICE user fragment.
    pub(crate) remote_fragment: String,
    /// The lines of media that go the right way.
    pub(crate) lines: Lines,
}

/// One line of media while it is read.
#[derive(Debug, Clone, Copy)]
struct Line<'a> {
    kind: Option<MediaKind>,
    mid: Option<&'a str>,
    /// Whether it goes the way that is wanted; `None` while it has no direction, which means both.
    goes: Option<bool>,
}

impl Line<'_> {
    fn put_into(self, lines: &mut Lines) {
        let goes = self.goes.unwrap_or(true);
        if let (Some(kind), Some(mid), true) = (self.kind, self.mid, goes) {
            lines.add(Mid::from(mid), kind);
        }
    }
}

/// Reads an offer of somebody who wants to be on that side.
pub(crate) fn read(text: &str, side: Side) -> Result<Offer, Refused> {
    if text.len() > OFFER_BYTES_MAX {
        return Err(Refused::TooLong);
    }
    let (theirs, wanted) = match side {
        Side::Publisher => ("a=sendonly", "sends"),
        Side::Viewer => ("a=recvonly", "receives"),
    };
    let (mut kept, mut media, mut lines) = (Vec::new(), 0, Lines::default());
    let mut current: Option<Line<'_>> = None;
    for line in text.lines().map(str::trim_end) {
        if line.is_empty() || is_candidate(line) {
            continue;
        }
        if let Some(description) = line.strip_prefix("m=") {
            media += 1;
            let kind = match description.split(' ').next() {
                Some("application") => return Err(Refused::Data),
                Some("audio") => Some(MediaKind::Audio),
                Some("video") => Some(MediaKind::Video),
                _ => None,
            };
            let next = Line {
                kind,
                mid: None,
                goes: None,
            };
            if let Some(line) = current.replace(next) {
                if line.goes.is_none() {
                    kept.push(theirs);
                }
                line.put_into(&mut lines);
            }
        }
        let line = match line {
            "a=sendrecv" => theirs,
            line => line,
        };
        if let Some(current) = &mut current {
            match line {
                "a=sendonly" | "a=recvonly" | "a=inactive" => {
                    current.goes = Some(line == theirs);
                }
                _ => current.mid = line.strip_prefix("a=mid:").or(current.mid),
            }
        }
        kept.push(line);
    }
    if let Some(line) = current {
        if line.goes.is_none() {
            kept.push(theirs);
        }
        line.put_into(&mut lines);
    }
    if media > MEDIA_LINES_MAX {
        return Err(Refused::Unreadable(format!(
            "it has more than {MEDIA_LINES_MAX} lines of media"
        )));
    }
    let fragment = kept
        .iter()
        .find_map(|line| line.strip_prefix("a=ice-ufrag:"));
    let remote_fragment = fragment.unwrap_or_default().to_owned();
    let sdp = SdpOffer::from_sdp_string(&(kept.join("\r\n") + "\r\n"))
        .map_err(|_| Refused::Unreadable("its lines are not those of SDP".to_owned()))?;
    if lines.picture.is_none() && lines.sound.is_none() {
        return Err(Refused::Direction { wanted });
    }
    Ok(Offer {
        sdp,
        remote_fragment,
        lines,
    })
}

/// A peer is found by its own checks; its candidates would only be kept.
fn is_candidate(line: &str) -> bool {
    line.starts_with("a=candidate:") || line.starts_with("a=end-of-candidates")
}

/// An error's text without the offer that it quotes.
pub(crate) fn shortened(text: &str) -> String {
    const CHARACTERS: usize = 120;
    let line = text.lines().next().unwrap_or_default();
    line.chars()
        .filter(|character| !character.is_control())
        .take(CHARACTERS)
        .collect()
}

/// An offer of VP8 with that line for its direction.
#[cfg(any(test, fuzzing))]
pub(crate) fn example(direction: &str) -> String {
    format!(
        "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
             m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\n\
             a=ice-pwd:0123456789012345678901\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n\
             a=fingerprint:sha-256 {}\r\na=setup:actpass\r\na=mid:0\r\n{direction}a=rtcp-mux\r\n\
             a=rtpmap:96 VP8/90000\r\n",
        ["AB"; 32].join(":")
    )
}

#[cfg(test)]
mod tests {
    use super::example as offer;
    use super::*;

    #[test]
    fn an_offer_must_go_the_right_way() {
        for (direction, side) in [
            ("a=sendonly\r\n", Side::Publisher),
            ("a=sendrecv\r\n", Side::Publisher),
            ("", Side::Publisher),
            ("a=recvonly\r\n", Side::Viewer),
            ("a=sendrecv\r\n", Side::Viewer),
        ] {
            let read = read(&offer(direction), side).unwrap();
            assert_eq!(read.remote_fragment, "abcd");
            assert!(!read.sdp.to_sdp_string().contains("candidate"));
        }
        for (direction, side) in [
            ("a=recvonly\r\n", Side::Publisher),
            ("a=inactive\r\n", Side::Publisher),
            ("a=sendonly\r\n", Side::Viewer),
        ] {
            let refused = read(&offer(direction), side).unwrap_err();
            assert!(matches!(refused, Refused::Direction { .. }), "{refused}");
        }
    }

    #[test]
    fn what_is_no_offer_is_refused() {
        let of = |text: &str| read(text, Side::Viewer).unwrap_err();
        assert_eq!(of(&"a".repeat(OFFER_BYTES_MAX + 1)), Refused::TooLong);
        for garbage in ["", "v=0", "hello\r\n", "m=video", "\u{0}\u{1}", "{}"] {
            assert!(matches!(of(garbage), Refused::Unreadable(_)), "{garbage:?}");
        }
        let data = offer("a=recvonly\r\n") + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n";
        assert_eq!(of(&data), Refused::Data);
        let many = offer("a=recvonly\r\n") + &"m=video 9 UDP/TLS/RTP/SAVPF 96\r\n".repeat(20);
        assert!(matches!(of(&many), Refused::Unreadable(_)));
    }
}
