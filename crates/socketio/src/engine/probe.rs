//! A WebSocket that means to take over a polling session: its probe, our answer, its word to go over.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::upgrade::OnUpgrade;
use tokio::time::Instant;

use crate::engine::link::{Data, Link, LinkEnd, Next};
use crate::engine::outbox::Outbox;
use crate::engine::parcel::Parcel;
use crate::websocket::frame::Limits;

pub(crate) struct Probe {
    pub(crate) deadline: Instant,
    limits: Limits,
    outbox: Outbox,
    stage: Stage,
}

enum Stage {
    Opening(OnUpgrade),
    Connected(Box<Link>),
    Probed(Box<Link>),
    /// The client has gone over; our answer to its probe may still be on its way.
    Flushing(Box<Link>),
    Over,
}

/// What became of it.
pub(crate) enum Probed {
    /// The probe was answered: polls are to end now.
    Answered,
    /// The session goes on over this.
    Upgraded(Box<Link>),
    /// The session stays where it is.
    Failed,
}

/// The client sent something else, or nothing can be read.
struct Failure;

impl From<LinkEnd> for Failure {
    fn from(_: LinkEnd) -> Self {
        Self
    }
}

impl Probe {
    pub(crate) fn new(upgrade: OnUpgrade, limits: Limits, deadline: Instant) -> Self {
        Self {
            deadline,
            limits,
            outbox: Outbox::default(),
            stage: Stage::Opening(upgrade),
        }
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Probed> {
        loop {
            match std::mem::replace(&mut self.stage, Stage::Over) {
                Stage::Opening(mut upgrade) => match Pin::new(&mut upgrade).poll(cx) {
                    Poll::Pending => {
                        self.stage = Stage::Opening(upgrade);
                        return Poll::Pending;
                    }
                    Poll::Ready(Ok(upgraded)) => {
                        self.stage = Stage::Connected(Box::new(Link::new(upgraded, self.limits)));
                    }
                    Poll::Ready(Err(_)) => return Poll::Ready(Probed::Failed),
                },
                Stage::Connected(mut link) => match poll_word(&mut link, cx, "2probe") {
                    Poll::Pending => {
                        self.stage = Stage::Connected(link);
                        return Poll::Pending;
                    }
                    Poll::Ready(Ok(())) => {
                        self.outbox.push(Parcel::probe());
                        self.stage = Stage::Probed(link);
                        return Poll::Ready(Probed::Answered);
                    }
                    Poll::Ready(Err(Failure)) => return Poll::Ready(Probed::Failed),
                },
                Stage::Probed(mut link) => {
                    let _ = link.poll_write(cx, &mut self.outbox);
                    match poll_word(&mut link, cx, "5") {
                        Poll::Pending => {
                            self.stage = Stage::Probed(link);
                            return Poll::Pending;
                        }
                        Poll::Ready(Ok(())) => self.stage = Stage::Flushing(link),
                        Poll::Ready(Err(Failure)) => return Poll::Ready(Probed::Failed),
                    }
                }
                Stage::Flushing(mut link) => {
                    while !self.outbox.is_empty() {
                        match link.poll_write(cx, &mut self.outbox) {
                            Poll::Pending => {
                                self.stage = Stage::Flushing(link);
                                return Poll::Pending;
                            }
                            Poll::Ready(Ok(())) => {}
                            Poll::Ready(Err(_)) => return Poll::Ready(Probed::Failed),
                        }
                    }
                    return Poll::Ready(Probed::Upgraded(link));
                }
                Stage::Over => return Poll::Pending,
            }
        }
    }
}

/// Waits for one packet and leaves what follows it unread.
fn poll_word(link: &mut Link, cx: &mut Context<'_>, word: &str) -> Poll<Result<(), Failure>> {
    let mut is_heard = false;
    loop {
        let progress = link.poll_receive(cx, |data| match data {
            Data::Text(text) if text == word => {
                is_heard = true;
                Next::Pause
            }
            Data::Text(_) | Data::Binary(_) => Next::Stop(Failure),
        });
        match progress {
            _ if is_heard => return Poll::Ready(Ok(())),
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(Failure)) => return Poll::Ready(Err(Failure)),
            Poll::Pending => return Poll::Pending,
        }
    }
}
