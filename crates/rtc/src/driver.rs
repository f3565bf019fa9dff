//! The task that drives all sessions of one socket.
//!
//! It sleeps until a datagram comes, a stream has something for a viewer, a session's time has come, or somebody outside
//! says something. A session that panics is dropped; the others do not notice.

#[cfg(any(test, fuzzing))]
mod probe;

use crate::ingress::Ended;
use crate::reach::Held;
use crate::session::{Role, Session, Way};
use crate::socket::{Datagram, Received, Socket, Target};
use crate::streams::Arrival;
use crate::stun::{Stun, asked_by};
use crate::trickle::new_credentials;
use crate::wakeups::Wakeups;
use abanico_hub::Stretch;
use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;
use str0m::ice::StunMessage;
use str0m::net::{DatagramRecv, Protocol, Receive};
use str0m::{IceCreds, Input};
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep_until;

/// Reads of the socket in one go. Then the others have their turn.
const READS_MAX: usize = 8;

/// What the task is told.
pub(crate) enum Command {
    /// A session begins.
    Begin(u64, Box<Session>),
    /// Its publisher is to be asked for a keyframe.
    Keyframe(u64),
    /// Its peer has these ICE credentials from now on; the answer is ours.
    Restart(u64, IceCreds, oneshot::Sender<IceCreds>),
    /// It ends.
    End(u64),
    /// All end, and nothing more begins.
    Stop,
}

/// All sessions.
pub(crate) struct Driver {
    socket: Socket,
    commands: mpsc::UnboundedReceiver<Command>,
    arrivals: mpsc::Receiver<Arrival>,
    /// Where peers are told that we are.
    candidates: Vec<Way>,
    wakeups: Arc<Wakeups>,
    sessions: HashMap<u64, Session>,
    by_fragment: HashMap<String, u64>,
    by_address: HashMap<Way, u64>,
    deadlines: BTreeSet<(Instant, u64)>,
    /// Sessions that panicked.
    #[cfg(any(test, fuzzing))]
    pub(crate) panicked: usize,
}

/// Why the task wakes.
enum Woken {
    Datagrams,
    Told(Option<Command>),
    Arrived(Arrival),
    Sessions,
    Time,
}

impl Driver {
    pub(crate) fn new(
        socket: Socket,
        commands: mpsc::UnboundedReceiver<Command>,
        arrivals: mpsc::Receiver<Arrival>,
        candidates: Vec<Way>,
        wakeups: Arc<Wakeups>,
    ) -> Self {
        Self {
            socket,
            commands,
            arrivals,
            candidates,
            wakeups,
            sessions: HashMap::new(),
            by_fragment: HashMap::new(),
            by_address: HashMap::new(),
            deadlines: BTreeSet::new(),
            #[cfg(any(test, fuzzing))]
            panicked: 0,
        }
    }

    /// Drives until it is told to stop.
    pub(crate) async fn run(mut self) {
        let mut received = Received::new();
        loop {
            let woken = self.wait().await;
            match woken {
                Woken::Datagrams => self.read(&mut received),
                Woken::Told(Some(Command::Stop) | None) => break,
                Woken::Told(Some(command)) => self.obey(command),
                Woken::Arrived(arrival) => self.arrive(arrival),
                Woken::Sessions => self.bring(),
                Woken::Time => self.pass(Instant::now()),
            }
            self.socket.flush();
        }
        let all: Vec<u64> = self.sessions.keys().copied().collect();
        for id in all {
            self.end(id, &Ended::Asked);
        }
        self.socket.flush();
    }

