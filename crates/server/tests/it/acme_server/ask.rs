//! Asks a server whether a name is its: over plain HTTP, or in a handshake.

use super::Shared;
use super::book::State;
use super::signed::thumbprint;
use crate::node::PATIENCE;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme};
use sha2::{Digest, Sha256};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};

/// Where a name's server is asked.
#[derive(Clone, Copy)]
pub(super) struct Target {
    pub(super) http: SocketAddr,
    pub(super) tls: SocketAddr,
}

impl Shared {
    /// Asks whether the name is the account's, and writes down what came of it.
    pub(super) fn ask(&self, way: &str, number: usize, account: &str) {
        let state = self.state.lock().unwrap();
        let waiting = |state: &mut State| state.target.is_none();
        let (state, _) = self
            .aimed
            .wait_timeout_while(state, PATIENCE, waiting)
            .unwrap();
        let target = state.target.unwrap();
        let question = &state.questions[number];
        let key = &state.accounts[account];
        let (name, token) = (question.name.clone(), question.token.clone());
        let answer = format!("{token}.{}", thumbprint(key));
        drop(state);
        let asked = if way == "http" {
            ask_over_http(target.http, &name, &token, &answer)
        } else {
            ask_over_tls(target.tls, &name, &answer)
        };
        let mut state = self.state.lock().unwrap();
        let question = &mut state.questions[number];
        question.status = if asked.is_ok() { "valid" } else { "invalid" };
        question.error = asked.err();
    }
}

fn ask_over_http(at: SocketAddr, name: &str, token: &str, answer: &str) -> Result<(), String> {
    let mut stream = TcpStream::connect(at).map_err(|error| format!("{name}: {error}"))?;
    let path = format!("/.well-known/acme-challenge/{token}");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n");
    stream
        .write_all(request.as_bytes())
        .map_err(|error| error.to_string())?;
    let mut said = String::new();
    stream
        .read_to_string(&mut said)
        .map_err(|error| error.to_string())?;
    let (head, body) = said.split_once("\r\n\r\n").unwrap_or_default();
    if head.starts_with("HTTP/1.1 200 ") && body.trim_end() == answer {
        return Ok(());
    }
    Err(format!("{name} says: {said}"))
}

/// RFC 8737.
fn ask_over_tls(at: SocketAddr, name: &str, answer: &str) -> Result<(), String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"acme-tls/1".to_vec()];
    let server = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::new(config), server).unwrap();
    let mut stream = TcpStream::connect(at).map_err(|error| format!("{name}: {error}"))?;
    while client.is_handshaking() {
        client
            .complete_io(&mut stream)
            .map_err(|error| format!("{name}: {error}"))?;
    }
    if client.alpn_protocol() != Some(b"acme-tls/1") {
        return Err("acme-tls/1 was not agreed".to_owned());
    }
    let [certificate] = client.peer_certificates().unwrap_or_default() else {
        return Err("one certificate is wanted".to_owned());
    };
    let (_, certificate) = X509Certificate::from_der(certificate).unwrap();
    let names = certificate.subject_alternative_name().unwrap().unwrap();
    let digest = Sha256::digest(answer);
    let wanted = [&[4, 32][..], &digest].concat();
    let proofs = certificate.extensions().iter().filter(|extension| {
        matches!(
            extension.parsed_extension(),
            ParsedExtension::UnsupportedExtension { .. }
        ) && extension.oid.to_id_string() == "1.3.6.1.5.5.7.1.31"
            && extension.critical
            && extension.value == wanted
    });
    if proofs.count() == 1 && names.value.general_names == [GeneralName::DNSName(name)] {
        return Ok(());
    }
    Err("the certificate does not have the answer".to_owned())
}

/// Takes every certificate: what it proves is looked at afterwards.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verify_tls12_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
