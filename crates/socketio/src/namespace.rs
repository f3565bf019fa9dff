//! A namespace from outside: its sockets and rooms.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::id::Id;
use crate::message::Message;
use crate::socket::Socket;

/// A handle to one namespace of a server. Clones are the same namespace.
#[derive(Clone)]
pub struct NamespaceHandle(pub(crate) Arc<Members>);

impl NamespaceHandle {
    /// The namespace's path.
    pub fn path(&self) -> &str {
        self.0.path()
    }

    /// The socket with this id, if it is connected.
    pub fn socket(&self, id: &str) -> Option<Socket> {
        let id = Id::parse(id)?;
        self.0
            .book
            .read()
            .sockets
            .get(&id)
            .map(|entry| entry.socket.clone())
    }

    /// How many sockets are connected.
    pub fn len(&self) -> usize {
        self.0.book.read().sockets.len()
    }

    /// Whether no socket is connected.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many sockets are in a room.
    pub fn room_len(&self, room: &str) -> usize {
        self.0.book.read().rooms.get(room).map_or(0, HashMap::len)
    }

    /// Queues an event for every socket. Says how many took it.
    pub fn emit(&self, message: &Message) -> usize {
        self.everybody().emit(message)
    }

    /// Addresses the sockets of a room.
    pub fn to<'a>(&'a self, room: &'a str) -> Broadcast<'a> {
        self.everybody().to(room)
    }

    /// Addresses every socket but one.
    pub fn except<'a>(&'a self, id: &'a str) -> Broadcast<'a> {
        self.everybody().except(id)
    }

    fn everybody(&self) -> Broadcast<'_> {
        Broadcast {
            members: &self.0,
            rooms: Vec::new(),
            except: Vec::new(),
        }
    }
}

impl fmt::Debug for NamespaceHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NamespaceHandle")
            .field("path", &self.path())
            .field("sockets", &self.len())
            .finish()
    }
}

/// A choice of sockets of one namespace.
pub struct Broadcast<'a> {
    members: &'a Members,
    rooms: Vec<&'a str>,
    except: Vec<Id>,
}

impl<'a> Broadcast<'a> {
    /// Adds the sockets of another room; one that is in both gets one copy.
    #[must_use]
    pub fn to(mut self, room: &'a str) -> Self {
        self.rooms.push(room);
        self
    }

    /// Leaves out a socket.
    #[must_use]
    pub fn except(mut self, id: &str) -> Self {
        self.except.extend(Id::parse(id));
        self
    }

    /// Queues an event for each of them. Says how many took it.
    pub fn emit(self, message: &Message) -> usize {
        let parcel = message.parcel(self.members.path());
        let mut count = 0;
        self.each(|socket| count += usize::from(socket.send(parcel.clone()).is_ok()));
        count
    }

    /// The sockets themselves.
    pub fn sockets(self) -> Vec<Socket> {
        let mut sockets = Vec::new();
        self.each(|socket| sockets.push(socket.clone()));
        sockets
    }

    /// Whether there are more than `most`. Costs no more for a crowd than for a few.
    pub fn are_more_than(&self, most: usize) -> bool {
        let mut count = 0;
        if let ([room], []) = (&self.rooms[..], &self.except[..]) {
            let book = self.members.book.read();
            return book.rooms.get(*room).is_some_and(|room| room.len() > most);
        }
        self.each(|_| count += 1);
        count > most
    }

    /// Calls `with` under the lock: it must not do more than put something into a queue.
    fn each(&self, mut with: impl FnMut(&Socket)) {
        let book = self.members.book.read();
        let mut visit = |socket: &Socket| {
            if !self.except.contains(&socket.key()) {
                with(socket);
            }
        };
        match &self.rooms[..] {
            [] => book.sockets.values().for_each(|entry| visit(&entry.socket)),
            [room] => book
                .rooms
                .get(*room)
                .into_iter()
                .flat_map(HashMap::values)
                .for_each(visit),
            rooms => {
                let mut seen = HashSet::new();
                for room in rooms {
                    for socket in book.rooms.get(*room).into_iter().flat_map(HashMap::values) {
                        if seen.insert(socket.key()) {
                            visit(socket);
                        }
                    }
                }
            }
        }
    }
}

impl fmt::Debug for Broadcast<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broadcast")
            .field("rooms", &self.rooms)
            .field("except", &self.except)
            .finish()
    }
}

/// Who is in a namespace, and in which of its rooms.
pub(crate) struct Members {
    path: String,
    book: RwLock<Book>,
}

#[derive(Default)]
struct Book {
    sockets: HashMap<Id, Entry>,
    /// A room is here as long as somebody is in it.
    rooms: HashMap<Arc<str>, HashMap<Id, Socket>>,
}

struct Entry {
    socket: Socket,
    rooms: Vec<Arc<str>>,
}

impl Members {
    pub(crate) fn new(path: String) -> Self {
        Self {
            path,
            book: RwLock::default(),
        }
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn enter(&self, socket: &Socket) {
        let entry = Entry {
            socket: socket.clone(),
            rooms: Vec::new(),
        };
        self.book.write().sockets.insert(socket.key(), entry);
    }

    pub(crate) fn exit(&self, socket: &Socket) {
        let mut book = self.book.write();
        if let Some(entry) = book.sockets.remove(&socket.key()) {
            for room in &entry.rooms {
                book.remove_from(room, socket);
            }
        }
    }

    pub(crate) fn join(&self, socket: &Socket, room: &str) -> bool {
        let mut book = self.book.write();
        let Book { sockets, rooms } = &mut *book;
        let Some(entry) = sockets.get_mut(&socket.key()) else {
            return false;
        };
        if entry.rooms.iter().any(|other| **other == *room) {
            return true;
        }
        let name = rooms
            .get_key_value(room)
            .map_or_else(|| Arc::from(room), |(name, _)| Arc::clone(name));
        entry.rooms.push(Arc::clone(&name));
        rooms
            .entry(name)
            .or_default()
            .insert(socket.key(), socket.clone());
        true
    }

    pub(crate) fn leave(&self, socket: &Socket, room: &str) {
        let mut book = self.book.write();
        if let Some(entry) = book.sockets.get_mut(&socket.key()) {
            entry.rooms.retain(|other| **other != *room);
            book.remove_from(room, socket);
        }
    }

    pub(crate) fn rooms_of(&self, socket: &Socket) -> Vec<String> {
        let book = self.book.read();
        let rooms = book.sockets.get(&socket.key()).map(|entry| &entry.rooms);
        rooms
            .into_iter()
            .flatten()
            .map(|room| room.to_string())
            .collect()
    }
}

impl Book {
    fn remove_from(&mut self, room: &str, socket: &Socket) {
        if let Some(inside) = self.rooms.get_mut(room) {
            inside.remove(&socket.key());
            if inside.is_empty() {
                self.rooms.remove(room);
            }
        }
    }
}
