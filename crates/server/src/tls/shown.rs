//! The certificate that clients are shown at the moment, exchanged while connections come and go.

use super::acme::challenges::{self, Challenges};
use parking_lot::RwLock;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::sync::Arc;

/// What is shown. Without one a handshake is refused.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    current: RwLock<Option<Arc<CertifiedKey>>>,
    /// What is shown to an authority that asks whether a name is ours.
    pub(crate) challenges: Challenges,
}

impl Shown {
    /// Connections from now on are shown this one; those that there are stay.
    pub(crate) fn show(&self, certificate: CertifiedKey) {
        *self.current.write() = Some(Arc::new(certificate));
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let mut spoken = hello.alpn().into_iter().flatten();
        if spoken.any(|protocol| protocol == challenges::PROTOCOL) {
            return self.challenges.certificate(hello.server_name()?);
        }
        self.current.read().clone()
    }
}
