//! Walks a recording element by element, however its bytes are cut.
//!
//! Knows which elements may stand where, how long they may be, and how to find the way back after
//! garbage. What stands in them is read by [`super::demux`].
//!
//! Invariants: every byte is looked at a bounded number of times; nothing is kept but the body of
//! the one element that is being read, and that only as far as it has come; a body that lies in one
//! chunk is a slice of it.

use bytes::{Buf, Bytes, BytesMut};

use super::Limits;
use super::ebml::{Header, Read, id};
use super::resync::{DOCUMENT_HEADER_BYTES_MAX, Tail, document_signature, recovery_signature};
use crate::rest::Rest;

/// One thing met on the way. Positions count from the first byte ever pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// An EBML header begins: a new recording.
    Document {
        at: u64,
        /// What stood before it was not finished.
        cut_short: bool,
    },
    /// A Cluster begins.
    Cluster { at: u64 },
    /// A Cluster of known size ended.
    ClusterEnd { at: u64 },
    /// An element that somebody reads, whole.
    Leaf {
        id: u32,
        start: u64,
        end: u64,
        body: Bytes,
        /// A made-up cluster may follow it: it stood in a Cluster of unknown size.
        open_ended: bool,
    },
    /// Bytes that meant nothing, up to `end`.
    Garbage { bytes: u64, end: u64 },
}

#[derive(Debug)]
pub(crate) struct Walker {
    limits: Limits,
    /// Where the next byte that is read stands.
    position: u64,
    /// Where the element that is being read began.
    element_start: u64,
    state: State,
    cluster: Option<Cluster>,
    /// Bytes that were read too far and are read again before anything new.
    again: Bytes,
    /// The beginning of a chunk that came in the middle of an element and so far looks like a new
    /// recording.
    suspect: Tail,
    /// What was before was cut off, and nothing was understood since.
    interrupted: bool,
}

#[derive(Debug)]
enum State {
    /// Before or in an element's header, whose first bytes are kept here.
    Header(Tail),
    /// In a body that somebody reads.
    Body {
        id: u32,
        rest: usize,
        body: BytesMut,
    },
    /// In a body that nobody reads.
    Pass { rest: u64 },
    /// In garbage that began at `from`: looking for a Cluster or an EBML header. `window` holds the
    /// last bytes, which may be the beginning of one.
    Lost { from: u64, window: Tail },
}

#[derive(Clone, Copy, Debug)]
struct Cluster {
    /// Where it ends, when its size is known.
    end: Option<u64>,
}

/// What is to be done with an element, by its header.
enum Plan {
    Document,
    Segment,
    Cluster,
    Read,
    Pass,
    Garbage,
}

