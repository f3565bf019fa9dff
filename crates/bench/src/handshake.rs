//! The answer to a client's first request: read to its blank line, and no byte further.

use crate::link::{Link, LinkError};

/// The longest answer whose end is looked for.
const ANSWER_BYTES_MAX: usize = 4096;

/// What a server answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Whether the body comes in chunks.
    pub(crate) chunked: bool,
}

/// Reads on. `None` until the whole head of the answer is there; what follows it stays in the link.
///
/// # Errors
/// When the status is not `wanted`, with the server's status line.
pub(crate) fn answered(link: &mut Link, wanted: &str) -> Result<Option<Answer>, LinkError> {
    link.read(ANSWER_BYTES_MAX)?;
    let Some(end) = memchr::memmem::find(link.unread(), b"\r\n\r\n") else {
        return if link.unread().len() > ANSWER_BYTES_MAX {
            Err(LinkError::NoFrame)
        } else {
            Ok(None)
        };
    };
    let head = String::from_utf8_lossy(&link.unread()[..end]).into_owned();
    link.consume(end + 4);
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default();
    let code = status.split(' ').nth(1).unwrap_or_default();
    if code != wanted {
        return Err(LinkError::Refused(status.to_owned()));
    }
    let chunked = lines
        .filter_map(|line| line.split_once(':'))
        .any(|(name, value)| {
            name.eq_ignore_ascii_case("transfer-encoding")
                && value.trim().eq_ignore_ascii_case("chunked")
        });
    Ok(Some(Answer { chunked }))
}

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
        assert_eq!(answer.unwrap(), Some(Answer { chunked: true }));
        assert_eq!(rest, b"5\r\n");
        let (answer, _) = read(b"HTTP/1.1 200 OK\r\n\r\n", "200");
        assert_eq!(answer.unwrap(), Some(Answer { chunked: false }));
    }

    #[test]
    fn another_status_is_a_refusal_in_the_servers_words() {
        let (answer, _) = read(b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "101");
        assert_eq!(
            answer.unwrap_err().to_string(),
            "HTTP/1.1 503 Service Unavailable"
        );
        // A head that is cut off is a connection that has ended.
        assert!(read(b"HTTP/1.1 101", "101").0.is_err());
    }
}
