//! A viewer over a WebSocket: an honest one that checks what it gets, or one with a bad habit.
//!
//! Invariant: an honest viewer answers every ping and reads all that there is; what it misses is the server's doing.

use crate::client::{Crowded, Shared};
use crate::link::{Keep, Link, LinkError};
use crate::material::{say, say_in_bytes};
use crate::tally::Tally;
use crate::watch::Watch;
use crate::words::{self, Packet, opcode};
use rustix::event::epoll::EventFlags;

/// How a viewer behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Habit {
    /// As it should.
    Honest,
    /// Joins and never reads again.
    Stalled,
    /// Reads 1 kB/s.
    Slow,
    /// Sends half a request and waits.
    HalfOpen,
    /// Connects and joins once a second, at the same moment as all of its kind.
    Storm,
    /// Sends what it says in fragments of one byte.
    Fragments,
    /// Joins, leaves, joins again, goes, and comes again.
    Churn,
}

impl Habit {
    /// The bad ones, in the order in which they are told.
    pub(crate) const HOSTILE: [Self; 6] = [
        Self::Stalled,
        Self::Slow,
        Self::HalfOpen,
        Self::Storm,
        Self::Fragments,
        Self::Churn,
    ];

    /// In a word.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Honest => "honest",
            Self::Stalled => "stalled",
            Self::Slow => "slow",
            Self::HalfOpen => "half-open",
            Self::Storm => "storm",
            Self::Fragments => "fragments",
            Self::Churn => "churn",
        }
    }

    fn place(self) -> Option<usize> {
        Self::HOSTILE.iter().position(|habit| *habit == self)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Idle,
    Connecting,
    Upgrading,
    Opening,
    Joining,
    Watching,
    Left,
    Over,
}

/// A viewer.
#[derive(Debug)]
pub(crate) struct Viewer {
    stream: usize,
    habit: Habit,
    stage: Stage,
    link: Option<Link>,
    began_us: u64,
    /// Counts connections and joins, so that no two clients do the same at the same time for ever.
    rounds: u64,
    /// Which alarms still mean something: those of this connection.
    life: u32,
    watch: Watch,
}

/// How much of a frame a viewer looks at.
const HEAD_BYTES: usize = 384;
/// And of its end, where pieces of a recording have their number.
const TAIL_BYTES: usize = 80;

const SLOW_EVERY_US: u64 = 100_000;
const SLOW_BYTES: usize = 100;
const FRAGMENTS_EVERY_US: u64 = 100_000;
const STORM_EVERY_US: u64 = 1_000_000;
const CHURN_US: u64 = 500_000;
const RETRY_US: u64 = 500_000;

/// Where a frame's keeping ends for viewers of this run.
pub(crate) fn keep(shared: &Shared) -> Keep {
    let tail = if shared.recording.is_some() && !shared.door.is_binary() {
        TAIL_BYTES
    } else {
        0
    };
    Keep {
        head: HEAD_BYTES,
        tail,
    }
}

impl Viewer {
    /// A viewer that will watch a stream.
    pub(crate) fn new(stream: usize, habit: Habit) -> Self {
        Self {
            stream,
            habit,
            stage: Stage::Idle,
            link: None,
            began_us: 0,
            rounds: 0,
            life: 0,
            watch: Watch::new(stream, habit == Habit::Honest, 0),
        }
    }

    /// Begins, goes on with its habit.
    pub(crate) fn alarm(&mut self, crowd: &mut Crowded<'_>, wish: u32) {
        if wish != self.life {
            return;
        }
        let result = match (self.stage, self.habit) {
            (Stage::Idle, _) => self.connect(crowd),
            (_, Habit::Storm) => {
                self.link = None;
                self.connect(crowd)
            }
            (Stage::Watching, Habit::Slow) => self.sip(crowd),
            (Stage::Watching, Habit::Fragments) => self.stammer(crowd),
            (Stage::Watching | Stage::Left, Habit::Churn) => self.churn(crowd),
            _ => Ok(()),
        };
        self.settle(crowd, result);
    }

    /// The socket is ready.
    pub(crate) fn ready(&mut self, crowd: &mut Crowded<'_>, flags: EventFlags) {
        let result = self.proceed(crowd, flags);
        self.settle(crowd, result);
    }

    /// Counts the frames that it still misses.
    pub(crate) fn finish(&self, shared: &Shared, tally: &mut Tally) {
        if self.habit != Habit::Honest {
            return;
        }
        match self.stage {
            Stage::Watching | Stage::Over => self.watch.finish(shared, tally),
            _ => tally.refused += 1,
        }
    }

