//! RTCP of ours: what was sent (RFC 3550, 6.4.1), by whom, that no more comes, and how far away we are (RFC 3611).
//!
//! Pure: what is known comes in, packets go out, unencrypted.

use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime};
use str0m::rtp::rtcp::ReceptionReport;

/// Questions of how far away we are that one report answers. Older ones are not answered.
const ASKED_MAX: usize = 4;

/// Seconds from 1900, where NTP begins, to 1970.
const NTP_BEGINS_BEFORE: u64 = 2_208_988_800;

/// What is known of one source.
pub(crate) struct Sent<'a> {
    pub(crate) ssrc: u32,
    /// Who it belongs to, as the answer says.
    pub(crate) name: &'a str,
    /// The time of now, in the source's own ticks.
    pub(crate) time: u32,
    /// Both begin anew at their end.
    pub(crate) packets: u32,
    pub(crate) bytes: u32,
}

impl Sent<'_> {
    /// Says so, and answers the questions. If it is over, no more will come.
    pub(crate) fn packet(
        &self,
        over: bool,
        questions: &mut Questions,
        at: SystemTime,
        now: Instant,
    ) -> Vec<u8> {
        let ssrc = self.ssrc.to_be_bytes();
        let mut packet = vec![0x80, 200, 0, 6];
        packet.extend_from_slice(&ssrc);
        packet.extend_from_slice(&ntp(at).to_be_bytes());
        for counted in [self.time, self.packets, self.bytes] {
            packet.extend_from_slice(&counted.to_be_bytes());
        }
        let begin = packet.len();
        packet.extend_from_slice(&[0x81, 202, 0, 0]);
        packet.extend_from_slice(&ssrc);
        let name = &self.name.as_bytes()[..self.name.len().min(255)];
        packet.extend_from_slice(&[1, u8::try_from(name.len()).unwrap_or(0)]);
        packet.extend_from_slice(name);
        // At least one zero ends it.
        packet.resize((packet.len() + 1).next_multiple_of(4), 0);
        let words = u16::try_from((packet.len() - begin) / 4 - 1).unwrap_or(0);
        packet[begin + 2..begin + 4].copy_from_slice(&words.to_be_bytes());
        questions.answer(&ssrc, now, &mut packet);
        if over {
            packet.extend_from_slice(&[0x81, 203, 0, 1]);
            packet.extend_from_slice(&ssrc);
        }
        packet
    }
}

/// A viewer's questions of how far away we are, until the next report answers them.
#[derive(Default)]
pub(crate) struct Questions(VecDeque<Question>);

/// Who asks, when by its clock, and when it came.
struct Question {
    ssrc: u32,
    at: u32,
    came: Instant,
}

impl Questions {
    pub(crate) fn ask(&mut self, ssrc: u32, at: SystemTime, now: Instant) {
        self.0.retain(|question| question.ssrc != ssrc);
        if self.0.len() >= ASKED_MAX {
            self.0.pop_front();
        }
        self.0.push_back(Question {
            ssrc,
            at: middle(ntp(at)),
            came: now,
        });
    }

    fn answer(&mut self, ssrc: &[u8], now: Instant, packet: &mut Vec<u8>) {
        if self.0.is_empty() {
            return;
        }
        let words = u8::try_from(self.0.len() * 3).unwrap_or(0);
        packet.extend_from_slice(&[0x80, 207, 0, words + 2]);
        packet.extend_from_slice(ssrc);
        packet.extend_from_slice(&[5, 0, 0, words]);
        for question in self.0.drain(..) {
            let since = now.saturating_duration_since(question.came).as_micros();
            let since = u32::try_from(since * 65_536 / 1_000_000).unwrap_or(0);
            for word in [question.ssrc, question.at, since] {
                packet.extend_from_slice(&word.to_be_bytes());
            }
        }
    }
}

/// How long it takes to a viewer and back, as its report says that comes now. `None` if it has heard no report of ours.
pub(crate) fn distance(report: &ReceptionReport, at: SystemTime) -> Option<Duration> {
    // Parts of 65,536 of a second, from our report to its.
    let since = middle(ntp(at))
        .wrapping_sub(report.last_sr_time)
        .wrapping_sub(report.last_sr_delay);
    let is_known = report.last_sr_time != 0 && since < 1 << 31;
    is_known.then(|| Duration::from_secs_f64(f64::from(since) / 65_536.0))
}

/// Seconds since 1900, with 32 bits behind the point.
fn ntp(at: SystemTime) -> u64 {
    let since = at
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let parts = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
    ((since.as_secs() + NTP_BEGINS_BEFORE) << 32) | parts
}

/// Its middle 32 bits, as reports have it.
fn middle(ntp: u64) -> u32 {
    u32::try_from(ntp >> 16 & u64::from(u32::MAX)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_what_was_sent_and_by_whom_and_answers_each_question_once() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_500);
        let now = Instant::now();
        let mut questions = Questions::default();
        for ssrc in [9, 8, 9] {
            questions.ask(ssrc, at, now);
        }
        let sent = Sent {
            ssrc: 0x0102_0304,
            name: "abc",
            time: 5,
            packets: 6,
            bytes: 7,
        };
        let half = Duration::from_millis(500);
        let packet = sent.packet(true, &mut questions, at, now + half);
        let ssrc = [1, 2, 3, 4];
        let ntp = [0x83, 0xaa, 0x7e, 0x81, 0x80, 0, 0, 0];
        let middle = [0x7e, 0x81, 0x80, 0, 0, 0, 0x80, 0];
        let expected = [
            &[0x80, 200, 0, 6][..],
            &ssrc,
            &ntp,
            &[0, 0, 0, 5, 0, 0, 0, 6, 0, 0, 0, 7],
            &[0x81, 202, 0, 3],
            &ssrc,
            &[1, 3, b'a', b'b', b'c', 0, 0, 0],
            &[0x80, 207, 0, 8],
            &ssrc,
            &[5, 0, 0, 6, 0, 0, 0, 8],
            &middle,
            &[0, 0, 0, 9],
            &middle,
            &[0x81, 203, 0, 1],
            &ssrc,
        ];
        assert_eq!(packet, expected.concat());
        let again = sent.packet(false, &mut questions, at, now);
        assert_eq!(again[..], packet[..44]);
    }

    #[test]
    fn the_way_to_a_viewer_and_back_is_what_its_report_did_not_wait() {
        let sent = SystemTime::UNIX_EPOCH + Duration::from_secs(70_000);
        let mut report = ReceptionReport {
            ssrc: 1.into(),
            fraction_lost: 0,
            packets_lost: 0,
            max_seq: 0,
            jitter: 0,
            last_sr_time: middle(ntp(sent)),
            last_sr_delay: 65_536 / 4,
        };
        let came = sent + Duration::from_millis(375);
        let distance_of = |report: &_| distance(report, came).map(|distance| distance.as_millis());
        assert_eq!(distance_of(&report), Some(125));
        report.last_sr_delay = 65_536;
        assert_eq!(distance_of(&report), None, "nothing comes before it goes");
        report.last_sr_time = 0;
        assert_eq!(distance_of(&report), None);
    }
}
