//! One order: the authority is asked for a certificate, asks whether the names are ours, and gives it.

use super::challenges::Challenges;
use super::error::{OrderError, said};
use crate::config::AcmeChallenge;
use crate::tls::provider;
use instant_acme::{
    Account, AuthorizationStatus, CertificateIdentifier, ChallengeType, Identifier,
    KeyAuthorization, NewOrder, Order, OrderStatus, Problem, RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use std::time::Duration;

/// How long the authority may take to ask, and to answer.
const PATIENCE: RetryPolicy = RetryPolicy::new().timeout(Duration::from_secs(90));

/// A chain and its key, as PEM.
pub(super) struct Issued {
    pub(super) chain: String,
    pub(super) key: String,
}

/// Asks for a certificate for these names, in place of the one that there is.
pub(super) async fn order(
    account: &Account,
    (names, ours): (&[String], Option<&CertificateDer<'_>>),
    challenge: AcmeChallenge,
    challenges: &Challenges,
) -> Result<Issued, OrderError> {
    let outcome = answered(account, (names, ours), challenge, challenges).await;
    challenges.forget();
    outcome
}

async fn answered(
    account: &Account,
    (names, ours): (&[String], Option<&CertificateDer<'_>>),
    challenge: AcmeChallenge,
    challenges: &Challenges,
) -> Result<Issued, OrderError> {
    let identifiers: Vec<_> = names.iter().cloned().map(Identifier::Dns).collect();
    let mut order = begun(account, &identifiers, ours).await?;
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let offered: Vec<_> = authorization
            .challenges
            .iter()
            .map(|challenge| format!("{:?}", challenge.r#type))
            .collect();
        let name = authorization.identifier().to_string();
        let wanted = match challenge {
            AcmeChallenge::Http01 => ChallengeType::Http01,
            AcmeChallenge::TlsAlpn01 => ChallengeType::TlsAlpn01,
        };
        let Some(mut asked) = authorization.challenge(wanted) else {
            return Err(OrderError::NotOffered {
                name,
                wanted: challenge.name(),
                offered: offered.join(", "),
            });
        };
        let answer = asked.key_authorization();
        match challenge {
            AcmeChallenge::Http01 => {
                challenges.answer_http(asked.token.clone(), answer.as_str().to_owned());
            }
            AcmeChallenge::TlsAlpn01 => {
                challenges.answer_tls(name.clone(), proof(&name, &answer)?);
            }
        }
        // An authority may ask at once, and answer with what it found.
        match asked.set_ready().await {
            Err(instant_acme::Error::Api(problem)) => {
                return Err(not_ours(name, &problem, challenge));
            }
            taken_up => taken_up?,
        }
    }
    match order.poll_ready(&PATIENCE).await {
        Ok(OrderStatus::Ready) => {}
        Ok(status) => return Err(refused(&mut order, challenge, status).await?),
        Err(error) => match refused(&mut order, challenge, OrderStatus::Invalid).await? {
            OrderError::Stuck(_) => return Err(error.into()),
            refused => return Err(refused),
        },
    }
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    let request = params.serialize_request(&key)?;
    order.finalize_csr(request.der()).await?;
    Ok(Issued {
        chain: order.poll_certificate(&PATIENCE).await?,
        key: key.serialize_pem(),
    })
}

/// A new order, which says what it replaces (RFC 9773): some authorities hold that against none of their bounds. One that
/// does not know what that is, or of that certificate, is asked without.
async fn begun(
    account: &Account,
    identifiers: &[Identifier],
    ours: Option<&CertificateDer<'_>>,
) -> Result<Order, OrderError> {
    let replaced = ours.and_then(|ours| CertificateIdentifier::try_from(ours).ok());
    if let Some(replaced) = replaced {
        let replacing = NewOrder::new(identifiers).replaces(replaced);
        match account
            .new_order(&replacing)
            .await
            .map_err(OrderError::from)
        {
            Ok(order) => return Ok(order),
            Err(error) if error.is_about_the_account() || error.is_about_the_pace() => {
                return Err(error);
            }
            Err(error) => tracing::debug!("the authority replaces no certificate: {error}"),
        }
    }
    Ok(account.new_order(&NewOrder::new(identifiers)).await?)
}

/// What the authority found wrong, name by name.
async fn refused(
    order: &mut Order,
    challenge: AcmeChallenge,
    status: OrderStatus,
) -> Result<OrderError, instant_acme::Error> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        authorization.refresh().await?;
        let problem = authorization
            .challenges
            .iter()
            .find_map(|challenge| challenge.error.clone());
        if let Some(problem) = problem {
            let name = authorization.identifier().to_string();
            return Ok(not_ours(name, &problem, challenge));
        }
    }
    Ok(OrderError::Stuck(status))
}

fn not_ours(name: String, problem: &Problem, challenge: AcmeChallenge) -> OrderError {
    OrderError::NotOurs {
        name,
        reason: said(problem),
        hint: challenge.hint(),
    }
}

/// The certificate that answers in a handshake: signed by itself, and with the answer in it.
fn proof(name: &str, answer: &KeyAuthorization) -> Result<CertifiedKey, OrderError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new([name.to_owned()])?;
    let digest = answer.digest();
    params
        .custom_extensions
        .push(CustomExtension::new_acme_identifier(digest.as_ref()));
    let certificate = params.self_signed(&key)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    // No check of the pair: it would refuse the extension that is the answer.
    let key = provider().key_provider.load_private_key(key)?;
    Ok(CertifiedKey::new(vec![certificate.der().clone()], key))
}
