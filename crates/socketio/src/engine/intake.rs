//! From packets to the driver: what is for it, what is for the session, what is out of place.

use crate::engine::ending::Ending;
use crate::engine::link::{Data, Next};
use crate::engine::packet::{Packet, Payload};
use crate::engine::service::{Driver, Inbound};
use crate::engine::session::Wire;
use crate::handler::DisconnectReason;

/// Hands packets to the driver.
pub(crate) struct Intake<'a, D> {
    pub(crate) driver: &'a mut D,
    /// What was for the driver, and how many bytes of it.
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
    pub(crate) has_pong: bool,
    wire: Wire,
}

impl<'a, D: Driver> Intake<'a, D> {
    pub(crate) fn new(driver: &'a mut D, wire: Wire) -> Self {
        Self {
            driver,
            messages: 0,
            bytes: 0,
            has_pong: false,
            wire,
        }
    }

    pub(crate) fn data(&mut self, data: Data) -> Next<Ending> {
        let packet = match data {
            // Without Engine.IO there are no packets: each message is the driver's.
            Data::Text(text) if self.wire != Wire::EngineIo => Packet::Message(text),
            Data::Binary(bytes) => Packet::Binary(bytes),
            Data::Text(text) => match Packet::decode(&text) {
                Ok(packet) => packet,
                Err(_) => return Next::Stop(Ending::of(DisconnectReason::ParseError)),
            },
        };
        match self.packet(packet) {
            Ok(()) if self.driver.accepts() => Next::More,
            Ok(()) => Next::Pause,
            Err(ending) => Next::Stop(ending),
        }
    }

    /// Says whether the payload has been taken wholly.
    pub(crate) fn payload(&mut self, payload: &mut Payload) -> Result<bool, Ending> {
        while self.driver.accepts() {
            match payload.next() {
                Some(Ok(packet)) => self.packet(packet)?,
                Some(Err(_)) => return Err(Ending::of(DisconnectReason::ParseError)),
                None => return Ok(true),
            }
        }
        Ok(false)
    }

    fn packet(&mut self, packet: Packet) -> Result<(), Ending> {
        let message = match packet {
            Packet::Message(text) => Inbound::Text(text),
            Packet::Binary(bytes) => Inbound::Binary(bytes),
            Packet::Pong(_) => {
                self.has_pong = true;
                return Ok(());
            }
            Packet::Close => return Err(Ending::of(DisconnectReason::ClientDisconnect)),
            Packet::Ping(_) => return Err(Ending::of(DisconnectReason::ParseError)),
            Packet::Open | Packet::Upgrade | Packet::Noop => return Ok(()),
        };
        self.messages += 1;
        self.bytes += message.len();
        self.driver
            .message(message)
            .map_err(|_| Ending::of(DisconnectReason::ParseError))
    }
}
