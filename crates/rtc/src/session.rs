//! One session: str0m's state machine, and what its frames come from or go to.

use crate::egress::{Egress, Fed, Outlet};
use crate::ingress::{Ended, Ingress};
use crate::keys::Escrow;
use crate::probe::Question;
use crate::reach::{Held, Reach};
use crate::registry::Listing;
use crate::silence::Silence;
use crate::socket::{Socket, Target};
use abanico_core::key::shortened;
use abanico_core::late::is_late;
use abanico_live::SourceError;
use std::any::Any;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};
use str0m::ice::StunMessage;
use str0m::media::{KeyframeRequestKind, MediaKind, Mid};
use str0m::net::{Protocol, Transmit};
use str0m::rtp::RawPacket;
use str0m::{Event, IceCreds, Input, Output, Rtc, RtcError};
use tokio::sync::OwnedSemaphorePermit;

/// A session that is not connected after so long is over.
pub(crate) const CONNECTED_WITHIN: Duration = Duration::from_secs(10);

/// A session whose peer says nothing for so long is over. Browsers ask whether we are there every few seconds.
const SILENT_MAX: Duration = Duration::from_secs(20);

/// A session that was ended has so long to take leave of its peer. It is sent nothing else, whatever it says.
pub(crate) const LEAVES_WITHIN: Duration = Duration::from_secs(1);

/// Addresses from which a session is reached at one time. Once it is connected, the first makes room for another.
const ADDRESSES_MAX: usize = 8;

/// Addresses from which a session may have been reached in its life, since str0m forgets none. It is not reached from one more.
const MOVES_MAX: usize = 512;

/// A time that is so near has come: the pacing of datagrams that go out together is a microsecond apart.
const NEXT_TO_NOTHING: Duration = Duration::from_micros(20);

/// Turns of the state machine at one time. What is left has its turn after the others.
const TURNS_MAX: usize = 512;

/// What datagrams of DTLS begin with is not less than this, and what those of RTP and RTCP begin with is not less than that.
/// RFC 7983.
const DTLS_FIRST: u8 = 20;
const RTP_FIRST: u8 = 128;

/// What says that no more comes, of all that str0m sends.
const GOODBYE: u8 = 203;

/// How a peer is reached, and where.
pub(crate) type Way = (Protocol, SocketAddr);

/// What a session is there for.
pub(crate) enum Role {
    Publishing(Box<Ingress>),
    Watching(Box<Egress>),
}

/// The first line of each kind that goes the way we asked for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Lines {
    pub(crate) picture: Option<Mid>,
    pub(crate) sound: Option<Mid>,
}

impl Lines {
    /// Takes a line that was agreed on. False if there is one of its kind.
    pub(crate) fn add(&mut self, mid: Mid, kind: MediaKind) -> bool {
        let line = match kind {
            MediaKind::Video => &mut self.picture,
            MediaKind::Audio => &mut self.sound,
        };
        let is_first = line.is_none();
        line.get_or_insert(mid);
        is_first
    }
}

/// How far a handshake is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Greeted {
    NotYet,
    /// It went to more than one address, so that it shows none.
    Wandering,
    /// It is over; the session begins as soon as the peer has answered.
    Over,
}

/// A place among the sessions that are not connected yet.
pub(crate) struct HalfOpen {
    pub(crate) _permit: OwnedSemaphorePermit,
    /// What is dropped with it.
    pub(crate) guest: Option<Box<dyn Any + Send>>,
}

/// One session.
pub(crate) struct Session {
    pub(crate) rtc: Rtc,
    pub(crate) role: Role,
    pub(crate) lines: Lines,
    /// Our own ICE user fragment.
    pub(crate) fragment: String,
    pub(crate) listing: Listing,
    pub(crate) handshake: Escrow,
    /// One of the places for sessions.
    pub(crate) _place: OwnedSemaphorePermit,
    /// One of the places for those that are not connected yet.
    pub(crate) half_open: Option<HalfOpen>,
    pub(crate) born: Instant,
    pub(crate) heard: Instant,
    pub(crate) silence: Silence,
    /// When it was ended, from here.
    pub(crate) closed: Option<Instant>,
    pub(crate) addresses: Vec<Way>,
    /// How many there were in its life.
    pub(crate) moves: usize,
    /// The address of this machine that the peer reached.
    pub(crate) local: Option<IpAddr>,
    /// Where the peer is, as far as it has answered.
    pub(crate) reach: Reach,
    /// Where the handshake, and all that follows it, goes.
    pub(crate) target: Option<Target>,
    /// Where the peer said last that all shall go, after the handshake. str0m goes by what each address claims of itself,
    /// and stays with one that is silent for 15 s.
    pub(crate) chosen: Option<Target>,
    pub(crate) greeted: Greeted,
    pub(crate) waker: Waker,
    /// When it is to be driven at the latest.
    pub(crate) deadline: Instant,
}

