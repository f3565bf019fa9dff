//! kill -9 at every step of a session, over and over on the same data, and what no later life of the server may have lost.
//!
//! What the database has behind an answer is written a moment later: it is promised when it is there. What is answered
//! about publish tokens is promised with the answer.

#![expect(clippy::unwrap_used, reason = "the clients of a test may fail it")]

use crate::answer::Answer;
use crate::client::Client;
use crate::node::{Node, PATIENCE};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};
use std::collections::BTreeSet;
use std::net::TcpStream;
use std::path::Path;
use std::time::Instant;

/// What a session is made of, in order, and the event that answers it.
const STEPS: [(&str, &str); 11] = [
    ("register", "user:registered"),
    ("create", "stream:created"),
    ("start", "stream:started"),
    // Answered by nothing; with the answer to a question behind it, it is done.
    ("picture", "clock:now"),
    ("viewer", "user:registered"),
    ("join", "stream:joined"),
    ("follow", "user:subscribed"),
    ("chat", "chat:message:broadcast"),
    // Over HTTP.
    ("token", ""),
    ("revoke", ""),
    ("end", "stream:ended"),
];

/// When the server is killed within a step.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Killed {
    /// The request is on its way, and nobody looks whether it is read.
    Asked,
    /// It was taken, and what it asks for is being done or written.
    Taken,
    /// It was answered, and what is to be written behind the answer is there.
    Done,
}

const KILLED: [Killed; 3] = [Killed::Asked, Killed::Taken, Killed::Done];

const SOUND: &str = "PRAGMA integrity_check";
const LIVE: &str = "SELECT id FROM streams WHERE status <> 'ENDED'";
const KEPT: &str = "SELECT id FROM users UNION SELECT follower_id || ' ' || following_id FROM subscriptions \
                    UNION SELECT stream_key FROM streams";

/// Wrong tokens that one address may show before it is not listened to for a while, and some to spare.
const REVOKED_SHOWN: usize = 3;

/// Three kills at each step; more with `ABANICO_KILLS=1000 cargo nextest run -p abanico kill_9_at_every_step`.
fn rounds() -> usize {
    let wanted = std::env::var("ABANICO_KILLS").ok();
    wanted.map_or(KILLED.len() * STEPS.len(), |wanted| wanted.parse().unwrap())
}

/// What was promised in all lives of the server.
#[derive(Default)]
struct Promised {
    /// Of the database, as [`KEPT`] reads it.
    rows: BTreeSet<String>,
    /// Names of the publish tokens that there are.
    tokens: BTreeSet<String>,
    /// The publish tokens that hold no longer, as they are shown.
    revoked: Vec<String>,
    /// Users of the last life, with the tokens that they are known by.
    people: Vec<(Value, Value)>,
}

#[test]
fn kill_9_at_every_step_of_a_session_loses_nothing_that_was_promised() {
    let mut data = tempfile::tempdir().unwrap();
    let mut promised = Promised::default();
    let mut operator = None;
    for round in 0..rounds() {
        let node = Node::start_in(data, &[]);
        let operator = operator.get_or_insert_with(|| bearer(node.key()));
        promised.is_kept(&node, operator, round);
        let killed = KILLED[round % KILLED.len()];
        let last = round / KILLED.len() % STEPS.len();
        let mut session = Session::new(&node, operator, round);
        let mut asked = None;
        for (at, (step, answer)) in STEPS.iter().enumerate().take(last + 1) {
            let killed = if at == last { killed } else { Killed::Done };
            asked = session.go(step, answer, killed);
        }
        if killed == Killed::Done {
            session.wait_until_written();
            promised.rows.append(&mut session.rows);
            promised.people = session.people;
        }
        promised.tokens.extend(session.made);
        if let Some((name, token)) = session.revoked {
            promised.tokens.remove(&name);
            promised.revoked.push(token);
        }
        data = node.killed();
        drop(asked);
    }
}

impl Promised {
    fn is_kept(&mut self, node: &Node, operator: &str, round: usize) {
        assert_eq!(node.json("/streams"), json!({"streams": []}), "{round}");
        let health = node.json("/health");
        assert_eq!(health["users"]["connected"], 0, "{round}");
        assert_eq!(rows(node.data(), SOUND), ["ok".to_owned()].into());
        assert_eq!(rows(node.data(), LIVE), BTreeSet::new(), "{round}");
        let kept = rows(node.data(), KEPT);
        let lost: Vec<_> = self.rows.difference(&kept).collect();
        assert!(lost.is_empty(), "{round}: {lost:?} are gone");
        for (id, token) in self.people.drain(..) {
            let shown = json!({"username": "any", "resumeToken": token});
            let (_, again) = Client::register(node, &shown);
            assert_eq!(again["user"]["id"], id, "{round}: somebody else");
        }
        let listed = node.request("GET", "/tokens", &[operator], "");
        let listed: Value = serde_json::from_slice(&listed.body).unwrap();
        let listed = listed["tokens"].as_array().unwrap().iter();
        let listed: BTreeSet<_> = listed.map(|token| text(&token["name"])).collect();
        let lost: Vec<_> = self.tokens.difference(&listed).collect();
        assert!(lost.is_empty(), "{round}: {lost:?} are gone");
        for token in self.revoked.iter().rev().take(REVOKED_SHOWN) {
            let status = node.status("GET", "/tokens", &[&bearer(token)]);
            assert_eq!(status, 401, "{round}: what was revoked holds again");
        }
    }
}

