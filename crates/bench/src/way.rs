//! How publishers send: what each door wants to hear before the first frame, and when it has heard enough.

use crate::content::PART_TAIL;
use crate::handshake::answered;
use crate::link::{Heard, Link, LinkError};
use crate::material::{answer_ping, chunk, say};
use crate::native::{self, Said};
use crate::words::{self, Packet, opcode};
use clap::ValueEnum;

/// The way that bytes take from a publisher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Way {
    /// Socket.IO over WebSocket
    #[value(name = "socketio")]
    SocketIo,
    /// Our own frames over a WebSocket at /live/KEY
    Native,
    /// The body of one request: PUT /live/KEY
    Http,
}

/// How far a publisher has come in being let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Talk {
    /// Its request waits for an answer.
    Asked,
    /// Its session opens.
    Opening,
    /// Its stream is being made.
    Creating,
    /// It may publish.
    Begun,
}

/// The part of a publisher that speaks with the server before its first frame, and listens afterwards.
#[derive(Debug)]
pub(crate) struct Speaker {
    way: Way,
    name: String,
    /// What is said of the frames to come, over the native door.
    tracks: &'static str,
    talk: Talk,
    /// The key of the stream, as soon as it is known.
    pub(crate) key: String,
}

impl Speaker {
    /// For the publisher with this number, of frames that over the native door are said to be `tracks`.
    pub(crate) fn new(way: Way, number: usize, tracks: &'static str) -> Self {
        let name = format!("bench-{}-{number}", std::process::id());
        Self {
            way,
            tracks,
            talk: Talk::Asked,
            key: match way {
                Way::SocketIo => String::new(),
                Way::Native | Way::Http => name.clone(),
            },
            name,
        }
    }

    /// Whether frames may be sent.
    pub(crate) fn has_begun(&self) -> bool {
        self.talk == Talk::Begun
    }

    /// What is asked first.
    pub(crate) fn request(&self, host: &str, is_video: bool) -> String {
        let key = &self.key;
        match self.way {
            Way::SocketIo => words::upgrade(host),
            Way::Native => native::upgrade_to_publish(key, host),
            Way::Http => {
                let kind = if is_video {
                    "video/webm"
                } else {
                    "multipart/x-mixed-replace; boundary=abanico"
                };
                // Until the server says `100` the seat is not ours, and nobody can watch. With a token the stream outlives
                // our connection, so that no viewer sees its end while it still counts.
                format!(
                    "PUT /live/{key} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {kind}\r\n\
                     Authorization: Bearer {key}\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
                )
            }
        }
    }

    /// Reads what the server says and answers.
    ///
    /// # Errors
    /// When the server refuses, or has had enough.
    pub(crate) fn listen(
        &mut self,
        link: &mut Link,
        scratch: &mut [u8],
        is_video: bool,
    ) -> Result<(), LinkError> {
        if self.talk == Talk::Asked {
            let wanted = if self.way == Way::Http { "100" } else { "101" };
            if answered(link, wanted)?.is_none() {
                return Ok(());
            }
            self.talk = match self.way {
                Way::SocketIo => Talk::Opening,
                Way::Native => {
                    say(link.out(), native::PUBLISH);
                    Talk::Creating
                }
                Way::Http => {
                    if !is_video {
                        // The line before the first part; each part brings the next one.
                        let first = PART_TAIL.trim_ascii_start();
                        chunk(link.out(), first);
                    }
                    Talk::Begun
                }
            };
        }
        match self.way {
            Way::SocketIo => link.receive(scratch, |out, heard| self.socketio(out, &heard)),
            Way::Native => link.receive(scratch, |out, heard| self.native(out, &heard)),
            // Whatever is said while the body goes on is why it must not.
            Way::Http => answered(link, "200").map(drop),
        }
    }

    fn socketio(&mut self, out: &mut Vec<u8>, heard: &Heard<'_>) -> Result<(), LinkError> {
        if heard.opcode == opcode::CLOSE {
            return Err(LinkError::Closed);
        }
        match Packet::of(heard.payload) {
            Packet::Ping => say(out, "3"),
            Packet::Open => say(out, "40"),
            Packet::Connected if self.talk == Talk::Opening => {
                say(out, &words::register(&self.name, "STREAMER"));
                say(out, r#"42["stream:create"]"#);
                self.talk = Talk::Creating;
            }
            Packet::Created if self.talk == Talk::Creating => {
                self.key = words::created_key(heard.payload).ok_or(LinkError::NoFrame)?;
                say(out, &words::start(&self.key));
                self.talk = Talk::Begun;
            }
            Packet::Refused | Packet::Error => {
                return Err(LinkError::Refused(words::refusal(heard.payload)));
            }
            Packet::Closed => return Err(LinkError::Closed),
            _ => {}
        }
        Ok(())
    }

    fn native(&mut self, out: &mut Vec<u8>, heard: &Heard<'_>) -> Result<(), LinkError> {
        match heard.opcode {
            opcode::TEXT => match Said::of(heard.payload) {
                Said::Ready if self.talk == Talk::Creating => {
                    say(out, self.tracks);
                    self.talk = Talk::Begun;
                }
                Said::Error(reason) => return Err(LinkError::Refused(reason)),
                _ => {}
            },
            opcode::PING => answer_ping(out, heard.payload),
            opcode::CLOSE => return Err(LinkError::Closed),
            _ => {}
        }
        Ok(())
    }
}
