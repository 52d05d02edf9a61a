//! From nodes to values.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::Deref;
use std::time::Duration;

use prom_model::label::LabelSet;
use prom_model::secret::Secret;

use crate::duration;
use crate::error::{ConfigError, Position};
use crate::fields::{Fields, OnMerge};
use crate::size::ByteSize;
use crate::yaml::{Node, Resolved};

/// A value that a configuration can hold.
pub trait Decode: Sized {
    /// Decodes `node`.
    ///
    /// # Errors
    /// Where `node` isn't such a value; the error is at the place of what is wrong.
    fn decode(node: &Node) -> Result<Self, ConfigError>;

    /// What a key with a null (`key:`, `key: ~`) sets. As in Prometheus, that is not the default of
    /// the setting but the zero of its type: an empty text, `false`, `0`, an empty list. `None`,
    /// which is right for mappings, makes a null the same as an absent key.
    #[must_use]
    fn null() -> Option<Self> {
        None
    }
}

/// Any scalar by its text, `replacement: 1` and `label: true` too.
impl Decode for String {
    fn decode(node: &Node) -> Result<Self, ConfigError> {
        match node.scalar()? {
            Some((_, Resolved::Null)) => Ok(Self::new()),
            Some((scalar, _)) => Ok(scalar.text.to_string()),
            None => Err(node.mismatch("a string")),
        }
    }

    fn null() -> Option<Self> {
        Some(Self::new())
    }
}

/// As a string; errors never quote it.
impl Decode for Secret {
    fn decode(node: &Node) -> Result<Self, ConfigError> {
        node.decode::<String>().map(Self::from)
    }

    fn null() -> Option<Self> {
        Some(Self::default())
    }
}

/// `true`, `yes`, `on`, `y` and their opposites, unquoted, in lower case, upper case or capitalized.
impl Decode for bool {
    fn decode(node: &Node) -> Result<Self, ConfigError> {
        match node.scalar()? {
            Some((_, Resolved::Bool(value))) => Ok(value),
            Some((_, Resolved::Null)) => Ok(false),
            _ => Err(node.mismatch("a boolean, true or false without quotes")),
        }
    }

    fn null() -> Option<Self> {
        Some(false)
    }
}

/// An integer of zero or more; a number with a fraction loses it, as in Prometheus.
impl Decode for u64 {
    fn decode(node: &Node) -> Result<Self, ConfigError> {
        let wanted = "an integer of 0 or more, without quotes";
        match node.scalar()? {
            Some((_, Resolved::Null)) => Ok(0),
            Some((_, Resolved::Int(value))) => Self::try_from(value)
                .map_err(|_| node.error(format_args!("negative, expected {wanted}"))),
            Some((_, Resolved::Large(value))) => Ok(value),
            // Two to the 64th, which f64 holds exactly.
            Some((_, Resolved::Float(value))) => {
                if value > -1.0 && value < 18_446_744_073_709_551_616.0 {
                    Ok(value as Self)
                } else {
                    Err(node.error(format_args!("out of range, expected {wanted}")))
                }
            }
            _ => Err(node.mismatch(wanted)),
        }
    }

    fn null() -> Option<Self> {
        Some(0)
    }
}

macro_rules! narrower {
    ($($integer:ty),*) => {$(
        /// As `u64`, within this type's range.
        impl Decode for $integer {
            fn decode(node: &Node) -> Result<Self, ConfigError> {
                Self::try_from(node.decode::<u64>()?).map_err(|_| {
                    node.error(format_args!("out of range, expected at most {}", Self::MAX))
                })
            }

            fn null() -> Option<Self> {
                Some(0)
            }
        }
    )*};
}
narrower!(u16, u32, usize);

/// A number.
impl Decode for f64 {
    fn decode(node: &Node) -> Result<Self, ConfigError> {
        match node.scalar()? {
            Some((_, Resolved::Null)) => Ok(0.0),
            Some((_, Resolved::Int(value))) => Ok(value as Self),
            Some((_, Resolved::Large(value))) => Ok(value as Self),
            Some((_, Resolved::Float(value))) => Ok(value),
            _ => Err(node.mismatch("a number, without quotes")),
        }
    }

