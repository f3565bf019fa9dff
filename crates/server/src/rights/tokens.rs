//! Publish tokens with names: the operator makes them for people and programs, each for the streams and the time that are
//! wanted, and takes them back.
//!
//! They lie in one file of the data directory, as hashes. The file is the truth: whoever changes it, this server or the
//! command beside it, holds its lock, and the server looks whether it has changed.

use super::file::{self, Stamp};
use super::secret::{Kind, Secret};
use crate::private;
use abanico_core::rights::Powers;
use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Tokens at one time. One more is refused.
pub(crate) const TOKENS_MAX: usize = 1000;

const NAME_CHARS_MAX: usize = 64;

/// A stream's key has no more, and a pattern for some needs no more.
const PATTERN_BYTES_MAX: usize = 64;

/// One token, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Token {
    /// The first group of the secret.
    pub(crate) id: String,
    /// For whom it is.
    pub(crate) name: String,
    /// SHA-256 in hexadecimal digits.
    pub(super) hash: String,
    /// The streams that it is for.
    pub(crate) streams: Pattern,
    /// What it lets its holder do there.
    pub(crate) may: Vec<Right>,
    /// In milliseconds since 1970.
    pub(crate) made_at: u64,
    /// When it is void, in milliseconds since 1970.
    #[serde(default)]
    pub(crate) expires_at: Option<u64>,
}

/// What is asked for who makes one.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) name: String,
    pub(crate) streams: Pattern,
    /// Publishing, where nothing is named.
    pub(crate) may: Vec<Right>,
    pub(crate) expires_at: Option<u64>,
}

/// One of the rights that a token may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Right {
    /// Open its streams, and publish them then
    Publish,
    /// Watch its streams, private ones too
    Watch,
    /// Keep order in its streams
    Moderate,
}

impl Right {
    /// As it is written.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Watch => "watch",
            Self::Moderate => "moderate",
        }
    }
}

/// Keys of streams: one, or all that are like it where a `*` stands for any characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Pattern(String);

impl Token {
    /// Whether it holds at a time in milliseconds since 1970.
    pub(crate) fn holds(&self, now: u64) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }

    /// What it lets its holder do with a stream, or with one whose key nobody has chosen yet.
    pub(super) fn powers(&self, stream: Option<&str>) -> Powers {
        let is_for_it = self.streams.is_for(stream);
        let has = |right| is_for_it && self.may.contains(&right);
        Powers {
            publish: has(Right::Publish),
            // Nobody keeps order where they may not look.
            watch: has(Right::Watch) || has(Right::Moderate),
            moderate: has(Right::Moderate),
        }
    }
}

impl Pattern {
    /// All streams.
    pub(crate) fn any() -> Self {
        Self("*".to_owned())
    }

    /// Whether a stream is among them, or one whose key nobody has chosen yet.
    pub(crate) fn is_for(&self, stream: Option<&str>) -> bool {
        match stream {
            Some(key) => self.matches(key),
            None => self.is_any(),
        }
    }

    fn is_any(&self) -> bool {
        self.0 == "*"
    }

    fn matches(&self, key: &str) -> bool {
        let mut pieces = self.0.split('*');
        let first = pieces.next().unwrap_or_default();
        let Some(mut rest) = key.strip_prefix(first) else {
            return false;
        };
        let mut pieces: Vec<_> = pieces.collect();
        let Some(last) = pieces.pop() else {
            return rest.is_empty();
        };
        for piece in pieces {
            let Some((_, behind)) = rest.split_once(piece) else {
                return false;
            };
            rest = behind;
        }
        rest.ends_with(last)
    }
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'*');
        if text.is_empty() || text.len() > PATTERN_BYTES_MAX || !text.bytes().all(legal) {
            return Err(format!(
                "`{text}` is no pattern for keys of streams: type a key, or for example studio-*"
            ));
        }
        Ok(Self(text))
    }
}

impl std::str::FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.to_owned().try_into()
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.0
    }
}

