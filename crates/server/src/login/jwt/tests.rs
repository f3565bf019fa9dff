use super::*;
use crate::outgoing::tests::{Peer, Reply, outgoing};
use abanico_core::rights::Over;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use futures_util::FutureExt;
use jsonwebtoken::EncodingKey;
use parking_lot::Mutex;
use serde_json::{Value, json};

const SECRET: &[u8] = b"a secret of at least thirty-two bytes";

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_348_800)
}

fn claims() -> Value {
    json!({"sub": "ada", "exp": 1_795_348_860, "abanico": {"publish": ["ada-*"], "operate": true}})
}

/// Signs a message.
type Sign = dyn Fn(&[u8]) -> Vec<u8> + Send + Sync;

/// Somebody who keeps a login, with one key.
struct Issuer {
    id: &'static str,
    algorithm: &'static str,
    jwk: Value,
    sign: Box<Sign>,
}

impl Issuer {
    fn ed(id: &'static str) -> Self {
        let pair = Ed25519KeyPair::generate().unwrap();
        let x = base64(pair.public_key().as_ref());
        Self {
            id,
            algorithm: "EdDSA",
            jwk: json!({"kty": "OKP", "crv": "Ed25519", "kid": id, "x": x}),
            sign: Box::new(move |message| pair.sign(message).as_ref().to_vec()),
        }
    }

    fn ec(id: &'static str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let public = pair.public_key().as_ref();
        let (x, y) = (base64(&public[1..33]), base64(&public[33..]));
        Self {
            id,
            algorithm: "ES256",
            jwk: json!({"kty": "EC", "crv": "P-256", "kid": id, "x": x, "y": y}),
            sign: Box::new(move |message| {
                pair.sign(&SystemRandom::new(), message)
                    .unwrap()
                    .as_ref()
                    .to_vec()
            }),
        }
    }

    fn rsa(id: &'static str) -> Self {
        let pair = RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
        let public = pair.public_key();
        let n = base64(public.modulus().big_endian_without_leading_zero());
        let e = base64(public.exponent().big_endian_without_leading_zero());
        Self {
            id,
            algorithm: "RS256",
            jwk: json!({"kty": "RSA", "kid": id, "n": n, "e": e, "alg": "RS256", "use": "sig"}),
            sign: Box::new(move |message| {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(
                    &RSA_PKCS1_SHA256,
                    &SystemRandom::new(),
                    message,
                    &mut signature,
                )
                .unwrap();
                signature
            }),
        }
    }

    fn token(&self) -> String {
        let header = json!({"alg": self.algorithm, "kid": self.id, "typ": "JWT"});
        signed(&header, &claims(), &self.sign)
    }
}

fn base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode_to_string(bytes)
}

fn signed(header: &Value, claims: &Value, sign: &dyn Fn(&[u8]) -> Vec<u8>) -> String {
    let message = [header, claims].map(|part| base64(part.to_string().as_bytes()));
    let message = message.join(".");
    let signature = base64(&sign(message.as_bytes()));
    format!("{message}.{signature}")
}

fn hs256(message: &[u8], secret: &[u8]) -> Vec<u8> {
    let key = EncodingKey::from_secret(secret);
    let signature = jsonwebtoken::crypto::sign(message, &key, Algorithm::HS256).unwrap();
    URL_SAFE_NO_PAD.decode_to_vec(signature).unwrap()
}

fn set(issuers: &[&Issuer]) -> String {
    let keys: Vec<_> = issuers.iter().map(|issuer| issuer.jwk.clone()).collect();
    json!({"keys": keys}).to_string()
}

fn tokens(secret: Option<&[u8]>, jwks: Option<(Origin, Pace)>) -> Tokens {
    Tokens {
        keyring: Keyring::new(secret, jwks).unwrap(),
        wanted: Wanted::default(),
    }
}

const PACE: Pace = Pace {
    every: Duration::from_secs(600),
    at_most: Duration::from_secs(10),
};

fn in_file(issuers: &[&Issuer]) -> (Tokens, tempfile::NamedTempFile) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), set(issuers)).unwrap();
    let origin = Origin::File(file.path().to_owned());
    (tokens(None, Some((origin, PACE))), file)
}

#[tokio::test]
async fn a_token_of_each_kind_of_key_holds() {
    let issuers = [Issuer::rsa("r"), Issuer::ec("e"), Issuer::ed("d")];
    let (tokens, _file) = in_file(&issuers.each_ref());
    for issuer in &issuers {
        let token = issuer.token();
        assert!(Tokens::is_meant(&token));
        let passport = tokens.check(&token, now()).await.unwrap();
        assert_eq!(passport.user, "ada");
        assert!(passport.lease.may_end());
        assert!(passport.scope.operate && passport.scope.powers(Some("ada-1")).publish);
        let later = now() + Duration::from_secs(60);
        let expired = tokens.check(&token, later).await.unwrap_err();
        assert_eq!(expired, JwtError::Expired(Duration::ZERO));
        // A header need not name a key.
        let unnamed = json!({"alg": issuer.algorithm});
        let unnamed = signed(&unnamed, &claims(), &issuer.sign);
        assert!(tokens.check(&unnamed, now()).await.is_ok());
    }
}

