//! Accounts, orders and questions, and what may be done with them.

use super::Shared;
use super::ask::Target;
use super::signed::{Jwk, Signer, decoded};
use super::wire::{Answer, Refusal, Request, found, malformed};
use rcgen::CertificateSigningRequestParams;
use rustls::pki_types::CertificateSigningRequestDer;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::SystemTime;
use x509_parser::extensions::ParsedExtension;

#[derive(Default)]
pub(super) struct State {
    pub(super) target: Option<Target>,
    pub(super) nonces: HashSet<String>,
    /// Whether a good nonce was refused once, as a busy authority does.
    pub(super) has_refused_a_nonce: bool,
    /// Public keys by the account's address.
    pub(super) accounts: HashMap<String, Jwk>,
    pub(super) orders: Vec<Order>,
    pub(super) questions: Vec<Question>,
    /// Certificates must be renewed before their time.
    pub(super) puts_off: bool,
    pub(super) recalls: bool,
    /// How often it was asked when to renew one.
    pub(super) advised: usize,
    /// Of no certificate it is willing to hear that it is replaced.
    pub(super) replaces_none: bool,
    /// What was asked wrongly.
    pub(super) faults: Vec<String>,
}

pub(super) struct Order {
    pub(super) account: String,
    pub(super) names: Vec<String>,
    pub(super) questions: Vec<usize>,
    pub(super) chain: Option<String>,
    /// How its certificate is called when somebody asks whether it should be renewed.
    pub(super) id: String,
    /// The one that it is for instead.
    pub(super) replaces: Option<String>,
}

pub(super) struct Question {
    pub(super) account: String,
    pub(super) name: String,
    pub(super) token: String,
    pub(super) status: &'static str,
    pub(super) error: Option<String>,
}

