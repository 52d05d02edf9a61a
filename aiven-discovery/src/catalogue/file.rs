//! A file that is read at each listing and parsed only when it changed.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tokio::io::AsyncReadExt;

use super::{CatalogueError, Listing};

/// Longest file that is read, in bytes: some fifty thousand services.
const SIZE_LIMIT: u64 = 16 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct ListingFile {
    path: PathBuf,
    last: Mutex<Option<(String, Listing)>>,
}

impl ListingFile {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self {
            path,
            last: Mutex::new(None),
        }
    }

    /// The listing of the file's text; `parse` is asked where the text isn't that of last time.
    pub(super) async fn list(
        &self,
        parse: impl FnOnce(&Path, &str) -> Result<Listing, CatalogueError>,
    ) -> Result<Listing, CatalogueError> {
        let text = read(&self.path).await?;
        let mut last = self
            .last
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((parsed, listing)) = &*last
            && *parsed == text
        {
            return Ok(listing.clone());
        }
        let listing = parse(&self.path, &text)?;
        *last = Some((text, listing.clone()));
        Ok(listing)
    }
}

async fn read(path: &Path) -> Result<String, CatalogueError> {
    let failed = |source| CatalogueError::Read {
        path: path.display().to_string(),
        source,
    };
    let file = tokio::fs::File::open(path).await.map_err(failed)?;
    let mut text = String::new();
    let mut file = file.take(SIZE_LIMIT + 1);
    file.read_to_string(&mut text).await.map_err(failed)?;
    if text.len() as u64 > SIZE_LIMIT {
        return Err(CatalogueError::TooLarge {
            path: path.display().to_string(),
            limit: SIZE_LIMIT,
        });
    }
    Ok(text)
}
