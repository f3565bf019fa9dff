//! Whether the peer is where it is said to be: media goes nowhere from where no answer has come.
//!
//! A lite agent of ICE believes whoever shows the password, and who has it can write anybody's address into a datagram as
//! the one that it comes from. So before a session goes on elsewhere it is asked there, as a full agent asks (RFC 8445,
//! 7.3.1.4): the question has a number that only who is there can know, and the answer must be made with the peer's
//! password, which no public STUN server has. A handshake that went to one address alone has shown that address as well.
//!
//! Invariant: for each check that comes from elsewhere one question goes there at most, and a session asks no more than
//! [`QUESTIONS`].

use crate::probe::Question;
use crate::stun::{hmac, number, question, transaction};
use abanico_core::rate::{Bucket, Rate};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;
use str0m::IceCreds;
use str0m::ice::StunMessage;
use str0m::net::Protocol;

/// What a session may ask: a peer that moves asks again and again until it is answered.
const QUESTIONS: Rate = Rate {
    burst: 12,
    per_second: 2.0,
};

/// Addresses that are asked at one time. The one that was asked first makes room for another.
const ASKED_MAX: usize = 4;

/// Addresses that have answered. The first that is not in use makes room for another.
const SHOWN_MAX: usize = 8;

/// Questions of what its network carries that wait for their answers. The first makes room for another.
const MEASURING_MAX: usize = 32;

/// Where one session's peer has answered, and where it is asked.
pub(crate) struct Reach {
    session: u64,
    /// Our user fragment.
    ours: String,
    /// What the peer said that its own are.
    theirs: IceCreds,
    shown: Vec<SocketAddr>,
    asked: Vec<Asked>,
    questions: Bucket,
    /// What is asked where the peer has answered already.
    measuring: Vec<([u8; 12], Question)>,
}

struct Asked {
    at: SocketAddr,
    number: [u8; 12],
    held: Option<Held>,
}

/// A check that waits for its address to answer.
pub(crate) struct Held {
    pub(crate) bytes: Vec<u8>,
    /// Where it was sent to.
    pub(crate) destination: Option<IpAddr>,
}

impl Reach {
    pub(crate) fn new(session: u64, ours: &str, theirs: IceCreds) -> Self {
        Self {
            session,
            ours: ours.to_owned(),
            theirs,
            shown: Vec::new(),
            asked: Vec::new(),
            questions: Bucket::new(QUESTIONS),
            measuring: Vec::new(),
        }
    }

    /// Whether the peer is there. Over TCP it is where it says.
    pub(crate) fn is_shown(&self, proto: Protocol, address: SocketAddr) -> bool {
        proto != Protocol::Udp || self.shown.contains(&address)
    }

    /// The peer is there; where it is reached meanwhile stays what it is.
    pub(crate) fn show(
        &mut self,
        proto: Protocol,
        address: SocketAddr,
        in_use: Option<SocketAddr>,
    ) {
        if self.is_shown(proto, address) {
            return;
        }
        let is_idle = |known: &SocketAddr| Some(*known) != in_use;
        if self.shown.len() >= SHOWN_MAX
            && let Some(first) = self.shown.iter().position(is_idle)
        {
            self.shown.remove(first);
        }
        self.shown.push(address);
    }

    /// What to ask there, if it may be asked now. What came from there may be kept until the answer.
    pub(crate) fn ask(
        &mut self,
        at: SocketAddr,
        held: Option<Held>,
        now: Instant,
    ) -> Option<Vec<u8>> {
        if !self.questions.take(now) {
            return None;
        }
        let known = self.asked.iter().position(|asked| asked.at == at);
        let asked = match known {
            Some(known) => &mut self.asked[known],
            None => {
                if self.asked.len() >= ASKED_MAX {
                    self.asked.remove(0);
                }
                let number = number(self.session);
                self.asked.push(Asked {
                    at,
                    number,
                    held: None,
                });
                self.asked.last_mut()?
            }
        };
        asked.held = held.or_else(|| asked.held.take());
        question(&asked.number, &self.ours, &self.theirs)
    }

    /// Something answers from there. Returns what was held, if that is what was asked for.
    pub(crate) fn answered(
        &mut self,
        from: SocketAddr,
        answer: &StunMessage<'_>,
        in_use: Option<SocketAddr>,
    ) -> Option<Option<Held>> {
        let asked = self.asked.iter().position(|asked| {
            asked.at == from && transaction(&asked.number) == Some(answer.trans_id())
        })?;
        if !answer.verify(self.theirs.pass.as_bytes(), hmac) {
            return None;
        }
        let asked = self.asked.remove(asked);
        self.show(Protocol::Udp, from, in_use);
        Some(asked.held)
    }

    /// Asks that where the peer is found: when it answers says how far away that is.
    pub(crate) fn measure(&mut self, asked: Question) -> Option<Vec<u8>> {
        let number = number(self.session);
        let bytes = question(&number, &self.ours, &self.theirs)?;
        if self.measuring.len() >= MEASURING_MAX {
            self.measuring.remove(0);
        }
        self.measuring.push((number, asked));
        Some(bytes)
    }

