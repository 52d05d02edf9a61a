//! Why something failed, without anything of an answer that could be secret.

use std::error::Error;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rest_client::{Answer, CallError, SecretError, Transient, longest_wait, presentable};
use serde::Deserialize;

/// The part of Cloud Foundry that was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// The API, also called the cloud controller.
    Api,
    /// UAA, which hands out tokens.
    Uaa,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Api => "the cloud foundry api",
            Self::Uaa => "uaa",
        })
    }
}

/// Why a server gave no answer that a call could use.
///
/// `message` is the `title` and `detail` of the API's failure, or UAA's `error` code, shortened and without control
/// characters; nothing else of an answer is ever kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// 429: too many calls.
    #[error("{server} limits the rate of calls (429): {message}")]
    RateLimited {
        /// Who answered.
        server: Server,
        /// What it says.
        message: String,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
    /// 408 or 5xx: the trouble is the server's and may pass.
    #[error("{server} fails with status {status}: {message}")]
    Unavailable {
        /// Who answered.
        server: Server,
        /// The HTTP status.
        status: u16,
        /// What it says.
        message: String,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
    /// Any other status that isn't success; redirects, which are never followed, among them.
    #[error("{server} answers with status {status}: {message}")]
    UnexpectedStatus {
        /// Who answered.
        server: Server,
        /// The HTTP status.
        status: u16,
        /// What it says.
        message: String,
    },
    /// No connection; nothing was sent.
    #[error("{server} is unreachable")]
    NotConnected {
        /// Who was asked.
        server: Server,
        /// What connecting failed on.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The connection broke; the request may have arrived.
    #[error("{server} is unreachable")]
    Unreachable {
        /// Who was asked.
        server: Server,
        /// What the connection failed on.
        source: Box<dyn Error + Send + Sync>,
    },
    /// No complete answer in time.
    #[error("no answer from {server} within {limit:?}")]
    TimedOut {
        /// Who was asked.
        server: Server,
        /// The time-out.
        limit: Duration,
    },
    /// An answer that isn't what the call answers with.
    #[error("the answer of {server} makes no sense: {reason}")]
    Nonsense {
        /// Who answered.
        server: Server,
        /// What is wrong; holds nothing of the body's text.
        reason: String,
    },
    /// The body is longer than may be read.
    #[error("the answer of {server} exceeds {limit} bytes")]
    BodyTooLarge {
        /// Who answered.
        server: Server,
        /// The limit in bytes.
        limit: usize,
    },
}

impl AnswerError {
    pub(crate) fn from_call(server: Server, error: CallError) -> Self {
        match error {
            CallError::TimedOut { limit } => Self::TimedOut { server, limit },
            CallError::BodyTooLarge { limit } => Self::BodyTooLarge { server, limit },
            CallError::NotConnected { source } => Self::NotConnected { server, source },
            CallError::Unreachable { source } => Self::Unreachable { server, source },
            other => Self::Unreachable {
                server,
                source: Box::new(other),
            },
        }
    }

    pub(crate) fn from_status(server: Server, answer: &Answer, message: String) -> Self {
        let status = answer.status;
        match status {
            429 => Self::RateLimited {
                server,
                message,
                retry_after: asked_wait(answer),
            },
            408 | 500..=599 => Self::Unavailable {
                server,
                status,
                message,
                retry_after: answer.retry_after(),
            },
            _ => Self::UnexpectedStatus {
                server,
                status,
                message,
            },
        }
    }

    pub(crate) fn nonsense(server: Server, reason: impl Into<String>) -> Self {
        Self::Nonsense {
            server,
            reason: reason.into(),
        }
    }

    /// Whether UAA may have checked the password that it was sent: it counts those that are wrong even if nobody hears
    /// of it. It checks none of those that exceed its rate limit.
    pub(crate) const fn may_be_counted(&self) -> bool {
        match self {
            Self::RateLimited { .. } | Self::NotConnected { .. } => false,
            Self::Unavailable { server, .. }
            | Self::UnexpectedStatus { server, .. }
            | Self::Unreachable { server, .. }
            | Self::TimedOut { server, .. }
            | Self::Nonsense { server, .. }
            | Self::BodyTooLarge { server, .. } => matches!(server, Server::Uaa),
        }
    }

    /// A body that isn't the expected JSON; what serde says of it can quote it, where it stopped can't.
    pub(crate) fn no_json(server: Server, error: &serde_json::Error) -> Self {
        let what = match error.classify() {
            serde_json::error::Category::Data => "JSON of another shape",
            _ => "not JSON",
        };
        let (line, column) = (error.line(), error.column());
        Self::nonsense(server, format!("{what} at line {line}, column {column}"))
    }
}

impl Transient for AnswerError {
    fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::RateLimited { .. }
                | Self::Unavailable { .. }
                | Self::NotConnected { .. }
                | Self::Unreachable { .. }
                | Self::TimedOut { .. }
        )
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after, .. } | Self::Unavailable { retry_after, .. } => {
                *retry_after
            }
            _ => None,
        }
    }
}

