//! The Socket.IO side of one session: whose turn it is, in which namespace, one after the other.
//!
//! Drives the handlers' futures from within the session's task. Everything a client sends waits in one queue, so that its
//! events are handled in the order in which they came; only its acknowledgements go past the queue, because a handler may be
//! waiting for one.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytestring::ByteString;
use tokio::time::Sleep;
use tracing::Span;

use crate::config::Config;
use crate::engine::{Driver, Holds, Inbound, Malformed, Parcel, Session};
use crate::event::Event;
use crate::handler::{DisconnectReason, Refusal};
use crate::member::{Member, Namespace, Outcome, Work};
use crate::packet::{Assembler, Body, Head, Limits, Packet};
use crate::socket::{Socket, Standing};

pub(crate) struct Client {
    session: Session,
    namespaces: Arc<[Arc<dyn Namespace>]>,
    assembler: Assembler,
    queue: VecDeque<Job>,
    queue_bytes: usize,
    /// One for each namespace that the client has asked for.
    seats: Vec<Seat>,
    /// The handler that runs, and whose seat it runs for.
    work: Option<(usize, Work)>,
    /// Bytes of what it handles.
    work_bytes: usize,
    /// Rings when the client has not connected to any namespace in time.
    connect_alarm: Option<Pin<Box<Sleep>>>,
    closing: Option<DisconnectReason>,
    span: Span,
}

/// A client's place in one namespace. It stays when the client has left, so that what was on its way is known to be late
/// rather than senseless.
struct Seat {
    namespace: usize,
    socket: Socket,
    /// The socket with its state; not here while a handler runs for it, nor before and after.
    member: Option<Box<dyn Member>>,
    /// Another CONNECT may follow: the client has left, or its leaving waits in the queue.
    is_vacant: bool,
}

/// One thing that waits for its turn.
struct Job {
    seat: usize,
    socket: Socket,
    bytes: usize,
    kind: Kind,
}

enum Kind {
    Connect(Option<ByteString>),
    Event(Event),
    Leave,
}

impl Client {
    pub(crate) fn new(
        session: Session,
        config: &Config,
        namespaces: Arc<[Arc<dyn Namespace>]>,
    ) -> Self {
        let limits = Limits {
            attachments_max: config.attachments_max,
            bytes_max: config.event_bytes_max,
        };
        let peer = session.handshake().peer_addr().map(tracing::field::display);
        let span = tracing::info_span!("session", peer, socket = tracing::field::Empty);
        Self {
            assembler: Assembler::new(limits),
            queue: VecDeque::new(),
            queue_bytes: 0,
            seats: Vec::new(),
            work: None,
            work_bytes: 0,
            connect_alarm: Some(Box::pin(tokio::time::sleep(config.connect_timeout))),
            closing: None,
            session,
            namespaces,
            span,
        }
    }

    /// Puts a packet into the queue, or answers it at once where no handler is needed.
    fn packet(&mut self, packet: Packet, bytes: usize) -> Result<(), Malformed> {
        let namespace = self
            .namespaces
            .iter()
            .position(|one| one.members().path() == &*packet.namespace);
        let seat = namespace.and_then(|namespace| {
            self.seats
                .iter()
                .position(|seat| seat.namespace == namespace)
        });
        let kind = match (packet.body, namespace, seat) {
            (Body::Connect { .. }, None, _) => {
                self.refuse(&packet.namespace, &Refusal::new("Invalid namespace"));
                return Ok(());
            }
            (Body::Connect { auth }, Some(namespace), seat) => {
                let seat = self.take_seat(namespace, seat)?;
                self.push(seat, bytes, Kind::Connect(auth));
                return Ok(());
            }
            (_, _, None) => return Err(Malformed),
            (Body::Ack { id, args }, _, Some(seat)) => {
                self.seats[seat].socket.answer(id, args);
                return Ok(());
            }
            (Body::Disconnect, _, Some(seat)) if !self.seats[seat].is_vacant => {
                self.seats[seat].is_vacant = true;
                Kind::Leave
            }
            (Body::Event { name, args, id }, _, Some(seat)) if !self.seats[seat].is_vacant => {
                let ack = id.map(|id| (self.seats[seat].socket.clone(), id));
                Kind::Event(Event { name, args, ack })
            }
            // It was on its way when the socket ended.
            (Body::Disconnect | Body::Event { .. }, _, Some(_)) => return Ok(()),
        };
        self.push(seat.expect("the rest has a seat"), bytes, kind);
        Ok(())
    }

