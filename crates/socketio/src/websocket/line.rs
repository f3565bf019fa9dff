//! A plain TCP socket below a session, which can be lent: then somebody else puts whole messages there.

use std::io::{self, ErrorKind, IoSlice};

use bytes::Bytes;
use socket2::SockRef;
use tokio::net::TcpStream;

use crate::engine::parcel::Parcel;
use crate::websocket::turn::{Offered, Put, Turn};

/// A message that was written in part, and how many bytes of it.
pub(crate) type Begun = (Parcel, usize);

/// The socket, and whose turn it is.
pub(crate) type Line = Turn<TcpStream, Begun>;

impl Line {
    /// Puts a message there, wholly or in part, without waiting. What it cannot take goes back to its owner with it.
    pub(crate) fn offer(&self, loan: u64, place: u64, parcel: &Parcel) -> Offered {
        let (_, offered) = self.offer_with(loan, place, 1, |stream, _| {
            let sent = parcel.put(|slices| send(stream, slices));
            if sent == parcel.len() {
                Put::All(1)
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
        self.offer_with(loan, place, all, |stream, before| {
            let before = usize::try_from(before).expect("it is less than their number");
            let parcels = parcels.skip(before);
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let frames = parcels.clone().flat_map(|parcel| parcel.frames_from(0));
            let mut count = 0;
            for (entry, frame) in slices.iter_mut().zip(frames) {
                *entry = IoSlice::new(frame);
                count += 1;
            }
            let mut sent = send_vectored(stream, &slices[..count]);
            let mut taken = 0;
            for parcel in parcels {
                if sent < parcel.len() {
                    let rest = (sent > 0).then(|| (parcel.clone(), sent));
                    return Put::Full(taken + u64::from(sent > 0), rest);
                }
                sent -= parcel.len();
                taken += 1;
            }
            Put::All(taken)
        })
    }
}

/// Most slices of one write. What lies beyond is the owner's to write.
const SLICES_MAX: usize = 16;

/// Writes what the socket takes at once. The kernel's refusal counts as nothing: the owner will meet it again.
fn send(stream: &TcpStream, slices: &[Bytes]) -> usize {
    if let [slice] = slices {
        return again_if_interrupted(|| SockRef::from(stream).send(slice));
    }
    let mut list = [IoSlice::new(&[]); SLICES_MAX];
    let count = slices.len().min(SLICES_MAX);
    for (entry, slice) in list.iter_mut().zip(slices) {
        *entry = IoSlice::new(slice);
    }
    send_vectored(stream, &list[..count])
}

fn send_vectored(stream: &TcpStream, slices: &[IoSlice<'_>]) -> usize {
    again_if_interrupted(|| SockRef::from(stream).send_vectored(slices))
}

fn again_if_interrupted(send: impl Fn() -> io::Result<usize>) -> usize {
    loop {
        match send() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            sent => return sent.unwrap_or(0),
        }
    }
}
