//! The door to it all: answers offers, begins sessions and ends them.

use crate::driver::{Command, Driver, new_credentials};
use crate::egress::Egress;
use crate::ingress::{Ingress, Publishing};
use crate::negotiation::{Negotiated, Terms};
use crate::offer::{self, Refused};
use crate::reach::Reach;
use crate::registry::{Listed, Listing, Registry, Side, Unlisted, random_name};
use crate::sender::Agreed;
use crate::session::{Greeted, HalfOpen, Role, Session, Way};
use crate::socket::Socket;
use crate::streams::{self, ARRIVALS_MAX, Arrival};
use crate::trickle::{self, Asked, Patched, TrickleRefused};
use crate::wakeups::Wakeups;
use abanico_live::{Channel, Watching};
use std::any::Any;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use str0m::net::Protocol;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

/// Sessions that are not connected yet; they have seconds to be. Offers that wait to be read count too.
const HALF_OPEN_MAX: usize = 512;

/// When to come again if too many connect just now.
const SOON: Duration = Duration::from_secs(1);

/// When to come again if there are as many sessions as may be.
const LATER: Duration = Duration::from_secs(5);

/// How an [`Endpoint`] is made.
#[derive(Debug, Clone)]
pub struct Config {
    /// Sessions at one time.
    pub sessions_max: usize,
    /// Where peers are told that the socket is reached.
    pub candidates: Vec<SocketAddr>,
    /// Where peers are told that connections are accepted that [`Endpoint::connection`] is given.
    pub tcp_candidates: Vec<SocketAddr>,
}

/// The WebRTC sessions of one UDP socket. Clones are the same.
#[derive(Clone)]
pub struct Endpoint(Arc<Shared>);

struct Shared {
    commands: mpsc::UnboundedSender<Command>,
    arrivals: mpsc::Sender<Arrival>,
    terms: Terms,
    registry: Registry,
    places: Arc<Semaphore>,
    half_open: Arc<Semaphore>,
    /// Turns to read an offer.
    reading: Arc<Semaphore>,
    wakeups: Arc<Wakeups>,
    next: AtomicU64,
}

/// Room for one more session.
struct Room {
    place: OwnedSemaphorePermit,
    half_open: OwnedSemaphorePermit,
}

/// A session that began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Its name, which nobody can guess.
    pub name: String,
    /// Its ETag, without quotes.
    pub etag: String,
    /// The answer for the peer.
    pub answer: String,
}

impl Endpoint {
    /// Sessions through this socket, which must be bound.
    ///
    /// # Errors
    /// When the socket cannot be used.
    ///
    /// # Panics
    /// Without a tokio runtime.
    pub fn open(socket: std::net::UdpSocket, config: Config) -> io::Result<Self> {
        let (endpoint, driver) = Self::make(socket, config)?;
        tokio::spawn(driver.run());
        Ok(endpoint)
    }

    /// The door, and what has to be driven behind it.
    pub(crate) fn make(socket: std::net::UdpSocket, config: Config) -> io::Result<(Self, Driver)> {
        let (commands, told) = mpsc::unbounded_channel();
        let wakeups = Arc::new(Wakeups::default());
        let (arrivals, arrived) = mpsc::channel(ARRIVALS_MAX);
        let udp = config
            .candidates
            .into_iter()
            .map(|address| (Protocol::Udp, address));
        let tcp = config
            .tcp_candidates
            .into_iter()
            .map(|address| (Protocol::Tcp, address));
        let candidates: Vec<Way> = udp.chain(tcp).collect();
        let terms = Terms::new(candidates.clone())
            .ok_or_else(|| io::Error::other("no certificate can be made"))?;
        let driver = Driver::new(
            Socket::new(socket)?,
            told,
            arrived,
            candidates,
            Arc::clone(&wakeups),
        );
        let places = config.sessions_max.min(Semaphore::MAX_PERMITS);
        let endpoint = Self(Arc::new(Shared {
            commands,
            arrivals,
            terms,
            registry: Registry::default(),
            places: Arc::new(Semaphore::new(places)),
            half_open: Arc::new(Semaphore::new(HALF_OPEN_MAX)),
            reading: Arc::new(Semaphore::new(readers())),
            wakeups,
            next: AtomicU64::new(0),
        }));
        Ok((endpoint, driver))
    }

