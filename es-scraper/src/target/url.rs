//! The URL of a target, encoded as Go's `net/url` does it.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use http::HeaderValue;
use http::uri::PathAndQuery;
use url::{Host, Position, Url};

/// How a scrape request is protected on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain text, port 80 where the address has none.
    Http,
    /// TLS, port 443 where the address has none.
    Https,
}

impl Scheme {
    /// The scheme as a URL writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    fn parse(scheme: &str) -> Result<Self, EndpointError> {
        let known = [Self::Http, Self::Https].into_iter();
        let mut named = known.filter(|known| known.as_str().eq_ignore_ascii_case(scheme));
        named
            .next()
            .ok_or_else(|| EndpointError::Scheme(scheme.to_owned()))
    }

    const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Where a scrape connects to and what it asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Plain or TLS.
    pub scheme: Scheme,
    /// Host name or IP address, an IPv6 address without brackets and with its zone.
    pub host: Box<str>,
    /// TCP port.
    pub port: u16,
    /// The `Host` header: the address without zone, brackets kept, the port where the address has one.
    pub host_header: HeaderValue,
    /// Path and query of the request.
    pub path_and_query: PathAndQuery,
}

impl Endpoint {
    /// Where `url` leads to; what it says of user, password and fragment is left out.
    ///
    /// # Errors
    /// Where its scheme is neither `http` nor `https`, or it is too long to be asked for.
    pub fn from_url(url: &Url) -> Result<Self, EndpointError> {
        let scheme = Scheme::parse(url.scheme())?;
        let host = match url.host().ok_or(EndpointError::NoHost)? {
            Host::Domain(name) => name.to_owned(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        let authority = &url[Position::BeforeHost..Position::AfterPort];
        let path_and_query = &url[Position::BeforePath..Position::AfterQuery];
        Ok(Self {
            scheme,
            host: host.into(),
            port: url.port().unwrap_or_else(|| scheme.default_port()),
            host_header: HeaderValue::from_str(authority).map_err(|_| EndpointError::Host)?,
            path_and_query: PathAndQuery::from_str(path_and_query)
                .map_err(|_| EndpointError::TooLong)?,
        })
    }
}

/// Why a target has a URL that can't be asked. Such a target exists, as in Prometheus, and each of
/// its scrapes fails.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// `__scheme__` is neither `http` nor `https`.
    #[error("unsupported protocol scheme {0:?}")]
    Scheme(String),
    /// `__address__` has no host before its port.
    #[error("no host in address")]
    NoHost,
    /// The host is no name and no address.
    #[error("invalid host in address")]
    Host,
    /// What follows the last colon of `__address__` is no port.
    #[error("invalid port {0:?} in address")]
    Port(String),
    /// Path and query are longer than a request may carry.
    #[error("path and parameters are too long")]
    TooLong,
}

/// What a URL is made from; nothing of it is encoded yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts<'a> {
    pub(super) scheme: &'a str,
    pub(super) address: &'a str,
    pub(super) path: &'a str,
}

impl Parts<'_> {
    /// The URL as people are shown it: what an address has before an `@` is hidden.
    pub(super) fn display(self, query: &str) -> String {
        let mut url = String::with_capacity(
            self.scheme.len() + self.address.len() + self.path.len() + query.len() + 8,
        );
        if !self.scheme.is_empty() {
            url.push_str(self.scheme);
            url.push(':');
        }
        url.push_str("//");
        let host = match self.address.rsplit_once('@') {
            Some((_, host)) => {
                url.push_str("xxxxx@");
                host
            }
            None => self.address,
        };
        escape(host, Component::Host, &mut url);
        push_path_and_query(self.path, query, &mut url);
        url
    }

    pub(super) fn endpoint(self, query: &str) -> Result<Endpoint, EndpointError> {
        let scheme = Scheme::parse(self.scheme)?;
        let (host, bracketed, port) = split_address(self.address)?;
        let number = if port.is_empty() {
            scheme.default_port()
        } else {
            // Digits are checked apart, since `u16` takes a leading `+` too.
            let digits = port.bytes().all(|byte| byte.is_ascii_digit());
            let number = port.parse().ok().filter(|_| digits);
            number.ok_or_else(|| EndpointError::Port(port.to_owned()))?
        };
        let host = checked_host(host, bracketed)?;
        let mut header = if host.contains(':') {
            format!("[{}]", host.split('%').next().unwrap_or_default())
        } else {
            host.clone()
        };
        if !port.is_empty() {
            header.push(':');
            header.push_str(port);
        }
        let mut path_and_query = String::with_capacity(self.path.len() + query.len() + 2);
        push_path_and_query(self.path, query, &mut path_and_query);
        if !path_and_query.starts_with('/') {
            path_and_query.insert(0, '/');
        }
        Ok(Endpoint {
            scheme,
            host: host.into(),
            port: number,
            host_header: HeaderValue::from_str(&header).map_err(|_| EndpointError::Host)?,
            path_and_query: PathAndQuery::from_str(&path_and_query)
                .map_err(|_| EndpointError::TooLong)?,
        })
    }
}

