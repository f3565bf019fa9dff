//! Asks a server of the operator's who may publish and who may watch, and tells it which streams have ended.
//!
//! Each request is a webhook as Standard Webhooks describes them: JSON that is signed together with its id and its time.
//! Invariants: whoever is asked can only narrow what somebody may; no answer, a late one, a redirect or one that is not
//! understood is a refusal; of each kind as many are asked about at once as `Bounds` says, of one address half of these, and a
//! few wait, of one address an eighth.

mod answer;
mod decisions;
mod ended;
mod queue;
mod signature;

pub(crate) use ended::{Ended, Reports};
pub(crate) use signature::Secret;

use crate::addresses::speaks_for_many;
use crate::outgoing::{self, Outgoing, Target};
use crate::rights::Networks;
use answer::Verdict;
use bytes::Bytes;
use decisions::{Decisions, Subject};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request};
use queue::Queue;
use serde::Serialize;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use uuid::Uuid;

/// The longest body of an answer.
const BODY_BYTES_MAX: usize = 16 << 10;

/// The longest token, and the longest key of a stream, that is passed on. Who shows a longer one is refused unasked.
const TEXT_BYTES_MAX: usize = 8 << 10;

/// Whom to ask, and how.
#[derive(Debug)]
pub(crate) struct Callback {
    post: Post,
    events: Events,
    bounds: Bounds,
    /// Who speaks for others has no share of its own.
    proxies: Networks,
    publish: Queue,
    watch: Queue,
    decisions: Decisions,
}

/// What is asked or told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// Somebody would like to publish.
    Publish,
    /// Somebody would like to watch.
    Watch,
    /// A stream has ended.
    End,
}

/// The events that somebody wants to hear of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Events(Vec<Event>);

/// How much is asked at once, and how long an answer may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) at_once: usize,
    /// Those that wait until they are asked about. One more is refused.
    pub(crate) waiting: usize,
    pub(crate) within: Duration,
}

/// What somebody would like to do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish<'a> {
    pub(crate) event: Event,
    pub(crate) stream: Option<&'a str>,
    pub(crate) address: IpAddr,
    /// Over which connection: what one does over it has the same.
    pub(crate) connection: Uuid,
    /// Who it is, if that is known.
    pub(crate) user: Option<&'a str>,
    /// What it shows that is nothing of this server's.
    pub(crate) token: Option<&'a str>,
}

/// What it may, and no longer than that.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Allowed {
    pub(crate) until: Option<SystemTime>,
    /// Who it is.
    pub(crate) user: Option<String>,
}

/// Why somebody may not. Told to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Denied {
    /// So it was decided, with these words.
    Decided(String),
    /// Nobody decided.
    Undecided,
}

/// Sends what is signed to one address. Clones are the same.
#[derive(Debug, Clone)]
struct Post {
    outgoing: Outgoing,
    target: Target,
    secret: Arc<Secret>,
}

/// As it stands in the body.
#[derive(Serialize)]
struct Message<T> {
    r#type: Event,
    timestamp: String,
    data: T,
}

#[derive(Serialize)]
struct Asked<'a> {
    stream: Option<&'a str>,
    address: IpAddr,
    connection: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
}

impl Callback {
    pub(crate) fn new(
        outgoing: Outgoing,
        target: Target,
        secret: Secret,
        events: Events,
        bounds: Bounds,
        proxies: Networks,
    ) -> Self {
        Self {
            post: Post {
                outgoing,
                target,
                secret: Arc::new(secret),
            },
            events,
            bounds,
            proxies,
            publish: Queue::new(bounds),
            watch: Queue::new(bounds),
            decisions: Decisions::default(),
        }
    }

    /// Whether it is asked or told about such events.
    pub(crate) fn hears_of(&self, event: Event) -> bool {
        self.events.0.contains(&event)
    }

