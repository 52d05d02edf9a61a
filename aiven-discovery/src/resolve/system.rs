//! The resolver of the system.

use std::time::Duration;

use async_trait::async_trait;

use super::{Addresses, Resolve, ResolveError};

/// Asks as every program of the machine does, `/etc/hosts` included.
#[derive(Debug, Clone)]
pub struct SystemResolver {
    timeout: Duration,
}

impl SystemResolver {
    /// A lookup is given up after `timeout`.
    #[must_use]
    pub const fn new(timeout: Duration) -> Self {
        Self { timeout }
    }
}

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, host: &str) -> Result<Addresses, ResolveError> {
        let lookup = tokio::time::timeout(self.timeout, tokio::net::lookup_host((host, 0)));
        let found = lookup
            .await
            .map_err(|_| ResolveError::TimedOut {
                limit: self.timeout,
            })?
            .map_err(|error| ResolveError::Failed {
                source: Box::new(error),
            })?;
        let mut addresses: Vec<_> = found.map(|address| address.ip()).collect();
        addresses.sort_unstable();
        addresses.dedup();
        if addresses.is_empty() {
            return Err(ResolveError::NoAddresses);
        }
        Ok(Addresses {
            addresses,
            unknown: None,
        })
    }
}
