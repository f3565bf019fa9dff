//! What a peer offers, made safe to read: bounded, with the directions that we answer, without candidates.

mod line;

use crate::registry::Side;
use crate::session::Lines;
use line::Line;
use std::time::Duration;
use str0m::IceCreds;
use str0m::change::SdpOffer;
use str0m::media::{MediaKind, Mid};
use thiserror::Error;

/// An offer with more bytes is refused. Chromium's with sound and picture, each both ways and with all codecs, has 7 kB, with
/// two of each 13 kB; aiortc's has 3 kB.
pub const OFFER_BYTES_MAX: usize = 24 << 10;

/// Lines of an offer, without its candidates. Chromium's have 210 and 350. Some kinds are compared with all others of
/// their kind, so that what they cost grows with the square.
const LINES_MAX: usize = 600;

/// Lines of media in an offer.
const MEDIA_LINES_MAX: usize = 16;

/// Why an offer is not answered.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refused {
    /// It is longer than [`OFFER_BYTES_MAX`].
    #[error("an offer has at most {OFFER_BYTES_MAX} bytes")]
    TooLong,
    /// It has too many lines.
    #[error("an offer has at most {LINES_MAX} lines beside its candidates")]
    TooManyLines,
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
    /// It would send more than one line of a kind, and one would be lost without a word. RFC 9725, 4.4.2.
    #[error("the offer has more than one {kind} line that sends; one is taken")]
    Many {
        /// What the lines are.
        kind: &'static str,
    },
    /// A line has none of the codecs.
    #[error("the offer's {kind} line has {offered}; what is understood is {understood}")]
    NoCodec {
        /// What the line is.
        kind: &'static str,
        /// What it has.
        offered: String,
        /// What it might have.
        understood: &'static str,
    },
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
    /// The peer's ICE credentials.
    pub(crate) remote: IceCreds,
    /// The lines of media that go the right way.
    pub(crate) lines: Lines,
    /// What those have, in the words of SDP: the picture's and the sound's.
    pub(crate) offered: [String; 2],
    /// Which lines the peer has rejected itself, and their names.
    pub(crate) rejected: Vec<(usize, String)>,
}

/// What a line of that kind may have.
pub(crate) fn understood(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Audio => "Opus",
        MediaKind::Video => {
            "VP8, VP9, AV1, and H.264 with packetization-mode=1 in a baseline, main or high profile (42…, 4d…, 64…)"
        }
    }
}

/// The kind of a line, as SDP has it.
pub(crate) fn name(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Audio => "audio",
        MediaKind::Video => "video",
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
    let mut read = Reading::default();
    // What a line goes that says nothing: both ways, unless all are said to.
    let mut usual = theirs;
    let mut current: Option<Line<'_>> = None;
    for line in text.lines().map(str::trim_end) {
        if line.is_empty() || is_candidate(line) {
            continue;
        }
        if let Some(refused) = line::credentials_fault(line) {
            return Err(refused);
        }
        if let Some(description) = line.strip_prefix("m=") {
            let next = Line::new(description)?;
            if let Some(line) = current.replace(next) {
                read.end(&line, usual, theirs)?;
            }
        }
        if read.kept.len() >= LINES_MAX {
            return Err(Refused::TooManyLines);
        }
        let direction = match line {
            "a=sendrecv" => Some(theirs),
            "a=sendonly" | "a=recvonly" | "a=inactive" => Some(line),
            _ => None,
        };
        match (&mut current, direction) {
            (Some(current), Some(direction)) => current.goes = Some(direction == theirs),
            (Some(current), None) => current.take(line),
            (None, Some(direction)) => {
                usual = direction;
                continue;
            }
            (None, None) => {}
        }
        read.kept.push(direction.unwrap_or(line));
    }
    if let Some(line) = current {
        read.end(&line, usual, theirs)?;
    }
    if read.media > MEDIA_LINES_MAX {
        return Err(Refused::Unreadable(format!(
            "it has more than {MEDIA_LINES_MAX} lines of media"
        )));
    }
    let told = |name| {
        let told = read.kept.iter().find_map(|line| line.strip_prefix(name));
        told.unwrap_or_default().to_owned()
    };
    let remote = IceCreds {
        ufrag: told("a=ice-ufrag:"),
        pass: told("a=ice-pwd:"),
    };
    let sdp = SdpOffer::from_sdp_string(&(read.kept.join("\r\n") + "\r\n"))
        .map_err(|_| Refused::Unreadable("its lines are not those of SDP".to_owned()))?;
    if read.lines.picture.is_none() && read.lines.sound.is_none() {
        return Err(Refused::Direction { wanted });
    }
    if let (Some(kind), Side::Publisher) = (read.doubled, side) {
        return Err(Refused::Many { kind: name(kind) });
    }
    Ok(Offer {
        sdp,
        remote,
        lines: read.lines,
        offered: read.offered,
        rejected: read.rejected,
    })
}

