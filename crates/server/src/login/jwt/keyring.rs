//! Where the keys come from: a secret, and a JWKS in a file or at an address.
//!
//! A set that was fetched is kept until another one is: whoever keeps the login may be away for a while. It is fetched
//! again in its time, and when a token names a key that is not in it, but never more often than [`Pace::at_most`]: tokens
//! that anybody can make up are no lever on somebody else's server. Those whose key is known wait for nobody.

use super::JwtError;
use super::keys::{Key, KeySet, KeySetError, ShortSecret};
use crate::outgoing::{Bounds, Outgoing, OutgoingError, Target};
use bytes::Bytes;
use http::{Request, StatusCode};
use jsonwebtoken::Algorithm;
use parking_lot::Mutex;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// How long the answer with a set may be, and take.
const BOUNDS: Bounds = Bounds {
    within: Duration::from_secs(5),
    body_bytes_max: 256 << 10,
};

/// How often is looked whether a file has changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// All keys.
#[derive(Debug)]
pub(crate) struct Keyring {
    secret: Option<Arc<Key>>,
    jwks: Option<Jwks>,
}

#[derive(Debug)]
struct Jwks {
    origin: Origin,
    pace: Pace,
    set: Mutex<KeySet>,
    /// When it was tried last, while nobody is trying.
    tried: tokio::sync::Mutex<Option<Instant>>,
}

/// Where a JWKS is.
#[derive(Debug)]
pub(crate) enum Origin {
    File(PathBuf),
    At(Target, Outgoing),
}

/// How often a set is fetched.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Without an occasion.
    pub(crate) every: Duration,
    /// At the most.
    pub(crate) at_most: Duration,
}

/// Why there is no new set. For the log.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error(transparent)]
    Outgoing(#[from] OutgoingError),
    #[error("the answer is {0}, and no redirect is followed")]
    Status(StatusCode),
    #[error("jwks {path}: {source}")]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(transparent)]
    Set(#[from] KeySetError),
}

impl Keyring {
    /// The secret and the set, of which there is at least one. A file is read now, and what is wrong with it is said; at an
    /// address somebody may answer later.
    pub(crate) fn new(secret: Option<&[u8]>, jwks: Option<(Origin, Pace)>) -> anyhow::Result<Self> {
        let secret = secret
            .map(Key::secret)
            .transpose()
            .map_err(|short: ShortSecret| {
                anyhow::anyhow!(
                    "jwt-secret-file: {short}\n  hint: `openssl rand -hex 32` makes a good one"
                )
            })?;
        let jwks = jwks.map(|(origin, pace)| {
            let set = match &origin {
                Origin::File(path) => read_file(path)?,
                Origin::At(..) => KeySet::default(),
            };
            anyhow::Ok(Jwks {
                origin,
                pace,
                set: Mutex::new(set),
                tried: tokio::sync::Mutex::new(None),
            })
        });
        Ok(Self {
            secret: secret.map(Arc::new),
            jwks: jwks.transpose()?,
        })
    }

    /// The keys that a token may have been signed with: at least one.
    pub(super) async fn find(
        &self,
        algorithm: Algorithm,
        id: Option<&str>,
    ) -> Result<Vec<Arc<Key>>, JwtError> {
        if algorithm == Algorithm::HS256 {
            // Whoever made the token may have named a secret as it likes: there is only one.
            return match &self.secret {
                Some(secret) => Ok(vec![secret.clone()]),
                None => Err(JwtError::Algorithm("HS256".to_owned())),
            };
        }
        let Some(jwks) = &self.jwks else {
            return Err(JwtError::Algorithm(format!("{algorithm:?}")));
        };
        let known = jwks.candidates(algorithm, id);
        if !known.is_empty() {
            return Ok(known);
        }
        jwks.fetch().await;
        let known = jwks.candidates(algorithm, id);
        match id {
            _ if !known.is_empty() => Ok(known),
            _ if jwks.set.lock().is_empty() => Err(JwtError::NoKeys),
            Some(id) => Err(JwtError::UnknownKey(super::harmless(id))),
            None => Err(JwtError::Algorithm(format!("{algorithm:?}"))),
        }
    }

    /// Fetches the set now and in its time, for ever.
    pub(crate) async fn keep(&self) {
        match &self.jwks {
            Some(jwks) => jwks.keep().await,
            None => std::future::pending().await,
        }
    }
}

impl Jwks {
    fn candidates(&self, algorithm: Algorithm, id: Option<&str>) -> Vec<Arc<Key>> {
        self.set.lock().candidates(algorithm, id)
    }

    async fn keep(&self) {
        match &self.origin {
            Origin::File(path) => {
                let mut read = state(path);
                loop {
                    tokio::time::sleep(LOOK_EVERY).await;
                    let now = state(path);
                    if now != read {
                        read = now;
                        self.fetch_now().await;
                    }
                }
            }
            Origin::At(..) => loop {
                self.fetch().await;
                let every = if self.set.lock().is_empty() {
                    self.pace.at_most
                } else {
                    self.pace.every
                };
                tokio::time::sleep(every.max(self.pace.at_most)).await;
            },
        }
    }

    /// Fetches the set, unless that was tried a short while ago. Whoever comes while somebody fetches waits for that.
    async fn fetch(&self) {
        let mut tried = self.tried.lock().await;
        if tried.is_some_and(|tried| tried.elapsed() < self.pace.at_most) {
            return;
        }
        self.fetch_now().await;
        // Also who fetches slowly is left alone for a while.
        *tried = Some(Instant::now());
    }

    async fn fetch_now(&self) {
        match self.fetched().await {
            Ok(new) => {
                let mut set = self.set.lock();
                *set = new.succeed(&set);
            }
            Err(error) => {
                let kept = !self.set.lock().is_empty();
                tracing::warn!(%error, kept, "no new keys for tokens");
            }
        }
    }

    async fn fetched(&self) -> Result<KeySet, FetchError> {
        let (target, outgoing) = match &self.origin {
            Origin::File(path) => return read_file(path),
            Origin::At(target, outgoing) => (target, outgoing),
        };
        let answer = outgoing
            .ask(target, Request::new(Bytes::new()), BOUNDS)
            .await?;
        if answer.status != StatusCode::OK {
            return Err(FetchError::Status(answer.status));
        }
        Ok(KeySet::read(&answer.body)?)
    }
}

/// Reads a set from a file, which may be as long as an answer.
fn read_file(path: &Path) -> Result<KeySet, FetchError> {
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| {
        file.take(BOUNDS.body_bytes_max as u64)
            .read_to_end(&mut text)
    });
    read.map_err(|source| FetchError::File {
        path: path.to_owned(),
        source,
    })?;
    Ok(KeySet::read(&text)?)
}

/// What tells whether a file has changed.
fn state(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}
