//! Tells the members of a stream what happens to it, in the dialect's words and order.
//!
//! Called from the stream's own task, one notice after the other, so that everybody hears of a stream's life in one order.
//! Nothing here waits.

use crate::door::is_door;
use crate::names::{code, from_server, text};
use crate::relay::{Content, Packet, Parcel};
use crate::room::{EndedStream, Room, SharedRoom};
use crate::store::Record;
use crate::time::Timestamp;
use crate::viewer::ViewerFeed;
use crate::wire::{ChatMessage, Joined, Notification};
use crate::{Shared, bridge};
use abanico_core::key::{SessionId, StreamKey};
use abanico_core::presence::Telling;
use abanico_core::rights::Over;
use abanico_core::stream::{EndReason, Event, Notice, Parting};
use abanico_hub::{Audience, Stream};
use abanico_live::Share;
use abanico_socketio::{EmitError, FeedId, Message, Socket};
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::json;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Weak};
use std::time::Instant;
use uuid::Uuid;

/// A connected socket, and the streams that it pulls from.
pub(crate) struct Peer {
    pub(crate) socket: Socket,
    feeds: Mutex<HashMap<StreamKey, FeedId>>,
    /// How often publishers are asked for keyframes on its behalf.
    wishes: Share,
}

impl Peer {
    pub(crate) fn new(socket: Socket, wishes: Share) -> Self {
        Self {
            socket,
            wishes,
            feeds: Mutex::default(),
        }
    }

    /// Sends an event. A socket that is gone or too slow is dealt with by its server.
    pub(crate) fn tell(&self, message: &Message) {
        let _ = self.socket.emit(message);
    }

    /// Sends what somebody else wants it to be told, for which it is never closed. False if too much of that waits for it.
    pub(crate) fn pass(&self, message: Message) -> bool {
        self.socket.emit(&message.refusable()) != Err(EmitError::Refused)
    }

    /// Whether it is told what happens to this stream.
    pub(crate) fn is_in(&self, room: &Room) -> bool {
        self.socket.rooms().contains(&room.name())
    }

    fn attach(&self, key: &StreamKey, feed: ViewerFeed) {
        let id = self.socket.attach(feed);
        let before = self.feeds.lock().insert(key.clone(), id);
        if let Some(before) = before {
            self.socket.detach(before);
        }
    }

    fn detach(&self, key: &StreamKey) {
        let feed = self.feeds.lock().remove(key);
        if let Some(feed) = feed {
            self.socket.detach(feed);
        }
    }

    /// Whether it is given the media of this stream.
    pub(crate) fn has_feed(&self, key: &StreamKey) -> bool {
        self.feeds.lock().contains_key(key)
    }

    /// Whether it pulls from this stream; it does no longer after this. The feed itself goes on to its end.
    fn release(&self, key: &StreamKey) -> bool {
        self.feeds.lock().remove(key).is_some()
    }
}

/// Encodes one of our events.
pub(crate) fn event(name: &str, payload: &(impl Serialize + ?Sized)) -> Message {
    Message::event(name, payload)
        .expect("our events are plain objects under names that are not reserved")
}

/// The audience of every stream. Holds the hub weakly, which holds it.
pub(crate) struct Stage(pub(crate) Weak<Shared>);

impl Audience<Packet> for Stage {
    fn notice(&self, stream: &Stream<Packet>, notice: Notice) {
        let Some(shared) = self.0.upgrade() else {
            return;
        };
        let Some(room) = shared.room(stream.key().as_str()) else {
            return;
        };
        let (grace, withdrawn) = match notice {
            Notice::PublisherLost(grace) => (Some(grace), None),
            Notice::Ended(EndReason::Withdrawn(over)) => (None, Some(over)),
            _ => (None, None),
        };
        shared.perform(&room, stream, notice);
        shared.publish_news(&room, stream, grace, withdrawn);
    }
}

