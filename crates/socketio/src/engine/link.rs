//! A session's WebSocket: reads messages, writes what is in the outbox, says goodbye.
//!
//! It keeps no read buffer of its own: bytes go through one that belongs to the thread, and only what the session could
//! not take at once is kept.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use bytestring::ByteString;
use hyper::upgrade::Upgraded;
use tokio::time::Instant;

use crate::engine::outbox::{Outbox, SLICES_MAX};
use crate::engine::parcel::Parcel;
use crate::engine::patience::{Patience, Verdict};
use crate::websocket::cable::Cable;
use crate::websocket::frame::{self, Decoder, FrameError, Incoming, Limits};
use crate::websocket::io::Io;
use crate::websocket::line::Line;
use crate::websocket::standing;

pub(crate) struct Link {
    io: Io,
    /// It is an HTTP body and no WebSocket.
    is_body: bool,
    decoder: Decoder,
    /// Bytes that were read but not yet decoded.
    unread: Bytes,
    pong: Option<Bytes>,
    /// A pong of the WebSocket itself has come.
    heard_pong: bool,
    goodbye: Goodbye,
    /// The socket is lent to a feed, or was and has not been taken back.
    is_lent: bool,
    /// How long its peer is waited for, where that can be judged.
    patience: Option<Patience>,
    /// Something was written since the last look at its peer, other than a ping.
    has_written: bool,
    /// Where the loan stood at the last look.
    place_seen: u64,
}

/// A data message.
pub(crate) enum Data {
    Text(ByteString),
    Binary(Bytes),
}

/// What the taker of messages says after each.
pub(crate) enum Next<E> {
    /// Give me another if there is one.
    More,
    /// Keep the rest for later.
    Pause,
    /// It is over.
    Stop(E),
}

/// Why nothing more can be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkEnd {
    #[error("connection closed without a word")]
    Eof,
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("client acknowledged nothing in time")]
    Stalled,
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("client closed with code {0:?}")]
    Closed(Option<u16>),
}

/// How far the end of the connection has come.
#[derive(Clone, Copy)]
enum Goodbye {
    Unsaid,
    Written,
    Drain,
}

/// Size of the read buffer of each thread: most bytes that one read takes.
const READ_BYTES: usize = 64 * 1024;

/// The longest ping on the wire. Looking after pings would cost more than they do, and there is no need to: a pong is waited
/// for.
const PING_BYTES_MAX: usize = 3;

