//! The door to it all: begins sessions, finds them again by their names, and ends them.

use crate::answering::Answering;
use crate::driver::{Command, Driver};
use crate::egress::Egress;
use crate::ingress::{Ingress, Publishing};
use crate::negotiation::Negotiated;
use crate::offer::Refused;
use crate::reach::Reach;
use crate::registry::{Listed, Registry, Side, Unlisted};
use crate::sender::Agreed;
use crate::session::{Greeted, Role, Session, Way};
use crate::socket::Socket;
use crate::streams::{self, ARRIVALS_MAX, Arrival};
use crate::trickle::{self, Asked, Patched, TrickleRefused};
use crate::wakeups::Wakeups;
use abanico_live::{Channel, Watching};
use std::any::Any;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use str0m::net::Protocol;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};

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
    answering: Answering,
    registry: Registry,
    wakeups: Arc<Wakeups>,
    next: AtomicU64,
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
        let answering = Answering::new(candidates.clone(), config.sessions_max)
            .ok_or_else(|| io::Error::other("no certificate can be made"))?;
        let driver = Driver::new(
            Socket::new(socket)?,
            told,
            arrived,
            candidates,
            Arc::clone(&wakeups),
        );
        let endpoint = Self(Arc::new(Shared {
            commands,
            arrivals,
            answering,
            registry: Registry::default(),
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
        self.0.answering.answer(text, side)
    }

    /// Does what [`Endpoint::answer`] does on a thread where nobody else's connection waits for it. Few offers are read at
    /// one time: the others wait, in the order in which they came.
    ///
    /// # Errors
    /// As [`Endpoint::answer`].
    pub async fn answer_aside(&self, text: String, side: Side) -> Result<Negotiated, Refused> {
        self.0.answering.answer_aside(text, side).await
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
        let restart = |listed: &mut Listed| {
            let Asked::Restart(remote) = trickle::judge(listed, if_match, fragment)? else {
                return Ok::<_, TrickleRefused>(None);
            };
            listed.restart(remote.clone());
            let (answer, answered) = oneshot::channel();
            // In the order in which they were judged. Without the task, or without the session, nobody answers.
            let restart = Command::Restart(listed.id, remote, answer);
            let _ = self.0.commands.send(restart);
            Ok(Some((listed.etag.clone(), answered)))
        };
        let restarted = self.0.registry.with(side, key, name, restart)??;
        let Some((etag, answered)) = restarted else {
            return Ok(Patched::Understood);
        };
        let ours = answered.await.map_err(|_| Unlisted)?;
        Ok(Patched::Restarted {
            etag,
            fragment: trickle::answer(fragment, &ours, self.0.answering.candidates()),
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
        let listed = Listed::new(id, side, key, negotiated.remote.clone());
        let etag = listed.etag.clone();
        let listing = self.0.registry.list(listed);
        let name = listing.name().to_owned();
        let now = Instant::now();
        let session = Session {
            reach: Reach::new(id, &negotiated.fragment, negotiated.remote),
            rtc: negotiated.rtc,
            role,
            lines: negotiated.lines,
            fragment: negotiated.fragment,
            listing,
            handshake: negotiated.escrow,
            _place: negotiated.place,
            half_open: Some(negotiated.half_open),
            born: now,
            heard: now,
            silence: crate::silence::Silence::default(),
            closed: None,
            addresses: Vec::new(),
            moves: 0,
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
    use std::net::{Ipv4Addr, UdpSocket};

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
        let waits = endpoint.0.answering.places.acquire().await;
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
}
