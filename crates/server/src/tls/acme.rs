//! Certificates by ACME: asked for when there is none, kept in the data directory, and renewed in place.
//!
//! Nothing waits for the authority: the server runs with what it has. Invariant: what is shown stays until something better
//! is there, whatever the authority says. Invariant: the authority is not pestered: failures wait longer and longer, and
//! renewals do not come at the same moment as everybody's.

mod account;
pub(crate) mod challenges;
mod error;
mod order;
mod renewal;

use super::files::{self, Pair};
use super::shown::Shown;
use crate::config::Acme as Settings;
use crate::private;
use account::AccountFile;
use anyhow::{Context, bail, ensure};
use challenges::Challenges;
use error::OrderError;
use futures_util::FutureExt;
use rustls::pki_types::CertificateDer;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// How often is looked whether the certificate is to be renewed.
const EVERY: Duration = Duration::from_secs(3600);

/// How long it is not asked when a certificate should be renewed, after it said nothing of that, or gave a new one.
const ADVICE_EVERY: Duration = Duration::from_secs(6 * 3600);

/// The longest wait between two failures.
const WAIT_MAX: Duration = Duration::from_secs(12 * 3600);

/// How long an authority may take in all. Then it is asked again another time.
const ORDER_TIME_MAX: Duration = Duration::from_secs(5 * 60);

/// How long it may take to say when a certificate should be renewed.
const ADVICE_TIME_MAX: Duration = Duration::from_secs(60);

/// Where certificates come from, and what there is.
pub(crate) struct Acme {
    settings: Settings,
    names: Vec<String>,
    folder: PathBuf,
    account: AccountFile,
    shown: Arc<Shown>,
    challenges: Challenges,
    /// When to ask for the next one.
    due: SystemTime,
    /// When to ask whether it should be sooner.
    ask_at: SystemTime,
    /// What is shown by us, if anything is.
    ours: Option<CertificateDer<'static>>,
}

impl Acme {
    /// Shows the certificate that is in the data directory, if that is for these names.
    pub(crate) fn open(
        folder: &Path,
        names: Vec<String>,
        settings: &Settings,
        shown: Arc<Shown>,
    ) -> anyhow::Result<Self> {
        ensure!(
            settings.acme_directory.starts_with("https://"),
            "acme-directory: `{}` is no address of HTTPS\n  hint: type for example https://acme-v02.api.letsencrypt.org/directory",
            settings.acme_directory
        );
        // Another authority's account means nothing to this one.
        let folder = folder.join(authority(&settings.acme_directory));
        private::make_folder(&folder).with_context(|| {
            format!(
                "the folder {} for ACME cannot be made\n  hint: name a data directory that you may write, `--data DIR`\n  reason",
                folder.display()
            )
        })?;
        let account = AccountFile::open(&folder, settings)?;
        let mut acme = Self {
            settings: settings.clone(),
            names,
            account,
            challenges: shown.challenges.clone(),
            folder,
            shown,
            due: SystemTime::now(),
            ask_at: SystemTime::now(),
            ours: None,
        };
        if acme.file().exists()
            && let Err(error) = acme.take()
        {
            tracing::warn!(%error, "the certificate that was kept cannot be used: another is asked for");
        }
        Ok(acme)
    }

    /// Answers that belong to plain HTTP.
    pub(crate) fn challenges(&self) -> &Challenges {
        &self.challenges
    }

    /// What the certificate is for.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether there is one.
    pub(crate) fn is_shown(&self) -> bool {
        self.ours.is_some()
    }

    /// Why there was none when last asked for, if that has not changed since.
    pub(crate) fn last_failure(&self) -> Option<String> {
        std::fs::read_to_string(self.failure()).ok()
    }