    fn connect(&mut self, crowd: &mut Crowded<'_>) -> Result<(), LinkError> {
        self.life += 1;
        self.began_us = crowd.now_us;
        self.watch = Watch::new(self.stream, self.habit == Habit::Honest, crowd.now_us);
        if let Some(place) = self.habit.place() {
            crowd.tally.hostile[place].opened += 1;
        }
        if self.habit == Habit::Storm {
            let next = (crowd.now_us / STORM_EVERY_US + 1) * STORM_EVERY_US;
            crowd.call_at(next, self.life);
        }
        let link = Link::connect(crowd.shared.server, keep(crowd.shared))?;
        crowd.watch(&link)?;
        self.link = Some(link);
        self.stage = Stage::Connecting;
        Ok(())
    }

    fn proceed(&mut self, crowd: &mut Crowded<'_>, flags: EventFlags) -> Result<(), LinkError> {
        let Some(link) = &mut self.link else {
            return Ok(());
        };
        if self.stage == Stage::Connecting {
            link.connected()?;
            if crowd.shared.bare {
                self.stage = Stage::Watching;
                crowd.tally.joined += u64::from(self.habit == Habit::Honest);
                return crowd.watch_for(link, EventFlags::IN);
            }
            let request = words::upgrade(&crowd.shared.host());
            let len = if self.habit == Habit::HalfOpen {
                request.len() / 2
            } else {
                request.len()
            };
            link.send(&request.as_bytes()[..len])?;
            self.stage = Stage::Upgrading;
            return crowd.watch_for(link, EventFlags::IN);
        }
        if flags.intersects(EventFlags::HUP | EventFlags::ERR) && !flags.contains(EventFlags::IN) {
            link.connected()?;
            return Err(LinkError::Closed);
        }
        if self.stage == Stage::Upgrading {
            return self.upgraded(crowd);
        }
        if flags.contains(EventFlags::IN) {
            self.listen(crowd)?;
        }
        self.flush(crowd, flags)
    }

    /// Reads the answer to the handshake.
    fn upgraded(&mut self, crowd: &mut Crowded<'_>) -> Result<(), LinkError> {
        const ANSWER_BYTES_MAX: usize = 4096;
        let Some(link) = &mut self.link else {
            return Ok(());
        };
        link.read(ANSWER_BYTES_MAX)?;
        let Some(end) = memchr::memmem::find(link.unread(), b"\r\n\r\n") else {
            return Ok(());
        };
        if !link.unread().starts_with(b"HTTP/1.1 101") {
            let line = link
                .unread()
                .split(|byte| *byte == b'\r')
                .next()
                .unwrap_or_default();
            let line = String::from_utf8_lossy(line).into_owned();
            self.refuse(crowd, line);
            return Err(LinkError::Closed);
        }
        link.consume(end + 4);
        self.stage = Stage::Opening;
        self.listen(crowd)?;
        self.flush(crowd, EventFlags::empty())
    }

    fn listen(&mut self, crowd: &mut Crowded<'_>) -> Result<(), LinkError> {
        let Self {
            link: Some(link),
            watch,
            stage,
            habit,
            ..
        } = self
        else {
            return Ok(());
        };
        let Crowded {
            shared,
            tally,
            scratch,
            now_us,
            number,
            ..
        } = crowd;
        let before = *stage;
        link.receive(scratch, |out, heard| {
            let packet = match heard.opcode {
                opcode::TEXT => Packet::of(heard.payload),
                opcode::BINARY => {
                    watch.attached(shared, tally, &heard, *now_us);
                    return Ok(());
                }
                opcode::CLOSE => return Err(LinkError::Closed),
                _ => return Ok(()),
            };
            match packet {
                Packet::Ping => say(out, "3"),
                Packet::Open => say(out, "40"),
                Packet::Connected if *stage == Stage::Opening => {
                    say(
                        out,
                        &words::register(&format!("{}-{number}", habit.name()), "VIEWER"),
                    );
                    say(out, &words::join(shared.key(watch.stream())));
                    *stage = Stage::Joining;
                }
                Packet::Joined if *stage == Stage::Joining => *stage = Stage::Watching,
                Packet::Refused | Packet::Error if *stage != Stage::Watching => {
                    if watch.is_honest() {
                        let reason = words::refusal(heard.payload);
                        tally.reason.get_or_insert(reason);
                    }
                    return Err(LinkError::Closed);
                }
                Packet::Closed => return Err(LinkError::Closed),
                packet => watch.heard(shared, tally, packet, &heard, *now_us),
            }
            Ok(())
        })?;
        if *stage == Stage::Watching && before != Stage::Watching {
            match habit.place() {
                None => tally.joined += 1,
                Some(place) => tally.hostile[place].joined += 1,
            }
            self.begin_habit(crowd)?;
        }
        Ok(())
    }