impl Shared {
    fn perform(&self, room: &SharedRoom, stream: &Stream<Packet>, notice: Notice) {
        match notice {
            Notice::Started => self.started(room),
            Notice::PublisherLost(grace) => {
                let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
                let payload = json!({ "streamKey": room.key.as_str(), "graceMs": grace_ms });
                self.to_room(room, &event(from_server::STREAM_PUBLISHER_LOST, &payload));
            }
            Notice::PublisherBack {
                session,
                instead_of,
            } => {
                self.seat_taken(room, stream, session, instead_of);
            }
            Notice::Paused(paused) => {
                let payload = json!({ "streamKey": room.key.as_str(), "paused": paused });
                self.to_room(room, &event(from_server::STREAM_PAUSED, &payload));
            }
            Notice::Joined {
                viewer,
                name,
                count,
                telling,
                again,
            } => {
                if is_door(viewer) {
                    if telling == Telling::Named {
                        self.count(room, count);
                    }
                    return;
                }
                if !self.admit(room, stream, viewer, &name) || again {
                    return;
                }
                if telling == Telling::Named {
                    let payload = json!({ "username": name, "viewerCount": count });
                    let joined = event(from_server::VIEWER_JOINED, &payload);
                    self.to_room(room, &joined.skippable());
                    self.count(room, count);
                    self.system_chat(room, &format!("{name} se unió al stream"));
                }
            }
            Notice::Left {
                viewer,
                name,
                count,
                telling,
                parting,
            } => {
                if let Some(peer) = self.peer(viewer) {
                    peer.detach(&room.key);
                    if !stream.is_publisher(viewer) {
                        peer.socket.leave(&room.name());
                    }
                }
                if telling == Telling::Named && is_door(viewer) {
                    self.count(room, count);
                } else if telling == Telling::Named {
                    self.left(room, &name, count, parting);
                }
            }
            Notice::Count(count) => self.count(room, count),
            Notice::Ended(reason) => self.ended(room, stream, reason),
        }
    }

    fn started(&self, room: &SharedRoom) {
        let first = room.start();
        let object = room.object();
        let started_at = object.started_at;
        self.to_room(
            room,
            &event(from_server::STREAM_STARTED, &json!({ "stream": object })),
        );
        if !first {
            return;
        }
        self.note(Record::Stream(room.row(None)));
        if room.private {
            return;
        }
        self.notify_followers(room, "started", started_at, None);
        self.tell_of_next(room);
    }

    fn seat_taken(
        &self,
        room: &SharedRoom,
        stream: &Stream<Packet>,
        session: SessionId,
        instead_of: Option<SessionId>,
    ) {
        let mut relay = room.relay.lock();
        room.set_by_door(is_door(session), &mut relay);
        if stream.feed().readers() > 0 {
            bridge::ensure(room, stream, &mut relay);
        }
        drop(relay);
        // Whoever publishes over another door has this connection for everything else.
        let replaced = instead_of.filter(|_| !is_door(session));
        if let Some(old) = replaced.and_then(|old| self.peer(old)) {
            old.socket.leave(&room.name());
        }
        if let Some(peer) = self.peer(session) {
            // A publisher gets no echo of its own frames.
            peer.detach(&room.key);
            peer.socket.join(&room.name());
        }
        let payload = json!({ "streamKey": room.key.as_str() });
        self.to_room(room, &event(from_server::STREAM_PUBLISHER_BACK, &payload));
    }

    /// Shows a viewer the stream: the backlog, then that it has joined, then all that comes. False if it is gone.
    fn admit(
        &self,
        room: &SharedRoom,
        stream: &Stream<Packet>,
        viewer: SessionId,
        name: &str,
    ) -> bool {
        let Some(peer) = self.peer(viewer) else {
            return false;
        };
        let status = stream.status();
        let joined = event(
            from_server::STREAM_JOINED,
            &Joined {
                stream: room.object(),
                streamer_username: &room.streamer_name,
                paused: status.paused,
                publisher_present: status.publisher_present,
                peers_max: room.hosting.lock().peers_max(),
            },
        );
        peer.detach(&room.key);
        let mut relay = room.relay.lock();
        bridge::ensure(room, stream, &mut relay);
        if room.is_by_door() {
            // So that the newcomer is soon at live age.
            let from = self.gate.address(peer.socket.handshake());
            let wisher = self.wisher(room, from, Arc::clone(&peer.wishes));
            room.channel.want_keyframe(&wisher);
        }
        let backlog = relay.backlog(Instant::now());
        let hold = (backlog.is_some() || relay.begins_anywhere()).then(|| relay.hold());
        if let Some(backlog) = backlog {
            peer.tell(&backlog);
        }
        peer.tell(&joined);
        if !stream.is_publisher(viewer) {
            let feed = ViewerFeed::new(
                room.clone(),
                name.to_owned(),
                stream.feed().cursor(),
                hold,
                self.limits.ladder,
            );
            peer.attach(&room.key, feed);
        }
        drop(relay);
        peer.socket.join(&room.name())
    }

