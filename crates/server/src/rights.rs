//! Who may do what on this server: finds out who asks and what they show, and lets `core::rights` decide.
//!
//! One `Keeper` for all doors. It keeps the operator's key, which opens streams, takes any seat and operates, and the
//! publish tokens that the operator gave; the rights to one stream are the stream's own. Invariant: what is shown is never logged, and never part of an answer.

mod asker;
mod file;
mod key;
mod keys;
mod networks;
mod pairing;
mod roll;
mod secret;
mod tokens;

pub(crate) use asker::Asker;
pub use networks::{NetworkError, Networks};
pub(crate) use pairing::CODE_FOR;
pub(crate) use secret::Secret;
pub(crate) use tokens::{Pattern, Right, Token, TokenFile, Wanted};

use crate::addresses::{PerAddress, speaks_for_many};
use crate::config;
use crate::login::Login;
use crate::login::callback::Reports;
use abanico_core::rate::Rate;
use abanico_core::rights::{Deed, Powers, Publishing, Question, Refused, Shown};
use abanico_socketio::Handshake;
use abanico_streamhub::Rooms;
use abanico_streamhub::door::Claim;
use abanico_streamhub::gate::{Answer, Gate};
use abanico_streamhub::grant::Grant;
use key::KeyFile;
use keys::Keys;
use pairing::Pairing;
use parking_lot::Mutex;
use roll::Roll;
use secret::Kind;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Instant;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Knows who may do what. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Keeper(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    publishing: Publishing,
    proxies: Networks,
    keys: Keys,
    roll: Roll,
    pairing: Pairing,
    login: Login,
    /// The streams, once there are any: nobody else is asked about those that are none.
    rooms: OnceLock<Rooms>,
    /// Users who are not known yet, by the address that brings them.
    newcomers: Mutex<PerAddress>,
}

impl Keeper {
    /// Makes the operator's key at the first start, and gives it back for the one time that it is shown.
    pub(crate) fn open(
        settings: &config::Rights,
        login: &config::Login,
        newcomers: Rate,
        data: &Path,
    ) -> anyhow::Result<(Self, Option<Secret>)> {
        let proxies = settings.trusted_proxies.clone().unwrap_or_default();
        let login = Login::open(login, &proxies)?;
        let file = KeyFile::of(data);
        let first = file.make_first()?;
        let tries = Rate {
            burst: settings.key_rate.burst,
            per_second: settings.key_rate.per_second,
        };
        let inner = Inner {
            publishing: settings.publishing.into(),
            proxies,
            keys: Keys::new(file, tries),
            roll: Roll::new(TokenFile::of(data)),
            pairing: Pairing::default(),
            login,
            rooms: OnceLock::new(),
            newcomers: Mutex::new(PerAddress::new(newcomers)),
        };
        Ok((Self(Arc::new(inner)), first))
    }

