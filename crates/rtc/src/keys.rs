//! What a DTLS handshake agreed on for SRTP, told to us as well as to str0m.
//!
//! str0m encrypts what it packetises itself. A viewer's media is packetised once for all viewers (`crate::payload`), so its
//! encryption is ours (`crate::srtp`) and needs the session's keys. The handshake itself stays what it is; but of who may
//! break it off see [`alerts`](crate::alerts).

use crate::alerts::without_alerts;
use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;
use str0m::config::{CryptoProvider, DtlsCert, DtlsVersion};
use str0m::crypto::CryptoError;
use str0m::crypto::dtls::{
    DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, ProtocolVersion, SrtpProfile,
};

/// What both ends encrypt media with.
pub(crate) struct Keys {
    pub(crate) profile: SrtpProfile,
    /// The client's key, the server's, the client's salt, the server's.
    pub(crate) material: Vec<u8>,
    /// Whether we were the handshake's client.
    pub(crate) client: bool,
}

/// What is known of one session's handshake.
pub(crate) type Escrow = Arc<Outcome>;

/// What came of a handshake.
#[derive(Default)]
pub(crate) struct Outcome {
    keys: OnceLock<Keys>,
    is_uncertified: AtomicBool,
}

impl Outcome {
    /// The session's keys, as soon as it is over.
    pub(crate) fn get(&self) -> Option<&Keys> {
        self.keys.get()
    }

    /// Whether the peer had no certificate of the kind that is understood.
    pub(crate) fn is_uncertified(&self) -> bool {
        self.is_uncertified.load(Ordering::Relaxed)
    }
}

thread_local! {
    /// The escrow of the handshake that was made last on this thread, until it is taken.
    static MADE: RefCell<Option<Escrow>> = const { RefCell::new(None) };
}

/// The cryptography of all sessions.
pub(crate) fn provider() -> CryptoProvider {
    CryptoProvider {
        dtls_provider: &Watched,
        ..str0m::crypto::from_feature_flags()
    }
}

/// The escrow of the session that was made just now, on this thread.
pub(crate) fn taken() -> Escrow {
    MADE.take().unwrap_or_default()
}

/// Handshakes whose outcome is put in escrow.
#[derive(Debug)]
struct Watched;

impl DtlsProvider for Watched {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        let inner = str0m::crypto::from_feature_flags();
        inner.dtls_provider.generate_certificate()
    }

    fn new_dtls(
        &self,
        certificate: &DtlsCert,
        now: Instant,
        version: DtlsVersion,
        mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        let inner = str0m::crypto::from_feature_flags();
        let inner = inner
            .dtls_provider
            .new_dtls(certificate, now, version, mtu)?;
        let escrow = Escrow::default();
        MADE.set(Some(Arc::clone(&escrow)));
        Ok(Box::new(Handshake { inner, escrow }))
    }
}

struct Handshake {
    inner: Box<dyn DtlsInstance>,
    escrow: Escrow,
}

impl std::fmt::Debug for Handshake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handshake").finish_non_exhaustive()
    }
}

impl DtlsInstance for Handshake {
    fn set_active(&mut self, active: bool) {
        self.inner.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        if self.escrow.get().is_some() {
            return self.inner.handle_packet(packet);
        }
        let handled = self.inner.handle_packet(&without_alerts(packet));
        if let Err(DtlsImplError::CertificateError(_)) = handled {
            self.escrow.is_uncertified.store(true, Ordering::Relaxed);
        }
        handled
    }

    fn poll_output<'a>(&mut self, buf: &'a mut [u8]) -> DtlsOutput<'a> {
        let client = self.inner.is_active();
        let output = self.inner.poll_output(buf);
        if let DtlsOutput::KeyingMaterial(material, profile) = &output {
            // A session has one handshake: what comes first stays.
            let _ = self.escrow.keys.set(Keys {
                profile: *profile,
                material: material.to_vec(),
                client,
            });
        }
        output
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.inner.handle_timeout(now)
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        self.inner.send_application_data(data)
    }

    fn is_active(&self) -> bool {
        self.inner.is_active()
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.inner.protocol_version()
    }

    fn is_closing(&self) -> bool {
        self.inner.is_closing()
    }

    fn is_closed(&self) -> bool {
        self.inner.is_closed()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.inner.close()
    }
}