    /// What tells it of streams that have ended.
    pub(crate) fn reports(&self) -> Reports {
        Reports::new(self.post.clone(), self.bounds.within)
    }

    /// What whoever is asked says to a wish.
    pub(crate) async fn decide(&self, wish: Wish<'_>) -> Result<Allowed, Denied> {
        let texts = [wish.stream, wish.token, wish.user];
        if texts
            .into_iter()
            .flatten()
            .any(|text| text.len() > TEXT_BYTES_MAX)
        {
            return Err(Denied::Decided("what was shown is too long".to_owned()));
        }
        let subject = Subject::of(&wish);
        if let Some(decided) = self.decisions.known(&subject, Instant::now()) {
            return decided;
        }
        let queue = match wish.event {
            Event::Publish => &self.publish,
            Event::Watch | Event::End => &self.watch,
        };
        let _turn = queue.turn(self.shared_by(wish.address)).await?;
        // Somebody who was ahead may have asked the same.
        if let Some(decided) = self.decisions.known(&subject, Instant::now()) {
            return decided;
        }
        let asked = Asked {
            stream: wish.stream,
            address: wish.address,
            connection: wish.connection,
            user: wish.user,
            token: wish.token,
        };
        let message = Message::new(wish.event, asked).written();
        let id = message_id();
        let answer = self.post.send(&id, message, self.bounds.within).await;
        let verdict = match answer {
            Ok(answer) => Verdict::of(&answer),
            Err(error) => Verdict::unclear(error.to_string()),
        };
        if let Some(why) = &verdict.unclear {
            let event = wish.event;
            tracing::warn!(?event, why, "refused: the callback did not decide");
        }
        self.decisions.keep(subject, &verdict, Instant::now());
        verdict.decided
    }

    /// The address whose share of a queue somebody has, if it is one client's.
    fn shared_by(&self, address: IpAddr) -> Option<IpAddr> {
        (!speaks_for_many(address, &self.proxies)).then_some(address)
    }
}

impl Post {
    /// Sends a body. The signature's time is now; the id stays the same when it is sent again.
    async fn send(
        &self,
        id: &str,
        body: Bytes,
        within: Duration,
    ) -> Result<outgoing::Answer, outgoing::OutgoingError> {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let seconds = since.unwrap_or_default().as_secs();
        let signature = self.secret.sign(id, seconds, &body);
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert("webhook-timestamp", HeaderValue::from(seconds));
        for (name, value) in [("webhook-id", id), ("webhook-signature", &signature)] {
            let value = HeaderValue::from_str(value).expect("letters, digits and what base64 has");
            headers.insert(name, value);
        }
        let bounds = outgoing::Bounds {
            within,
            body_bytes_max: BODY_BYTES_MAX,
        };
        self.outgoing.ask(&self.target, request, bounds).await
    }
}

/// One that nobody else has.
fn message_id() -> String {
    format!("msg_{}", Uuid::new_v4().simple())
}

impl<T: Serialize> Message<T> {
    fn new(event: Event, data: T) -> Self {
        Self {
            r#type: event,
            timestamp: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
            data,
        }
    }

    fn written(&self) -> Bytes {
        let text = serde_json::to_vec(self).expect("texts and numbers can be written");
        text.into()
    }
}

/// A text that names no events.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no event: type some of publish,watch,end")]
pub struct EventsError(String);

impl std::str::FromStr for Events {
    type Err = EventsError;

    fn from_str(text: &str) -> Result<Self, EventsError> {
        let read = |one: &str| match one.trim() {
            "publish" => Ok(Event::Publish),
            "watch" => Ok(Event::Watch),
            "end" => Ok(Event::End),
            other => Err(EventsError(other.to_owned())),
        };
        text.split(',')
            .map(read)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl fmt::Display for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, event) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            let name = match event {
                Event::Publish => "publish",
                Event::Watch => "watch",
                Event::End => "end",
            };
            write!(f, "{comma}{name}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
