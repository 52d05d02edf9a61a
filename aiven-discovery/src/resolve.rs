//! From host names to addresses.

mod nameservers;
mod system;

use std::error::Error;
use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;

pub use nameservers::{Nameservers, ResolverBuildError};
pub use system::SystemResolver;

/// Tells the addresses of a host.
#[async_trait]
pub trait Resolve: Send + Sync {
    /// The IPv4 and IPv6 addresses of `host`.
    ///
    /// # Errors
    /// [`ResolveError`] where there is no answer, or one without addresses.
    async fn resolve(&self, host: &str) -> Result<Addresses, ResolveError>;
}

/// The addresses of a host, as far as they could be found out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Addresses {
    /// At least one address; in any order.
    pub addresses: Vec<IpAddr>,
    /// The family whose query failed while the other's was answered: its addresses are not known,
    /// which doesn't mean that there are none.
    pub unknown: Option<Family>,
}

/// A family of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4, from A records.
    V4,
    /// IPv6, from AAAA records.
    V6,
}

impl Family {
    /// Whether `address` is of this family.
    #[must_use]
    pub const fn contains(self, address: &IpAddr) -> bool {
        matches!(
            (self, address),
            (Self::V4, IpAddr::V4(_)) | (Self::V6, IpAddr::V6(_))
        )
    }
}

/// Why a host has no known addresses.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// The host exists without addresses, or doesn't exist.
    #[error("no addresses")]
    NoAddresses,
    /// No answer in time.
    #[error("no answer within {limit:?}")]
    TimedOut {
        /// The time-out.
        limit: Duration,
    },
    /// The resolver failed.
    #[error("the lookup failed")]
    Failed {
        /// What it failed on.
        source: Box<dyn Error + Send + Sync>,
    },
}
