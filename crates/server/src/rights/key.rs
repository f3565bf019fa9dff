//! The operator's key: made at the first start, shown that once, and kept as its argon2 hash in a file.
//!
//! Everything that begins as a key does is taken for one, so that a key with a slip in it does not become the token of a
//! stream by mistake. Invariant: the key itself is never written and never logged.

use anyhow::Context;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// How a key begins.
const BEGINNING: &str = "abk-";

/// 32 letters and digits of which no two look alike.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Five groups of five: 125 random bits.
const GROUPS: usize = 5;
const GROUP_CHARS: usize = 5;

/// The operator's key, or what somebody shows for it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Key(String);

impl Key {
    /// Whether a text is meant for a key, rightly written or not.
    pub(crate) fn is_meant(text: &str) -> bool {
        let start = text.trim_start().get(..BEGINNING.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(BEGINNING))
    }

    /// Reads a key as a person may have typed it.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        let groups = text.strip_prefix(BEGINNING)?.split('-');
        let mut count = 0;
        for group in groups {
            let is_group = group.len() == GROUP_CHARS
                && group.bytes().all(|letter| ALPHABET.contains(&letter));
            if !is_group {
                return None;
            }
            count += 1;
        }
        (count == GROUPS).then_some(Self(text))
    }

    fn make() -> Self {
        let mut random = [0; GROUPS * GROUP_CHARS];
        getrandom::fill(&mut random).expect("the system gives random bytes");
        let mut text = String::from(BEGINNING);
        for (at, byte) in random.iter().enumerate() {
            if at > 0 && at % GROUP_CHARS == 0 {
                text.push('-');
            }
            text.push(char::from(ALPHABET[usize::from(byte % 32)]));
        }
        Self(text)
    }

    /// The key itself, for the one time that it is shown.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether the hash is this key's. Takes tens of milliseconds of a processor, and 19 MiB.
    pub(super) fn has(&self, hash: &str) -> bool {
        PasswordHash::new(hash).is_ok_and(|hash| {
            let checked = Argon2::default().verify_password(self.0.as_bytes(), &hash);
            checked.is_ok()
        })
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// Where the hash is kept.
#[derive(Debug)]
pub(super) struct KeyFile(PathBuf);

impl KeyFile {
    /// In a data directory.
    pub(super) fn of(data: &Path) -> Self {
        Self(data.join("operator-key"))
    }

    /// Makes a key if there is none yet, and gives it back for the one time that it is shown.
    pub(super) fn make_first(&self) -> anyhow::Result<Option<Key>> {
        let hash = match self.read() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return self.make_new().map(Some);
            }
            read => read.with_context(|| format!("{} cannot be read", self.0.display()))?,
        };
        PasswordHash::new(&hash).map(|_| None).map_err(|_| {
            anyhow::anyhow!(
                "{} holds no hash of a key\n  hint: `abanico key` writes one, and shows you its key",
                self.0.display()
            )
        })
    }

    /// Makes another key, which takes the place of the one before.
    pub(super) fn make_new(&self) -> anyhow::Result<Key> {
        let key = Key::make();
        let hash = Argon2::default()
            .hash_password(key.0.as_bytes())
            .map_err(|error| anyhow::anyhow!("the operator's key cannot be hashed: {error}"))?;
        self.write(&format!("{hash}\n"))
            .with_context(|| format!("{} cannot be written", self.0.display()))?;
        Ok(key)
    }

    /// The hash.
    pub(super) fn read(&self) -> io::Result<String> {
        Ok(fs::read_to_string(&self.0)?.trim().to_owned())
    }

    /// When the file was written. `None` if it is not there.
    pub(super) fn written_at(&self) -> Option<SystemTime> {
        fs::metadata(&self.0).and_then(|file| file.modified()).ok()
    }

    /// Writes the whole file or nothing.
    fn write(&self, text: &str) -> io::Result<()> {
        let new = self.0.with_extension("new");
        // A file that a crash left may be anybody's to read.
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = File::options();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_is_shown_and_as_people_type_it() {
        let key = Key::make();
        assert_eq!(Key::read(key.reveal()), Some(key.clone()));
        let typed = format!(" {}\n", key.reveal().to_uppercase());
        assert_eq!(Key::read(&typed), Some(key.clone()));
        assert!(Key::is_meant(&typed));
        assert_ne!(key, Key::make());
        assert_eq!(format!("{key:?}"), "Key(…)");
    }

    #[test]
    fn a_key_with_a_slip_in_it_is_meant_for_one_and_is_none() {
        for slip in [
            "abk-",
            "abk-00000-00000-00000-00000",
            "abk-00000-00000-00000-00000-0000o",
            "abk-00000-00000-00000-00000-00000-00000",
            "ABK 00000",
        ] {
            assert_eq!(Key::read(slip), None, "{slip}");
            assert_eq!(Key::is_meant(slip), slip != "ABK 00000", "{slip}");
        }
        for other in ["", "secret", "my-abk-1", "ab", "abk€"] {
            assert!(!Key::is_meant(other), "{other}");
        }
    }

    #[test]
    fn the_first_key_is_shown_once_and_only_its_hash_is_kept() {
        let data = tempfile::tempdir().unwrap();
        let file = KeyFile::of(data.path());
        let key = file.make_first().unwrap().unwrap();
        assert_eq!(file.make_first().unwrap(), None);
        let kept = file.read().unwrap();
        assert!(kept.starts_with("$argon2id$v=19$") && !kept.contains(key.reveal()));
        assert!(key.has(&kept) && !Key::make().has(&kept) && !key.has("nonsense"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(&file.0).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
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
