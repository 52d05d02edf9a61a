//! Who asks: HTTP basic authentication, checked so that a scrape every few seconds costs nothing.
//!
//! [`Authenticator::authenticate`] turns a request into a [`Principal`]: who asks, and the [`Scope`] of what that one
//! may see. Three parts know users, each replaceable while others ask; who is known to one isn't looked for in the
//! next:
//! 1. the accounts of the configuration, tenants and operators ([`Authenticator::set_accounts`]);
//! 2. the users of the web configuration ([`Authenticator::set_web_users`]), who see everything;
//! 3. a [`Login`] ([`Authenticator::set_login`]), which asks somebody else.
//!
//! A bcrypt check takes tens of milliseconds of processor time on purpose, so:
//! - verdicts are kept, failures as well, in a cache whose key is a keyed hash over user, stored
//!   hash and password; a changed password needs no invalidation, its old verdicts just never match again;
//! - one check runs at a time, on the blocking pool, and only [`MAX_WAITING`] requests wait for their
//!   turn. Addresses take turns, and those without failures come first: nobody waits for one who guesses;
//! - an unknown user is checked against a decoy that costs what one of the known users costs. (Not where there is
//!   a login, as names that are unknown here are sent there: how long it takes is its matter);
//! - wrong passwords that had to be checked are counted by address, and by user at an address. Whoever has made too
//!   many has passwords checked no more for a while, whether right or wrong: [`AuthError::TooManyFailures`]. A password
//!   that was right at this address before passes all the same, and the same wrong one again is simply wrong.
//!
//! The address is the peer's, or what proxies say that stand in front: [`Authenticator::set_trusted_proxies`]. Behind
//! a proxy that isn't counted there, all clients are one address, and one who guesses keeps others from
//! giving passwords that weren't given there before.

mod bucket;
mod client;
mod credentials;
mod failures;
mod keyed;
mod login;
mod metrics;
mod passwords;
mod queue;
mod recent;
mod requester;
mod throttle;
mod users;

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::HeaderMap;
use tracing::warn;

use self::client::Client;
pub use self::client::client_address;
use self::credentials::Credentials;
use self::failures::Failures;
use self::keyed::Keyed;
use self::login::{Decisions, Lockout};
pub use self::login::{FRESH, GOES_ON, GOES_ON_LOCKED, Login, LoginError, REFUSED};
pub use self::metrics::AuthMetrics;
use self::metrics::Authority;
use self::passwords::Passwords;
pub use self::queue::MAX_WAITING;
use self::requester::Requester;
use self::throttle::Throttle;
use self::users::Check;
pub use self::users::{PasswordError, Users, UsersBuilder};
use crate::tenant::Scope;

/// What the `WWW-Authenticate` header says of every answer to a request without a [`Principal`]. RFC 7617 asks for
/// a realm; the character set tells browsers how to send what isn't ASCII.
pub const CHALLENGE: &str = r#"Basic realm="metrics", charset="UTF-8""#;

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
    /// Too many passwords of this user or from this address were wrong, so that this one isn't looked at.
    #[error("too many wrong passwords")]
    TooManyFailures {
        /// When one will be looked at again.
        retry_after: Duration,
    },
    /// The login that knows this user, if anybody does, doesn't answer.
    #[error("users can't be looked up")]
    Unavailable {
        /// When it makes sense to try again.
        retry_after: Duration,
    },
}

/// Checks users and passwords.
///
/// Each part of it may be replaced at any time; requests under way finish with what they started with.
#[derive(Debug)]
pub struct Authenticator {
    parts: ArcSwap<Parts>,
    trusted_proxies: AtomicUsize,
    keyed: Keyed,
    passwords: Arc<Passwords>,
    throttle: Arc<Throttle>,
    lockout: Arc<Lockout>,
    failures: Failures,
    metrics: ArcSwap<AuthMetrics>,
    told: Mutex<Mixture>,
}

/// What is told of the parts' users beside each other.
#[derive(Debug, Default, PartialEq, Eq)]
struct Mixture {
    /// Users of the web configuration who see everything while others don't.
    operators: Vec<String>,
    /// Users of both, to whom their account counts.
    twice: Vec<String>,
}

/// Who knows users.
#[derive(Debug, Clone, Default)]
struct Parts {
    accounts: Option<Arc<Users>>,
    web_users: Arc<Users>,
    login: Option<Arc<Decisions>>,
    /// Whether a password was ever asked for.
    required: bool,
}

