//! The operator's key: made at the first start, shown that once, and kept as its argon2 hash in a file.
//!
//! Invariant: the key itself is never written and never logged.

use super::file::{self, Stamp};
use super::secret::{Kind, Secret, is_hash};
use crate::private;
use anyhow::{Context, ensure};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where the hash is kept.
#[derive(Debug)]
pub(super) struct KeyFile(PathBuf);

impl KeyFile {
    /// In a data directory.
    pub(super) fn of(data: &Path) -> Self {
        Self(data.join("operator-key"))
    }

    /// Makes a key if there is none yet, and gives it back for the one time that it is shown.
    pub(super) fn make_first(&self) -> anyhow::Result<Option<Secret>> {
        let hash = match self.read() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return self.make_new().map(Some);
            }
            read => read.with_context(|| format!("{} cannot be read", self.0.display()))?,
        };
        ensure!(
            is_hash(&hash),
            "{} holds no hash of a key\n  hint: `abanico key` writes one, and shows you its key",
            self.0.display()
        );
        Ok(None)
    }

    /// Makes another key, which takes the place of the one before.
    pub(super) fn make_new(&self) -> anyhow::Result<Secret> {
        let key = Secret::make(Kind::Key);
        private::write(&self.0, &format!("{}\n", key.hash()?))
            .with_context(|| format!("{} cannot be written", self.0.display()))?;
        Ok(key)
    }

    /// The hash.
    pub(super) fn read(&self) -> io::Result<String> {
        Ok(fs::read_to_string(&self.0)?.trim().to_owned())
    }

    /// Tells whether the file has changed. `None` if it is not there.
    pub(super) fn stamp(&self) -> Option<Stamp> {
        file::stamp(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_key_is_shown_once_and_only_its_hash_is_kept() {
        let data = tempfile::tempdir().unwrap();
        let file = KeyFile::of(data.path());
        let key = file.make_first().unwrap().unwrap();
        assert_eq!(file.make_first().unwrap(), None);
        assert!(key.has(&file.read().unwrap()));
    }

    #[test]
    fn a_file_that_was_spoilt_ends_the_start_with_what_to_type() {
        let data = tempfile::tempdir().unwrap();
        let file = KeyFile::of(data.path());
        fs::write(&file.0, "nonsense").unwrap();
        let error = file.make_first().unwrap_err().to_string();
        assert!(error.contains("hint: `abanico key`"), "{error}");
        file.make_new().unwrap();
        assert_eq!(file.make_first().unwrap(), None);
    }
}
