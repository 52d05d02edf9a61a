//! Why a call failed, without anything of the answer that could be secret.

use std::error::Error;
use std::time::Duration;

use rest_client::{SecretError, Transient, presentable};
use serde::Deserialize;

/// Why a call to Aiven's API failed.
///
/// `message` is the field of that name in Aiven's answer, shortened and without control
/// characters; nothing else of an answer is ever kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiError {
    /// 401: the token is wrong, expired or revoked. Final until the token changes.
    #[error("aiven refuses the token (401): {message}")]
    Unauthorized {
        /// Aiven's message.
        message: String,
    },
    /// 403: the token is known and may not do this, or not from this address. Final until an
    /// operator acts.
    #[error("aiven forbids this to the token (403): {message}")]
    Forbidden {
        /// Aiven's message.
        message: String,
    },
    /// 404: no such project, service or endpoint.
    #[error("aiven knows no such thing (404): {message}")]
    NotFound {
        /// Aiven's message.
        message: String,
    },
    /// 429: too many calls.
    #[error("aiven limits the rate of calls (429): {message}")]
    RateLimited {
        /// Aiven's message.
        message: String,
        /// How long Aiven asked to wait.
        retry_after: Option<Duration>,
    },
    /// 408 or 5xx: the trouble is Aiven's and may pass.
    #[error("aiven fails with status {status}: {message}")]
    Unavailable {
        /// The HTTP status.
        status: u16,
        /// Aiven's message.
        message: String,
        /// How long Aiven asked to wait.
        retry_after: Option<Duration>,
    },
    /// Any other status that isn't success; redirects, which are never followed, among them.
    #[error("aiven answers with status {status}: {message}")]
    UnexpectedStatus {
        /// The HTTP status.
        status: u16,
        /// Aiven's message.
        message: String,
    },
    /// No connection, or it broke.
    #[error("aiven's api is unreachable")]
    Unreachable {
        /// What the connection failed on.
        source: Box<dyn Error + Send + Sync>,
    },
    /// No complete answer in time.
    #[error("no answer from aiven within {limit:?}")]
    TimedOut {
        /// The time-out.
        limit: Duration,
    },
    /// A success whose body isn't what the call answers with.
    #[error("aiven's answer makes no sense: {reason}")]
    Nonsense {
        /// What is wrong; holds nothing of the body's text.
        reason: String,
    },
    /// The body is longer than may be read.
    #[error("aiven's answer exceeds {limit} bytes")]
    BodyTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The token can't be read, so that the call was not made.
    #[error("no api token")]
    Token(#[from] TokenError),
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// There is none.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The token can't be sent: it holds something other than visible ASCII.
    #[error("the token holds characters that no token has")]
    Unsendable,
}

impl ApiError {
    /// Whether the same call may succeed without anybody doing anything.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::RateLimited { .. }
                | Self::Unavailable { .. }
                | Self::Unreachable { .. }
                | Self::TimedOut { .. }
        )
    }

    /// How long Aiven asked to wait before the next call.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after, .. } | Self::Unavailable { retry_after, .. } => {
                *retry_after
            }
            _ => None,
        }
    }

    pub(super) fn from_status(status: u16, message: String, retry_after: Option<Duration>) -> Self {
        match status {
            401 => Self::Unauthorized { message },
            403 => Self::Forbidden { message },
            404 => Self::NotFound { message },
            429 => Self::RateLimited {
                message,
                retry_after,
            },
            408 | 500..=599 => Self::Unavailable {
                status,
                message,
                retry_after,
            },
            _ => Self::UnexpectedStatus { status, message },
        }
    }
}

/// The `message` of Aiven's failure body in a form that may be logged, empty where there is none.
pub(super) fn message_of(body: &[u8], token: &str) -> String {
    #[derive(Deserialize)]
    struct Failure {
        #[serde(default)]
        message: Option<String>,
    }
    let message = serde_json::from_slice::<Failure>(body)
        .ok()
        .and_then(|failure| failure.message)
        .unwrap_or_default();
    presentable(&message, &[token])
}

impl Transient for ApiError {
    fn is_transient(&self) -> bool {
        self.is_transient()
    }

    fn retry_after(&self) -> Option<Duration> {
        self.retry_after()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_message_is_kept() {
        let f = |body: &str, want: &str| {
            assert_eq!(message_of(body.as_bytes(), "tok3n"), want, "{body}");
        };
        f(
            r#"{"message": "Service does not exist", "errors": []}"#,
            "Service does not exist",
        );
        f(r#"{"message": null}"#, "");
        f(r#"{"message": 7}"#, "");
        f(r#"{"service_uri": "https://avnadmin:pw@h:1"}"#, "");
        f("<html>pw</html>", "");
        f(
            r#"{"message": "see https://avnadmin:p@w@h:1/x now"}"#,
            "see https://h:1/x now",
        );
        f(
            r#"{"message": "token tok3n is expired"}"#,
            "token <secret> is expired",
        );
    }

    #[test]
    fn statuses_are_told_apart() {
        let f = |status: u16, want: &str, transient: bool| {
            let error = ApiError::from_status(status, "m".into(), None);
            assert_eq!(error.to_string(), want);
            assert_eq!(error.is_transient(), transient, "{status}");
        };
        f(401, "aiven refuses the token (401): m", false);
        f(403, "aiven forbids this to the token (403): m", false);
        f(404, "aiven knows no such thing (404): m", false);
        f(429, "aiven limits the rate of calls (429): m", true);
        f(408, "aiven fails with status 408: m", true);
        f(503, "aiven fails with status 503: m", true);
        f(302, "aiven answers with status 302: m", false);
        f(400, "aiven answers with status 400: m", false);
    }
}
