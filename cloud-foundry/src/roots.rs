//! Where the API and UAA are, as the API's root says.

use serde::Deserialize;
use url::Url;

use crate::error::{AnswerError, Server};

/// The addresses that calls go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Roots {
    /// Of version 3 of the API.
    pub(crate) v3: Url,
    pub(crate) uaa: Url,
}

#[derive(Deserialize)]
struct Root {
    links: Links,
}

#[derive(Deserialize)]
struct Links {
    uaa: Option<Link>,
    login: Option<Link>,
    cloud_controller_v3: Option<Link>,
}

#[derive(Deserialize)]
struct Link {
    href: String,
}

impl Roots {
    /// Reads the answer to `GET /` of `api`. UAA is where `uaa` leads, else `login`.
    ///
    /// Tokens and passwords go where the links lead, so they must not lead out of TLS.
    pub(crate) fn parse(api: &Url, body: &[u8]) -> Result<Self, AnswerError> {
        let nonsense = |reason: &str| AnswerError::nonsense(Server::Api, reason);
        let root: Root = serde_json::from_slice(body)
            .map_err(|error| AnswerError::no_json(Server::Api, &error))?;
        let address = |link: Link, name: &str| {
            let wrong = || nonsense(&format!("the link {name} is no address for credentials"));
            let url = Url::parse(&link.href).map_err(|_| wrong())?;
            let encrypted = url.scheme() == "https";
            let plain = url.scheme() == "http" && api.scheme() == "http";
            let userless = url.username().is_empty() && url.password().is_none();
            if (encrypted || plain) && url.has_host() && userless {
                Ok(url)
            } else {
                Err(wrong())
            }
        };
        let links = root.links;
        let v3 = match links.cloud_controller_v3 {
            Some(link) => address(link, "cloud_controller_v3")?,
            None => below(api, &["v3"]),
        };
        let uaa = match (links.uaa, links.login) {
            (Some(link), _) => address(link, "uaa")?,
            (None, Some(link)) => address(link, "login")?,
            (None, None) => return Err(nonsense("there is no link to uaa")),
        };
        Ok(Self { v3, uaa })
    }
}

/// The address of `path` below `url`.
pub(crate) fn below(url: &Url, path: &[&str]) -> Url {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // An `http` address can always have a path.
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(api: &str, body: &str) -> Result<(String, String), String> {
        let roots = Roots::parse(&Url::parse(api).unwrap(), body.as_bytes());
        roots
            .map(|roots| (roots.v3.to_string(), roots.uaa.to_string()))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn links_are_followed() {
        let f = |api: &str, body: &str, v3: &str, uaa: &str| {
            assert_eq!(
                parse(api, body),
                Ok((v3.to_owned(), uaa.to_owned())),
                "{body}"
            );
        };
        f(
            "https://api.x",
            r#"{"links": {"uaa": {"href": "https://uaa.x"}, "login": {"href": "https://login.x"},
                "cloud_controller_v3": {"href": "https://api.x/v3", "meta": {"version": "3.1.0"}}, "logging": null}}"#,
            "https://api.x/v3",
            "https://uaa.x/",
        );
        f(
            "http://api.x/base/",
            r#"{"links": {"uaa": null, "login": {"href": "http://login.x/l"}}}"#,
            "http://api.x/base/v3",
            "http://login.x/l",
        );
    }

    #[test]
    fn links_that_make_no_sense_are_refused() {
        let f = |body: &str, want: &str| {
            let want = format!("the answer of the cloud foundry api makes no sense: {want}");
            assert_eq!(parse("https://api.x", body), Err(want), "{body}");
        };
        f("", "not JSON at line 1, column 0");
        f("<html>hunter2", "not JSON at line 1, column 1");
        f(
            r#"{"links": 7}"#,
            "JSON of another shape at line 1, column 11",
        );
        f(r#"{"links": {}}"#, "there is no link to uaa");
        for href in ["http://uaa.x", "https://u:p@uaa.x", "uaa.x", "ftp://uaa.x"] {
            let body = format!(r#"{{"links": {{"uaa": {{"href": "{href}"}}}}}}"#);
            f(&body, "the link uaa is no address for credentials");
        }
        f(
            r#"{"links": {"cloud_controller_v3": {"href": "http://api.x/v3"}, "uaa": {"href": "https://uaa.x"}}}"#,
            "the link cloud_controller_v3 is no address for credentials",
        );
    }
}
