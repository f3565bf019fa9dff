//! A publisher: has itself let in, and sends a frame whenever one is due.
//!
//! Frames keep their rhythm by the clock, not by the server: one that cannot be sent in time is sent late, stamped with
//! the time when it is sent, and its lateness is told apart from the server's.

use crate::client::Crowded;
use crate::link::{Keep, Link, LinkError};
use crate::machine::now_us;
use crate::material::{Stamp, Template, chunk, piece};
use crate::native;
use crate::video::Video;
use crate::way::{Speaker, Way};
use rustix::event::epoll::EventFlags;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;

/// What is published.
#[derive(Debug, Clone)]
pub(crate) enum Material {
    /// Made-up pictures of this many bytes.
    Pictures(usize),
    /// Made-up video, each frame of this many bytes.
    Video(usize),
    /// A file in pieces of this many bytes, over and over.
    Recording(Arc<[u8]>, usize),
}

/// What is made up.
#[derive(Debug)]
enum MadeUp {
    Picture(Template),
    Video(Video),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Idle,
    Connecting,
    Asking,
    Publishing,
    Over,
}

/// The publisher of one stream.
#[derive(Debug)]
pub(crate) struct Publisher {
    stream: usize,
    way: Way,
    material: Material,
    every_us: u64,
    /// Where the key goes when the stream exists, or why it does not.
    told: Sender<Result<(usize, String), String>>,
    stage: Stage,
    link: Option<Link>,
    speaker: Speaker,
    made_up: Option<MadeUp>,
    number: u64,
    due_us: u64,
    /// Where in the file the next piece begins.
    offset: usize,
}

/// How much of what the server says a publisher reads.
const KEEP: Keep = Keep {
    head: 4096,
    tail: 0,
};
/// A publisher that is later than this gives up frames rather than send them in a burst.
const LATE_US_MAX: u64 = 1_000_000;

impl Publisher {
    /// The publisher of stream number `stream`.
    pub(crate) fn new(
        stream: usize,
        way: Way,
        material: Material,
        every_us: u64,
        told: Sender<Result<(usize, String), String>>,
    ) -> Self {
        let tracks = match material {
            Material::Video(_) => native::VIDEO,
            Material::Pictures(_) | Material::Recording(..) => native::PICTURES,
        };
        Self {
            stream,
            way,
            material,
            every_us,
            told,
            stage: Stage::Idle,
            link: None,
            speaker: Speaker::new(way, stream, tracks),
            made_up: None,
            number: 0,
            due_us: 0,
            offset: 0,
        }
    }

    /// Begins, or publishes the frame that is due.
    pub(crate) fn alarm(&mut self, crowd: &mut Crowded<'_>, _wish: u32) {
        let result = match self.stage {
            Stage::Idle => self.connect(crowd),
            Stage::Publishing => self.publish(crowd),
            _ => Ok(()),
        };
        self.settle(result);
    }

    /// The socket is ready.
    pub(crate) fn ready(&mut self, crowd: &mut Crowded<'_>, flags: EventFlags) {
        let result = self.proceed(crowd, flags);
        self.settle(result);
    }

    fn connect(&mut self, crowd: &Crowded<'_>) -> Result<(), LinkError> {
        let link = Link::connect(&crowd.shared.target, crowd.number, KEEP)?;
        crowd.watch(&link)?;
        self.link = Some(link);
        self.stage = Stage::Connecting;
        Ok(())
    }

    fn proceed(&mut self, crowd: &mut Crowded<'_>, flags: EventFlags) -> Result<(), LinkError> {
        let Some(link) = &mut self.link else {
            return Ok(());
        };
        let is_video = matches!(self.material, Material::Recording(..));
        if self.stage == Stage::Connecting {
            link.connected()?;
            let request = self.speaker.request(&crowd.shared.host(), is_video);
            link.send(request.as_bytes())?;
            self.stage = Stage::Asking;
            return crowd.watch_for(&*link, EventFlags::IN);
        }
        self.speaker.listen(link, crowd.scratch, is_video)?;
        let waited = flags.contains(EventFlags::OUT);
        link.flush()?;
        Self::watch_for_more(crowd, link, waited)?;
        if self.stage == Stage::Asking && self.speaker.has_begun() {
            self.begin(crowd);
        }
        Ok(())
    }

