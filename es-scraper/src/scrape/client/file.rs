//! What is made from files, made anew when one of them changes.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// A value made from `paths`.
///
/// Looking for a change costs one `stat` a file, also where the file is a link that is swapped, as for mounted
/// secrets.
#[derive(Debug)]
pub(super) struct FromFiles<T> {
    paths: Vec<PathBuf>,
    current: Mutex<Option<(Vec<Stamp>, T)>>,
}

#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    len: u64,
    #[cfg(unix)]
    inode: u64,
}

impl<T: Clone> FromFiles<T> {
    /// Nothing is read yet.
    pub(super) const fn new(paths: Vec<PathBuf>) -> Self {
        Self {
            paths,
            current: Mutex::new(None),
        }
    }

    /// The value, made with `make` where it is the first or a file has changed.
    ///
    /// # Errors
    /// That of `make`, and next time it is asked again.
    pub(super) fn get<E>(&self, make: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        // A file that can't be asked is read anew each time: the reading tells what is wrong with it.
        let stamps: Option<Vec<Stamp>> = self.paths.iter().map(|path| stamp(path).ok()).collect();
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some((made_of, value)), Some(stamps)) = (&*current, &stamps)
            && made_of == stamps
        {
            return Ok(value.clone());
        }
        *current = None;
        let value = make()?;
        *current = stamps.map(|stamps| (stamps, value.clone()));
        Ok(value)
    }
}

fn stamp(path: &PathBuf) -> io::Result<Stamp> {
    let metadata = fs::metadata(path)?;
    Ok(Stamp {
        modified: metadata.modified().ok(),
        len: metadata.len(),
        #[cfg(unix)]
        inode: std::os::unix::fs::MetadataExt::ino(&metadata),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_again_when_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let value = FromFiles::new(vec![path.clone()]);
        let mut reads = 0;
        let mut get = || {
            value.get(|| {
                reads += 1;
                fs::read_to_string(&path)
            })
        };
        assert!(get().is_err());
        fs::write(&path, "one").unwrap();
        assert_eq!(get().unwrap(), "one");
        assert_eq!(get().unwrap(), "one");
        let next = folder.path().join("next");
        fs::write(&next, "two").unwrap();
        fs::rename(&next, &path).unwrap();
        assert_eq!(get().unwrap(), "two");
        fs::remove_file(&path).unwrap();
        assert!(get().is_err());
        assert_eq!(reads, 4);
    }
}