impl Session {
    /// Whether the peer may be reached at one more address.
    pub(crate) fn may_move(&self) -> bool {
        let has_room = self.is_open() || self.addresses.len() < ADDRESSES_MAX;
        has_room && self.moves < MOVES_MAX
    }

    /// The peer is reached at one more address. Returns one where it is not any more, to make room for that.
    pub(crate) fn moved(&mut self, way: Way) -> Option<Way> {
        let is_full = self.addresses.len() >= ADDRESSES_MAX;
        let in_use = self.in_use();
        let is_idle = |known: &Way| Some(known.1) != in_use;
        let first = self.addresses.iter().position(is_idle);
        let gone = first
            .filter(|_| is_full)
            .map(|first| self.addresses.remove(first));
        self.addresses.push(way);
        self.moves += 1;
        gone
    }

    /// Where all goes.
    fn in_use(&self) -> Option<SocketAddr> {
        self.target.map(|target| target.destination)
    }

    /// Something answers from there what was asked. Returns what was held, if it is the peer.
    pub(crate) fn answered(
        &mut self,
        from: SocketAddr,
        answer: &StunMessage<'_>,
    ) -> Option<Option<Held>> {
        self.reach.answered(from, answer, self.in_use())
    }

    /// The peer's ICE credentials are these from now on, and ours those. Media flows on where it did until the peer is
    /// found elsewhere. Returns the addresses that it has not used last: a peer that moves on and on stays bounded.
    pub(crate) fn restart(&mut self, remote: IceCreds, ours: &IceCreds) -> Vec<Way> {
        let mut api = self.rtc.direct_api();
        api.set_local_ice_credentials(ours.clone());
        api.set_remote_ice_credentials(remote.clone());
        ours.ufrag.clone_into(&mut self.fragment);
        self.reach.restart(&ours.ufrag, remote);
        let last = self.addresses.pop();
        std::mem::replace(&mut self.addresses, last.into_iter().collect())
    }

    /// Whether the peer is connected, and sent all that there is.
    pub(crate) fn is_open(&self) -> bool {
        self.half_open.is_none()
    }

    /// The peer says from there that all shall go there, and has answered from there.
    pub(crate) fn choose(&mut self, target: Target) {
        if self.is_open() && self.reach.is_shown(target.proto, target.destination) {
            self.chosen = Some(target);
            self.target = Some(target);
            if let Role::Watching(egress) = &mut self.role {
                egress.found(target);
            }
        }
    }

    /// It is not reached that way any more.
    pub(crate) fn lose(&mut self, way: Way) {
        self.addresses.retain(|known| *known != way);
        let is_other = |chosen: &Target| (chosen.proto, chosen.destination) != way;
        self.chosen = self.chosen.filter(is_other);
    }

    /// Asks whether the peer is there. What came from there may be kept until it answers.
    pub(crate) fn ask(
        &mut self,
        target: &Target,
        held: Option<Held>,
        socket: &mut Socket,
        now: Instant,
    ) {
        if let Some(question) = self.reach.ask(target.destination, held, now) {
            socket.send_to(target, &question);
        }
    }

    /// The peer has answered what it was asked to know what its network carries.
    pub(crate) fn measured(&mut self, question: Question, now: Instant) {
        self.heard = now;
        if let Role::Watching(egress) = &mut self.role {
            egress.answered(question, now);
        }
    }

    /// Begins if the handshake is over and the peer has answered where it went.
    pub(crate) fn open(&mut self, now: Instant) {
        let is_shown = |target: Target| self.reach.is_shown(target.proto, target.destination);
        if self.greeted != Greeted::Over || self.is_open() || !self.target.is_some_and(is_shown) {
            return;
        }
        self.half_open = None;
        if let Role::Watching(egress) = &mut self.role {
            egress.connected(self.target, now);
        }
    }

