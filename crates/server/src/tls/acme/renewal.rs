//! When an authority would like a certificate to be renewed (ARI, RFC 9773): sooner than its age says where it must take
//! certificates back, or where too many would come at once.
//!
//! Invariant: what it says only brings a renewal forward. An authority that says nothing, or nonsense, changes nothing.

use super::error::OrderError;
use anyhow::ensure;
use instant_acme::{Account, CertificateIdentifier};
use rustls::pki_types::CertificateDer;
use std::time::{Duration, SystemTime};

/// How soon it is asked again at the earliest, and at the latest, whatever it says.
const AGAIN_AFTER: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(24 * 3600)];

/// What it would like.
pub(super) struct Wish {
    /// When the certificate should be renewed.
    pub(super) due: SystemTime,
    /// How long this is good.
    pub(super) again_after: Duration,
    /// Where it says why, if it does.
    pub(super) why: Option<String>,
}

/// Asks when to renew this certificate. `random` is from 0 to 1.
pub(super) async fn ask(
    account: &Account,
    certificate: &CertificateDer<'_>,
    random: f64,
) -> anyhow::Result<Wish> {
    let id = CertificateIdentifier::try_from(certificate).map_err(anyhow::Error::msg)?;
    let (info, again_after) = account.renewal_info(&id).await.map_err(OrderError::from)?;
    let (start, end) = (
        info.suggested_window.start.into(),
        info.suggested_window.end.into(),
    );
    Ok(Wish {
        due: within(start, end, random)?,
        again_after: again_after.clamp(AGAIN_AFTER[0], AGAIN_AFTER[1]),
        why: info.explanation_url,
    })
}

/// Somewhere between the two, so that not everybody comes at once.
fn within(start: SystemTime, end: SystemTime, random: f64) -> anyhow::Result<SystemTime> {
    // The time that servers write for none is in the year 1.
    ensure!(
        start >= SystemTime::UNIX_EPOCH,
        "its window begins before 1970"
    );
    let length = end.duration_since(start);
    let length = length.map_err(|_| anyhow::anyhow!("its window ends before it begins"))?;
    Ok(start + length.mul_f64(random))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renewal_is_somewhere_in_the_window_that_the_authority_names_if_that_is_one() {
        let start = SystemTime::UNIX_EPOCH;
        let end = start + Duration::from_secs(100);
        let at = |random| within(start, end, random).unwrap();
        assert_eq!([at(0.0), at(1.0)], [start, end]);
        assert_eq!(at(0.5), start + Duration::from_secs(50));
        assert!(within(end, start, 0.5).is_err());
        assert!(within(start - Duration::from_secs(1), end, 1.0).is_err());
    }
}