impl Walker {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            position: 0,
            element_start: 0,
            state: State::Header(Tail::default()),
            cluster: None,
            again: Bytes::new(),
            suspect: Tail::default(),
            interrupted: false,
        }
    }

    /// Where the element that is being read began: nothing before it is needed to read it again.
    pub(crate) fn unfinished_from(&self) -> u64 {
        match self.state {
            State::Lost { .. } => self.position,
            State::Header(_) | State::Body { .. } | State::Pass { .. } => self.element_start,
        }
    }

    /// How it would stand if nothing followed.
    pub(crate) fn rest(&self) -> Rest {
        let suspect = self.suspect.bytes().len() as u64;
        match &self.state {
            State::Lost { from, window } => Rest::Garbage {
                bytes: self.position + window.bytes().len() as u64 - from,
                expected: "a Cluster or an EBML header",
            },
            State::Body {
                id: id::SIMPLE_BLOCK | id::BLOCK_GROUP,
                ..
            } => Rest::unfinished("a block", self.position - self.element_start + suspect),
            State::Header(head) if head.is_empty() => match self.cluster {
                Some(Cluster { end: Some(_) }) => Rest::unfinished("a Cluster", suspect),
                Some(Cluster { end: None }) | None => {
                    Rest::begun("an element", self.suspect.bytes().len())
                }
            },
            State::Header(_) | State::Body { .. } | State::Pass { .. } => {
                Rest::unfinished("an element", self.position - self.element_start + suspect)
            }
        }
    }

    /// Looks at the beginning of a chunk before it is walked: a publisher that was cut off in the
    /// middle of an element begins its new recording in a new chunk. Call it once for each chunk,
    /// before [`Self::next`].
    ///
    /// Returns the element that was cut off, if so.
    pub(crate) fn begin_chunk(&mut self, chunk: &mut Bytes) -> Option<Item> {
        if self.suspect.is_empty() {
            if self.at_edge() || matches!(self.state, State::Lost { .. }) {
                return None;
            }
            match document_signature(chunk) {
                Read::Bad => return None,
                Read::Done(..) => return Some(self.cut_short()),
                Read::More => {}
            }
        }
        while let Some(byte) = chunk.first() {
            self.suspect.push(*byte);
            chunk.advance(1);
            match document_signature(self.suspect.bytes()) {
                Read::More => {}
                Read::Done(..) => return Some(self.cut_short()),
                Read::Bad => {
                    // Nothing of the kind: it is walked as what it seemed before.
                    let suspect = std::mem::take(&mut self.suspect);
                    self.read_again(suspect.bytes());
                    return None;
                }
            }
        }
        None
    }

    /// Walks on to the next thing, taking what it needs from the front of `chunk`. `None` when the
    /// chunk is used up.
    pub(crate) fn next(&mut self, chunk: &mut Bytes) -> Option<Item> {
        loop {
            if let Some(item) = self.end_cluster() {
                return Some(item);
            }
            let item = if !self.again.is_empty() {
                let mut again = std::mem::take(&mut self.again);
                let item = self.step(&mut again);
                self.again = [&self.again[..], &again].concat().into();
                item
            } else if !chunk.is_empty() {
                self.step(chunk)
            } else {
                return None;
            };
            if item.is_some() {
                return item;
            }
        }
    }

    /// Between two elements, with nothing begun.
    fn at_edge(&self) -> bool {
        matches!(&self.state, State::Header(head) if head.is_empty()) && self.again.is_empty()
    }

    fn cut_short(&mut self) -> Item {
        let suspect = std::mem::take(&mut self.suspect);
        self.read_again(suspect.bytes());
        self.state = State::Header(Tail::default());
        self.cluster = None;
        self.interrupted = true;
        Item::Garbage {
            bytes: self.position - self.element_start,
            end: self.position,
        }
    }

    fn read_again(&mut self, bytes: &[u8]) {
        self.again = [bytes, &self.again].concat().into();
    }

    /// Makes some way in `input`, which is not empty.
    fn step(&mut self, input: &mut Bytes) -> Option<Item> {
        match &mut self.state {
            State::Header(head) => {
                if head.is_empty() {
                    self.element_start = self.position;
                }
                while input.has_remaining() {
                    head.push(input.get_u8());
                    self.position += 1;
                    match Header::read(head.bytes()) {
                        Read::Done(header, _) => {
                            let head = std::mem::take(head);
                            return self.enter(header, &head);
                        }
                        Read::More => {}
                        Read::Bad => {
                            let head = std::mem::take(head);
                            self.lose_way(&head);
                            return None;
                        }
                    }
                }
                None
            }
            State::Body { id, rest, body } => {
                let len = input.len().min(*rest);
                self.position += len as u64;
                if len < *rest {
                    if body.is_empty() {
                        body.reserve((*rest).min(BODY_BYTES_AT_FIRST));
                    }
                    body.extend_from_slice(&input.split_to(len));
                    *rest -= len;
                    return None;
                }
                let whole = if body.is_empty() {
                    input.split_to(len)
                } else {
                    body.extend_from_slice(&input.split_to(len));
                    std::mem::take(body).freeze()
                };
                let id = *id;
                Some(self.leave(id, whole))
            }
            State::Pass { rest } => {
                let len = (input.len() as u64).min(*rest);
                input.advance(usize::try_from(len).expect("it is at most the input's length"));
                self.position += len;
                *rest -= len;
                if *rest == 0 {
                    self.state = State::Header(Tail::default());
                }
                None
            }
            State::Lost { .. } => self.search(input),
        }
    }

    /// Goes into an element whose header was just read.
    fn enter(&mut self, header: Header, head: &Tail) -> Option<Item> {
        let at = self.element_start;
        let plan = self.plan(header);
        let size = header.size.unwrap_or(0);
        self.state = State::Header(Tail::default());
        match plan {
            Plan::Garbage => {
                self.lose_way(head);
                return None;
            }
            Plan::Segment => {
                self.cluster = None;
                return None;
            }
            Plan::Cluster => {
                let end = header.size.map(|size| self.position.saturating_add(size));
                self.cluster = Some(Cluster { end });
                self.interrupted = false;
                return Some(Item::Cluster { at });
            }
            Plan::Pass => {
                if size > 0 {
                    self.state = State::Pass { rest: size };
                }
            }
            Plan::Document | Plan::Read => {
                let rest = usize::try_from(size).expect("the plan bounds it");
                self.state = State::Body {
                    id: header.id,
                    rest,
                    body: BytesMut::new(),
                };
            }
        }
        let in_sized_cluster = self.cluster.is_some_and(|cluster| cluster.end.is_some());
        if ends_cluster(header.id) {
            self.cluster = None;
        }
        matches!(plan, Plan::Document).then(|| Item::Document {
            at,
            cut_short: std::mem::take(&mut self.interrupted) || in_sized_cluster,
        })
    }

    fn plan(&self, header: Header) -> Plan {
        let Some(size) = header.size else {
            // Matroska allows it nowhere else.
            return match header.id {
                id::SEGMENT => Plan::Segment,
                id::CLUSTER => Plan::Cluster,
                _ => Plan::Garbage,
            };
        };
        let limit = match header.id {
            id::EBML => DOCUMENT_HEADER_BYTES_MAX,
            id::INFO | id::TRACKS => self.limits.init_bytes_max,
            id::TIMESTAMP => 8,
            _ => self.limits.element_bytes_max,
        } as u64;
        let plan = match header.id {
            id::EBML => Plan::Document,
            id::SEGMENT => return Plan::Segment,
            id::CLUSTER => return Plan::Cluster,
            id::INFO | id::TRACKS => Plan::Read,
            id::SEEK_HEAD | id::CUES | id::ATTACHMENTS | id::CHAPTERS | id::TAGS => Plan::Pass,
            id::VOID | id::CRC_32 => Plan::Pass,
            id if in_cluster(id) && self.cluster.is_none() => Plan::Garbage,
            id::TIMESTAMP | id::SIMPLE_BLOCK | id::BLOCK_GROUP => Plan::Read,
            id if in_cluster(id) => Plan::Pass,
            _ => Plan::Garbage,
        };
        let beyond_cluster = in_cluster(header.id)
            && self
                .cluster
                .and_then(|cluster| cluster.end)
                .is_some_and(|end| self.position.saturating_add(size) > end);
        if size > limit || beyond_cluster {
            Plan::Garbage
        } else {
            plan
        }
    }

    fn leave(&mut self, id: u32, body: Bytes) -> Item {
        let open_ended = self.cluster.is_some_and(|cluster| cluster.end.is_none());
        self.state = State::Header(Tail::default());
        Item::Leaf {
            id,
            start: self.element_start,
            end: self.position,
            body,
            open_ended,
        }
    }

    /// Closes a Cluster of known size when its end is reached.
    fn end_cluster(&mut self) -> Option<Item> {
        let State::Header(head) = &self.state else {
            return None;
        };
        let ended = self.cluster.and_then(|cluster| cluster.end) == Some(self.position);
        (ended && head.is_empty()).then(|| {
            self.cluster = None;
            Item::ClusterEnd { at: self.position }
        })
    }

    /// The header at `element_start` cannot be: searches on from its second byte.
    fn lose_way(&mut self, head: &Tail) {
        self.position = self.element_start + 1;
        self.read_again(&head.bytes()[1..]);
        self.state = State::lost(self.element_start);
        self.cluster = None;
    }

    /// Looks for the beginning of a Cluster or of a recording.
    fn search(&mut self, input: &mut Bytes) -> Option<Item> {
        let State::Lost { from, window } = &mut self.state else {
            return None;
        };
        let from = *from;
        if window.is_empty() {
            let skip = input
                .iter()
                .position(|byte| matches!(byte, 0x1a | 0x1f))
                .unwrap_or(input.len());
            input.advance(skip);
            self.position += skip as u64;
        }
        while input.has_remaining() {
            window.push(input.get_u8());
            loop {
                match recovery_signature(window.bytes()) {
                    Read::More => break,
                    Read::Done(..) => {
                        let found = std::mem::take(window);
                        self.read_again(found.bytes());
                        self.state = State::Header(Tail::default());
                        self.interrupted = true;
                        return Some(Item::Garbage {
                            bytes: self.position - from,
                            end: self.position,
                        });
                    }
                    Read::Bad => {
                        let gone = window.drop_to_next(&[0x1a, 0x1f]);
                        self.position += gone as u64;
                        if window.is_empty() {
                            return None;
                        }
                    }
                }
            }
        }
        None
    }
}

impl State {
    fn lost(from: u64) -> Self {
        Self::Lost {
            from,
            window: Tail::default(),
        }
    }
}

/// What can stand in a Cluster and nowhere else.
const fn in_cluster(id: u32) -> bool {
    matches!(
        id,
        id::TIMESTAMP
            | id::SILENT_TRACKS
            | id::POSITION
            | id::PREV_SIZE
            | id::SIMPLE_BLOCK
            | id::BLOCK_GROUP
            | id::ENCRYPTED_BLOCK
    )
}

const fn ends_cluster(id: u32) -> bool {
    !in_cluster(id) && !matches!(id, id::VOID | id::CRC_32)
}

/// A body that is cut gets so much room at first, whatever its claimed size.
const BODY_BYTES_AT_FIRST: usize = 64 * 1024;
