//! What is said over a connection after its handshake, without a socket: content becomes records, records content.
//!
//! All but content is understood here: goodbyes, alerts, and keys that are renewed, by the peer's wish or because ours is worn.
//! What of a peer's records was not asked for yet is kept, and so is what of ours could not be sent; whoever drives it reads
//! nothing more before the first is taken and makes nothing more before the second is sent, so both are bounded.

use abanico_records::{Opened, Opener, Refused, Sealer, Unsupported};
use rustls::kernel::KernelConnection;
use rustls::server::ServerConnectionData;
use rustls::{AlertDescription, ContentType, ExtractedSecrets, HandshakeType, ProtocolVersion};
use std::io::{self, ErrorKind, IoSlice};

/// Keys that a peer may renew without saying anything between. As rustls has it.
const RENEWALS_MAX: u32 = 32;
/// Alerts that end nothing, of TLS 1.2. As rustls has it.
const WARNINGS_MAX: u32 = 4;
const WARNING: u8 = 1;
const FATAL: u8 = 2;

/// Both directions of a connection.
pub(crate) struct Traffic {
    kernel: KernelConnection<ServerConnectionData>,
    protocol: Option<Vec<u8>>,
    sealer: Sealer,
    opener: Opener,
    /// Records that could not be sent yet.
    unsent: Vec<u8>,
    /// That our key is renewed is among them.
    is_renewal_unsent: bool,
    /// The beginning of a record.
    sealed: Vec<u8>,
    /// Content that nobody has taken yet, and how much of it somebody has.
    content: (Vec<u8>, usize),
    /// A message of the peer that is not whole yet.
    message: Vec<u8>,
    renewals: u32,
    warnings: u32,
    /// The peer has said goodbye.
    has_ended: bool,
    /// We have.
    is_closed: bool,
}

impl Traffic {
    /// With what a handshake agreed.
    pub(crate) fn new(
        secrets: ExtractedSecrets,
        kernel: KernelConnection<ServerConnectionData>,
        protocol: Option<Vec<u8>>,
    ) -> Result<Self, Unsupported> {
        let version = kernel.protocol_version();
        Ok(Self {
            sealer: Sealer::new(version, secrets.tx)?,
            opener: Opener::new(version, secrets.rx)?,
            kernel,
            protocol,
            unsent: Vec::new(),
            is_renewal_unsent: false,
            sealed: Vec::new(),
            content: (Vec::new(), 0),
            message: Vec::new(),
            renewals: 0,
            warnings: 0,
            has_ended: false,
            is_closed: false,
        })
    }

    /// With what the handshake has left over: bytes to send, content, records, and whether the peer has said goodbye.
    pub(crate) fn after(
        self,
        unsent: Vec<u8>,
        content: Vec<u8>,
        sealed: Vec<u8>,
        has_ended: bool,
    ) -> Self {
        Self {
            unsent,
            content: (content, 0),
            sealed,
            has_ended,
            ..self
        }
    }

    /// What was agreed to be spoken.
    pub(crate) fn protocol(&self) -> Option<&[u8]> {
        self.protocol.as_deref()
    }

    /// What is to be sent before anything else is made.
    pub(crate) fn unsent(&self) -> &[u8] {
        &self.unsent
    }

    /// So much of it was sent.
    pub(crate) fn sent(&mut self, count: usize) {
        self.unsent.drain(..count);
        if self.unsent.is_empty() {
            self.unsent = Vec::new();
            self.is_renewal_unsent = false;
        }
    }

    /// Keeps records that could not be sent.
    pub(crate) fn keep(&mut self, records: &[u8]) {
        self.unsent.extend_from_slice(records);
    }

    /// Content that waits to be taken.
    pub(crate) fn content(&self) -> &[u8] {
        &self.content.0[self.content.1..]
    }

    /// Takes content that waits.
    pub(crate) fn take(&mut self, buffer: &mut [u8]) -> usize {
        let content = self.content();
        let len = content.len().min(buffer.len());
        buffer[..len].copy_from_slice(&content[..len]);
        self.content.1 += len;
        if self.content.1 == self.content.0.len() {
            self.content = (Vec::new(), 0);
        }
        len
    }

    /// Whether nothing more comes.
    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// The beginning of a record that more is needed of, as it came. It is to be given back in front of that.
    pub(crate) fn sealed(&self) -> &[u8] {
        &self.sealed
    }

    /// Understands what came, what was kept at its front. Content goes to `buffer`, and what has no room there waits.
    pub(crate) fn receive(&mut self, mut raw: &mut [u8], buffer: &mut [u8]) -> io::Result<usize> {
        self.sealed.clear();
        let mut taken = 0;
        while !self.has_ended {
            let opened = self.opener.open(raw).and_then(|opened| {
                let Opened::Record { kind, content, len } = opened else {
                    return Ok(None);
                };
                let content = &raw[content];
                if kind == ContentType::ApplicationData && self.message.is_empty() {
                    self.renewals = 0;
                    let now = content.len().min(buffer.len() - taken);
                    buffer[taken..taken + now].copy_from_slice(&content[..now]);
                    taken += now;
                    self.content.0.extend_from_slice(&content[now..]);
                } else {
                    self.hear(kind, content)?;
                }
                Ok(Some(len))
            });
            match opened {
                Ok(Some(len)) => raw = &mut raw[len..],
                Ok(None) => {
                    self.sealed = raw.to_vec();
                    break;
                }
                Err(Refused(why)) => {
                    self.refuse(why);
                    return Err(io::Error::new(ErrorKind::InvalidData, Refused(why)));
                }
            }
        }
        Ok(taken)
    }

