//! The keys that tokens are signed with, as a JWKS lists them.

use abanico_streamhub::grant::Lessor;
use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse,
};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use std::sync::Arc;

/// Keys in one set. One with more is not taken.
const KEYS_MAX: usize = 64;

/// The shortest secret: as long as what it makes (RFC 7518, 3.2).
const SECRET_BYTES_MIN: usize = 32;

/// One key, and the one algorithm that it is used with.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) id: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) decoding: DecodingKey,
    /// Tells a key that stayed from one that took its name. A secret is never compared.
    material: Option<AlgorithmParameters>,
    /// Goes with the key: what was given for its tokens is over when it is listed no longer.
    pub(super) lessor: Lessor,
}

/// The keys that are listed.
#[derive(Debug, Clone, Default)]
pub(super) struct KeySet(Vec<Arc<Key>>);

/// A text that is no set of keys.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeySetError {
    #[error("this is no JWKS, which looks like {{\"keys\":[...]}}: {0}")]
    Syntax(String),
    #[error("{0} keys are listed, and at most {KEYS_MAX} are taken")]
    TooMany(usize),
    #[error("none of the {0} keys listed is for RS256, ES256 or EdDSA")]
    NoneUsable(usize),
}

/// A secret that is too short.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the secret has {0} bytes, and HS256 needs {SECRET_BYTES_MIN}")]
pub(crate) struct ShortSecret(usize);

#[derive(Deserialize)]
struct Listed {
    keys: Vec<serde_json::Value>,
}

impl Key {
    /// A secret that both sides know, for HS256.
    pub(super) fn secret(secret: &[u8]) -> Result<Self, ShortSecret> {
        if secret.len() < SECRET_BYTES_MIN {
            return Err(ShortSecret(secret.len()));
        }
        Ok(Self {
            id: None,
            algorithm: Algorithm::HS256,
            decoding: DecodingKey::from_secret(secret),
            material: None,
            lessor: Lessor::default(),
        })
    }

    /// A public key of a set. `None` if it is for something else: secrets have no place in a set.
    fn listed(listed: serde_json::Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(listed).ok()?;
        let algorithm = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => Algorithm::RS256,
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
                Algorithm::ES256
            }
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
                Algorithm::EdDSA
            }
            _ => return None,
        };
        let common = &jwk.common;
        let is_for_signatures =
            matches!(common.public_key_use, None | Some(PublicKeyUse::Signature));
        let may_verify = common
            .key_operations
            .as_ref()
            .is_none_or(|operations| operations.contains(&KeyOperations::Verify));
        let is_for_another = common
            .key_algorithm
            .is_some_and(|named| named != KeyAlgorithm::from(algorithm));
        if !is_for_signatures || !may_verify || is_for_another {
            return None;
        }
        Some(Self {
            id: common.key_id.clone(),
            algorithm,
            decoding: DecodingKey::from_jwk(&jwk).ok()?,
            material: Some(jwk.algorithm),
            lessor: Lessor::default(),
        })
    }
}

impl KeySet {
    /// Reads a JWKS. Keys for other purposes are passed over.
    pub(super) fn read(text: &[u8]) -> Result<Self, KeySetError> {
        let listed: Listed = serde_json::from_slice(text)
            .map_err(|error| KeySetError::Syntax(super::harmless(&error.to_string())))?;
        let count = listed.keys.len();
        if count > KEYS_MAX {
            return Err(KeySetError::TooMany(count));
        }
        let keys: Vec<_> = listed.keys.into_iter().filter_map(Key::listed).collect();
        if keys.is_empty() {
            return Err(KeySetError::NoneUsable(count));
        }
        Ok(Self(keys.into_iter().map(Arc::new).collect()))
    }

