//! A viewer over WebRTC: one offer over HTTP, then datagrams. It decrypts the first packet of a few frames, to learn when
//! they were sent; of all others it reads the heads, which travel in the clear.
//!
//! Invariant: an honest viewer reads all that comes and answers whether it is still there. It reports nothing of what it
//! received, so that the server takes its network for one that carries all.

use crate::client::{Crowded, DEPARTURES_MAX, Ended, Shared};
use crate::habit::Habit;
use crate::handshake::answered;
use crate::hearing::Stage;
use crate::link::{Keep, Link, LinkError};
use crate::rtp::{Frames, Head, MediaClock, Taken};
use crate::session::{DATAGRAM_BYTES_MAX, HEAD_BYTES, Kind, Said, Session};
use crate::tally::Tally;
use crate::video;
use crate::watch::{Video, Watch};
use rustix::event::epoll::EventFlags;
use std::sync::Arc;
use std::time::Instant;
use str0m::config::DtlsCert;

/// A viewer over WebRTC.
#[derive(Debug)]
pub(crate) struct Peer {
    stream: usize,
    habit: Habit,
    certificate: Arc<DtlsCert>,
    stage: Stage,
    /// As long as the offer is not answered.
    link: Option<Link>,
    /// Bytes of the answer, when its head has come.
    answer_bytes: Option<usize>,
    session: Option<Session>,
    frames: Frames,
    clock: MediaClock,
    watch: Watch,
    /// What was sent before was not sent to us.
    here_since_us: u64,
    /// Counts connections, so that no two clients do the same at the same time for ever.
    life: u32,
    /// When the session is to be driven next.
    driven_us: Option<u64>,
}

/// What an alarm is for. Its number is that of the life, times so many, and this.
const WISHES: u32 = 3;
const HABIT: u32 = 0;
const DRIVE: u32 = 1;
const OPENS: u32 = 2;

/// The longest answer to an offer.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// A server forgets a session that is not connected by then.
const OPENS_WITHIN_US: u64 = 10_000_000;
/// A session that is connected has its turn no more often of its own accord.
const DRIVEN_EVERY_US: u64 = 1_000_000;
/// Before that, no more often than this.
const OPENED_EVERY_US: u64 = 1_000;
/// Datagrams that are taken at one look, at most.
const DATAGRAMS_MAX: usize = 256;

impl Peer {
    /// A viewer that will watch a stream.
    pub(crate) fn new(stream: usize, habit: Habit, certificate: Arc<DtlsCert>) -> Self {
        Self {
            stream,
            habit,
            certificate,
            stage: Stage::Idle,
            link: None,
            answer_bytes: None,
            session: None,
            frames: Frames::default(),
            clock: MediaClock::default(),
            watch: Watch::new(stream, habit == Habit::Honest, 0),
            here_since_us: 0,
            life: 0,
            driven_us: None,
        }
    }

    /// Begins, goes on with its habit, or has its session driven.
    pub(crate) fn alarm(&mut self, crowd: &mut Crowded<'_>, wish: u32) {
        if wish / WISHES != self.life {
            return;
        }
        let result = match (wish % WISHES, self.stage) {
            (DRIVE, _) => self.on_time(crowd),
            (OPENS, Stage::Opening) => Err(self.unheard()),
            (OPENS, _) => Ok(()),
            (_, Stage::Idle) => self.connect(crowd),
            _ => match self.habit {
                Habit::Storm => self.connect(crowd),
                Habit::Churn => {
                    self.leave();
                    self.connect(crowd)
                }
                _ => Ok(()),
            },
        };
        self.settle(crowd, result);
    }

    /// A socket is ready.
    pub(crate) fn ready(&mut self, crowd: &mut Crowded<'_>, flags: EventFlags) {
        let result = match self.stage {
            Stage::Connecting => self.offer(crowd),
            Stage::Asking => self.asked(crowd, flags),
            Stage::Opening | Stage::Watching => self.listen(crowd),
            _ => Ok(()),
        };
        self.settle(crowd, result);
    }

    /// Counts the frames that it still misses, and leaves.
    pub(crate) fn finish(&mut self, shared: &Shared, tally: &mut Tally) {
        if self.habit == Habit::Honest {
            match self.stage {
                Stage::Watching | Stage::Over => self.watch.finish(shared, tally),
                Stage::Refused => {}
                // It was left waiting.
                stage => {
                    tally.refused += 1;
                    if stage == Stage::Opening {
                        tally.reason.get_or_insert(self.unheard().to_string());
                    }
                }
            }
        }
        self.leave();
    }

