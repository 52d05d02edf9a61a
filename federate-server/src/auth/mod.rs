//! Who asks: HTTP basic authentication, checked so that a scrape every few seconds costs nothing.
//!
//! [`Authenticator::authenticate`] turns the headers of a request into a [`Principal`]: who asks, and
//! the [`Scope`] of what that one may see.
//!
//! A bcrypt check takes tens of milliseconds of processor time on purpose, so:
//! - verdicts are kept, failures as well, in a cache whose key is a keyed hash over user, stored
//!   hash and password; a changed password needs no invalidation, its old verdicts just never match again;
//! - one check runs at a time, on the blocking pool, and only [`MAX_WAITING`] requests wait for their
//!   turn: the next is refused with [`AuthError::Busy`];
//! - an unknown user is checked against a decoy that costs what one of the known users costs.

mod cache;
mod credentials;
mod users;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use http::HeaderMap;
use prom_model::secret::Secret;
use ring::hmac;
use tokio::sync::Semaphore;

use self::cache::VerdictCache;
use self::credentials::Credentials;
use self::users::Check;
pub use self::users::{PasswordError, Users, UsersBuilder};
use crate::tenant::Scope;

/// How many requests may wait for the password check under way.
pub const MAX_WAITING: usize = 64;

/// Who sent a request; an extension of each request that was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// No users are configured, so everybody may ask.
    Anonymous,
    /// A user who gave a right password.
    User {
        /// The user's name.
        name: Arc<str>,
        /// What the user may see.
        scope: Scope,
    },
}

impl Principal {
    /// The user's name, `None` for [`Principal::Anonymous`].
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Anonymous => None,
            Self::User { name, .. } => Some(name),
        }
    }

    /// What may be seen.
    #[must_use]
    pub const fn scope(&self) -> &Scope {
        match self {
            Self::Anonymous => &Scope::Everything,
            Self::User { scope, .. } => scope,
        }
    }
}

/// Why a request has no [`Principal`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// No credentials, unreadable ones, or wrong ones. Which of them is told to nobody.
    #[error("user and password are required")]
    Unauthorized,
    /// Too many requests wait for their password to be checked.
    #[error("too many passwords wait to be checked")]
    Busy,
}

