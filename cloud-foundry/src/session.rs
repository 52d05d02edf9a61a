//! Calls to the API with somebody's credentials, whose token is kept and renewed.

use std::sync::Arc;
use std::time::Duration;

use prom_model::secret::Secret;
use rest_client::header::{AUTHORIZATION, HeaderValue};
use rest_client::{Answer, Method, SecretSource};
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;

use crate::client::CloudFoundry;
use crate::credentials::Credentials;
use crate::error::{ListError, Server, TokenError};
use crate::uaa::{Grant, GrantError, Granted, is_sendable};

/// How long before its end a token is renewed, at most.
const RENEWAL: Duration = Duration::from_secs(60);
/// How long to wait after UAA has refused credentials once, twice, and more often. UAA locks an account after five
/// refusals within an hour; these waits make four of it.
const REFUSAL_WAITS: [Duration; 3] = [
    Duration::from_secs(5 * 60),
    Duration::from_secs(15 * 60),
    Duration::from_secs(30 * 60),
];

/// A Cloud Foundry as somebody sees it. Clones share one token.
#[derive(Debug, Clone)]
pub struct Session {
    cloud_foundry: CloudFoundry,
    credentials: Credentials,
    token: Arc<Mutex<TokenState>>,
}

#[derive(Debug, Default)]
struct TokenState {
    current: Option<CurrentToken>,
    refresh: Option<Secret>,
    refusal: Option<Refusal>,
}

#[derive(Debug)]
struct CurrentToken {
    access: Secret,
    renew_at: Instant,
    ends_at: Instant,
}

/// What UAA has refused, and when it is asked with it again.
#[derive(Debug)]
struct Refusal {
    secret: Secret,
    code: String,
    failures: usize,
    until: Instant,
}

impl Session {
    pub(crate) fn new(cloud_foundry: CloudFoundry, credentials: Credentials) -> Self {
        Self {
            cloud_foundry,
            credentials,
            token: Arc::default(),
        }
    }

    pub(crate) const fn cloud_foundry(&self) -> &CloudFoundry {
        &self.cloud_foundry
    }

    /// The answer to `GET url`, which is one of success; retries what may pass, and renews the token where the API
    /// refuses it, once.
    pub(crate) async fn get(&self, url: &Url) -> Result<Answer, ListError> {
        let retry = self.cloud_foundry.retry();
        retry.run(|| self.attempt(url)).await
    }

    async fn attempt(&self, url: &Url) -> Result<Answer, ListError> {
        let token = self.access_token().await?;
        let mut answer = self.send(url, &token).await?;
        let mut used = token;
        if answer.status == 401 {
            self.expire(&used).await;
            let fresh = self.access_token().await?;
            if fresh != used {
                answer = self.send(url, &fresh).await?;
                used = fresh;
            }
        }
        if answer.is_success() {
            return Ok(answer);
        }
        Err(ListError::from_answer(&answer, used.expose()))
    }

    async fn send(&self, url: &Url, token: &Secret) -> Result<Answer, ListError> {
        let mut authorization = HeaderValue::try_from(format!("bearer {}", token.expose()))
            .map_err(|_| TokenError::Unsendable)?;
        authorization.set_sensitive(true);
        let request = self.cloud_foundry.request(Method::GET, url.clone());
        let request = request.header(AUTHORIZATION, authorization);
        Ok(self.cloud_foundry.send(Server::Api, request).await?)
    }

    /// A token that is good as far as is known.
    async fn access_token(&self) -> Result<Secret, TokenError> {
        if let Credentials::Token(source) = &self.credentials {
            return given_token(source).await;
        }
        // Held while UAA is asked: whoever waits meanwhile finds the token that is being handed out.
        let mut state = self.token.lock().await;
        if let Some(current) = &state.current
            && Instant::now() < current.renew_at
        {
            return Ok(current.access.clone());
        }
        let error = match self.renew(&mut state).await {
            Ok(access) => return Ok(access),
            Err(error) => error,
        };
        match &state.current {
            // Renewal is early, so that UAA may be away for a while.
            Some(current) if error.is_trouble() && Instant::now() < current.ends_at => {
                Ok(current.access.clone())
            }
            _ => Err(error),
        }
    }

