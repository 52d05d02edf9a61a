//! Where the API token comes from.

use std::path::PathBuf;
use std::time::Duration;

use prom_model::secret::Secret;
use tokio::time::timeout;

/// When reading a file is given up, so that one on a dead network file system pins nothing.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// The token of Aiven's API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiToken {
    /// The token itself.
    Inline(Secret),
    /// A file that holds it, read again at each call so that a change takes effect at once.
    File(PathBuf),
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The file can't be read.
    #[error("can't read {path}")]
    Read {
        /// The file.
        path: String,
        /// What reading it failed on.
        source: std::io::Error,
    },
    /// The token is empty.
    #[error("the token is empty")]
    Empty,
    /// The token can't be sent: it holds something other than visible ASCII.
    #[error("the token holds characters that no token has")]
    Unsendable,
}

impl ApiToken {
    pub(super) async fn read(&self) -> Result<Secret, TokenError> {
        let token = match self {
            Self::Inline(token) => token.expose().trim().to_owned(),
            Self::File(path) => {
                let failed = |source| TokenError::Read {
                    path: path.display().to_string(),
                    source,
                };
                let text = timeout(READ_TIMEOUT, tokio::fs::read_to_string(path)).await;
                let text = text.map_err(|elapsed| failed(elapsed.into()))?;
                text.map_err(failed)?.trim().to_owned()
            }
        };
        if token.is_empty() {
            return Err(TokenError::Empty);
        }
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TokenError::Unsendable);
        }
        Ok(Secret::new(token))
    }
}