    /// This set in place of `old`: a key that stays is the same one.
    pub(super) fn succeed(mut self, old: &Self) -> Self {
        for key in &mut self.0 {
            let before = old
                .0
                .iter()
                .find(|before| before.id == key.id && before.material == key.material);
            if let Some(before) = before {
                *key = before.clone();
            }
        }
        self
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys that a token with this algorithm and key id may have been signed with.
    pub(super) fn candidates(&self, algorithm: Algorithm, id: Option<&str>) -> Vec<Arc<Key>> {
        let may = |key: &&Arc<Key>| {
            key.algorithm == algorithm && (id.is_none() || key.id.as_deref() == id)
        };
        self.0.iter().filter(may).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use abanico_core::rights::Over;
    use futures_util::FutureExt;
    use serde_json::json;

    fn okp(id: &str, x: &str) -> serde_json::Value {
        json!({"kty": "OKP", "crv": "Ed25519", "kid": id, "x": x})
    }

    const ONE: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    const OTHER: &str = "Kb9-YqxRG1PPr1d7sKFqVFvTAGvxfMO5yRNlnhKHpWM";

    fn set(keys: &[serde_json::Value]) -> Result<KeySet, KeySetError> {
        KeySet::read(json!({"keys": keys}).to_string().as_bytes())
    }

    #[test]
    fn keys_for_other_purposes_are_passed_over() {
        let rsa = json!({"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "r"});
        let with = |name: &str, value: serde_json::Value| {
            let mut key = rsa.clone();
            key[name] = value;
            key
        };
        for other in [
            json!({"kty": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0", "kid": "r"}),
            json!({"kty": "EC", "crv": "P-384", "x": ONE, "y": ONE}),
            json!({"kty": "EC", "crv": "secp256k1", "x": ONE, "y": ONE}),
            json!({"kty": "OKP", "crv": "X25519", "x": ONE}),
            json!({"kty": "new"}),
            json!("key"),
            with("use", json!("enc")),
            with("alg", json!("RS512")),
            with("alg", json!("HS256")),
            with("alg", json!("RSA-OAEP")),
            with("key_ops", json!(["sign"])),
        ] {
            assert_eq!(
                set(std::slice::from_ref(&other)).err(),
                Some(KeySetError::NoneUsable(1)),
                "{other}"
            );
            assert_eq!(set(&[other, okp("a", ONE)]).unwrap().0.len(), 1);
        }
        assert_eq!(set(&[rsa]).unwrap().0[0].algorithm, Algorithm::RS256);
    }

    #[test]
    fn what_is_no_set_is_refused() {
        for wrong in ["", "[]", "{}", "<html>", r#"{"keys":{}}"#] {
            let read = KeySet::read(wrong.as_bytes());
            assert!(matches!(read, Err(KeySetError::Syntax(_))), "{wrong}");
        }
        assert_eq!(set(&[]).err(), Some(KeySetError::NoneUsable(0)));
        let many = vec![okp("a", ONE); 65];
        assert_eq!(set(&many).err(), Some(KeySetError::TooMany(65)));
    }

    #[test]
    fn a_key_that_stays_is_the_same_and_one_that_goes_or_changes_is_withdrawn() {
        let old = set(&[okp("stays", ONE), okp("goes", ONE), okp("changes", ONE)]).unwrap();
        let new = set(&[okp("comes", ONE), okp("changes", OTHER), okp("stays", ONE)]).unwrap();
        let new = new.succeed(&old);
        assert!(Arc::ptr_eq(&old.0[0], &new.0[2]));
        let leases: Vec<_> = old.0.iter().map(|key| key.lessor.lease()).collect();
        drop(old);
        let over: Vec<_> = leases
            .iter()
            .map(|lease| lease.over().now_or_never())
            .collect();
        assert_eq!(over, [None, Some(Over::Revoked), Some(Over::Revoked)]);
    }

    #[test]
    fn a_short_secret_is_refused() {
        assert_eq!(Key::secret(&[1; 31]).err(), Some(ShortSecret(31)));
        assert!(Key::secret(&[1; 32]).is_ok());
    }
}
