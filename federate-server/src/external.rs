//! The address that users reach this process by, and what target URLs look like from there.

use std::fmt;
use std::str::FromStr;

/// Hosts that mean another machine to everybody else.
const LOCAL_HOSTS: [&str; 3] = ["127.0.0.1", "localhost", "::1"];

/// `scheme://host[:port]` that users reach this process by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalUrl {
    scheme: Box<str>,
    authority: Box<str>,
    listen_port: u16,
}

/// The text is not `http://HOST…` or `https://HOST…`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{url:?} is not an external URL, expected http://HOST[:PORT] or https://HOST[:PORT]")]
pub struct ExternalUrlError {
    url: String,
}

impl ExternalUrl {
    /// What users call a process that listens on `port` of the machine named `hostname`, where nobody says otherwise.
    /// An empty name is `localhost`.
    #[must_use]
    pub fn of_host(scheme: &str, hostname: &str, port: u16) -> Self {
        let host = if hostname.is_empty() {
            "localhost"
        } else {
            hostname
        };
        Self {
            scheme: scheme.into(),
            authority: format!("{host}:{port}").into(),
            listen_port: port,
        }
    }

    /// Tells which port this process listens on, to recognise its own URL among the targets'.
    #[must_use]
    pub const fn with_listen_port(mut self, port: u16) -> Self {
        self.listen_port = port;
        self
    }

    /// `url` of a target as it is reached from elsewhere: where its host is local, the host is replaced by the external
    /// one, and where it is this very process, scheme and port as well (as Prometheus' `globalUrl`).
    #[must_use]
    pub fn globalize(&self, url: &str) -> String {
        let Some((scheme, rest)) = url.split_once("://") else {
            return url.to_owned();
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let (host, port) = split_port(authority);
        if !LOCAL_HOSTS.contains(&unbracketed(host)) {
            return url.to_owned();
        }
        if port == Some(self.listen_port.to_string().as_str()) {
            return format!("{}://{}{path}", self.scheme, self.authority);
        }
        let (host, _) = split_port(&self.authority);
        match port {
            Some(port) => format!("{scheme}://{host}:{port}{path}"),
            None => format!("{scheme}://{host}{path}"),
        }
    }
}

impl FromStr for ExternalUrl {
    type Err = ExternalUrlError;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        let invalid = || ExternalUrlError {
            url: url.to_owned(),
        };
        let (scheme, rest) = url.split_once("://").ok_or_else(invalid)?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (host, port) = split_port(authority);
        let port_is_valid = port.is_none_or(|port| port.parse::<u16>().is_ok());
        if !["http", "https"].contains(&scheme)
            || host.is_empty()
            || !port_is_valid
            || host.contains('@')
        {
            return Err(invalid());
        }
        Ok(Self {
            scheme: scheme.into(),
            authority: authority.into(),
            listen_port: 0,
        })
    }
}

impl fmt::Display for ExternalUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)
    }
}

/// Host, with its brackets, and port.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

fn unbracketed(host: &str) -> &str {
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Prometheus 3.5 answers for targets of these addresses, started with
    /// `--web.external-url=https://prom.example.com:8443/` on port 19391.
    #[test]
    fn local_targets_are_named_from_outside() {
        let external: ExternalUrl = "https://prom.example.com:8443/x".parse().unwrap();
        let external = external.with_listen_port(19391);
        let f = |url: &str, want: &str| assert_eq!(external.globalize(url), want, "{url}");
        f(
            "http://127.0.0.1:19391/metrics",
            "https://prom.example.com:8443/metrics",
        );
        f(
            "http://localhost:1/metrics?a=b",
            "http://prom.example.com:1/metrics?a=b",
        );
        f(
            "http://[::1]:1/metrics",
            "http://prom.example.com:1/metrics",
        );
        f(
            "http://localhost/metrics",
            "http://prom.example.com/metrics",
        );
        f(
            "https://10.1.2.3:9273/metrics",
            "https://10.1.2.3:9273/metrics",
        );
        f(
            "https://[2001:db8::1]:9273/m",
            "https://[2001:db8::1]:9273/m",
        );
        f("nonsense", "nonsense");
    }

    #[test]
    fn refuses_what_is_no_address() {
        for url in [
            "",
            "prom:80",
            "ftp://a",
            "http://",
            "http://:80",
            "http://a:x",
            "http://u:p@a",
        ] {
            assert!(url.parse::<ExternalUrl>().is_err(), "{url}");
        }
    }
}