    /// Understands what is not content.
    fn hear(&mut self, kind: ContentType, said: &[u8]) -> Result<(), Refused> {
        if kind != ContentType::Handshake && !self.message.is_empty() {
            return Err(Refused(AlertDescription::UnexpectedMessage));
        }
        match (kind, said) {
            (ContentType::Alert, &[level, why]) => self.be_alerted(level, why.into()),
            (ContentType::Handshake, said) if !said.is_empty() => self.hear_message(said),
            _ => Err(Refused(AlertDescription::UnexpectedMessage)),
        }
    }

    fn be_alerted(&mut self, level: u8, why: AlertDescription) -> Result<(), Refused> {
        if why == AlertDescription::CloseNotify {
            self.has_ended = true;
            return Ok(());
        }
        let ends = match self.kernel.protocol_version() {
            // There every alert ends a connection, but for this one.
            ProtocolVersion::TLSv1_3 => why != AlertDescription::UserCanceled,
            _ => level != WARNING,
        };
        self.warnings += 1;
        if ends || self.warnings > WARNINGS_MAX {
            // Whoever is told nothing more does not listen any more either.
            self.is_closed = true;
            return Err(Refused(why));
        }
        Ok(())
    }

    /// A peer may renew its keys, and wish for ours to be; and with TLS 1.2 begin a new handshake, which we do not.
    fn hear_message(&mut self, said: &[u8]) -> Result<(), Refused> {
        const KEY_UPDATE: [u8; 4] = [24, 0, 0, 1];

        if self.kernel.protocol_version() != ProtocolVersion::TLSv1_3 {
            return Err(Refused(AlertDescription::NoRenegotiation));
        }
        self.message.extend_from_slice(said);
        let is_wished = match self.message[..] {
            [24, 0, 0, 1, 0] => false,
            [24, 0, 0, 1, 1] => true,
            [24, 0, 0, 1, _] => return Err(Refused(AlertDescription::IllegalParameter)),
            ref begun if KEY_UPDATE.starts_with(begun) => return Ok(()),
            _ => return Err(Refused(AlertDescription::UnexpectedMessage)),
        };
        self.message.clear();
        self.renewals += 1;
        if self.renewals > RENEWALS_MAX {
            return Err(Refused(AlertDescription::UnexpectedMessage));
        }
        let internal = |_| Refused(AlertDescription::InternalError);
        let version = self.kernel.protocol_version();
        let secrets = self.kernel.update_rx_secret().map_err(internal)?;
        self.opener =
            Opener::new(version, secrets).map_err(|_| Refused(AlertDescription::InternalError))?;
        // One answer is enough for wishes that come faster than it leaves.
        if is_wished && !self.is_closed && !self.is_renewal_unsent {
            self.renew().map_err(internal)?;
        }
        Ok(())
    }

    /// Says that our key is renewed, and renews it.
    fn renew(&mut self) -> Result<(), rustls::Error> {
        let message = [HandshakeType::KeyUpdate.into(), 0, 0, 1, 0];
        self.sealer
            .say(ContentType::Handshake, &message, &mut self.unsent);
        self.is_renewal_unsent = true;
        let secrets = self.kernel.update_tx_secret()?;
        self.sealer = Sealer::new(self.kernel.protocol_version(), secrets)
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        Ok(())
    }

    /// Makes records of what is in `slices` from a place on, as much as `out` has room for. Says how much content that was, and how many
    /// bytes of `out` it takes. They are to be sent, or kept in `unsent`, and before them all that is there.
    pub(crate) fn seal(
        &mut self,
        slices: &[IoSlice<'_>],
        from: usize,
        out: &mut [u8],
    ) -> io::Result<(usize, usize)> {
        if self.is_closed {
            return Err(ErrorKind::BrokenPipe.into());
        }
        Ok(self.sealer.seal(slices, from, out))
    }

    /// Sees to it that there can be more records, before each [`Traffic::seal`]. Something may have to be sent first.
    pub(crate) fn prepare(&mut self) -> io::Result<()> {
        if self.is_closed || !self.sealer.is_worn() {
            return Ok(());
        }
        if self.kernel.protocol_version() != ProtocolVersion::TLSv1_3 {
            // A key of TLS 1.2 cannot be renewed without a handshake.
            self.close();
            return Ok(());
        }
        self.renew().map_err(io::Error::other)
    }

    /// Says goodbye. Nothing is said after that.
    pub(crate) fn close(&mut self) {
        self.alert(WARNING, AlertDescription::CloseNotify);
    }

    fn refuse(&mut self, why: AlertDescription) {
        self.alert(FATAL, why);
        self.has_ended = true;
    }

    fn alert(&mut self, level: u8, why: AlertDescription) {
        if std::mem::replace(&mut self.is_closed, true) {
            return;
        }
        self.sealer
            .say(ContentType::Alert, &[level, why.into()], &mut self.unsent);
    }
}

#[cfg(test)]
mod tests;
