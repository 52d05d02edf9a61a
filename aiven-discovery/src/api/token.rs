//! Where the API token comes from.

use std::path::PathBuf;

use prom_model::secret::Secret;

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
            Self::File(path) => tokio::fs::read_to_string(path)
                .await
                .map_err(|source| TokenError::Read {
                    path: path.display().to_string(),
                    source,
                })?
                .trim()
                .to_owned(),
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
