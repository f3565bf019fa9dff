//! A viewer: an honest one that checks what it gets, or one with a bad habit.
//!
//! It speaks over a WebSocket, or asks once and reads the answer, as its door wants it. Long polling is another client.
//!
//! Invariant: an honest viewer answers every ping and reads all that there is; what it misses is the server's doing.

use crate::body::Body;
use crate::client::{CHURN_US, Crowded, Ended, Origin, Shared};
use crate::door::Door;
use crate::habit::Habit;
use crate::handshake::answered;
use crate::hearing::{Hearing, Stage, leave_and_join};
use crate::link::{Keep, Link, LinkError};
use crate::material::{say, say_in_bytes};
use crate::native;
use crate::tally::Tally;
use crate::watch::Watch;
use crate::words;
use rustix::event::epoll::EventFlags;

/// A viewer.
#[derive(Debug)]
pub(crate) struct Viewer {
    stream: usize,
    habit: Habit,
    stage: Stage,
    link: Option<Link>,
    /// Of the answer that it watches, where that is how it watches.
    body: Option<Body>,
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

/// Where a frame's keeping ends for viewers of this run.
pub(crate) fn keep(shared: &Shared) -> Keep {
    let tail = if shared.recording_since_ms.is_some() && !shared.door.is_binary() {
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
            body: None,
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
            Stage::Refused => {}
            // It was left waiting.
            _ => tally.refused += 1,
        }
    }

