//! The signature of a webhook (Standard Webhooks): whoever has the secret knows that the body is this server's.

use aws_lc_rs::hmac;
use base64_simd::STANDARD;
use std::fmt;

/// Before a secret that is written in base64.
const PREFIX: &str = "whsec_";

/// The shortest secret.
const SECRET_BYTES_MIN: usize = 24;

/// What both sides know. Never printed.
pub(crate) struct Secret(hmac::Key);

/// A text that is no secret. It is not repeated.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SecretError {
    #[error("what follows whsec_ is not base64")]
    NotBase64,
    #[error("the secret has {0} bytes, and {SECRET_BYTES_MIN} are needed")]
    Short(usize),
}

impl Secret {
    /// A text, or bytes that are written as `whsec_` and base64.
    pub(crate) fn read(text: &str) -> Result<Self, SecretError> {
        let text = text.trim();
        let bytes = match text.strip_prefix(PREFIX) {
            Some(coded) => STANDARD
                .decode_to_vec(coded)
                .map_err(|_| SecretError::NotBase64)?,
            None => text.as_bytes().to_vec(),
        };
        if bytes.len() < SECRET_BYTES_MIN {
            return Err(SecretError::Short(bytes.len()));
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// The signature of a body, as it stands in `webhook-signature`.
    pub(super) fn sign(&self, id: &str, seconds: u64, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(format!("{id}.{seconds}.").as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode_to_string(context.sign()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_the_one_of_the_standard() {
        // The example of the standard's reference libraries.
        let secret = Secret::read("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
        let signature = secret.sign(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_that_is_none_is_refused() {
        assert!(Secret::read("a text of twenty-four.. !").is_ok());
        assert_eq!(Secret::read("short").err(), Some(SecretError::Short(5)));
        assert_eq!(
            Secret::read("whsec_c2hvcnQ=").err(),
            Some(SecretError::Short(5))
        );
        assert_eq!(
            Secret::read("whsec_???").err(),
            Some(SecretError::NotBase64)
        );
    }
}
