//! Keeping order where a stream is watched: a message is taken away, somebody is silenced, somebody is put out.
//!
//! Whom it concerns is known by the user and by the address, so that a new name does not help at once. Addresses of this
//! machine are not counted: behind a proxy that nobody named everybody has one. What is remembered ends with the stream.

use crate::Shared;
use crate::StreamHub;
use crate::grant::{Grant, Lessor, neighbourhood};
use crate::names::from_server;
use crate::room::{Room, SharedRoom};
use crate::stage::{Peer, event};
use abanico_core::key::SessionId;
use abanico_core::rights::{Deed, Over};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::json;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use thiserror::Error;
use uuid::Uuid;

/// Who was put out does not come back before.
pub(crate) const REMOVED_FOR: Duration = Duration::from_mins(10);

/// Users and addresses that one stream remembers as silenced, and as many as put out. Of more, those that were longest
/// ago are forgotten.
const REMEMBERED_MAX: usize = 1_000;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Measure {
    /// Takes a message of the chat away from everybody's page.
    RemoveMessage {
        /// Which.
        message_id: Uuid,
    },
    /// Takes no more messages and reactions of somebody.
    Silence {
        /// Of whom.
        user_id: Uuid,
    },
    /// Takes them again.
    Unsilence {
        /// Of whom.
        user_id: Uuid,
    },
    /// Puts somebody out, who does not come back for ten minutes.
    Remove {
        /// Whom.
        user_id: Uuid,
    },
}

/// Why a measure is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ModerateRefusal {
    /// There is no such stream, or none that the asker knows of.
    #[error("there is no such stream")]
    Unknown,
    /// It is not for the asker to keep order there.
    #[error(
        "to keep order here, show the stream's token, the operator's key, or a token that may moderate"
    )]
    NotYours,
    /// There is no such user, or it is the streamer.
    #[error("there is nobody of this id here whom that could concern")]
    Nobody,
}

/// Somebody, as far as that can be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Whom {
    User(Uuid),
    Address(IpAddr),
}

/// The session of somebody who is in a room, and where somebody comes from.
type Concerned = (Option<(SessionId, Arc<Peer>)>, Option<IpAddr>);

/// What one stream remembers of it.
#[derive(Default)]
pub(crate) struct Order(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    silenced: HashMap<Whom, Instant>,
    removed: HashMap<Whom, Instant>,
    /// Who is there at other doors than Socket.IO, each until its lessor is dropped.
    guests: HashMap<SessionId, (IpAddr, Lessor)>,
}

/// Somebody at another door, listed until this is dropped.
pub(crate) struct Guest {
    order: Arc<Order>,
    session: SessionId,
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.order.0.lock().guests.remove(&self.session);
    }
}

impl Order {
    /// Lists somebody at another door, with a lessor that goes when it is put out.
    pub(crate) fn list(self: &Arc<Self>, session: SessionId, from: IpAddr, out: Lessor) -> Guest {
        self.0.lock().guests.insert(session, (from, out));
        Guest {
            order: Arc::clone(self),
            session,
        }
    }

    /// Whether nothing is taken of somebody.
    pub(crate) fn is_silenced(&self, user: Uuid, from: IpAddr) -> bool {
        let inner = self.0.lock();
        let mut known = whom(Some(user), from);
        known.any(|whom| inner.silenced.contains_key(&whom))
    }

    /// For how long somebody who was put out does not come back.
    pub(crate) fn is_removed(&self, user: Option<Uuid>, from: IpAddr) -> Option<Duration> {
        let inner = self.0.lock();
        let since = whom(user, from).filter_map(|whom| inner.removed.get(&whom));
        let rest = since.map(|since| REMOVED_FOR.saturating_sub(since.elapsed()));
        rest.max().filter(|rest| !rest.is_zero())
    }

    fn silence(&self, user: Uuid, from: Option<IpAddr>, is_silent: bool) {
        let mut inner = self.0.lock();
        for whom in whom_of(user, from) {
            if is_silent {
                remember(&mut inner.silenced, whom);
            } else {
                inner.silenced.remove(&whom);
            }
        }
    }

    /// Remembers who was put out, and puts out who is at other doors from the same address.
    fn remove(&self, user: Uuid, from: Option<IpAddr>) {
        let mut inner = self.0.lock();
        for whom in whom_of(user, from) {
            remember(&mut inner.removed, whom);
            if let Whom::Address(address) = whom {
                let is_other =
                    |_: &SessionId, guest: &mut (IpAddr, Lessor)| neighbourhood(guest.0) != address;
                inner.guests.retain(is_other);
            }
        }
    }
}

fn whom_of(user: Uuid, from: Option<IpAddr>) -> Vec<Whom> {
    match from {
        Some(from) => whom(Some(user), from).collect(),
        None => vec![Whom::User(user)],
    }
}

fn whom(user: Option<Uuid>, from: IpAddr) -> impl Iterator<Item = Whom> {
    let from = neighbourhood(from);
    let is_of_one = !from.is_loopback() && !from.is_unspecified();
    let address = is_of_one.then_some(Whom::Address(from));
    user.map(Whom::User).into_iter().chain(address)
}