    async fn wait(&mut self) -> Woken {
        let first = self.deadlines.first().map(|(at, _)| *at);
        let time = async {
            match first {
                Some(at) => sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            command = self.commands.recv() => Woken::Told(command),
            Some(arrival) = self.arrivals.recv() => Woken::Arrived(arrival),
            _ = self.socket.readable() => Woken::Datagrams,
            () = self.wakeups.any() => Woken::Sessions,
            () = time => Woken::Time,
        }
    }

    /// It is that late: drives the sessions that are due.
    pub(crate) fn pass(&mut self, now: Instant) {
        let due: Vec<u64> = self
            .deadlines
            .range(..=(now, u64::MAX))
            .map(|(_, id)| *id)
            .collect();
        for id in due {
            self.turn(id, now, Session::drive);
        }
    }

    /// Sends viewers what their streams have for them.
    pub(crate) fn bring(&mut self) {
        let _bringing = Stretch::begin();
        for id in self.wakeups.take() {
            self.turn(id, Instant::now(), Session::feed);
        }
        self.socket.flush();
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Begin(id, session) => {
                self.by_fragment.insert(session.fragment.clone(), id);
                self.deadlines.insert((session.deadline, id));
                self.sessions.insert(id, *session);
                self.drive(id);
            }
            Command::Keyframe(id) => {
                if let Some(Session {
                    role: Role::Publishing(ingress),
                    ..
                }) = self.sessions.get_mut(&id)
                {
                    ingress.want_keyframe();
                    self.drive(id);
                }
            }
            Command::Restart(id, remote, answer) => {
                if let Some(session) = self.sessions.get_mut(&id) {
                    let ours = new_credentials();
                    self.by_fragment.remove(&session.fragment);
                    self.by_fragment.insert(ours.ufrag.clone(), id);
                    for gone in session.restart(remote, &ours) {
                        self.by_address.remove(&gone);
                    }
                    // Who asked may have gone.
                    let _ = answer.send(ours);
                    self.drive(id);
                }
            }
            Command::End(id) => self.end(id, &Ended::Asked),
            Command::Stop => {}
        }
    }

