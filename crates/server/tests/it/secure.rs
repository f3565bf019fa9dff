//! A certificate authority of the test's own, and clients that trust it alone.

use crate::node::{Node, PATIENCE};
use rcgen::Issuer;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// A client over TLS.
pub(crate) type Secured = StreamOwned<ClientConnection, TcpStream>;

/// Whoever is spoken to, with encryption or without.
pub(crate) trait Peer: Read + Write + Send {}

impl<T: Read + Write + Send> Peer for T {}

/// An authority, and a folder with a certificate that it has given to `localhost` and its key.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new([]).expect("no name is a wrong one");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        let folder = tempfile::tempdir().expect("a directory for the test");
        let authority = Self { issuer, folder };
        authority.issue("localhost");
        authority
    }

    /// Writes a new certificate for this name and its key over the old ones.
    pub(crate) fn issue(&self, name: &str) {
        let (certificate, key) = self.issued(name);
        std::fs::write(self.certificate(), certificate).expect("a file of the test");
        std::fs::write(self.key(), key).expect("a file of the test");
    }

    /// A certificate for this name and its key, as PEM.
    pub(crate) fn issued(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let certificate = CertificateParams::new([name.to_owned()])
            .expect("a name")
            .signed_by(&key, &self.issuer)
            .expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }

    /// The same in DER.
    pub(crate) fn issued_der(
        &self,
        name: &str,
    ) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        use rustls::pki_types::pem::PemObject;
        let (certificate, key) = self.issued(name);
        (
            CertificateDer::from_pem_slice(certificate.as_bytes()).expect("PEM"),
            PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("PEM"),
        )
    }

    /// Who signs.
    pub(crate) fn issuer(&self) -> &Issuer<'static, KeyPair> {
        &self.issuer
    }

    /// Its own certificate.
    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    /// The flags of a server that shows the certificate.
    pub(crate) fn flags(&self) -> Vec<String> {
        let text = |path: &Path| path.to_str().expect("a plain path").to_owned();
        let mut flags = vec!["--tls-listen".to_owned(), "127.0.0.1:0".to_owned()];
        flags.extend(["--tls-certificate".to_owned(), text(&self.certificate())]);
        flags.extend(["--tls-key".to_owned(), text(&self.key())]);
        flags
    }

    /// Starts a server that shows the certificate.
    pub(crate) fn start(&self, flags: &[&str]) -> Node {
        let own = self.flags();
        let own = own.iter().map(String::as_str);
        Node::start_with(&own.chain(flags.iter().copied()).collect::<Vec<_>>())
    }

    /// What a client of it speaks, what it likes best first.
    pub(crate) fn client(&self, protocols: &[&str]) -> ClientConfig {
        client(self.issuer.der().clone(), protocols)
    }

    /// Shakes hands with a server that should be called `name`.
    pub(crate) fn secure(&self, tcp: TcpStream, name: &'static str) -> std::io::Result<Secured> {
        shake(self.client(&["http/1.1"]), tcp, name)
    }

    /// Connects to a server's HTTPS.
    pub(crate) fn connect(&self, node: &Node, name: &'static str) -> std::io::Result<Secured> {
        self.secure(tcp(node), name)
    }
}

/// Who trusts this authority alone.
pub(crate) fn client(root: CertificateDer<'static>, protocols: &[&str]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(root).expect("a certificate of an authority");
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .expect("protocol versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols
        .iter()
        .map(|protocol| protocol.as_bytes().to_vec())
        .collect();
    config
}

/// Shakes hands with a server that should be called `name`.
pub(crate) fn shake(
    client: ClientConfig,
    tcp: TcpStream,
    name: &'static str,
) -> std::io::Result<Secured> {
    let name = ServerName::try_from(name).expect("a name");
    let client = ClientConnection::new(Arc::new(client), name).expect("a client");
    let mut stream = StreamOwned::new(client, tcp);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

/// Connects to a server's HTTPS without a word.
pub(crate) fn tcp(node: &Node) -> TcpStream {
    let stream = TcpStream::connect(node.tls.expect("it has HTTPS")).expect("the server listens");
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("a time-out can be set");
    stream
}