    fn take_seat(&mut self, namespace: usize, seat: Option<usize>) -> Result<usize, Malformed> {
        let members = Arc::clone(self.namespaces[namespace].members());
        let socket = Socket::new(self.session.clone(), members);
        match seat {
            None => {
                // There are few namespaces, and thousands of clients.
                self.seats.reserve_exact(1);
                self.seats.push(Seat {
                    namespace,
                    socket,
                    member: None,
                    is_vacant: false,
                });
                Ok(self.seats.len() - 1)
            }
            // The old socket may still be leaving: the queue lets it go before the new one comes in.
            Some(seat) if self.seats[seat].is_vacant => {
                self.seats[seat].is_vacant = false;
                self.seats[seat].socket = socket;
                Ok(seat)
            }
            Some(_) => Err(Malformed),
        }
    }

    fn push(&mut self, seat: usize, bytes: usize, kind: Kind) {
        self.queue_bytes += bytes;
        let socket = self.seats[seat].socket.clone();
        self.queue.push_back(Job {
            seat,
            socket,
            bytes,
            kind,
        });
    }

    fn refuse(&self, namespace: &str, refusal: &Refusal) {
        let head = Head {
            kind: Head::CONNECT_ERROR,
            namespace,
            id: None,
            attachments: 0,
        };
        let _ = self.session.send(Parcel::build(Vec::new(), |buffer| {
            head.write(buffer);
            serde_json::to_writer(buffer, refusal).expect("a refusal is text and JSON");
        }));
    }

    /// Runs handlers until one waits or none is left to run.
    fn advance(&mut self, cx: &mut Context<'_>) {
        loop {
            if let Some((seat, work)) = &mut self.work {
                let seat = *seat;
                let entered = self.span.enter();
                let Poll::Ready(outcome) = work.as_mut().poll(cx) else {
                    return;
                };
                drop(entered);
                self.work = None;
                self.work_bytes = 0;
                self.conclude(seat, outcome);
            } else if !self.start_leaving() && !self.start_next() {
                return;
            }
        }
    }

    /// Ends a socket that the application has disconnected.
    fn start_leaving(&mut self) -> bool {
        let leaving = |seat: &Seat| {
            seat.member
                .as_ref()
                .is_some_and(|one| one.socket().standing() == Standing::Leaving)
        };
        let Some(seat) = self.seats.iter().position(leaving) else {
            return false;
        };
        self.start_disconnect(seat, DisconnectReason::ServerDisconnect)
    }

    fn start_disconnect(&mut self, seat: usize, reason: DisconnectReason) -> bool {
        let Some(member) = self.seats[seat].member.take() else {
            return false;
        };
        let socket = member.socket().clone();
        if socket.key() == self.seats[seat].socket.key() {
            self.seats[seat].is_vacant = true;
        }
        socket.exit();
        self.work = Some((seat, member.disconnect(reason)));
        true
    }

    fn start_next(&mut self) -> bool {
        let Some(job) = self.queue.pop_front() else {
            return false;
        };
        if self.queue.is_empty() {
            // Most clients say something once and then listen for hours.
            self.queue = VecDeque::new();
        }
        self.queue_bytes -= job.bytes;
        self.work_bytes = job.bytes;
        let Job {
            seat, socket, kind, ..
        } = job;
        match kind {
            Kind::Connect(auth) => {
                let namespace = Arc::clone(&self.namespaces[self.seats[seat].namespace]);
                self.work = Some((seat, namespace.connect(socket, auth)));
            }
            Kind::Event(event) if socket.is_connected() => {
                if let Some(member) = self.seats[seat].member.take() {
                    self.work = Some((seat, member.event(event)));
                }
            }
            Kind::Event(_) => {}
            Kind::Leave => {
                self.start_disconnect(seat, DisconnectReason::ClientDisconnect);
            }
        }
        true
    }