    /// Tells a room of a member that has its media over another door.
    pub(crate) fn tell_came(&self, room: &SharedRoom, name: &str) {
        let Some(count) = self.named_count(room) else {
            return;
        };
        let payload = json!({ "username": name, "viewerCount": count });
        let joined = event(from_server::VIEWER_JOINED, &payload);
        self.to_room(room, &joined.skippable());
        self.system_chat(room, &format!("{name} se unió al stream"));
    }

    /// Tells a room that such a member has gone.
    pub(crate) fn tell_left(&self, room: &SharedRoom, name: &str, parting: Parting) {
        if let Some(count) = self.named_count(room) {
            self.left(room, name, count, parting);
        }
    }

    /// How many watch, if there are so few, and so few come and go, that a room is told names.
    fn named_count(&self, room: &SharedRoom) -> Option<usize> {
        let count = room.stream.get()?.status().viewers;
        let is_crowd = count > self.presence.named_max
            || self
                .namespace()
                .to(&room.name())
                .are_more_than(self.presence.named_max);
        (!is_crowd && room.names.lock().take(Instant::now())).then_some(count)
    }

    fn left(&self, room: &SharedRoom, name: &str, count: usize, parting: Parting) {
        let payload = json!({ "username": name, "viewerCount": count });
        let left = event(from_server::VIEWER_LEFT, &payload).skippable();
        match parting {
            Parting::Explicit => {
                self.to_room(room, &left);
                self.count(room, count);
                self.system_chat(room, &format!("{name} salió del stream"));
            }
            Parting::Abrupt => {
                self.count(room, count);
                self.to_room(room, &left);
            }
        }
    }

    fn ended(&self, room: &SharedRoom, stream: &Stream<Packet>, reason: EndReason) {
        let ended_at = Timestamp::now();
        let mut object = room.object();
        object.status = crate::store::Status::Ended;
        object.ended_at = Some(ended_at);
        object.viewer_count = 0;
        let reason = match reason {
            EndReason::Finished => None,
            EndReason::PublisherGone => Some(text::STREAMER_GONE),
            EndReason::Stopped => Some(text::OPERATOR_ENDED),
            EndReason::Withdrawn(Over::Expired) => Some(text::RIGHT_EXPIRED),
            EndReason::Withdrawn(Over::Revoked | Over::Removed) => Some(text::RIGHT_REVOKED),
            EndReason::Shutdown => Some(text::SERVER_GONE),
        };
        let payload = match reason {
            None => json!({ "stream": object }),
            Some(reason) => json!({ "stream": object, "reason": reason }),
        };
        let message = event(from_server::STREAM_ENDED, &payload);
        let name = room.name();
        let members = self.namespace().to(&name).sockets();
        let mut viewers = Vec::new();
        for socket in members {
            socket.leave(&name);
            let Some((session, peer)) = self.peer_of_socket(socket.id()) else {
                continue;
            };
            // Whoever was here may be told of the streamer's next stream, whatever door its media came over.
            viewers.push(session);
            // Who has a feed hears of the end by it, after the last frame.
            if !peer.release(&room.key) {
                peer.tell(&message);
            }
        }
        room.channel.end();
        bridge::flush(room, stream, &mut room.relay.lock());
        stream.feed().finish(Some(Arc::new(Parcel {
            message,
            content: Content::LastWord,
        })));
        if !room.private {
            self.notify_followers(room, "ended", None, Some(ended_at));
        }
        if room.was_idle() {
            // A door opened it and nothing came: nobody has seen it, and there is nothing to remember.
            self.rooms.write().remove(&room.key);
            return;
        }
        self.note(Record::Stream(room.row(Some(ended_at))));
        let streamer_name = room.streamer_name.clone();
        let over = EndedStream {
            object,
            streamer_name,
            chosen: room.chosen,
            viewers,
        };
        self.forget_room(room, over, ended_at);
    }