#[tokio::test]
async fn a_token_by_a_shared_secret_holds_and_a_short_secret_is_refused() {
    let tokens = tokens(Some(SECRET), None);
    let sign = |secret: &'static [u8]| move |message: &[u8]| hs256(message, secret);
    let header = json!({"alg": "HS256", "kid": "whatever"});
    let token = signed(&header, &claims(), &sign(SECRET));
    assert!(tokens.check(&token, now()).await.is_ok());
    let other = signed(
        &header,
        &claims(),
        &sign(b"another secret of at least thirty-two"),
    );
    assert_eq!(
        tokens.check(&other, now()).await.unwrap_err(),
        JwtError::Signature
    );
    assert!(Keyring::new(Some(b"short"), None).is_err());
}

#[tokio::test]
async fn no_header_makes_a_key_what_it_is_not() {
    let issuers = [Issuer::rsa("r"), Issuer::ec("e"), Issuer::ed("d")];
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), set(&issuers.each_ref())).unwrap();
    let origin = Origin::File(file.path().to_owned());
    let both = tokens(Some(SECRET), Some((origin, PACE)));
    let public_only = in_file(&issuers.each_ref()).0;
    for issuer in &issuers {
        // A public key as a secret, in each form in which it may be written.
        let forms = ["n", "x"]
            .into_iter()
            .filter_map(|name| issuer.jwk[name].as_str());
        let forms = forms.flat_map(|text| {
            [
                text.as_bytes().to_vec(),
                URL_SAFE_NO_PAD.decode_to_vec(text).unwrap(),
            ]
        });
        for public in forms.chain([issuer.jwk.to_string().into_bytes()]) {
            let header = json!({"alg": "HS256", "kid": issuer.id});
            let forged = signed(&header, &claims(), &|message| hs256(message, &public));
            assert_eq!(
                both.check(&forged, now()).await.unwrap_err(),
                JwtError::Signature
            );
            let refused = public_only.check(&forged, now()).await.unwrap_err();
            assert_eq!(refused, JwtError::Algorithm("HS256".to_owned()));
        }
        for algorithm in [
            "none", "None", "NONE", "", "RS512", "HS384", "PS256", "ES384",
        ] {
            let header = json!({"alg": algorithm, "kid": issuer.id});
            for sign in [&issuer.sign as &dyn Fn(&[u8]) -> Vec<u8>, &|_| Vec::new()] {
                let refused = both.check(&signed(&header, &claims(), sign), now()).await;
                assert_eq!(
                    refused.unwrap_err(),
                    JwtError::Algorithm(algorithm.to_owned())
                );
            }
        }
        // Another public key's name and algorithm.
        for other in issuers.iter().filter(|other| other.id != issuer.id) {
            let header = json!({"alg": other.algorithm, "kid": other.id});
            let forged = signed(&header, &claims(), &issuer.sign);
            assert_eq!(
                both.check(&forged, now()).await.unwrap_err(),
                JwtError::Signature
            );
        }
    }
}

#[tokio::test]
async fn what_a_token_brings_itself_is_not_used() {
    let (ours, theirs) = (Issuer::ed("a"), Issuer::ed("a"));
    let (tokens, _file) = in_file(&[&ours]);
    let mut header =
        json!({"alg": "EdDSA", "kid": "a", "jwk": theirs.jwk, "jku": "http://127.0.0.1:1/"});
    let forged = signed(&header, &claims(), &theirs.sign);
    assert_eq!(
        tokens.check(&forged, now()).await.unwrap_err(),
        JwtError::Signature
    );
    header = json!({"alg": "EdDSA", "kid": "a", "crit": ["exp"]});
    let critical = signed(&header, &claims(), &ours.sign);
    assert_eq!(
        tokens.check(&critical, now()).await.unwrap_err(),
        JwtError::Critical
    );
}

#[tokio::test]
async fn what_is_no_token_is_refused() {
    let issuer = Issuer::ed("a");
    let (tokens, _file) = in_file(&[&issuer]);
    let token = issuer.token();
    let (message, signature) = token.rsplit_once('.').unwrap();
    let (header, body) = message.split_once('.').unwrap();
    let other = base64(
        json!({"sub": "eve", "exp": 1_795_348_860})
            .to_string()
            .as_bytes(),
    );
    for (wrong, error) in [
        (String::new(), JwtError::Malformed),
        ("eyJ.e.e".to_owned(), JwtError::Malformed),
        (
            format!("{}.{body}.{signature}", base64(b"{}")),
            JwtError::Malformed,
        ),
        (format!("{header}.{body}."), JwtError::Signature),
        (message.to_owned(), JwtError::Signature),
        (format!("{header}.{other}.{signature}"), JwtError::Signature),
        (format!("{token}.x"), JwtError::Signature),
        (
            format!("{token}{}", "x".repeat(TOKEN_BYTES_MAX)),
            JwtError::TooLong,
        ),
    ] {
        assert_eq!(
            tokens.check(&wrong, now()).await.unwrap_err(),
            error,
            "{wrong:.80}"
        );
    }
    assert!(!Tokens::is_meant("0123456789abcdef0123456789abcdef"));
    assert!(!Tokens::is_meant("abk-00000-00000-00000-00000-00000"));
}

