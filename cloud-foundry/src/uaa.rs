//! UAA's token endpoint.

use std::time::Duration;

use prom_model::secret::Secret;
use rest_client::header::CONTENT_TYPE;
use rest_client::{Answer, Method, Transient};
use serde::Deserialize;
use url::form_urlencoded::Serializer;

use crate::client::CloudFoundry;
use crate::error::{AnswerError, Server, TokenError};
use crate::roots::below;

/// The client of the official command line, which has no secret and may be used by everybody.
const PUBLIC_CLIENT: (&str, &str) = ("cf", "");
/// What a token is good for where UAA doesn't say.
const UNSAID_LIFETIME: Duration = Duration::from_secs(300);
/// What a token is good for at most, whatever UAA says.
const LONGEST_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// What a token is asked for with.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Grant<'a> {
    Client {
        id: &'a str,
        secret: &'a Secret,
    },
    User {
        username: &'a str,
        password: &'a Secret,
    },
    Refresh(&'a Secret),
}

/// What UAA hands out.
#[derive(Debug)]
pub(crate) struct Granted {
    pub(crate) access: Secret,
    pub(crate) refresh: Option<Secret>,
    pub(crate) lifetime: Duration,
}

/// Why it doesn't.
#[derive(Debug)]
pub(crate) enum GrantError {
    Refused {
        code: String,
    },
    AccountLocked,
    Answer(AnswerError),
    /// UAA may have checked the user's password, and nobody heard of it.
    Unanswered(AnswerError),
}

impl From<AnswerError> for GrantError {
    fn from(error: AnswerError) -> Self {
        Self::Answer(error)
    }
}

impl From<GrantError> for TokenError {
    fn from(error: GrantError) -> Self {
        match error {
            GrantError::Refused { code } => Self::Refused { code },
            GrantError::AccountLocked => Self::AccountLocked,
            GrantError::Answer(error) => Self::Answer(error),
            GrantError::Unanswered(error) => Self::Unanswered(error),
        }
    }
}

impl Transient for GrantError {
    fn is_transient(&self) -> bool {
        matches!(self, Self::Answer(error) if error.is_transient())
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Answer(error) | Self::Unanswered(error) => error.retry_after(),
            Self::Refused { .. } | Self::AccountLocked => None,
        }
    }
}

impl CloudFoundry {
    /// Asks UAA for a token, once. What may be repeated without UAA counting a wrong password twice is transient.
    pub(crate) async fn grant(&self, grant: Grant<'_>) -> Result<Granted, GrantError> {
        let granted = self.granted(grant).await;
        granted.map_err(|error| match (grant, error) {
            (Grant::User { .. }, GrantError::Answer(error)) if error.may_be_counted() => {
                GrantError::Unanswered(error)
            }
            (_, error) => error,
        })
    }

    async fn granted(&self, grant: Grant<'_>) -> Result<Granted, GrantError> {
        let url = below(&self.roots().await?.uaa, &["oauth", "token"]);
        let request = self
            .request(Method::POST, url)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form(grant));
        let request = match grant {
            Grant::Client { .. } => request,
            _ => request.basic_auth(PUBLIC_CLIENT.0, Some(PUBLIC_CLIENT.1)),
        };
        let answer = self.send(Server::Uaa, request).await?;
        if answer.is_success() {
            granted(&answer.body).map_err(GrantError::Answer)
        } else {
            Err(refusal(&answer))
        }
    }
}

fn form(grant: Grant<'_>) -> String {
    let mut form = Serializer::new(String::new());
    match grant {
        Grant::Client { id, secret } => form
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", id)
            // Not as basic authentication, whose encoding of special characters UAA's versions disagree about.
            .append_pair("client_secret", secret.expose()),
        Grant::User { username, password } => form
            .append_pair("grant_type", "password")
            .append_pair("username", username)
            .append_pair("password", password.expose()),
        Grant::Refresh(token) => form
            .append_pair("grant_type", "refresh_token")
            .append_pair("refresh_token", token.expose()),
    };
    form.finish()
}

fn granted(body: &[u8]) -> Result<Granted, AnswerError> {
    #[derive(Deserialize)]
    struct Wire {
        access_token: String,
        token_type: Option<String>,
        refresh_token: Option<String>,
        expires_in: Option<u64>,
    }
    let nonsense = |reason| AnswerError::nonsense(Server::Uaa, reason);
    let wire: Wire =
        serde_json::from_slice(body).map_err(|error| AnswerError::no_json(Server::Uaa, &error))?;
    let bearer = wire.token_type.as_deref().unwrap_or("bearer");
    if !bearer.eq_ignore_ascii_case("bearer") {
        return Err(nonsense("the token isn't a bearer's"));
    }
    if !is_sendable(&wire.access_token) {
        return Err(nonsense("the access token is none"));
    }
    Ok(Granted {
        access: Secret::new(wire.access_token),
        refresh: wire
            .refresh_token
            .filter(|token| !token.is_empty())
            .map(Secret::new),
        lifetime: wire
            .expires_in
            .map_or(UNSAID_LIFETIME, Duration::from_secs)
            .min(LONGEST_LIFETIME),
    })
}

/// Whether `token` can stand in a header.
pub(crate) fn is_sendable(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic())
}

fn refusal(answer: &Answer) -> GrantError {
    #[derive(Deserialize, Default)]
    struct Wire {
        #[serde(default)]
        error: String,
        #[serde(default)]
        error_description: String,
    }
    let wire: Option<Wire> = serde_json::from_slice(&answer.body).ok();
    let Wire {
        error,
        error_description,
    } = wire.unwrap_or_default();
    // The description can hold a token or a user's name; the code is one of a few words.
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let code = if error.len() <= 40 && error.chars().all(plain) {
        error
    } else {
        String::new()
    };
    match (answer.status, &*code) {
        // A router or a proxy in between answers without a code of UAA's: that tells nothing of the credentials.
        (401, "") => {
            AnswerError::nonsense(Server::Uaa, "it refuses (401) without an error code").into()
        }
        (401, _) if error_description.contains("locked") => GrantError::AccountLocked,
        (401 | 403, _) if !code.is_empty() => GrantError::Refused { code },
        (
            400,
            "invalid_grant"
            | "invalid_client"
            | "unauthorized_client"
            | "unauthorized"
            | "invalid_token"
            | "access_denied",
        ) => GrantError::Refused { code },
        _ => AnswerError::from_status(Server::Uaa, answer, code).into(),
    }
}
