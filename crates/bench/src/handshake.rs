//! The answer to a client's first request: read to its blank line, and no byte further.

use crate::link::{Link, LinkError};

/// The longest answer whose end is looked for.
const ANSWER_BYTES_MAX: usize = 4096;
/// Of the sentence with which a server refuses, so much is told.
const SENTENCE_CHARS_MAX: usize = 400;

/// What a server answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Whether the body comes in chunks.
    pub(crate) chunked: bool,
    /// Bytes of the body, if that was said.
    pub(crate) length: Option<usize>,
}

/// Reads on. `None` until the whole head of the answer is there; what follows it stays in the link.
///
/// # Errors
/// When the status is not `wanted`, with the server's status line, and the sentence that follows it if one does.
pub(crate) fn answered(link: &mut Link, wanted: &str) -> Result<Option<Answer>, LinkError> {
    let read = link.read(ANSWER_BYTES_MAX);
    let Some(end) = memchr::memmem::find(link.unread(), BLANK_LINE) else {
        read?;
        return if link.unread().len() > ANSWER_BYTES_MAX {
            Err(LinkError::NoFrame)
        } else {
            Ok(None)
        };
    };
    let head = String::from_utf8_lossy(&link.unread()[..end]).into_owned();
    let (status, headers) = head.split_once("\r\n").unwrap_or((&head, ""));
    let header = |name: &str| {
        let mut fields = headers
            .split("\r\n")
            .filter_map(|line| line.split_once(':'));
        let found = fields.find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim())
    };
    let length = header("content-length").and_then(|value| value.parse().ok());
    let code = status.split(' ').nth(1).unwrap_or_default();
    if code == wanted {
        link.consume(end + BLANK_LINE.len());
        let coding = header("transfer-encoding").unwrap_or_default();
        return Ok(Some(Answer {
            chunked: coding.eq_ignore_ascii_case("chunked"),
            length,
        }));
    }
    let body = &link.unread()[end + BLANK_LINE.len()..];
    let more = length.unwrap_or(0).min(ANSWER_BYTES_MAX) > body.len();
    if more && read.is_ok() {
        return Ok(None);
    }
    let sentence = String::from_utf8_lossy(body);
    let sentence: String = sentence.trim().chars().take(SENTENCE_CHARS_MAX).collect();
    let is_text = !sentence.is_empty() && !sentence.chars().any(char::is_control);
    Err(LinkError::Refused(if is_text {
        format!("{status}: {sentence}")
    } else {
        status.to_owned()
    }))
}

const BLANK_LINE: &[u8] = b"\r\n\r\n";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::Keep;
    use crate::tls::Target;
    use std::io::Write;
    use std::net::{Ipv4Addr, TcpListener};

    fn read(bytes: &[u8], wanted: &str) -> (Result<Option<Answer>, LinkError>, Vec<u8>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let keep = Keep { head: 0, tail: 0 };
        let mut link =
            Link::connect(&Target::plain(listener.local_addr().unwrap()), 0, keep).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        server.write_all(bytes).unwrap();
        drop(server);
        let mut result = answered(&mut link, wanted);
        while matches!(result, Ok(None)) {
            result = answered(&mut link, wanted);
        }
        (result, link.unread().to_vec())
    }

    #[test]
    fn what_follows_the_blank_line_is_left_and_the_coding_is_told() {
        let (answer, rest) = read(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n5\r\n",
            "200",
        );
        assert_eq!(
            answer.unwrap(),
            Some(Answer {
                chunked: true,
                length: None
            })
        );
        assert_eq!(rest, b"5\r\n");
        let (answer, _) = read(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", "200");
        let told = Answer {
            chunked: false,
            length: Some(7),
        };
        assert_eq!(answer.unwrap(), Some(told));
    }

    #[test]
    fn another_status_is_a_refusal_in_the_servers_words() {
        let (answer, _) = read(b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "101");
        assert_eq!(
            answer.unwrap_err().to_string(),
            "HTTP/1.1 503 Service Unavailable"
        );
        for (length, sentence) in [(6, "no way"), (70, "no way")] {
            let refusal = format!(
                "HTTP/1.1 406 Not Acceptable\r\ncontent-length: {length}\r\n\r\n{sentence}"
            );
            let (answer, _) = read(refusal.as_bytes(), "200");
            assert_eq!(
                answer.unwrap_err().to_string(),
                "HTTP/1.1 406 Not Acceptable: no way"
            );
        }
        // A head that is cut off is a connection that has ended.
        assert!(read(b"HTTP/1.1 101", "101").0.is_err());
    }
}