    fn leave(&mut self) {
        if let Some(session) = self.session.take() {
            session.leave();
        }
    }

    fn unheard(&self) -> LinkError {
        let server = self.session.as_ref().map(Session::server);
        let place = server.map(|server| format!(" at {server}"));
        LinkError::Refused(format!(
            "the server took the offer, and was not reached over UDP{}",
            place.unwrap_or_default()
        ))
    }

    fn connect(&mut self, crowd: &mut Crowded<'_>) -> Result<(), LinkError> {
        self.life += 1;
        self.session = None;
        self.answer_bytes = None;
        self.frames = Frames::default();
        self.clock = MediaClock::default();
        self.driven_us = None;
        self.watch = Watch::new(self.stream, self.habit == Habit::Honest, crowd.now_us);
        crowd.opened(self.habit, self.life * WISHES + HABIT);
        let all = Keep { head: 0, tail: 0 };
        let link = Link::connect(&crowd.shared.target, crowd.number, all)?;
        crowd.watch(&link)?;
        self.link = Some(link);
        self.stage = Stage::Connecting;
        Ok(())
    }

    /// Is connected for the offer.
    fn offer(&mut self, crowd: &mut Crowded<'_>) -> Result<(), LinkError> {
        let Some(link) = &mut self.link else {
            return Ok(());
        };
        link.connected()?;
        let (session, offer) = Session::new(crowd.shared.target.address.ip(), &self.certificate)?;
        self.session = Some(session);
        let request = format!(
            "POST /whep/{} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{offer}",
            crowd.shared.key(self.stream),
            crowd.shared.host(),
            offer.len()
        );
        link.send(self.habit.said_of(&request))?;
        self.stage = Stage::Asking;
        crowd.watch_for(&*link, waiting(link))
    }

    /// Reads the answer, and begins to look for the server.
    fn asked(&mut self, crowd: &mut Crowded<'_>, flags: EventFlags) -> Result<(), LinkError> {
        let Some(link) = &mut self.link else {
            return Ok(());
        };
        if flags.contains(EventFlags::OUT) {
            link.flush()?;
            crowd.watch_for(&*link, waiting(link))?;
        }
        let bytes = match self.answer_bytes {
            Some(bytes) => {
                link.read(ANSWER_BYTES_MAX)?;
                bytes
            }
            None => {
                let Some(answer) = answered(link, "201")? else {
                    return Ok(());
                };
                let length = answer.length.filter(|length| *length <= ANSWER_BYTES_MAX);
                *self.answer_bytes.insert(length.ok_or(LinkError::NoFrame)?)
            }
        };
        let Some(answer) = link.unread().get(..bytes) else {
            return Ok(());
        };
        let Some(session) = &mut self.session else {
            return Ok(());
        };
        session.answered(&String::from_utf8_lossy(answer))?;
        self.link = None;
        crowd.watch(&*session)?;
        crowd.watch_for(&*session, EventFlags::IN)?;
        self.stage = Stage::Opening;
        crowd.call_at(crowd.now_us + OPENS_WITHIN_US, self.life * WISHES + OPENS);
        self.on_time(crowd)
    }

    fn on_time(&mut self, crowd: &mut Crowded<'_>) -> Result<(), LinkError> {
        // One that was made earlier for a later time.
        if self.driven_us.is_some_and(|due| crowd.now_us < due) {
            return Ok(());
        }
        self.driven_us = None;
        let is_stalled = self.stage == Stage::Watching && self.habit == Habit::Stalled;
        if let Some(session) = &mut self.session
            && !is_stalled
        {
            session.pass()?;
            return self.drive(crowd);
        }
        Ok(())
    }

