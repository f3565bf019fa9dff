//! What a relay gives to viewers: to who comes, to who fell behind, and to who asks for a still or for a word on what it is.
//!
//! Nothing changes here but what is kept encoded for the next who asks.

use super::encoding::{buffer, frame, joined};
use super::{Hold, Media, Newest, Recording, Relay, Resume};
use crate::payload::Data;
use crate::trouble::Trouble;
use abanico_media::sniff::Kind;
use abanico_socketio::Message;
use bytes::Bytes;
use std::time::Instant;

impl Relay {
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
            self.encoded = Some(buffer(&self.key, &data, stamps));
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

    /// Why nothing can be shown now of the recording that is being sent.
    pub(crate) fn unreadable(&self) -> Option<Trouble> {
        let Media::Recording(recording) = &self.media else {
            return None;
        };
        let frames = || Some(Trouble::Frames(self.mirror.as_ref()?.broken()?.clone()));
        recording.joinable.unreadable().or_else(frames)
    }

    /// Whether anything was sent.
    pub(crate) fn has_begun(&self) -> bool {
        self.newest_at.is_some()
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

    fn piece(&self, recording: &Recording, bytes: Bytes) -> Message {
        let data = Data::in_form(&recording.form, bytes);
        frame(&self.key, &data, recording.stamps)
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
