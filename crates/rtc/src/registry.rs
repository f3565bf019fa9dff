//! Which sessions there are, by the names in their addresses.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
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

/// What is known of a session by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) id: u64,
    pub(crate) side: Side,
    pub(crate) key: String,
    pub(crate) etag: String,
    /// The peer's ICE user fragment: another one asks for a restart.
    pub(crate) remote_fragment: String,
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
        let listed = self.0.lock().get(name).cloned();
        listed
            .filter(|listed| listed.side == side && listed.key == key)
            .ok_or(Unlisted)
    }

    /// The session of that name has these credentials of its peer from now on, and that ETag.
    pub(crate) fn restarted(&self, name: &str, etag: &str, remote_fragment: String) {
        if let Some(listed) = self.0.lock().get_mut(name) {
            etag.clone_into(&mut listed.etag);
            listed.remote_fragment = remote_fragment;
        }
    }
}

impl Listing {
    pub(crate) fn name(&self) -> &str {
        &self.name
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
        let listed = Listed {
            id: 7,
            side: Side::Viewer,
            key: "demo".to_owned(),
            etag: "tag".to_owned(),
            remote_fragment: "frag".to_owned(),
        };
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
