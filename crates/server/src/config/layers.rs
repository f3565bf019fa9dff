//! The layers under the flags: environment and configuration file.
//!
//! Every setting has one name. `--publisher-grace` is `ABANICO_PUBLISHER_GRACE` in the environment and
//! `publisher-grace` in the file, so there is no list to keep: what exists is asked of the command line's own
//! definition. A layer's value becomes the flag's default; hence flags win over environment over file over defaults.
//!
//! Each value is tried as soon as it is read, because the complaint must name the place that it stood in.

use clap::{Arg, Command};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

/// What every variable of ours begins with.
const PREFIX: &str = "ABANICO_";

/// The setting that names the file itself, and so cannot stand in it.
const CONFIG: &str = "config";

/// What a layer could not take.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayerError {
    /// The file cannot be read.
    #[error(
        "configuration file {path}: {source}\n  hint: `--config` and ABANICO_CONFIG name a file; leave both out to run without one"
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("configuration file {path} is not TOML: {message}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What the parser says, with the line.
        message: String,
    },
    /// The file has a key that means nothing.
    #[error("{place}: there is no setting `{key}`\n  hint: {hint}")]
    UnknownKey {
        /// File and line.
        place: String,
        /// The key as it stands there.
        key: String,
        /// What to type.
        hint: String,
    },
    /// A value that the setting does not take.
    #[error("{place}: {key} = {value}: {reason}")]
    Value {
        /// The variable, or file and line.
        place: String,
        /// The setting.
        key: String,
        /// The value as it stands there.
        value: String,
        /// Why not, and what to type.
        reason: String,
    },
    /// A variable that is not text.
    #[error("environment variable {variable} is not UTF-8 text")]
    NotText {
        /// The variable.
        variable: String,
    },
}

/// The name of a setting's environment variable.
pub(super) fn variable_of(setting: &str) -> String {
    format!("{PREFIX}{}", setting.replace('-', "_").to_ascii_uppercase())
}

/// The settings of a command: its long flags, less those that clap adds.
pub(super) fn settings(command: &Command) -> impl Iterator<Item = &str> {
    command
        .get_arguments()
        .filter(|arg| !is_clap_s_own(arg))
        .filter_map(Arg::get_long)
}

fn is_clap_s_own(arg: &Arg) -> bool {
    matches!(arg.get_id().as_str(), "help" | "version")
}

/// What a layer says: settings and values, each tried.
pub(super) type Values = Vec<(String, String)>;

/// Reads a configuration file for the settings of `command`.
pub(super) fn file(command: &Command, path: &Path) -> Result<Values, LayerError> {
    let text = std::fs::read_to_string(path).map_err(|source| LayerError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let syntax = |error: toml::de::Error| LayerError::Syntax {
        path: path.to_owned(),
        message: error.to_string(),
    };
    let table = DeTable::parse(&text).map_err(syntax)?;

    let mut values = Values::new();
    for (key, value) in table.get_ref() {
        let line = text[..key.span().start].matches('\n').count() + 1;
        let place = format!("{} line {line}", path.display());
        let key = key.get_ref().as_ref();
        if key == CONFIG || !settings(command).any(|known| known == key) {
            let hint = hint_for(command, key, value.get_ref());
            return Err(LayerError::UnknownKey {
                place,
                key: key.to_owned(),
                hint,
            });
        }
        let value = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Float(number) => number.to_string(),
            DeValue::Boolean(truth) => truth.to_string(),
            DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
                let reason = format!("one plain value is wanted: type {key} = \"...\"");
                return Err(LayerError::Value {
                    place,
                    key: key.to_owned(),
                    value: "(several)".to_owned(),
                    reason,
                });
            }
        };
        values.push(tried(command, place, key, value)?);
    }
    Ok(values)
}

/// Reads the environment for the settings of `command`. An empty variable counts as not set.
pub(super) fn environment(
    command: &Command,
    environment: impl Fn(&str) -> Option<OsString>,
) -> Result<Values, LayerError> {
    let mut values = Values::new();
    for setting in settings(command) {
        if let Some((variable, value)) = variable(&environment, variable_of(setting))? {
            values.push(tried(
                command,
                format!("environment variable {variable}"),
                setting,
                value,
            )?);
        }
    }
    Ok(values)
}

