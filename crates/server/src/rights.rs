//! Who may do what on this server: finds out who asks and what they show, and lets `core::rights` decide.
//!
//! One `Keeper` for all doors. It keeps the operator's key, which opens streams, takes any seat and operates; the rights
//! to one stream are the stream's own. Invariant: what is shown is never logged, and never part of an answer.

mod asker;
mod key;
mod keys;
mod networks;

pub(crate) use asker::Asker;
pub(crate) use key::Key;
pub use networks::{NetworkError, Networks};

use crate::config;
use abanico_core::rate::Rate;
use abanico_core::rights::{Deed, Publishing, Refused, Shown};
use abanico_socketio::Handshake;
use abanico_streamhub::door::Claim;
use abanico_streamhub::gate::{Answer, Gate};
use key::KeyFile;
use keys::Keys;
use std::path::Path;
use std::sync::Arc;

/// Knows who may do what. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Keeper(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    publishing: Publishing,
    proxies: Networks,
    keys: Keys,
}

impl Keeper {
    /// Makes the operator's key at the first start, and gives it back for the one time that it is shown.
    pub(crate) fn open(
        settings: &config::Rights,
        data: &Path,
    ) -> anyhow::Result<(Self, Option<Key>)> {
        let file = KeyFile::of(data);
        let first = file.make_first()?;
        let tries = Rate {
            burst: settings.key_rate.burst,
            per_second: settings.key_rate.per_second,
        };
        let inner = Inner {
            publishing: settings.publishing.into(),
            proxies: settings.trusted_proxies.clone().unwrap_or_default(),
            keys: Keys::new(file, tries),
        };
        Ok((Self(Arc::new(inner)), first))
    }

    /// Who stands behind a request.
    pub(crate) fn asker<B>(&self, request: &http::Request<B>) -> Asker {
        Asker::of(request, &self.0.proxies)
    }

    /// What a publisher has for a stream at any door, who shows `token`: the stream's, or the operator's key.
    pub(crate) async fn claim(
        &self,
        asker: Asker,
        token: Option<String>,
        title: Option<&str>,
    ) -> Result<Claim, Refused> {
        let shown = self.shown(asker, token.as_deref()).await?;
        let publishing = self.0.publishing;
        let is_operator = publishing.may(Deed::Operate, asker.place, shown).is_ok();
        Ok(Claim {
            token: token.filter(|_| !is_operator),
            title: title.map(str::to_owned),
            opening: publishing.may(Deed::Publish, asker.place, shown),
            is_operator,
        })
    }

    /// Whether somebody who shows `key` may do the deed.
    pub(crate) async fn may(
        &self,
        deed: Deed,
        asker: Asker,
        key: Option<&str>,
    ) -> Result<(), Refused> {
        let shown = self.shown(asker, key).await?;
        self.0.publishing.may(deed, asker.place, shown)
    }

    /// What a text is that was shown. One that is no key at all says nothing here.
    async fn shown(&self, asker: Asker, text: Option<&str>) -> Result<Shown, Refused> {
        match text.filter(|text| Key::is_meant(text)) {
            Some(key) => {
                self.0.keys.check(key, asker.address).await?;
                Ok(Shown::OperatorKey)
            }
            None => Ok(Shown::Nothing),
        }
    }
}

impl Gate for Keeper {
    fn may_open<'a>(&'a self, handshake: &'a Handshake, key: Option<&'a str>) -> Answer<'a> {
        Box::pin(async move {
            let asker = Asker::of_session(handshake, &self.0.proxies);
            let publishing = self.0.publishing;
            let without = publishing.may(Deed::Publish, asker.place, Shown::Nothing);
            let Some(key) = key.filter(|key| !key.is_empty()) else {
                return without;
            };
            // An old key in a page's storage is no hindrance where none is needed.
            if without.is_ok() {
                return Ok(());
            }
            self.0.keys.check(key, asker.address).await?;
            publishing.may(Deed::Publish, asker.place, Shown::OperatorKey)
        })
    }
}

/// Makes another key for the server with this data directory, running or not, and shows it.
pub(crate) fn make_new_key(data: &Path) -> anyhow::Result<Key> {
    anyhow::ensure!(
        data.is_dir(),
        "there is no data directory {}\n  hint: name the server's, `abanico key --data DIR`",
        data.display()
    );
    KeyFile::of(data).make_new()
}
