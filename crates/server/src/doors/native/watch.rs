//! A viewer's conversation.

use super::FIRST_WORD_WITHIN;
use super::count::Count;
use super::feed::NativeFeed;
use super::words::{self, Resume, Texts, Word};
use crate::doors::conversation::{Closing, Inbox};
use crate::rights::{Asker, Keeper};
use abanico_live::native::tracks_json;
use abanico_live::{Channel, Format, Wish, Wisher};
use abanico_media::frame::Track;
use abanico_socketio::engine::{Inbound, Parcel, Session};
use abanico_streamhub::StreamHub;
use abanico_streamhub::door::{News, Observer, Viewer};
use abanico_streamhub::grant::Lease;
use serde_json::json;
use std::future::pending;
use tokio::sync::{oneshot, watch};

/// Who would like to watch which stream, before anything was said.
pub(super) struct Guest {
    pub(super) keeper: Keeper,
    pub(super) asker: Asker,
    /// The token in the address of the WebSocket.
    pub(super) in_address: Option<String>,
    pub(super) key: String,
}

/// Talks with a viewer of a stream until one of them has enough.
pub(super) async fn converse(
    session: Session,
    inbox: Inbox,
    texts: Texts,
    streamhub: StreamHub,
    guest: Box<Guest>,
) -> Closing {
    // In a box of its own, whose memory goes back: to ask and to join takes far more room than to watch, and who watches
    // does so for long.
    let arrived = match Box::pin(arrive(inbox, texts, streamhub, guest)).await {
        Ok(arrived) => arrived,
        Err(closing) => return closing,
    };
    stay(session, arrived).await
}

/// Somebody who may watch.
struct Arrived {
    inbox: Inbox,
    texts: Texts,
    key: String,
    seat: Seat,
    resume: Option<Resume>,
    /// Whether it would like media.
    media: bool,
}