    /// The stream exists.
    fn begin(&mut self, crowd: &mut Crowded<'_>) {
        self.stage = Stage::Publishing;
        let key = &self.speaker.key;
        self.made_up = match self.material {
            Material::Pictures(size) => {
                let binary = crowd.shared.door.is_binary();
                let template = Template::published(self.way, key, size, binary);
                Some(MadeUp::Picture(template))
            }
            Material::Video(size) => {
                let rate = 1e6 / self.every_us.max(1) as f64;
                Some(MadeUp::Video(Video::published(size, rate)))
            }
            Material::Recording(..) => None,
        };
        // The run waits for it; when it does not, it is over.
        let _ = self.told.send(Ok((self.stream, key.clone())));
        let streams = crowd.shared.sent.len() as u64;
        self.due_us = crowd.now_us + self.every_us * self.stream as u64 / streams;
        crowd.call_at(self.due_us, 0);
    }

    fn publish(&mut self, crowd: &mut Crowded<'_>) -> Result<(), LinkError> {
        if crowd.shared.publishing_is_over.load(Ordering::Relaxed) {
            return Ok(());
        }
        let Some(link) = &mut self.link else {
            return Ok(());
        };
        let late_us = crowd.now_us.saturating_sub(self.due_us);
        crowd.tally.lateness.saturating_record(late_us.max(1));
        let waited = link.has_more_to_send();
        let stamp = Stamp {
            number: self.number,
            sent_us: now_us(),
        };
        crowd.shared.departures.note(self.stream, stamp);
        match (
            &mut self.made_up,
            &self.material,
            crowd.shared.recording_since_ms,
        ) {
            (Some(MadeUp::Picture(template)), ..) => link.send(template.stamped(stamp))?,
            (Some(MadeUp::Video(video)), ..) => link.send(video.stamped(stamp))?,
            (None, Material::Recording(file, size), Some(since_ms)) => {
                let end = file.len().min(self.offset + size);
                let part = &file[self.offset..end];
                self.offset = if end == file.len() { 0 } else { end };
                let captured_at = since_ms + stamp.number;
                let binary = crowd.shared.door.is_binary();
                let mut bytes = Vec::new();
                match self.way {
                    Way::Http => _ = chunk(&mut bytes, part),
                    Way::SocketIo | Way::Native => {
                        bytes = piece(&self.speaker.key, part, captured_at, binary);
                    }
                }
                link.send(&bytes)?;
            }
            _ => {}
        }
        if !waited {
            Self::watch_for_more(crowd, link, false)?;
        }
        self.number += 1;
        crowd.shared.sent[self.stream].store(self.number, Ordering::Relaxed);
        self.due_us += self.every_us;
        if late_us > LATE_US_MAX {
            self.due_us = crowd.now_us + self.every_us;
        }
        crowd.call_at(self.due_us, 0);
        Ok(())
    }

    fn watch_for_more(crowd: &Crowded<'_>, link: &Link, waited: bool) -> Result<(), LinkError> {
        match (link.has_more_to_send(), waited) {
            (true, false) => crowd.watch_for(link, EventFlags::IN | EventFlags::OUT),
            (false, true) => crowd.watch_for(link, EventFlags::IN),
            _ => Ok(()),
        }
    }

    fn settle(&mut self, result: Result<(), LinkError>) {
        let Err(error) = result else { return };
        self.link = None;
        self.stage = Stage::Over;
        // The run waits for it; when it does not, it is over.
        let _ = self.told.send(Err(error.to_string()));
    }
}
