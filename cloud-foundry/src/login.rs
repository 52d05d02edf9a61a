//! Users that prove who they are with their own password.

use std::collections::BTreeSet;

use prom_model::secret::Secret;
use rest_client::SecretSource;
use tokio::time::timeout;

use crate::client::CloudFoundry;
use crate::credentials::Credentials;
use crate::error::{ListError, LoginError, TokenError};
use crate::list::{Identified, Query};
use crate::uaa::{Grant, GrantError};

/// Longest name or password that UAA is asked about, in bytes; it has none that long.
const LONGEST: usize = 1024;
/// Codes of UAA that refuse the public client, not the user.
const CLIENT_REFUSED: [&str; 2] = ["invalid_client", "unauthorized_client"];

impl CloudFoundry {
    /// The guids of the managed service instances that a user sees, shared ones among them, asked of the API with the
    /// user's own token. That token is kept nowhere.
    ///
    /// UAA locks an account for some minutes after five refusals within an hour, so a caller should remember what was
    /// refused. For the same reason a password goes to UAA once, unless it can't have been checked. A user that sees
    /// nothing, or may ask the API nothing, is no failure.
    ///
    /// # Errors
    /// [`LoginError`]
    pub async fn login(
        &self,
        username: &str,
        password: &Secret,
    ) -> Result<BTreeSet<String>, LoginError> {
        let lengths = [username.len(), password.expose().len()];
        if !lengths.iter().all(|length| (1..=LONGEST).contains(length)) {
            return Err(LoginError::WrongCredentials);
        }
        let limit = self.login_timeout();
        let visible = timeout(limit, self.visible_instances(username, password)).await;
        visible.unwrap_or(Err(LoginError::TimedOut { limit }))
    }

    async fn visible_instances(
        &self,
        username: &str,
        password: &Secret,
    ) -> Result<BTreeSet<String>, LoginError> {
        let grant = Grant::User { username, password };
        let granted = self.retry().run(|| self.grant(grant)).await;
        let granted = granted.map_err(|error| match error {
            GrantError::AccountLocked => LoginError::AccountLocked,
            GrantError::Refused { code } if !CLIENT_REFUSED.contains(&&*code) => {
                LoginError::WrongCredentials
            }
            error => LoginError::Unavailable(TokenError::from(error).into()),
        })?;
        let session = self.session(Credentials::Token(SecretSource::Inline(granted.access)));
        let query = Query::new("service_instances").with("type", "managed");
        let list = session.list::<Identified>(&query).await;
        match list {
            Ok(list) => Ok(list.items.into_keys().collect()),
            // The API's own words, which a router or a proxy in between doesn't have.
            Err(ListError::Forbidden { message }) if !message.is_empty() => Ok(BTreeSet::new()),
            Err(ListError::Unauthorized { message }) if !message.is_empty() => {
                Err(LoginError::WrongCredentials)
            }
            Err(error) => Err(LoginError::Unavailable(error)),
        }
    }
}
