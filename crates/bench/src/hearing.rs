//! What a viewer hears over a WebSocket and what it answers: how it is let in, and what it hands to its watch.

use crate::client::{Origin, Shared};
use crate::habit::Habit;
use crate::link::{Heard, LinkError};
use crate::material::{answer_ping, say};
use crate::native::{self, Said};
use crate::tally::Tally;
use crate::watch::Watch;
use crate::words::{self, Packet, opcode};

/// How far a viewer has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It will begin.
    Idle,
    /// Its connection is being made.
    Connecting,
    /// Its first request waits for an answer.
    Asking,
    /// Its session opens.
    Opening,
    /// It has asked to watch.
    Joining,
    /// It watches.
    Watching,
    /// It will join again.
    Left,
    /// It has lost its connection, and that was all.
    Over,
    /// It was not let in, and does not come again.
    Refused,
}

/// A viewer that hears something.
pub(crate) struct Hearing<'a> {
    pub(crate) watch: &'a mut Watch,
    pub(crate) stage: &'a mut Stage,
    pub(crate) habit: Habit,
    pub(crate) number: usize,
    pub(crate) shared: &'a Shared,
    pub(crate) tally: &'a mut Tally,
    pub(crate) now_us: u64,
}

impl Hearing<'_> {
    /// A frame of a WebSocket with Socket.IO.
    pub(crate) fn socketio(
        &mut self,
        out: &mut Vec<u8>,
        heard: &Heard<'_>,
    ) -> Result<(), LinkError> {
        let packet = match heard.opcode {
            opcode::TEXT => Packet::of(heard.payload),
            opcode::BINARY => {
                self.watch
                    .attached(self.shared, self.tally, heard, self.now_us);
                return Ok(());
            }
            opcode::CLOSE => return Err(LinkError::Closed),
            _ => return Ok(()),
        };
        let joins_nothing = self.shared.origin == Origin::Nowhere;
        match packet {
            Packet::Ping => say(out, "3"),
            Packet::Open => say(out, "40"),
            Packet::Connected if *self.stage == Stage::Opening => {
                let name = format!("{}-{}", self.habit.name(), self.number);
                say(out, &words::register(&name, "VIEWER"));
                if !joins_nothing {
                    say(out, &words::join(self.shared.key(self.watch.stream())));
                }
                *self.stage = Stage::Joining;
            }
            Packet::Registered if joins_nothing => *self.stage = Stage::Watching,
            Packet::Joined if *self.stage == Stage::Joining => *self.stage = Stage::Watching,
            Packet::Refused | Packet::Error if *self.stage != Stage::Watching => {
                return Err(LinkError::Refused(words::refusal(heard.payload)));
            }
            Packet::Closed => return Err(LinkError::Closed),
            packet => self
                .watch
                .heard(self.shared, self.tally, packet, heard, self.now_us),
        }
        Ok(())
    }

    /// A frame of the native door's WebSocket.
    pub(crate) fn native(&mut self, out: &mut Vec<u8>, heard: &Heard<'_>) -> Result<(), LinkError> {
        match heard.opcode {
            opcode::BINARY => self
                .watch
                .framed(self.shared, self.tally, heard, self.now_us),
            opcode::TEXT => match Said::of(heard.payload) {
                Said::Welcome if *self.stage == Stage::Joining => *self.stage = Stage::Watching,
                Said::Skipped(frames) => self.watch.skipped(self.tally, frames),
                Said::Error(reason) => return Err(LinkError::Refused(reason)),
                Said::Welcome | Said::Ready | Said::Other => {}
            },
            opcode::PING => answer_ping(out, heard.payload),
            opcode::CLOSE => return Err(LinkError::Closed),
            _ => {}
        }
        Ok(())
    }
}

/// What a viewer says to watch no longer, and to watch again, over a door where it can.
pub(crate) fn leave_and_join(native: bool, key: &str) -> (String, String) {
    if native {
        (native::HOLD.to_owned(), native::RESUME.to_owned())
    } else {
        (words::leave(key), words::join(key))
    }
}
