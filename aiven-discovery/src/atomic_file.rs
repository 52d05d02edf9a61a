//! Replacing a file as a whole.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Replaces the file at `path` with `content`, so that a reader and a crash find the old or the new
/// content and nothing between.
///
/// The content goes to a temporary file beside it, hidden and ending in `.tmp`, which is renamed
/// once it is on disk. Blocks.
///
/// # Errors
/// Any I/O error, `path` being as it was; except for one in writing the folder itself, after which
/// it holds the new content.
pub(crate) fn write_atomically(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"))?;
    let mut prefix = std::ffi::OsString::from(".");
    prefix.push(name);
    prefix.push(".");
    let mut temporary = tempfile::Builder::new()
        .prefix(&prefix)
        .suffix(".tmp")
        // As `File::create` would, for readers under another user; the umask still applies.
        .permissions(std::fs::Permissions::from_mode(0o666))
        .tempfile_in(folder)?;
    temporary.write_all(content)?;
    temporary.as_file().sync_all()?;
    temporary.persist(path).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}
