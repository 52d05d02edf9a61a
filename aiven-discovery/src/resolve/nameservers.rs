//! A resolver that asks given name servers.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use async_trait::async_trait;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::Name;

use super::{Addresses, Family, Resolve, ResolveError};

/// Asks name servers over UDP, and over TCP where an answer is too long for it.
///
/// Names are taken as complete, without search domains or `/etc/hosts`. Nothing is cached: a lookup
/// asks, so that an address is never older than the interval between lookups.
#[derive(Debug, Clone)]
pub struct Nameservers {
    resolver: TokioResolver,
    timeout: Duration,
}

/// Why there is no resolver.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolverBuildError {
    /// No name server was given.
    #[error("there is no name server to ask")]
    NoNameservers,
    /// The resolver can't be set up.
    #[error("the resolver can't be set up")]
    Setup(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Nameservers {
    /// Asks `servers`; a lookup, all its attempts included, is given up after `timeout`.
    ///
    /// # Errors
    /// [`ResolverBuildError`]
    pub fn new(servers: &[SocketAddr], timeout: Duration) -> Result<Self, ResolverBuildError> {
        if servers.is_empty() {
            return Err(ResolverBuildError::NoNameservers);
        }
        let servers = servers
            .iter()
            .map(|server| {
                let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
                let connections = connections.map(|mut connection| {
                    connection.port = server.port();
                    connection
                });
                NameServerConfig::new(server.ip(), true, connections.into())
            })
            .collect();
        let config = ResolverConfig::from_parts(None, Vec::new(), servers);
        let mut builder =
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        let options = builder.options_mut();
        options.cache_size = 0;
        options.use_hosts_file = ResolveHosts::Never;
        options.attempts = 2;
        options.timeout = timeout / 3;
        let resolver = builder
            .build()
            .map_err(|error| ResolverBuildError::Setup(Box::new(error)))?;
        Ok(Self { resolver, timeout })
    }

    async fn both_families(&self, host: &str) -> Result<Addresses, ResolveError> {
        let mut name = Name::from_utf8(host).map_err(failed)?;
        name.set_fqdn(true);
        let (v4, v6) = tokio::join!(
            self.resolver.ipv4_lookup(name.clone()),
            self.resolver.ipv6_lookup(name),
        );
        let (addresses, unknown) = match (answered(v4), answered(v6)) {
            (Ok(v4), Ok(v6)) => ([v4, v6].concat(), None),
            (Ok(v4), Err(_)) if !v4.is_empty() => (v4, Some(Family::V6)),
            (Err(_), Ok(v6)) if !v6.is_empty() => (v6, Some(Family::V4)),
            (Err(error), _) | (_, Err(error)) => return Err(failed(error)),
        };
        if addresses.is_empty() {
            return Err(ResolveError::NoAddresses);
        }
        Ok(Addresses { addresses, unknown })
    }
}

#[async_trait]
impl Resolve for Nameservers {
    async fn resolve(&self, host: &str) -> Result<Addresses, ResolveError> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(Addresses {
                addresses: vec![address],
                unknown: None,
            });
        }
        tokio::time::timeout(self.timeout, self.both_families(host))
            .await
            .map_err(|_| ResolveError::TimedOut {
                limit: self.timeout,
            })?
    }
}

/// The addresses of an answer; none where the answer says that there are none.
fn answered(lookup: Result<Lookup, NetError>) -> Result<Vec<IpAddr>, NetError> {
    match lookup {
        Ok(lookup) => Ok(lookup
            .answers()
            .iter()
            .filter_map(|record| record.data.ip_addr())
            .collect()),
        Err(error) if error.is_no_records_found() || error.is_nx_domain() => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> ResolveError {
    ResolveError::Failed {
        source: Box::new(error),
    }
}
