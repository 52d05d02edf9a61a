//! Where a secret comes from.

use std::path::PathBuf;
use std::time::Duration;

use prom_model::secret::Secret;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

/// When reading a file is given up, so that one on a dead network file system pins nothing.
pub(crate) const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest file of a secret, in bytes.
const SIZE_LIMIT: u64 = 64 * 1024;

/// A secret, or where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// The secret itself.
    Inline(Secret),
    /// A file that holds it, read again at each [`SecretSource::read`] so that a change takes effect at once. White
    /// space around the secret doesn't count.
    File(PathBuf),
}

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The file can't be read.
    #[error("can't read {path}")]
    Read {
        /// The file.
        path: String,
        /// What reading it failed on.
        source: std::io::Error,
    },
    /// The secret is empty.
    #[error("the secret is empty")]
    Empty,
}

impl SecretSource {
    /// The secret as it is now; never an empty one.
    ///
    /// # Errors
    /// [`SecretError`]
    pub async fn read(&self) -> Result<Secret, SecretError> {
        let secret = match self {
            Self::Inline(secret) => secret.clone(),
            Self::File(path) => {
                let failed = |source| SecretError::Read {
                    path: path.display().to_string(),
                    source,
                };
                let read = async {
                    let mut text = String::new();
                    let file = tokio::fs::File::open(path).await?;
                    file.take(SIZE_LIMIT).read_to_string(&mut text).await?;
                    Ok(text)
                };
                let text = timeout(READ_TIMEOUT, read).await;
                let text = text.map_err(|elapsed| failed(elapsed.into()))?;
                Secret::new(text.map_err(failed)?.trim())
            }
        };
        if secret.expose().is_empty() {
            return Err(SecretError::Empty);
        }
        Ok(secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let source = SecretSource::File(path.clone());
        let error = source.read().await.unwrap_err();
        assert_eq!(error.to_string(), format!("can't read {}", path.display()));
        for (content, want) in [
            ("one\n", Some("one")),
            (" two words \r\n", Some("two words")),
            ("\n", None),
        ] {
            std::fs::write(&path, content).unwrap();
            let got = source.read().await.ok();
            assert_eq!(got.as_ref().map(Secret::expose), want, "{content:?}");
        }
    }

    #[tokio::test]
    async fn an_inline_secret_is_taken_as_it_is() {
        let source = SecretSource::Inline(" s ".into());
        assert_eq!(source.read().await.unwrap().expose(), " s ");
        let empty = SecretSource::Inline("".into());
        assert!(matches!(empty.read().await, Err(SecretError::Empty)));
    }
}