    fn begin_habit(&mut self, crowd: &mut Crowded<'_>) -> Result<(), LinkError> {
        let Some(link) = &self.link else {
            return Ok(());
        };
        match self.habit {
            Habit::Honest | Habit::HalfOpen | Habit::Storm => {}
            Habit::Stalled => crowd.watch_for(link, EventFlags::empty())?,
            Habit::Slow => {
                crowd.watch_for(link, EventFlags::empty())?;
                crowd.call_at(crowd.now_us + SLOW_EVERY_US, self.life);
            }
            Habit::Fragments => crowd.call_at(crowd.now_us + FRAGMENTS_EVERY_US, self.life),
            Habit::Churn => {
                let some = (crowd.number as u64 * 37 + self.rounds * 101) % 1_000 * 1_000;
                crowd.call_at(crowd.now_us + CHURN_US + some, self.life);
            }
        }
        Ok(())
    }

    /// Reads a little, whatever it is.
    fn sip(&mut self, crowd: &mut Crowded<'_>) -> Result<(), LinkError> {
        if let Some(link) = &self.link {
            link.discard(crowd.scratch, SLOW_BYTES)?;
        }
        crowd.call_at(crowd.now_us + SLOW_EVERY_US, self.life);
        Ok(())
    }

    /// Says something in fragments of one byte.
    fn stammer(&mut self, crowd: &mut Crowded<'_>) -> Result<(), LinkError> {
        if let Some(link) = &mut self.link
            && !link.has_more_to_send()
        {
            say_in_bytes(link.out(), r#"42["clock:get",{"id":1}]"#);
        }
        crowd.call_at(crowd.now_us + FRAGMENTS_EVERY_US, self.life);
        self.flush(crowd, EventFlags::empty())
    }

    /// Leaves and joins again; every third time it goes away first.
    fn churn(&mut self, crowd: &mut Crowded<'_>) -> Result<(), LinkError> {
        self.rounds += 1;
        if self.rounds.is_multiple_of(6) {
            self.link = None;
            return self.connect(crowd);
        }
        let Some(link) = &mut self.link else {
            return Ok(());
        };
        let key = crowd.shared.key(self.stream);
        if self.stage == Stage::Watching {
            say(link.out(), &words::leave(key));
            self.stage = Stage::Left;
            crowd.call_at(crowd.now_us + CHURN_US / 2, self.life);
        } else {
            say(link.out(), &words::join(key));
            self.stage = Stage::Joining;
        }
        self.flush(crowd, EventFlags::empty())
    }

    /// Sends what waits, and asks to be told when more can be sent.
    fn flush(&mut self, crowd: &Crowded<'_>, flags: EventFlags) -> Result<(), LinkError> {
        let Some(link) = &mut self.link else {
            return Ok(());
        };
        let waited = flags.contains(EventFlags::OUT);
        if !waited && !link.has_more_to_send() {
            return Ok(());
        }
        link.flush()?;
        match (link.has_more_to_send(), waited) {
            (true, false) => crowd.watch_for(link, EventFlags::IN | EventFlags::OUT),
            (false, true) => crowd.watch_for(link, EventFlags::IN),
            _ => Ok(()),
        }
    }

    fn refuse(&self, crowd: &mut Crowded<'_>, reason: String) {
        if self.habit == Habit::Honest {
            crowd.tally.reason.get_or_insert(reason);
        }
    }

    /// What follows when a connection has ended.
    fn settle(&mut self, crowd: &mut Crowded<'_>, result: Result<(), LinkError>) {
        let Err(error) = result else { return };
        self.link = None;
        let watched = self.stage == Stage::Watching;
        match self.habit.place() {
            None => {
                // One that was never let in is counted when all is over.
                if watched {
                    self.stage = Stage::Over;
                    crowd.tally.broken += 1;
                } else {
                    self.stage = Stage::Idle;
                    self.life += 1;
                }
                self.refuse(crowd, error.to_string());
            }
            Some(place) => {
                crowd.tally.hostile[place].ended += 1;
                let returns = !matches!(self.habit, Habit::Stalled | Habit::Slow) || !watched;
                self.life += 1;
                self.stage = if returns { Stage::Idle } else { Stage::Over };
                if returns {
                    crowd.call_at(crowd.now_us + RETRY_US, self.life);
                }
            }
        }
    }
}