/// One session, and what was answered in it.
struct Session<'a> {
    node: &'a Node,
    operator: &'a str,
    streamer: Client<'a>,
    viewer: Client<'a>,
    key: String,
    name: String,
    token: String,
    people: Vec<(Value, Value)>,
    rows: BTreeSet<String>,
    made: Option<String>,
    revoked: Option<(String, String)>,
}

impl<'a> Session<'a> {
    fn new(node: &'a Node, operator: &'a str, round: usize) -> Self {
        Self {
            node,
            operator,
            streamer: Client::connect(node),
            viewer: Client::connect(node),
            key: String::new(),
            name: format!("token-{round}"),
            token: String::new(),
            people: Vec::new(),
            rows: BTreeSet::new(),
            made: None,
            revoked: None,
        }
    }

    /// Does a step as far as the server lives in it. Gives the connection of what is not answered.
    fn go(&mut self, step: &str, answer: &str, killed: Killed) -> Option<TcpStream> {
        let mut asked = self.ask(step);
        if killed == Killed::Asked {
            // Whether it was done nobody knows: it is neither there nor gone for sure.
            self.made = self.made.take().filter(|_| step != "revoke");
            return Some(asked);
        }
        let said = Answer::read(&mut asked);
        assert!([200, 201].contains(&said.status), "{step}: {said:?}");
        match step {
            "token" => {
                let made: Value = serde_json::from_slice(&said.body).unwrap();
                self.token = text(&made["token"]);
                self.made = Some(self.name.clone());
            }
            "revoke" => {
                self.made = None;
                self.revoked = Some((self.name.clone(), self.token.clone()));
            }
            _ if killed == Killed::Done => self.hear(step, answer),
            _ => {}
        }
        None
    }

    fn ask(&self, step: &str) -> TcpStream {
        let of_stream =
            json!({"streamKey": self.key, "content": "hello", "data": "/9j/4AAQAAD/2Q=="});
        // Nobody else's name, whose subscriptions might go with it.
        let user = |role| json!({"username": format!("{role} {}", self.name), "role": role});
        match step {
            "register" => self.streamer.ask("user:register", &user("STREAMER")),
            "create" => self.streamer.ask("stream:create", &json!({})),
            "start" => self.streamer.ask("stream:start", &of_stream),
            "picture" => self.streamer.ask("stream:data:send", &of_stream),
            "viewer" => self.viewer.ask("user:register", &user("VIEWER")),
            "join" => self.viewer.ask("stream:join", &of_stream),
            "follow" => {
                let target = json!({"targetUserId": self.people[0].0});
                self.viewer.ask("user:subscribe", &target)
            }
            "chat" => self.viewer.ask("chat:message:send", &of_stream),
            "token" => {
                let wanted = json!({"name": self.name}).to_string();
                self.node.ask("POST", "/tokens", &[self.operator], wanted)
            }
            "revoke" => {
                let path = format!("/tokens/{}", self.name);
                self.node.ask("DELETE", &path, &[self.operator], "")
            }
            "end" => self.streamer.ask("stream:end", &of_stream),
            unknown => panic!("no step is called {unknown}"),
        }
    }

    fn hear(&mut self, step: &str, answer: &str) {
        let client = match step {
            "viewer" | "join" | "follow" | "chat" => &mut self.viewer,
            _ => &mut self.streamer,
        };
        if step == "picture" {
            client.emit("clock:get", &json!({}));
        }
        let heard = client.heard(answer);
        match step {
            "register" | "viewer" => {
                let id = heard["user"]["id"].clone();
                self.rows.insert(text(&id));
                self.people.push((id, heard["resumeToken"].clone()));
            }
            "create" => self.key = text(&heard["stream"]["streamKey"]),
            "start" => drop(self.rows.insert(self.key.clone())),
            "follow" => {
                let [streamer, viewer] = [0, 1].map(|at| text(&self.people[at].0));
                self.rows.insert(format!("{viewer} {streamer}"));
            }
            _ => {}
        }
    }

    fn wait_until_written(&self) {
        wait_until_written(self.node.data(), &self.rows);
    }
}

/// Waits until the database has these, which it is given behind the streams' backs.
pub(crate) fn wait_until_written(data: &Path, wanted: &BTreeSet<String>) {
    let begun = Instant::now();
    while !wanted.is_subset(&rows(data, KEPT)) {
        assert!(begun.elapsed() < PATIENCE, "{wanted:?} are not written");
    }
}

/// What the database answers, read beside the server: of what is being written it has all or nothing.
fn rows(data: &Path, query: &'static str) -> BTreeSet<String> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let options = SqliteConnectOptions::new()
        .filename(data.join("abanico.db"))
        .read_only(true)
        .busy_timeout(PATIENCE);
    let asked = async {
        let mut connection = SqliteConnection::connect_with(&options).await?;
        let rows = sqlx::query_scalar(query).fetch_all(&mut connection).await?;
        connection.close().await?;
        Ok::<Vec<String>, sqlx::Error>(rows)
    };
    let runtime = runtime.enable_all().build().unwrap();
    let rows = runtime.block_on(asked).unwrap();
    rows.into_iter().collect()
}

fn bearer(shown: &str) -> String {
    format!("Authorization: Bearer {shown}")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