/// What was read of an offer.
#[derive(Default)]
struct Reading<'a> {
    kept: Vec<&'a str>,
    media: usize,
    lines: Lines,
    offered: [String; 2],
    rejected: Vec<(usize, String)>,
    /// What it has more than one line of that goes the right way.
    doubled: Option<MediaKind>,
}

impl<'a> Reading<'a> {
    /// A line of media has been read.
    fn end(&mut self, line: &Line<'a>, usual: &'a str, theirs: &str) -> Result<(), Refused> {
        let goes = line.goes.unwrap_or(usual == theirs);
        if line.goes.is_none() {
            self.kept.push(usual);
        }
        if line.is_rejected() {
            let mid = line.mid.unwrap_or_default().to_owned();
            self.rejected.push((self.media, mid));
        }
        self.media += 1;
        if let (Some(kind), Some(mid), true) = (line.kind, line.mid, goes && !line.is_rejected()) {
            line.fault().map_or(Ok(()), Err)?;
            if self.lines.add(Mid::from(mid), kind) {
                self.offered[usize::from(kind == MediaKind::Audio)] = line.offered();
            } else {
                self.doubled = Some(kind);
            }
        }
        Ok(())
    }
}

/// An answer in which what the peer rejected is rejected too, which str0m leaves to who calls it.
pub(crate) fn with_rejected(answer: &str, rejected: &[(usize, String)]) -> String {
    if rejected.is_empty() {
        return answer.to_owned();
    }
    let is_rejected = |index: usize| rejected.iter().any(|(known, _)| *known == index);
    let mut media = None;
    let mut lines = Vec::new();
    for line in answer.lines() {
        if line.starts_with("m=") {
            media = Some(media.map_or(0, |index| index + 1));
        }
        let here = media.is_some_and(is_rejected);
        let bundle = line.strip_prefix("a=group:BUNDLE");
        lines.push(match (line, bundle) {
            (_, Some(names)) => {
                let stays = |name: &&str| rejected.iter().all(|(_, known)| known != name);
                let stay: Vec<&str> = names.split_whitespace().filter(stays).collect();
                format!("a=group:BUNDLE {}", stay.join(" "))
            }
            (line, _) if here && line.starts_with("m=") => {
                let mut words: Vec<&str> = line.split(' ').collect();
                if let Some(port) = words.get_mut(1) {
                    *port = "0";
                }
                words.join(" ")
            }
            ("a=sendonly" | "a=recvonly" | "a=sendrecv", _) if here => "a=inactive".to_owned(),
            (line, _) => line.to_owned(),
        });
    }
    lines.join("\r\n") + "\r\n"
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
            assert_eq!(read.remote.ufrag, "abcd");
            assert_eq!(read.remote.pass, "0123456789012345678901");
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
    fn what_all_lines_are_said_to_go_counts_for_those_that_say_nothing() {
        let of = |all: &str, line: &str, side| {
            let offer = offer(line).replace("t=0 0\r\n", &format!("t=0 0\r\n{all}\r\n"));
            read(&offer, side).is_ok()
        };
        assert!(!of("a=recvonly", "", Side::Publisher));
        assert!(of("a=recvonly", "", Side::Viewer));
        assert!(of("a=sendonly", "", Side::Publisher));
        assert!(of("a=sendrecv", "", Side::Publisher));
        assert!(of("a=recvonly", "a=sendonly\r\n", Side::Publisher));
        assert!(!of("a=sendonly", "a=recvonly\r\n", Side::Publisher));
    }

    /// The example, and its line of media once more.
    fn twice(direction: &str) -> String {
        let offer = offer(direction);
        let media = offer[offer.find("m=").unwrap()..].replace("a=mid:0", "a=mid:1");
        offer + &media
    }

    #[test]
    fn a_publisher_has_one_line_of_a_kind_and_a_viewer_is_given_the_first() {
        let refused = read(&twice("a=sendonly\r\n"), Side::Publisher).unwrap_err();
        assert_eq!(refused, Refused::Many { kind: "video" });
        let viewer = read(&twice("a=recvonly\r\n"), Side::Viewer).unwrap();
        assert_eq!(viewer.lines.picture, Some(Mid::from("0")));
        // A line that sends nothing is none.
        let silent = twice("a=sendonly\r\n");
        let at = silent.rfind("a=sendonly").unwrap();
        let silent = silent[..at].to_owned() + "a=inactive" + &silent[at + "a=sendonly".len()..];
        assert!(read(&silent, Side::Publisher).is_ok());
    }

    #[test]
    fn a_line_that_the_peer_rejected_is_rejected_in_the_answer() {
        let mut offer = twice("a=sendonly\r\n").replacen("m=video 9", "m=video 0", 1);
        let read = super::read(&offer, Side::Publisher).unwrap();
        assert_eq!(read.lines.picture, Some(Mid::from("1")));
        let answer = "v=0\r\na=group:BUNDLE 0 1\r\nm=video 9 X 96\r\na=recvonly\r\nm=video 9 X 96\r\na=recvonly\r\n";
        assert_eq!(
            with_rejected(answer, &read.rejected),
            "v=0\r\na=group:BUNDLE 1\r\nm=video 0 X 96\r\na=inactive\r\nm=video 9 X 96\r\na=recvonly\r\n"
        );
        assert_eq!(with_rejected(answer, &[]), answer);
        // Its port may be none because another's is its own.
        offer = offer.replacen("a=mid:0", "a=bundle-only\r\na=mid:0", 1);
        let refused = super::read(&offer, Side::Publisher).unwrap_err();
        assert_eq!(refused, Refused::Many { kind: "video" });
    }

    #[test]
    fn an_offer_that_cannot_be_secured_or_found_is_told_what_it_lacks() {
        for (there, wrong, sentence) in [
            ("a=ice-pwd:0123456789012345678901", "a=ice-pwd:x", "ice-pwd"),
            ("a=ice-ufrag:abcd", "a=ice-ufrag:a", "ice-ufrag"),
            ("a=ice-ufrag:abcd", "a=ice-ufrag:a b c", "ice-ufrag"),
            ("AB:AB:AB:", "AB:", "fingerprint"),
            ("sha-256", "md5", "fingerprint"),
            ("sha-256 AB", "sha-256 XY", "fingerprint"),
            ("a=rtcp-mux\r\n", "", "rtcp-mux"),
        ] {
            let offer = offer("a=sendonly\r\n");
            let wrong = offer.replacen(there, wrong, 1);
            assert_ne!(offer, wrong, "{there}");
            let refused = read(&wrong, Side::Publisher).unwrap_err();
            assert!(matches!(refused, Refused::Unreadable(_)));
            assert!(refused.to_string().contains(sentence), "{refused}");
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

    #[test]
    fn an_offer_of_many_lines_is_refused_with_the_number_that_may_be() {
        let candidates = "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n".repeat(400);
        assert!(read(&(offer("a=recvonly\r\n") + &candidates), Side::Viewer).is_ok());
        for line in [
            "a=extmap:1 urn:some\r\n",
            "a=fmtp:97 apt=96\r\n",
            "a=rtpmap:96 VP8/90000\r\n",
            "a=x\r\n",
        ] {
            let with = |lines: usize| offer("a=recvonly\r\n") + &line.repeat(lines);
            let refused = read(&with(LINES_MAX), Side::Viewer).unwrap_err();
            assert_eq!(refused, Refused::TooManyLines);
            assert!(refused.to_string().contains("600"), "{refused}");
            let few = LINES_MAX - offer("a=recvonly\r\n").lines().count();
            assert_ne!(
                read(&with(few), Side::Viewer).err(),
                Some(Refused::TooManyLines)
            );
        }
    }
}