    fn connect(&mut self, crowd: &mut Crowded<'_>) -> Result<(), LinkError> {
        self.life += 1;
        self.body = None;
        self.watch = Watch::new(self.stream, self.habit == Habit::Honest, crowd.now_us);
        crowd.opened(self.habit, self.life);
        let link = Link::connect(&crowd.shared.target, crowd.number, keep(crowd.shared))?;
        if self.habit == Habit::Stalled {
            link.hold_little()?;
        }
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
            // The bare sender shakes hands where the server would answer a request, and nowhere else.
            if crowd.shared.origin == Origin::Floor && crowd.shared.door.body().is_none() {
                crowd.watch_for(link, EventFlags::IN)?;
                return self.begin_watching(crowd);
            }
            let request = request(crowd.shared, self.stream);
            link.send(self.habit.said_of(&request))?;
            self.stage = Stage::Asking;
            return crowd.watch_for(link, EventFlags::IN);
        }
        if flags.intersects(EventFlags::HUP | EventFlags::ERR) && !flags.contains(EventFlags::IN) {
            link.connected()?;
            return Err(LinkError::Closed);
        }
        if self.stage == Stage::Asking {
            return self.asked(crowd);
        }
        if flags.contains(EventFlags::IN) {
            self.listen(crowd)?;
        }
        self.flush(crowd, flags)
    }

    /// Reads the answer to the first request.
    fn asked(&mut self, crowd: &mut Crowded<'_>) -> Result<(), LinkError> {
        let Some(link) = &mut self.link else {
            return Ok(());
        };
        let door = crowd.shared.door;
        let wanted = if door.body().is_some() { "200" } else { "101" };
        let Some(answer) = answered(link, wanted)? else {
            return Ok(());
        };
        match door {
            // Over long polling and WebRTC other clients watch.
            Door::SocketIo | Door::SocketIoBinary | Door::Polling | Door::Whep => {
                self.stage = Stage::Opening;
            }
            Door::Native => {
                say(link.out(), native::WATCH);
                self.stage = Stage::Joining;
            }
            Door::Http | Door::Webm | Door::Mp4 => {
                self.body = door
                    .body()
                    .map(|content| Body::new(content, answer.chunked));
                self.begin_watching(crowd)?;
            }
        }
        self.listen(crowd)?;
        self.flush(crowd, EventFlags::empty())
    }

    fn listen(&mut self, crowd: &mut Crowded<'_>) -> Result<(), LinkError> {
        let Self {
            link: Some(link),
            body,
            watch,
            stage,
            habit,
            ..
        } = self
        else {
            return Ok(());
        };
        let (shared, now_us) = (crowd.shared, crowd.now_us);
        if let Some(body) = body {
            let tally = &mut *crowd.tally;
            return body.receive(link, crowd.scratch, |frame| {
                watch.picture(shared, tally, frame.head, frame.wire_bytes, now_us);
            });
        }
        let before = *stage;
        let mut hearing = Hearing {
            watch,
            stage,
            habit: *habit,
            number: crowd.number,
            shared,
            tally: crowd.tally,
            now_us,
        };
        let is_native = shared.door == Door::Native;
        link.receive(crowd.scratch, |out, heard| {
            if is_native {
                hearing.native(out, &heard)
            } else {
                hearing.socketio(out, &heard)
            }
        })?;
        if self.stage == Stage::Watching && before != Stage::Watching {
            self.begin_watching(crowd)?;
        }
        Ok(())
    }

    /// It is let in.
    fn begin_watching(&mut self, crowd: &mut Crowded<'_>) -> Result<(), LinkError> {
        self.stage = Stage::Watching;
        crowd.joined(self.habit);
        self.begin_habit(crowd)
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
            Habit::Churn => crowd.churn_on(self.rounds, self.life),
        }
        Ok(())
    }

    /// Reads a little, whatever it is.
    fn sip(&mut self, crowd: &mut Crowded<'_>) -> Result<(), LinkError> {
        if let Some(link) = &self.link {
            link.waste(crowd.scratch, SLOW_BYTES)?;
        }
        crowd.call_at(crowd.now_us + SLOW_EVERY_US, self.life);
        Ok(())
    }

    /// Says something in fragments of one byte.
    fn stammer(&mut self, crowd: &mut Crowded<'_>) -> Result<(), LinkError> {
        if let Some(link) = &mut self.link
            && !link.has_more_to_send()
        {
            let question = match crowd.shared.door {
                Door::Native => native::CLOCK,
                _ => r#"42["clock:get",{"id":1}]"#,
            };
            say_in_bytes(link.out(), question);
        }
        crowd.call_at(crowd.now_us + FRAGMENTS_EVERY_US, self.life);
        self.flush(crowd, EventFlags::empty())
    }

    /// Leaves and joins again; every third time it goes away first.
    fn churn(&mut self, crowd: &mut Crowded<'_>) -> Result<(), LinkError> {
        self.rounds += 1;
        let door = crowd.shared.door;
        // Over HTTP there is no other way to leave.
        if self.rounds.is_multiple_of(6) || door.body().is_some() {
            self.link = None;
            return self.connect(crowd);
        }
        let Some(link) = &mut self.link else {
            return Ok(());
        };
        let (leave, join) = leave_and_join(door == Door::Native, crowd.shared.key(self.stream));
        if self.stage == Stage::Watching {
            say(link.out(), &leave);
            self.stage = Stage::Left;
            crowd.call_at(crowd.now_us + CHURN_US / 2, self.life);
        } else {
            say(link.out(), &join);
            self.stage = Stage::Joining;
            // That is not answered, other than with frames.
            if door == Door::Native {
                self.begin_watching(crowd)?;
            }
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

    /// What follows when a connection has ended.
    fn settle(&mut self, crowd: &mut Crowded<'_>, result: Result<(), LinkError>) {
        let Err(error) = result else { return };
        self.link = None;
        self.life += 1;
        let watched = self.stage == Stage::Watching;
        self.stage = match crowd.ended(self.habit, watched, &error, self.life) {
            Ended::Again => Stage::Idle,
            Ended::Over => Stage::Over,
            Ended::Refused => Stage::Refused,
        };
    }
}

/// What a viewer of a stream asks first.
fn request(shared: &Shared, stream: usize) -> String {
    let host = shared.host();
    let get = |ending| {
        let key = shared.key(stream);
        format!("GET /live/{key}.{ending} HTTP/1.1\r\nHost: {host}\r\n\r\n")
    };
    match shared.door {
        Door::SocketIo | Door::SocketIoBinary | Door::Polling | Door::Whep => words::upgrade(&host),
        Door::Native => native::upgrade_to_watch(shared.key(stream), &host),
        Door::Http => get("mjpeg"),
        Door::Webm => get("webm"),
        Door::Mp4 => get("mp4"),
    }
}
