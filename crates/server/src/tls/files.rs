//! A certificate and its key in two files, read again whenever they change.
//!
//! Invariant: what cannot be used is never shown: the pair that was read last stays, and the log says what is wrong.

use super::provider;
use super::shown::Shown;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio_util::sync::CancellationToken;
use x509_parser::prelude::{FromDer, X509Certificate};

/// How often is looked whether the files have changed.
const EVERY: Duration = Duration::from_secs(1);

/// How long before its end a certificate that nobody has renewed is complained about.
const SOON: Duration = Duration::from_secs(7 * 24 * 3600);

/// The two files.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    /// The server's certificate, and behind it those between it and the root.
    pub(crate) certificate: PathBuf,
    /// The key that belongs to it.
    pub(crate) key: PathBuf,
}

/// Why a pair cannot be used, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum PairError {
    #[error("{setting} {path}: {source}\n  hint: {hint}")]
    Unreadable {
        setting: &'static str,
        path: PathBuf,
        source: io::Error,
        hint: &'static str,
    },
    #[error("{setting} {path} is not PEM text: {reason}\n  hint: {hint}")]
    Syntax {
        setting: &'static str,
        path: PathBuf,
        reason: String,
        hint: &'static str,
    },
    #[error(
        "tls-key {0} is encrypted, and nobody is here to type its password\n  hint: `openssl pkey -in {shown} -out new-key.pem` \
         writes it without", shown = .0.display()
    )]
    Encrypted(PathBuf),
    #[error(
        "tls-key {key} does not belong to the certificate in {certificate}\n  hint: both come from the same place, for example \
         fullchain.pem and privkey.pem; the server's own certificate stands first"
    )]
    Strangers { certificate: PathBuf, key: PathBuf },
    #[error("tls-certificate {certificate} and tls-key {key} cannot be used: {source}")]
    Unusable {
        certificate: PathBuf,
        key: PathBuf,
        source: rustls::Error,
    },
}

const CERTIFICATE_HINT: &str =
    "it holds the certificate with its chain: blocks that begin with -----BEGIN CERTIFICATE-----";
const KEY_HINT: &str =
    "it holds the certificate's private key: a block that begins with -----BEGIN PRIVATE KEY-----";
const RIGHTS_HINT: &str =
    "the user that abanico runs as must be able to read it: `ls -l` shows who may";

impl Pair {
    /// Reads both files.
    pub(crate) fn load(&self) -> Result<CertifiedKey, PairError> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&self.certificate)
            .and_then(Iterator::collect)
            .and_then(|chain: Vec<_>| {
                if chain.is_empty() {
                    Err(pem::Error::NoItemsFound)
                } else {
                    Ok(chain)
                }
            })
            .map_err(|error| {
                unread(
                    "tls-certificate",
                    &self.certificate,
                    error,
                    CERTIFICATE_HINT,
                )
            })?;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|error| {
            if is_encrypted(&self.key) {
                return PairError::Encrypted(self.key.clone());
            }
            unread("tls-key", &self.key, error, KEY_HINT)
        })?;
        CertifiedKey::from_der(chain, key, &provider()).map_err(|source| match source {
            rustls::Error::InconsistentKeys(_) => PairError::Strangers {
                certificate: self.certificate.clone(),
                key: self.key.clone(),
            },
            source => PairError::Unusable {
                certificate: self.certificate.clone(),
                key: self.key.clone(),
                source,
            },
        })
    }

    /// Shows what the files hold, now and whenever that has changed, until `stop` is cancelled. `loaded` is what they held
    /// when the server came up.
    pub(crate) async fn keep(self, loaded: State, shown: Arc<Shown>, stop: CancellationToken) {
        let mut tried = loaded;
        let mut before = tried;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
            let now = self.state();
            // Whoever is still writing is left to finish.
            let is_settled = now == std::mem::replace(&mut before, now);
            if now == tried || !is_settled {
                continue;
            }
            tried = now;
            match self.load() {
                Ok(certificate) => {
                    describe(&certificate);
                    shown.show(certificate);
                }
                Err(error) => {
                    tracing::warn!(%error, "the certificate's files have changed and cannot be used: the old certificate stays");
                }
            }
        }
    }

    /// What tells whether the files have changed.
    pub(crate) fn state(&self) -> State {
        [&self.certificate, &self.key].map(|path| {
            let metadata = std::fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        })
    }
}

/// When each file was written and how long it is, if it is there.
pub(crate) type State = [Option<(SystemTime, u64)>; 2];

/// Writes to the log until when a certificate is good.
pub(crate) fn describe(certificate: &CertifiedKey) {
    let ends = certificate
        .cert
        .first()
        .and_then(|certificate| ends(certificate));
    let Some(ends) = ends else {
        return tracing::info!("a certificate is shown");
    };
    let until = humantime::format_rfc3339_seconds(ends).to_string();
    match ends.duration_since(SystemTime::now()) {
        Ok(left) if left > SOON => tracing::info!(%until, "a certificate is shown"),
        Ok(_) => tracing::warn!(%until, "the certificate that is shown ends soon: renew it"),
        Err(_) => {
            tracing::warn!(%until, "the certificate that is shown has ended: browsers refuse it");
        }
    }
}

/// From when on a certificate is good.
pub(crate) fn begins(certificate: &CertificateDer<'_>) -> Option<SystemTime> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    at(parsed.validity().not_before.timestamp())
}

/// When a certificate ends.
pub(crate) fn ends(certificate: &CertificateDer<'_>) -> Option<SystemTime> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    at(parsed.validity().not_after.timestamp())
}

fn at(timestamp: i64) -> Option<SystemTime> {
    let seconds = u64::try_from(timestamp).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

fn unread(setting: &'static str, path: &Path, error: pem::Error, hint: &'static str) -> PairError {
    let path = path.to_owned();
    match error {
        pem::Error::Io(source) => PairError::Unreadable {
            setting,
            path,
            hint: if source.kind() == io::ErrorKind::PermissionDenied {
                RIGHTS_HINT
            } else {
                hint
            },
            source,
        },
        pem::Error::NoItemsFound => PairError::Syntax {
            setting,
            path,
            reason: "nothing of the kind is in it".to_owned(),
            hint,
        },
        other => PairError::Syntax {
            setting,
            path,
            reason: other.to_string(),
            hint,
        },
    }
}

fn is_encrypted(key: &Path) -> bool {
    std::fs::read_to_string(key).is_ok_and(|text| {
        text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED")
    })
}
