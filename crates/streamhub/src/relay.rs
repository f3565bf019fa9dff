//! What one stream's publisher sends, made ready for its viewers: each frame encoded once, and what a late viewer needs.
//!
//! Frames are passed on byte for byte. Of a recording the relay also follows the bytes, so that a viewer can begin at the
//! newest keyframe; of pictures, and of anything that it does not know, it keeps the newest.
//!
//! Invariant: nobody is sent a part of a recording without an init segment and a keyframe before it, unless it has them.

mod encoding;
mod giving;

use crate::bridge::Bridge;
use crate::config::Limits;
use crate::joinable::Joinable;
use crate::mirror::Mirror;
use crate::payload::{Data, Form};
use crate::time::Timestamp;
use crate::trouble::{Told, Trouble};
use abanico_core::key::StreamKey;
use abanico_hub::feed::Feed;
use abanico_live::Channel;
use abanico_media::sniff::{Kind, sniff};
use abanico_socketio::Message;
use bytes::Bytes;
use encoding::frame;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What travels in a stream's feed.
pub(crate) type Packet = Arc<Parcel>;

/// One event for the viewers, with what a viewer that lags needs to know of it.
pub(crate) struct Parcel {
    /// The event, encoded once.
    pub(crate) message: Message,
    /// What it is to a viewer that comes or lags.
    pub(crate) content: Content,
}

/// What a parcel holds.
pub(crate) enum Content {
    /// Something that is shown by itself.
    Whole,
    /// A piece of a recording.
    Piece {
        /// Its media bytes.
        bytes: Bytes,
        /// Where in them a cluster of our own may be put.
        boundary: Option<usize>,
        /// What a viewer holds that was sent everything up to and with this piece.
        hold: Hold,
    },
    /// The end of the stream.
    LastWord,
}

/// The media state of one stream.
pub(crate) struct Relay {
    key: StreamKey,
    limits: Limits,
    media: Media,
    /// When the publisher last sent something.
    newest_at: Option<Instant>,
    warned: bool,
    told: Told,
    /// The backlog as it stands, once somebody asked for it: many who join at once share it.
    encoded: Option<Message>,
    /// How many init segments there were, of all recordings.
    inits: u64,
    /// How many watch over other doors what a Socket.IO publisher sends, and what gives it to them.
    mirrored: usize,
    mirror: Option<Mirror>,
    /// The mirror was begun in a recording that nobody could join: it has nothing of it yet.
    mirror_waits: bool,
    /// What brings here what a publisher at another door sends.
    pub(crate) bridge: Option<Bridge>,
}

enum Media {
    Nothing,
    Whole(Newest),
    Recording(Box<Recording>),
}

/// The newest frame that is shown by itself.
struct Newest {
    data: Data,
    stamps: Stamps,
    /// What it is, if it is known.
    kind: Option<Kind>,
}

struct Recording {
    joinable: Joinable,
    form: Form,
    stamps: Stamps,
    /// Where in the feed the newest group begins.
    group_place: u64,
    /// How many init segments there were: a viewer that has an older one needs the new one.
    inits: u64,
}

/// The times that travel with a frame, in milliseconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamps {
    /// When the server had it.
    pub(crate) received: Timestamp,
    /// When the publisher says that it was captured.
    pub(crate) captured: Option<u64>,
}

/// A frame that was taken.
pub(crate) struct Taken {
    data: Data,
    stamps: Stamps,
    content: Content,
    /// Set once, when keyframes turn out to be further apart than they should.
    pub(crate) keyframe_gap: Option<Duration>,
    /// What is wrong with it, set once for each kind.
    pub(crate) trouble: Option<Trouble>,
}

/// How a viewer goes on that has fallen behind.
pub(crate) enum Resume {
    /// From this place in the feed.
    At(u64),
    /// With this message, then from this place.
    With(Message, u64),
    /// There is nothing newer that it could begin with.
    ReadOn,
}

/// A viewer's hold on a recording: which init segment it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hold(u64);

impl Relay {
    pub(crate) fn new(key: StreamKey, limits: Limits) -> Self {
        Self {
            key,
            limits,
            media: Media::Nothing,
            newest_at: None,
            warned: false,
            told: Told::default(),
            encoded: None,
            inits: 0,
            mirrored: 0,
            mirror: None,
            mirror_waits: false,
            bridge: None,
        }
    }

