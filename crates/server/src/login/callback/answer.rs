//! What an answer says: yes, no, or nothing that could be relied on, which is no.

use super::{Allowed, Denied};
use crate::login::harmless;
use crate::outgoing::Answer;
use serde::Deserialize;
use std::time::{Duration, SystemTime};

/// The longest that a decision is kept.
const KEPT_FOR_MAX: Duration = Duration::from_secs(300);

/// The longest sentence to somebody who may not.
const MESSAGE_CHARS_MAX: usize = 200;

/// The longest name of somebody.
const USER_CHARS_MAX: usize = 128;

/// What is said when no words come with a refusal.
const REFUSED: &str = "whoever decides about this has refused it";

/// What was decided, or what hinders that.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) decided: Result<Allowed, Denied>,
    /// How long the same may be decided without asking.
    pub(super) kept_for: Duration,
    /// Why nobody decided. For the log.
    pub(super) unclear: Option<String>,
}

/// The body of a yes. What is not understood might be meant to narrow it, so nothing else may stand there.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Yes {
    until: Option<Moment>,
    user: Option<String>,
    cache_for: Option<f64>,
}

/// The body of a no, of which the rest is nobody's business here.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct No {
    message: Option<String>,
    cache_for: Option<f64>,
}

/// As a number of seconds since 1970, or as RFC 3339 writes it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Moment {
    Seconds(f64),
    Text(String),
}

impl Verdict {
    /// Nobody has decided.
    pub(super) fn unclear(why: String) -> Self {
        Self {
            decided: Err(Denied::Undecided),
            kept_for: Duration::ZERO,
            unclear: Some(why),
        }
    }

    /// What an answer decides.
    pub(super) fn of(answer: &Answer) -> Self {
        let status = answer.status;
        if status.is_success() {
            return Self::of_yes(answer).unwrap_or_else(Self::unclear);
        }
        if status.is_redirection() {
            return Self::unclear(format!(
                "the answer is {status}, and no redirect is followed"
            ));
        }
        if !status.is_client_error() {
            return Self::unclear(format!("the answer is {status}"));
        }
        let no = if answer.is("application/json") {
            serde_json::from_slice(&answer.body).unwrap_or_default()
        } else if answer.is("text/plain") {
            let text = String::from_utf8_lossy(&answer.body);
            No {
                message: text.lines().next().map(str::to_owned),
                cache_for: None,
            }
        } else {
            No::default()
        };
        let message = harmless(
            no.message.as_deref().unwrap_or("").trim(),
            MESSAGE_CHARS_MAX,
        );
        let message = if message.is_empty() {
            REFUSED.to_owned()
        } else {
            message
        };
        Self {
            decided: Err(Denied::Decided(message)),
            kept_for: kept_for(no.cache_for).unwrap_or_default(),
            unclear: None,
        }
    }

    fn of_yes(answer: &Answer) -> Result<Self, String> {
        let body = answer.body.trim_ascii();
        let yes = if body.is_empty() {
            Yes::default()
        } else if answer.is("application/json") || body.starts_with(b"{") {
            serde_json::from_slice::<Yes>(body).map_err(|error| {
                let error = harmless(&error.to_string(), MESSAGE_CHARS_MAX);
                format!(
                    "the answer is {} with JSON that is not understood: {error}",
                    answer.status
                )
            })?
        } else {
            // A word for people, as frameworks send it.
            Yes::default()
        };
        let until = yes.until.map(Moment::read).transpose()?;
        if let Some(user) = &yes.user
            && (user.is_empty() || user.chars().count() > USER_CHARS_MAX)
        {
            return Err(format!(
                "user is empty or longer than {USER_CHARS_MAX} characters"
            ));
        }
        Ok(Self {
            decided: Ok(Allowed {
                until,
                user: yes.user,
            }),
            kept_for: kept_for(yes.cache_for)?,
            unclear: None,
        })
    }
}

impl Moment {
    fn read(self) -> Result<SystemTime, String> {
        let read = match &self {
            Self::Seconds(seconds) => Duration::try_from_secs_f64(*seconds)
                .ok()
                .and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since)),
            Self::Text(text) => humantime::parse_rfc3339(text).ok(),
        };
        read.ok_or_else(|| {
            "until is no time: seconds since 1970, or such as 2026-11-22T12:00:00Z".to_owned()
        })
    }
}

