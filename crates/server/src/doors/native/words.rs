//! What is said at the native door beside frames: JSON texts, close codes, the time.

use crate::doors::conversation::Closing;
use abanico_core::rate::{Bucket, Rate};
use abanico_core::rights::{Over, Refused};
use abanico_socketio::engine::{Parcel, Session};
use abanico_socketio::retry::{self, FULL_RETRY};
use abanico_streamhub::door::{PublishRefusal, WatchRefusal};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// Close codes of the door.
pub(super) mod code {
    pub(in super::super) const NORMAL: u16 = 1000;
    pub(in super::super) const MALFORMED: u16 = 4400;
    pub(in super::super) const TOKEN: u16 = 4401;
    pub(in super::super) const OVER: u16 = 4403;
    pub(in super::super) const NO_STREAM: u16 = 4404;
    pub(in super::super) const REPLACED: u16 = 4409;
    pub(in super::super) const ENDED: u16 = 4410;
    pub(in super::super) const NO_ROOM: u16 = 4503;
}

impl Closing {
    /// The stream is over, and the client was or will be told.
    pub(super) fn ended(words: Option<String>) -> Self {
        Self {
            words,
            code: code::NORMAL,
            reason: "the stream has ended",
        }
    }

    /// Something was wrong. `word` is for programs, `message` for people.
    pub(super) fn error(code: u16, word: &'static str, message: &str) -> Self {
        Self {
            words: Some(json!({"type": "error", "code": word, "message": message}).to_string()),
            code,
            reason: word,
        }
    }

    /// The right to be here is over.
    pub(super) fn over(over: Over, message: &str) -> Self {
        let word = match over {
            Over::Expired => "expired",
            Over::Revoked => "revoked",
            Over::Removed => "removed",
        };
        Self::error(code::OVER, word, message)
    }

    /// The client did not say what it wants.
    pub(super) fn silent(expected: &str) -> Self {
        let message = format!("the first message must be {expected}, within ten seconds");
        Self::error(code::MALFORMED, "malformed", &message)
    }

    pub(super) fn malformed(message: &str) -> Self {
        Self::error(code::MALFORMED, "malformed", message)
    }

    pub(super) fn no_watching(refusal: WatchRefusal) -> Self {
        let message = refusal.to_string();
        match refusal {
            WatchRefusal::Unknown => Self::error(code::NO_STREAM, "no-stream", &message),
            WatchRefusal::Ended => Self::error(code::ENDED, "ended", &message),
            WatchRefusal::Removed { .. } => Self::over(Over::Removed, &message),
            WatchRefusal::Seats { retry_after } | WatchRefusal::Full { retry_after, .. } => {
                Self::full(&message, retry_after)
            }
        }
    }

    pub(super) fn no_publishing(refusal: PublishRefusal) -> Self {
        let message = refusal.to_string();
        match refusal {
            PublishRefusal::BadKey | PublishRefusal::BadToken => {
                Self::error(code::MALFORMED, "malformed", &message)
            }
            PublishRefusal::TokenMissing | PublishRefusal::TokenWrong => {
                Self::error(code::TOKEN, "token", &message)
            }
            PublishRefusal::MayNotOpen(refused) | PublishRefusal::TooManyWrong(refused) => {
                Self::no_key(refused)
            }
            PublishRefusal::Ended => Self::error(code::ENDED, "ended", &message),
            PublishRefusal::Full { .. } => Self::full(&message, FULL_RETRY),
        }
    }

    /// A key is missing, or is not taken.
    pub(super) fn no_key(refused: Refused) -> Self {
        let message = refused.to_string();
        match refused {
            Refused::KeyMissing
            | Refused::KeyWrong
            | Refused::NotForThis
            | Refused::TokenMissing => Self::error(code::TOKEN, "key", &message),
            Refused::TokenBad(why) => Self::error(code::TOKEN, "key", &why),
            Refused::Denied(why) => Self::error(code::TOKEN, "denied", &why),
            Refused::TooManyWrong { retry_after } => {
                Self::full(&format!("{message} (key-rate)"), retry_after)
            }
            Refused::Busy { retry_after } | Refused::Undecided { retry_after } => {
                Self::full(&message, retry_after)
            }
        }
    }