    /// Looks again and again whether a token was revoked, and keeps the keys of others' tokens up to date, for as long as
    /// the server runs.
    pub(crate) async fn watch(self, stop: CancellationToken) {
        let looking = async {
            let mut turns = tokio::time::interval(roll::LOOK_EVERY);
            turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                turns.tick().await;
                self.0.roll.look();
            }
        };
        let watching = async { tokio::join!(looking, self.0.login.keep()) };
        stop.run_until_cancelled(watching).await;
    }

    /// Heeds at once what was done with the tokens here.
    pub(crate) fn look(&self) {
        self.0.roll.look();
    }

    /// Looks at these streams from now on before somebody else is asked about one.
    pub(crate) fn look_at(&self, rooms: Rooms) {
        self.0.rooms.get_or_init(|| rooms);
    }

    async fn admit(&self, question: &Question<'_>, grant: Grant) -> Result<Grant, Refused> {
        let rooms = self.0.rooms.get();
        self.0.login.admit(question, grant, rooms).await
    }

    /// The publish tokens, to be made and revoked.
    pub(crate) fn tokens(&self) -> &TokenFile {
        self.0.roll.file()
    }

    /// The proxies that are believed whom they speak for.
    pub(crate) fn proxies(&self) -> &Networks {
        &self.0.proxies
    }

    /// What tells of streams that have ended, if somebody wants to know.
    pub(crate) fn reports(&self) -> Option<Reports> {
        self.0.login.reports()
    }

    /// Who stands behind a request.
    pub(crate) fn asker<B>(&self, request: &http::Request<B>) -> Asker {
        Asker::of(request, &self.0.proxies)
    }

    /// What somebody has who has shown nothing yet.
    fn grant_of_nobody(&self, asker: Asker) -> Grant {
        Grant {
            connection: asker.connection,
            ..Grant::of_nobody(self.0.publishing, asker.place, asker.address)
        }
    }

    /// What somebody has for what he would like to do: the one place that looks at what is shown, for every door.
    ///
    /// An error says that what was shown is no good; what a grant is not enough for, its [`Grant::may`] says. Each way to
    /// know somebody has a step here, and hands out a lease if what it gives may end.
    pub(crate) async fn ask(&self, asker: Asker, question: Question<'_>) -> Result<Grant, Refused> {
        let mut grant = self.grant_of_nobody(asker);
        let Some(shown) = question.shown else {
            return Ok(grant);
        };
        match Kind::of(shown) {
            Some(Kind::Key) => {
                self.0.keys.check(shown, asker.address).await?;
                grant.shown = Shown::OperatorKey;
                return Ok(grant);
            }
            Some(Kind::Token) => {
                let secret = Secret::read(shown);
                let Some((token, lease)) = secret.and_then(|secret| self.0.roll.find(&secret))
                else {
                    return Err(self.0.keys.wrong(asker.address));
                };
                grant.shown = Shown::Pass(token.powers(question.stream));
                grant.holder = Some(format!("token {}", token.id).into());
                grant.lease = lease;
                return Ok(grant);
            }
            Some(Kind::Pass) => {
                let pass = Secret::read(shown).filter(|pass| self.0.pairing.has(pass));
                let Some(pass) = pass else {
                    // One of before a new start: whoever has it is asked for the key.
                    return Err(match self.0.keys.wrong(asker.address) {
                        Refused::KeyWrong => Refused::KeyMissing,
                        refused => refused,
                    });
                };
                grant.shown = Shown::Pass(Powers {
                    publish: true,
                    ..Powers::default()
                });
                grant.holder = Some(format!("pass {}", pass.id()).into());
                return Ok(grant);
            }
            // It is no key, only the way to a pass.
            Some(Kind::Code) => return Err(self.0.keys.wrong(asker.address)),
            None => {}
        }
        if self.0.login.is_meant(shown) {
            let login = self.0.login.look(shown, question.stream, &mut grant);
            return login.await.map(|()| grant);
        }
        // A stream's token, as may be: that is the stream's to judge.
        grant.rest = Some(shown.to_owned());
        Ok(grant)
    }

    /// What a publisher has for the stream `key` at any door, who shows a token: the stream's, or one of the server's.
    pub(crate) async fn claim(
        &self,
        asker: Asker,
        key: &str,
        token: Option<&str>,
        title: Option<&str>,
    ) -> Result<Claim, Refused> {
        let question = Question {
            deed: Deed::Publish,
            stream: Some(key),
            shown: token,
        };
        let grant = self.ask(asker, question).await?;
        Ok(Claim {
            grant: self.admit(&question, grant).await?,
            title: title.map(str::to_owned),
            private: false,
        })
    }

    /// The same for who would like to do something else with the stream, about which nobody else is asked.
    pub(crate) async fn claim_unasked(
        &self,
        asker: Asker,
        key: &str,
        token: Option<&str>,
    ) -> Result<Claim, Refused> {
        let question = Question {
            deed: Deed::Publish,
            stream: Some(key),
            shown: token,
        };
        Ok(Claim {
            grant: self.ask(asker, question).await?,
            title: None,
            private: false,
        })
    }

    /// What a viewer has for the stream `key` at any door, who shows something or nothing.
    pub(crate) async fn visit(
        &self,
        asker: Asker,
        key: &str,
        shown: Option<&str>,
    ) -> Result<Grant, Refused> {
        let question = Question {
            deed: Deed::Watch,
            stream: Some(key),
            shown,
        };
        let grant = self.ask(asker, question).await?;
        grant.may(Deed::Watch)?;
        self.admit(&question, grant).await
    }
}

impl Gate for Keeper {
    fn ask<'a>(&'a self, handshake: &'a Handshake, question: Question<'a>) -> Answer<'a> {
        Box::pin(async move {
            let asker = Asker::of_session(handshake, &self.0.proxies);
            let mut grant = self.grant_of_nobody(asker);
            let shown = question.shown;
            let login = shown.is_some_and(|shown| self.0.login.is_meant(shown));
            // An old key in a page's storage is no hindrance where none is needed.
            let needs_nothing = question.deed == Deed::Publish && grant.may(Deed::Publish).is_ok();
            if !needs_nothing || shown.and_then(Kind::of) != Some(Kind::Key) {
                match Self::ask(self, asker, question).await {
                    Ok(granted) => grant = granted,
                    Err(refused) if !needs_nothing || login => return Err(refused),
                    Err(_) => {}
                }
            }
            self.admit(&question, grant).await
        })
    }

    fn guess(&self, from: IpAddr, apart: Option<Uuid>, is_right: bool) -> Result<(), Refused> {
        self.0.keys.guess(from, apart, is_right)
    }

    fn speaks_for_many(&self, from: IpAddr) -> bool {
        speaks_for_many(from, &self.0.proxies)
    }

    fn newcomer(&self, from: IpAddr) -> Result<(), Rate> {
        if speaks_for_many(from, &self.0.proxies) {
            return Ok(());
        }
        let mut newcomers = self.0.newcomers.lock();
        match newcomers.take(from, Instant::now()) {
            true => Ok(()),
            false => Err(newcomers.rate()),
        }
    }

    fn address(&self, handshake: &Handshake) -> IpAddr {
        Asker::of_session(handshake, &self.0.proxies).address
    }
}

/// Makes another key for the server with this data directory, running or not, and shows it.
pub(crate) fn make_new_key(data: &Path) -> anyhow::Result<Secret> {
    anyhow::ensure!(
        data.is_dir(),
        "there is no data directory {}\n  hint: name the server's, `abanico key --data DIR`",
        data.display()
    );
    KeyFile::of(data).make_new()
}
