//! One live stream: who publishes it, who watches it, and where it stands in its life.
//!
//! Pure state. What happened goes in as an [`Event`] with the time; what must be told goes out as [`Notice`]s, in order.
//! Frames do not come through here: they travel beside, in a ring. The task that owns a stream lives in `abanico-hub`.
//!
//! Invariants: a stream ends once and never starts again; the count of viewers is the size of the set of their sessions;
//! only who has the [`Right`] to publish changes anything but the set of viewers.

use crate::key::{PublishToken, SessionId};
use crate::presence::{self, Presence, Telling};
use crate::rights::Over;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use thiserror::Error;

/// What a stream is made with.
#[derive(Debug, Clone)]
pub struct Config {
    /// How long a stream waits for a publisher that was lost without a word. Zero ends it at once.
    pub publisher_grace: Duration,
    /// The most viewers of one stream; one more is refused.
    pub viewers_max: usize,
    /// When the room is told who came and went.
    pub presence: presence::Policy,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            publisher_grace: Duration::from_secs(10),
            viewers_max: 100_000,
            presence: presence::Policy::default(),
        }
    }
}

/// What somebody shows who wants to publish, end or resume.
#[derive(Debug, Clone)]
pub enum Right {
    /// Nothing but being the session that publishes now.
    Seat,
    /// The stream's secret.
    Token(PublishToken),
    /// The caller has made sure that this is the person who created the stream, or the server's operator.
    Owner,
}

/// One thing that happened to a stream.
#[derive(Debug)]
pub enum Event {
    /// Somebody wants it live. With a token or as the owner this also takes the publisher's seat.
    Start(SessionId, Right),
    /// Somebody takes the publisher's seat.
    Claim(SessionId, Right),
    /// Somebody asks whether it could take the seat. Nothing changes.
    Ask(SessionId, Right),
    /// Somebody wants it to end.
    End(SessionId, Right),
    /// The publisher pauses or goes on.
    Pause(SessionId, Right, bool),
    /// A viewer comes.
    Join(SessionId, String),
    /// A viewer goes as it said.
    Leave(SessionId),
    /// A session is gone without a word of this stream, as publisher, viewer or both.
    Lost(SessionId, Parting),
    /// The server's operator ends it.
    Stop,
    /// What it was opened with holds no more.
    Withdraw(Over),
    /// The server goes down.
    Shutdown,
}

/// How a session went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parting {
    /// It said that it goes: nobody waits for it.
    Explicit,
    /// It broke off: it may come back.
    Abrupt,
}

/// What must be told, to the room or to one session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The stream went live.
    Started,
    /// The publisher is lost; the stream ends if it is not back after this time.
    PublisherLost(Duration),
    /// A publisher took the seat: after a loss, or from another session, which is named.
    PublisherBack {
        /// Who publishes now.
        session: SessionId,
        /// The session that had the seat and lost it to this one.
        instead_of: Option<SessionId>,
    },
    /// The publisher paused (true) or went on.
    Paused(bool),
    /// A viewer has come. It is told of the stream, then the room of it.
    Joined {
        /// Who.
        viewer: SessionId,
        /// Its name.
        name: String,
        /// How many watch now.
        count: usize,
        /// What the room is told.
        telling: Telling,
        /// It watched already.
        again: bool,
    },
    /// A viewer has gone.
    Left {
        /// Who.
        viewer: SessionId,
        /// Its name.
        name: String,
        /// How many watch now.
        count: usize,
        /// What the room is told.
        telling: Telling,
        /// How it went.
        parting: Parting,
    },
    /// How many watch now, for a room that is not told names.
    Count(usize),
    /// The stream is over. Nothing follows.
    Ended(EndReason),
}

/// Why a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// Its publisher said so.
    Finished,
    /// Its publisher went and did not come back.
    PublisherGone,
    /// The server's operator ended it.
    Stopped,
    /// What it was opened with holds no more.
    Withdrawn(Over),
    /// The server went down.
    Shutdown,
}

/// Why something was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The stream is over.
    #[error("stream has ended")]
    Ended,
    /// The session neither publishes the stream nor showed its token.
    #[error("session may not publish this stream")]
    NotPublisher,
    /// The stream has all the viewers that it may have.
    #[error("viewer limit of {max} reached")]
    Full {
        /// The limit.
        max: usize,
    },
}

/// Where a stream stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Created, not yet started.
    Waiting,
    /// Live.
    Live,
    /// Over.
    Ended,
}

/// One live stream.
#[derive(Debug)]
pub struct Stream {
    config: Config,
    token: PublishToken,
    phase: Phase,
    seat: Seat,
    paused: bool,
    viewers: HashMap<SessionId, String>,
    viewers_peak: usize,
    presence: Presence,
}

#[derive(Debug)]
enum Seat {
    Taken(SessionId),
    Empty { until: Instant },
}

impl Stream {
    /// A stream that `publisher` created.
    pub fn new(config: Config, token: PublishToken, publisher: SessionId) -> Self {
        let presence = Presence::new(config.presence);
        Self {
            config,
            token,
            phase: Phase::Waiting,
            seat: Seat::Taken(publisher),
            paused: false,
            viewers: HashMap::new(),
            viewers_peak: 0,
            presence,
        }
    }