    /// Lets the session say what it has to say.
    fn drive(&mut self, crowd: &mut Crowded<'_>) -> Result<(), LinkError> {
        while let Some(session) = &mut self.session {
            match session.poll()? {
                Said::Connected => self.begin_watching(crowd)?,
                Said::Packet(time, payload) => {
                    // One byte of VP8's own stands before the frame.
                    let stamp = payload.get(1..).and_then(video::stamp);
                    self.clock.learn(time, stamp, crowd.now_us);
                }
                Said::NothingUntil(at) => {
                    self.drive_at(crowd, at);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn drive_at(&mut self, crowd: &mut Crowded<'_>, at: Instant) {
        let least = if self.stage == Stage::Watching {
            DRIVEN_EVERY_US
        } else {
            OPENED_EVERY_US
        };
        let wait = at.saturating_duration_since(Instant::now()).as_micros();
        let wait_us = u64::try_from(wait).unwrap_or(u64::MAX / 2).max(least);
        let due = crowd.now_us + wait_us;
        if self.driven_us.is_none_or(|driven| due < driven) {
            self.driven_us = Some(due);
            crowd.call_at(due, self.life * WISHES + DRIVE);
        }
    }

    /// It is let in.
    fn begin_watching(&mut self, crowd: &mut Crowded<'_>) -> Result<(), LinkError> {
        self.stage = Stage::Watching;
        self.here_since_us = crowd.now_us;
        self.watch.begin(crowd.shared);
        crowd.joined(self.habit);
        match (self.habit, &self.session) {
            (Habit::Stalled, Some(session)) => crowd.watch_for(session, EventFlags::empty())?,
            (Habit::Churn, _) => {
                crowd.churn_on(self.life.into(), self.life * WISHES + HABIT);
            }
            _ => {}
        }
        Ok(())
    }

    /// Takes the datagrams that are there, up to the end of a frame; a level-triggered epoll calls again.
    fn listen(&mut self, crowd: &mut Crowded<'_>) -> Result<(), LinkError> {
        for _ in 0..DATAGRAMS_MAX {
            let Some(session) = &mut self.session else {
                return Ok(());
            };
            let asks = self.frames.are_between() && self.clock.wants_to_know(crowd.now_us);
            let room = if asks || self.stage == Stage::Opening {
                DATAGRAM_BYTES_MAX
            } else {
                HEAD_BYTES
            };
            let Some(length) = session.receive(&mut crowd.scratch[..room])? else {
                return Ok(());
            };
            let datagram = &crowd.scratch[..length.min(room)];
            let head = match Kind::of(datagram) {
                Kind::Control => {
                    session.hear(datagram)?;
                    self.drive(crowd)?;
                    continue;
                }
                Kind::Media => Head::of(datagram),
                Kind::Other => None,
            };
            let Some(head) = head else { continue };
            if asks {
                session.hear(datagram)?;
                self.drive(crowd)?;
            }
            if self.take(crowd, head, length) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Counts a packet. True if it ends a frame.
    fn take(&mut self, crowd: &mut Crowded<'_>, head: Head, length: usize) -> bool {
        let (shared, now_us) = (crowd.shared, crowd.now_us);
        let tally = &mut *crowd.tally;
        let is_honest = self.habit == Habit::Honest;
        match self.frames.take(head, length) {
            Taken::More => return false,
            Taken::Late => tally.reordered += u64::from(is_honest),
            // If frames have numbers, the next one that is whole tells how many are missing.
            Taken::Torn if self.watch.next().is_none() => self.watch.missed(tally, 1),
            Taken::Torn => {}
            Taken::Frame { wire_bytes } => {
                let departed = |number| shared.departures.sent_us(self.stream, number);
                let next = self.watch.next();
                let sent_us = self.clock.sent_us(head.time, now_us);
                let frame = Video {
                    number: self.clock.number(head.time, next, DEPARTURES_MAX, departed),
                    sent_us: sent_us.filter(|sent_us| *sent_us >= self.here_since_us),
                    wire_bytes,
                };
                self.watch.video(shared, tally, &frame, now_us);
            }
        }
        true
    }

    /// What follows when a connection has ended.
    fn settle(&mut self, crowd: &mut Crowded<'_>, result: Result<(), LinkError>) {
        let Err(error) = result else { return };
        self.link = None;
        self.session = None;
        self.life += 1;
        let again = self.life * WISHES + HABIT;
        let watched = self.stage == Stage::Watching;
        self.stage = match crowd.ended(self.habit, watched, &error, again) {
            Ended::Again => Stage::Idle,
            Ended::Over => Stage::Over,
            Ended::Refused => Stage::Refused,
        };
    }
}

/// What a link waits for.
fn waiting(link: &Link) -> EventFlags {
    if link.has_more_to_send() {
        EventFlags::IN | EventFlags::OUT
    } else {
        EventFlags::IN
    }
}
