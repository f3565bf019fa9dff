//! One packet of one format: the bytes of the wire, made once and shared by all who watch.

use bytes::Bytes;
use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// What travels in a format's feed. Cloning it clones handles to shared bytes.
#[derive(Debug, Clone)]
pub struct Packet {
    /// What the format puts before the payload. Of an init packet, all of it.
    pub head: Bytes,
    /// The frame's payload as it came, uncopied. Of an init packet, nothing.
    pub payload: Bytes,
    /// What the format puts after the payload.
    pub tail: &'static [u8],
    /// What it is.
    pub content: Content,
    /// What a door has made of it.
    pub(crate) framed: Framed,
}

/// What a door has made of a packet for its wire, once for all its viewers.
#[derive(Clone, Default)]
pub(crate) struct Framed(Arc<OnceLock<Box<dyn Any + Send + Sync>>>);

impl fmt::Debug for Framed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Framed")
    }
}

/// What a packet holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// What a player needs before the frames that follow: an init segment, or `tracks` as JSON.
    Init {
        /// Which one, counted since the stream began.
        version: u64,
    },
    /// A frame.
    Frame {
        /// Its number among all frames of the stream.
        sequence: u64,
        /// Whether it is video's, and not sound's.
        video: bool,
        /// Whether it decodes alone.
        keyframe: bool,
        /// When it was captured, in microseconds since 1970; 0 when unknown.
        captured: i64,
    },
}

impl Packet {
    pub(crate) fn init(head: Bytes, version: u64) -> Self {
        Self {
            head,
            payload: Bytes::new(),
            tail: &[],
            content: Content::Init { version },
            framed: Framed::default(),
        }
    }

    /// Bytes in all.
    pub fn len(&self) -> usize {
        self.head.len() + self.payload.len() + self.tail.len()
    }

    /// Never true of what a channel gives.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a player must begin anew with it.
    pub fn is_init(&self) -> bool {
        matches!(self.content, Content::Init { .. })
    }

    /// Whether it is a part of a multipart body: its payload is a picture by itself.
    pub fn is_part(&self) -> bool {
        !self.tail.is_empty()
    }

    /// Whether it is the line before the first part of a multipart body, which means nothing elsewhere.
    pub fn is_separator(&self) -> bool {
        self.is_init() && self.head.starts_with(b"--")
    }

    /// Whether a viewer can begin with it, if it has the init packet.
    pub fn begins_group(&self) -> bool {
        matches!(
            self.content,
            Content::Frame {
                video: true,
                keyframe: true,
                ..
            }
        )
    }

    /// Its parts in the order of the wire, none of them empty.
    pub fn parts(&self) -> impl Iterator<Item = Bytes> {
        let tail = Bytes::from_static(self.tail);
        [self.head.clone(), self.payload.clone(), tail]
            .into_iter()
            .filter(|part| !part.is_empty())
    }

    /// What `frame` makes of it for a door's wire: made once, for whoever asks first, and shared by all.
    ///
    /// # Panics
    /// When the packets of one format are framed as two types: a format has one door that frames it.
    pub fn framed<T: Send + Sync + 'static>(&self, frame: impl FnOnce(&Self) -> T) -> &T {
        let framed = self.framed.0.get_or_init(|| Box::new(frame(self)));
        framed
            .downcast_ref()
            .expect("one door alone frames the packets of a format")
    }

    /// All of it in one piece. Copies it.
    pub fn joined(&self) -> Bytes {
        if self.payload.is_empty() && self.tail.is_empty() {
            return self.head.clone();
        }
        [&self.head, &self.payload, self.tail].concat().into()
    }
}