impl Shared {
    pub(super) fn route(&self, request: &Request) -> Result<Answer, Refusal> {
        let at = |path: &str| format!("{}/{path}", self.base);
        if let Some(id) = request.path.strip_prefix("/renewal/") {
            return self.renewal(id);
        }
        let (what, number) = match request.path[1..].split_once('/') {
            Some((what, number)) => (what, number.parse::<usize>().unwrap()),
            None => (&request.path[1..], 0),
        };
        match (request.method.as_str(), what) {
            ("GET", "directory") => Ok(found(&json!({
                "newNonce": at("nonce"), "newAccount": at("account"), "newOrder": at("order"),
                "revokeCert": at("revoke"), "keyChange": at("key"), "renewalInfo": at("renewal"), "meta": {},
            }))),
            ("HEAD", "nonce") => Ok((200, Vec::new(), String::new())),
            ("POST", "account") => {
                let (signer, payload) = self.signed(request)?;
                let Signer::New(key) = signer else {
                    return Err(malformed("a new account shows its key"));
                };
                if payload["termsOfServiceAgreed"] != true {
                    return Err(("userActionRequired", "the terms are not agreed to".into()));
                }
                if payload["contact"] != json!(["mailto:operator@example.org"]) {
                    return Err(("invalidContact", payload["contact"].to_string()));
                }
                let mut state = self.state.lock().unwrap();
                let account = at(&format!("account/{}", state.accounts.len()));
                state.accounts.insert(account.clone(), key);
                let (_, mut headers, body) = found(&json!({"status": "valid"}));
                headers.push(("Location", account));
                Ok((201, headers, body))
            }
            ("POST", "order") if request.path == "/order" => {
                let (account, payload) = self.known(request)?;
                let identifiers = payload["identifiers"].as_array().unwrap();
                let name = |it: &Value| {
                    assert_eq!(it["type"], "dns");
                    it["value"].as_str().unwrap().to_owned()
                };
                let names: Vec<_> = identifiers.iter().map(name).collect();
                let mut state = self.state.lock().unwrap();
                let replaces = payload["replaces"].as_str().map(str::to_owned);
                if let Some(replaced) = &replaces {
                    replaceable(&state, replaced, &account, &names)?;
                }
                let first = state.questions.len();
                for name in &names {
                    state.questions.push(Question {
                        account: account.clone(),
                        name: name.clone(),
                        token: uuid::Uuid::new_v4().simple().to_string(),
                        status: "pending",
                        error: None,
                    });
                }
                let questions = (first..state.questions.len()).collect();
                state.orders.push(Order {
                    account,
                    names,
                    questions,
                    chain: None,
                    id: String::new(),
                    replaces,
                });
                let number = state.orders.len() - 1;
                let (_, mut headers, body) = found(&self.order(&state, number));
                headers.push(("Location", at(&format!("order/{number}"))));
                Ok((201, headers, body))
            }
            ("POST", "order") => {
                let (account, payload) = self.known(request)?;
                let mut state = self.state.lock().unwrap();
                owned(&account, &state.orders[number].account, &payload)?;
                let (status, mut headers, body) = found(&self.order(&state, number));
                if std::mem::take(&mut state.puts_off) {
                    headers.push(("Retry-After", u64::MAX.to_string()));
                }
                Ok((status, headers, body))
            }
            ("POST", "question") => {
                let (account, payload) = self.known(request)?;
                let state = self.state.lock().unwrap();
                owned(&account, &state.questions[number].account, &payload)?;
                Ok(found(&self.question(&state.questions[number], number)))
            }
            ("POST", "http" | "tls") => {
                let (account, payload) = self.known(request)?;
                if payload != json!({}) {
                    return Err(malformed("a challenge is taken up with {}"));
                }
                self.ask(what, number, &account);
                let state = self.state.lock().unwrap();
                let question = self.question(&state.questions[number], number);
                let challenges = question["challenges"].as_array().unwrap();
                let url = at(&format!("{what}/{number}"));
                let challenge = challenges.iter().find(|it| it["url"] == *url).unwrap();
                Ok(found(challenge))
            }
            ("POST", "finalize") => {
                let (account, payload) = self.known(request)?;
                let mut state = self.state.lock().unwrap();
                owned(&account, &state.orders[number].account, &Value::Null)?;
                if self.order(&state, number)["status"] != "ready" {
                    return Err(("orderNotReady", "not all names are proved".into()));
                }
                let der = decoded(&payload["csr"])?;
                let names = &state.orders[number].names;
                let (chain, id) = self.certify(&der, names)?;
                state.orders[number].chain = Some(chain);
                state.orders[number].id = id;
                Ok(found(&self.order(&state, number)))
            }
            ("POST", "certificate") => {
                let (account, payload) = self.known(request)?;
                let state = self.state.lock().unwrap();
                owned(&account, &state.orders[number].account, &payload)?;
                let chain = state.orders[number].chain.clone().unwrap();
                let kind = "application/pem-certificate-chain".to_owned();
                Ok((200, vec![("Content-Type", kind)], chain))
            }
            _ => Err(malformed("there is nothing there")),
        }
    }

    fn order(&self, state: &State, number: usize) -> Value {
        let order = &state.orders[number];
        let statuses: Vec<_> = order
            .questions
            .iter()
            .map(|it| state.questions[*it].status)
            .collect();
        let status = if order.chain.is_some() {
            "valid"
        } else if statuses.contains(&"invalid") {
            "invalid"
        } else if statuses.iter().all(|status| *status == "valid") {
            "ready"
        } else {
            "pending"
        };
        let questions = order
            .questions
            .iter()
            .map(|it| format!("{}/question/{it}", self.base));
        let mut value = json!({
            "status": status,
            "identifiers": order.names.iter().map(|name| json!({"type": "dns", "value": name})).collect::<Vec<_>>(),
            "authorizations": questions.collect::<Vec<_>>(),
            "finalize": format!("{}/finalize/{number}", self.base),
        });
        if let Some(replaced) = &order.replaces {
            value["replaces"] = json!(replaced);
        }
        if order.chain.is_some() {
            value["certificate"] = json!(format!("{}/certificate/{number}", self.base));
        }
        value
    }

