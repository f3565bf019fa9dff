//! Login that somebody else keeps: tokens that others sign, and a server of the operator's that is asked.
//!
//! Says what somebody has who shows such a token, and whether somebody is let in; knows neither doors nor streams.
//! Invariant: both can only be asked by [`crate::rights`], where every door asks.

pub mod callback;
pub(crate) mod jwt;

use crate::config::{self, Jwks, Watching};
use crate::outgoing::{Outgoing, Reachable};
use crate::rights::Networks;
use abanico_core::rights::{Deed, Question, Refused, Shown};
use abanico_streamhub::Rooms;
use abanico_streamhub::grant::Grant;
use anyhow::{Context, ensure};
use callback::{Bounds, Callback, Denied, Event, Reports, Secret, Wish};
use jwt::{JwtError, Keyring, Origin, Pace, Passport, Tokens, Wanted};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// When it is worth to try again where nobody could decide.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// The longest file of a secret.
const SECRET_FILE_BYTES_MAX: u64 = 4096;

/// Whom the operator trusts with the login.
#[derive(Debug)]
pub(crate) struct Login {
    watching: Watching,
    tokens: Option<Tokens>,
    callback: Option<Callback>,
}

impl Login {
    /// Reads what the settings name. What cannot be used ends the start.
    /// Proxies are those that speak for others.
    pub(crate) fn open(settings: &config::Login, proxies: &Networks) -> anyhow::Result<Self> {
        let listed = settings.outgoing_allow.clone().unwrap_or_default();
        // The authorities of the machine are read only if somebody is to be known by them.
        let outgoing = || Outgoing::new(Reachable::and(listed.clone()));
        Ok(Self {
            watching: settings.watching,
            tokens: open_tokens(settings, outgoing)?,
            callback: open_callback(settings, proxies, outgoing)?,
        })
    }

    /// Keeps the keys of tokens up to date, for ever.
    pub(crate) async fn keep(&self) {
        match &self.tokens {
            Some(tokens) => tokens.keyring.keep().await,
            None => std::future::pending().await,
        }
    }

    /// What tells of streams that have ended, if somebody wants to know.
    pub(crate) fn reports(&self) -> Option<Reports> {
        let callback = self.callback.as_ref();
        let callback = callback.filter(|callback| callback.hears_of(Event::End))?;
        Some(callback.reports())
    }

    /// Whether a text is a token of somebody's who keeps the login.
    pub(crate) fn is_meant(&self, shown: &str) -> bool {
        self.tokens.is_some() && Tokens::is_meant(shown)
    }

    /// Adds to a grant what a token gives, which [`Self::is_meant`].
    pub(crate) async fn look(
        &self,
        shown: &str,
        stream: Option<&str>,
        grant: &mut Grant,
    ) -> Result<(), Refused> {
        let Some(tokens) = &self.tokens else {
            return Ok(());
        };
        let passport = tokens.check(shown, SystemTime::now()).await;
        let Passport { user, scope, lease } = passport.map_err(|error| match error {
            JwtError::NoKeys => Refused::Undecided {
                retry_after: RETRY_AFTER,
            },
            error => Refused::TokenBad(error.to_string().into()),
        })?;
        grant.shown = if scope.operate {
            Shown::OperatorKey
        } else {
            Shown::Pass(scope.powers(stream))
        };
        grant.holder = Some(format!("jwt:{user}").into());
        grant.lease = lease;
        Ok(())
    }

