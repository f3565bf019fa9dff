//! HTTPS in the process: whose certificate is shown, what is agreed in a handshake, and how many may be under way.
//!
//! Where a certificate comes from is its source's matter ([`files`], [`lan`], [`acme`]); all of them put it into one [`Shown`]. What
//! is sent over a connection afterwards is none of this module's. Cryptography is aws-lc-rs and nothing else.

pub(crate) mod acme;
pub(crate) mod files;
mod handshake;
pub(crate) mod lan;
pub(crate) mod shown;
pub(crate) mod stream;
mod traffic;

use crate::accept::{self, House};
use crate::config::{Config, Tls as Settings};
use crate::connection::Entrance;
use crate::listener;
use crate::store::DataDirectory;
use acme::Acme;
use acme::challenges;
use anyhow::{Context, bail, ensure};
use lan::Lan;
use lan::names::Names;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs;
use shown::Shown;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;
use stream::Stream;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// What is spoken over TLS, what we like best first.
const PROTOCOLS: [&[u8]; 3] = [HTTP2, b"http/1.1", challenges::PROTOCOL];

/// HTTP/2, as a handshake spells it.
const HTTP2: &[u8] = b"h2";

/// A listener for HTTPS that has a certificate to show, or knows where to get one.
pub(crate) struct Https {
    listener: TcpListener,
    pub(crate) address: SocketAddr,
    /// The port as clients see it.
    pub(crate) public_port: u16,
    tls: Tls,
    shown: Arc<Shown>,
    source: Source,
}

/// Opens what the settings ask for, if they ask for HTTPS at all.
pub(crate) fn open(config: &Config, data: &DataDirectory) -> anyhow::Result<Option<Https>> {
    let settings = &config.tls;
    let shown = Arc::new(Shown::default());
    let Some(source) = Source::open(config, data, &shown)? else {
        ensure!(
            !settings.tls_redirect,
            "tls-redirect is set, and there is no HTTPS to redirect to\n  hint: `--lan`, `--acme-names NAME`, or `--tls-certificate FILE --tls-key FILE`, opens it"
        );
        return Ok(None);
    };
    let listener = listener::open("tls-listen", settings.tls_listen)?;
    let address = listener
        .local_addr()
        .context("the listener has no address")?;
    Ok(Some(Https {
        listener,
        address,
        public_port: settings.tls_public_port.unwrap_or(address.port()),
        tls: Tls::new(settings, Arc::clone(&shown))?,
        shown,
        source,
    }))
}

impl fmt::Debug for Https {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Https")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Https {
    /// LAN mode, if it is that.
    pub(crate) fn lan(&self) -> Option<&Lan> {
        match &self.source {
            Source::Lan(lan) => Some(lan),
            Source::Files(..) | Source::Acme(_) => None,
        }
    }

    /// ACME, if it is that.
    pub(crate) fn acme(&self) -> Option<&Acme> {
        match &self.source {
            Source::Acme(acme) => Some(acme),
            Source::Files(..) | Source::Lan(_) => None,
        }
    }

    /// Accepts connections and keeps the certificate up to date until the house closes.
    pub(crate) fn start(self, tasks: &mut JoinSet<()>, entrance: Entrance, house: House) {
        match self.source {
            Source::Files(pair, loaded) => {
                tokio::spawn(pair.keep(loaded, self.shown, house.stop.clone()));
            }
            Source::Lan(lan) => {
                tokio::spawn(lan.keep(house.stop.clone()));
            }
            Source::Acme(acme) => {
                tokio::spawn(acme.keep(house.stop.clone()));
            }
        }
        tasks.spawn(accept::run(self.listener, Some(self.tls), entrance, house));
    }
}

/// How connections are accepted over TLS.
#[derive(Debug)]
pub(crate) struct Tls {
    config: Arc<ServerConfig>,
    handshake_timeout: Duration,
    /// Most handshakes at one time.
    pub(crate) handshakes_max: usize,
    /// Handshakes that are under way.
    pub(crate) handshakes: Arc<AtomicUsize>,
}

/// What a handshake came to.
pub(crate) enum Accepted {
    /// HTTP/1.1, which may go on as something else.
    Http1(Stream),
    /// HTTP/2.
    Http2(Stream),
    /// It was a question of an ACME authority, and is answered.
    Answered,
}

