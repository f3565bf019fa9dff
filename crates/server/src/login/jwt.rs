//! JSON Web Tokens: what somebody may do, signed by whoever keeps the login.
//!
//! Invariants: a key is used with its own algorithm alone, whatever a token's header says, and a token without a
//! signature is none; nothing of a token's claims is believed or repeated before its signature was found to be right;
//! what is said of a refused token never holds the token or a key.

mod claims;
mod keyring;
mod keys;

use claims::Claims;
pub(crate) use claims::Scope;
pub(crate) use keyring::{Keyring, Origin, Pace};

use abanico_streamhub::grant::Lease;
use base64_simd::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, Validation};
use keys::Key;
use serde::Deserialize;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The longest token that is looked at.
const TOKEN_BYTES_MAX: usize = 8 << 10;

/// Looks at tokens.
#[derive(Debug)]
pub(crate) struct Tokens {
    pub(crate) keyring: Keyring,
    pub(crate) wanted: Wanted,
}

/// What a token must say beside its signature.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    pub(crate) issuer: Option<String>,
    pub(crate) audience: Option<String>,
    /// How far ahead the issuer's clock may be.
    pub(crate) leeway: Duration,
}

/// A token that holds.
#[derive(Debug, Clone)]
pub(crate) struct Passport {
    /// Who it was made for.
    pub(crate) user: String,
    pub(crate) scope: Scope,
    /// Over when the token ends, or the key that signed it is withdrawn.
    pub(crate) lease: Lease,
}

/// Why a token does not hold. A peer is told so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JwtError {
    #[error("this token is no JWT")]
    Malformed,
    #[error("the token is longer than {TOKEN_BYTES_MAX} bytes")]
    TooLong,
    #[error("the token is signed by {0}, which no key of this server's is for")]
    Algorithm(String),
    #[error("the token's header demands what this server does not understand (crit)")]
    Critical,
    #[error("the token's key {0} is none of those that this server knows")]
    UnknownKey(String),
    #[error("the token's signature is wrong")]
    Signature,
    #[error("the keys to check tokens with cannot be had just now; try again in a moment")]
    NoKeys,
    #[error("the token's claims are not understood: {0}")]
    Claims(String),
    #[error("the token's claim sub is empty: it must say who it is")]
    Nobody,
    #[error("the token's claim exp is beyond the year 9999: it is in seconds since 1970")]
    Endless,
    #[error("the token has no claim {0}")]
    Missing(&'static str),
    #[error("the token expired {} ago", claims::roughly(*.0))]
    Expired(Duration),
    #[error("the token holds only in {}", claims::roughly(*.0))]
    NotYet(Duration),
    #[error("the token's issuer is {is}, wanted is {wanted}")]
    Issuer { is: String, wanted: String },
    #[error("the token's audience is {is}, wanted is {wanted}")]
    Audience { is: String, wanted: String },
}

/// What of a token's header chooses among keys.
#[derive(Debug, Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<serde_json::Value>,
}

impl Tokens {
    /// Whether a text was meant to be a JWT.
    pub(crate) fn is_meant(text: &str) -> bool {
        text.starts_with("eyJ") && text.bytes().filter(|byte| *byte == b'.').count() == 2
    }

    /// What a token lets its holder do, if it holds at the time `now`.
    pub(crate) async fn check(&self, token: &str, now: SystemTime) -> Result<Passport, JwtError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(JwtError::TooLong);
        }
        let header = read_header(token)?;
        if header.crit.is_some() {
            return Err(JwtError::Critical);
        }
        let algorithm = match header.alg.as_str() {
            "HS256" => Algorithm::HS256,
            "RS256" => Algorithm::RS256,
            "ES256" => Algorithm::ES256,
            "EdDSA" => Algorithm::EdDSA,
            _ => return Err(JwtError::Algorithm(harmless(&header.alg))),
        };
        let keys = self.keyring.find(algorithm, header.kid.as_deref()).await?;
        let (claims, key) = keys
            .iter()
            .find_map(|key| Some((signed_by(key, token)?, key)))
            .ok_or(JwtError::Signature)?;
        let claims = Claims::read(claims)?;
        claims.hold(&self.wanted, now)?;
        let left = claims.ends().duration_since(now).unwrap_or_default();
        Ok(Passport {
            user: claims.sub,
            scope: claims.scope,
            lease: key.lessor.lease().ending_in(left),
        })
    }
}

fn read_header(token: &str) -> Result<Header, JwtError> {
    let (header, _) = token.split_once('.').ok_or(JwtError::Malformed)?;
    let header = URL_SAFE_NO_PAD.decode_to_vec(header);
    let header = header.map_err(|_| JwtError::Malformed)?;
    serde_json::from_slice(&header).map_err(|_| JwtError::Malformed)
}

/// The claims of a token that this key has signed.
fn signed_by(key: &Arc<Key>, token: &str) -> Option<serde_json::Value> {
    // The claims are looked at by `Claims`, which can say what is wrong with them.
    let mut validation = Validation::new(key.algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    let decoded = jsonwebtoken::decode(token, &key.decoding, &validation);
    decoded.ok().map(|decoded| decoded.claims)
}

/// A text of a token's, fit for a sentence.
fn harmless(text: &str) -> String {
    const CHARS_MAX: usize = 100;
    super::harmless(text, CHARS_MAX)
}

#[cfg(test)]
mod tests;