    /// Ends it, and tells the peer if there is one.
    pub(crate) fn close(&mut self, ended: Ended, now: Instant) {
        self.closed.get_or_insert(now);
        if let Role::Publishing(ingress) = &self.role {
            ingress.end(ended);
        }
        let told = self.half_open.is_none() && self.rtc.close().is_ok();
        if !told {
            self.rtc.disconnect();
        }
    }

    /// Ends it where it stands: it cannot go on.
    pub(crate) fn fail(&mut self, error: &RtcError) {
        tracing::debug!(%error, "a WebRTC session broke");
        if let Role::Publishing(ingress) = &self.role {
            ingress.end(Ended::Lost);
        }
        self.rtc.disconnect();
    }

    /// When it is over if nothing more is heard of its peer.
    fn over_at(&self) -> Instant {
        match self.closed {
            Some(closed) => closed + LEAVES_WITHIN,
            None if self.half_open.is_some() => self.born + CONNECTED_WITHIN,
            None => self.heard + SILENT_MAX,
        }
    }

    /// Nobody looked for so long until now: that time was not the peer's.
    fn stood_still(&mut self, late: Duration, now: Instant) {
        let closed = self.closed.as_mut();
        for since in [&mut self.born, &mut self.heard].into_iter().chain(closed) {
            *since = (*since + late).min(now);
        }
    }

    /// Does all that there is to do. Returns when it is to be driven again, `None` if it is over.
    pub(crate) fn drive(&mut self, mut now: Instant, socket: &mut Socket) -> Option<Instant> {
        let late = now.saturating_duration_since(self.deadline);
        if is_late(late) {
            self.stood_still(late, now);
        }
        if now >= self.over_at() {
            if let Role::Publishing(ingress) = &self.role {
                ingress.end(Ended::Lost);
            }
            return None;
        }
        for _ in 0..TURNS_MAX {
            if !self.rtc.is_alive() {
                // Nothing broke, so the peer has said goodbye.
                if let Role::Publishing(ingress) = &self.role {
                    ingress.end(Ended::Asked);
                }
                return None;
            }
            match self.rtc.poll_output() {
                Ok(Output::Transmit(transmit)) => self.transmit(&transmit, socket, now),
                Ok(Output::Event(event)) => self.hear(event, socket, now),
                // Its goodbye was the last that it had to say.
                Ok(Output::Timeout(_)) if !self.rtc.is_alive() => {}
                Ok(Output::Timeout(at)) if at <= now + NEXT_TO_NOTHING => {
                    now = now.max(at);
                    self.pass(now);
                }
                Ok(Output::Timeout(at)) => match self.act(socket, now) {
                    Fed::Wrote => self.pass(now),
                    Fed::Idle => return Some(at.min(self.over_at())),
                    Fed::At(soon) => return Some(at.min(self.over_at()).min(soon)),
                    Fed::Over => self.close(Ended::Asked, now),
                },
                Err(error) => self.fail(&error),
            }
        }
        Some(now)
    }

    /// The stream has something for this viewer, and nothing else is due. Returns what [`Session::drive`] returns.
    pub(crate) fn feed(&mut self, now: Instant, socket: &mut Socket) -> Option<Instant> {
        let is_ours = match &mut self.role {
            Role::Watching(egress) => egress.sender().is_some(),
            Role::Publishing(_) => false,
        };
        if !is_ours || now >= self.deadline || !self.rtc.is_alive() {
            return self.drive(now, socket);
        }
        for _ in 0..TURNS_MAX {
            match self.act(socket, now) {
                Fed::Wrote => {}
                Fed::Idle => return Some(self.deadline),
                Fed::At(soon) => return Some(self.deadline.min(soon)),
                Fed::Over => {
                    self.close(Ended::Asked, now);
                    return self.drive(now, socket);
                }
            }
        }
        Some(now)
    }