    /// The API refuses `token`.
    async fn expire(&self, token: &Secret) {
        let mut state = self.token.lock().await;
        if state
            .current
            .as_ref()
            .is_some_and(|current| current.access == *token)
        {
            state.current = None;
        }
    }

    /// A new token: by the refresh token where there is one, else by the credentials.
    async fn renew(&self, state: &mut TokenState) -> Result<Secret, TokenError> {
        if let Some(refresh) = state.refresh.take() {
            match self.cloud_foundry.grant(Grant::Refresh(&refresh)).await {
                Ok(granted) => return Ok(state.take_over(granted, Some(refresh))),
                Err(GrantError::Answer(error)) if is_silence(&error) => {
                    state.refresh = Some(refresh);
                    return Err(error.into());
                }
                // It has expired or was revoked. UAA has answered with 5xx to such ones, too.
                Err(_) => tracing::debug!("uaa takes the refresh token no more"),
            }
        }
        let secret = match &self.credentials {
            Credentials::Client { secret, .. } => secret.read().await?,
            Credentials::User { password, .. } => password.read().await?,
            Credentials::Token(source) => return given_token(source).await,
        };
        let now = Instant::now();
        if let Some(refusal) = &state.refusal
            && refusal.secret == secret
            && now < refusal.until
        {
            return Err(TokenError::Paused {
                code: refusal.code.clone(),
                remaining: refusal.until - now,
            });
        }
        let grant = match &self.credentials {
            Credentials::Client { id, .. } => Grant::Client {
                id,
                secret: &secret,
            },
            Credentials::User { username, .. } => Grant::User {
                username,
                password: &secret,
            },
            Credentials::Token(_) => return Ok(secret),
        };
        match self.cloud_foundry.grant(grant).await {
            Ok(granted) => Ok(state.take_over(granted, None)),
            Err(error) => {
                match &error {
                    GrantError::Refused { code } => state.refused(secret, code),
                    GrantError::AccountLocked => state.refused(secret, "account locked"),
                    GrantError::Answer(_) | GrantError::Unanswered(_) => {}
                }
                Err(error.into())
            }
        }
    }
}

/// Whether UAA said nothing, so that the refresh token is as good as it was.
const fn is_silence(error: &crate::AnswerError) -> bool {
    use crate::AnswerError::{NotConnected, RateLimited, TimedOut, Unreachable};
    matches!(
        error,
        RateLimited { .. } | TimedOut { .. } | NotConnected { .. } | Unreachable { .. }
    )
}

/// A token as it is, or as `cf oauth-token` prints it.
async fn given_token(source: &SecretSource) -> Result<Secret, TokenError> {
    let given = source.read().await?;
    let token = given.expose().trim();
    let (kind, rest) = token.split_once(char::is_whitespace).unwrap_or((token, ""));
    let token = if kind.eq_ignore_ascii_case("bearer") {
        rest.trim_start()
    } else {
        token
    };
    if is_sendable(token) {
        Ok(Secret::new(token))
    } else {
        Err(TokenError::Unsendable)
    }
}

impl TokenState {
    /// Keeps what UAA handed out; `refresh` stays where it handed out no other.
    fn take_over(&mut self, granted: Granted, refresh: Option<Secret>) -> Secret {
        let now = Instant::now();
        let lifetime = granted.lifetime;
        self.refusal = None;
        self.refresh = granted.refresh.or(refresh);
        self.current = Some(CurrentToken {
            access: granted.access.clone(),
            renew_at: now + lifetime.saturating_sub(RENEWAL.min(lifetime / 4)),
            ends_at: now + lifetime,
        });
        granted.access
    }

    fn refused(&mut self, secret: Secret, code: &str) {
        let before = self.refusal.as_ref().map_or(0, |refusal| refusal.failures);
        let last = REFUSAL_WAITS.len() - 1;
        let wait = REFUSAL_WAITS.get(before.min(last)).copied();
        self.refusal = Some(Refusal {
            secret,
            code: code.to_owned(),
            failures: before + 1,
            until: Instant::now() + wait.unwrap_or_default(),
        });
    }
}
