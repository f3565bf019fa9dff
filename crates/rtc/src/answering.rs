//! Answers offers: for how many there is room, how many are read at one time, and what is refused.
//!
//! What str0m is told to agree to stands in [`negotiation`](crate::negotiation), what an offer is before that in
//! [`offer`](crate::offer). Sessions begin elsewhere.
//!
//! Invariant: an offer is read only while it holds room for the session that it asks for.

use crate::negotiation::{Negotiated, Terms};
use crate::offer::{self, Refused};
use crate::registry::Side;
use crate::session::{HalfOpen, Way};
use crate::trickle::new_credentials;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use str0m::Candidate;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Sessions that are not connected yet; they have seconds to be. Offers that wait to be read count too.
const HALF_OPEN_MAX: usize = 512;

/// When to come again if too many connect just now.
const SOON: Duration = Duration::from_secs(1);

/// When to come again if there are as many sessions as may be.
const LATER: Duration = Duration::from_secs(5);

/// What answers offers, and the room that there is. Clones are the same.
#[derive(Clone)]
pub(crate) struct Answering {
    terms: Arc<Terms>,
    pub(crate) places: Arc<Semaphore>,
    half_open: Arc<Semaphore>,
    /// Turns to read an offer.
    reading: Arc<Semaphore>,
}

/// Room for one more session.
struct Room {
    place: OwnedSemaphorePermit,
    half_open: OwnedSemaphorePermit,
}

impl Answering {
    /// For so many sessions, which are told that we are there; `None` if there can be no certificate.
    pub(crate) fn new(ways: Vec<Way>, sessions_max: usize) -> Option<Self> {
        Some(Self {
            terms: Arc::new(Terms::new(ways)?),
            places: Arc::new(Semaphore::new(sessions_max.min(Semaphore::MAX_PERMITS))),
            half_open: Arc::new(Semaphore::new(HALF_OPEN_MAX)),
            reading: Arc::new(Semaphore::new(readers())),
        })
    }

    /// Where peers are told that we are.
    pub(crate) fn candidates(&self) -> impl Iterator<Item = Candidate> {
        self.terms.candidates()
    }

    /// Answers an offer of somebody who wants to be on that side of a stream.
    pub(crate) fn answer(&self, text: &str, side: Side) -> Result<Negotiated, Refused> {
        self.answer_in(self.room()?, text, side)
    }

    /// The same, on a thread of its own and in its turn.
    pub(crate) async fn answer_aside(
        &self,
        text: String,
        side: Side,
    ) -> Result<Negotiated, Refused> {
        let room = self.room()?;
        let Ok(turn) = Arc::clone(&self.reading).acquire_owned().await else {
            unreachable!("nobody closes it");
        };
        let answering = self.clone();
        let read = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            answering.answer_in(room, &text, side)
        });
        // What is not read for a fault is none, or the process ends.
        read.await
            .unwrap_or(Err(Refused::Full { retry_after: LATER }))
    }

    fn room(&self) -> Result<Room, Refused> {
        let place = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| Refused::Full { retry_after: LATER })?;
        let half_open = Arc::clone(&self.half_open)
            .try_acquire_owned()
            .map_err(|_| Refused::Crowded { retry_after: SOON })?;
        Ok(Room { place, half_open })
    }

    fn answer_in(&self, room: Room, text: &str, side: Side) -> Result<Negotiated, Refused> {
        let Room { place, half_open } = room;
        let offer = catch_unwind(|| offer::read(text, side))
            .unwrap_or_else(|_| Err(Refused::Unreadable("it is malformed".to_owned())))?;
        let credentials = new_credentials();
        let fragment = credentials.ufrag.clone();
        let negotiate = || self.terms.negotiate(offer.sdp, credentials, side);
        let negotiated = catch_unwind(AssertUnwindSafe(negotiate))
            .unwrap_or_else(|_| Err("it is malformed".to_owned()));
        let (rtc, answer, escrow) =
            negotiated.map_err(|error| Refused::Unreadable(offer::shortened(&error)))?;
        let negotiated = Negotiated {
            rtc,
            answer: offer::with_rejected(&answer, &offer.rejected),
            lines: offer.lines,
            fragment,
            remote: offer.remote,
            escrow,
            place,
            half_open: HalfOpen {
                _permit: half_open,
                guest: None,
            },
        };
        if let Some(refused) = negotiated.fault(side, offer.offered) {
            return Err(refused);
        }
        Ok(negotiated)
    }
}

