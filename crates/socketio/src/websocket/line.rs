//! A socket below a session, which can be lent: then somebody else puts whole messages there.

use std::io::IoSlice;

use crate::engine::parcel::Parcel;
use crate::websocket::cable::Cable;
use crate::websocket::turn::{Offered, Put, Turn};
use bytes::Bytes;

/// A message that was written in part, and how many bytes of it.
pub(crate) type Begun = (Parcel, usize);

/// The socket, and whose turn it is.
pub(crate) type Line = Turn<Cable, Begun>;

impl Line {
    /// Puts a message there, wholly or in part, without waiting. What it cannot take goes back to its owner with it.
    pub(crate) fn offer(&self, loan: u64, place: u64, parcel: &Parcel) -> Offered {
        let (_, offered) = self.offer_with(loan, place, 1, |cable, _| {
            let sent = parcel.put(|slices| send(cable, slices));
            if sent == parcel.len() {
                all_or_kept(cable, 1)
            } else if sent > 0 {
                Put::Full(1, Some((parcel.clone(), sent)))
            } else {
                Put::Full(0, None)
            }
        });
        offered
    }

    /// The same for messages that follow each other: those from its next one on, with one vectored write. Says how many
    /// were put there.
    pub(crate) fn offer_run<'a>(
        &self,
        loan: u64,
        place: u64,
        parcels: impl ExactSizeIterator<Item = &'a Parcel> + Clone,
    ) -> (u64, Offered) {
        let all = parcels.len() as u64;
        self.offer_with(loan, place, all, |cable, before| {
            let before = usize::try_from(before).expect("it is less than their number");
            put_all(cable, parcels.skip(before))
        })
    }
}

/// All were put there. If some of it is still kept where it is encrypted, the owner must see to that.
fn all_or_kept(cable: &Cable, taken: u64) -> Put<Begun> {
    if cable.is_sent() {
        Put::All(taken)
    } else {
        Put::Full(taken, None)
    }
}

/// Puts parcels there until all are, or the socket takes no more: as many whole ones with each write as its list holds.
fn put_all<'a>(cable: &Cable, mut parcels: impl Iterator<Item = &'a Parcel> + Clone) -> Put<Begun> {
    let mut taken = 0;
    loop {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let (mut count, mut whole) = (0, 0);
        for parcel in parcels.clone() {
            let frames = parcel.frames_from(0);
            // One that is too long for any list is begun, and the rest is the owner's to write.
            if whole > 0 && count + frames.len() > SLICES_MAX {
                break;
            }
            for (entry, frame) in slices[count..].iter_mut().zip(frames) {
                *entry = IoSlice::new(frame);
                count += 1;
            }
            whole += 1;
        }
        if whole == 0 {
            return all_or_kept(cable, taken);
        }
        let mut sent = cable.send(&slices[..count]);
        for parcel in parcels.by_ref().take(whole) {
            if sent < parcel.len() {
                let rest = (sent > 0).then(|| (parcel.clone(), sent));
                return Put::Full(taken + u64::from(sent > 0), rest);
            }
            sent -= parcel.len();
            taken += 1;
        }
    }
}

/// Most slices of one write: a courier's longest run of messages with head, attachment and what joins them.
const SLICES_MAX: usize = 24;

/// Writes what the socket takes at once of a message in these slices.
fn send(cable: &Cable, slices: &[Bytes]) -> usize {
    if let [slice] = slices {
        return cable.send(&[IoSlice::new(slice)]);
    }
    let mut list = [IoSlice::new(&[]); SLICES_MAX];
    let count = slices.len().min(SLICES_MAX);
    for (entry, slice) in list.iter_mut().zip(slices) {
        *entry = IoSlice::new(slice);
    }
    cable.send(&list[..count])
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::io::AsyncReadExt;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    async fn connected() -> (Cable, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap());
        let (peer, accepted) = tokio::join!(peer, listener.accept());
        (accepted.unwrap().0.into(), peer.unwrap())
    }

    /// A message of so many parts, the header of its frame among them.
    fn parcel(number: u8, parts: usize) -> Parcel {
        Parcel::plain_binary((1..parts).map(|_| Bytes::from(vec![number; 100])))
    }

    #[tokio::test]
    async fn more_messages_than_one_write_lists_are_put_there_whole_and_in_order() {
        let (stream, mut peer) = connected().await;
        for parts in [1, 3, 7, SLICES_MAX] {
            let parcels: Vec<_> = (0..30).map(|number| parcel(number, parts)).collect();
            assert!(matches!(put_all(&stream, parcels.iter()), Put::All(30)));
            let wanted: Vec<u8> = parcels
                .iter()
                .flat_map(|parcel| parcel.frames_from(0).concat())
                .collect();
            let mut got = vec![0; wanted.len()];
            peer.read_exact(&mut got).await.unwrap();
            assert!(got == wanted, "{parts} parts");
        }
    }

    #[tokio::test]
    async fn what_a_full_socket_leaves_begins_where_it_stopped() {
        let (stream, mut peer) = connected().await;
        // No list holds this one.
        let long = parcel(7, SLICES_MAX + 10);
        let Put::Full(1, Some((rest, sent))) = put_all(&stream, [&long].into_iter()) else {
            panic!("a part of it was put there");
        };
        assert_eq!(rest.len(), long.len());
        let mut got = vec![0; sent];
        peer.read_exact(&mut got).await.unwrap();
        assert_eq!(got, long.frames_from(0).concat()[..sent]);
        // And a socket that nobody reads takes some and no more.
        let parcels: Vec<_> = (0..100_000).map(|_| parcel(1, 3)).collect();
        let Put::Full(taken, _) = put_all(&stream, parcels.iter()) else {
            panic!("nobody reads twenty megabytes");
        };
        assert!(taken > 0 && taken < 100_000, "{taken}");
    }
}