    fn full(message: &str, retry_after: Duration) -> Self {
        let millis = retry::spread_millis(retry_after);
        let words =
            json!({"type": "error", "code": "full", "message": message, "retryAfterMs": millis});
        Self {
            words: Some(words.to_string()),
            code: code::NO_ROOM,
            reason: "full",
        }
    }
}

/// Warns a client, who stays.
pub(super) fn warn(session: &Session, code: &str, message: &str) {
    let words = json!({"type": "warning", "code": code, "message": message});
    tell(session, &words);
}

/// What a client says in text, as far as the door knows it.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Word {
    /// The first word of a viewer.
    Watch {
        resume: Option<Resume>,
        /// False if its media come by another connection.
        media: Option<bool>,
        token: Option<String>,
    },
    /// The first word of a publisher.
    Publish {
        token: Option<String>,
        title: Option<String>,
        #[serde(default)]
        private: bool,
    },
    /// What the frames from now on are. Read again as a whole by `live`.
    Tracks,
    Clock {
        #[serde(default)]
        id: Value,
    },
    Keyframe,
    Hold,
    Resume {
        /// The last frame that it has, if it would like to go on from there.
        sequence: Option<u32>,
    },
    Pause {
        paused: bool,
    },
    End,
    /// Something of a later version.
    #[serde(other)]
    Unknown,
}

/// What a viewer has that comes back.
#[derive(Debug, Deserialize)]
pub(super) struct Resume {
    pub(super) epoch: String,
    pub(super) sequence: u32,
}

/// A longer text is none of a publisher's; descriptions of tracks are far below.
const TEXT_BYTES_MAX: usize = 64 << 10;

/// What a client chooses to be told with the time has at most so many characters.
const ID_CHARS_MAX: usize = 64;

/// Reads one client's texts, as many as it may send.
pub(super) struct Texts(Bucket);

impl Texts {
    pub(super) fn new(rate: Rate) -> Self {
        Self(Bucket::new(rate))
    }

    /// Reads a text.
    pub(super) fn read(&mut self, text: &str) -> Result<Word, Closing> {
        if !self.0.take(Instant::now().into_std()) {
            let message = "more texts than a connection may send at a time";
            return Err(Closing::error(code::MALFORMED, "too-many", message));
        }
        if text.len() > TEXT_BYTES_MAX {
            let message = format!("a text of more than {TEXT_BYTES_MAX} bytes");
            return Err(Closing::malformed(&message));
        }
        let word = serde_json::from_str(text)
            .map_err(|error| Closing::malformed(&format!("this text cannot be read: {error}")))?;
        if let Word::Clock { id } = &word
            && !is_id(id)
        {
            let message = format!("the id of clock is a number or up to {ID_CHARS_MAX} characters");
            return Err(Closing::malformed(&message));
        }
        Ok(word)
    }
}

fn is_id(id: &Value) -> bool {
    match id {
        Value::Null | Value::Number(_) => true,
        Value::String(id) => id.chars().count() <= ID_CHARS_MAX,
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => false,
    }
}

/// Says something. A client that takes nothing is closed by its session.
pub(super) fn tell(session: &Session, words: &Value) {
    let _ = session.send(Parcel::plain_text(&words.to_string()));
}

/// Answers a question for the time.
pub(super) fn tell_time(session: &Session, id: &Value) {
    tell(session, &json!({"type": "clock", "id": id, "now": now()}));
}

/// Microseconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .ok()
        .and_then(|since| u64::try_from(since.as_micros()).ok())
        .unwrap_or_default()
}