    fn null() -> Option<Self> {
        Some(0.0)
    }
}

/// As [`crate::duration::parse`] reads it.
impl Decode for Duration {
    fn decode(node: &Node) -> Result<Self, ConfigError> {
        match node.scalar()? {
            Some((_, Resolved::Null)) => Ok(Self::ZERO),
            Some((scalar, _)) => duration::parse(&scalar.text)
                .map_err(|error| node.error(format_args!("{:?}: {error}", scalar.text))),
            None => Err(node.mismatch("a duration such as 30s or 1h30m")),
        }
    }

    fn null() -> Option<Self> {
        Some(Self::ZERO)
    }
}

/// As [`ByteSize`] parses it.
impl Decode for ByteSize {
    fn decode(node: &Node) -> Result<Self, ConfigError> {
        match node.scalar()? {
            Some((_, Resolved::Null)) => Ok(Self(0)),
            Some((scalar, _)) => (scalar.text.parse())
                .map_err(|error| node.error(format_args!("{:?}: {error}", scalar.text))),
            None => Err(node.mismatch("a byte size such as 64MB")),
        }
    }

    fn null() -> Option<Self> {
        Some(Self(0))
    }
}

/// A list; a null is an empty one.
impl<T: Decode> Decode for Vec<T> {
    fn decode(node: &Node) -> Result<Self, ConfigError> {
        node.items()?.iter().map(T::decode).collect()
    }

    fn null() -> Option<Self> {
        Some(Self::new())
    }
}

/// A mapping with any keys; a null is an empty one.
impl<T: Decode> Decode for BTreeMap<String, T> {
    fn decode(node: &Node) -> Result<Self, ConfigError> {
        Fields::with_merge(node, OnMerge::Refuse)?
            .into_entries()
            .map(|(name, _, value)| Ok((name, value.decode()?)))
            .collect()
    }

    fn null() -> Option<Self> {
        Some(Self::new())
    }
}

/// A mapping from label names to values. Names are any text but the empty one.
impl Decode for LabelSet {
    fn decode(node: &Node) -> Result<Self, ConfigError> {
        let entries = Fields::with_merge(node, OnMerge::Refuse)?.into_entries();
        entries
            .map(|(name, at, value)| {
                if name.is_empty() {
                    return Err(at.error("an empty label name, expected at least one character"));
                }
                Ok((name, value.decode::<String>()?))
            })
            .collect()
    }

    fn null() -> Option<Self> {
        Some(Self::new())
    }
}

/// `None` for a null.
impl<T: Decode> Decode for Option<T> {
    fn decode(node: &Node) -> Result<Self, ConfigError> {
        if node.is_null() {
            return Ok(None);
        }
        node.decode().map(Some)
    }

    fn null() -> Option<Self> {
        Some(None)
    }
}

/// The node itself.
impl Decode for Node {
    fn decode(node: &Node) -> Result<Self, ConfigError> {
        Ok(node.clone())
    }
}

/// A value, and where it is: for checks that come after decoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Positioned<T> {
    /// The value.
    pub value: T,
    /// Where it starts.
    pub position: Position,
}

impl<T> Positioned<T> {
    /// The value after `check`, whose error gets the value's position.
    ///
    /// # Errors
    /// Those of `check`.
    pub fn check<U, E: Display>(
        self,
        check: impl FnOnce(T) -> Result<U, E>,
    ) -> Result<U, ConfigError> {
        check(self.value).map_err(|error| self.position.error(error))
    }

    /// An error at its position.
    #[must_use]
    pub fn error(&self, message: impl Display) -> ConfigError {
        self.position.error(message)
    }
}

impl<T> Deref for Positioned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Decode> Decode for Positioned<T> {
    fn decode(node: &Node) -> Result<Self, ConfigError> {
        Ok(Self {
            value: node.decode()?,
            position: node.position(),
        })
    }
}

#[cfg(test)]
mod tests;