    /// Somebody begins to watch over another door what a Socket.IO publisher sends.
    pub(crate) fn mirror_to(&mut self, channel: &Channel, by_door: bool) {
        self.mirrored += 1;
        if !by_door && self.mirror.is_none() {
            self.mirror = Some(self.begin_mirror(channel));
        }
    }

    /// Somebody watches over another door no more.
    pub(crate) fn mirror_left(&mut self, channel: &Channel) {
        self.mirrored -= 1;
        if self.mirrored == 0 && self.mirror.take().is_some() {
            channel.forget_group();
        }
    }

    /// The publisher is at another kind of door now: what the one before sent is no beginning for what comes.
    pub(crate) fn change_hands(&mut self, by_door: bool, channel: &Channel) {
        self.forget();
        self.mirror = (!by_door && self.mirrored > 0).then(|| self.begin_mirror(channel));
    }

    /// Forgets the media.
    pub(crate) fn forget(&mut self) {
        self.media = Media::Nothing;
        self.newest_at = None;
        self.encoded = None;
    }

    /// A mirror that knows what a viewer would be given that joins now.
    fn begin_mirror(&mut self, channel: &Channel) -> Mirror {
        let mut mirror = Mirror::new(channel.clone());
        self.mirror_waits = false;
        match &self.media {
            Media::Nothing => {}
            Media::Whole(newest) => {
                mirror.whole(newest.kind, &newest.data, newest.stamps);
            }
            Media::Recording(recording) => {
                let joined = recording.joinable.join();
                self.mirror_waits = joined.is_none();
                for piece in joined.into_iter().flatten() {
                    mirror.piece(piece, recording.inits, recording.stamps);
                }
            }
        }
        mirror
    }

    /// Takes the next frame. `head` is the place that it will have in the feed.
    pub(crate) fn take(&mut self, data: Data, stamps: Stamps, now: Instant, head: u64) -> Taken {
        self.newest_at = Some(now);
        self.encoded = None;
        let form = data.form();
        let first = form.as_ref().map(|form| data.first_bytes(form));
        let kind = first.as_ref().and_then(|first| recognise(first));
        let is_nothing =
            kind.is_none() && self.begins_anywhere() && is_nothing(form.as_ref(), first);
        // Who was told is not looked at again.
        let is_picture = kind == Some(Kind::Jpeg) && self.begins_anywhere();
        let damage = form
            .as_ref()
            .filter(|_| is_picture && !self.told.of_pictures())
            .and_then(|form| data.damage(form));
        let piece = form
            .filter(|form| self.is_piece(kind, &data, form))
            .and_then(|form| {
                let bytes = data.bytes(&form)?;
                Some((form, bytes))
            });
        let Some((form, bytes)) = piece else {
            if self.begins_anywhere() || kind.is_some() {
                self.media = Media::Whole(Newest {
                    data: data.clone(),
                    stamps,
                    kind,
                });
            }
            let mirrored = self
                .mirror
                .as_mut()
                .is_none_or(|mirror| mirror.whole(kind, &data, stamps));
            let is_broken = damage.is_some() || !mirrored;
            let trouble = if is_broken {
                Some(Trouble::Picture(damage))
            } else {
                is_nothing.then_some(Trouble::Nothing)
            };
            return Taken {
                data,
                stamps,
                content: Content::Whole,
                keyframe_gap: None,
                trouble: trouble.filter(|trouble| self.told.tell(trouble)),
            };
        };
        let (has_mirror, mirror_waits) = (self.mirror.is_some(), self.mirror_waits);
        let recording = self.recording(form, stamps, kind);
        let anew = recording.joinable.begins_anew_with(&bytes);
        let info = recording.joinable.push(&bytes);
        recording.inits += u64::from(info.new_init);
        if info.keyframes > 0 {
            recording.group_place = head;
            recording.stamps = stamps;
        }
        let mut trouble = recording.joinable.trouble(&info);
        let (inits, hold) = (recording.inits, Hold(recording.inits));
        // A mirror that waits is given all that it lacks as soon as anybody could join.
        let mirrored = match (has_mirror, mirror_waits) {
            (false, _) => None,
            (true, true) => recording.joinable.join(),
            (true, false) => Some(vec![bytes.clone()]),
        };
        self.inits = inits;
        self.mirror_waits = has_mirror && mirrored.is_none();
        if let Some(mirror) = &mut self.mirror {
            if anew {
                mirror.begin_anew();
            }
            for piece in mirrored.into_iter().flatten() {
                mirror.piece(piece, inits, stamps);
            }
            if trouble.is_none() {
                trouble = mirror.broken().cloned().map(Trouble::Frames);
            }
        }
        let content = Content::Piece {
            bytes,
            boundary: info.first_boundary,
            hold,
        };
        let gap = info.keyframe_gap.max(info.since_keyframe);
        let far = gap.filter(|gap| *gap > self.limits.keyframe_gap_max && !self.warned);
        self.warned |= far.is_some();
        Taken {
            data,
            stamps,
            content,
            keyframe_gap: far,
            trouble: trouble.filter(|trouble| self.told.tell(trouble)),
        }
    }

