//! Redirects, as Go's HTTP client follows them, but for what other hosts get to see.

use http::uri::PathAndQuery;
use http::{HeaderValue, StatusCode};
use prom_config::http_client::Redirects;
use url::{Host, Position, Url};

use super::response::Head;
use crate::scrape::error::ScrapeError;
use crate::target::{Endpoint, Scheme};

/// Where `answer`, given by `from`, says to go instead; `None` where it is no redirect.
fn location(from: &Endpoint, answer: &Head) -> Option<Result<Endpoint, ScrapeError>> {
    let redirects = matches!(
        answer.status,
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    let location = answer.location.as_ref().filter(|_| redirects)?;
    Some(resolve(from, location).ok_or(ScrapeError::Redirect))
}

/// Where `answer`, given by `from` while `first` is scraped, leads by what `redirects` says; `None` where it is to be taken
/// as it is.
pub(super) fn followed(
    redirects: Redirects,
    first: &Endpoint,
    from: &Endpoint,
    answer: &Head,
) -> Option<Result<Endpoint, ScrapeError>> {
    match redirects {
        Redirects::Refuse => None,
        Redirects::Follow => location(from, answer),
        Redirects::FollowWithinHost => {
            let next = location(from, answer)?;
            Some(next.and_then(|next| {
                let stays = first.host.eq_ignore_ascii_case(&next.host) && first.port == next.port;
                stays.then_some(next).ok_or(ScrapeError::RedirectElsewhere)
            }))
        }
    }
}

/// Whether `endpoint` may see what is meant for `first` only: it is the same host, and no easier to
/// listen to.
pub(super) fn may_see_credentials(first: &Endpoint, endpoint: &Endpoint) -> bool {
    let as_safe = endpoint.scheme == Scheme::Https || first.scheme == Scheme::Http;
    as_safe && first.host.eq_ignore_ascii_case(&endpoint.host)
}

fn resolve(from: &Endpoint, location: &HeaderValue) -> Option<Endpoint> {
    let base = format!(
        "{}://{}{}",
        from.scheme.as_str(),
        from.host_header.to_str().ok()?,
        from.path_and_query
    );
    let url = Url::parse(&base).ok()?.join(location.to_str().ok()?).ok()?;
    let scheme = match url.scheme() {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => return None,
    };
    let host = match url.host()? {
        Host::Domain(name) => name.to_owned(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    };
    Some(Endpoint {
        scheme,
        host: host.into(),
        port: url.port_or_known_default()?,
        host_header: HeaderValue::from_str(&url[Position::BeforeHost..Position::AfterPort]).ok()?,
        path_and_query: url[Position::BeforePath..Position::AfterQuery]
            .parse::<PathAndQuery>()
            .ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scrape::client::response::HeadReader;

    fn answer(status: u16, location: Option<&str>) -> Head {
        let location = location.map_or(String::new(), |to| format!("Location: {to}\r\n"));
        let head = format!("HTTP/1.1 {status} x\r\n{location}\r\n");
        let read = HeadReader::default().read(head.as_bytes());
        read.unwrap().unwrap()
    }

    fn endpoint(url: &str) -> Endpoint {
        let from = Endpoint {
            scheme: Scheme::Http,
            host: "h".into(),
            port: 80,
            host_header: HeaderValue::from_static("h"),
            path_and_query: PathAndQuery::from_static("/"),
        };
        resolve(&from, &HeaderValue::from_str(url).unwrap()).unwrap()
    }

    #[test]
    fn locations_are_resolved() {
        let f = |from: &str, location: &str, want: Option<&str>| {
            let answer = answer(302, Some(location));
            let got = super::location(&endpoint(from), &answer).unwrap().ok();
            assert_eq!(got, want.map(endpoint), "{from} {location}");
        };
        f("http://a:9/x/metrics?q=1", "/y", Some("http://a:9/y"));
        f(
            "http://a:9/x/metrics?q=1",
            "z?r=2",
            Some("http://a:9/x/z?r=2"),
        );
        f("http://a:9/x", "https://b/y", Some("https://b:443/y"));
        f("https://[::1]:9/x", "/y", Some("https://[::1]:9/y"));
        f("http://a/x", "ftp://b/y", None);
    }

    #[test]
    fn only_a_redirect_with_a_location_is_one() {
        let f = |status: u16, location: Option<&str>, want: bool| {
            let got = super::location(&endpoint("http://a/"), &answer(status, location));
            assert_eq!(got.is_some(), want, "{status} {location:?}");
        };
        f(301, Some("/a"), true);
        f(308, Some("/a"), true);
        f(302, None, false);
        f(300, Some("/a"), false);
        f(200, Some("/a"), false);
    }

    #[test]
    fn credentials_stay_with_the_host() {
        let f = |first: &str, then: &str, want: bool| {
            let got = may_see_credentials(&endpoint(first), &endpoint(then));
            assert_eq!(got, want, "{first} {then}");
        };
        f("http://a/x", "http://a/y", true);
        f("http://a/x", "https://a/y", true);
        f("https://a/x", "https://a:444/y", true);
        f("https://a/x", "http://a/y", false);
        f("https://a/x", "https://b/x", false);
    }
}
