//! `basic_auth_users`

use std::collections::BTreeMap;

use prom_config::render::{Mapping, Value};
use prom_config::{ConfigError, Decode, Node};
use prom_model::secret::Secret;

use crate::auth::Users;

/// Users and the bcrypt hashes of their passwords: one hash, or several while a password is replaced by another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BasicAuthUsers(BTreeMap<String, User>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum User {
    One(Secret),
    Several(Vec<Secret>),
}

impl BasicAuthUsers {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each user with the hashes of the passwords that are right, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[Secret])> {
        self.0.iter().map(|(name, user)| (&**name, user.hashes()))
    }

    pub(super) fn shown(&self) -> Mapping {
        let shown = |mapping: Mapping, (name, user): (&String, &User)| match user {
            User::One(_) => mapping.with(name, Value::secret()),
            User::Several(hashes) => {
                let hashes = hashes.iter().map(|_| Value::secret());
                mapping.with(name, Value::List(hashes.collect()))
            }
        };
        self.0.iter().fold(Mapping::new(), shown)
    }
}

impl User {
    fn hashes(&self) -> &[Secret] {
        match self {
            Self::One(hash) => std::slice::from_ref(hash),
            Self::Several(hashes) => hashes,
        }
    }
}

/// A mapping from users to a bcrypt hash or a list of them; errors never quote one.
impl Decode for BasicAuthUsers {
    fn decode(node: &Node) -> Result<Self, ConfigError> {
        let users = node.decode::<BTreeMap<String, Node>>()?.into_iter();
        let users = users.map(|(name, node)| {
            let user = user(&name, &node)?;
            Ok((name, user))
        });
        users.collect::<Result<_, _>>().map(Self)
    }

    fn null() -> Option<Self> {
        Some(Self::default())
    }
}

fn user(name: &str, node: &Node) -> Result<User, ConfigError> {
    if name.is_empty() {
        return Err(node.error("a user without a name"));
    }
    let checked = |node: &Node| {
        let hash: Secret = node.decode()?;
        match Users::builder().bcrypt(name, hash.expose()) {
            Ok(_) => Ok(hash),
            Err(error) => Err(node.error(format_args!("user {name:?}: {error}"))),
        }
    };
    match node.items() {
        Ok([]) => Err(node.error(format_args!(
            "user {name:?} has no password, expected a bcrypt hash or a list of them"
        ))),
        Ok(nodes) => {
            let hashes: Result<_, _> = nodes.iter().map(checked).collect();
            Ok(User::Several(hashes?))
        }
        Err(_) => Ok(User::One(checked(node)?)),
    }
}
