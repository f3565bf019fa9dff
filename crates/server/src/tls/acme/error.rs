//! Why there is no certificate, in the authority's own words where it gave any, and what to do.

use instant_acme::{OrderStatus, Problem};
use std::error::Error;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum OrderError {
    #[error("the authority refuses: {}{}", said(.0), hint(.0))]
    Refused(Problem),
    #[error(
        "the authority cannot be asked: {0}\n  hint: this machine must reach the address in acme-directory over HTTPS"
    )]
    Unreachable(String),
    #[error("the authority does not answer in time")]
    Silent,
    #[error(
        "the authority could not make sure that {name} is this server: {reason}\n  hint: {hint}"
    )]
    NotOurs {
        name: String,
        reason: String,
        hint: &'static str,
    },
    #[error("the authority does not offer the challenge {wanted} for {name}, but {offered}")]
    NotOffered {
        name: String,
        wanted: &'static str,
        offered: String,
    },
    #[error("the order came to nothing: its state is {0:?}")]
    Stuck(OrderStatus),
    #[error("no certificate can be asked for: {0}")]
    Request(#[from] rcgen::Error),
    #[error("no answer can be given: {0}")]
    Answer(#[from] rustls::Error),
}

impl OrderError {
    /// Whether another account may help.
    pub(super) fn is_about_the_account(&self) -> bool {
        matches!(self, Self::Refused(problem) if kind(problem) == "accountDoesNotExist")
    }

    /// Whether to ask once more would only make it worse.
    pub(super) fn is_about_the_pace(&self) -> bool {
        matches!(self, Self::Refused(problem) if kind(problem) == "rateLimited")
    }
}

impl From<instant_acme::Error> for OrderError {
    fn from(error: instant_acme::Error) -> Self {
        match error {
            instant_acme::Error::Api(problem) => Self::Refused(problem),
            instant_acme::Error::Timeout(_) => Self::Silent,
            other => Self::Unreachable(with_causes(&other)),
        }
    }
}

/// The authority's own words.
pub(super) fn said(problem: &Problem) -> String {
    let mut said = problem.detail.clone();
    let said = said.get_or_insert_with(|| "no, without a reason".to_owned());
    for part in &problem.subproblems {
        *said += &format!("; {part}");
    }
    match &problem.r#type {
        Some(kind) => format!("{said} ({kind})"),
        None => said.clone(),
    }
}

/// What can be done about it.
fn hint(problem: &Problem) -> &'static str {
    match kind(problem) {
        "rateLimited" => {
            "\n  hint: wait, and leave the data directory alone: a certificate in it is used again. To try things out, Let's \
             Encrypt has `--acme-directory https://acme-staging-v02.api.letsencrypt.org/directory`"
        }
        "rejectedIdentifier" | "caa" => {
            "\n  hint: acme-names are the public names that lead here, and their CAA records, if any, must allow this authority"
        }
        "externalAccountRequired" => {
            "\n  hint: it wants an account that was made on its pages, which Abanico cannot use: name another with acme-directory"
        }
        "invalidContact" | "unsupportedContact" => {
            "\n  hint: acme-contact is a mail address such as operator@example.org"
        }
        _ => "",
    }
}

/// What the RFC calls it, without what all of them begin with.
fn kind(problem: &Problem) -> &str {
    let kind = problem.r#type.as_deref().unwrap_or_default();
    kind.strip_prefix("urn:ietf:params:acme:error:")
        .unwrap_or(kind)
}

fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text += &format!(": {more}");
        }
        cause = error.source();
    }
    text
}