    /// Asks for a certificate whenever there is none or the old one comes to its end, until `stop` is cancelled.
    pub(crate) async fn keep(mut self, stop: CancellationToken) {
        let mut failures = 0;
        loop {
            let next = match failures {
                0 if self.is_shown() => self.due.min(self.ask_at),
                _ => self.due,
            };
            let left = next.duration_since(SystemTime::now());
            let wait = left.unwrap_or_default().min(EVERY);
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
            if failures == 0 && SystemTime::now() >= self.ask_at {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = self.heed() => {}
                }
            }
            // The system's clock may have been put right meanwhile.
            if SystemTime::now() < self.due {
                continue;
            }
            let renewed = tokio::select! {
                () = stop.cancelled() => return,
                renewed = self.renew() => renewed,
            };
            let Err(error) = renewed else {
                failures = 0;
                continue;
            };
            let first = self.settings.acme_retry_wait.0;
            let wait = wait_after(failures, first, random());
            failures += 1;
            self.due = SystemTime::now() + wait;
            self.complain(&error, wait);
        }
    }

    /// Asks for a certificate, keeps it, and shows it.
    async fn renew(&mut self) -> anyhow::Result<()> {
        tracing::info!(names = ?self.names, authority = self.settings.acme_directory, "asking for a certificate");
        let issued = timeout(ORDER_TIME_MAX, caught(self.ordered())).await;
        let issued = issued.map_err(|_| OrderError::Silent)??;
        // One file, so that no power cut leaves a certificate with another one's key.
        private::write(&self.file(), &(issued.key + &issued.chain))
            .with_context(|| format!("{} cannot be written", self.file().display()))?;
        self.take()?;
        // An authority that takes everything back is not asked for the next one at once.
        self.ask_at = SystemTime::now() + ADVICE_EVERY;
        // It may never have been there.
        let _ = std::fs::remove_file(self.failure());
        Ok(())
    }

    /// Renews sooner if the authority would like that.
    async fn heed(&mut self) {
        let Some(ours) = &self.ours else { return };
        let asked = async {
            let account = self.account.account(&self.settings).await?;
            renewal::ask(&account, ours, random()).await
        };
        let wish = timeout(ADVICE_TIME_MAX, caught(asked)).await;
        let now = SystemTime::now();
        match wish.unwrap_or_else(|_| Err(OrderError::Silent.into())) {
            Ok(wish) => {
                self.ask_at = now + wish.again_after;
                if wish.due < self.due {
                    let renewed_at = humantime::format_rfc3339_seconds(wish.due);
                    tracing::info!(names = ?self.names, %renewed_at, why = wish.why, "the authority would like the certificate to be renewed sooner");
                    self.due = wish.due;
                }
            }
            Err(error) => {
                // Few authorities must say it, and nothing hangs on it.
                tracing::debug!(names = ?self.names, "the authority does not say when to renew: {error:#}");
                self.ask_at = now + ADVICE_EVERY;
            }
        }
    }

    async fn ordered(&self) -> anyhow::Result<order::Issued> {
        let challenge = self.settings.acme_challenge;
        let account = self.account.account(&self.settings).await?;
        let wanted = (&self.names[..], self.ours.as_ref());
        match order::order(&account, wanted, challenge, &self.challenges).await {
            Err(error) if error.is_about_the_account() => {
                tracing::warn!(
                    "the authority does not know the account any more: another one is made"
                );
                let account = self.account.made_anew(&self.settings).await?;
                Ok(order::order(&account, wanted, challenge, &self.challenges).await?)
            }
            outcome => Ok(outcome?),
        }
    }

    /// Shows what is in the folder, and decides when to ask for the next.
    fn take(&mut self) -> anyhow::Result<()> {
        let pair = Pair {
            certificate: self.file(),
            key: self.file(),
        };
        let certificate = pair.load()?;
        let first = certificate
            .cert
            .first()
            .context("the file has no certificate")?;
        if !is_for(first, &self.names) {
            // The names have changed since.
            self.due = SystemTime::now();
            return Ok(());
        }
        let times = files::begins(first).zip(files::ends(first));
        let (begins, ends) = times.context("the certificate does not say how long it is good")?;
        self.due = due(begins, ends, random());
        let until = humantime::format_rfc3339_seconds(ends);
        let renewed_at = humantime::format_rfc3339_seconds(self.due);
        self.ours = Some(first.clone().into_owned());
        self.shown.show(certificate);
        tracing::info!(names = ?self.names, %until, %renewed_at, "a certificate by ACME is shown");
        Ok(())
    }

    /// Writes down why there is no certificate: to the log, and for the next greeting.
    fn complain(&self, error: &anyhow::Error, wait: Duration) {
        let again = humantime::format_duration(Duration::from_secs(wait.as_secs()));
        let now = if self.is_shown() {
            "the old one stays"
        } else {
            "HTTPS answers nobody until there is one"
        };
        tracing::warn!(names = ?self.names, %again, "no certificate by ACME, {now}: {error:#}");
        if let Err(error) = private::write(&self.failure(), &format!("{error:#}")) {
            tracing::warn!(%error, "{} cannot be written", self.failure().display());
        }
    }

    /// Key and chain.
    fn file(&self) -> PathBuf {
        self.folder.join("certificate.pem")
    }

    fn failure(&self) -> PathBuf {
        self.folder.join("failure.txt")
    }
}

