//! The `Authorization` header.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use prom_model::secret::Secret;

/// Longest encoded user and password that is looked at.
const MAX_ENCODED: usize = 4096;

/// User and password as a client sent them.
pub(super) struct Credentials {
    pub(super) user: String,
    pub(super) password: Secret,
}

impl Credentials {
    /// What `Authorization: Basic …` says, `None` where it is absent, given twice, too long or malformed. Control
    /// characters make it malformed (RFC 7617, section 2).
    pub(super) fn parse(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return None;
        };
        let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") || encoded.len() > MAX_ENCODED {
            return None;
        }
        let decoded = STANDARD.decode(encoded.trim_matches(' ')).ok()?;
        let decoded = String::from_utf8(decoded).ok()?;
        if decoded.contains(|it: char| it.is_ascii_control()) {
            return None;
        }
        let (user, password) = decoded.split_once(':')?;
        Some(Self {
            user: user.to_owned(),
            password: password.into(),
        })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn parse(value: &[u8]) -> Option<(String, String)> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        Credentials::parse(&headers).map(|it| (it.user, it.password.expose().to_owned()))
    }

    fn basic(text: &[u8]) -> Vec<u8> {
        format!("Basic {}", STANDARD.encode(text)).into_bytes()
    }

    #[test]
    fn reads_user_and_password() {
        let f = |text: &str, user: &str, password: &str| {
            let want = Some((user.to_owned(), password.to_owned()));
            assert_eq!(parse(&basic(text.as_bytes())), want, "{text}");
        };
        f("a:b", "a", "b");
        f("a:b:c", "a", "b:c");
        f(":", "", "");
        f("ä:ö", "ä", "ö");
        assert!(parse(b"bAsIc  YTpi").is_some());
    }

    #[test]
    fn refuses_everything_else() {
        for value in [
            b"".to_vec(),
            b"Basic".to_vec(),
            b"Basic ".to_vec(),
            b"Basic ====".to_vec(),
            b"Bearer YTpi".to_vec(),
            b"Basic \xff\xfe".to_vec(),
            basic(b"no colon"),
            basic(b"\xff\xfe:x"),
            basic(b"a\0:x"),
            basic(b"a:x\n"),
            b"Basic YTpi, Basic YTpi".to_vec(),
            basic(&[b'a'; MAX_ENCODED]),
        ] {
            assert_eq!(parse(&value), None, "{value:?}");
        }
    }

    #[test]
    fn two_headers_are_ambiguous() {
        let mut headers = HeaderMap::new();
        headers.append(AUTHORIZATION, HeaderValue::from_static("Basic YTpi"));
        headers.append(AUTHORIZATION, HeaderValue::from_static("Basic YTpi"));
        assert!(Credentials::parse(&headers).is_none());
    }
}
