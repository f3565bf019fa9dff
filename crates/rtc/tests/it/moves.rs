//! A viewer that is said to have moved: media follows it as soon as it answers from there, and goes nowhere else.

use crate::house::{House, PATIENCE, push};
use crate::peer::Peer;
use abanico_live::Encoder;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};
use str0m::Event;
use str0m::ice::{IceCreds, StunMessage, TransId};

const EVERY: Duration = Duration::from_millis(10);

/// The longest that a viewer who moves may be without media.
const GAP_MAX: Duration = Duration::from_millis(300);

/// Another address than the viewer's, where somebody knows what the viewer knows.
struct Elsewhere {
    socket: UdpSocket,
    server: SocketAddr,
    servers: IceCreds,
    viewers: IceCreds,
}

/// The credentials that a description tells.
fn credentials(description: &str) -> IceCreds {
    let told = |name| {
        let mut lines = description.lines();
        lines
            .find_map(|line| line.strip_prefix(name))
            .unwrap()
            .to_owned()
    };
    IceCreds {
        ufrag: told("a=ice-ufrag:"),
        pass: told("a=ice-pwd:"),
    }
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 20] {
    let provider = str0m::crypto::from_feature_flags();
    provider.sha1_hmac_provider.sha1_hmac(key, parts)
}

fn own_socket() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

impl Elsewhere {
    fn new(server: SocketAddr, offer: &str, answer: &str) -> Self {
        Self {
            socket: own_socket(),
            server,
            servers: credentials(answer),
            viewers: credentials(offer),
        }
    }

    /// Another address of the same.
    fn moved(&self) -> Self {
        Self {
            socket: own_socket(),
            server: self.server,
            servers: self.servers.clone(),
            viewers: self.viewers.clone(),
        }
    }

    fn send(&self, message: StunMessage<'_>, password: &str) {
        let mut bytes = [0; 1024];
        let length = message.to_bytes(Some(password.as_bytes()), &mut bytes, hmac);
        self.socket
            .send_to(&bytes[..length.unwrap()], self.server)
            .unwrap();
    }

    /// Says that the viewer is here.
    fn check(&self) {
        let name = format!("{}:{}", self.servers.ufrag, self.viewers.ufrag);
        let number = TransId::new();
        let check = StunMessage::binding_request(&name, number, true, 1, u32::MAX >> 1, true);
        self.send(check, &self.servers.pass);
    }

    /// Answers what was asked, with that password.
    fn answer(&self, question: &[u8], password: &str) {
        let question = StunMessage::parse(question).unwrap();
        assert!(question.is_binding_request());
        assert!(question.verify(self.viewers.pass.as_bytes(), hmac));
        let answer = StunMessage::binding_reply(question.trans_id(), self.server);
        self.send(answer, password);
    }

    /// What has come since it was last looked.
    fn received(&self) -> Vec<Vec<u8>> {
        let mut buffer = [0; 2000];
        let come = || {
            let (length, source) = self.socket.recv_from(&mut buffer).ok()?;
            assert_eq!(source, self.server);
            Some(buffer[..length].to_vec())
        };
        std::iter::from_fn(come).collect()
    }
}

fn is_question(datagram: &[u8]) -> bool {
    StunMessage::parse(datagram).is_ok_and(|message| message.is_binding_request())
}

fn is_media(datagram: &[u8]) -> bool {
    datagram[0] >= 128 && !(192..224).contains(&datagram[1])
}

/// A viewer that watches, and who pretends to be it.
struct Watched {
    _house: House,
    encoder: Encoder,
    frames: u32,
    peer: Peer,
    elsewhere: Elsewhere,
}

impl Watched {
    fn begin() -> Self {
        let house = House::open(|address| address);
        let mut encoder = house.encoder();
        push(&mut encoder, 0, EVERY, 500);
        let (peer, offer, answer) = house.watch_openly(house.address);
        let elsewhere = Elsewhere::new(house.address, &offer, &answer);
        let mut watched = Self {
            _house: house,
            encoder,
            frames: 1,
            peer,
            elsewhere,
        };
        let until = Instant::now() + PATIENCE;
        while watched.film() == 0 {
            assert!(Instant::now() < until, "the viewer is sent nothing");
        }
        watched
    }

    fn publish(&mut self) {
        push(&mut self.encoder, self.frames, EVERY, 500);
        self.frames += 1;
    }

