//! A namespace from outside: its sockets and rooms.

use crate::message::Message;
use crate::socket::Socket;

/// A handle to one namespace of a server.
#[derive(Debug, Clone)]
pub struct NamespaceHandle(());

impl NamespaceHandle {
    /// The socket with this id, if it is connected.
    pub fn socket(&self, id: &str) -> Option<Socket> {
        let _ = id;
        unimplemented!()
    }
    /// How many sockets are connected.
    pub fn len(&self) -> usize {
        unimplemented!()
    }
    /// Whether no socket is connected.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// How many sockets are in a room.
    pub fn room_len(&self, room: &str) -> usize {
        let _ = room;
        unimplemented!()
    }
    /// Queues an event for every socket. Returns how many took it.
    pub fn emit(&self, message: &Message) -> usize {
        let _ = message;
        unimplemented!()
    }
    /// Addresses the sockets of a room.
    pub fn to<'a>(&'a self, room: &'a str) -> Broadcast<'a> {
        let _ = room;
        unimplemented!()
    }
    /// Addresses every socket but one.
    pub fn except<'a>(&'a self, id: &'a str) -> Broadcast<'a> {
        let _ = id;
        unimplemented!()
    }
}

/// A choice of sockets of one namespace.
#[derive(Debug)]
pub struct Broadcast<'a>(std::marker::PhantomData<&'a ()>);

impl<'a> Broadcast<'a> {
    /// Adds the sockets of another room; one in both gets one copy.
    #[must_use]
    pub fn to(self, room: &'a str) -> Self {
        let _ = room;
        self
    }
    /// Leaves out a socket.
    #[must_use]
    pub fn except(self, id: &'a str) -> Self {
        let _ = id;
        self
    }
    /// Queues an event for each of them. Returns how many took it.
    pub fn emit(self, message: &Message) -> usize {
        let _ = message;
        unimplemented!()
    }
    /// The sockets themselves.
    pub fn sockets(self) -> Vec<Socket> {
        unimplemented!()
    }
}