fn kept_for(seconds: Option<f64>) -> Result<Duration, String> {
    let seconds = seconds.unwrap_or(0.0);
    let kept_for = Duration::try_from_secs_f64(seconds)
        .map_err(|_| format!("cacheFor is no number of seconds: {seconds}"))?;
    Ok(kept_for.min(KEPT_FOR_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;
    use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};

    fn answer(status: u16, media_type: &'static str, body: &str) -> Verdict {
        let media_type = HeaderValue::from_static(media_type);
        Verdict::of(&Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::from_iter([(CONTENT_TYPE, media_type)]),
            body: body.to_owned().into(),
        })
    }

    const JSON: &str = "application/json; charset=utf-8";

    #[test]
    fn a_yes_may_narrow_itself() {
        let allowed = |media_type, body: &str| answer(200, media_type, body).decided.unwrap();
        let nothing = Allowed::default();
        assert_eq!(allowed("text/plain", ""), nothing);
        assert_eq!(allowed("text/plain", "OK"), nothing);
        assert_eq!(allowed(JSON, " {} "), nothing);
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_348_800);
        let narrow = Allowed {
            until: Some(at),
            user: Some("ada".to_owned()),
        };
        assert_eq!(
            allowed(JSON, r#"{"until": 1795348800, "user": "ada"}"#),
            narrow
        );
        // Also where it does not say that it is JSON.
        let text = r#"{"until": "2026-11-22T12:00:00Z", "user": "ada"}"#;
        assert_eq!(allowed("text/html", text), narrow);
    }

    #[test]
    fn a_yes_that_is_not_understood_is_a_no() {
        for body in [
            r#"{"allow": false}"#,
            r#"{"untill": 1}"#,
            r#"{"until": "tomorrow"}"#,
            r#"{"until": -1}"#,
            r#"{"until": 1e300}"#,
            r#"{"user": ""}"#,
            r#"{"user": 1}"#,
            r#"{"cacheFor": -1}"#,
            "false",
            "[]",
            "{",
        ] {
            let verdict = answer(200, JSON, body);
            assert_eq!(verdict.decided, Err(Denied::Undecided), "{body}");
            assert!(verdict.unclear.is_some(), "{body}");
        }
        let long = format!(r#"{{"user": "{}"}}"#, "a".repeat(129));
        assert_eq!(answer(200, JSON, &long).decided, Err(Denied::Undecided));
    }

    #[test]
    fn a_no_says_why_in_words_that_do_no_harm() {
        let said = |media_type, body: &str| match answer(403, media_type, body).decided {
            Err(Denied::Decided(said)) => said,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            said("text/plain", "members only\nat Object.<anonymous>"),
            "members only"
        );
        assert_eq!(
            said(JSON, r#"{"message": " mem\u0007bers\u001b[31m only "}"#),
            "members[31m only"
        );
        for (media_type, body) in [
            ("text/html", "<html>"),
            (JSON, "{"),
            (JSON, "{}"),
            ("text/plain", "\n"),
        ] {
            assert_eq!(said(media_type, body), REFUSED, "{body}");
        }
        assert_eq!(
            said("text/plain", &"x".repeat(1000)).len(),
            MESSAGE_CHARS_MAX
        );
    }

    #[test]
    fn all_else_is_a_no_without_a_decision() {
        for status in [300, 301, 302, 307, 308, 500, 502, 503] {
            let verdict = answer(status, JSON, "{}");
            assert_eq!(verdict.decided, Err(Denied::Undecided), "{status}");
            assert!(verdict.unclear.unwrap().contains(&status.to_string()));
        }
    }

    #[test]
    fn a_decision_is_kept_as_long_as_it_says_and_no_longer_than_that() {
        let kept_for = |status, body| answer(status, JSON, body).kept_for;
        assert_eq!(kept_for(200, "{}"), Duration::ZERO);
        assert_eq!(
            kept_for(200, r#"{"cacheFor": 1.5}"#),
            Duration::from_millis(1500)
        );
        assert_eq!(kept_for(404, r#"{"cacheFor": 2}"#), Duration::from_secs(2));
        assert_eq!(kept_for(200, r#"{"cacheFor": 1e9}"#), KEPT_FOR_MAX);
        assert_eq!(kept_for(500, r#"{"cacheFor": 2}"#), Duration::ZERO);
    }
}