    fn end(&mut self, id: u64, ended: &Ended) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.close(ended.clone(), Instant::now());
            self.drive(id);
        }
    }

    fn read(&mut self, received: &mut Received) {
        for _ in 0..READS_MAX {
            if self.socket.receive(received).is_err() {
                return;
            }
            for datagram in received.datagrams() {
                self.take(&datagram);
            }
        }
    }

    /// Something comes over TCP.
    fn arrive(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Opened(peer, takes) => self.socket.streams.opened(peer, takes),
            Arrival::Datagram(source, here, bytes) => self.take(&Datagram {
                proto: Protocol::Tcp,
                source,
                destination: Some(here),
                bytes: &bytes,
            }),
            Arrival::Closed(peer) => {
                self.socket.streams.close(&peer);
                let way = (Protocol::Tcp, peer);
                let session = self.by_address.remove(&way);
                if let Some(session) = session.and_then(|id| self.sessions.get_mut(&id)) {
                    session.lose(way);
                }
            }
        }
    }

    /// Gives a datagram to the session that it is for, if there is one.
    pub(crate) fn take(&mut self, datagram: &Datagram<'_>) {
        let Ok(contents) = DatagramRecv::try_from(datagram.bytes) else {
            return;
        };
        let way = (datagram.proto, datagram.source);
        let known = self.by_address.get(&way).copied();
        let check = match Stun::of(datagram.bytes) {
            Some(Stun::Answer) => return self.hear(datagram),
            Some(Stun::Check(check)) => Some(check),
            None => None,
        };
        let id = match &check {
            // Of a check, the name in it says whose it is.
            Some(check) => self.by_fragment.get(&check.fragment).copied(),
            None => known,
        };
        let Some((id, session)) = id.and_then(|id| Some((id, self.sessions.get_mut(&id)?))) else {
            return;
        };
        let now = Instant::now();
        let port = self.socket.port();
        let destination = here(&self.candidates, datagram, port);
        let input = Input::Receive(
            now,
            Receive {
                proto: datagram.proto,
                source: datagram.source,
                destination,
                contents,
            },
        );
        let is_new = known != Some(id);
        let is_shown = session.reach.is_shown(datagram.proto, datagram.source);
        // Once it is connected, a peer is where it has answered.
        let waits = check.is_some() && session.is_open() && !is_shown;
        let target = Target {
            proto: datagram.proto,
            source: datagram.destination.unwrap_or(destination.ip()),
            destination: datagram.source,
        };
        let handled = catch_unwind(AssertUnwindSafe(|| {
            // What comes from a new address must have shown the password, and so must whoever says where media goes.
            let must_show = is_new || check.is_some();
            let has_no_room = is_new && !session.may_move();
            if has_no_room || (must_show && !session.rtc.accepts(&input)) {
                return None;
            }
            if waits {
                let held = Held {
                    bytes: datagram.bytes.to_vec(),
                    destination: datagram.destination,
                };
                session.ask(&target, Some(held), &mut self.socket, now);
                return None;
            }
            Some(session.rtc.handle_input(input))
        }));
        match handled {
            Ok(None) => return,
            Ok(Some(Ok(()))) => {
                session.heard = now;
                if datagram.proto == Protocol::Udp {
                    session.local = datagram.destination;
                }
                if is_new {
                    let gone = session.moved(way);
                    self.by_address.insert(way, id);
                    if let Some(gone) = gone {
                        forget(&mut self.by_address, &mut self.socket, id, gone);
                    }
                }
                match check {
                    // The handshake may go to any of them.
                    Some(_) if !is_shown && session.addresses.len() > 1 => {
                        session.ask(&target, None, &mut self.socket, now);
                    }
                    Some(check) if check.nominates => session.choose(target),
                    _ => {}
                }
            }
            Ok(Some(Err(error))) => session.fail(&error),
            Err(_) => return self.break_off(id),
        }
        self.drive(id);
    }

    /// Something answers what was asked of it.
    fn hear(&mut self, datagram: &Datagram<'_>) {
        let Ok(answer) = StunMessage::parse(datagram.bytes) else {
            return;
        };
        let asked = asked_by(datagram.bytes);
        let Some((id, session)) = asked.and_then(|id| Some((id, self.sessions.get_mut(&id)?)))
        else {
            return;
        };
        let now = Instant::now();
        if let Some(question) = session.reach.measured(&answer) {
            session.measured(question, now);
            return self.drive(id);
        }
        let Some(held) = session.answered(datagram.source, &answer) else {
            return;
        };
        session.open(now);
        self.drive(id);
        if let Some(held) = held {
            self.take(&Datagram {
                proto: datagram.proto,
                source: datagram.source,
                destination: held.destination,
                bytes: &held.bytes,
            });
        }
    }

    fn drive(&mut self, id: u64) {
        self.turn(id, Instant::now(), Session::drive);
    }

    /// It is a session's turn.
    fn turn(
        &mut self,
        id: u64,
        now: Instant,
        act: fn(&mut Session, Instant, &mut Socket) -> Option<Instant>,
    ) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let socket = &mut self.socket;
        let driven = catch_unwind(AssertUnwindSafe(|| act(session, now, socket)));
        match driven {
            Ok(Some(deadline)) => {
                if deadline != session.deadline {
                    self.deadlines.remove(&(session.deadline, id));
                    self.deadlines.insert((deadline, id));
                    session.deadline = deadline;
                }
            }
            Ok(None) => self.remove(id),
            Err(_) => self.break_off(id),
        }
    }

    /// A session panicked.
    fn break_off(&mut self, id: u64) {
        #[cfg(any(test, fuzzing))]
        {
            self.panicked += 1;
        }
        self.remove(id);
    }

    fn remove(&mut self, id: u64) {
        let Some(session) = self.sessions.remove(&id) else {
            return;
        };
        self.deadlines.remove(&(session.deadline, id));
        self.by_fragment.remove(&session.fragment);
        for way in &session.addresses {
            forget(&mut self.by_address, &mut self.socket, id, *way);
        }
    }
}

/// A session is not reached that way any more, if nobody else is.
fn forget(by_address: &mut HashMap<Way, u64>, socket: &mut Socket, id: u64, way: Way) {
    if by_address.get(&way) == Some(&id) {
        by_address.remove(&way);
        if way.0 == Protocol::Tcp {
            socket.streams.close(&way.1);
        }
    }
}

/// Which of our candidates a datagram was sent to. Behind a router that maps addresses it is none by its own.
fn here(candidates: &[Way], datagram: &Datagram<'_>, port: u16) -> SocketAddr {
    let fitting = || {
        let same = candidates
            .iter()
            .filter(|(proto, _)| *proto == datagram.proto);
        same.map(|(_, address)| *address)
    };
    let exact = fitting().find(|candidate| {
        Some(candidate.ip()) == datagram.destination
            && (datagram.proto == Protocol::Tcp || candidate.port() == port)
    });
    exact
        .or_else(|| fitting().find(|candidate| candidate.is_ipv4() == datagram.source.is_ipv4()))
        .or_else(|| fitting().next())
        .unwrap_or(datagram.source)
}