    /// Something answers. Returns what [`Reach::measure`] asked, if that is what it answers.
    pub(crate) fn measured(&mut self, answer: &StunMessage<'_>) -> Option<Question> {
        let is_it = |(number, _): &([u8; 12], Question)| {
            transaction(number) == Some(answer.trans_id())
                && answer.verify(self.theirs.pass.as_bytes(), hmac)
        };
        let at = self.measuring.iter().position(is_it)?;
        Some(self.measuring.remove(at).1)
    }

    /// The credentials of both ends are others from now on. What was asked with the old ones is asked again.
    pub(crate) fn restart(&mut self, ours: &str, theirs: IceCreds) {
        ours.clone_into(&mut self.ours);
        self.theirs = theirs;
        self.asked.clear();
        self.measuring.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::Prober;
    use crate::stun::{QUESTION_BYTES_MAX, asked_by};

    fn reach(session: u64) -> Reach {
        let theirs = IceCreds {
            ufrag: "theirs".to_owned(),
            pass: "their password".to_owned(),
        };
        Reach::new(session, "ours", theirs)
    }

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    /// The answer of somebody with that password.
    fn answer(question: &[u8], password: &str) -> Vec<u8> {
        let question = StunMessage::parse(question).unwrap();
        assert!(question.is_binding_request());
        assert_eq!(question.username(), Some("theirs:ours"));
        let mut bytes = vec![0; QUESTION_BYTES_MAX];
        let length = StunMessage::binding_reply(question.trans_id(), at(1))
            .to_bytes(Some(password.as_bytes()), &mut bytes, hmac)
            .unwrap();
        bytes.truncate(length);
        bytes
    }

    fn hears(reach: &mut Reach, from: SocketAddr, answer: &[u8]) -> bool {
        let answer = StunMessage::parse(answer).unwrap();
        reach.answered(from, &answer, None).is_some()
    }

    #[test]
    fn an_address_is_shown_by_an_answer_to_what_was_asked_there_alone() {
        let (mut reach, now) = (reach(0x12_3456_789a), Instant::now());
        let question = reach.ask(at(1), None, now).unwrap();
        assert_eq!(asked_by(&question), Some(0x12_3456_789a));
        let right = answer(&question, "their password");
        assert!(!hears(
            &mut reach,
            at(1),
            &answer(&question, "another password")
        ));
        assert!(!hears(&mut reach, at(2), &right));
        assert!(!reach.is_shown(Protocol::Udp, at(1)));
        assert!(hears(&mut reach, at(1), &right));
        assert!(reach.is_shown(Protocol::Udp, at(1)));
        assert!(!reach.is_shown(Protocol::Udp, at(2)));
        // An answer counts once.
        assert!(!hears(&mut reach, at(1), &right));
    }

    #[test]
    fn what_is_asked_and_what_is_known_has_a_bound() {
        let (mut reach, now) = (reach(1), Instant::now());
        let asked = (1..100).filter_map(|port| reach.ask(at(port), None, now));
        assert_eq!(asked.count(), QUESTIONS.burst as usize);
        assert_eq!(reach.asked.len(), ASKED_MAX);
        for port in 1..100 {
            reach.show(Protocol::Udp, at(port), Some(at(1)));
        }
        assert_eq!(reach.shown.len(), SHOWN_MAX);
        assert!(reach.is_shown(Protocol::Udp, at(99)));
        assert!(!reach.is_shown(Protocol::Udp, at(2)));
        // However many there are, where the peer is stays known.
        assert!(reach.is_shown(Protocol::Udp, at(1)));
    }

    #[test]
    fn what_is_asked_to_measure_is_answered_once_and_by_who_knows_the_password() {
        let mut reach = reach(1);
        let mut prober = Prober::default();
        let mut asks = |reach: &mut Reach| {
            let question = prober.asks(Instant::now());
            (question, reach.measure(question).unwrap())
        };
        let (first, bytes) = asks(&mut reach);
        let hears = |reach: &mut Reach, password| {
            let answer = answer(&bytes, password);
            reach.measured(&StunMessage::parse(&answer).unwrap())
        };
        assert_eq!(hears(&mut reach, "another password"), None);
        assert_eq!(hears(&mut reach, "their password"), Some(first));
        assert_eq!(hears(&mut reach, "their password"), None);
        assert!(!reach.is_shown(Protocol::Udp, at(1)), "it shows no address");
        for _ in 0..100 {
            asks(&mut reach);
        }
        assert_eq!(reach.measuring.len(), MEASURING_MAX);
    }

    #[test]
    fn who_tells_no_password_is_not_asked() {
        let mut reach = reach(1);
        reach.restart(
            "ours",
            IceCreds {
                ufrag: "x".repeat(300),
                pass: "p".to_owned(),
            },
        );
        assert_eq!(reach.ask(at(1), None, Instant::now()), None);
        reach.restart(
            "ours",
            IceCreds {
                ufrag: "x".to_owned(),
                pass: String::new(),
            },
        );
        assert_eq!(reach.ask(at(1), None, Instant::now()), None);
    }
}
