//! HTTPS as a client sees it: where it connects, whom it trusts, and what it agrees on.
//!
//! Only what browsers ask for first is offered, TLS 1.3 with TLS_AES_128_GCM_SHA256: floor and server encrypt the same.

use crate::link::LinkError;
use crate::records::Opener;
use abanico_records::Sealer;
use anyhow::{Context, ensure};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::aws_lc_rs::{self, cipher_suite::TLS13_AES_128_GCM_SHA256};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, ExtractedSecrets,
    ProtocolVersion, RootCertStore, ServerConfig, SignatureScheme,
};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// Whom to trust, of an HTTPS server.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Trust {
    /// Take any certificate of the server, of https://
    #[arg(long, conflicts_with = "ca")]
    pub(crate) insecure: bool,
    /// Take a certificate that this authority vouches for, as PEM, rather than those that the system trusts
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
}

/// Where clients connect.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    https: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

impl Target {
    /// Without encryption.
    pub(crate) fn plain(address: SocketAddr) -> Self {
        Self {
            address,
            https: None,
        }
    }

    /// With TLS, of a server that is called `host`.
    pub(crate) fn secure(address: SocketAddr, host: &str, trust: &Trust) -> anyhow::Result<Self> {
        let name = ServerName::try_from(host.to_owned())
            .with_context(|| format!("`{host}` is no name that a certificate can be for"))?;
        Ok(Self {
            address,
            https: Some((Arc::new(config(trust)?), name)),
        })
    }

    /// Begins a handshake, where there is one.
    pub(crate) fn shake(&self) -> Option<Result<ClientConnection, Error>> {
        let (config, name) = self.https.as_ref()?;
        Some(ClientConnection::new(Arc::clone(config), name.clone()))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        cipher_suites: vec![TLS13_AES_128_GCM_SHA256],
        ..aws_lc_rs::default_provider()
    })
}

fn config(trust: &Trust) -> anyhow::Result<ClientConfig> {
    let provider = provider();
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous();
    let verifier: Arc<dyn ServerCertVerifier> = if trust.insecure {
        Arc::new(Anything(provider))
    } else {
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots(trust)?), provider).build()?
    };
    let mut config = builder
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    // Each viewer is somebody else, and has been here never before.
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.enable_secret_extraction = true;
    Ok(config)
}

fn roots(trust: &Trust) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let Some(path) = &trust.ca else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        ensure!(
            !roots.is_empty(),
            "this system trusts no authority\n  hint: --ca FILE names one, --insecure asks for none"
        );
        return Ok(roots);
    };
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| {
            format!(
                "--ca {} is no file with certificates as PEM",
                path.display()
            )
        })?;
    let (taken, _) = roots.add_parsable_certificates(certificates);
    ensure!(
        taken > 0,
        "--ca {} has no certificate: a block that begins with -----BEGIN CERTIFICATE-----",
        path.display()
    );
    Ok(roots)
}

/// Why a handshake came to nothing, with what to do about it.
pub(crate) fn refusal(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(_) => {
            format!("{error}\n  hint: --ca FILE names who vouches for it, --insecure takes any")
        }
        Error::InvalidMessage(_) => format!("{error}: is this the port for HTTPS?"),
        _ => error.to_string(),
    }
}

/// Trusts everybody.
#[derive(Debug)]
struct Anything(Arc<CryptoProvider>);

impl ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("only TLS 1.3 is offered".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// What was agreed, for both directions.
pub(crate) fn agreed(
    secrets: Result<ExtractedSecrets, Error>,
) -> Result<(Opener, Sealer), LinkError> {
    let secrets = secrets.map_err(|error| LinkError::Refused(error.to_string()))?;
    let sealer = Sealer::new(ProtocolVersion::TLSv1_3, secrets.tx);
    let sealer = sealer.map_err(|error| LinkError::Refused(error.to_string()))?;
    Ok((Opener::new(secrets.rx)?, sealer))
}

/// A certificate of its own for a server that nobody but us meets, and its key, as PEM.
pub(crate) fn own_certificate() -> anyhow::Result<(String, String)> {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).context("no certificate can be made")?;
    Ok((made.cert.pem(), made.signing_key.serialize_pem()))
}

/// The bare sender's part of a handshake.
pub(crate) fn sender_config() -> anyhow::Result<Arc<ServerConfig>> {
    let (certificate, key) = own_certificate()?;
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes())?;
    let key = PrivatePkcs8KeyDer::from_pem_slice(key.as_bytes())?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], PrivateKeyDer::from(key))?;
    config.send_tls13_tickets = 0;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.enable_secret_extraction = true;
    Ok(Arc::new(config))
}
