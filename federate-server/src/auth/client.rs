//! From where a request comes.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::HeaderMap;
use http::header::HeaderName;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address of the client that sent a request with `headers` over a connection from `peer`.
///
/// That is `peer`, unless `trusted_proxies` of them stand in front, each of which adds the address of its own peer to
/// the right of `X-Forwarded-For`: then it is the one so many from the right. What stands further left was written by
/// whoever sent the request, and isn't looked at. Where there are fewer, or there is no address (a port behind it is
/// fine), it is `peer`.
///
/// ```
/// use federate_server::auth::client_address;
/// use http::HeaderMap;
///
/// let peer = "10.0.0.1".parse()?;
/// let mut headers = HeaderMap::new();
/// headers.append("x-forwarded-for", "6.6.6.6, 192.0.2.7".parse()?);
/// headers.append("x-forwarded-for", "10.0.0.2".parse()?);
/// assert_eq!(client_address(peer, &headers, 0), peer);
/// assert_eq!(client_address(peer, &headers, 2), "192.0.2.7".parse::<std::net::IpAddr>()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn client_address(peer: IpAddr, headers: &HeaderMap, trusted_proxies: usize) -> IpAddr {
    let forwarded = trusted_proxies.checked_sub(1).and_then(|skipped| {
        let lines = headers.get_all(X_FORWARDED_FOR).iter().rev();
        let mut entries = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
        parse(entries.nth(skipped)?)
    });
    forwarded.unwrap_or(peer).to_canonical()
}

fn parse(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?.trim_matches([' ', '\t']);
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    if let Some(bare) = bare {
        return bare.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    }
    let address = text.parse().ok();
    address.or_else(|| text.parse::<SocketAddr>().ok().map(|it| it.ip()))
}

/// Whom failures are counted against: an IPv4 address, or all of an IPv6 network of 64 bits, as one customer has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Client {
    /// A request that came over no connection, as in tests.
    Unknown,
    Address(IpAddr),
}

impl Client {
    pub(super) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                let network = Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0);
                Self::Address(IpAddr::V6(network))
            }
            address => Self::Address(address),
        }
    }
}

/// All addresses that one owner may have: an IPv4 address, or an IPv6 network of 48 bits, as large sites have them
/// (RFC 6177).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Site(Client);

impl Client {
    pub(super) fn site(self) -> Site {
        Site(match self {
            Self::Address(IpAddr::V6(address)) => {
                let [a, b, c, ..] = address.segments();
                let network = Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0);
                Self::Address(IpAddr::V6(network))
            }
            other => other,
        })
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("unknown"),
            Self::Address(IpAddr::V6(network)) => write!(f, "{network}/64"),
            Self::Address(address) => address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const PEER: &str = "10.0.0.1";

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn headers<T: AsRef<[u8]>>(lines: &[T]) -> HeaderMap {
        let value = |line: &T| HeaderValue::from_bytes(line.as_ref()).unwrap();
        lines
            .iter()
            .map(|line| (X_FORWARDED_FOR, value(line)))
            .collect()
    }

    #[test]
    fn the_address_is_so_many_from_the_right() {
        let f = |lines: &[&str], proxies, want| {
            let got = client_address(address(PEER), &headers(lines), proxies);
            assert_eq!(got, address(want), "{lines:?} {proxies}");
        };
        f(&["1.1.1.1"], 0, PEER);
        f(&["1.1.1.1"], 1, "1.1.1.1");
        f(&["6.6.6.6, 1.1.1.1"], 1, "1.1.1.1");
        f(&["6.6.6.6,1.1.1.1 ,\t2.2.2.2 "], 2, "1.1.1.1");
        f(&["6.6.6.6", "1.1.1.1", "2.2.2.2"], 2, "1.1.1.1");
        f(&["\u{fc}, 1.1.1.1"], 1, "1.1.1.1");
        f(&["1.1.1.1:443"], 1, "1.1.1.1");
        f(&["[2001:db8::1]:443"], 1, "2001:db8::1");
        f(&["[2001:db8::1]"], 1, "2001:db8::1");
        f(&["2001:db8::1"], 1, "2001:db8::1");
        f(&["::ffff:1.1.1.1"], 1, "1.1.1.1");
        for odd in [
            &[][..],
            &[""],
            &["1.1.1.1,"],
            &["1.1.1"],
            &["unknown"],
            &["_x"],
        ] {
            f(odd, 1, PEER);
        }
        f(&["[1.1.1.1]"], 1, PEER);
        f(&["1.1.1.1"], 2, PEER);
        f(&["1.1.1.1"], usize::MAX, PEER);
    }

    #[test]
    fn failures_are_counted_by_network() {
        let f = |one: &str, other: &str, want| {
            let same = Client::of(address(one)) == Client::of(address(other));
            assert_eq!(same, want, "{one} {other}");
        };
        f("2001:db8::1", "2001:db8::ffff:0:0:1", true);
        f("2001:db8::1", "2001:db8:0:1::1", false);
        f("1.1.1.1", "::ffff:1.1.1.1", true);
        f("1.1.1.1", "1.1.1.2", false);
        assert_eq!(
            Client::of(address("2001:db8::1")).to_string(),
            "2001:db8::/64"
        );
    }

    proptest! {
        #[test]
        fn what_a_client_writes_changes_nothing(
            written in proptest::collection::vec(proptest::collection::vec(
                any::<u8>().prop_filter("no header holds it", |byte| *byte >= 32 && *byte != 127), 0..40), 0..4),
            real: IpAddr,
            proxies in proptest::collection::vec(any::<IpAddr>(), 0..4),
            joined: bool,
        ) {
            let mut lines = written;
            let added = std::iter::once(&real).chain(&proxies).map(ToString::to_string);
            for (at, entry) in added.enumerate() {
                match lines.last_mut() {
                    Some(last) if joined || at > 0 => last.extend(format!(", {entry}").bytes()),
                    _ => lines.push(entry.into_bytes()),
                }
            }
            let got = client_address(address(PEER), &headers(&lines), proxies.len() + 1);
            prop_assert_eq!(got, real.to_canonical());
        }

        #[test]
        fn nothing_is_too_odd(line in proptest::collection::vec(any::<u8>(), 0..60), proxies in 0_usize..5) {
            if let Ok(value) = HeaderValue::from_bytes(&line) {
                let headers = HeaderMap::from_iter([(X_FORWARDED_FOR, value)]);
                let got = client_address(address(PEER), &headers, proxies);
                let text = String::from_utf8_lossy(&line);
                prop_assert!(got == address(PEER) || proxies > 0 && text.contains(['.', ':']));
            }
        }
    }
}
