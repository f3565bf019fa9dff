//! Files that hold hashes: read again when they have changed.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

/// Tells one writing of a file from the next, also within one tick of the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    modified: SystemTime,
    len: u64,
    number: u64,
}

/// The stamp of a file. `None` if it is not there.
pub(super) fn stamp(path: &Path) -> Option<Stamp> {
    let file = fs::metadata(path).ok()?;
    #[cfg(unix)]
    let number = std::os::unix::fs::MetadataExt::ino(&file);
    #[cfg(not(unix))]
    let number = 0;
    Some(Stamp {
        modified: file.modified().ok()?,
        len: file.len(),
        number,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::private;

    #[test]
    fn each_writing_has_a_stamp_of_its_own() {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join("secrets");
        assert_eq!(stamp(&path), None);
        private::write(&path, "one").unwrap();
        let one = stamp(&path);
        assert_eq!(stamp(&path), one);
        private::write(&path, "two").unwrap();
        assert_ne!(stamp(&path), one);
    }
}