/// What is kept of a token. A fast hash will do: the secret has 125 random bits, which nobody goes through, however fast. A
/// slow one protects what people choose, and would be a lever on the processor here.
pub(super) fn hash(secret: &Secret) -> String {
    let hash = Sha256::digest(secret.reveal());
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Where they are kept.
#[derive(Debug, Clone)]
pub(crate) struct TokenFile(PathBuf);

impl TokenFile {
    /// In a data directory.
    pub(crate) fn of(data: &Path) -> Self {
        Self(data.join("publish-tokens.json"))
    }

    /// All of them, the oldest first.
    pub(crate) fn read(&self) -> anyhow::Result<Vec<Token>> {
        let text = match fs::read(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            read => read.with_context(|| format!("{} cannot be read", self.0.display()))?,
        };
        serde_json::from_slice(&text)
            .with_context(|| format!("{} is not as it was written", self.0.display()))
    }

    /// Tells whether the file has changed. `None` if it is not there.
    pub(super) fn stamp(&self) -> Option<Stamp> {
        file::stamp(&self.0)
    }

    /// Makes a token, and gives its secret for the one time that it is shown.
    pub(crate) fn add(&self, wanted: Wanted, now: u64) -> anyhow::Result<(Token, Secret)> {
        let name = wanted.name.trim();
        let is_name = !name.is_empty()
            && name.chars().count() <= NAME_CHARS_MAX
            && !name
                .chars()
                .any(|letter| letter.is_control() || letter == '/');
        ensure!(
            is_name,
            "a token's name has 1 to {NAME_CHARS_MAX} characters, and no slash"
        );
        let secret = Secret::make(Kind::Token);
        let token = Token {
            id: secret.id().to_owned(),
            name: name.to_owned(),
            hash: hash(&secret),
            streams: wanted.streams,
            may: match wanted.may.is_empty() {
                true => vec![Right::Publish],
                false => wanted.may,
            },
            made_at: now,
            expires_at: wanted.expires_at,
        };
        let made = token.clone();
        self.change(|tokens| {
            // One that is void stands in nobody's way.
            tokens.retain(|other| other.name != token.name || other.holds(now));
            if tokens.iter().any(|other| other.name == token.name) {
                bail!("there is a token with the name {} already", token.name);
            }
            if tokens.iter().any(|other| other.id == token.id) {
                bail!("chance has made the same id twice; try again");
            }
            ensure!(
                tokens.len() < TOKENS_MAX,
                "there are {TOKENS_MAX} tokens already; revoke some"
            );
            tokens.push(token);
            Ok(())
        })?;
        Ok((made, secret))
    }

    /// Takes a token back, by its name. False if there is none.
    pub(crate) fn revoke(&self, name: &str) -> anyhow::Result<bool> {
        let mut found = false;
        self.change(|tokens| {
            let before = tokens.len();
            tokens.retain(|token| token.name != name);
            found = tokens.len() < before;
            Ok(())
        })?;
        Ok(found)
    }

    /// Changes the list while nobody else does.
    fn change(
        &self,
        change: impl FnOnce(&mut Vec<Token>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let at = self.0.with_extension("lock");
        let lock =
            private::keep(&at).with_context(|| format!("{} cannot be written", at.display()))?;
        lock.lock()
            .with_context(|| format!("{} cannot be locked", at.display()))?;
        let mut tokens = self.read()?;
        change(&mut tokens)?;
        let text = serde_json::to_string_pretty(&tokens).context("tokens are JSON")?;
        private::write(&self.0, &text)
            .with_context(|| format!("{} cannot be written", self.0.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(name: &str, expires_at: Option<u64>) -> Wanted {
        Wanted {
            name: name.to_owned(),
            streams: Pattern::any(),
            may: Vec::new(),
            expires_at,
        }
    }

    #[test]
    fn a_token_is_kept_without_its_secret_until_it_is_revoked() {
        let data = tempfile::tempdir().unwrap();
        let file = TokenFile::of(data.path());
        assert_eq!(file.read().unwrap(), []);
        let (studio, secret) = file.add(wanted(" Studio ", None), 1).unwrap();
        let (_, other) = file.add(wanted("phone", Some(10)), 2).unwrap();
        assert_eq!((&*studio.name, &*studio.id), ("Studio", secret.id()));
        let text = fs::read_to_string(&file.0).unwrap();
        assert!(!text.contains(&secret.reveal()[9..]) && !text.contains(&other.reveal()[9..]));
        assert_eq!(file.read().unwrap()[0].hash, hash(&secret));
        assert!(file.revoke("Studio").unwrap());
        assert!(!file.revoke("Studio").unwrap());
        assert_eq!(file.read().unwrap().len(), 1);
    }

    #[test]
    fn a_name_is_given_once_and_again_when_its_token_is_void() {
        let data = tempfile::tempdir().unwrap();
        let file = TokenFile::of(data.path());
        let (token, _) = file.add(wanted("phone", Some(10)), 0).unwrap();
        assert!(token.holds(9) && !token.holds(10));
        assert!(file.add(wanted("phone", None), 9).is_err());
        file.add(wanted("phone", None), 10).unwrap();
        assert_eq!(file.read().unwrap().len(), 1);
        for wrong in ["", " ", "a/b", "a\nb", &"x".repeat(65)] {
            assert!(file.add(wanted(wrong, None), 0).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_pattern_names_the_keys_that_it_is_like() {
        for (pattern, key, is_like) in [
            ("*", "anything", true),
            ("studio", "studio", true),
            ("studio", "studio2", false),
            ("studio-*", "studio-1", true),
            ("studio-*", "my-studio-1", false),
            ("*-live", "a-live", true),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "a1c", false),
            ("a*a", "a", false),
            ("**", "x", true),
        ] {
            let pattern: Pattern = pattern.parse().unwrap();
            assert_eq!(pattern.matches(key), is_like, "{pattern:?} {key}");
        }
        for wrong in ["", "a b", "a/b", "ñ", &"x".repeat(65)] {
            assert!(wrong.parse::<Pattern>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_token_is_for_its_streams_and_what_it_names_alone() {
        let data = tempfile::tempdir().unwrap();
        let file = TokenFile::of(data.path());
        let only = Wanted {
            streams: "studio".parse().unwrap(),
            may: vec![Right::Moderate],
            ..wanted("moderator", None)
        };
        let (token, _) = file.add(only, 0).unwrap();
        assert!(token.powers(Some("studio")).moderate);
        assert_eq!(token.powers(Some("other")), Powers::default());
        assert_eq!(token.powers(None), Powers::default());
        assert!(!token.powers(Some("studio")).publish);
    }

    #[test]
    fn a_file_that_was_spoilt_is_named_and_left_alone() {
        let data = tempfile::tempdir().unwrap();
        let file = TokenFile::of(data.path());
        fs::write(&file.0, "nonsense").unwrap();
        let error = file.add(wanted("phone", None), 0).unwrap_err().to_string();
        assert!(error.contains("publish-tokens.json is not as"), "{error}");
        assert_eq!(fs::read_to_string(&file.0).unwrap(), "nonsense");
    }
}