impl Parts {
    fn mixture(&self) -> Mixture {
        let accounts = self.accounts.as_deref();
        let has_tenants = accounts.is_some_and(Users::has_tenants) || self.login.is_some();
        let is_account = |name: &&str| accounts.is_some_and(|users| users.find(name).is_some());
        let (twice, operators): (Vec<&str>, Vec<&str>) =
            self.web_users.names().partition(is_account);
        let owned = |names: Vec<&str>| names.into_iter().map(ToOwned::to_owned).collect();
        Mixture {
            operators: owned(if has_tenants { operators } else { Vec::new() }),
            twice: owned(twice),
        }
    }

    /// Whether a password is to be asked for, whatever was before.
    fn ask(&self) -> bool {
        self.accounts.is_some() || !self.web_users.is_empty() || self.login.is_some()
    }
}

impl Authenticator {
    /// Checks against `users`, who are those of the web configuration; without any, everybody is
    /// [`Principal::Anonymous`].
    #[must_use]
    pub fn new(users: Users) -> Self {
        let auth = Self {
            parts: ArcSwap::default(),
            trusted_proxies: AtomicUsize::new(0),
            keyed: Keyed::new(),
            passwords: Arc::new(Passwords::new()),
            throttle: Arc::default(),
            lockout: Arc::default(),
            failures: Failures::default(),
            metrics: ArcSwap::default(),
            told: Mutex::default(),
        };
        auth.set_web_users(users);
        auth
    }

    /// Lets everybody in.
    #[must_use]
    pub fn open() -> Self {
        Self::new(Users::default())
    }

    /// Replaces the accounts of the configuration, `None` where it names neither tenants nor operators.
    ///
    /// With `Some`, even of nobody, a password is asked for. Once one was, by whichever part, that stays so until the
    /// process ends: taking the last user away locks out, and never lets in.
    pub fn set_accounts(&self, accounts: Option<Users>) {
        let accounts = accounts.map(Arc::new);
        self.change(|parts| parts.accounts.clone_from(&accounts));
    }

    /// Replaces the users of the web configuration.
    pub fn set_web_users(&self, users: Users) {
        let users = Arc::new(users);
        self.change(|parts| parts.web_users = Arc::clone(&users));
    }

    /// Replaces the login. What it decided is kept where it is the same one.
    pub fn set_login(&self, login: Option<Arc<dyn Login>>) {
        let former = self.parts.load().login.clone();
        let decisions = login.map(|login| match former {
            Some(former) if former.is_of(&login) => former,
            _ => Arc::new(Decisions::new(login, Arc::clone(&self.lockout))),
        });
        self.change(|parts| parts.login.clone_from(&decisions));
    }

    /// How many proxies stand in front, each of which adds its client's address to `X-Forwarded-For`. Zero at first.
    pub fn set_trusted_proxies(&self, count: usize) {
        self.trusted_proxies.store(count, Ordering::Relaxed);
    }

    /// Counts in `metrics` from now on.
    pub fn count_in(&self, metrics: &AuthMetrics) {
        self.metrics.store(Arc::new(metrics.clone()));
    }

    /// Whether requests without credentials are refused.
    #[must_use]
    pub fn is_required(&self) -> bool {
        self.parts.load().required
    }

    /// Whether they are because of the users of the web configuration alone.
    pub(crate) fn is_required_by_web_users_alone(&self) -> bool {
        let parts = self.parts.load();
        let without = Parts {
            web_users: Arc::default(),
            ..Parts::clone(&parts)
        };
        !parts.web_users.is_empty() && !without.ask()
    }

    fn change(&self, change: impl Fn(&mut Parts)) {
        self.parts.rcu(|parts| {
            let mut parts = Parts::clone(parts);
            change(&mut parts);
            parts.required |= parts.ask();
            parts
        });
        let parts = self.parts.load();
        if parts.required && !parts.ask() {
            warn!("no user is left, so nobody is let in until there are users again, or a restart");
        }
        let mixture = parts.mixture();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if *told == mixture {
            return;
        }
        let Mixture { operators, twice } = &mixture;
        if !operators.is_empty() && told.operators != *operators {
            warn!(
                ?operators,
                "users of the web configuration, or of BASIC_AUTH_USERNAME, see what belongs to all tenants"
            );
        }
        if !twice.is_empty() && told.twice != *twice {
            warn!(
                users = ?twice,
                "users of the web configuration are users of the configuration, too, whose passwords alone are right"
            );
        }
        *told = mixture;
    }