/// How many offers are read at one time: half of the processors are left to who is there.
fn readers() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    (processors / 2).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offer::example as offer;
    use abanico_media::frame::Codec;
    use std::net::{Ipv4Addr, SocketAddr};
    use std::pin::Pin;
    use std::task::{Context, Waker};
    use str0m::net::Protocol;

    /// With room for one.
    fn answering() -> Answering {
        let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
        Answering::new(vec![(Protocol::Udp, here)], 1).unwrap()
    }

    fn waits<T>(future: Pin<&mut impl Future<Output = T>>) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        future.poll(&mut cx).is_pending()
    }

    #[test]
    fn there_are_as_many_sessions_as_there_are_places() {
        let answering = answering();
        let sends = offer("a=sendonly\r\n");
        let first = answering.answer(&sends, Side::Publisher).unwrap();
        assert!(first.answer.contains("a=ice-lite"), "{}", first.answer);
        assert!(first.answer.contains("typ host"), "{}", first.answer);
        assert!(first.answer.contains("a=recvonly"), "{}", first.answer);
        assert!(matches!(
            answering.answer(&sends, Side::Publisher),
            Err(Refused::Full { .. })
        ));
        drop(first);
        // What cannot be answered takes no place.
        assert!(answering.answer("v=0", Side::Publisher).is_err());
        assert!(answering.answer(&sends, Side::Publisher).is_ok());
    }

    #[tokio::test]
    async fn offers_wait_their_turn_and_hold_room_meanwhile() {
        let answering = answering();
        let sends = offer("a=sendonly\r\n");
        let all = u32::try_from(readers()).unwrap();
        let reading = Arc::clone(&answering.reading);
        let turns = reading.acquire_many_owned(all).await.unwrap();
        let first = answering.answer_aside(sends.clone(), Side::Publisher);
        let mut first = std::pin::pin!(first);
        assert!(waits(first.as_mut()));
        let second = answering.answer_aside(sends.clone(), Side::Publisher);
        assert!(matches!(second.await, Err(Refused::Full { .. })));
        drop(turns);
        let answered = first.await.unwrap();
        assert!(answered.answer.contains("a=recvonly"));
        // Who goes while it waits leaves its room.
        drop(answered);
        let turns = Arc::clone(&answering.reading).acquire_many_owned(all);
        let _turns = turns.await.unwrap();
        {
            let third = answering.answer_aside(sends.clone(), Side::Publisher);
            assert!(waits(std::pin::pin!(third)));
        }
        assert!(answering.answer(&sends, Side::Publisher).is_ok());
    }

    /// An offer of a picture under number 96, so described, and of Opus.
    fn described(direction: &str, picture: &str) -> String {
        let offer = offer(direction);
        let sound = offer[offer.find("m=").unwrap()..]
            .replace("m=video", "m=audio")
            .replace("a=mid:0", "a=mid:1")
            .replace("VP8/90000", "opus/48000/2");
        let offer = offer.replace("BUNDLE 0", "BUNDLE 0 1");
        offer.replace("a=rtpmap:96 VP8/90000\r\n", picture) + &sound
    }

    #[test]
    fn a_publisher_of_what_nobody_understands_is_told_what_is_understood() {
        let answering = answering();
        let h264 = |format: &str| format!("a=rtpmap:96 H264/90000\r\na=fmtp:96 {format}\r\n");
        let newer = "a=rtpmap:96 H265/90000\r\n".to_owned();
        for (picture, named) in [
            (newer.clone(), "H265"),
            (
                h264("packetization-mode=0;profile-level-id=42e01f"),
                "packetization-mode=0",
            ),
            (
                h264("packetization-mode=1;profile-level-id=f4001f"),
                "f4001f",
            ),
        ] {
            let sends = described("a=sendonly\r\n", &picture);
            let refused = answering.answer(&sends, Side::Publisher).unwrap_err();
            let Refused::NoCodec { kind: "video", .. } = &refused else {
                panic!("{refused}");
            };
            let sentence = refused.to_string();
            assert!(
                sentence.contains(named) && sentence.contains("H.264"),
                "{sentence}"
            );
        }
        for profile in ["42001f", "42e01f", "4d0032", "640028", "640c1f"] {
            let picture = h264(&format!("packetization-mode=1;profile-level-id={profile}"));
            let sends = described("a=sendonly\r\n", &picture);
            assert!(
                answering.answer(&sends, Side::Publisher).is_ok(),
                "{profile}"
            );
        }
        // A viewer has its sound: whether it can do without the picture is the stream's to say.
        let receives = described("a=recvonly\r\n", &newer);
        let negotiated = answering.answer(&receives, Side::Viewer).unwrap();
        assert!(negotiated.suits(&Codec::Vp8).is_err());
    }

    #[test]
    fn a_line_with_port_zero_is_answered_with_port_zero() {
        let answering = answering();
        let picture = "a=rtpmap:96 VP8/90000\r\n";
        let sends = described("a=sendonly\r\n", picture).replace("m=video 9", "m=video 0");
        let answer = answering.answer(&sends, Side::Publisher).unwrap().answer;
        assert!(answer.contains("m=video 0 "), "{answer}");
        assert!(answer.contains("m=audio 9 "), "{answer}");
    }

    #[test]
    fn an_offer_without_the_codec_of_the_stream_is_told_which() {
        let answering = answering();
        let receives = offer("a=recvonly\r\n");
        let negotiated = answering.answer(&receives, Side::Viewer).unwrap();
        assert_eq!(negotiated.suits(&Codec::Vp8), Ok(()));
        let codec = "H.264";
        assert_eq!(
            negotiated.suits(&Codec::H264),
            Err(Refused::OtherCodec { codec })
        );
    }
}
