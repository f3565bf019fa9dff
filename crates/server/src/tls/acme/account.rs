//! The account with an authority: made at the first use, and kept with its key in a file that nobody else may read.

use super::error::OrderError;
use crate::config::Acme as Settings;
use crate::private;
use anyhow::Context;
use instant_acme::{Account, AccountBuilder, AccountCredentials, NewAccount};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where the account is kept.
pub(super) struct AccountFile(PathBuf);

impl AccountFile {
    /// In the authority's folder. Fails if its HTTPS could not be trusted by anything.
    pub(super) fn open(folder: &Path, settings: &Settings) -> anyhow::Result<Self> {
        builder(settings).with_context(|| match &settings.acme_root {
            Some(root) => format!(
                "acme-root {} cannot be used\n  hint: it holds the root that the authority's own HTTPS is trusted by, a block that \
                 begins with -----BEGIN CERTIFICATE-----\n  reason",
                root.display()
            ),
            None => "the system has no roots to trust the authority's own HTTPS by\n  hint: install them (Debian's package \
                     ca-certificates), or name one with `--acme-root FILE`\n  reason"
                .to_owned(),
        })?;
        Ok(Self(folder.join("account.json")))
    }

    /// The account of last time, or a new one.
    pub(super) async fn account(&self, settings: &Settings) -> anyhow::Result<Account> {
        let text = match fs::read_to_string(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return self.made_anew(settings).await;
            }
            read => read.with_context(|| format!("{} cannot be read", self.0.display()))?,
        };
        let credentials: AccountCredentials = serde_json::from_str(&text).with_context(|| {
            format!(
                "{} holds no account\n  hint: remove it, and a new account is made\n  reason",
                self.0.display()
            )
        })?;
        let account = builder(settings)?.from_credentials(credentials).await;
        Ok(account.map_err(OrderError::from)?)
    }

    /// A new account, which takes the place of the one before.
    pub(super) async fn made_anew(&self, settings: &Settings) -> anyhow::Result<Account> {
        let contact = settings.acme_contact.as_ref();
        let contact = contact.map(|contact| format!("mailto:{contact}"));
        let contact: Vec<_> = contact.iter().map(String::as_str).collect();
        let wanted = NewAccount {
            contact: &contact,
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        let created = builder(settings)?
            .create(&wanted, settings.acme_directory.clone(), None)
            .await;
        let (account, credentials) = created.map_err(OrderError::from)?;
        private::write(&self.0, &serde_json::to_string(&credentials)?)
            .with_context(|| format!("{} cannot be written", self.0.display()))?;
        Ok(account)
    }
}

fn builder(settings: &Settings) -> Result<AccountBuilder, instant_acme::Error> {
    match &settings.acme_root {
        Some(root) => Account::builder_with_root(root),
        None => Account::builder(),
    }
}