    /// Answers an offer of somebody who wants to be on that side of a stream.
    ///
    /// # Errors
    /// When there is no room, or the offer is none that can be answered.
    pub fn answer(&self, text: &str, side: Side) -> Result<Negotiated, Refused> {
        self.answer_in(self.room()?, text, side)
    }

    /// Does what [`Endpoint::answer`] does on a thread where nobody else's connection waits for it. Few offers are read at
    /// one time: the others wait, in the order in which they came.
    ///
    /// # Errors
    /// As [`Endpoint::answer`].
    pub async fn answer_aside(&self, text: String, side: Side) -> Result<Negotiated, Refused> {
        let room = self.room()?;
        let Ok(turn) = Arc::clone(&self.0.reading).acquire_owned().await else {
            unreachable!("nobody closes it");
        };
        let endpoint = self.clone();
        let read = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            endpoint.answer_in(room, &text, side)
        });
        // What is not read for a fault is none, or the process ends.
        read.await
            .unwrap_or(Err(Refused::Full { retry_after: LATER }))
    }

    fn room(&self) -> Result<Room, Refused> {
        let place = Arc::clone(&self.0.places)
            .try_acquire_owned()
            .map_err(|_| Refused::Full { retry_after: LATER })?;
        let half_open = Arc::clone(&self.0.half_open)
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
        let negotiate = || self.0.terms.negotiate(offer.sdp, credentials, side);
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

    /// Begins the session of a publisher of the stream `key`, who publishes into `channel`.
    pub fn publish(
        &self,
        negotiated: Negotiated,
        key: &str,
        channel: &Channel,
    ) -> (Accepted, Publishing) {
        let id = self.next();
        let lines = negotiated.lines;
        let (ingress, publishing) = Ingress::new(
            id,
            channel,
            (lines.picture.is_some(), lines.sound.is_some()),
            self.0.commands.clone(),
            Instant::now(),
        );
        let role = Role::Publishing(Box::new(ingress));
        (
            self.begin(id, negotiated, Side::Publisher, key, role),
            publishing,
        )
    }

    /// Begins the session of a viewer of the stream `key`. `guest` is dropped when the session ends.
    pub fn watch(
        &self,
        mut negotiated: Negotiated,
        key: &str,
        watching: Watching,
        guest: impl Any + Send,
    ) -> Accepted {
        let lines = negotiated.lines;
        let escrow = Arc::clone(&negotiated.escrow);
        let agreed = Agreed::new(&mut negotiated.rtc, lines, escrow);
        let guest = Box::new(guest);
        let egress = Egress::new(watching, guest, lines, agreed, Instant::now());
        let role = Role::Watching(Box::new(egress));
        self.begin(self.next(), negotiated, Side::Viewer, key, role)
    }

    /// Serves a connection that begins with a framed datagram, RFC 4571, until it is over.
    pub async fn connection(&self, stream: TcpStream, peer: SocketAddr) {
        streams::serve(stream, peer, self.0.arrivals.clone()).await;
    }

    /// Whether there is a session of that name, for who would read on only then.
    ///
    /// # Errors
    /// When there is none.
    pub fn listed(&self, side: Side, key: &str, name: &str) -> Result<(), Unlisted> {
        self.0.registry.find(side, key, name).map(drop)
    }

    /// Takes candidates that come late, or restarts ICE. `if_match` is the header of that name.
    ///
    /// # Errors
    /// When there is no such session, or what is asked for is none of that.
    pub async fn patch(
        &self,
        side: Side,
        key: &str,
        name: &str,
        if_match: Option<&str>,
        fragment: &str,
    ) -> Result<Patched, TrickleRefused> {
        let listed = self.0.registry.find(side, key, name)?;
        let remote = match trickle::judge(&listed, if_match, fragment)? {
            Asked::Nothing => return Ok(Patched::Understood),
            Asked::Restart(remote) => remote,
        };
        let remote_fragment = remote.ufrag.clone();
        let (answer, answered) = oneshot::channel();
        let restart = Command::Restart(listed.id, remote, answer);
        // Without the task, or without the session, nobody answers.
        let _ = self.0.commands.send(restart);
        let ours = answered.await.map_err(|_| Unlisted)?;
        let etag = random_name();
        self.0.registry.restarted(name, &etag, remote_fragment);
        let mut answer = format!(
            "a=ice-lite\r\na=ice-ufrag:{}\r\na=ice-pwd:{}\r\n",
            ours.ufrag, ours.pass
        );
        // The first line of media stands for all of the bundle.
        let line = |line: &&str| line.starts_with("m=") || line.starts_with("a=mid:");
        for line in fragment.lines().map(str::trim_end).filter(line).take(2) {
            answer.extend([line, "\r\n"]);
        }
        for candidate in self.0.terms.candidates() {
            answer.extend(["a=", &candidate.to_sdp_string(), "\r\n"]);
        }
        answer.push_str("a=end-of-candidates\r\n");
        Ok(Patched::Restarted {
            etag,
            fragment: answer,
        })
    }

    /// Ends a session.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn end(&self, side: Side, key: &str, name: &str) -> Result<(), Unlisted> {
        let listed = self.0.registry.find(side, key, name)?;
        // A task that is gone has ended it already.
        let _ = self.0.commands.send(Command::End(listed.id));
        Ok(())
    }

    /// Ends all sessions, for good.
    pub fn shutdown(&self) {
        let _ = self.0.commands.send(Command::Stop);
    }

    fn next(&self) -> u64 {
        self.0.next.fetch_add(1, Ordering::Relaxed)
    }

    fn begin(
        &self,
        id: u64,
        negotiated: Negotiated,
        side: Side,
        key: &str,
        role: Role,
    ) -> Accepted {
        let etag = random_name();
        let listing: Listing = self.0.registry.list(Listed {
            id,
            side,
            key: key.to_owned(),
            etag: etag.clone(),
            remote_fragment: negotiated.remote.ufrag.clone(),
        });
        let name = listing.name().to_owned();
        let now = Instant::now();
        let session = Session {
            reach: Reach::new(id, &negotiated.fragment, negotiated.remote),
            rtc: negotiated.rtc,
            role,
            lines: negotiated.lines,
            fragment: negotiated.fragment,
            _listing: listing,
            _place: negotiated.place,
            half_open: Some(negotiated.half_open),
            born: now,
            heard: now,
            closed: None,
            addresses: Vec::new(),
            local: None,
            target: None,
            chosen: None,
            greeted: Greeted::NotYet,
            waker: self.0.wakeups.waker(id),
            deadline: now,
        };
        // Without the task the session is dropped, and who waits for it hears of that.
        let _ = self.0.commands.send(Command::Begin(id, Box::new(session)));
        Accepted {
            name,
            etag,
            answer: negotiated.answer,
        }
    }
}