impl Tls {
    /// Shows what is in `shown`, whatever that is at the time.
    pub(crate) fn new(settings: &Settings, shown: Arc<Shown>) -> anyhow::Result<Self> {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .context("TLS has no protocol version")?
            .with_no_client_auth()
            .with_cert_resolver(shown);
        // What comes after a handshake is ours ([`traffic`]).
        config.enable_secret_extraction = true;
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        // Who comes again is recognised by a ticket that only it keeps.
        config.ticketer = aws_lc_rs::Ticketer::new().context("TLS has no key for its tickets")?;
        Ok(Self {
            config: Arc::new(config),
            handshake_timeout: settings.tls_handshake_timeout.0,
            handshakes_max: settings.tls_handshakes_max.0,
            handshakes: Arc::default(),
        })
    }

    /// Shakes hands within `tls-handshake-timeout`.
    pub(crate) async fn accept(&self, tcp: TcpStream) -> io::Result<Accepted> {
        let shaking = Stream::accept(tcp, Arc::clone(&self.config));
        let stream = timeout(self.handshake_timeout, shaking).await??;
        Ok(match stream.protocol().as_deref() {
            Some(HTTP2) => Accepted::Http2(stream),
            Some(challenges::PROTOCOL) => Accepted::Answered,
            _ => Accepted::Http1(stream),
        })
    }
}

/// The one provider of cryptography.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// Where the certificate comes from.
enum Source {
    /// Files that somebody else keeps up to date.
    Files(files::Pair, files::State),
    /// An authority of our own.
    Lan(Lan),
    /// An authority that everybody trusts.
    Acme(Box<Acme>),
}

impl Source {
    /// What the settings ask for, if they ask for TLS at all. What can be shown at once is.
    fn open(
        config: &Config,
        data: &DataDirectory,
        shown: &Arc<Shown>,
    ) -> anyhow::Result<Option<Self>> {
        let settings = &config.tls;
        if let Some(names) = &config.acme.acme_names {
            ensure!(
                !settings.lan && settings.tls_certificate.is_none() && settings.tls_key.is_none(),
                "acme-names is set, and so is another certificate\n  hint: leave out lan, tls-certificate and tls-key"
            );
            ensure!(
                names.addresses.is_empty(),
                "acme-names: `{names}` has an address, and certificates are got for names alone\n  hint: type for example \
                 live.example.org,www.example.org"
            );
            let names = names.names.clone();
            let acme = Acme::open(&data.acme(), names, &config.acme, Arc::clone(shown))?;
            return Ok(Some(Self::Acme(Box::new(acme))));
        }
        ensure!(
            config.acme.acme_contact.is_none() && config.acme.acme_root.is_none(),
            "acme-contact or acme-root is set and acme-names is not\n  hint: `--acme-names NAME` gets a certificate for that name"
        );
        if settings.lan {
            ensure!(
                settings.tls_certificate.is_none() && settings.tls_key.is_none(),
                "lan and tls-certificate are both set, and only one of them can be shown\n  hint: LAN mode makes its own certificate"
            );
            let given = settings.lan_names.clone().map(|hosts| Names {
                hosts: hosts.names.into_iter().collect(),
                addresses: hosts.addresses.into_iter().collect(),
            });
            let lan = Lan::open(&data.lan(), given.unwrap_or_default(), Arc::clone(shown))?;
            return Ok(Some(Self::Lan(lan)));
        }
        ensure!(
            settings.lan_names.is_none(),
            "lan-names is set and lan is not\n  hint: `--lan` begins LAN mode"
        );
        match (&settings.tls_certificate, &settings.tls_key) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => {
                let pair = files::Pair {
                    certificate: certificate.clone(),
                    key: key.clone(),
                };
                // First, so that what changes meanwhile is noticed.
                let state = pair.state();
                let certificate = pair.load()?;
                files::describe(&certificate);
                shown.show(certificate);
                Ok(Some(Self::Files(pair, state)))
            }
            (Some(_), None) => bail!(
                "tls-certificate is set and tls-key is not\n  hint: `--tls-key FILE` names the certificate's private key"
            ),
            (None, Some(_)) => bail!(
                "tls-key is set and tls-certificate is not\n  hint: `--tls-certificate FILE` names the certificate with its chain"
            ),
        }
    }
}