    /// Publishes a frame. Returns how many the viewer is sent meanwhile.
    fn film(&mut self) -> usize {
        self.publish();
        let mut seen = 0;
        self.peer.run(Instant::now() + EVERY, &mut |event| {
            seen += usize::from(matches!(event, Event::MediaData(_)));
        });
        seen
    }

    fn film_many(&mut self, frames: u32) -> usize {
        (0..frames).map(|_| self.film()).sum()
    }

    /// The viewer goes on elsewhere, until media has followed it there. Returns after how long the first did.
    async fn follow(&mut self) -> Duration {
        let moved = Instant::now();
        let (mut first, mut media) = (None, 0);
        let mut checked = None;
        let mut every = tokio::time::interval(EVERY);
        while media < 30 {
            assert!(moved.elapsed() < PATIENCE, "media does not follow");
            if first.is_none() && checked.is_none_or(|at: Instant| at.elapsed() > CHECKED_EVERY) {
                self.elsewhere.check();
                checked = Some(Instant::now());
            }
            every.tick().await;
            self.publish();
            for datagram in self.elsewhere.received() {
                if is_question(&datagram) {
                    let password = self.elsewhere.viewers.pass.clone();
                    self.elsewhere.answer(&datagram, &password);
                }
                if is_media(&datagram) {
                    media += 1;
                    first.get_or_insert(moved.elapsed());
                }
            }
        }
        first.unwrap_or_default()
    }

    /// Waits until of what was filmed the viewer was sent more than so much, of which it has seen a part.
    fn sent_more_than(&mut self, least: usize, mut seen: usize) {
        let until = Instant::now() + PATIENCE;
        while seen <= least {
            assert!(Instant::now() < until, "the viewer was sent {seen}");
            self.peer.run(Instant::now() + EVERY, &mut |event| {
                seen += usize::from(matches!(event, Event::MediaData(_)));
            });
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn media_goes_to_no_address_that_has_not_answered() {
    let mut watched = Watched::begin();
    let (mut checks, mut seen) = (0, 0);
    for _ in 0..6 {
        watched.elsewhere.check();
        checks += 1;
        seen += watched.film_many(10);
    }
    let come = watched.elsewhere.received();
    assert!(
        come.iter().all(|datagram| is_question(datagram)),
        "{come:?}"
    );
    assert!(
        (1..=checks).contains(&come.len()),
        "{} questions",
        come.len()
    );
    watched.sent_more_than(40, seen);

    // An answer of somebody who does not know the password, as a public STUN server is, is none.
    watched
        .elsewhere
        .answer(&come[0], "somebody else's password");
    // Nor is one to another question.
    let number = TransId::new();
    let other = StunMessage::binding_reply(number, watched.elsewhere.server);
    watched
        .elsewhere
        .send(other, &watched.elsewhere.viewers.pass);
    let seen = watched.film_many(30);
    watched.sent_more_than(20, seen);
    assert_eq!(watched.elsewhere.received(), Vec::<Vec<u8>>::new());

    // However often it is said, a session asks no more than so many times.
    for _ in 0..200 {
        watched.elsewhere.check();
    }
    watched.film_many(30);
    let come = watched.elsewhere.received();
    assert!(come.iter().all(|datagram| is_question(datagram)));
    assert!(come.len() < 20, "{} questions", come.len());
}

/// How often a viewer moves: oftener than a session is reached from addresses at one time.
const MOVES: usize = 12;

/// A check is sent again after so long without an answer, as peers do.
const CHECKED_EVERY: Duration = Duration::from_millis(300);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn media_follows_a_viewer_that_answers_from_elsewhere() {
    let mut watched = Watched::begin();
    watched.film_many(20);
    // From now on it is here, and nothing is heard of it from where it was.
    let first = watched.follow().await;
    assert!(first < GAP_MAX, "media follows after {first:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn media_follows_a_viewer_however_often_it_moves() {
    let mut watched = Watched::begin();
    let mut left = Vec::new();
    for _ in 0..MOVES {
        watched.follow().await;
        let elsewhere = watched.elsewhere.moved();
        left.push(std::mem::replace(&mut watched.elsewhere, elsewhere));
    }
    // It may come back to where it was first as well.
    watched.elsewhere = left.swap_remove(0);
    watched.elsewhere.received();
    watched.follow().await;
}