/// How many offers are read at one time: half of the processors are left to who is there.
fn readers() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    (processors / 2).max(1)
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offer::example as offer;
    use abanico_live::{Bounds, Pool};
    use abanico_media::frame::Codec;
    use std::net::{Ipv4Addr, UdpSocket};
    use std::pin::Pin;
    use std::task::{Context, Waker};

    fn endpoint(sessions_max: usize) -> Endpoint {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let candidates = vec![socket.local_addr().unwrap()];
        let config = Config {
            sessions_max,
            candidates,
            tcp_candidates: Vec::new(),
        };
        Endpoint::open(socket, config).unwrap()
    }

    fn waits<T>(future: Pin<&mut impl Future<Output = T>>) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        future.poll(&mut cx).is_pending()
    }

    #[tokio::test]
    async fn there_are_as_many_sessions_as_there_are_places() {
        let endpoint = endpoint(1);
        let sends = offer("a=sendonly\r\n");
        let first = endpoint.answer(&sends, Side::Publisher).unwrap();
        assert!(first.answer.contains("a=ice-lite"), "{}", first.answer);
        assert!(first.answer.contains("typ host"), "{}", first.answer);
        assert!(first.answer.contains("a=recvonly"), "{}", first.answer);
        assert!(matches!(
            endpoint.answer(&sends, Side::Publisher),
            Err(Refused::Full { .. })
        ));
        drop(first);
        // What cannot be answered takes no place.
        assert!(endpoint.answer("v=0", Side::Publisher).is_err());
        assert!(endpoint.answer(&sends, Side::Publisher).is_ok());
    }

    #[tokio::test]
    async fn offers_wait_their_turn_and_hold_room_meanwhile() {
        let endpoint = endpoint(1);
        let sends = offer("a=sendonly\r\n");
        let all = u32::try_from(readers()).unwrap();
        let reading = Arc::clone(&endpoint.0.reading);
        let turns = reading.acquire_many_owned(all).await.unwrap();
        let first = endpoint.answer_aside(sends.clone(), Side::Publisher);
        let mut first = std::pin::pin!(first);
        assert!(waits(first.as_mut()));
        let second = endpoint.answer_aside(sends.clone(), Side::Publisher);
        assert!(matches!(second.await, Err(Refused::Full { .. })));
        drop(turns);
        let answered = first.await.unwrap();
        assert!(answered.answer.contains("a=recvonly"));
        // Who goes while it waits leaves its room.
        drop(answered);
        let turns = Arc::clone(&endpoint.0.reading).acquire_many_owned(all);
        let _turns = turns.await.unwrap();
        {
            let third = endpoint.answer_aside(sends.clone(), Side::Publisher);
            assert!(waits(std::pin::pin!(third)));
        }
        assert!(endpoint.answer(&sends, Side::Publisher).is_ok());
    }

    #[tokio::test]
    async fn a_session_that_is_ended_is_told_so_and_leaves_its_place() {
        let endpoint = endpoint(1);
        let sends = offer("a=sendonly\r\n");
        let negotiated = endpoint.answer(&sends, Side::Publisher).unwrap();
        let channel = Channel::new(&Pool::new(Bounds::default()));
        let (accepted, publishing) = endpoint.publish(negotiated, "demo", &channel);
        let end = |key| endpoint.end(Side::Publisher, key, &accepted.name);
        assert_eq!(end("other"), Err(Unlisted));
        assert_eq!(end("demo"), Ok(()));
        assert_eq!(publishing.ended().await, crate::Ended::Asked);
        let waits = endpoint.0.places.acquire().await;
        drop(waits.unwrap());
        assert_eq!(end("demo"), Err(Unlisted));
    }

    #[tokio::test]
    async fn what_is_kept_until_a_session_is_connected_goes_with_one_that_ends_before() {
        let endpoint = endpoint(1);
        let sends = offer("a=sendonly\r\n");
        let mut negotiated = endpoint.answer(&sends, Side::Publisher).unwrap();
        let (guest, gone) = oneshot::channel::<()>();
        negotiated.keep_until_connected(guest);
        let channel = Channel::new(&Pool::new(Bounds::default()));
        let (accepted, _publishing) = endpoint.publish(negotiated, "demo", &channel);
        endpoint
            .end(Side::Publisher, "demo", &accepted.name)
            .unwrap();
        assert!(gone.await.is_err());
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

    #[tokio::test]
    async fn a_publisher_of_what_nobody_understands_is_told_what_is_understood() {
        let endpoint = endpoint(1);
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
            let refused = endpoint.answer(&sends, Side::Publisher).unwrap_err();
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
                endpoint.answer(&sends, Side::Publisher).is_ok(),
                "{profile}"
            );
        }
        // A viewer has its sound: whether it can do without the picture is the stream's to say.
        let receives = described("a=recvonly\r\n", &newer);
        let negotiated = endpoint.answer(&receives, Side::Viewer).unwrap();
        assert!(negotiated.suits(&Codec::Vp8).is_err());
    }

    #[tokio::test]
    async fn a_line_with_port_zero_is_answered_with_port_zero() {
        let endpoint = endpoint(1);
        let picture = "a=rtpmap:96 VP8/90000\r\n";
        let sends = described("a=sendonly\r\n", picture).replace("m=video 9", "m=video 0");
        let answer = endpoint.answer(&sends, Side::Publisher).unwrap().answer;
        assert!(answer.contains("m=video 0 "), "{answer}");
        assert!(answer.contains("m=audio 9 "), "{answer}");
    }

    #[tokio::test]
    async fn an_offer_without_the_codec_of_the_stream_is_told_which() {
        let endpoint = endpoint(1);
        let receives = offer("a=recvonly\r\n");
        let negotiated = endpoint.answer(&receives, Side::Viewer).unwrap();
        assert_eq!(negotiated.suits(&Codec::Vp8), Ok(()));
        let codec = "H.264";
        assert_eq!(
            negotiated.suits(&Codec::H264),
            Err(Refused::OtherCodec { codec })
        );
    }
}
