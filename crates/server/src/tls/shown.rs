//! The certificate that clients are shown at the moment, exchanged while connections come and go.

use parking_lot::RwLock;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::sync::Arc;

/// What is shown. Without one a handshake is refused.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    current: RwLock<Option<Arc<CertifiedKey>>>,
}

impl Shown {
    /// Connections from now on are shown this one; those that there are stay.
    pub(crate) fn show(&self, certificate: CertifiedKey) {
        *self.current.write() = Some(Arc::new(certificate));
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.current.read().clone()
    }
}
