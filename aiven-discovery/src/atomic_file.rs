//! Replacing a file as a whole.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What names of temporary files end with.
const SUFFIX: &str = ".tmp";

/// Replaces the file at `path` with `content`, so that a reader and a crash find the old or the new
/// content and nothing between.
///
/// The content goes to a temporary file beside it, hidden and ending in `.tmp`, which is renamed
/// once it is on disk. Blocks.
///
/// # Errors
/// Any I/O error, `path` being as it was; except for one in writing the folder itself, after which
/// it holds the new content.
pub fn write_atomically(path: &Path, content: &[u8]) -> io::Result<()> {
    let (folder, prefix) = parts(path)?;
    let mut temporary = tempfile::Builder::new()
        .prefix(&prefix)
        .suffix(SUFFIX)
        // As `File::create` would, for readers under another user; the umask still applies.
        .permissions(std::fs::Permissions::from_mode(0o666))
        .tempfile_in(folder)?;
    temporary.write_all(content)?;
    temporary.as_file().sync_all()?;
    temporary.persist(path).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

/// Removes temporary files of [`write_atomically`] to `path` that a killed process has left. Whatever can't be removed
/// stays. Blocks.
pub(crate) fn remove_leftovers(path: &Path) {
    let Ok((folder, prefix)) = parts(path) else {
        return;
    };
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.as_encoded_bytes();
        if name.starts_with(prefix.as_encoded_bytes()) && name.ends_with(SUFFIX.as_bytes()) {
            // Nobody is the worse for a file that stays.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// The folder of `path`, and what names of temporary files start with.
fn parts(path: &Path) -> io::Result<(&Path, OsString)> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"))?;
    let mut prefix = OsString::from(".");
    prefix.push(name);
    prefix.push(".");
    Ok((folder, prefix))
}
