//! What the server asks of others over HTTP: one request on a connection of its own, and a short answer.
//!
//! Knows nothing of what is asked. Everything about it is bounded: the time in all, the head, the body, and how many names
//! are looked up at once. Invariants: a connection is made only to an address that was looked at (`Reachable`), so that no
//! name leads to where it may not; a redirect is an answer like any other, and never followed; what goes to addresses of
//! the internet is encrypted.

mod reachable;
mod target;

pub(crate) use reachable::Reachable;
pub use target::{Target, TargetError};

use crate::tls;
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, HOST, HeaderMap, USER_AGENT};
use http::{HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;

/// Names that are looked up at once. A look-up cannot be given up, so that one more waits for its turn, and its time runs.
const LOOKUPS_MAX: usize = 16;

/// Addresses of one name that are tried, the first that answers is taken.
const ADDRESSES_MAX: usize = 8;

/// The longest head of an answer.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// Asks others. Clones are the same.
#[derive(Clone)]
pub(crate) struct Outgoing {
    reachable: Arc<Reachable>,
    tls: TlsConnector,
    /// Whether the machine knows any authority that could vouch for who is asked.
    has_authorities: bool,
    lookups: Arc<Semaphore>,
}

/// How much an answer may be, and how long it may take from the look-up of the name to the last byte.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) within: Duration,
    pub(crate) body_bytes_max: usize,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Why nothing usable came back. For the log: a peer is told less.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutgoingError {
    #[error("the name {name} cannot be looked up: {source}")]
    Unresolved {
        name: String,
        source: std::io::Error,
    },
    #[error(
        "{name} is at {address}, which is no address of the internet\n  hint: list it in outgoing-allow if that is meant"
    )]
    Denied { name: String, address: IpAddr },
    #[error(
        "{name} is at {address}, to which nothing goes unencrypted\n  hint: use https, or list the address in outgoing-allow"
    )]
    Plain { name: String, address: IpAddr },
    #[error("{name} has no address")]
    Nowhere { name: String },
    #[error("{address} cannot be reached: {source}")]
    Unreachable {
        address: SocketAddr,
        source: std::io::Error,
    },
    #[error(
        "this machine has no list of authorities to know {name} by\n  hint: install ca-certificates"
    )]
    NoAuthorities { name: String },
    #[error("TLS with {name}: {source}")]
    Tls {
        name: String,
        source: std::io::Error,
    },
    #[error("no answer within {}", humantime::format_duration(*.0))]
    TooSlow(Duration),
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
    #[error("the answer is no HTTP: {0}")]
    Broken(hyper::Error),
}