    /// Puts a session out of a stream whose right to be there is over, and tells it why.
    /// `attends` is its name, if it has its media elsewhere: its stream does not know it then.
    pub(crate) async fn put_out(
        &self,
        room: &SharedRoom,
        session: SessionId,
        attends: Option<&str>,
        over: Over,
    ) {
        let Some(stream) = room.stream.get() else {
            return;
        };
        self.gone(room, session);
        let peer = self.peer(session).filter(|_| !stream.is_publisher(session));
        if let Some(peer) = peer {
            peer.detach(&room.key);
            peer.socket.leave(&room.name());
            let (code, reason) = match over {
                Over::Expired => (code::EXPIRED, text::STAY_EXPIRED),
                Over::Revoked => (code::REVOKED, text::STAY_REVOKED),
                Over::Removed => (code::REMOVED, text::STAY_REMOVED),
            };
            let payload = json!({ "stream": room.object(), "reason": reason, "code": code });
            peer.tell(&event(from_server::STREAM_ENDED, &payload));
        }
        match attends {
            Some(name) => self.tell_left(room, name, Parting::Explicit),
            // A stream that has ended meanwhile has told everybody to leave.
            None => drop(stream.handle(Event::Leave(session)).await),
        }
    }

    fn tell_of_next(&self, room: &SharedRoom) {
        let (before, awaiting) = if room.chosen {
            // The same key again: what was under it is over for good.
            let before = self.ended.lock().remove(room.key.as_str());
            let Some(before) = before else { return };
            (room.key.clone(), before.viewers)
        } else {
            let before = self
                .directory
                .lock()
                .user(room.streamer)
                .and_then(|user| user.last_ended.clone());
            let Some(before) = before else { return };
            let awaiting = match self.ended.lock().get_mut(before.as_str()) {
                Some(stream) => std::mem::take(&mut stream.viewers),
                None => return,
            };
            (before, awaiting)
        };
        let payload = json!({ "streamKey": before.as_str(), "next": room.key.as_str() });
        let message = event(from_server::STREAM_NEXT, &payload);
        // Under a key that is opened again, some may have come already.
        let members = self.namespace().to(&room.name()).sockets();
        let here: HashSet<&str> = members.iter().map(Socket::id).collect();
        for peer in awaiting
            .into_iter()
            .filter_map(|session| self.peer(session))
            .filter(|peer| !here.contains(peer.socket.id()))
        {
            peer.tell(&message);
        }
    }

    fn notify_followers(
        &self,
        room: &SharedRoom,
        kind: &'static str,
        started_at: Option<Timestamp>,
        ended_at: Option<Timestamp>,
    ) {
        let followers = self.directory.lock().present_followers(room.streamer);
        if followers.is_empty() {
            return;
        }
        let message = event(
            from_server::STREAM_NOTIFICATION,
            &Notification {
                kind,
                streamer_id: room.streamer,
                streamer_username: &room.streamer_name,
                stream_id: room.id,
                stream_key: room.key.as_str(),
                started_at,
                ended_at,
            },
        );
        for peer in followers
            .into_iter()
            .filter_map(|session| self.peer(session))
        {
            peer.tell(&message);
        }
    }

    fn count(&self, room: &SharedRoom, count: usize) {
        let payload = json!({ "viewerCount": count });
        self.to_room(room, &event(from_server::VIEWER_COUNT_UPDATE, &payload));
    }

    fn system_chat(&self, room: &SharedRoom, content: &str) {
        let message = ChatMessage {
            id: Uuid::new_v4(),
            stream_id: room.id,
            user_id: "system",
            username: text::SYSTEM_NAME,
            kind: "SYSTEM",
            content,
            timestamp: Timestamp::now(),
        };
        let payload = json!({ "message": message });
        let message = event(from_server::CHAT_MESSAGE_BROADCAST, &payload);
        self.to_room(room, &message.skippable());
    }

    /// Sends an event to everybody who is in a stream.
    pub(crate) fn to_room(&self, room: &SharedRoom, message: &Message) {
        self.namespace().to(&room.name()).emit(message);
    }
}