/// Hears which stream a viewer would like to watch, and how, and lets it in if it may.
async fn arrive(
    mut inbox: Inbox,
    mut texts: Texts,
    streamhub: StreamHub,
    guest: Box<Guest>,
) -> Result<Box<Arrived>, Closing> {
    let word = match inbox.next_within(FIRST_WORD_WITHIN).await {
        Ok(None) => return Err(Closing::gone()),
        Ok(Some(Inbound::Text(text))) => Some(texts.read(&text)?),
        Ok(Some(Inbound::Binary(_))) | Err(()) => None,
    };
    let Some(Word::Watch {
        resume,
        media,
        token,
    }) = word
    else {
        return Err(Closing::silent(r#"{"type":"watch"}"#));
    };
    let media = media != Some(false);
    let Guest {
        keeper,
        asker,
        in_address,
        key,
    } = *guest;
    let shown = token.or(in_address);
    let grant = keeper
        .visit(asker, &key, shown.as_deref())
        .await
        .map_err(Closing::no_key)?;
    let joined = if media {
        streamhub.watch(&key, &grant).await.map(Seat::Viewer)
    } else {
        streamhub.observe(&key, &grant).await.map(Seat::Observer)
    };
    let seat = joined.map_err(Closing::no_watching)?;
    // A future would keep room for what it was called with and for what it makes of that.
    Ok(Box::new(Arrived {
        inbox,
        texts,
        key,
        seat,
        resume,
        media,
    }))
}

/// Shows the stream to who was let in.
async fn stay(session: Session, mut arrived: Box<Arrived>) -> Closing {
    let arrived = &mut *arrived;
    let seat = &arrived.seat;
    let mut news = seat.news();
    let known = *news.borrow_and_update();
    let channel = seat.channel();
    words::tell(
        &session,
        &json!({
            "type": "welcome",
            "streamKey": arrived.key,
            "epoch": channel.epoch(),
            "now": words::now(),
            "paused": known.paused,
            "publisherPresent": known.publisher.is_some(),
            "viewers": known.viewers,
        }),
    );
    let mut talk = Talk {
        session,
        told: known,
        count: Count::new(known.viewers),
        media: None,
        warned: false,
    };
    if arrived.media {
        let resume = arrived.resume.take();
        let seen = resume.as_ref().map(|seen| (&*seen.epoch, seen.sequence));
        if let Err(closing) = talk.play(seat, seen) {
            return closing;
        }
    }
    let mut tracks = channel.watch_tracks();
    tracks.mark_changed();
    loop {
        let word = tokio::select! {
            said = arrived.inbox.next() => match said {
                None => return Closing::gone(),
                // A viewer has no frames to send.
                Some(Inbound::Binary(_)) => return Closing::malformed("a viewer sends texts only"),
                Some(Inbound::Text(text)) => match arrived.texts.read(&text) {
                    Ok(word) => word,
                    Err(closing) => return closing,
                },
            },
            changed = news.changed() => {
                let now = *news.borrow_and_update();
                talk.hear(now);
                // Who is held, or has nothing left to be told by its feed, is told here.
                if changed.is_err() || now.ended && talk.media.is_none() {
                    return Closing::ended(Some(r#"{"type":"ended"}"#.to_owned()));
                }
                continue;
            }
            // Who has media has the tracks among them.
            changed = tracks.changed(), if talk.media.is_none() => {
                if changed.is_err() {
                    return Closing::gone();
                }
                talk.describe(&tracks.borrow_and_update());
                continue;
            }
            over = seat.lease().over() => return Closing::over(over, &over.to_string()),
            () = ended(&mut talk.media) => return Closing::ended(None),
            () = talk.count.due() => {
                talk.count.tell(&talk.session);
                continue;
            }
        };
        match word {
            Word::Clock { id } => words::tell_time(&talk.session, &id),
            Word::Keyframe => {
                let wish = channel.want_keyframe(seat.wisher());
                if wish == Wish::Beyond && !std::mem::replace(&mut talk.warned, true) {
                    words::warn(&talk.session, "keyframe-rate", BEYOND_KEYFRAMES);
                }
            }
            Word::Hold => talk.hold(),
            Word::Resume { sequence } if arrived.media && talk.media.is_none() => {
                let seen = sequence.map(|sequence| (channel.epoch(), sequence));
                if let Err(closing) = talk.play(seat, seen) {
                    return closing;
                }
            }
            _ => {}
        }
    }
}

/// Somebody at the door.
enum Seat {
    Viewer(Viewer),
    Observer(Observer),
}

impl Seat {
    fn channel(&self) -> &Channel {
        match self {
            Self::Viewer(viewer) => viewer.channel(),
            Self::Observer(observer) => observer.channel(),
        }
    }

    fn lease(&self) -> &Lease {
        match self {
            Self::Viewer(viewer) => viewer.lease(),
            Self::Observer(observer) => observer.lease(),
        }
    }

    fn wisher(&self) -> &Wisher {
        match self {
            Self::Viewer(viewer) => viewer.wisher(),
            Self::Observer(observer) => observer.wisher(),
        }
    }

    fn news(&self) -> watch::Receiver<News> {
        match self {
            Self::Viewer(viewer) => viewer.news(),
            Self::Observer(observer) => observer.news(),
        }
    }
}

/// What stands between a viewer and its stream.
struct Talk {
    session: Session,
    /// What it was told last.
    told: News,
    count: Count,
    /// `None` while it is held.
    media: Option<Media>,
    /// It was told that it wishes for too many keyframes.
    warned: bool,
}

/// The feed that a viewer's socket pulls from, and what tells of its end until it has.
type Media = (u64, Option<oneshot::Receiver<()>>);

/// Waits until the feed has told the viewer that the stream is over.
async fn ended(media: &mut Option<Media>) {
    if let Some((_, end)) = media
        && let Some(told) = end
    {
        let told = told.await;
        // Who asks it again panics.
        *end = None;
        if told.is_ok() {
            return;
        }
    }
    // A feed that is gone without a word went with its session.
    pending().await
}

impl Talk {
    /// Plays what follows the frame that it saw last, or the newest group and all that follows.
    fn play(&mut self, seat: &Seat, seen: Option<(&str, u32)>) -> Result<(), Closing> {
        let channel = seat.channel();
        let watching = match seen {
            Some((epoch, sequence)) => channel.resume(epoch, sequence),
            None => channel
                .watch(Format::Native)
                .map_err(|unsuitable| Closing::malformed(&unsuitable.to_string()))?,
        };
        channel.want_keyframe(seat.wisher());
        let (feed, ended) = NativeFeed::new(watching);
        self.media = Some((self.session.attach(feed), Some(ended)));
        Ok(())
    }

    fn hold(&mut self) {
        if let Some((feed, _)) = self.media.take() {
            self.session.detach(feed);
        }
    }

    /// Tells what the stream consists of, to who gets no media.
    fn describe(&self, tracks: &[Track]) {
        if !tracks.is_empty() {
            let words = Parcel::plain_text(&tracks_json(tracks));
            // A client that takes nothing is closed by its session.
            let _ = self.session.send(words);
        }
    }

    /// Tells what has changed, but for the count, which waits for its time.
    fn hear(&mut self, now: News) {
        if now.paused != self.told.paused && !now.ended {
            words::tell(
                &self.session,
                &json!({"type": "paused", "paused": now.paused}),
            );
        }
        let (present, was_present) = (now.publisher.is_some(), self.told.publisher.is_some());
        if present != was_present && !now.ended {
            let mut words = json!({"type": "publisher", "present": present});
            if let Some(grace) = now.grace.filter(|_| !present) {
                words["graceMs"] = json!(u64::try_from(grace.as_millis()).unwrap_or(u64::MAX));
            }
            words::tell(&self.session, &words);
        }
        self.count.set(now.viewers);
        self.told = now;
    }
}

const BEYOND_KEYFRAMES: &str = "the publisher is not asked for more keyframes on behalf of one viewer (keyframe-rate) or address \
     (address-keyframe-rate): the next comes by itself";

#[cfg(test)]
mod tests {
    use super::*;

    /// What a viewer's conversation may take. It took 6.9 kB while it kept room for the join, as much as all else of a viewer.
    const CONVERSATION_BYTES_MAX: usize = 2048;

    #[test]
    fn who_watches_keeps_no_room_for_what_it_took_to_join() {
        fn future_of<A, B, C, D, E, F>(_: impl FnOnce(A, B, C, D, E) -> F) -> usize {
            size_of::<F>()
        }
        let bytes = future_of(converse);
        assert!(bytes <= CONVERSATION_BYTES_MAX, "it takes {bytes} bytes");
    }

    #[tokio::test]
    async fn the_end_of_a_feed_that_went_without_a_word_can_be_waited_for_again() {
        let (feed, end) = oneshot::channel();
        drop(feed);
        let mut media = Some((1, Some(end)));
        for _ in 0..2 {
            tokio::select! {
                biased;
                () = ended(&mut media) => panic!("nothing told of an end"),
                () = std::future::ready(()) => {}
            }
        }
    }
}