/// A peer that gives out the set which stands in `shown`.
async fn showing(shown: &Arc<Mutex<Reply>>) -> Peer {
    let shown = shown.clone();
    Peer::start(move |_| shown.lock().clone()).await
}

fn reply(status: u16, body: String) -> Reply {
    Reply::Says(status, "", body)
}

fn fetched(count: &mut Peer) -> usize {
    std::iter::from_fn(|| count.received.try_recv().ok()).count()
}

#[tokio::test]
async fn keys_rotate_and_what_is_made_up_is_no_lever() {
    let (old, new) = (Issuer::ed("old"), Issuer::ed("new"));
    let shown = Arc::new(Mutex::new(reply(200, set(&[&old]))));
    let mut peer = showing(&shown).await;
    let pace = Pace {
        at_most: Duration::ZERO,
        ..PACE
    };
    let origin = || Origin::At(peer.target(), outgoing("127.0.0.1"));
    let (patient, eager) = (
        tokens(None, Some((origin(), PACE))),
        tokens(None, Some((origin(), pace))),
    );
    for tokens in [&patient, &eager] {
        assert!(tokens.check(&old.token(), now()).await.is_ok());
        assert!(tokens.check(&old.token(), now()).await.is_ok());
    }
    assert_eq!(fetched(&mut peer), 2);
    let before = eager.check(&old.token(), now()).await.unwrap();

    *shown.lock() = reply(200, set(&[&new]));
    for _ in 0..10 {
        let unknown = patient.check(&new.token(), now()).await.unwrap_err();
        assert_eq!(unknown, JwtError::UnknownKey("new".to_owned()));
    }
    assert_eq!(fetched(&mut peer), 0, "it was fetched a moment ago");
    assert!(eager.check(&new.token(), now()).await.is_ok());
    assert_eq!(fetched(&mut peer), 1);
    assert_eq!(before.lease.over().now_or_never(), Some(Over::Revoked));
    let gone = eager.check(&old.token(), now()).await.unwrap_err();
    assert_eq!(gone, JwtError::UnknownKey("old".to_owned()));
}

#[tokio::test]
async fn the_last_good_set_is_kept_and_without_one_nothing_holds() {
    let (known, other) = (Issuer::ed("known"), Issuer::ed("other"));
    let shown = Arc::new(Mutex::new(reply(503, String::new())));
    let peer = showing(&shown).await;
    let pace = Pace {
        at_most: Duration::ZERO,
        ..PACE
    };
    let origin = Origin::At(peer.target(), outgoing("127.0.0.1"));
    let tokens = tokens(None, Some((origin, pace)));
    let refused = tokens.check(&known.token(), now()).await.unwrap_err();
    assert_eq!(refused, JwtError::NoKeys);
    *shown.lock() = reply(200, set(&[&known]));
    assert!(tokens.check(&known.token(), now()).await.is_ok());
    for bad in [
        reply(500, set(&[&other])),
        reply(302, set(&[&other])),
        reply(200, "<html>".to_owned()),
        reply(200, "{\"keys\": []}".to_owned()),
        Reply::Endless,
    ] {
        *shown.lock() = bad;
        let refused = tokens.check(&other.token(), now()).await.unwrap_err();
        assert_eq!(refused, JwtError::UnknownKey("other".to_owned()));
        assert!(tokens.check(&known.token(), now()).await.is_ok());
    }
}

#[tokio::test]
async fn a_file_that_changes_is_read_again() {
    let (old, new) = (Issuer::ed("old"), Issuer::ed("new"));
    let (tokens, file) = in_file(&[&old]);
    let passport = tokens.check(&old.token(), now()).await.unwrap();
    let changing = async {
        // The file is looked at first when this waits.
        std::fs::write(file.path(), set(&[&new, &new])).unwrap();
        passport.lease.over().await
    };
    tokio::select! {
        biased;
        () = tokens.keyring.keep() => unreachable!("keys are kept for ever"),
        over = changing => assert_eq!(over, Over::Revoked),
    }
    assert!(tokens.check(&new.token(), now()).await.is_ok());
}

#[tokio::test]
async fn a_set_that_cannot_be_read_at_the_start_is_said() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let open = |path: &std::path::Path| {
        Keyring::new(None, Some((Origin::File(path.to_owned()), PACE)))
            .unwrap_err()
            .to_string()
    };
    assert!(
        open(file.path()).contains("this is no JWKS"),
        "{}",
        open(file.path())
    );
    assert!(open("/nowhere/keys.json".as_ref()).contains("/nowhere/keys.json"));
}
