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

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[tokio::test]
    async fn what_needs_no_query() {
        let resolver = SystemResolver::new(Duration::from_secs(20));
        for text in ["127.0.0.1", "::1", "10.1.2.3"] {
            let address: IpAddr = text.parse().unwrap();
            let got = resolver.resolve(text).await.expect(text);
            assert_eq!(got.addresses, [address], "{text}");
        }
        let localhost = resolver.resolve("localhost").await.expect("in /etc/hosts");
        assert!(localhost.addresses.iter().all(IpAddr::is_loopback));
    }
}
