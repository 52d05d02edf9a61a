//! The addresses that are listened on.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use tokio::net::{TcpListener, lookup_host};

/// `host:port`, where a missing host means every address of the machine.
///
/// ```
/// use federate_server::listener::ListenAddress;
///
/// let address: ListenAddress = ":9090".parse()?;
/// assert_eq!((address.host(), address.port()), ("", 9090));
/// let address: ListenAddress = "[::1]:9090".parse()?;
/// assert_eq!((address.host(), address.port()), ("::1", 9090));
/// # Ok::<(), federate_server::listener::ListenAddressError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ListenAddress {
    host: Box<str>,
    port: u16,
}

/// Why a text is no [`ListenAddress`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListenAddressError {
    /// There is no `:` before a port.
    #[error("{address:?} has no port, expected HOST:PORT or :PORT")]
    NoPort {
        /// The text.
        address: String,
    },
    /// What follows the last `:` is not 0 to 65535.
    #[error("{address:?} has an invalid port, expected 0 to 65535")]
    Port {
        /// The text.
        address: String,
    },
    /// An IPv6 address needs brackets, or a bracket has no pair.
    #[error(
        "{address:?} has an invalid host, expected a name, an IPv4 address or [an IPv6 address]"
    )]
    Host {
        /// The text.
        address: String,
    },
}

impl ListenAddress {
    /// The host without brackets, empty for every address of the machine.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; with 0 the system picks one.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Listens. [`TcpListener::local_addr`] of the answer tells the port that the system picked.
    ///
    /// A missing host listens on IPv6 and IPv4, or on IPv4 alone where the machine has no IPv6.
    ///
    /// # Errors
    /// Where the host is unknown or none of its addresses can be listened on.
    pub async fn bind(&self) -> io::Result<TcpListener> {
        if !self.host.is_empty() {
            let addresses: Vec<SocketAddr> = lookup_host((&*self.host, self.port)).await?.collect();
            return TcpListener::bind(addresses.as_slice()).await;
        }
        let every = [
            SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), self.port),
            SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), self.port),
        ];
        match TcpListener::bind(every[0]).await {
            // A port that is taken must not be shared out between the families.
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                TcpListener::bind(every[1]).await
            }
            bound => bound,
        }
    }
}

impl FromStr for ListenAddress {
    type Err = ListenAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let address = || text.to_owned();
        let (host, port) = text
            .rsplit_once(':')
            .ok_or_else(|| ListenAddressError::NoPort { address: address() })?;
        let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port
            .parse()
            .ok()
            .filter(|_| digits)
            .ok_or_else(|| ListenAddressError::Port { address: address() })?;
        let bracketed = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let valid = match bracketed {
            Some(host) => host.parse::<Ipv6Addr>().is_ok(),
            None => !host.contains([':', '[', ']', '/']) && !host.contains(char::is_whitespace),
        };
        if !valid {
            return Err(ListenAddressError::Host { address: address() });
        }
        Ok(Self {
            host: bracketed.unwrap_or(host).into(),
            port,
        })
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_what_prometheus_takes() {
        let f = |text: &str, host: &str, port: u16| {
            let address: ListenAddress = text.parse().unwrap();
            assert_eq!((address.host(), address.port()), (host, port), "{text}");
            assert_eq!(address.to_string(), text);
        };
        f("0.0.0.0:9090", "0.0.0.0", 9090);
        f(":9090", "", 9090);
        f("[::]:9090", "::", 9090);
        f("localhost:0", "localhost", 0);
    }

    #[test]
    fn refuses_the_rest() {
        for text in [
            "",
            "9090",
            "localhost",
            "a:b",
            ":",
            ":65536",
            ":-1",
            ":+1",
            "::1:9090",
            "[::1:9090",
            "[x]:1",
            "http://a:1",
            "a b:1",
            "[::]",
        ] {
            assert!(text.parse::<ListenAddress>().is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn reports_the_port_it_got() {
        let address: ListenAddress = "127.0.0.1:0".parse().unwrap();
        let listener = address.bind().await.unwrap();
        let bound = listener.local_addr().unwrap();
        assert_ne!(bound.port(), 0);
        let again: ListenAddress = bound.to_string().parse().unwrap();
        assert_eq!(
            again.bind().await.unwrap_err().kind(),
            io::ErrorKind::AddrInUse
        );
    }
}