    /// Sends what the state machine says. A viewer's RTCP is ours, as its packets are.
    fn transmit(&mut self, transmit: &Transmit, socket: &mut Socket, now: Instant) {
        let mut target = Target {
            proto: transmit.proto,
            source: self.local.unwrap_or(transmit.source.ip()),
            destination: transmit.destination,
        };
        let kind = transmit.contents.first().copied().unwrap_or(0);
        if kind >= DTLS_FIRST {
            target = self.chosen.unwrap_or(target);
            let must_be_shown = self.is_open() || kind >= RTP_FIRST;
            if must_be_shown && !self.reach.is_shown(target.proto, target.destination) {
                return self.ask(&target, None, socket, now);
            }
            let is_other = |before: Target| before.destination != target.destination;
            if self.greeted == Greeted::NotYet && self.target.is_some_and(is_other) {
                self.greeted = Greeted::Wandering;
            }
            self.target = Some(target);
        }
        if kind >= RTP_FIRST
            && let Role::Watching(egress) = &mut self.role
        {
            // None of it leaves, not even before we can send: the same nonces are used for ours.
            egress.found(target);
            if let Some(sender) = egress.sender() {
                let over = transmit.contents.get(1) == Some(&GOODBYE);
                sender.report(over, socket, now);
            }
            return;
        }
        socket.send_to(&target, &transmit.contents);
    }

    /// Time passes for the state machine.
    fn pass(&mut self, now: Instant) {
        if let Err(error) = self.rtc.handle_input(Input::Timeout(now)) {
            self.fail(&error);
        }
    }

    /// Does the next thing of its own accord.
    fn act(&mut self, socket: &mut Socket, now: Instant) -> Fed {
        if self.half_open.is_some() || self.closed.is_some() {
            return Fed::Idle;
        }
        match &mut self.role {
            Role::Watching(egress) => {
                let due = self.silence.look(self.heard, now);
                if due.asks
                    && let Some(question) = self.reach.measure(Question::THERE)
                {
                    egress.ask(&question, socket);
                }
                if let Some(until) = due.paused_until {
                    return Fed::At(until);
                }
                let mut cx = Context::from_waker(&self.waker);
                let mut out = Outlet {
                    rtc: &mut self.rtc,
                    reach: &mut self.reach,
                    socket,
                };
                egress.feed(&mut out, now, &mut cx)
            }
            Role::Publishing(ingress) => {
                let Some(at) = ingress.ask_at(now) else {
                    return Fed::Idle;
                };
                if at > now {
                    return Fed::At(at);
                }
                let Some(layer) = ingress.asking(now) else {
                    return Fed::Idle;
                };
                let mut writer = self.lines.picture.and_then(|mid| self.rtc.writer(mid));
                let asked = writer
                    .as_mut()
                    .map(|writer| writer.request_keyframe(layer, KeyframeRequestKind::Pli));
                match asked {
                    Some(Ok(())) => Fed::Wrote,
                    // Nothing has come that it could be asked of: it begins with a keyframe.
                    Some(Err(_)) | None => Fed::Idle,
                }
            }
        }
    }

    fn hear(&mut self, event: Event, socket: &mut Socket, now: Instant) {
        if self.closed.is_some() {
            return;
        }
        match (event, &mut self.role) {
            (Event::Connected, _) => {
                let before = std::mem::replace(&mut self.greeted, Greeted::Over);
                if let (Greeted::NotYet, Some(target)) = (before, self.target) {
                    let in_use = self.in_use();
                    self.reach.show(target.proto, target.destination, in_use);
                }
                self.open(now);
            }
            (Event::RawPacket(packet), Role::Watching(egress)) => {
                if let RawPacket::RtcpRx(report) = &*packet {
                    egress.heard(report, socket, now);
                }
            }
            (Event::MediaData(data), Role::Publishing(ingress)) => {
                if let Err(error) = ingress.take(&data) {
                    let ended = match error {
                        SourceError::Ended => Ended::Asked,
                        error => Ended::Refused(error),
                    };
                    self.close(ended, now);
                }
            }
            (Event::KeyframeRequest(_), Role::Watching(egress)) => egress.want_keyframe(now),
            _ => {}
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.handshake.is_uncertified() {
            let key = self.listing.key();
            tracing::warn!(
                key = key.as_deref().map(shortened),
                "a WebRTC peer was turned away: it has no ECDSA certificate, and no other kind is understood. GStreamer's is RSA; \
                 it may publish and watch over HTTP instead, docs/webrtc.md says how"
            );
        }
        // Whatever ended it, whoever waits for the end hears of it.
        if let Role::Publishing(ingress) = &self.role {
            ingress.end(Ended::Lost);
        }
    }
}