/// `Retry-After`, or the time at which the API's rate limit starts anew, in seconds since the epoch.
fn asked_wait(answer: &Answer) -> Option<Duration> {
    let reset = || {
        let at: u64 = answer.header("x-ratelimit-reset")?.trim().parse().ok()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        Some(longest_wait(Duration::from_secs(at).saturating_sub(now)))
    };
    answer.retry_after().or_else(reset)
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The secret, password or token can't be read.
    #[error("there are no credentials for cloud foundry")]
    Secret(#[from] SecretError),
    /// The token can't be sent: it holds something other than visible ASCII.
    #[error("the token holds characters that no token has")]
    Unsendable,
    /// UAA refuses the credentials. Final until they change, here or there.
    #[error("uaa refuses the credentials: {code}")]
    Refused {
        /// UAA's `error`, empty where there is none.
        code: String,
    },
    /// UAA has locked the account after too many refused logins, for some minutes.
    #[error("uaa has locked the account after too many failed logins")]
    AccountLocked,
    /// UAA has refused these credentials, and wasn't asked again, since it would lock the account.
    #[error(
        "uaa refuses the credentials: {code}; they are tried again in {} s, or once they change",
        remaining.as_secs()
    )]
    Paused {
        /// UAA's `error` when it refused them.
        code: String,
        /// Time until they are tried again.
        remaining: Duration,
    },
    /// UAA gives no answer that can be used.
    #[error(transparent)]
    Answer(#[from] AnswerError),
    /// The same, of a user's password, which UAA may have checked all the same. Not repeated at once, since that could
    /// lock the account.
    #[error(transparent)]
    Unanswered(AnswerError),
}

impl TokenError {
    /// Whether UAA is in trouble, which says nothing of the credentials.
    pub(crate) fn is_trouble(&self) -> bool {
        matches!(self, Self::Answer(error) | Self::Unanswered(error) if error.is_transient())
    }
}

impl Transient for TokenError {
    fn is_transient(&self) -> bool {
        matches!(self, Self::Answer(error) if error.is_transient())
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Answer(error) | Self::Unanswered(error) => error.retry_after(),
            _ => None,
        }
    }
}

/// Why nothing could be listed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListError {
    /// There is no token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// 401: the API refuses the token, a fresh one too where one could be had.
    #[error("the cloud foundry api refuses the token (401): {message}")]
    Unauthorized {
        /// What it says.
        message: String,
    },
    /// 403: the token is known and may not do this.
    #[error("the cloud foundry api forbids this to the token (403): {message}")]
    Forbidden {
        /// What it says.
        message: String,
    },
    /// The next page of a list isn't one of the same list.
    #[error("the next page of {path} is elsewhere")]
    ForeignPage {
        /// The list.
        path: &'static str,
    },
    /// A list has more pages or bytes than are read.
    #[error("{path} exceeds {limit}")]
    TooLong {
        /// The list.
        path: &'static str,
        /// The limit and its unit.
        limit: String,
    },
    /// The API gives no answer that can be used.
    #[error(transparent)]
    Answer(#[from] AnswerError),
}

impl Transient for ListError {
    fn is_transient(&self) -> bool {
        match self {
            Self::Token(error) => error.is_transient(),
            Self::Answer(error) => error.is_transient(),
            _ => false,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Token(error) => error.retry_after(),
            Self::Answer(error) => error.retry_after(),
            _ => None,
        }
    }
}

impl ListError {
    /// What a status of the API that isn't success means.
    pub(crate) fn from_answer(answer: &Answer, token: &str) -> Self {
        let message = message_of(&answer.body, token);
        match answer.status {
            401 => Self::Unauthorized { message },
            403 => Self::Forbidden { message },
            _ => AnswerError::from_status(Server::Api, answer, message).into(),
        }
    }
}

/// Why a user can't be let in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoginError {
    /// UAA refuses user and password.
    #[error("uaa refuses user and password")]
    WrongCredentials,
    /// UAA has locked the account after too many refused logins, for some minutes; the password may be right.
    #[error("uaa has locked the account after too many failed logins")]
    AccountLocked,
    /// No answer in time, from UAA and the API together.
    #[error("login took longer than {limit:?}")]
    TimedOut {
        /// The time-out.
        limit: Duration,
    },
    /// UAA or the API gives no answer that can be used, so that nothing is known of the user.
    #[error("cloud foundry can't tell")]
    Unavailable(#[source] ListError),
}

/// `title: detail` of the API's failure body in a form that may be logged, empty where there is none.
pub(crate) fn message_of(body: &[u8], token: &str) -> String {
    #[derive(Deserialize)]
    struct Failure {
        #[serde(default)]
        errors: Vec<Reason>,
    }
    #[derive(Deserialize)]
    struct Reason {
        #[serde(default)]
        title: String,
        #[serde(default)]
        detail: String,
    }
    let failure = serde_json::from_slice::<Failure>(body).ok();
    let reason = failure.and_then(|failure| failure.errors.into_iter().next());
    let message = reason.map(|reason| match (&*reason.title, &*reason.detail) {
        (title, "") => title.to_owned(),
        ("", detail) => detail.to_owned(),
        (title, detail) => format!("{title}: {detail}"),
    });
    presentable(&message.unwrap_or_default(), &[token])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_title_and_detail_are_kept() {
        let f = |body: &str, want: &str| {
            assert_eq!(message_of(body.as_bytes(), "tok3n"), want, "{body}");
        };
        f(
            r#"{"errors": [{"code": 1000, "title": "CF-InvalidAuthToken", "detail": "Invalid Auth Token"}]}"#,
            "CF-InvalidAuthToken: Invalid Auth Token",
        );
        f(r#"{"errors": [{"detail": "no tok3n"}]}"#, "no <secret>");
        f(r#"{"errors": [{"title": "a\nb"}, {"title": "c"}]}"#, "a b");
        f(r#"{"errors": [{"title": 7}]}"#, "");
        f(r#"{"errors": []}"#, "");
        f(r#"{"password": "hunter2"}"#, "");
        f("<html>hunter2</html>", "");
    }
}