    /// Who sent a request with `headers` over a connection from `peer`.
    ///
    /// Costs a keyed hash where the same user and password were checked lately.
    ///
    /// # Errors
    /// As [`AuthError`] says.
    pub async fn authenticate(
        &self,
        peer: Option<IpAddr>,
        headers: &HeaderMap,
    ) -> Result<Principal, AuthError> {
        let parts = self.parts.load_full();
        if !parts.required {
            return Ok(Principal::Anonymous);
        }
        let metrics = self.metrics.load_full();
        let Some(credentials) = Credentials::parse(headers) else {
            let refused = Err(AuthError::Unauthorized);
            metrics.request(Authority::Nobody, &refused);
            return refused;
        };
        let (user, password) = (&credentials.user, &credentials.password);
        let requester = Requester {
            client: self.client(peer, headers),
            user: self.keyed.tag(&[b"user", user.as_bytes()]),
            credentials: self
                .keyed
                .digest(&[user.as_bytes(), password.expose().as_bytes()]),
            throttle: Arc::clone(&self.throttle),
            metrics,
        };
        let (authority, outcome) = self.ask(&parts, &credentials, &requester).await;
        requester.metrics.request(authority, &outcome);
        if let Err(error) = outcome {
            self.failures
                .failed(requester.client, requester.user, error);
        }
        outcome
    }

    fn client(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Client {
        let proxies = self.trusted_proxies.load(Ordering::Relaxed);
        peer.map_or(Client::Unknown, |peer| {
            Client::of(client_address(peer, headers, proxies))
        })
    }

    async fn ask(
        &self,
        parts: &Parts,
        credentials: &Credentials,
        requester: &Requester,
    ) -> (Authority, Result<Principal, AuthError>) {
        let user = credentials.user.as_str();
        let accounts = parts.accounts.as_deref().and_then(|users| users.find(user));
        let known = accounts.map(|it| (Authority::Accounts, it));
        let known = known.or_else(|| Some((Authority::WebConfig, parts.web_users.find(user)?)));
        match (known, &parts.login) {
            (Some((authority, (name, account))), _) => {
                let passed =
                    self.passwords
                        .pass(credentials, &account.checks, &self.keyed, requester);
                let principal = Principal::User {
                    name: Arc::clone(name),
                    scope: account.scope.clone(),
                };
                (authority, let_in(passed.await, principal))
            }
            (None, Some(login)) => {
                // Names that differ in case only are the same account for UAA, which counts its failures together.
                let account = user.trim().to_lowercase();
                let password = credentials.password.expose().as_bytes();
                let requester = Requester {
                    user: self.keyed.tag(&[b"account", account.as_bytes()]),
                    credentials: self
                        .keyed
                        .digest(&[b"account", account.as_bytes(), password]),
                    ..requester.clone()
                };
                let decided = login.decide(credentials, &requester).await;
                let principal = |scope| Principal::User {
                    name: user.into(),
                    scope,
                };
                (Authority::Login, decided.map(principal))
            }
            (None, None) => {
                let decoy = parts.decoy(self.keyed.tag(&[b"decoy", user.as_bytes()]));
                let passed = self
                    .passwords
                    .pass(credentials, decoy, &self.keyed, requester)
                    .await;
                // A decoy never passes.
                (Authority::Unknown, passed.and(Err(AuthError::Unauthorized)))
            }
        }
    }
}

fn let_in(passed: Result<bool, AuthError>, principal: Principal) -> Result<Principal, AuthError> {
    if passed? {
        Ok(principal)
    } else {
        Err(AuthError::Unauthorized)
    }
}

impl Parts {
    /// Checks for an unknown user: always the same for the same `tag` of the name, and costing what those of
    /// one of the users cost. So the time of a refusal tells no name.
    fn decoy(&self, tag: [u8; 16]) -> &[Check] {
        let accounts = self.accounts.as_deref().map_or(&[][..], Users::decoys);
        let decoys = [accounts, self.web_users.decoys()];
        let count = decoys.iter().map(|part| part.len()).sum::<usize>().max(1);
        let at = u128::from_be_bytes(tag) % count as u128;
        let at = usize::try_from(at).unwrap_or_default();
        let mut decoys = decoys.into_iter().flatten();
        decoys.nth(at).map_or(&[], Vec::as_slice)
    }
}