impl Outgoing {
    /// Reads the authorities that this machine trusts.
    pub(crate) fn new(reachable: Reachable) -> anyhow::Result<Self> {
        let mut authorities = RootCertStore::empty();
        let native = rustls_native_certs::load_native_certs();
        authorities.add_parsable_certificates(native.certs);
        let has_authorities = !authorities.is_empty();
        let config = ClientConfig::builder_with_provider(tls::provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(authorities)
            .with_no_client_auth();
        Ok(Self {
            reachable: Arc::new(reachable),
            tls: TlsConnector::from(Arc::new(config)),
            has_authorities,
            lookups: Arc::new(Semaphore::new(LOOKUPS_MAX)),
        })
    }

    /// Sends `request`, whose address and host are the target's, and gives the whole answer.
    pub(crate) async fn ask(
        &self,
        target: &Target,
        request: Request<Bytes>,
        bounds: Bounds,
    ) -> Result<Answer, OutgoingError> {
        let asking = self.ask_in_time(target, request, bounds.body_bytes_max);
        let answer = tokio::time::timeout(bounds.within, asking).await;
        answer.unwrap_or(Err(OutgoingError::TooSlow(bounds.within)))
    }

    async fn ask_in_time(
        &self,
        target: &Target,
        request: Request<Bytes>,
        body_bytes_max: usize,
    ) -> Result<Answer, OutgoingError> {
        let tcp = self.connect(target).await?;
        if !target.is_encrypted() {
            return exchange(tcp, target, request, body_bytes_max).await;
        }
        let name = target.name().to_owned();
        if !self.has_authorities {
            return Err(OutgoingError::NoAuthorities { name });
        }
        let tls = async {
            let name = ServerName::try_from(target.name().to_owned()).map_err(|_| {
                std::io::Error::other("the name is none that a certificate could have")
            })?;
            self.tls.connect(name, tcp).await
        };
        let tls = tls
            .await
            .map_err(|source| OutgoingError::Tls { name, source })?;
        exchange(tls, target, request, body_bytes_max).await
    }

    /// Connects to the first address that may be reached and answers. What was looked at is what is connected to.
    async fn connect(&self, target: &Target) -> Result<TcpStream, OutgoingError> {
        let name = || target.name().to_owned();
        let addresses = self.addresses(target).await?;
        let mut last = OutgoingError::Nowhere { name: name() };
        for address in addresses.into_iter().take(ADDRESSES_MAX) {
            let ip = address.ip();
            if !self.reachable.may(ip) {
                last = OutgoingError::Denied {
                    name: name(),
                    address: ip,
                };
                continue;
            }
            if !target.is_encrypted() && !self.reachable.is_listed(ip) {
                last = OutgoingError::Plain {
                    name: name(),
                    address: ip,
                };
                continue;
            }
            match TcpStream::connect(address).await {
                Ok(tcp) => return Ok(tcp),
                Err(source) => last = OutgoingError::Unreachable { address, source },
            }
        }
        Err(last)
    }

    async fn addresses(&self, target: &Target) -> Result<Vec<SocketAddr>, OutgoingError> {
        let port = target.port();
        if let Some(ip) = target.address() {
            return Ok(vec![SocketAddr::new(ip, port)]);
        }
        // The permit goes with the look-up, which lasts on when nobody waits for it any more.
        let turn = self.lookups.clone().acquire_owned().await;
        let name = target.name().to_owned();
        let looked_up = tokio::spawn(async move {
            let _turn = turn;
            tokio::net::lookup_host((name.as_str(), port))
                .await
                .map(Iterator::collect)
        });
        let looked_up = looked_up.await.map_err(std::io::Error::other);
        looked_up
            .flatten()
            .map_err(|source| OutgoingError::Unresolved {
                name: target.name().to_owned(),
                source,
            })
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing")
            .field("reachable", &self.reachable)
            .finish_non_exhaustive()
    }
}

/// One request and its answer, and the connection is done with.
async fn exchange(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    target: &Target,
    request: Request<Bytes>,
    body_bytes_max: usize,
) -> Result<Answer, OutgoingError> {
    let mut request = request.map(Full::new);
    *request.uri_mut() = target.path().clone();
    let headers = request.headers_mut();
    headers.insert(HOST, target.host().clone());
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    const AGENT: &str = concat!("abanico/", env!("CARGO_PKG_VERSION"));
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(HEAD_BYTES_MAX)
        .handshake(TokioIo::new(io))
        .await
        .map_err(OutgoingError::Broken)?;
    let answering = async {
        let answer = sender
            .send_request(request)
            .await
            .map_err(OutgoingError::Broken)?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, body_bytes_max).collect().await;
        let body = body.map_err(|error| {
            if error.is::<LengthLimitError>() {
                return OutgoingError::TooLong(body_bytes_max);
            }
            match error.downcast::<hyper::Error>() {
                Ok(error) => OutgoingError::Broken(*error),
                Err(_) => OutgoingError::TooLong(body_bytes_max),
            }
        })?;
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body: body.to_bytes(),
        })
    };
    tokio::pin!(answering);
    // The connection is driven here and not in a task of its own: who stops waiting closes it.
    tokio::select! {
        biased;
        answer = &mut answering => answer,
        closed = connection => match closed {
            // The answer's rest is there already.
            Ok(()) => answering.await,
            Err(error) => Err(OutgoingError::Broken(error)),
        },
    }
}

impl Answer {
    /// Whether the body says that it is of this type.
    pub(crate) fn is(&self, media_type: &str) -> bool {
        let said = self.headers.get(CONTENT_TYPE);
        let said = said.and_then(|said| said.to_str().ok()).unwrap_or("");
        let said = said.split(';').next().unwrap_or("").trim();
        said.eq_ignore_ascii_case(media_type)
    }
}

#[cfg(test)]
pub(crate) mod tests;