/// `params` as Go's `url.Values.Encode` writes them: sorted by name, spaces as `+`.
pub(super) fn encode_query(params: &BTreeMap<&str, Vec<&str>>) -> String {
    let mut query = String::new();
    for (name, values) in params {
        for value in values {
            if !query.is_empty() {
                query.push('&');
            }
            escape(name, Component::Query, &mut query);
            query.push('=');
            escape(value, Component::Query, &mut query);
        }
    }
    query
}

/// Host, whether it stood in brackets, and the port, empty where there is none.
fn split_address(address: &str) -> Result<(&str, bool, &str), EndpointError> {
    let (host, bracketed, rest) = if let Some(inner) = address.strip_prefix('[') {
        let (host, rest) = inner.rsplit_once(']').ok_or(EndpointError::Host)?;
        (host, true, rest)
    } else {
        let at = address.rfind(':').unwrap_or(address.len());
        (&address[..at], false, &address[at..])
    };
    let port = match rest.strip_prefix(':') {
        Some(port) => port,
        None if rest.is_empty() => "",
        None => return Err(EndpointError::Port(rest.to_owned())),
    };
    if host.is_empty() {
        return Err(EndpointError::NoHost);
    }
    Ok((host, bracketed, port))
}

fn checked_host(host: &str, bracketed: bool) -> Result<String, EndpointError> {
    if bracketed || host.contains(':') {
        let address = host.split('%').next().unwrap_or_default();
        let zone = &host[address.len()..];
        let zone_fits = zone.is_empty() || zone.len() > 1 && bracketed;
        let legal = zone.bytes().all(|byte| byte.is_ascii_graphic());
        return match Ipv6Addr::from_str(address) {
            Ok(_) if zone_fits && legal => Ok(host.to_owned()),
            _ => Err(EndpointError::Host),
        };
    }
    if Ipv4Addr::from_str(host).is_ok() {
        return Ok(host.to_owned());
    }
    if host.is_ascii() {
        let legal = host.bytes().all(|byte| !must_escape(byte, Component::Host))
            && !host.contains(['[', ']']);
        return legal.then(|| host.to_owned()).ok_or(EndpointError::Host);
    }
    match Host::parse(host) {
        Ok(Host::Domain(ascii)) => Ok(ascii),
        _ => Err(EndpointError::Host),
    }
}

