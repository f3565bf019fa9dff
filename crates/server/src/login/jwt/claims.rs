//! What a token says of its holder.

use super::{JwtError, Wanted, harmless};
use crate::rights::Pattern;
use abanico_core::rights::Powers;
use serde::Deserialize;
use std::time::{Duration, SystemTime};

/// Patterns of one kind in a token. One with more is not taken.
const PATTERNS_MAX: usize = 64;

/// The claims that are looked at; others are nobody's business here.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Claims {
    /// Who it was made for.
    pub(crate) sub: String,
    exp: f64,
    nbf: Option<f64>,
    iss: Option<String>,
    aud: Vec<String>,
    pub(crate) scope: Scope,
}

/// What its holder may do, and to which streams.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Scope {
    publish: Vec<Pattern>,
    watch: Vec<Pattern>,
    moderate: Vec<Pattern>,
    pub(crate) operate: bool,
}

impl Scope {
    /// What it lets its holder do with a stream, or with one whose key nobody has chosen yet.
    pub(crate) fn powers(&self, stream: Option<&str>) -> Powers {
        let any = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.is_for(stream));
        Powers {
            publish: any(&self.publish),
            watch: any(&self.watch),
            moderate: any(&self.moderate),
        }
    }
}

/// As a token has them: everything may be missing or something else.
#[derive(Debug, Deserialize)]
struct Written {
    sub: Option<String>,
    exp: Option<f64>,
    nbf: Option<f64>,
    iss: Option<String>,
    aud: Option<OneOrMore>,
    abanico: Option<Scope>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl Claims {
    /// Reads the claims of a token whose signature is right.
    pub(crate) fn read(claims: serde_json::Value) -> Result<Self, JwtError> {
        let written: Written = serde_json::from_value(claims)
            .map_err(|error| JwtError::Claims(harmless(&error.to_string())))?;
        let scope = written.abanico.unwrap_or_default();
        for patterns in [&scope.publish, &scope.watch, &scope.moderate] {
            if patterns.len() > PATTERNS_MAX {
                let why = format!("there are more than {PATTERNS_MAX} patterns of one kind");
                return Err(JwtError::Claims(why));
            }
        }
        let sub = written.sub.ok_or(JwtError::Missing("sub"))?;
        // All who have none would be one.
        if sub.trim().is_empty() {
            return Err(JwtError::Nobody);
        }
        let exp = written.exp.ok_or(JwtError::Missing("exp"))?;
        if exp > LAST {
            return Err(JwtError::Endless);
        }
        Ok(Self {
            sub,
            exp,
            nbf: written.nbf,
            iss: written.iss,
            aud: match written.aud {
                None => Vec::new(),
                Some(OneOrMore::One(one)) => vec![one],
                Some(OneOrMore::More(more)) => more,
            },
            scope,
        })
    }

    /// From when on the token holds no longer.
    pub(crate) fn ends(&self) -> SystemTime {
        at(self.exp)
    }

    /// Whether the token holds at the time `now`, here and for this server. Its end is its end, whatever the leeway.
    pub(crate) fn hold(&self, wanted: &Wanted, now: SystemTime) -> Result<(), JwtError> {
        if let Ok(since) = now.duration_since(self.ends()) {
            return Err(JwtError::Expired(since));
        }
        if let Some(nbf) = self.nbf
            && let Ok(left) = at(nbf).duration_since(now + wanted.leeway)
            && !left.is_zero()
        {
            return Err(JwtError::NotYet(left));
        }
        if let Some(wanted) = &wanted.issuer {
            let is = self.iss.as_ref().ok_or(JwtError::Missing("iss"))?;
            if is != wanted {
                return Err(JwtError::Issuer {
                    is: harmless(is),
                    wanted: wanted.clone(),
                });
            }
        }
        if let Some(wanted) = &wanted.audience {
            if self.aud.is_empty() {
                return Err(JwtError::Missing("aud"));
            }
            if !self.aud.contains(wanted) {
                return Err(JwtError::Audience {
                    is: harmless(&self.aud.join(", ")),
                    wanted: wanted.clone(),
                });
            }
        }
        Ok(())
    }
}

/// The last second of the year 9999.
const LAST: f64 = 253_402_300_799.0;

/// The moment so many seconds after 1970. One that no calendar has is the last of the year 9999, and what is no number or
/// before 1970 is the beginning.
fn at(seconds: f64) -> SystemTime {
    let seconds = if seconds.is_nan() {
        0.0
    } else {
        seconds.clamp(0.0, LAST)
    };
    SystemTime::UNIX_EPOCH + Duration::from_secs_f64(seconds)
}

/// A length of time as one says it.
pub(super) fn roughly(time: Duration) -> String {
    let seconds = time.as_secs();
    let (count, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3600 => (seconds / 60, "minute"),
        3600..86_400 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOON: u64 = 1_795_348_800;

    fn noon() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(NOON)
    }

    fn hold(claims: serde_json::Value, wanted: &Wanted) -> Result<(), JwtError> {
        Claims::read(claims)?.hold(wanted, noon())
    }

    #[test]
    fn what_is_wrong_with_claims_is_said() {
        let wanted = Wanted {
            issuer: Some("https://login.example".to_owned()),
            audience: Some("abanico".to_owned()),
            leeway: Duration::from_secs(10),
        };
        let of = |extra: serde_json::Value| {
            let mut claims = json!({
                "sub": "ada", "exp": NOON + 60, "iss": "https://login.example", "aud": ["other", "abanico"],
            });
            for (name, value) in extra.as_object().unwrap() {
                claims[name] = value.clone();
            }
            hold(claims, &wanted).err().map(|error| error.to_string())
        };
        assert_eq!(of(json!({})), None);
        assert_eq!(of(json!({"nbf": NOON + 10})), None);
        let says = |extra, sentence: &str| assert_eq!(of(extra).as_deref(), Some(sentence));
        says(
            json!({"exp": NOON - 180}),
            "the token expired 3 minutes ago",
        );
        says(json!({"exp": NOON}), "the token expired 0 seconds ago");
        says(json!({"exp": -1e300}), "the token expired 20779 days ago");
        says(
            json!({"nbf": NOON + 3710}),
            "the token holds only in 1 hour",
        );
        says(json!({"exp": null}), "the token has no claim exp");
        says(json!({"sub": null}), "the token has no claim sub");
        says(json!({"iss": null}), "the token has no claim iss");
        says(json!({"aud": null}), "the token has no claim aud");
        for nobody in ["", " "] {
            says(
                json!({"sub": nobody}),
                "the token's claim sub is empty: it must say who it is",
            );
        }
        for never in [1e300, 253_402_300_800.0] {
            says(
                json!({"exp": never}),
                "the token's claim exp is beyond the year 9999: it is in seconds since 1970",
            );
        }
        assert_eq!(of(json!({"exp": 253_402_300_799_u64})), None);
        says(
            json!({"iss": "https://else\u{7}where.example"}),
            "the token's issuer is https://elsewhere.example, wanted is https://login.example",
        );
        says(
            json!({"aud": "mail"}),
            "the token's audience is mail, wanted is abanico",
        );
        says(
            json!({"exp": "tomorrow"}),
            "the token's claims are not understood: invalid type: string \"tomorrow\", expected f64",
        );
        let misspelt = of(json!({"abanico": {"wacth": ["*"]}})).unwrap();
        assert!(misspelt.contains("unknown field `wacth`"), "{misspelt}");
        let many = of(json!({"abanico": {"watch": vec!["a"; 65]}})).unwrap();
        assert!(many.contains("more than 64"), "{many}");
    }

    #[test]
    fn a_token_lets_be_done_what_it_names_and_no_more() {
        let powers = |scope: serde_json::Value, stream| {
            let claims = json!({"sub": "ada", "exp": NOON, "abanico": scope});
            let scope = Claims::read(claims).unwrap().scope;
            assert!(!scope.operate);
            let powers = scope.powers(stream);
            [powers.publish, powers.watch, powers.moderate]
        };
        let none = [false; 3];
        assert_eq!(powers(json!(null), Some("demo")), none);
        assert_eq!(powers(json!({}), Some("demo")), none);
        let some = json!({"publish": ["ada", "team-*"], "watch": ["*"]});
        assert_eq!(powers(some.clone(), Some("team-1")), [true, true, false]);
        assert_eq!(powers(some.clone(), Some("ada2")), [false, true, false]);
        assert_eq!(powers(some, None), [false, true, false]);
        let moderate = json!({"moderate": ["demo"]});
        assert_eq!(powers(moderate, Some("demo")), [false, false, true]);
    }
}
