//! What a player's reports say of its network: that too much is lost, that what is sent waits on the way, or that all is well.

use crate::sender::Reported;
use std::time::{Duration, Instant};

/// A player that loses more than one in so many packets has a network that carries no more.
const LOSS_ONE_IN: u32 = 10;

/// What players report is judged about once a second: they also report whenever a packet is missing, and then one of the four
/// since the report before is nothing to go by.
const JUDGED_EVERY: Duration = Duration::from_millis(800);

/// Of fewer packets the lost ones are a matter of chance, and waited with for up to `JUDGED_AFTER`.
const JUDGED_PACKETS: u32 = 50;
const JUDGED_AFTER: Duration = Duration::from_secs(4);

/// So many lost ones are no chance just after a better layer was chosen. Nothing is waited for then.
const JUDGED_LOST: u32 = 10;

/// Packets that take so much longer than the fastest did wait somewhere on the way.
const WAITS_MAX: Duration = Duration::from_millis(200);

/// What a player has said so far.
#[derive(Default)]
pub(super) struct Reports {
    /// The least that the way to the player and back took.
    nearest: Option<Duration>,
    /// Where the reports begin that are judged next.
    judged: Option<Judged>,
    /// Reports before then are of a layer that is given no more.
    judges_from: Option<Instant>,
    /// The report of ours that came late, if that was the last that was judged.
    late: Option<u32>,
    /// How many were lost, as the newest says.
    lost: u32,
}

/// What a player had reported when it was last judged.
struct Judged {
    at: Instant,
    newest: u32,
    lost: u32,
    /// The least that the way there and back took since.
    rtt: Option<Duration>,
}

/// What is to be thought of the network.
pub(super) enum Verdict {
    /// It carries less than was written: so much was lost, or, without a figure, what is sent waits on the way.
    Suffers(Option<Lost>),
    /// Nothing is lost, and nothing waits.
    Prospers,
}

/// So many packets of so many.
pub(super) struct Lost {
    pub(super) packets: u32,
    pub(super) of: u32,
}

impl Reports {
    /// Reports until then say nothing of what is given from now on.
    pub(super) fn begin_anew(&mut self, from: Instant) {
        self.judged = None;
        self.judges_from = Some(from);
    }

    /// How many more are lost than the report before said.
    pub(super) fn missed(&mut self, reported: &Reported) -> u32 {
        let before = std::mem::replace(&mut self.lost, reported.lost);
        lost_since(before, reported.lost)
    }

    /// Takes one more report. `None` while there is too little to go by. Where the layer has just changed (`is_settling`),
    /// much that is lost is judged at once.
    pub(super) fn judge(
        &mut self,
        reported: Reported,
        is_settling: bool,
        now: Instant,
    ) -> Option<Verdict> {
        let Reported {
            newest,
            lost,
            rtt,
            told,
        } = reported;
        let least = |a: Option<Duration>, b: Option<Duration>| a.into_iter().chain(b).min();
        self.nearest = least(rtt, self.nearest);
        if self.judges_from.is_some_and(|from| now < from) {
            return None;
        }
        let judged = self.judged.get_or_insert(Judged {
            at: now,
            newest,
            lost,
            rtt: None,
        });
        judged.rtt = least(rtt, judged.rtt);
        let passed = now.saturating_duration_since(judged.at);
        // Numbers that go backwards are a player's own affair.
        let expected = newest.wrapping_sub(judged.newest).cast_signed().max(0);
        let missing = lost_since(judged.lost, lost);
        let expected = expected.cast_unsigned();
        let is_chance = missing > 0 && expected < JUDGED_PACKETS && passed < JUDGED_AFTER;
        let is_lossy = missing > expected / LOSS_ONE_IN;
        let is_too_much = is_lossy && missing >= JUDGED_LOST && is_settling;
        if (passed < JUDGED_EVERY || is_chance) && !is_too_much {
            return None;
        }
        let is_late = judged
            .rtt
            .zip(self.nearest)
            .is_some_and(|(rtt, nearest)| rtt > nearest + WAITS_MAX);
        let before = std::mem::replace(&mut self.late, is_late.then_some(told));
        // One report may be late by chance. It is counted once, however often the player goes by it.
        let waits = is_late && before.is_some_and(|before| before != told);
        if is_late && before == Some(told) {
            self.late = before;
        }
        self.judged = Some(Judged {
            at: now,
            newest,
            lost,
            rtt: None,
        });
        let lost = is_lossy.then_some(Lost {
            packets: missing,
            of: expected,
        });
        if lost.is_some() || waits {
            Some(Verdict::Suffers(lost))
        } else {
            (!is_late).then_some(Verdict::Prospers)
        }
    }
}

/// How many were lost between one number of them and another. It has 24 bits, and falls when packets come twice.
fn lost_since(before: u32, lost: u32) -> u32 {
    let missing = (lost << 8).wrapping_sub(before << 8).cast_signed() >> 8;
    missing.max(0).cast_unsigned()
}