    /// Encodes a frame, which weighs `bytes`, for the viewers.
    pub(crate) fn put(&self, feed: &Feed<Packet>, taken: Taken, bytes: usize) {
        let is_whole = matches!(taken.content, Content::Whole);
        let parcel = Arc::new(Parcel {
            message: frame(&self.key, &taken.data, taken.stamps),
            content: taken.content,
        });
        if is_whole {
            feed.push_whole(parcel, bytes);
        } else {
            // Who lags in a recording may want the rest of what it was cut off in.
            feed.push(parcel, bytes);
        }
    }

    /// Whether a frame is a piece of a recording.
    fn is_piece(&self, kind: Option<Kind>, data: &Data, form: &Form) -> bool {
        const END_OF_IMAGE: [u8; 2] = [0xff, 0xd9];
        match kind {
            Some(Kind::WebM | Kind::Mp4) => true,
            _ if self.begins_anywhere() => false,
            // Inside a recording a piece may begin with any bytes, with the three of a JPEG too.
            None => true,
            Some(Kind::Jpeg) => !data
                .bytes(form)
                .is_some_and(|bytes| bytes.ends_with(&END_OF_IMAGE)),
            Some(Kind::Png | Kind::WebP | Kind::Unknown) => false,
        }
    }

    fn recording(&mut self, form: Form, stamps: Stamps, kind: Option<Kind>) -> &mut Recording {
        let goes_on = match &self.media {
            Media::Recording(recording) => recording.joinable.goes_on_with(kind),
            Media::Nothing | Media::Whole(_) => false,
        };
        if !goes_on {
            let kind = kind.unwrap_or(Kind::WebM);
            self.media = Media::Recording(Box::new(Recording {
                joinable: Joinable::new(kind, self.limits.group_bytes_max),
                form: form.clone(),
                stamps,
                group_place: 0,
                inits: self.inits,
            }));
        }
        let Media::Recording(recording) = &mut self.media else {
            unreachable!("a recording was just begun")
        };
        recording.form = form;
        recording
    }
}

impl Taken {
    /// Bytes that it weighs in the feed.
    pub(crate) fn len(&self) -> usize {
        self.data.len()
    }
}

/// Whether nothing known can begin like this, however it goes on.
fn is_nothing(form: Option<&Form>, first: Option<Vec<u8>>) -> bool {
    let (Some(form), Some(first)) = (form, first) else {
        return true;
    };
    if first.is_empty() {
        // A recorder may have nothing to say; text that should hold something holds nothing that can be read.
        return *form != Form::Binary;
    }
    sniff(&first) == Some(Kind::Unknown)
}

/// What the first bytes of a frame tell, if it is anything known. A recorder's first chunk may be a single byte.
fn recognise(first: &[u8]) -> Option<Kind> {
    const EBML_MAGIC: [u8; 4] = [0x1a, 0x45, 0xdf, 0xa3];
    if !first.is_empty() && EBML_MAGIC.starts_with(first) {
        return Some(Kind::WebM);
    }
    sniff(first).filter(|kind| *kind != Kind::Unknown)
}