    fn question(&self, question: &Question, number: usize) -> Value {
        let challenge = |kind: &str, path: &str| {
            let mut challenge = json!({
                "type": kind, "url": format!("{}/{path}/{number}", self.base), "token": question.token, "status": question.status,
            });
            if let Some(error) = &question.error {
                let kind = "urn:ietf:params:acme:error:connection";
                challenge["error"] = json!({"type": kind, "detail": error});
            }
            challenge
        };
        json!({
            "status": question.status,
            "identifier": {"type": "dns", "value": question.name},
            "challenges": [challenge("dns-01", "dns"), challenge("http-01", "http"), challenge("tls-alpn-01", "tls")],
        })
    }

    /// When a certificate should be renewed (RFC 9773).
    fn renewal(&self, id: &str) -> Result<Answer, Refusal> {
        let mut state = self.state.lock().unwrap();
        state.advised += 1;
        let mut given = state.orders.iter().filter(|order| order.chain.is_some());
        if !given.any(|order| order.id == id) {
            return Err(malformed("there is no such certificate"));
        }
        let window = match state.recalls {
            true => ["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"],
            false => ["2999-01-01T00:00:00Z", "2999-01-02T00:00:00Z"],
        };
        let window = json!({"start": window[0], "end": window[1]});
        let (status, mut headers, body) = found(&json!({"suggestedWindow": window}));
        headers.push(("Retry-After", "21600".to_owned()));
        Ok((status, headers, body))
    }

    /// Certifies what is asked for, if that is what was ordered. Its chain, and how it is called.
    fn certify(&self, der: &[u8], names: &[String]) -> Result<(String, String), Refusal> {
        let der = CertificateSigningRequestDer::from(der);
        let mut request = CertificateSigningRequestParams::from_der(&der)
            .map_err(|error| ("badCSR", error.to_string()))?;
        let asked: BTreeSet<_> = request
            .params
            .subject_alt_names
            .iter()
            .map(|name| match name {
                rcgen::SanType::DnsName(name) => name.to_string(),
                other => format!("{other:?}"),
            })
            .collect();
        if asked != names.iter().cloned().collect() {
            return Err((
                "badCSR",
                format!("{asked:?} were not ordered, but {names:?}"),
            ));
        }
        let now = SystemTime::now();
        request.params.not_before = now.into();
        request.params.not_after = (now + self.certificates_for).into();
        let serial = uuid::Uuid::new_v4().as_bytes().to_vec();
        request.params.serial_number = Some(serial.into());
        request.params.use_authority_key_identifier_extension = true;
        let certificate = request.signed_by(self.authority.issuer()).unwrap();
        Ok((certificate.pem(), id(certificate.der())))
    }
}

/// Whether a certificate may be replaced by one for these names: it was given to the same account for one of them, and is
/// replaced by no other.
fn replaceable(
    state: &State,
    replaced: &str,
    account: &str,
    names: &[String],
) -> Result<(), Refusal> {
    let given = state.orders.iter().find(|order| order.id == replaced);
    let given = given.ok_or_else(|| malformed("there is no such certificate to replace"))?;
    if given.account != account || !given.names.iter().any(|name| names.contains(name)) {
        return Err(malformed("that certificate is another's"));
    }
    let mut others = state.orders.iter().filter_map(|it| it.replaces.as_deref());
    if state.replaces_none || others.any(|other| other == replaced) {
        return Err(("alreadyReplaced", replaced.to_owned()));
    }
    Ok(())
}

/// Who signed a certificate, and its number.
fn id(certificate: &[u8]) -> String {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).unwrap();
    let mut extensions = parsed.iter_extensions();
    let signer = extensions.find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(signer) => signer.key_identifier.as_ref(),
        _ => None,
    });
    let text = |bytes: &[u8]| base64_simd::URL_SAFE_NO_PAD.encode_to_string(bytes);
    let number = parsed.tbs_certificate.raw_serial();
    format!("{}.{}", text(signer.unwrap().0), text(number))
}

/// What is fetched is asked for with an empty payload, by whose it is.
fn owned(asking: &str, owner: &str, payload: &Value) -> Result<(), Refusal> {
    if asking != owner || !payload.is_null() {
        return Err((
            "unauthorized",
            format!("{asking} asks {owner}'s with {payload}"),
        ));
    }
    Ok(())
}
