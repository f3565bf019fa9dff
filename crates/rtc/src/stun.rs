//! The few words of STUN that are read and written here: a peer's check, our question and its answer.
//!
//! The rest of ICE is str0m's. Whom a question is put to, and what an answer is worth, is [`reach`](crate::reach)'s to say.

use str0m::IceCreds;
use str0m::ice::{StunMessage, TransId};

/// Bytes of a name in ICE, and of a question.
const FRAGMENT_BYTES_MAX: usize = 256;
pub(crate) const QUESTION_BYTES_MAX: usize = 1024;

/// What a question says of the pair that it is for; nobody chooses by it.
const PRIORITY: u32 = 1 << 30;

/// The first bytes of a question's number are its session's; the others are random.
const SESSION_BYTES: usize = 5;

/// A datagram of STUN that is for one session.
pub(crate) enum Stun {
    Check(Check),
    /// To what was asked.
    Answer,
}

/// A peer's check.
pub(crate) struct Check {
    /// The user fragment of ours that it names.
    pub(crate) fragment: String,
    /// It says that all shall go where it comes from.
    pub(crate) nominates: bool,
}

impl Stun {
    /// What a datagram says; `None` if it is no STUN, or says nothing of these.
    pub(crate) fn of(datagram: &[u8]) -> Option<Self> {
        let is_stun = datagram.first().is_some_and(|first| *first < 2);
        if !is_stun {
            return None;
        }
        let message = StunMessage::parse(datagram).ok()?;
        if message.is_successful_binding_response() {
            return Some(Self::Answer);
        }
        if !message.is_binding_request() {
            return None;
        }
        let (ours, _) = message.split_username()?;
        Some(Self::Check(Check {
            fragment: ours.to_owned(),
            nominates: message.use_candidate(),
        }))
    }
}

/// Whose question it is that has this answer.
pub(crate) fn asked_by(answer: &[u8]) -> Option<u64> {
    let session = answer.get(8..8 + SESSION_BYTES)?;
    let mut id = [0; 8];
    id[8 - SESSION_BYTES..].copy_from_slice(session);
    Some(u64::from_be_bytes(id))
}

/// The number of a session's next question: only who is asked can know it.
pub(crate) fn number(session: u64) -> [u8; 12] {
    let mut number = [0; 12];
    let (of_session, random) = number.split_at_mut(SESSION_BYTES);
    of_session.copy_from_slice(&session.to_be_bytes()[8 - SESSION_BYTES..]);
    getrandom::fill(random).expect("the system gives random bytes");
    number
}

/// The same as STUN's. str0m makes numbers of its own alone, or reads them.
pub(crate) fn transaction(number: &[u8; 12]) -> Option<TransId> {
    const INDICATION: [u8; 8] = [0, 0x11, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    let message = [&INDICATION[..], number].concat();
    let read = StunMessage::parse(&message).ok()?;
    Some(read.trans_id())
}

/// Asks whoever has these credentials whether it is there; `None` if they are none that can be asked by.
pub(crate) fn question(number: &[u8; 12], ours: &str, theirs: &IceCreds) -> Option<Vec<u8>> {
    if theirs.ufrag.len() > FRAGMENT_BYTES_MAX || theirs.pass.is_empty() {
        return None;
    }
    let name = format!("{}:{ours}", theirs.ufrag);
    let is_controlling = false;
    let mut tie_breaker = [0; 8];
    tie_breaker.copy_from_slice(&number[4..]);
    let message = StunMessage::binding_request(
        &name,
        transaction(number)?,
        is_controlling,
        u64::from_be_bytes(tie_breaker),
        PRIORITY,
        false,
    );
    let mut bytes = vec![0; QUESTION_BYTES_MAX];
    let password = Some(theirs.pass.as_bytes());
    let length = message.to_bytes(password, &mut bytes, hmac).ok()?;
    bytes.truncate(length);
    Some(bytes)
}

/// What STUN's messages are made with, and checked.
pub(crate) fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 20] {
    let provider = str0m::crypto::from_feature_flags();
    provider.sha1_hmac_provider.sha1_hmac(key, parts)
}
