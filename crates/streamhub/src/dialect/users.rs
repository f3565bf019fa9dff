//! Registration, following, and the lists of users.

use super::{Turn, random_hex};
use crate::directory::{Present, RegisterError, SubscribeError};
use crate::names::{from_server, limit, text};
use crate::store::{Record, Role};
use crate::time::Timestamp;
use crate::wire::{ErrorObject, ListedUser, Register, Target, UserObject};
use abanico_core::stream::{Event as StreamEvent, Parting};
use abanico_socketio::Event;
use abanico_socketio::retry::{self, FULL_RETRY};
use serde_json::json;
use uuid::Uuid;

impl Turn<'_> {
    pub(super) async fn register(&mut self, event: &Event) {
        let Some(register) = Self::payload::<Register<'_>>(event) else {
            let error = "se espera {username, role}, con username de tipo texto";
            self.refuse(&ErrorObject::new(text::REGISTER_FAILED, error));
            return;
        };
        // Any value of `role` but the one string makes a viewer, a number too.
        let role = register
            .role
            .and_then(|role| serde_json::from_str::<String>(role.get()).ok());
        let role = role.map_or(Role::Viewer, |role| Role::from_wire(&role));
        let present = Present {
            session: self.session.id,
            socket_id: self.socket.id().to_owned(),
        };
        let now = Timestamp::now();
        let (token, name) = (register.resume_token.as_deref(), &register.username);
        let is_known = {
            let directory = self.shared.directory.lock();
            directory.knows(self.session.id, name, token)
        };
        // Who is new may cost somebody who is away its place.
        if !is_known {
            let from = self.shared.gate.address(self.socket.handshake());
            if let Err(rate) = self.shared.gate.newcomer(from) {
                let error = format!(
                    "desde tu dirección llegan demasiados usuarios nuevos; el límite es de {} seguidos y {} por segundo",
                    rate.burst, rate.per_second
                );
                return self.refuse(&ErrorObject {
                    retry_after_ms: Some(retry::spread_millis(FULL_RETRY)),
                    limit: Some(limit::NEW_USER_RATE),
                    ..ErrorObject::new(text::REGISTER_FAILED, &error)
                });
            }
        }
        let registered = {
            let mut directory = self.shared.directory.lock();
            directory.register(present, name, role, token, random_hex, now)
        };
        let registered = match registered {
            Ok(registered) => registered,
            Err(error) => {
                let limit = match error {
                    RegisterError::NameTooLong { .. } => limit::NAME_CHARS,
                    RegisterError::Full { .. } => limit::USERS,
                };
                let error = error.to_string();
                self.refuse(&ErrorObject::new(text::REGISTER_FAILED, &error).by(limit));
                return;
            }
        };
        for id in registered.forgotten {
            self.shared.record(Record::UserForgotten(id)).await;
        }
        self.shared
            .record(Record::User(registered.user.row.clone()))
            .await;
        for row in registered.inherited {
            self.shared.record(Record::Subscribed(row)).await;
        }
        // Whoever shows the token is the person: a connection that still hangs has lost its seat.
        if let (Some(replaced), Some(key)) = (registered.replaced, &registered.user.stream)
            && let Some(stream) = self.shared.distributor.stream(key.as_str())
        {
            let _ = stream
                .handle(StreamEvent::Lost(replaced, Parting::Abrupt))
                .await;
        }
        let payload = json!({
            "user": UserObject::new(&registered.user),
            "resumeToken": registered.resume_token,
            "webrtc": self.shared.peer_to_peer,
        });
        self.answer(from_server::USER_REGISTERED, &payload);
    }

    pub(super) async fn subscribe(&mut self, event: &Event) {
        let Some(user) = self.registered() else {
            return;
        };
        let target = target(event);
        let subscribed = {
            let mut directory = self.shared.directory.lock();
            let row = target
                .ok_or(SubscribeError::Unknown)
                .and_then(|target| directory.subscribe(user.row.id, target, Timestamp::now()));
            row.map(|row| {
                let name = directory
                    .user(row.following)
                    .map(|user| user.row.username.clone());
                (row, name)
            })
        };
        match subscribed {
            Ok((row, name)) => {
                let payload = json!({ "targetUserId": row.following, "targetUsername": name });
                self.shared.record(Record::Subscribed(row)).await;
                self.answer(from_server::USER_SUBSCRIBED, &payload);
            }
            Err(SubscribeError::Unknown) => {
                self.refuse(&ErrorObject::plain(text::TARGET_NOT_FOUND));
            }
            Err(SubscribeError::Pointless) => {
                self.refuse(&ErrorObject::plain(text::SUBSCRIBE_FAILED));
            }
            Err(error @ SubscribeError::TooMany { .. }) => {
                let error = error.to_string();
                let refusal = ErrorObject::new(text::SUBSCRIBE_FAILED, &error);
                self.refuse(&refusal.by(limit::SUBSCRIPTIONS));
            }
        }
    }

    pub(super) async fn unsubscribe(&mut self, event: &Event) {
        let Some(user) = self.registered() else {
            return;
        };
        let Some(target) = target(event) else { return };
        let name = {
            let mut directory = self.shared.directory.lock();
            if !directory.unsubscribe(user.row.id, target) {
                return;
            }
            directory.user(target).map(|user| user.row.username.clone())
        };
        let gone = Record::Unsubscribed {
            follower: user.row.id,
            following: target,
        };
        self.shared.record(gone).await;
        let mut payload = json!({ "targetUserId": target });
        if let Some(name) = name {
            payload["targetUsername"] = name.into();
        }
        self.answer(from_server::USER_UNSUBSCRIBED, &payload);
    }

    pub(super) fn list_subscriptions(&self) {
        let Some(user) = self.registered() else {
            return;
        };
        if self.must_read_first() {
            return;
        }
        let subscriptions: Vec<_> = {
            let directory = self.shared.directory.lock();
            directory
                .followed_by(user.row.id)
                .map(UserObject::new)
                .collect()
        };
        self.answer(
            from_server::SUBSCRIPTIONS_LIST,
            &json!({ "subscriptions": subscriptions }),
        );
    }

    pub(super) fn list_users(&self) {
        let Some(asker) = self.registered() else {
            return;
        };
        if self.must_read_first() {
            return;
        }
        let mut users: Vec<_> = {
            let directory = self.shared.directory.lock();
            let others = directory.others(asker.row.id);
            others
                .into_iter()
                .map(|user| {
                    (
                        user.stream.clone(),
                        ListedUser {
                            user_id: user.row.id,
                            username: user.row.username.clone(),
                            role: user.row.role,
                            is_subscribed: directory.follows(asker.row.id, user.row.id),
                            stream_status: "inactive",
                            current_stream_key: None,
                        },
                    )
                })
                .collect()
        };
        for (key, user) in &mut users {
            let live = key.take().filter(|key| self.is_live(key.as_str()));
            if let Some(key) = live {
                user.stream_status = "active";
                user.current_stream_key = Some(key.as_str().to_owned());
            }
        }
        let users: Vec<_> = users.into_iter().map(|(_, user)| user).collect();
        self.answer(from_server::USERS_LIST, &json!({ "users": users }));
    }
}

fn target(event: &Event) -> Option<Uuid> {
    let target: Target<'_> = event.arg(0).ok()?;
    target.target_user_id.parse().ok()
}
