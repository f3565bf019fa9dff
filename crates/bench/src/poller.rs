//! A viewer over HTTP long polling: one connection, one request at a time.
//!
//! What a poll brings must be read whole, since only its separators tell where packets end.

use crate::client::{Crowded, Shared};
use crate::link::{Heard, Keep, Link, LinkError};
use crate::tally::Tally;
use crate::watch::Watch;
use crate::words::{self, PATH, Packet, opcode};
use rustix::event::epoll::EventFlags;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Idle,
    Connecting,
    Opening,
    Joining,
    Watching,
    Over,
}

/// The answer that is being waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Poll,
    Post,
}

/// A polling viewer.
#[derive(Debug)]
pub(crate) struct Poller {
    stream: usize,
    stage: Stage,
    link: Option<Link>,
    session: String,
    asked: Asked,
    /// What is to be posted before the next poll.
    say: Vec<String>,
    watch: Watch,
}

/// Bytes that one read may take.
const READ_BYTES: usize = 256 * 1024;
const SEPARATOR: u8 = 0x1e;
/// The longest answer that is taken.
const ANSWER_BYTES_MAX: usize = 64 << 20;

impl Poller {
    /// A viewer that will watch a stream.
    pub(crate) fn new(stream: usize) -> Self {
        Self {
            stream,
            stage: Stage::Idle,
            link: None,
            session: String::new(),
            asked: Asked::Poll,
            say: Vec::new(),
            watch: Watch::new(stream, true, 0),
        }
    }

    /// Begins.
    pub(crate) fn alarm(&mut self, crowd: &mut Crowded<'_>) {
        self.watch = Watch::new(self.stream, true, crowd.now_us);
        let result = Link::connect(
            &crowd.shared.target,
            crowd.number,
            Keep { head: 0, tail: 0 },
        )
        .and_then(|link| {
            crowd.watch(&link)?;
            self.link = Some(link);
            self.stage = Stage::Connecting;
            Ok(())
        });
        self.settle(crowd, result);
    }

    /// The socket is ready.
    pub(crate) fn ready(&mut self, crowd: &mut Crowded<'_>, flags: EventFlags) {
        let result = self.proceed(crowd, flags);
        self.settle(crowd, result);
    }

    /// Counts what it still misses.
    pub(crate) fn finish(&self, shared: &Shared, tally: &mut Tally) {
        match self.stage {
            Stage::Watching | Stage::Over => self.watch.finish(shared, tally),
            _ => tally.refused += 1,
        }
    }

    fn proceed(&mut self, crowd: &mut Crowded<'_>, flags: EventFlags) -> Result<(), LinkError> {
        let Some(link) = &mut self.link else {
            return Ok(());
        };
        if self.stage == Stage::Connecting {
            link.connected()?;
            crowd.watch_for(&*link, EventFlags::IN)?;
            self.stage = Stage::Opening;
            return self.ask(crowd);
        }
        if flags.contains(EventFlags::OUT) {
            link.flush()?;
            if !link.has_more_to_send() {
                crowd.watch_for(&*link, EventFlags::IN)?;
            }
        }
        if !flags.contains(EventFlags::IN) {
            return Ok(());
        }
        link.read(READ_BYTES)?;
        let Some((head, body)) = answer(link.unread())? else {
            return Ok(());
        };
        let body = link.unread()[head..body].to_vec();
        link.consume(head + body.len());
        if self.asked == Asked::Poll {
            for packet in body.split(|byte| *byte == SEPARATOR) {
                self.packet(crowd, packet)?;
            }
        }
        self.ask(crowd)
    }

    fn packet(&mut self, crowd: &mut Crowded<'_>, bytes: &[u8]) -> Result<(), LinkError> {
        match Packet::of(bytes) {
            Packet::Open => {
                self.session = session(bytes).ok_or(LinkError::NoFrame)?;
                self.say.push("40".to_owned());
            }
            Packet::Ping => self.say.push("3".to_owned()),
            Packet::Connected => {
                let name = format!("polling-{}", crowd.number);
                self.say.push(words::register(&name, "VIEWER"));
                self.say.push(words::join(crowd.shared.key(self.stream)));
                self.stage = Stage::Joining;
            }
            Packet::Joined if self.stage == Stage::Joining => {
                self.stage = Stage::Watching;
                crowd.tally.joined += 1;
            }
            Packet::Refused | Packet::Error if self.stage != Stage::Watching => {
                return Err(LinkError::Refused(words::refusal(bytes)));
            }
            Packet::Closed => return Err(LinkError::Closed),
            packet => {
                let heard = Heard {
                    opcode: opcode::TEXT,
                    payload: bytes,
                    len: bytes.len(),
                };
                self.watch
                    .heard(crowd.shared, crowd.tally, packet, &heard, crowd.now_us);
            }
        }
        Ok(())
    }

    /// Posts what is to be said, or polls.
    fn ask(&mut self, crowd: &Crowded<'_>) -> Result<(), LinkError> {
        let Some(link) = &mut self.link else {
            return Ok(());
        };
        let host = crowd.shared.host();
        let session = match self.session.as_str() {
            "" => String::new(),
            session => format!("&sid={session}"),
        };
        let request = if self.say.is_empty() {
            self.asked = Asked::Poll;
            format!("GET {PATH}polling{session} HTTP/1.1\r\nHost: {host}\r\n\r\n")
        } else {
            self.asked = Asked::Post;
            let body = std::mem::take(&mut self.say).join("\u{1e}");
            format!(
                "POST {PATH}polling{session} HTTP/1.1\r\nHost: {host}\r\nContent-Type: text/plain;charset=UTF-8\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                body.len()
            )
        };
        link.send(request.as_bytes())?;
        if link.has_more_to_send() {
            crowd.watch_for(&*link, EventFlags::IN | EventFlags::OUT)?;
        }
        Ok(())
    }

    fn settle(&mut self, crowd: &mut Crowded<'_>, result: Result<(), LinkError>) {
        let Err(error) = result else { return };
        self.link = None;
        crowd.tally.reason.get_or_insert(error.to_string());
        if self.stage == Stage::Watching {
            self.stage = Stage::Over;
            crowd.tally.broken += 1;
        } else {
            self.stage = Stage::Idle;
        }
    }
}

/// Where the body of an HTTP answer begins and ends, if it has wholly arrived.
fn answer(bytes: &[u8]) -> Result<Option<(usize, usize)>, LinkError> {
    let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&bytes[..end]).map_err(|_| LinkError::NoFrame)?;
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default();
    if !status.starts_with("HTTP/1.1 200") {
        return Err(LinkError::Refused(status.to_owned()));
    }
    let len: usize = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())
        .filter(|len| *len <= ANSWER_BYTES_MAX)
        .ok_or(LinkError::NoFrame)?;
    let body = end + 4;
    Ok((bytes.len() >= body + len).then_some((body, body + len)))
}

/// The session's id in the opening packet.
fn session(packet: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Opening {
        sid: String,
    }
    let opening: Opening = serde_json::from_slice(packet.get(1..)?).ok()?;
    Some(opening.sid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_taken_when_it_is_whole_and_not_before() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
        assert_eq!(answer(&whole[..whole.len() - 1]).unwrap(), None);
        assert_eq!(answer(whole).unwrap(), Some((38, 41)));
        assert!(answer(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").is_err());
    }

    #[test]
    fn the_session_is_read_from_the_opening_packet() {
        assert_eq!(
            session(br#"0{"sid":"abc","upgrades":[]}"#).as_deref(),
            Some("abc")
        );
    }
}
