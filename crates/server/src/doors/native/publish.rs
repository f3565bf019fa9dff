//! A publisher's conversation.

use super::FIRST_WORD_WITHIN;
use super::count::Count;
use super::words::{self, Texts, Word, code};
use crate::doors::conversation::{Closing, Inbox};
use crate::doors::verdict::withdrawn as withdrawn_words;
use crate::rights::{Asker, Keeper};
use abanico_core::key::shortened;
use abanico_core::rights::Over;
use abanico_live::native::{Header, parse_tracks};
use abanico_live::{Encoder, SourceError};
use abanico_socketio::engine::{Inbound, Session};
use abanico_streamhub::StreamHub;
use abanico_streamhub::door::{Claim, Publisher};
use bytes::Bytes;
use serde_json::json;
use tracing::debug;

/// Talks with a publisher of the stream `key` until one of them has enough.
pub(super) async fn converse(
    session: Session,
    mut inbox: Inbox,
    mut texts: Texts,
    streamhub: StreamHub,
    (keeper, asker): (Keeper, Asker),
    key: String,
) -> Closing {
    let (token, title, private) = match inbox.next_within(FIRST_WORD_WITHIN).await {
        Ok(None) => return Closing::gone(),
        Ok(Some(Inbound::Text(text))) => match texts.read(&text) {
            Ok(Word::Publish {
                token,
                title,
                private,
            }) => (token, title, private),
            Ok(_) => return Closing::silent(r#"{"type":"publish"}"#),
            Err(closing) => return closing,
        },
        Ok(Some(Inbound::Binary(_))) | Err(()) => {
            return Closing::silent(r#"{"type":"publish"}"#);
        }
    };
    let claim = match keeper
        .claim(asker, &key, token.as_deref(), title.as_deref())
        .await
    {
        Ok(claim) => Claim { private, ..claim },
        Err(refused) => return Closing::no_key(refused),
    };
    let publisher = match streamhub.publish(&key, &claim).await {
        Ok(publisher) => publisher,
        Err(refusal) => return Closing::no_publishing(refusal),
    };
    session.limit_messages(None);
    session.spare();
    let mut news = publisher.news();
    let known = *news.borrow_and_update();
    let mut ready = json!({
        "type": "ready",
        "streamKey": key,
        "epoch": publisher.channel().epoch(),
        "now": words::now(),
        "viewers": known.viewers,
    });
    if let Some(token) = publisher.token() {
        ready["token"] = json!(token);
    }
    words::tell(&session, &ready);
    let mut keyframes = publisher.channel().keyframes_wanted();
    keyframes.mark_unchanged();
    let mut talk = Talk {
        count: Count::new(known.viewers),
        encoder: publisher.channel().encoder(),
        publisher,
        session,
        texts,
        live: false,
        warned: false,
        warned_of_keyframes: false,
        warned_of_kind: false,
    };
    loop {
        tokio::select! {
            said = inbox.next() => match said {
                None => return Closing::gone(),
                Some(Inbound::Binary(message)) => {
                    if let Err(closing) = talk.frame(&message).await {
                        return closing;
                    }
                }
                Some(Inbound::Text(text)) => match talk.text(&text).await {
                    Ok(Said::GoOn) => {}
                    Ok(Said::End) => {
                        talk.publisher.end().await;
                        return Closing::ended(Some(r#"{"type":"ended"}"#.to_owned()));
                    }
                    Err(closing) => return closing,
                },
            },
            changed = news.changed() => {
                let now = *news.borrow_and_update();
                talk.count.set(now.viewers);
                if changed.is_err() || now.ended {
                    return over(now.withdrawn);
                }
                if !talk.publisher.has_seat() {
                    return replaced();
                }
            }
            asked = keyframes.changed() => {
                if asked.is_ok() {
                    keyframes.mark_unchanged();
                    words::tell(&talk.session, &json!({"type": "keyframe"}));
                }
            }
            () = talk.count.due() => talk.count.tell(&talk.session),
        }
    }
}

/// The stream is over: because that was wanted, or because what it was opened with holds no more.
fn over(withdrawn: Option<Over>) -> Closing {
    match withdrawn {
        Some(over) => Closing::over(over, &withdrawn_words(over)),
        None => Closing::ended(Some(r#"{"type":"ended"}"#.to_owned())),
    }
}

fn replaced() -> Closing {
    let message = "another connection showed the stream's token and publishes now";
    Closing::error(code::REPLACED, "replaced", message)
}

/// What stands between a publisher and its stream.
struct Talk {
    session: Session,
    texts: Texts,
    publisher: Publisher,
    encoder: Encoder,
    count: Count,
    /// It has sent its first frame.
    live: bool,
    /// It was told that frames are left out.
    warned: bool,
    /// It was told that its keyframes are far apart.
    warned_of_keyframes: bool,
    /// It was told that its binary messages are no frames.
    warned_of_kind: bool,
}

/// What follows from a text.
enum Said {
    GoOn,
    End,
}

impl Talk {
    async fn frame(&mut self, message: &Bytes) -> Result<(), Closing> {
        let split =
            Header::split(message).map_err(|error| Closing::malformed(&error.to_string()))?;
        let Some((header, payload)) = split else {
            if !std::mem::replace(&mut self.warned_of_kind, true) {
                let kind = message.first().copied().unwrap_or_default();
                self.warn(
                    "unknown-kind",
                    &format!(
                        "a binary message that begins with {kind} is ignored: a frame begins with 1"
                    ),
                );
            }
            return Ok(());
        };
        let taken = self.encoder.push(&header, payload);
        let taken = taken.map_err(|error| self.refused(error))?;
        if let Some(fault) = taken.faults.first() {
            debug!(key = shortened(self.publisher.key()), %fault, "left out");
            if !std::mem::replace(&mut self.warned, true) {
                self.warn("left-out", &fault.to_string());
            }
        }
        let most = self.publisher.keyframe_gap_max();
        if let Some(gap) = taken.since_keyframe.filter(|gap| *gap > most)
            && !std::mem::replace(&mut self.warned_of_keyframes, true)
        {
            let seconds = gap.as_secs_f64();
            self.warn(
                "keyframes-far-apart",
                &format!(
                    "no keyframe has come for {seconds:.1} s, and who joins or falls behind waits for the next; make \
                     one every second or two, and whenever you are asked"
                ),
            );
        }
        if taken.frames > 0 && !std::mem::replace(&mut self.live, true) {
            self.publisher.start().await;
        }
        Ok(())
    }

    fn warn(&self, code: &str, message: &str) {
        words::warn(&self.session, code, message);
    }

    async fn text(&mut self, text: &str) -> Result<Said, Closing> {
        match self.texts.read(text)? {
            Word::Tracks => {
                let tracks =
                    parse_tracks(text).map_err(|error| Closing::malformed(&error.to_string()))?;
                let taken = self.encoder.tracks(tracks);
                taken.map_err(|error| self.refused(error))?;
            }
            Word::Clock { id } => words::tell_time(&self.session, &id),
            Word::Pause { paused } => self.publisher.pause(paused).await,
            Word::End => return Ok(Said::End),
            _ => {}
        }
        Ok(Said::GoOn)
    }

    fn refused(&self, error: SourceError) -> Closing {
        match error {
            SourceError::Replaced => replaced(),
            SourceError::Ended => over(self.publisher.withdrawn()),
            error => Closing::malformed(&error.to_string()),
        }
    }
}
