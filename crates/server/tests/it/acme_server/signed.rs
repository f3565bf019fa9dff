//! What is asked, and who signed it (RFC 7515, as RFC 8555 narrows it).

use super::Shared;
use super::wire::{Refusal, Request, malformed};
use base64_simd::URL_SAFE_NO_PAD;
use rustls::pki_types::alg_id;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

pub(super) enum Signer {
    Known(String),
    New(Jwk),
}

#[derive(Clone, PartialEq)]
pub(super) struct Jwk {
    pub(super) x: String,
    pub(super) y: String,
}

impl Shared {
    /// What is signed, and by whom; everything that the RFC asks of it is looked at.
    pub(super) fn signed(&self, request: &Request) -> Result<(Signer, Value), Refusal> {
        if request.content_type != "application/jose+json" {
            return Err(malformed("the content type"));
        }
        let jws: Value = serde_json::from_slice(&request.body).map_err(|_| malformed("no JSON"))?;
        let fields: BTreeSet<_> = jws
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        if fields != BTreeSet::from(["payload", "protected", "signature"]) {
            return Err(malformed("a flattened JWS has three fields"));
        }
        let protected: Value = serde_json::from_slice(&decoded(&jws["protected"])?).unwrap();
        let url = format!("{}{}", self.base, request.path);
        if protected["alg"] != "ES256" || protected["url"] != *url {
            return Err(("unauthorized", format!("{protected} for {url}")));
        }
        let mut state = self.state.lock().unwrap();
        let nonce = protected["nonce"].as_str().unwrap_or_default();
        if !state.nonces.remove(nonce) || !std::mem::replace(&mut state.has_refused_a_nonce, true) {
            return Err(("badNonce", "take another nonce".to_owned()));
        }
        let signer = match (&protected["kid"], &protected["jwk"]) {
            (Value::String(account), Value::Null) => Signer::Known(account.clone()),
            (Value::Null, jwk) => {
                if jwk["kty"] != "EC" || jwk["crv"] != "P-256" {
                    return Err(("badPublicKey", jwk.to_string()));
                }
                let part = |name: &str| jwk[name].as_str().unwrap().to_owned();
                Signer::New(Jwk {
                    x: part("x"),
                    y: part("y"),
                })
            }
            _ => return Err(malformed("kid or jwk, and not both")),
        };
        let key = match &signer {
            Signer::Known(account) => state.accounts.get(account).cloned(),
            Signer::New(key) => Some(key.clone()),
        };
        let key = key.ok_or(("accountDoesNotExist", "who is this".to_owned()))?;
        let text = |name: &str| jws[name].as_str().unwrap().to_owned();
        let message = format!("{}.{}", text("protected"), text("payload"));
        if !is_signed(&key, message.as_bytes(), &decoded(&jws["signature"])?) {
            return Err(malformed("the signature is wrong"));
        }
        let payload = decoded(&jws["payload"])?;
        let payload = if payload.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&payload).map_err(|_| malformed("the payload is no JSON"))?
        };
        Ok((signer, payload))
    }

    pub(super) fn known(&self, request: &Request) -> Result<(String, Value), Refusal> {
        match self.signed(request)? {
            (Signer::Known(account), payload) => Ok((account, payload)),
            (Signer::New(_), _) => Err(malformed("an account that is known shows its address")),
        }
    }
}

pub(super) fn decoded(text: &Value) -> Result<Vec<u8>, Refusal> {
    let text = text.as_str().ok_or_else(|| malformed("no text"))?;
    URL_SAFE_NO_PAD
        .decode_to_vec(text)
        .map_err(|_| malformed("no base64url"))
}

/// RFC 7638.
pub(super) fn thumbprint(key: &Jwk) -> String {
    let text = format!(
        r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#,
        key.x, key.y
    );
    URL_SAFE_NO_PAD.encode_to_string(Sha256::digest(text))
}

fn is_signed(key: &Jwk, message: &[u8], signature: &[u8]) -> bool {
    let part = |text: &str| URL_SAFE_NO_PAD.decode_to_vec(text).unwrap();
    let point = [vec![4], part(&key.x), part(&key.y)].concat();
    // A JWS has the two numbers side by side, rustls wants them in DER.
    let number = |bytes: &[u8]| {
        let mut bytes: Vec<u8> = bytes
            .iter()
            .copied()
            .skip_while(|byte| *byte == 0)
            .collect();
        if bytes.first().is_none_or(|first| *first >= 0x80) {
            bytes.insert(0, 0);
        }
        [vec![2, u8::try_from(bytes.len()).unwrap()], bytes].concat()
    };
    if signature.len() != 64 {
        return false;
    }
    let numbers = [number(&signature[..32]), number(&signature[32..])].concat();
    let der = [vec![0x30, u8::try_from(numbers.len()).unwrap()], numbers].concat();
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let algorithms = provider.signature_verification_algorithms.all;
    let algorithm = algorithms.iter().find(|it| {
        it.public_key_alg_id() == alg_id::ECDSA_P256
            && it.signature_alg_id() == alg_id::ECDSA_SHA256
    });
    algorithm
        .unwrap()
        .verify_signature(&point, message, &der)
        .is_ok()
}
