//! LAN mode: HTTPS for the phones of one's own network, by an authority of the server's own that they are told to trust.
//!
//! The certificate is for every name and private address that the machine has, and a new one is shown when those change.
//! How a phone comes to trust the authority is `trust`'s to tell.

pub(crate) mod authority;
pub(crate) mod names;

use super::shown::Shown;
use anyhow::ensure;
use authority::{Authority, CERTIFICATE_FOR};
use names::Names;
use parking_lot::RwLock;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio_util::sync::CancellationToken;

/// How often is looked whether the machine has other addresses.
const EVERY: Duration = Duration::from_secs(5);

/// LAN mode as it runs. Clones are the same.
#[derive(Clone)]
pub(crate) struct Lan(Arc<Inner>);

struct Inner {
    authority: Authority,
    given: Names,
    names: RwLock<Names>,
    /// Until when the certificate that is shown need not be renewed.
    fresh_until: RwLock<SystemTime>,
    shown: Arc<Shown>,
}

impl Lan {
    /// Opens the authority in `folder`, and shows a certificate of it.
    pub(crate) fn open(folder: &Path, given: Names, shown: Arc<Shown>) -> anyhow::Result<Self> {
        let host = names::host();
        let authority = Authority::open(folder, host.as_deref())?;
        for host in &given.hosts {
            ensure!(
                authority.permits(host),
                "lan-names: `{host}` is no name of a private network: LAN mode's authority vouches for names such as \
                 {host}.local alone\n  hint: a public name gets a certificate that everybody trusts already"
            );
        }
        for address in &given.addresses {
            ensure!(
                authority::may_vouch_for(*address),
                "lan-names: {address} is no private address, and LAN mode's authority vouches for those alone"
            );
        }
        let lan = Self(Arc::new(Inner {
            authority,
            given,
            names: RwLock::default(),
            fresh_until: RwLock::new(SystemTime::UNIX_EPOCH),
            shown,
        }));
        lan.look(SystemTime::now())?;
        Ok(lan)
    }

    /// The authority's certificate, in DER.
    pub(crate) fn certificate(&self) -> &[u8] {
        self.0.authority.certificate()
    }

    /// Where a server that listens at `bound` is reached from the machine's network, if it is.
    pub(crate) fn outward(&self, bound: IpAddr) -> Option<String> {
        self.0.names.read().outward(&self.0.given, bound)
    }

    /// Renews the certificate when the machine's addresses have changed or it has grown old, until `stop` is cancelled.
    pub(crate) async fn keep(self, stop: CancellationToken) {
        let mut has_failed = false;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
            let looked = self.look(SystemTime::now());
            if let Err(error) = &looked
                && !has_failed
            {
                tracing::warn!(%error, "LAN mode's certificate cannot be renewed: the old one stays");
            }
            has_failed = looked.is_err();
        }
    }

    /// Issues and shows a new certificate if the one that is shown does not do any more.
    fn look(&self, now: SystemTime) -> anyhow::Result<()> {
        let names = Names::now(&self.0.given);
        if names == *self.0.names.read() && now < *self.0.fresh_until.read() {
            return Ok(());
        }
        let certificate = self.0.authority.issue(&names, now)?;
        self.0.shown.show(certificate);
        tracing::info!(hosts = ?names.hosts, addresses = ?names.addresses, "a certificate of LAN mode's authority is shown");
        *self.0.names.write() = names;
        *self.0.fresh_until.write() = now + CERTIFICATE_FOR / 2;
        Ok(())
    }
}
