//! Who may break off a DTLS handshake: nobody who is not authenticated.
//!
//! Before its keys are there an alert travels in the clear, and anybody who can send from the peer's address, such as another
//! behind the same router, can say one. It is left out; a peer that does not go on is given up when its time is over.
//! An alert in a datagram of its own is left out with it, one between other records leaves them. Afterwards dimpl takes none in the
//! clear itself.

use std::borrow::Cow;

/// A record's head: its type, version, epoch and number, and the bytes that follow it. RFC 6347, 4.1.
const HEAD_BYTES: usize = 13;

/// The type of records that are alerts.
const ALERT: u8 = 21;

/// The same datagram without alerts in the clear.
pub(crate) fn without_alerts(datagram: &[u8]) -> Cow<'_, [u8]> {
    let mut rest = datagram;
    let mut left = Vec::new();
    while let Some((record, after)) = first_record(rest) {
        if is_alert_in_the_clear(record) {
            tracing::debug!(alert = ?record.get(HEAD_BYTES..), "left out of a handshake");
        } else {
            left.push(record);
        }
        rest = after;
    }
    let length = left.iter().map(|record| record.len()).sum::<usize>() + rest.len();
    if length == datagram.len() {
        return Cow::Borrowed(datagram);
    }
    left.push(rest);
    Cow::Owned(left.concat())
}

/// `None` if there is none that is whole.
fn first_record(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = bytes.get(HEAD_BYTES - 2..HEAD_BYTES)?;
    let length = u16::from_be_bytes(length.try_into().ok()?);
    bytes.split_at_checked(HEAD_BYTES + usize::from(length))
}

fn is_alert_in_the_clear(record: &[u8]) -> bool {
    const NO_EPOCH: [u8; 2] = [0, 0];
    record.first() == Some(&ALERT) && record.get(3..5) == Some(&NO_EPOCH[..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u8, epoch: u8, body: &[u8]) -> Vec<u8> {
        let head = [kind, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, 7, 0];
        [&head[..], &[u8::try_from(body.len()).unwrap()], body].concat()
    }

    #[test]
    fn only_alerts_in_the_clear_are_left_out_and_all_of_them() {
        let fatal = record(ALERT, 0, &[2, 40]);
        let hello = record(22, 0, b"hello");
        let sealed = record(ALERT, 1, &[9; 26]);
        let of = |parts: &[&[u8]]| without_alerts(&parts.concat()).into_owned();
        assert_eq!(of(&[&fatal]), b"");
        assert_eq!(
            of(&[&fatal, &hello, &fatal, &sealed, &fatal]),
            [&hello[..], &sealed].concat()
        );
        // What is none, or none that is whole, is for others to refuse.
        for other in [&hello[..], &sealed, &fatal[..14], b"", &[ALERT], &[255; 40]] {
            assert_eq!(of(&[&hello, other]), [&hello[..], other].concat());
        }
    }
}
