//! What one stream's publisher sends, made ready for its viewers: each frame encoded once, and what a late viewer needs.
//!
//! Frames are passed on byte for byte. Of a recording the relay also follows the bytes, so that a viewer can begin at the
//! newest keyframe; of pictures, and of anything that it does not know, it keeps the newest.
//!
//! Invariant: nobody is sent a part of a recording without an init segment and a keyframe before it, unless it has them.

use crate::bridge::Bridge;
use crate::config::Limits;
use crate::joinable::Joinable;
use crate::mirror::Mirror;
use crate::names::from_server;
use crate::payload::{Data, Form};
use crate::time::Timestamp;
use abanico_core::key::StreamKey;
use abanico_live::Channel;
use abanico_media::sniff::{Kind, sniff};
use abanico_socketio::Message;
use bytes::{Bytes, BytesMut};
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
            Media::Whole(newest) => mirror.whole(newest.kind, &newest.data, newest.stamps),
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
        let kind = form
            .as_ref()
            .and_then(|form| recognise(&data.first_bytes(form)));
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
            if let Some(mirror) = &mut self.mirror {
                mirror.whole(kind, &data, stamps);
            }
            return Taken {
                data,
                stamps,
                content: Content::Whole,
                keyframe_gap: None,
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
        }
    }

    /// What a viewer that joins now is shown first: a `stream:buffer`. `None` when there is nothing recent.
    pub(crate) fn backlog(&mut self, now: Instant) -> Option<Message> {
        let newest_at = self.newest_at?;
        if now.saturating_duration_since(newest_at) > self.limits.backlog_for {
            return None;
        }
        if self.encoded.is_none() {
            let (data, stamps) = match &self.media {
                Media::Nothing => return None,
                Media::Whole(newest) => (newest.data.clone(), newest.stamps),
                Media::Recording(recording) => {
                    let pieces = recording.joinable.join()?;
                    (
                        Data::in_form(&recording.form, joined(pieces)),
                        recording.stamps,
                    )
                }
            };
            let (key, frame) = (self.key.as_str(), frame_json(&self.key, &data, stamps));
            let arguments = format!(r#"{{"streamKey":"{key}","frames":[{frame}]}}"#);
            self.encoded = Some(encode(from_server::STREAM_BUFFER, &arguments, &data));
        }
        self.encoded.clone()
    }

    /// The hold of a viewer that was sent everything up to now.
    pub(crate) fn hold(&self) -> Hold {
        match &self.media {
            Media::Recording(recording) => Hold(recording.inits),
            Media::Nothing | Media::Whole(_) => Hold(0),
        }
    }

    /// Whether a viewer may begin with whatever comes next, without a backlog.
    pub(crate) fn begins_anywhere(&self) -> bool {
        !matches!(self.media, Media::Recording(_))
    }

    /// A `stream:data` with which a viewer of a recording that has nothing can begin.
    pub(crate) fn beginning(&self) -> Option<Message> {
        let Media::Recording(recording) = &self.media else {
            return None;
        };
        Some(self.piece(recording, joined(recording.joinable.join()?)))
    }

    /// Where in the feed the newest group begins; of pictures the newest one is always newer.
    pub(crate) fn group_place(&self) -> u64 {
        match &self.media {
            Media::Recording(recording) => recording.group_place,
            Media::Nothing | Media::Whole(_) => u64::MAX,
        }
    }

    /// Whether a viewer that stands at `place` has something newer to go to.
    pub(crate) fn is_newer(&self, place: u64) -> bool {
        self.group_place() > place
    }

    /// How a viewer goes on that has fallen behind in a feed whose newest packet is before `head`. `rest` are the bytes
    /// from its place to the end of the element that it was cut off in, or `None` if they are lost. `keyframe_alone` is
    /// for a viewer that cannot take more than that.
    pub(crate) fn resume(
        &self,
        head: u64,
        hold: Hold,
        rest: Option<Vec<Bytes>>,
        keyframe_alone: bool,
    ) -> Resume {
        let Media::Recording(recording) = &self.media else {
            return Resume::At(head.saturating_sub(1));
        };
        let whole = rest.is_some();
        let mut pieces = rest.unwrap_or_default();
        let Some(group) = recording.group(hold, whole, keyframe_alone) else {
            return Resume::ReadOn;
        };
        pieces.extend(group);
        Resume::With(self.piece(recording, joined(pieces)), head)
    }

    /// The newest keyframe, or the newest group, for a viewer of a recording that stands at an element's end.
    pub(crate) fn restart(&self, hold: Hold, keyframe_alone: bool) -> Option<Message> {
        let Media::Recording(recording) = &self.media else {
            return None;
        };
        let pieces = recording.group(hold, true, keyframe_alone)?;
        Some(self.piece(recording, joined(pieces)))
    }

    /// The newest picture, if the stream is one of pictures.
    pub(crate) fn picture(&self) -> Option<(&'static str, Bytes)> {
        let Media::Whole(Newest {
            data,
            kind: Some(kind),
            ..
        }) = &self.media
        else {
            return None;
        };
        if !kind.is_picture() {
            return None;
        }
        Some((kind.mime(), data.bytes(&data.form()?)?))
    }

    /// Why nobody but Socket.IO viewers can be given it, if that is so.
    pub(crate) fn unshowable(&self) -> Option<&'static str> {
        let Media::Whole(newest) = &self.media else {
            return None;
        };
        match newest.kind {
            Some(Kind::Jpeg | Kind::WebM | Kind::Mp4) => None,
            Some(Kind::Png) => Some(
                "this stream is PNG pictures, which can be had over Socket.IO and as .jpg only",
            ),
            Some(Kind::WebP) => Some(
                "this stream is WebP pictures, which can be had over Socket.IO and as .jpg only",
            ),
            Some(Kind::Unknown) | None => Some(
                "this stream is nothing that this server knows; it can be had over Socket.IO only",
            ),
        }
    }

    /// What the stream carries, in one word for a list.
    pub(crate) fn kind_name(&self) -> Option<&'static str> {
        match &self.media {
            Media::Nothing => None,
            Media::Recording(recording) => Some(recording.joinable.name()),
            Media::Whole(newest) => Some(match newest.kind {
                Some(kind) if kind.is_picture() => "picture",
                Some(_) | None => "opaque",
            }),
        }
    }

    /// Encodes a frame for the viewers.
    pub(crate) fn parcel(&self, taken: Taken) -> Packet {
        let frame = frame_json(&self.key, &taken.data, taken.stamps);
        let message = encode(from_server::STREAM_DATA, &frame, &taken.data);
        Arc::new(Parcel {
            message,
            content: taken.content,
        })
    }

    fn piece(&self, recording: &Recording, bytes: Bytes) -> Message {
        let data = Data::in_form(&recording.form, bytes);
        encode(
            from_server::STREAM_DATA,
            &frame_json(&self.key, &data, recording.stamps),
            &data,
        )
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

impl Recording {
    /// The newest group, or its keyframe alone, with the init segment if the viewer does not hold it or was left inside
    /// an element.
    fn group(&self, hold: Hold, at_boundary: bool, keyframe_alone: bool) -> Option<Vec<Bytes>> {
        let group = if keyframe_alone {
            self.joinable.keyframe()
        } else {
            self.joinable.rejoin()
        }?;
        if at_boundary && hold == Hold(self.inits) {
            return Some(group);
        }
        let init = self.joinable.init_segment()?;
        Some(std::iter::once(init).chain(group).collect())
    }
}

impl Taken {
    /// Bytes that it weighs in the feed.
    pub(crate) fn len(&self) -> usize {
        self.data.len()
    }
}

/// What the first bytes of a frame tell, if it is anything known. A recorder's first chunk may be a single byte.
fn recognise(first: &[u8]) -> Option<Kind> {
    const EBML_MAGIC: [u8; 4] = [0x1a, 0x45, 0xdf, 0xa3];
    if !first.is_empty() && EBML_MAGIC.starts_with(first) {
        return Some(Kind::WebM);
    }
    sniff(first).filter(|kind| *kind != Kind::Unknown)
}

fn joined(pieces: Vec<Bytes>) -> Bytes {
    let mut all = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
    for piece in pieces {
        all.extend_from_slice(&piece);
    }
    all.freeze()
}

fn frame_json(key: &StreamKey, data: &Data, stamps: Stamps) -> String {
    let (key, data, received) = (key.as_str(), &data.json, stamps.received.millis());
    match stamps.captured {
        Some(captured) => format!(
            r#"{{"streamKey":"{key}","data":{data},"timestamp":{received},"capturedAt":{captured}}}"#
        ),
        None => format!(r#"{{"streamKey":"{key}","data":{data},"timestamp":{received}}}"#),
    }
}

fn encode(event: &str, arguments: &str, data: &Data) -> Message {
    Message::raw(event, arguments, data.attachments.clone())
        .expect("our event names are not reserved")
}