fn push_path_and_query(path: &str, query: &str, out: &mut String) {
    if !path.is_empty() && !path.starts_with('/') {
        out.push('/');
    }
    if path == "*" {
        out.push('*');
    } else {
        escape(path, Component::Path, out);
    }
    if !query.is_empty() {
        out.push('?');
        out.push_str(query);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Component {
    Host,
    Path,
    Query,
}

fn escape(text: &str, component: Component, out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if component == Component::Query && byte == b' ' {
            out.push('+');
        } else if must_escape(byte, component) {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        } else {
            out.push(char::from(byte));
        }
    }
}

/// What Go's `net/url` escapes: only what RFC 3986 calls unreserved is safe everywhere.
fn must_escape(byte: u8, component: Component) -> bool {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => false,
        b'$' | b'&' | b'+' | b',' | b':' | b';' | b'=' => component == Component::Query,
        b'/' | b'@' => component != Component::Path,
        b'!' | b'\'' | b'(' | b')' | b'*' | b'[' | b']' | b'<' | b'>' | b'"' => {
            component != Component::Host
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts<'a>(scheme: &'a str, address: &'a str, path: &'a str) -> Parts<'a> {
        Parts {
            scheme,
            address,
            path,
        }
    }

    #[test]
    fn urls_are_escaped_as_go_does() {
        let f = |address: &str, path: &str, query: &str, want: &str| {
            assert_eq!(
                parts("http", address, path).display(query),
                want,
                "{address} {path}"
            );
        };
        f("h:1", "/metrics", "", "http://h:1/metrics");
        f("h", "", "", "http://h");
        f("h", "", "a=1", "http://h?a=1");
        f("h", "m", "a=1", "http://h/m?a=1");
        f("h", "/a?b#c", "", "http://h/a%3Fb%23c");
        f("h", "/a b/ü%", "", "http://h/a%20b/%C3%BC%25");
        f("h", "/!'()*[]", "", "http://h/%21%27%28%29%2A%5B%5D");
        f("h", "/$&+,:;=@~", "", "http://h/$&+,:;=@~");
        f("[::1]:9100", "/", "", "http://[::1]:9100/");
        f("ü:1", "/", "", "http://%C3%BC:1/");
        f("user:pass@h:1", "/m", "", "http://xxxxx@h:1/m");
    }

    #[test]
    fn queries_are_sorted_and_escaped() {
        let params = BTreeMap::from([
            ("b", vec!["1", "2 3"]),
            ("a", vec![]),
            ("match[]", vec!["{job=\"x\"}"]),
            ("", vec!["/~"]),
        ]);
        assert_eq!(
            encode_query(&params),
            "=%2F~&b=1&b=2+3&match%5B%5D=%7Bjob%3D%22x%22%7D"
        );
    }

    #[test]
    fn an_endpoint_has_host_port_and_header() {
        let f = |scheme: &str, address: &str, want: (&str, u16, &str)| {
            let endpoint = parts(scheme, address, "/").endpoint("").unwrap();
            assert_eq!(
                (
                    &*endpoint.host,
                    endpoint.port,
                    endpoint.host_header.to_str().unwrap()
                ),
                want,
                "{address}"
            );
        };
        f("http", "h", ("h", 80, "h"));
        f("https", "h", ("h", 443, "h"));
        f("HTTPS", "h:", ("h", 443, "h"));
        f("http", "h:9273", ("h", 9273, "h:9273"));
        f("http", "1.2.3.4:1", ("1.2.3.4", 1, "1.2.3.4:1"));
        f("http", "[::1]:1", ("::1", 1, "[::1]:1"));
        f("http", "[::1]", ("::1", 80, "[::1]"));
        f(
            "http",
            "[fe80::1%eth0]:1",
            ("fe80::1%eth0", 1, "[fe80::1]:1"),
        );
        f(
            "http",
            "bücher.example:1",
            ("xn--bcher-kva.example", 1, "xn--bcher-kva.example:1"),
        );
    }

    #[test]
    fn an_address_that_cannot_be_asked_says_why() {
        let f = |scheme: &str, address: &str, want: EndpointError| {
            assert_eq!(
                parts(scheme, address, "/").endpoint(""),
                Err(want),
                "{address}"
            );
        };
        let port = |text: &str| EndpointError::Port(text.to_owned());
        f("ftp", "h", EndpointError::Scheme("ftp".to_owned()));
        f("", "h", EndpointError::Scheme(String::new()));
        f("http", ":80", EndpointError::NoHost);
        f("http", "h:http", port("http"));
        f("http", "h:+80", port("+80"));
        f("http", "h:65536", port("65536"));
        f("http", "[::1]80", port("80"));
        f("http", "[::1", EndpointError::Host);
        f("http", "[h]:1", EndpointError::Host);
        f("http", "a b:1", EndpointError::Host);
        f("http", "user:pass@h:1", EndpointError::Host);
        f("http", "a]:1", EndpointError::Host);
    }

    #[test]
    fn an_endpoint_is_made_of_a_url() {
        let f = |url: &str, want: (&str, u16, &str, &str)| {
            let endpoint = Endpoint::from_url(&Url::parse(url).unwrap()).unwrap();
            let have = (
                &*endpoint.host,
                endpoint.port,
                endpoint.host_header.to_str().unwrap(),
                endpoint.path_and_query.as_str(),
            );
            assert_eq!(have, want, "{url}");
        };
        f("http://h", ("h", 80, "h", "/"));
        f("https://u:p@h/a?b#c", ("h", 443, "h", "/a?b"));
        f("http://[::1]:1/", ("::1", 1, "[::1]:1", "/"));
        let file = Url::parse("file:///a").unwrap();
        assert_eq!(
            Endpoint::from_url(&file),
            Err(EndpointError::Scheme("file".to_owned()))
        );
    }

    #[test]
    fn the_request_starts_at_the_root() {
        let f = |path: &str, query: &str, want: &str| {
            let endpoint = parts("http", "h", path).endpoint(query).unwrap();
            assert_eq!(endpoint.path_and_query.as_str(), want, "{path} {query}");
        };
        f("", "", "/");
        f("", "a=1", "/?a=1");
        f("m", "", "/m");
        f("/m?x", "a=1", "/m%3Fx?a=1");
    }
}