/// Checks users and passwords.
///
/// The users may be replaced at any time; requests under way finish with those they started with.
#[derive(Debug)]
pub struct Authenticator {
    users: ArcSwap<Users>,
    /// Fresh in each process: neither cache keys nor comparisons mean anything outside.
    key: hmac::Key,
    cache: Arc<Mutex<VerdictCache>>,
    turn: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl Authenticator {
    /// Checks against `users`; without any, everybody is [`Principal::Anonymous`].
    #[must_use]
    pub fn new(users: Users) -> Self {
        let key: [u8; 32] = rand::random();
        Self {
            users: ArcSwap::from_pointee(users),
            key: hmac::Key::new(hmac::HMAC_SHA256, &key),
            cache: Arc::default(),
            turn: Arc::new(Semaphore::new(1)),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Lets everybody in.
    #[must_use]
    pub fn open() -> Self {
        Self::new(Users::default())
    }

    /// Checks against `users` from now on.
    pub fn replace(&self, users: Users) {
        self.users.store(Arc::new(users));
    }

    /// Whether requests without credentials are refused.
    #[must_use]
    pub fn is_required(&self) -> bool {
        !self.users.load().is_empty()
    }

    /// Who sent a request with `headers`.
    ///
    /// Costs a keyed hash where the same user and password were checked lately.
    ///
    /// # Errors
    /// As [`AuthError`] says.
    pub async fn authenticate(&self, headers: &HeaderMap) -> Result<Principal, AuthError> {
        let users = self.users.load_full();
        if users.is_empty() {
            return Ok(Principal::Anonymous);
        }
        let credentials = Credentials::parse(headers).ok_or(AuthError::Unauthorized)?;
        let (known, checks) = match users.find(&credentials.user) {
            Some((name, account)) => (Some((name, account)), &*account.checks),
            None => (None, users.decoy(self.tag(&[credentials.user.as_bytes()]))),
        };
        let mut right = false;
        for check in checks {
            // Every check is made, so that the answer's time doesn't tell which one passed.
            right |= self.passes(&credentials, check).await?;
        }
        match known {
            Some((name, account)) if right => Ok(Principal::User {
                name: Arc::clone(name),
                scope: account.scope.clone(),
            }),
            _ => Err(AuthError::Unauthorized),
        }
    }

    async fn passes(&self, credentials: &Credentials, check: &Check) -> Result<bool, AuthError> {
        let password = credentials.password.as_bytes();
        match check {
            Check::Plain(expected) => {
                let expected = self.tag(&[expected.expose().as_bytes()]);
                let given = message(&[password]);
                Ok(hmac::verify(&self.key, &given, expected.as_ref()).is_ok())
            }
            // No password has this outcome, and finding that out costs what the others cost.
            Check::Never => {
                let other: [u8; 32] = rand::random();
                let given = message(&[password]);
                Ok(hmac::verify(&self.key, &given, &other).is_ok())
            }
            Check::Bcrypt(hash) => {
                let parts = [
                    credentials.user.as_bytes(),
                    hash.expose().as_bytes(),
                    password,
                ];
                let entry = digest(self.tag(&parts));
                match self.remembered(&entry) {
                    Some(verdict) => Ok(verdict),
                    None => self.verify_bcrypt(entry, credentials, hash).await,
                }
            }
        }
    }

    async fn verify_bcrypt(
        &self,
        entry: [u8; 32],
        credentials: &Credentials,
        hash: &Secret,
    ) -> Result<bool, AuthError> {
        let permit = {
            let _place = Place::take(&self.waiting).ok_or(AuthError::Busy)?;
            Arc::clone(&self.turn)
                .acquire_owned()
                .await
                .map_err(|_| AuthError::Busy)?
        };
        // The one before may have asked the same.
        if let Some(verdict) = self.remembered(&entry) {
            return Ok(verdict);
        }
        let password = credentials.password.clone();
        let hash = hash.clone();
        let cache = Arc::clone(&self.cache);
        // The task owns the permit and keeps the verdict itself: a client that hangs up neither
        // starts a second check beside this one nor makes its work be lost.
        let check = tokio::task::spawn_blocking(move || {
            let verdict = bcrypt::verify(password.as_bytes(), hash.expose()).unwrap_or(false);
            cache
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(entry, verdict);
            drop(permit);
            verdict
        });
        check.await.map_err(|_| AuthError::Busy)
    }

    fn remembered(&self, entry: &[u8; 32]) -> Option<bool> {
        self.cache
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(entry)
    }

    fn tag(&self, parts: &[&[u8]]) -> hmac::Tag {
        hmac::sign(&self.key, &message(parts))
    }
}

/// The parts, each after its length: other parts never make the same message.
fn message(parts: &[&[u8]]) -> Vec<u8> {
    let mut message = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
    for part in parts {
        message.extend_from_slice(&(part.len() as u64).to_be_bytes());
        message.extend_from_slice(part);
    }
    message
}

fn digest(tag: hmac::Tag) -> [u8; 32] {
    let mut digest = [0; 32];
    digest.copy_from_slice(tag.as_ref());
    digest
}

/// A place in the queue for the password check.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Option<Self> {
        let place = Self(waiting);
        // Dropping `place` gives it back, also where there was none.
        (waiting.fetch_add(1, Ordering::Relaxed) < MAX_WAITING).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_delimited() {
        assert_ne!(message(&[b"ab", b"c"]), message(&[b"a", b"bc"]));
        assert_ne!(message(&[b"ab"]), message(&[b"ab", b""]));
    }

    #[test]
    fn places_are_bounded_and_given_back() {
        let waiting = AtomicUsize::new(0);
        let places: Vec<_> = (0..MAX_WAITING)
            .filter_map(|_| Place::take(&waiting))
            .collect();
        assert_eq!(places.len(), MAX_WAITING);
        assert!(Place::take(&waiting).is_none());
        drop(places);
        assert_eq!(waiting.load(Ordering::Relaxed), 0);
    }
}
