//! What a Socket.IO publisher sends, as frames for those who watch over other doors.
//!
//! Exists only while somebody does. It begins with what a viewer would be given that joins then, so that nobody waits for
//! the next keyframe. What cannot be made frames of is left out; Socket.IO viewers get it as it came all the same.

use crate::payload::Data;
use crate::relay::Stamps;
use abanico_live::{Channel, Encoder, Source, SourceError};
use abanico_media::sniff::Kind;
use bytes::Bytes;
use tracing::debug;

/// Gives one stream's bytes to its channel.
pub(crate) struct Mirror {
    channel: Channel,
    into: Into,
}

enum Into {
    Nothing,
    Pictures(Encoder),
    Recording(Box<Source>),
    /// Nothing more can be made of this recording: perhaps of the next.
    Broken {
        inits: u64,
        why: SourceError,
    },
}

impl Mirror {
    pub(crate) fn new(channel: Channel) -> Self {
        Self {
            channel,
            into: Into::Nothing,
        }
    }

    /// Takes something that is shown by itself. False if it should be a picture and is none.
    pub(crate) fn whole(&mut self, kind: Option<Kind>, data: &Data, stamps: Stamps) -> bool {
        if kind != Some(Kind::Jpeg) {
            return true;
        }
        let Some(picture) = data.form().and_then(|form| data.bytes(&form)) else {
            return false;
        };
        if !matches!(self.into, Into::Pictures(_)) {
            self.into = Into::Pictures(self.channel.encoder());
        }
        let Into::Pictures(encoder) = &mut self.into else {
            return true;
        };
        let taken = encoder.picture(picture, stamps.captured_micros());
        taken.is_ok_and(|taken| taken.faults.is_empty())
    }

    /// Why nothing more can be made of the recording that is being sent.
    pub(crate) fn broken(&self) -> Option<&SourceError> {
        match &self.into {
            // Who was replaced or has ended is told so elsewhere.
            Into::Broken {
                why: why @ SourceError::Ingest(_),
                ..
            } => Some(why),
            Into::Broken { .. } | Into::Nothing | Into::Pictures(_) | Into::Recording(_) => None,
        }
    }

    /// A recording begins with the next piece, wherever the one before was cut off.
    pub(crate) fn begin_anew(&mut self) {
        self.into = Into::Nothing;
    }

    /// Takes a piece of a recording, of which `inits` init segments have come.
    pub(crate) fn piece(&mut self, piece: Bytes, inits: u64, stamps: Stamps) {
        match self.into {
            Into::Broken { inits: before, .. } if before == inits => return,
            Into::Recording(_) => {}
            Into::Nothing | Into::Pictures(_) | Into::Broken { .. } => {
                self.into = Into::Recording(Box::new(self.channel.bytes()));
            }
        }
        let Into::Recording(source) = &mut self.into else {
            return;
        };
        let broken = match source.push(piece, stamps.captured_micros()) {
            Ok(taken) => taken.broken.map(SourceError::from),
            Err(error) => Some(error),
        };
        if let Some(error) = broken {
            debug!(%error, "a recording cannot be watched over other doors");
            self.into = Into::Broken { inits, why: error };
        }
    }
}

impl Stamps {
    /// When it was captured, as a channel counts; 0 when nobody says so.
    fn captured_micros(self) -> i64 {
        let captured = self.captured.unwrap_or(0).saturating_mul(1000);
        i64::try_from(captured).unwrap_or(0)
    }
}