fn remember(known: &mut HashMap<Whom, Instant>, whom: Whom) {
    known.insert(whom, Instant::now());
    if known.len() > REMEMBERED_MAX {
        let oldest = known.iter().min_by_key(|(_, since)| **since);
        if let Some(oldest) = oldest.map(|(whom, _)| *whom) {
            known.remove(&oldest);
        }
    }
}

impl StreamHub {
    /// Keeps order in the stream `key`.
    ///
    /// # Errors
    /// When that is not the asker's to do, or concerns nobody.
    pub async fn moderate(
        &self,
        key: &str,
        grant: &Grant,
        measure: Measure,
    ) -> Result<(), ModerateRefusal> {
        let room = self.shared.room(key).ok_or(ModerateRefusal::Unknown)?;
        let session = self.shared.next_door_session();
        let may = grant.may(Deed::Moderate).is_ok() || room.is_of(grant, session).await;
        if !may {
            return Err(match room.private {
                true => ModerateRefusal::Unknown,
                false => ModerateRefusal::NotYours,
            });
        }
        self.shared.moderate(&room, measure).await
    }
}

impl Shared {
    /// Takes a measure, and tells the room.
    pub(crate) async fn moderate(
        &self,
        room: &SharedRoom,
        measure: Measure,
    ) -> Result<(), ModerateRefusal> {
        let key = room.key.as_str();
        let (name, payload) = match measure {
            Measure::RemoveMessage { message_id } => (
                from_server::CHAT_MESSAGE_REMOVED,
                json!({ "streamKey": key, "messageId": message_id }),
            ),
            Measure::Silence { user_id } | Measure::Unsilence { user_id } => {
                let (_, from) = self.concerned(room, user_id)?;
                let is_silent = matches!(measure, Measure::Silence { .. });
                room.order.silence(user_id, from, is_silent);
                (
                    from_server::VIEWER_SILENCED,
                    json!({ "streamKey": key, "userId": user_id, "silenced": is_silent }),
                )
            }
            Measure::Remove { user_id } => {
                let (here, from) = self.concerned(room, user_id)?;
                room.order.remove(user_id, from);
                // Who is not in the room finds out when it comes: it is somebody else's viewer, perhaps.
                if let Some((session, peer)) = here {
                    let name = {
                        let directory = self.directory.lock();
                        let user = directory.of_session(session);
                        user.map(|user| user.row.username.clone())
                    };
                    // Who has its media elsewhere is none of the stream's viewers here.
                    let attends = name.filter(|_| !peer.has_feed(&room.key));
                    self.put_out(room, session, attends.as_deref(), Over::Removed)
                        .await;
                }
                (
                    from_server::VIEWER_REMOVED,
                    json!({ "streamKey": key, "userId": user_id }),
                )
            }
        };
        self.to_room(room, &event(name, &payload));
        Ok(())
    }

    /// A user whom a measure can concern: its session, if that is in the room, and its address, if it is connected.
    fn concerned(&self, room: &Room, user: Uuid) -> Result<Concerned, ModerateRefusal> {
        let session = {
            let directory = self.directory.lock();
            let user = directory
                .user(user)
                .filter(|user| user.row.id != room.streamer);
            user.ok_or(ModerateRefusal::Nobody)?
                .presence
                .as_ref()
                .map(|presence| presence.session)
        };
        let connected = session.and_then(|session| Some((session, self.peer(session)?)));
        let from = connected
            .as_ref()
            .map(|(_, peer)| self.gate.address(peer.socket.handshake()));
        let here = connected.filter(|(_, peer)| peer.is_in(room));
        Ok((here, from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    const ADA: Uuid = Uuid::from_u128(1);
    const EVE: Uuid = Uuid::from_u128(2);

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn who_is_put_out_is_known_by_user_and_address_and_others_are_not() {
        let order = Arc::new(Order::default());
        let (near, far) = (Lessor::default(), Lessor::default());
        let leases = (near.lease(), far.lease());
        let _guests = (
            order.list(SessionId(1), ip("2001:db8::7"), near),
            order.list(SessionId(2), ip("2001:db8:0:1::7"), far),
        );
        order.remove(EVE, Some(ip("2001:db8::1")));
        assert!(leases.0.over().now_or_never().is_some());
        assert!(leases.1.over().now_or_never().is_none());
        assert!(order.is_removed(Some(EVE), ip("192.0.2.1")).is_some());
        assert!(order.is_removed(Some(ADA), ip("2001:db8::2")).is_some());
        assert!(order.is_removed(Some(ADA), ip("192.0.2.1")).is_none());
    }

    #[test]
    fn an_address_of_this_machine_stands_for_nobody() {
        let order = Order::default();
        order.silence(EVE, Some(ip("127.0.0.1")), true);
        assert!(order.is_silenced(EVE, ip("127.0.0.1")));
        assert!(!order.is_silenced(ADA, ip("127.0.0.1")));
        order.silence(EVE, None, false);
        assert!(!order.is_silenced(EVE, ip("127.0.0.1")));
    }

    #[test]
    fn no_more_are_remembered_than_may_be() {
        let order = Order::default();
        for user in 0..2 * REMEMBERED_MAX {
            order.silence(Uuid::from_u128(user as u128), None, true);
        }
        assert_eq!(order.0.lock().silenced.len(), REMEMBERED_MAX);
    }
}
