//! A plain TCP socket below a session, which can be lent: then somebody else puts whole messages there.

use std::io::{ErrorKind, IoSlice};

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
        self.offer_with(loan, place, |stream| {
            let sent = parcel.put(|slices| send(stream, slices));
            if sent == parcel.len() {
                Put::Whole
            } else if sent > 0 {
                Put::Part((parcel.clone(), sent))
            } else {
                Put::Nothing
            }
        })
    }
}

/// Writes what the socket takes at once. The kernel's refusal counts as nothing: the owner will meet it again.
fn send(stream: &TcpStream, slices: &[Bytes]) -> usize {
    /// Beyond so many slices the rest is the owner's to write.
    const SLICES_MAX: usize = 16;
    let socket = SockRef::from(stream);
    loop {
        let sent = match slices {
            [slice] => socket.send(slice),
            slices => {
                let mut list = [IoSlice::new(&[]); SLICES_MAX];
                let count = slices.len().min(SLICES_MAX);
                for (entry, slice) in list.iter_mut().zip(slices) {
                    *entry = IoSlice::new(slice);
                }
                socket.send_vectored(&list[..count])
            }
        };
        match sent {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            sent => return sent.unwrap_or(0),
        }
    }
}
