//! The users who may ask, and what their passwords are checked against.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use prom_model::secret::Secret;
use rand::RngExt as _;

use crate::tenant::Scope;

/// Costs a hash may have. A check at the highest takes about a minute, and one runs at a time.
const COSTS: std::ops::RangeInclusive<u32> = 4..=20;

/// Why a password can't be checked against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordError {
    /// Not `$2a$…`, `$2b$…` or `$2y$…` with 53 characters after the cost.
    #[error("not a bcrypt hash")]
    NotBcrypt,
    /// Checking it would take minutes, or nothing at all.
    #[error("bcrypt cost {cost} is outside 4 to 20")]
    Cost {
        /// The cost of the hash.
        cost: u32,
    },
    /// HTTP basic authentication can't carry such a name.
    #[error("a user's name holds no colon")]
    UserName,
    /// It would let in whoever knows the user's name.
    #[error("the password is empty")]
    Empty,
}

/// Users with one or more passwords each.
///
/// ```
/// use federate_server::auth::Users;
///
/// let users = Users::builder()
///     .bcrypt("grafana", "$2b$04$EGdrhbKUv8Oc9vGiXX0HQOxSg445d458Muh7DAHskb6QbtCvdxcie")?
///     .plain("tenant", "a password from the environment")?
///     .build();
/// assert_eq!(users.names().collect::<Vec<_>>(), ["grafana", "tenant"]);
/// # Ok::<(), federate_server::auth::PasswordError>(())
/// ```
#[derive(Clone, Default)]
pub struct Users {
    accounts: BTreeMap<Arc<str>, Account>,
    /// For each user, checks that cost as much and never pass.
    decoys: Vec<Vec<Check>>,
}

/// One user.
#[derive(Clone, Default)]
pub(super) struct Account {
    pub(super) checks: Vec<Check>,
    pub(super) scope: Scope,
}

/// One password of a user, as it is checked.
#[derive(Clone)]
pub(super) enum Check {
    Bcrypt(Secret),
    Plain(Secret),
    /// No password passes, and finding that out costs what [`Check::Plain`] costs.
    Never,
}

impl Users {
    /// No users yet.
    #[must_use]
    pub fn builder() -> UsersBuilder {
        UsersBuilder::default()
    }

    /// Whether there are no users.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// The users' names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.accounts.keys().map(|name| &**name)
    }

    /// Whether one of them sees only a part.
    pub(super) fn has_tenants(&self) -> bool {
        let mut accounts = self.accounts.values();
        accounts.any(|account| account.scope.tenant().is_some())
    }

    pub(super) fn find(&self, name: &str) -> Option<(&Arc<str>, &Account)> {
        self.accounts.get_key_value(name)
    }

    /// Checks for each of the users, that cost as much and never pass.
    pub(super) fn decoys(&self) -> &[Vec<Check>] {
        &self.decoys
    }
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// Collects [`Users`]. The same name may come several times, with a password each.
#[derive(Debug, Default)]
pub struct UsersBuilder {
    users: Users,
}

impl UsersBuilder {
    /// Adds a password by its bcrypt hash.
    ///
    /// # Errors
    /// Where `hash` isn't one, or `name` can't be a user's.
    pub fn bcrypt(self, name: &str, hash: &str) -> Result<Self, PasswordError> {
        let cost = bcrypt_cost(hash).ok_or(PasswordError::NotBcrypt)?;
        if !COSTS.contains(&cost) {
            return Err(PasswordError::Cost { cost });
        }
        self.add(name, Check::Bcrypt(Secret::from(hash)))
    }

    /// Adds a password as it is. It is compared in constant time.
    ///
    /// # Errors
    /// Where the password is empty, or `name` can't be a user's.
    pub fn plain(self, name: &str, password: &str) -> Result<Self, PasswordError> {
        if password.is_empty() {
            return Err(PasswordError::Empty);
        }
        self.add(name, Check::Plain(Secret::from(password)))
    }

    /// Lets the user `name`, who has been added, see `scope` and no more. Without it a user sees everything.
    #[must_use]
    pub fn scope(mut self, name: &str, scope: Scope) -> Self {
        if let Some(account) = self.users.accounts.get_mut(name) {
            account.scope = scope;
        }
        self
    }