/// What is asked of the authority, where a panic is a failure like another: the library may panic at what it is answered, as
/// at a `Retry-After` beyond the end of time, and the certificate is to be renewed all the same.
async fn caught<T>(asking: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let asked = AssertUnwindSafe(asking).catch_unwind().await;
    asked.unwrap_or_else(|_| bail!("what the authority answered ended in a panic"))
}

/// A folder's name for an authority.
fn authority(directory: &str) -> String {
    directory
        .trim_start_matches("https://")
        .chars()
        .map(|it| {
            if it.is_ascii_alphanumeric() || it == '.' || it == '-' {
                it
            } else {
                '_'
            }
        })
        .collect()
}

/// When a certificate is renewed: with a third of its time left, and up to a tenth of it earlier.
fn due(begins: SystemTime, ends: SystemTime, random: f64) -> SystemTime {
    let life = ends.duration_since(begins).unwrap_or_default();
    ends - life / 3 - life.mul_f64(random / 10.0)
}

/// How long to wait after so many failures before: longer and longer, and up to a quarter more.
fn wait_after(failures: u32, first: Duration, random: f64) -> Duration {
    let wait = first.saturating_mul(1 << failures.min(16)).min(WAIT_MAX);
    wait.mul_f64(1.0 + random / 4.0)
}

/// From 0 to 1.
fn random() -> f64 {
    f64::from(getrandom::u32().unwrap_or(0)) / f64::from(u32::MAX)
}

/// Whether a certificate is for all these names.
fn is_for(certificate: &CertificateDer<'_>, names: &[String]) -> bool {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
        return false;
    };
    let Ok(Some(alternatives)) = parsed.subject_alternative_name() else {
        return false;
    };
    names.iter().all(|name| {
        alternatives
            .value
            .general_names
            .iter()
            .any(|known| matches!(known, GeneralName::DNSName(known) if known == name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    #[test]
    fn a_certificate_is_renewed_well_before_its_end_and_not_with_everybody_s() {
        let begins = SystemTime::UNIX_EPOCH;
        let ends = begins + 90 * DAY;
        assert_eq!(due(begins, ends, 0.0), begins + 60 * DAY);
        assert_eq!(due(begins, ends, 1.0), begins + 51 * DAY);
    }

    #[test]
    fn failures_wait_longer_and_longer_up_to_a_bound() {
        let first = Duration::from_secs(300);
        assert_eq!(wait_after(0, first, 0.0), first);
        assert_eq!(wait_after(1, first, 0.0), 2 * first);
        assert_eq!(wait_after(1000, first, 0.0), WAIT_MAX);
        assert_eq!(wait_after(1000, first, 1.0), WAIT_MAX + WAIT_MAX / 4);
    }

    #[test]
    fn each_authority_has_a_folder_of_its_own() {
        assert_eq!(
            authority("https://acme-v02.api.letsencrypt.org/directory"),
            "acme-v02.api.letsencrypt.org_directory"
        );
        assert_eq!(authority("https://../../etc"), ".._.._etc");
    }
}
