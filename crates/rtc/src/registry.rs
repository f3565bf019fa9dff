//! Which sessions there are, by the names in their addresses.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use str0m::IceCreds;
use thiserror::Error;

/// What a session is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// It publishes: WHIP.
    Publisher,
    /// It watches: WHEP.
    Viewer,
}

/// There is no such session, or there is none any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("there is no such session; it has ended or never was")]
pub struct Unlisted;

/// The sessions by name. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Registry(Arc<Mutex<HashMap<String, Listed>>>);

/// User fragments of before that are known again. The oldest is forgotten: what was sent before so many restarts has come by now.
const FORMER_MAX: usize = 16;

/// What is known of a session by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) id: u64,
    pub(crate) side: Side,
    pub(crate) key: String,
    pub(crate) etag: String,
    /// The peer's ICE credentials: others ask for a restart.
    pub(crate) remote: IceCreds,
    /// Its user fragments of before, at most [`FORMER_MAX`].
    pub(crate) former: Vec<String>,
}

/// A session's place in the registry. Dropping it takes the session off.
pub(crate) struct Listing {
    registry: Registry,
    name: String,
}

impl Registry {
    /// Lists a session under a name that nobody can guess.
    pub(crate) fn list(&self, listed: Listed) -> Listing {
        let name = random_name();
        self.0.lock().insert(name.clone(), listed);
        Listing {
            registry: self.clone(),
            name,
        }
    }

    /// The session of that name at that address.
    pub(crate) fn find(&self, side: Side, key: &str, name: &str) -> Result<Listed, Unlisted> {
        self.with(side, key, name, |listed| listed.clone())
    }

    /// Does something with the session of that name at that address, while nobody else does.
    pub(crate) fn with<T>(
        &self,
        side: Side,
        key: &str,
        name: &str,
        act: impl FnOnce(&mut Listed) -> T,
    ) -> Result<T, Unlisted> {
        let mut sessions = self.0.lock();
        let listed = sessions.get_mut(name);
        let listed = listed.filter(|listed| listed.side == side && listed.key == key);
        listed.map(act).ok_or(Unlisted)
    }
}

impl Listed {
    /// A session that begins.
    pub(crate) fn new(id: u64, side: Side, key: &str, remote: IceCreds) -> Self {
        Self {
            id,
            side,
            key: key.to_owned(),
            etag: random_name(),
            remote,
            former: Vec::new(),
        }
    }

    /// The peer has these credentials from now on, and the session another ETag.
    pub(crate) fn restart(&mut self, remote: IceCreds) {
        self.etag = random_name();
        if self.former.len() >= FORMER_MAX {
            self.former.remove(0);
        }
        let former = std::mem::replace(&mut self.remote, remote);
        self.former.push(former.ufrag);
    }
}

impl Listing {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The stream's.
    pub(crate) fn key(&self) -> Option<String> {
        let sessions = self.registry.0.lock();
        sessions.get(&self.name).map(|listed| listed.key.clone())
    }
}

impl Drop for Listing {
    fn drop(&mut self) {
        self.registry.0.lock().remove(&self.name);
    }
}

/// 128 random bits.
pub(crate) fn random_name() -> String {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_found_at_its_own_address_until_it_ends() {
        let registry = Registry::default();
        let listed = Listed::new(7, Side::Viewer, "demo", IceCreds::new());
        let listing = registry.list(listed.clone());
        let name = listing.name().to_owned();
        assert_eq!(name.len(), 32);
        assert_eq!(registry.find(Side::Viewer, "demo", &name), Ok(listed));
        assert_eq!(registry.find(Side::Publisher, "demo", &name), Err(Unlisted));
        assert_eq!(registry.find(Side::Viewer, "other", &name), Err(Unlisted));
        drop(listing);
        assert_eq!(registry.find(Side::Viewer, "demo", &name), Err(Unlisted));
    }
}