    /// The users.
    #[must_use]
    pub fn build(mut self) -> Users {
        let decoys = |account: &Account| account.checks.iter().map(Check::decoy).collect();
        self.users.decoys = self.users.accounts.values().map(decoys).collect();
        self.users
    }

    fn add(mut self, name: &str, check: Check) -> Result<Self, PasswordError> {
        if name.contains(':') {
            return Err(PasswordError::UserName);
        }
        let account = self.users.accounts.entry(name.into()).or_default();
        account.checks.push(check);
        Ok(self)
    }
}

impl Check {
    /// What is stored of the password.
    pub(super) fn stored(&self) -> &str {
        match self {
            Self::Bcrypt(stored) | Self::Plain(stored) => stored.expose(),
            Self::Never => "",
        }
    }

    /// A check that costs the same and never passes.
    fn decoy(&self) -> Self {
        match self {
            Self::Bcrypt(hash) => decoy_hash(bcrypt_cost(hash.expose()).unwrap_or_default()),
            Self::Plain(_) | Self::Never => Self::Never,
        }
    }
}

/// The cost that `hash` tells, `None` where it isn't a bcrypt hash.
fn bcrypt_cost(hash: &str) -> Option<u32> {
    let parts: bcrypt::HashParts = hash.parse().ok()?;
    let version = hash.get(..4)?;
    ["$2a$", "$2b$", "$2y$"]
        .contains(&version)
        .then(|| parts.get_cost())
}

/// A hash of this cost whose password nobody knows.
fn decoy_hash(cost: u32) -> Check {
    const ALPHABET: &[u8; 64] = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut rng = rand::rng();
    let mut text = |length: usize| -> String {
        (0..length)
            .map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())]))
            .collect()
    };
    // 16 bytes of salt and 23 of digest leave the last character of each partly unused: zero, `.`.
    let (salt, digest) = (text(21), text(30));
    Check::Bcrypt(Secret::from(format!("$2b${cost:02}${salt}.{digest}.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "$2b$04$EGdrhbKUv8Oc9vGiXX0HQOxSg445d458Muh7DAHskb6QbtCvdxcie";

    #[test]
    fn a_decoy_is_a_hash_of_the_same_cost() {
        for cost in [4, 10, 12] {
            let Check::Bcrypt(hash) = decoy_hash(cost) else {
                panic!("not a hash");
            };
            assert_eq!(bcrypt_cost(hash.expose()), Some(cost), "{}", hash.expose());
        }
        let Check::Bcrypt(hash) = decoy_hash(4) else {
            panic!("not a hash");
        };
        assert_eq!(bcrypt::verify("x", hash.expose()).ok(), Some(false));
    }

    #[test]
    fn refuses_what_cannot_be_checked() {
        let f = |hash: &str, want| {
            let got = Users::builder().bcrypt("a", hash).err();
            assert_eq!(got, Some(want), "{hash}");
        };
        f("", PasswordError::NotBcrypt);
        f("secret", PasswordError::NotBcrypt);
        f(&HASH[..40], PasswordError::NotBcrypt);
        f(&HASH.replace("$2b", "$2x"), PasswordError::NotBcrypt);
        f(
            &HASH.replace("$04", "$31"),
            PasswordError::Cost { cost: 31 },
        );
        f(&HASH.replace("$04", "$03"), PasswordError::Cost { cost: 3 });
        let named = Users::builder().bcrypt("a:b", HASH).err();
        assert_eq!(named, Some(PasswordError::UserName));
        let empty = Users::builder().plain("a", "").err();
        assert_eq!(empty, Some(PasswordError::Empty));
    }

    #[test]
    fn nothing_secret_is_shown() {
        let users = Users::builder()
            .bcrypt("a", HASH)
            .and_then(|users| users.plain("b", "hunter2"))
            .map(|users| format!("{:?}", users.build()));
        assert_eq!(users.as_deref(), Ok(r#"{"a", "b"}"#));
    }
}