/// Variables that look like misspelt settings, each with the one that was probably meant.
///
/// Other programs may have variables that begin like ours, so that one which resembles no setting is none of ours.
pub(super) fn misspelt(
    command: &Command,
    variables: impl Iterator<Item = String>,
) -> Vec<(String, String)> {
    let known: Vec<String> = settings(command).map(variable_of).collect();
    variables
        .filter(|variable| variable.starts_with(PREFIX) && !known.contains(variable))
        .filter_map(|variable| {
            let meant = alike(&variable[PREFIX.len()..], &known, |known| {
                &known[PREFIX.len()..]
            })?;
            Some((variable, meant.clone()))
        })
        .collect()
}

/// The name that resembles `wanted` most, if it resembles it enough to be a misspelling.
fn alike<'a, T>(wanted: &str, known: &'a [T], name: impl Fn(&T) -> &str) -> Option<&'a T> {
    /// How alike two names must be, from 0 to 1.
    const ALIKE: f64 = 0.8;
    known
        .iter()
        .map(|one| (strsim::jaro_winkler(name(one), wanted), one))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .map(|(_, one)| one)
}

/// Reads the variable `PORT`, which hosting services set.
pub(super) fn port(
    environment: impl Fn(&str) -> Option<OsString>,
) -> Result<Option<u16>, LayerError> {
    let Some((variable, value)) = variable(environment, "PORT".to_owned())? else {
        return Ok(None);
    };
    value.parse().map(Some).map_err(|_| LayerError::Value {
        place: format!("environment variable {variable}"),
        key: "port".to_owned(),
        value: format!("{value:?}"),
        reason: "a port is a number from 0 to 65535: type for example PORT=3000".to_owned(),
    })
}

fn variable(
    environment: impl Fn(&str) -> Option<OsString>,
    variable: String,
) -> Result<Option<(String, String)>, LayerError> {
    let Some(value) = environment(&variable).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    match value.into_string() {
        Ok(value) => Ok(Some((variable, value))),
        Err(_) => Err(LayerError::NotText { variable }),
    }
}

/// Gives `value` back with its key if the flag `key` would take it.
fn tried(
    command: &Command,
    place: String,
    key: &str,
    value: String,
) -> Result<(String, String), LayerError> {
    match command
        .clone()
        .try_get_matches_from(["abanico".to_owned(), format!("--{key}={value}")])
    {
        Ok(_) => Ok((key.to_owned(), value)),
        Err(error) => {
            let (key, value, reason) = (key.to_owned(), format!("{value:?}"), reason_of(&error));
            Err(LayerError::Value {
                place,
                key,
                value,
                reason,
            })
        }
    }
}

/// Makes `values` the defaults of the flags, of the command and of its subcommands.
pub(super) fn lay(command: Command, values: &Values) -> Command {
    let under = |command: Command| {
        command.mut_args(
            |arg| match values.iter().find(|(key, _)| arg.get_long() == Some(key)) {
                Some((_, value)) => arg.default_value(value.clone()),
                None => arg,
            },
        )
    };
    under(command).mut_subcommands(under)
}

/// The part of clap's complaint that speaks of the value.
fn reason_of(error: &clap::Error) -> String {
    use clap::error::{ContextKind, ContextValue};
    if let Some(source) = std::error::Error::source(error) {
        return source.to_string();
    }
    match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(valid)) => format!("type one of {}", valid.join(", ")),
        _ => error.kind().to_string(),
    }
}

fn hint_for(command: &Command, key: &str, value: &DeValue<'_>) -> String {
    if key == CONFIG {
        return "a configuration file cannot name another one".to_owned();
    }
    if let DeValue::Table(_) = value {
        return "the file has no sections: write each setting on a line of its own".to_owned();
    }
    let known: Vec<&str> = settings(command).filter(|known| *known != CONFIG).collect();
    match alike(
        &key.replace('_', "-").to_ascii_lowercase(),
        &known,
        |known| known,
    ) {
        Some(known) => format!("type `{known}`"),
        None => "`abanico --help` lists the settings; a flag's name without its dashes is the key"
            .to_owned(),
    }
}
