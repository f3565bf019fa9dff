//! The data directory, and the lock that keeps it for one server. Stream keys and names are in it: a new one is its
//! user's alone.

use crate::private;
use anyhow::Context;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

/// A directory that belongs to this process while this lives. The system frees it when the process ends, however it
/// ends.
#[derive(Debug)]
pub(crate) struct DataDirectory {
    path: PathBuf,
    _lock: File,
}

impl DataDirectory {
    /// Takes a directory, and makes it if it is not there.
    pub(crate) fn take(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        private::make_folder(path).with_context(|| {
            format!("the data directory {shown} cannot be made\n  hint: name one that you may write, `--data DIR`\n  reason")
        })?;
        let file = path.join("abanico.lock");
        let lock = private::keep(&file).with_context(|| {
            format!("the data directory {shown} cannot be written\n  hint: name one that you may write, `--data DIR`\n  reason")
        })?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => anyhow::bail!(
                "another abanico uses the data directory {shown}\n  hint: stop it, or give this one a directory of its \
                 own: `abanico --data {shown}2 --listen :3001`"
            ),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| file.display().to_string())
            }
        }
    }

    /// Where LAN mode's authority is kept.
    pub(crate) fn lan(&self) -> PathBuf {
        self.path.join("lan")
    }

    /// Where ACME's account and certificates are kept.
    pub(crate) fn acme(&self) -> PathBuf {
        self.path.join("acme")
    }

    /// The database's file.
    pub(crate) fn database(&self) -> PathBuf {
        self.path.join("abanico.db")
    }
}
