//! A recording that one can join in the middle, whatever its container.

use crate::trouble::Trouble;
use abanico_media::sniff::Kind;
use abanico_media::webm::ChunkInfo;
use abanico_media::{mp4, webm};
use bytes::Bytes;

pub(crate) enum Joinable {
    WebM(webm::Joinable),
    Mp4(mp4::Joinable),
}

impl Joinable {
    /// A recording of this kind, of whose newest group so many bytes are kept.
    pub(crate) fn new(kind: Kind, group_bytes_max: usize) -> Self {
        if kind == Kind::Mp4 {
            return Self::Mp4(mp4::Joinable::new(mp4::Limits::default(), group_bytes_max));
        }
        Self::WebM(webm::Joinable::new(webm::Limits {
            group_bytes_max,
            ..webm::Limits::default()
        }))
    }

    /// Whether a piece that begins like this can belong to it, as its beginning or as what follows.
    pub(crate) fn goes_on_with(&self, kind: Option<Kind>) -> bool {
        match (self, kind) {
            (_, None | Some(Kind::Jpeg | Kind::Png | Kind::WebP | Kind::Unknown)) => true,
            (Self::WebM(_), Some(kind)) => kind == Kind::WebM,
            (Self::Mp4(mp4), Some(kind)) => kind == Kind::Mp4 && !mp4.is_broken(),
        }
    }

    /// Whether a recording begins with this piece that whoever reads the bytes in a row could take for something else: MP4
    /// has no mark that stands out of what a broken box claims to hold. WebM has.
    pub(crate) fn begins_anew_with(&self, piece: &Bytes) -> bool {
        matches!(self, Self::Mp4(_)) && piece.get(4..8) == Some(b"ftyp")
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::WebM(_) => "webm",
            Self::Mp4(_) => "mp4",
        }
    }

    pub(crate) fn push(&mut self, piece: &Bytes) -> ChunkInfo {
        match self {
            Self::WebM(webm) => webm.push(piece),
            Self::Mp4(mp4) => mp4.push(piece),
        }
    }

    /// What was wrong in a piece of which `info` came. A recorder that is started again in the middle of an element is not.
    pub(crate) fn trouble(&self, info: &ChunkInfo) -> Option<Trouble> {
        let is_hit = info.ends_in_garbage || info.skipped_bytes > 0 && info.restarted.is_none();
        if !is_hit {
            return None;
        }
        match self {
            Self::WebM(_) => Some(Trouble::Garbage),
            Self::Mp4(mp4) => mp4.broken().cloned().map(Trouble::Mp4),
        }
    }

    /// Why nobody can join it, and nobody will before something else comes than what came last.
    pub(crate) fn unreadable(&self) -> Option<Trouble> {
        match self {
            Self::WebM(webm) => {
                (webm.is_lost() && webm.join().is_none()).then_some(Trouble::Garbage)
            }
            Self::Mp4(mp4) => mp4.broken().cloned().map(Trouble::Mp4),
        }
    }

    pub(crate) fn join(&self) -> Option<Vec<Bytes>> {
        match self {
            Self::WebM(webm) => webm.join(),
            Self::Mp4(mp4) => mp4.join(),
        }
    }

    pub(crate) fn rejoin(&self) -> Option<Vec<Bytes>> {
        match self {
            Self::WebM(webm) => webm.rejoin(),
            Self::Mp4(mp4) => mp4.rejoin(),
        }
    }

    pub(crate) fn keyframe(&self) -> Option<Vec<Bytes>> {
        match self {
            Self::WebM(webm) => webm.keyframe(),
            Self::Mp4(mp4) => mp4.keyframe(),
        }
    }

    pub(crate) fn init_segment(&self) -> Option<Bytes> {
        let init = match self {
            Self::WebM(webm) => webm.init(),
            Self::Mp4(mp4) => mp4.init(),
        };
        init.map(|init| init.segment.clone())
    }
}
