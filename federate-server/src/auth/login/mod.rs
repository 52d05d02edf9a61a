//! Users whom somebody else knows.
//!
//! A [`Login`] asks a system outside whether a password is right and what the user may see there. What surrounds it
//! here keeps that cheap and harmless:
//! - what it granted holds for [`Login::fresh`], then the next request with the same user and password asks
//!   again, once, however many there are;
//! - while it is unavailable, users go on with what they were granted for up to [`GOES_ON`]; others are refused with
//!   [`AuthError::Unavailable`](super::AuthError::Unavailable);
//! - while their account is locked, they go on for no more than [`GOES_ON_LOCKED`];
//! - a password it refused isn't sent again for [`REFUSED`], and rarely after that;
//! - no user's account is locked by what others try here, see [`lockout`].

mod answers;
mod decisions;
mod lockout;

use std::error::Error;
use std::fmt;

use futures_util::future::BoxFuture;
use prom_model::secret::Secret;
use tokio::time::Duration;

pub(super) use self::decisions::Decisions;
pub(super) use self::lockout::Lockout;
use crate::tenant::Tenant;

/// How long what a login granted is used without asking again, unless it says otherwise.
pub const FRESH: Duration = Duration::from_secs(5 * 60);

/// How long it is used at most while the login is unavailable, since it was last granted.
pub const GOES_ON: Duration = Duration::from_secs(60 * 60);

/// How long it is used at most while the account is locked, since it should have been granted again: as long as UAA
/// locks an account. Anybody can lock an account, and who is about to lose a role shall gain little by that.
pub const GOES_ON_LOCKED: Duration = Duration::from_secs(5 * 60);

/// How long a refused password isn't sent again.
pub const REFUSED: Duration = Duration::from_secs(30);

/// Knows users whom the configuration doesn't.
pub trait Login: Send + Sync + 'static {
    /// What `user` may see, if `password` is right. Given up after 15 seconds.
    ///
    /// An equal [`Tenant`] as the last time keeps what is kept for the user's requests. Its name is told in logs and
    /// metrics, so what a user chose doesn't belong there.
    ///
    /// # Errors
    /// As [`LoginError`] says.
    fn login<'a>(
        &'a self,
        user: &'a str,
        password: &'a Secret,
    ) -> BoxFuture<'a, Result<Tenant, LoginError>>;

    /// How long what was granted is used without asking again: a role that is revoked ends at the first request
    /// after that.
    fn fresh(&self) -> Duration {
        FRESH
    }
}

impl fmt::Debug for dyn Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login")
    }
}

/// Why a login grants nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoginError {
    /// User or password are wrong, or the user may see nothing.
    #[error("user or password are wrong")]
    Refused,
    /// The account is locked for a while, so that nobody knows whether the password is right.
    #[error("the account is locked for {} s", retry_after.as_secs())]
    TooManyAttempts {
        /// For how long.
        retry_after: Duration,
    },
    /// There was no answer, or not one that says anything about the password. The reason is logged.
    #[error("the login is unavailable")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
}