    fn conclude(&mut self, seat: usize, outcome: Outcome) {
        match outcome {
            Outcome::Admitted(member) => {
                member.socket().enter();
                self.connect_alarm = None;
                self.span.record("socket", member.socket().id());
                self.work = Some((seat, member.connected()));
            }
            Outcome::Refused(socket, refusal) => {
                socket.exit();
                self.refuse(socket.namespace(), &refusal);
                if socket.key() == self.seats[seat].socket.key() {
                    self.seats[seat].is_vacant = true;
                }
            }
            Outcome::Returned(member) => self.seats[seat].member = Some(member),
            Outcome::Panicked(member) => {
                member.socket().disconnect();
                self.seats[seat].member = Some(member);
                self.start_disconnect(seat, DisconnectReason::HandlerPanic);
            }
            Outcome::Gone(reason) => {
                let is_ours = matches!(
                    reason,
                    DisconnectReason::ServerDisconnect | DisconnectReason::HandlerPanic
                );
                if is_ours && self.seats.iter().all(|seat| seat.is_vacant) {
                    self.session.close(DisconnectReason::ServerDisconnect);
                }
            }
        }
    }

    fn watch_connect(&mut self, cx: &mut Context<'_>) {
        let Some(alarm) = &mut self.connect_alarm else {
            return;
        };
        if alarm.as_mut().poll(cx).is_ready() {
            self.connect_alarm = None;
            if self.seats.iter().all(|seat| seat.is_vacant) {
                tracing::debug!(parent: &self.span, "client did not connect to a namespace in time");
                self.session.close(DisconnectReason::ServerDisconnect);
            }
        }
    }
}

impl Driver for Client {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.watch_connect(cx);
        self.advance(cx);
        if self.work.is_none() && self.connect_alarm.is_none() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    fn accepts(&self) -> bool {
        let config = self.session.config();
        self.queue.len() < config.inbound_messages_max
            && self.queue_bytes < config.inbound_bytes_max
    }

    fn holds(&self) -> Holds {
        let unfinished = self.assembler.unfinished();
        let handled = self.work.as_ref().map_or(0, |_| self.work_bytes);
        Holds {
            bytes: self.queue_bytes + handled + unfinished.map_or(0, |(bytes, _)| bytes),
            unfinished: unfinished.map(|(_, number)| number),
        }
    }

    fn message(&mut self, message: Inbound) -> Result<(), Malformed> {
        let packet = match message {
            Inbound::Text(text) => self.assembler.text(&text),
            Inbound::Binary(bytes) => self.assembler.bytes(bytes),
        };
        match packet {
            Ok(Some(packet)) => {
                let bytes = packet.len();
                self.packet(packet, bytes)
            }
            Ok(None) => Ok(()),
            Err(error) => {
                tracing::debug!(parent: &self.span, %error, "malformed packet");
                Err(Malformed)
            }
        }
    }

    fn poll_close(&mut self, reason: DisconnectReason, cx: &mut Context<'_>) -> Poll<()> {
        if self.closing.is_none() {
            self.closing = Some(reason);
            self.connect_alarm = None;
            self.assembler.forget();
            // What the client sent before it went is still handled; nobody new comes in.
            let is_ours = matches!(
                reason,
                DisconnectReason::ServerDisconnect
                    | DisconnectReason::ServerShutdown
                    | DisconnectReason::Unfinished
                    | DisconnectReason::SlowConsumer
                    | DisconnectReason::HandlerPanic
            );
            self.queue
                .retain(|job| !is_ours && !matches!(job.kind, Kind::Connect(_)));
        }
        loop {
            self.advance(cx);
            if self.work.is_some() {
                return Poll::Pending;
            }
            let Some(seat) = self.seats.iter().position(|seat| seat.member.is_some()) else {
                return Poll::Ready(());
            };
            self.start_disconnect(seat, reason);
        }
    }
}