    /// Takes one thing that happened and says what must be told, in order.
    ///
    /// # Errors
    /// When whoever asks may not, or the stream cannot. Nothing has changed then.
    pub fn handle(&mut self, event: Event, now: Instant) -> Result<Vec<Notice>, Refusal> {
        if self.phase == Phase::Ended {
            return Err(Refusal::Ended);
        }
        let mut notices = Vec::new();
        match event {
            Event::Start(session, right) => {
                self.claim(session, &right, &mut notices)?;
                // Told again to a room that knows: whoever asked waits for an answer.
                self.phase = Phase::Live;
                notices.push(Notice::Started);
            }
            Event::Claim(session, right) => self.claim(session, &right, &mut notices)?,
            Event::Ask(session, right) => self.check(session, &right)?,
            Event::End(session, right) => {
                self.check(session, &right)?;
                self.end(EndReason::Finished, &mut notices);
            }
            Event::Pause(session, right, paused) => {
                self.claim(session, &right, &mut notices)?;
                if self.paused != paused {
                    self.paused = paused;
                    notices.push(Notice::Paused(paused));
                }
            }
            Event::Join(viewer, name) => self.join(viewer, name, now, &mut notices)?,
            Event::Leave(viewer) => self.remove(viewer, Parting::Explicit, now, &mut notices),
            Event::Lost(session, parting) => {
                self.remove(session, Parting::Abrupt, now, &mut notices);
                self.lose_publisher(session, parting, now, &mut notices);
            }
            Event::Stop => self.end(EndReason::Stopped, &mut notices),
            Event::Withdraw(over) => self.end(EndReason::Withdrawn(over), &mut notices),
            Event::Shutdown => self.end(EndReason::Shutdown, &mut notices),
        }
        Ok(notices)
    }

    /// When [`Stream::tick`] wants to be called even if nothing happens.
    pub fn deadline(&self) -> Option<Instant> {
        let grace = match self.seat {
            Seat::Empty { until } if self.phase != Phase::Ended => Some(until),
            Seat::Empty { .. } | Seat::Taken(_) => None,
        };
        [grace, self.presence.deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// What must be told because time has passed.
    pub fn tick(&mut self, now: Instant) -> Vec<Notice> {
        let mut notices = Vec::new();
        if self.phase == Phase::Ended {
            return notices;
        }
        if self.presence.count_is_due(now) {
            notices.push(Notice::Count(self.viewers.len()));
        }
        if matches!(self.seat, Seat::Empty { until } if until <= now) {
            self.end(EndReason::PublisherGone, &mut notices);
        }
        notices
    }

    /// Where the stream stands.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The session that publishes, if it is there.
    pub fn publisher(&self) -> Option<SessionId> {
        match self.seat {
            Seat::Taken(session) => Some(session),
            Seat::Empty { .. } => None,
        }
    }

    /// Whether the publisher said that it pauses.
    pub fn paused(&self) -> bool {
        self.paused
    }

    /// The sessions that watch.
    pub fn viewers(&self) -> &HashMap<SessionId, String> {
        &self.viewers
    }

    /// The most that ever watched at one time.
    pub fn viewers_peak(&self) -> usize {
        self.viewers_peak
    }

    fn check(&self, session: SessionId, right: &Right) -> Result<(), Refusal> {
        let may = match right {
            Right::Seat => self.publisher() == Some(session),
            Right::Token(token) => self.token.matches(token),
            Right::Owner => true,
        };
        if may {
            Ok(())
        } else {
            Err(Refusal::NotPublisher)
        }
    }

    fn claim(
        &mut self,
        session: SessionId,
        right: &Right,
        notices: &mut Vec<Notice>,
    ) -> Result<(), Refusal> {
        self.check(session, right)?;
        let before = self.publisher();
        if before != Some(session) {
            self.seat = Seat::Taken(session);
            notices.push(Notice::PublisherBack {
                session,
                instead_of: before,
            });
        }
        Ok(())
    }

    fn join(
        &mut self,
        viewer: SessionId,
        name: String,
        now: Instant,
        notices: &mut Vec<Notice>,
    ) -> Result<(), Refusal> {
        let max = self.config.viewers_max;
        let again = self.viewers.contains_key(&viewer);
        if !again && self.viewers.len() >= max {
            return Err(Refusal::Full { max });
        }
        self.viewers.insert(viewer, name.clone());
        let count = self.viewers.len();
        self.viewers_peak = self.viewers_peak.max(count);
        let telling = if again {
            Telling::Later
        } else {
            self.presence.changed(count, now)
        };
        notices.push(Notice::Joined {
            viewer,
            name,
            count,
            telling,
            again,
        });
        Ok(())
    }

    fn remove(
        &mut self,
        viewer: SessionId,
        parting: Parting,
        now: Instant,
        notices: &mut Vec<Notice>,
    ) {
        if let Some(name) = self.viewers.remove(&viewer) {
            let count = self.viewers.len();
            let telling = self.presence.changed(count, now);
            notices.push(Notice::Left {
                viewer,
                name,
                count,
                telling,
                parting,
            });
        }
    }

    fn lose_publisher(
        &mut self,
        session: SessionId,
        parting: Parting,
        now: Instant,
        notices: &mut Vec<Notice>,
    ) {
        if self.publisher() != Some(session) {
            return;
        }
        let grace = self.config.publisher_grace;
        if parting == Parting::Explicit || grace.is_zero() {
            self.end(EndReason::PublisherGone, notices);
        } else {
            self.seat = Seat::Empty { until: now + grace };
            notices.push(Notice::PublisherLost(grace));
        }
    }

    fn end(&mut self, reason: EndReason, notices: &mut Vec<Notice>) {
        self.phase = Phase::Ended;
        self.paused = false;
        self.viewers.clear();
        notices.push(Notice::Ended(reason));
    }
}

#[cfg(test)]
mod tests;