thread_local! {
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl Link {
    pub(crate) fn new(upgraded: Upgraded, limits: Limits) -> Self {
        let (io, unread) = Io::from_upgraded(upgraded);
        // Even an empty part of hyper's buffer would keep all of it.
        let unread = Bytes::copy_from_slice(&unread);
        Self::build(io, unread, limits, false)
    }

    /// A connection whose rest is the body of an HTTP answer: what comes is thrown away, and it ends without a word.
    pub(crate) fn over_body(cable: Cable, limits: Limits) -> Self {
        Self::build(Io::of(cable), Bytes::new(), limits, true)
    }

    fn build(io: Io, unread: Bytes, limits: Limits, is_body: bool) -> Self {
        Self {
            patience: io.stall_timeout().map(Patience::new),
            io,
            is_body,
            decoder: Decoder::new(limits),
            unread,
            pong: None,
            heard_pong: false,
            goodbye: Goodbye::Unsaid,
            is_lent: false,
            has_written: false,
            place_seen: 0,
        }
    }

    /// Reads once and gives what is whole to `take`. `Ready(Ok)` means that there may be more.
    pub(crate) fn poll_receive<E: From<LinkEnd>>(
        &mut self,
        cx: &mut Context<'_>,
        mut take: impl FnMut(Data) -> Next<E>,
    ) -> Poll<Result<(), E>> {
        if !self.unread.is_empty() {
            let unread = std::mem::take(&mut self.unread);
            let mut input = &unread[..];
            let result = self.decode(&mut input, &mut take);
            if !input.is_empty() {
                self.unread = unread.slice_ref(input);
            }
            return Poll::Ready(result);
        }
        let mut scratch = SCRATCH.take();
        scratch.resize(READ_BYTES, 0);
        let result = match self.io.poll_read(cx, &mut scratch) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => Poll::Ready(Err(LinkEnd::Io(error).into())),
            Poll::Ready(Ok(0)) => Poll::Ready(Err(LinkEnd::Eof.into())),
            Poll::Ready(Ok(count)) => {
                let mut input = &scratch[..count];
                let result = self.decode(&mut input, &mut take);
                if !input.is_empty() {
                    self.unread = Bytes::copy_from_slice(input);
                }
                Poll::Ready(result)
            }
        };
        SCRATCH.set(scratch);
        result
    }

    /// Takes messages of at most so many bytes from the next frame on.
    pub(crate) fn limit(&mut self, message_bytes_max: usize) {
        self.decoder.limit(message_bytes_max);
    }

    /// Bytes that are kept of what was read, and whether a message has begun that is not whole.
    pub(crate) fn held(&self) -> (usize, bool) {
        let unfinished = self.decoder.unfinished();
        let bytes = self.unread.len() + unfinished.unwrap_or(0);
        (bytes, unfinished.is_some())
    }

    /// Lets go of what was read and is not whole: nobody will hear the rest.
    pub(crate) fn forget_unfinished(&mut self) {
        self.unread = Bytes::new();
        self.decoder.forget();
    }

    /// Reads what is left of a connection that cannot be written any more.
    pub(crate) fn receive_rest<E: From<LinkEnd>>(
        &mut self,
        mut take: impl FnMut(Data) -> Next<E>,
    ) -> Result<(), E> {
        let mut rest = std::mem::take(&mut self.unread).to_vec();
        let decoded = rest.len();
        rest.resize(decoded + READ_BYTES, 0);
        let count = self.io.read_now(&mut rest[decoded..]);
        self.decode(&mut &rest[..decoded + count], &mut take)
    }

    fn decode<E: From<LinkEnd>>(
        &mut self,
        input: &mut &[u8],
        take: &mut impl FnMut(Data) -> Next<E>,
    ) -> Result<(), E> {
        if self.is_body {
            *input = &[];
        }
        while let Some(incoming) = self.decoder.decode(input).map_err(LinkEnd::Frame)? {
            let data = match incoming {
                Incoming::Text(text) => Data::Text(text),
                Incoming::Binary(bytes) => Data::Binary(bytes),
                // Of many pings only the newest needs its pong.
                Incoming::Ping(payload) => {
                    self.pong = Some(payload);
                    continue;
                }
                Incoming::Pong(_) => {
                    self.heard_pong = true;
                    continue;
                }
                Incoming::Close { code } => return Err(LinkEnd::Closed(code).into()),
            };
            match take(data) {
                Next::More => {}
                Next::Pause => break,
                Next::Stop(end) => return Err(end),
            }
        }
        Ok(())
    }

    /// The socket, if it can be lent.
    pub(crate) fn line(&self) -> Option<&Arc<Line>> {
        self.io.line()
    }

    /// Whether the socket is lent.
    pub(crate) fn is_lent(&self) -> bool {
        self.is_lent
    }

    /// The socket has been lent.
    pub(crate) fn lent(&mut self) {
        self.is_lent = true;
    }

    /// When its peer is to be looked at, if that has changed.
    pub(crate) fn next_look(&mut self) -> Option<Instant> {
        if !self.has_written && !self.is_lent {
            return None;
        }
        self.patience.as_mut()?.written(Instant::now)
    }

    /// Looks at how far its peer is if it is time, and says when to look again. An error if it has taken nothing for too
    /// long.
    pub(crate) fn look(&mut self, now: Instant) -> Result<Option<Instant>, LinkEnd> {
        let (Some(patience), Some(line)) = (&mut self.patience, self.io.line()) else {
            return Ok(None);
        };
        if patience.look_at().is_none_or(|at| now < at) {
            return Ok(patience.look_at());
        }
        let place = line.place();
        if !self.has_written && place == self.place_seen && !patience.owes() {
            // Nobody has written anything.
            patience.rest(self.is_lent, now);
            return Ok(patience.look_at());
        }
        self.place_seen = place;
        self.has_written = false;
        let Ok(standing) = standing::of(line.stream.tcp()) else {
            // Then it is the system's to judge.
            if patience.is_ours() {
                self.io.set_stall_timeout(Some(patience.timeout()));
            }
            self.patience = None;
            return Ok(None);
        };
        match patience.judge(standing, self.is_lent, now) {
            Verdict::Fine => {}
            Verdict::TakeOver => self.io.set_stall_timeout(None),
            Verdict::Stalled => {
                self.io.forget_unsent();
                return Err(LinkEnd::Stalled);
            }
        }
        Ok(patience.look_at())
    }

    /// Whether its peer is behind and reads: what it does not answer it may not have read yet.
    pub(crate) fn is_slow(&self, now: Instant) -> bool {
        self.patience
            .as_ref()
            .is_some_and(|patience| patience.is_slow(now))
    }

    /// Whether whoever has the socket has given it back.
    pub(crate) fn is_given_back(&self) -> bool {
        self.is_lent && self.io.line().is_some_and(|line| !line.is_lent())
    }

    /// Takes the socket back, with what was begun there, which goes to the outbox. Says from which place its feed is to go
    /// on.
    pub(crate) fn poll_recall(
        &mut self,
        cx: &mut Context<'_>,
        outbox: &mut Outbox,
    ) -> Poll<Option<u64>> {
        let Some(line) = self.io.line().filter(|_| self.is_lent) else {
            return Poll::Ready(None);
        };
        let returned = ready!(line.poll_recall(cx));
        self.is_lent = false;
        if let Some((parcel, written)) = returned.begun {
            outbox.push_begun(parcel, written);
        }
        Poll::Ready(Some(returned.place))
    }

    /// Whether a pong of the WebSocket itself has come since this was last asked.
    pub(crate) fn take_heard_pong(&mut self) -> bool {
        std::mem::take(&mut self.heard_pong)
    }

    /// A WebSocket ping is to be answered.
    pub(crate) fn owes_pong(&self) -> bool {
        self.pong.is_some()
    }

    /// Whether a write may take something: the time to fill the outbox.
    pub(crate) fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.poll_write_ready(cx)
    }

    /// The answer to a WebSocket ping that is due.
    pub(crate) fn take_pong(&mut self) -> Option<Parcel> {
        let payload = self.pong.take()?;
        Some(Parcel::frame(frame::small(frame::Outgoing::Pong, &payload)))
    }

    /// Writes once. Ready when something was written or there is nothing to write.
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        outbox: &mut Outbox,
    ) -> Poll<io::Result<()>> {
        debug_assert!(!self.is_lent, "who writes has taken the socket back");
        if outbox.is_empty() {
            return self.io.poll_flush(cx);
        }
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let (count, len) = outbox.slices(&mut slices);
        let written = ready!(self.io.poll_write(cx, &slices[..count], len))?;
        outbox.advance(written);
        self.has_written |= written > PING_BYTES_MAX;
        Poll::Ready(Ok(()))
    }

    /// Ready when nothing that was written is kept on its way to the system.
    pub(crate) fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.poll_flush(cx)
    }

    /// Writes what is in the outbox, the close frame, and waits until the client has closed its side: to close ours with
    /// bytes unread would reset the connection and take the close frame with it.
    pub(crate) fn poll_goodbye(
        &mut self,
        cx: &mut Context<'_>,
        outbox: &mut Outbox,
        code: u16,
        reason: &str,
    ) -> Poll<io::Result<()>> {
        // The feed that had it is gone.
        let _ = ready!(self.poll_recall(cx, outbox));
        loop {
            match self.goodbye {
                Goodbye::Unsaid if self.is_body => self.goodbye = Goodbye::Written,
                Goodbye::Unsaid => {
                    outbox.push(Parcel::frame(frame::close(code, reason)));
                    self.goodbye = Goodbye::Written;
                }
                Goodbye::Written => {
                    while !outbox.is_empty() {
                        ready!(self.poll_write(cx, outbox))?;
                    }
                    ready!(self.io.poll_flush(cx))?;
                    ready!(self.io.poll_shutdown(cx))?;
                    self.unread = Bytes::new();
                    self.goodbye = Goodbye::Drain;
                }
                Goodbye::Drain => {
                    let mut scratch = SCRATCH.take();
                    scratch.resize(READ_BYTES, 0);
                    let result = self.io.poll_read(cx, &mut scratch);
                    SCRATCH.set(scratch);
                    if ready!(result)? == 0 {
                        return Poll::Ready(Ok(()));
                    }
                }
            }
        }
    }
}
