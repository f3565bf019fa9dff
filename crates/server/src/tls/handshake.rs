//! The server's part of a handshake, without a socket: bytes come in, bytes are to be sent, and at last there are keys.
//!
//! rustls does it, in the way in which it gives the keys away with what renews them. What the peer sent behind its last word
//! of the handshake is kept for [`Traffic`], decrypted or not.

use super::traffic::Traffic;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, UnbufferedStatus};
use rustls::{Error, ServerConfig};
use std::io;
use std::sync::Arc;

/// Most bytes of a peer that are not understood yet: rustls takes no longer message, and its records.
const UNREAD_BYTES_MAX: usize = 80 * 1024;

/// A handshake that is under way.
pub(crate) struct Handshake {
    tls: UnbufferedServerConnection,
    /// What came and is not understood yet.
    pub(crate) unread: Vec<u8>,
    /// What is to be sent.
    pub(crate) unsent: Vec<u8>,
    /// Content that came with the end of it.
    content: Vec<u8>,
    has_ended: bool,
}

impl Handshake {
    pub(crate) fn new(config: Arc<ServerConfig>) -> io::Result<Self> {
        Ok(Self {
            tls: UnbufferedServerConnection::new(config).map_err(io::Error::other)?,
            unread: Vec::new(),
            unsent: Vec::new(),
            content: Vec::new(),
            has_ended: false,
        })
    }

    /// Understands what there is, and says whether there are keys. Otherwise it takes bytes of the peer, once all is sent.
    /// After an error what is to be sent tells the peer why.
    pub(crate) fn step(&mut self) -> Result<bool, Error> {
        loop {
            match self.process() {
                Ok(false) => {}
                Ok(true) if !self.tls.is_handshaking() => return Ok(true),
                Ok(true) if self.unread.len() > UNREAD_BYTES_MAX => {
                    return Err(Error::General("endless handshake".to_owned()));
                }
                Ok(true) => return Ok(false),
                Err(error) => {
                    // It has an alert to send, then.
                    while let Ok(false) = self.process() {}
                    return Err(error);
                }
            }
        }
    }

    /// Takes one step. Says whether more is needed than what is unread.
    fn process(&mut self) -> Result<bool, Error> {
        let UnbufferedStatus { discard, state } = self.tls.process_tls_records(&mut self.unread);
        let is_blocked = match state {
            Err(error) => {
                self.unread.clear();
                return Err(error);
            }
            Ok(ConnectionState::EncodeTlsData(data)) => {
                encode(data, &mut self.unsent)?;
                false
            }
            Ok(ConnectionState::TransmitTlsData(data)) => {
                // All of it is sent before anything else is.
                data.done();
                false
            }
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                while let Some(record) = traffic.next_record() {
                    self.content.extend_from_slice(record?.payload);
                }
                false
            }
            Ok(ConnectionState::PeerClosed) => {
                self.has_ended = true;
                false
            }
            Ok(ConnectionState::BlockedHandshake | ConnectionState::WriteTraffic(_)) => true,
            // Neither is it closed by us, nor is there early data, which is not offered.
            Ok(state) => return Err(Error::General(format!("{state:?} in a handshake"))),
        };
        self.unread.drain(..discard);
        Ok(is_blocked)
    }

    /// What was agreed.
    pub(crate) fn finish(self) -> io::Result<Traffic> {
        let protocol = self.tls.alpn_protocol().map(<[u8]>::to_vec);
        let (secrets, kernel) = self
            .tls
            .dangerous_into_kernel_connection()
            .map_err(io::Error::other)?;
        let traffic = Traffic::new(secrets, kernel, protocol).map_err(io::Error::other)?;
        Ok(traffic.after(self.unsent, self.content, self.unread, self.has_ended))
    }
}

/// Appends what rustls has to say.
fn encode(
    mut data: EncodeTlsData<'_, rustls::server::ServerConnectionData>,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let before = out.len();
    if let Err(EncodeError::InsufficientSize(needed)) = data.encode(&mut []) {
        out.resize(before + needed.required_size, 0);
        let written = data.encode(&mut out[before..]);
        let written = written.map_err(|error| Error::General(error.to_string()))?;
        out.truncate(before + written);
    }
    Ok(())
}
