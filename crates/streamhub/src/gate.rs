//! Who may do what: asked here, answered by whoever knows keys, tokens and addresses.

use crate::grant::Grant;
use abanico_core::rate::Rate;
use abanico_core::rights::{Question, Refused};
use abanico_socketio::Handshake;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use uuid::Uuid;

/// The answer to a question. An error says that what was shown is no good.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Result<Grant, Refused>> + Send + 'a>>;

/// Answers what the clients of Socket.IO ask. The other doors ask before they come here.
pub trait Gate: Send + Sync + 'static {
    /// What the client with this opening request has for what it would like to do.
    fn ask<'a>(&'a self, handshake: &'a Handshake, question: Question<'a>) -> Answer<'a>;

    /// Hears of a token that was shown from an address for a stream whose publisher chose it. A wrong one counts against
    /// the address, `apart` from those of all other streams if that is said.
    ///
    /// # Errors
    /// When too many wrong ones came from there, whether this one is right or not.
    fn guess(&self, from: IpAddr, apart: Option<Uuid>, is_right: bool) -> Result<(), Refused>;

    /// Whether an address is not one client's: a proxy's, as may be.
    fn speaks_for_many(&self, from: IpAddr) -> bool;

    /// Whether an address may bring one more user who is not known yet.
    ///
    /// # Errors
    /// When it brought too many: the rate.
    fn newcomer(&self, from: IpAddr) -> Result<(), Rate>;

    /// The address of the client with this opening request, as far as it can be known.
    fn address(&self, handshake: &Handshake) -> IpAddr;
}