    /// Lets somebody in with what he has, or refuses: the last word, after all that this server knows itself.
    pub(crate) async fn admit(
        &self,
        question: &Question<'_>,
        mut grant: Grant,
        rooms: Option<&Rooms>,
    ) -> Result<Grant, Refused> {
        let event = match question.deed {
            Deed::Publish => Event::Publish,
            Deed::Watch => Event::Watch,
            Deed::Moderate | Deed::Inspect | Deed::Operate => return Ok(grant),
        };
        let may_watch = self.watching == Watching::Link || grant.shown.gives(|powers| powers.watch);
        if event == Event::Watch && !may_watch {
            return Err(match grant.shown {
                Shown::Nothing => Refused::TokenMissing,
                Shown::Pass(_) | Shown::OperatorKey => Refused::NotForThis,
            });
        }
        let callback = self.callback.as_ref();
        let callback = callback.filter(|callback| callback.hears_of(event));
        // The operator is never locked out.
        let Some(callback) = callback.filter(|_| !grant.is_operator()) else {
            return Ok(grant);
        };
        let may_try = grant.rest.is_some() || grant.holder.is_some();
        if event == Event::Publish && !may_try {
            // Who is refused anyway need not be asked about.
            grant.may(Deed::Publish)?;
        }
        if let (Some(rooms), Some(key)) = (rooms, question.stream) {
            let may_matter = match event {
                Event::Publish => {
                    grant.may(Deed::Publish).is_ok() || rooms.may_take(key, &grant).await
                }
                Event::Watch | Event::End => rooms.may_let_in(key, &grant).await,
            };
            // The stream says so itself: that it is none, or none of whoever asks.
            if !may_matter {
                grant.unasked = true;
                return Ok(grant);
            }
        }
        let user = grant.holder.as_deref();
        let allowed = callback.decide(Wish {
            event,
            stream: question.stream,
            address: grant.address,
            connection: grant.connection,
            user: user.map(|holder| holder.strip_prefix("jwt:").unwrap_or(holder)),
            token: grant.rest.as_deref(),
        });
        let allowed = allowed.await.map_err(|denied| match denied {
            Denied::Decided(why) => Refused::Denied(why.into()),
            Denied::Undecided => Refused::Undecided {
                retry_after: RETRY_AFTER,
            },
        })?;
        if let Some(until) = allowed.until {
            let left = until.duration_since(SystemTime::now());
            let left = left.map_err(|_| Refused::Denied("the time for this is over".into()))?;
            grant.lease = grant.lease.ending_in(left);
        }
        if let Some(user) = allowed.user.filter(|_| grant.holder.is_none()) {
            grant.holder = Some(format!("callback:{user}").into());
        }
        Ok(grant)
    }
}

fn open_tokens(
    settings: &config::Login,
    outgoing: impl Fn() -> anyhow::Result<Outgoing>,
) -> anyhow::Result<Option<Tokens>> {
    let secret = settings.jwt_secret_file.as_deref();
    let secret = secret.map(|path| read_secret("jwt-secret-file", path));
    let secret = secret.transpose()?;
    let pace = Pace {
        every: settings.jwks_every.0,
        at_most: settings.jwks_pause.0,
    };
    let origin = match settings.jwks.clone() {
        None => None,
        Some(Jwks::At(target)) => Some(Origin::At(target, outgoing()?)),
        Some(Jwks::In(path)) => Some(Origin::File(path)),
    };
    let jwks = origin.map(|origin| (origin, pace));
    if secret.is_none() && jwks.is_none() {
        for (setting, value) in [
            ("jwt-issuer", &settings.jwt_issuer),
            ("jwt-audience", &settings.jwt_audience),
        ] {
            ensure!(
                value.is_none(),
                "{setting} says what tokens must hold, and there is no key to check them with\n  hint: set jwt-secret-file or jwks"
            );
        }
        return Ok(None);
    }
    Ok(Some(Tokens {
        keyring: Keyring::new(secret.as_deref().map(str::as_bytes), jwks)?,
        wanted: Wanted {
            issuer: settings.jwt_issuer.clone(),
            audience: settings.jwt_audience.clone(),
            leeway: settings.jwt_leeway.0,
        },
    }))
}

fn open_callback(
    settings: &config::Login,
    proxies: &Networks,
    outgoing: impl Fn() -> anyhow::Result<Outgoing>,
) -> anyhow::Result<Option<Callback>> {
    let Some(target) = settings.callback_url.clone() else {
        return Ok(None);
    };
    let path = settings.callback_secret_file.as_deref().context(
        "callback-url needs callback-secret-file: whoever is asked must know that it is asked by this server\n  \
         hint: `echo whsec_$(openssl rand -base64 32)` makes a good secret",
    )?;
    let secret = Secret::read(&read_secret("callback-secret-file", path)?)
        .with_context(|| format!("callback-secret-file {}", path.display()))?;
    let bounds = Bounds {
        at_once: settings.callback_at_once_max.0.max(1),
        waiting: settings.callback_waiting_max.0,
        within: settings.callback_timeout.0,
    };
    let events = settings.callback_events.clone();
    Ok(Some(Callback::new(
        outgoing()?,
        target,
        secret,
        events,
        bounds,
        proxies.clone(),
    )))
}

/// A secret is what stands in its file, without the line's end.
fn read_secret(setting: &str, path: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(SECRET_FILE_BYTES_MAX).read_to_string(&mut text))
        .with_context(|| format!("{setting} {}", path.display()))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// A text of somebody else's, fit for a sentence: short and without anything that is not printed.
fn harmless(text: &str, chars_max: usize) -> String {
    let printed = text.chars().filter(|char| !char.is_control());
    printed.take(chars_max).collect()
}
