//! How to reach an HTTP server: authentication, TLS, redirects, headers.
//!
//! The settings are those of Prometheus' `HTTPClientConfig`, checked but not acted upon: files that
//! they name are read by whoever makes the requests, so that a changed password counts at once.

mod headers;
mod shown;
mod tls;

use std::fmt::Debug;
use std::path::{Path, PathBuf};

use prom_model::secret::Secret;

use crate::decode::{Decode, Positioned};
use crate::error::ConfigError;
use crate::fields::Fields;
use crate::yaml::Node;

pub use self::headers::HttpHeader;
pub use self::tls::{TlsConfig, TlsVersion};

/// A value that is written in the configuration or kept in a file of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source<T> {
    /// The value.
    Inline(T),
    /// The file that holds it. White space around it doesn't count.
    File(PathBuf),
}

/// User and password of HTTP basic authentication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BasicAuth {
    /// The user; may be empty.
    pub username: Source<String>,
    /// The password; may be empty.
    pub password: Source<Secret>,
}

/// An `Authorization` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization {
    /// The scheme, `Bearer` unless configured; never `basic`.
    pub scheme: String,
    /// What follows the scheme; may be empty.
    pub credentials: Source<Secret>,
}

/// How requests are authenticated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum HttpAuth {
    /// Not at all.
    #[default]
    None,
    /// `basic_auth`.
    Basic(BasicAuth),
    /// `authorization`, and the older `bearer_token` and `bearer_token_file`.
    Authorization(Authorization),
}

/// Whether a redirect is an answer or is followed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Redirects {
    /// Followed; credentials stay behind at another host.
    #[default]
    Follow,
    /// Followed to the host and port that was asked first, to no other. No configuration says so; it is for those who
    /// scrape for several parties, of which one must not have its nodes lead to what is another's.
    FollowWithinHost,
    /// A redirect is the answer.
    Refuse,
}

/// How to reach an HTTP server.
///
/// # Defaults
/// No authentication, the system's certificate authorities, redirects followed, no headers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpClientConfig {
    /// `basic_auth`, `authorization`, `bearer_token`, `bearer_token_file`.
    pub auth: HttpAuth,
    /// `tls_config`; `None` where the key is absent or null.
    pub tls: Option<TlsConfig>,
    /// `follow_redirects`.
    pub redirects: Redirects,
    /// `enable_http2`, taken and shown but without effect: requests are HTTP/1.1, which every
    /// server that Prometheus can scrape speaks.
    pub http2: Http2,
    /// `http_headers`, sorted by name.
    pub headers: Vec<HttpHeader>,
}

/// What `enable_http2` says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Http2 {
    /// `true`.
    #[default]
    Allowed,
    /// `false`.
    Disabled,
}

impl HttpClientConfig {
    /// Takes the settings out of a mapping that has others beside them, as a scrape
    /// configuration's.
    ///
    /// # Errors
    /// Where a value is of the wrong kind, two settings exclude each other, or one that Prometheus
    /// has is not supported here: OAuth 2 and proxies.
    pub fn take(fields: &mut Fields) -> Result<Self, ConfigError> {
        let basic = fields.optional::<Positioned<BasicAuth>>("basic_auth")?;
        let authorization = fields.optional::<Positioned<Authorization>>("authorization")?;
        let bearer = take_source::<Secret>(fields, "bearer_token", "bearer_token_file")?;
        let auth = match (basic, authorization, bearer) {
            (Some(_), Some(second), _) => {
                return Err(second.error("at most one of basic_auth and authorization"));
            }
            (Some(first), None, Some(_)) => {
                let wanted = "at most one of basic_auth, bearer_token and bearer_token_file";
                return Err(first.error(wanted));
            }
            (None, Some(first), Some(_)) => {
                let wanted = "at most one of authorization, bearer_token and bearer_token_file";
                return Err(first.error(wanted));
            }
            (Some(basic), None, None) => HttpAuth::Basic(basic.value),
            (None, Some(authorization), None) => HttpAuth::Authorization(authorization.value),
            (None, None, Some(credentials)) => HttpAuth::Authorization(Authorization {
                scheme: BEARER.to_owned(),
                credentials,
            }),
            (None, None, None) => HttpAuth::None,
        };
        fields.unsupported(&[
            "oauth2",
            "proxy_url",
            "no_proxy",
            "proxy_from_environment",
            "proxy_connect_header",
        ])?;
        Ok(Self {
            auth,
            tls: fields.optional("tls_config")?,
            redirects: match fields.optional("follow_redirects")? {
                Some(false) => Redirects::Refuse,
                Some(true) | None => Redirects::Follow,
            },
            http2: match fields.optional("enable_http2")? {
                Some(false) => Http2::Disabled,
                Some(true) | None => Http2::Allowed,
            },
            headers: headers::take(fields)?,
        })
    }

    /// Makes relative paths of files relative to `directory`, as Prometheus does with the
    /// directory of the configuration file.
    pub fn set_directory(&mut self, directory: &Path) {
        match &mut self.auth {
            HttpAuth::None => {}
            HttpAuth::Basic(basic) => {
                basic.username.set_directory(directory);
                basic.password.set_directory(directory);
            }
            HttpAuth::Authorization(authorization) => {
                authorization.credentials.set_directory(directory);
            }
        }
        if let Some(tls) = &mut self.tls {
            tls.set_directory(directory);
        }
        for header in &mut self.headers {
            header.set_directory(directory);
        }
    }
}

impl<T> Source<T> {
    fn set_directory(&mut self, directory: &Path) {
        if let Self::File(path) = self {
            *path = directory.join(&*path);
        }
    }
}

const BEARER: &str = "Bearer";

impl Decode for BasicAuth {
    fn decode(node: &Node) -> Result<Self, ConfigError> {
        let mut fields = node.fields()?;
        let auth = Self {
            username: take_source(&mut fields, "username", "username_file")?
                .unwrap_or_else(|| Source::Inline(String::new())),
            password: take_source(&mut fields, "password", "password_file")?
                .unwrap_or_else(|| Source::Inline(Secret::default())),
        };
        fields.unsupported(&["username_ref", "password_ref"])?;
        fields.finish()?;
        Ok(auth)
    }
}

impl Decode for Authorization {
    fn decode(node: &Node) -> Result<Self, ConfigError> {
        let mut fields = node.fields()?;
        let scheme = fields.checked("type", |scheme: String| match scheme.trim() {
            "" => Ok(BEARER.to_owned()),
            scheme if scheme.eq_ignore_ascii_case("basic") => {
                Err("authorization type cannot be \"basic\", expected basic_auth instead")
            }
            scheme if !headers::is_token(scheme) => {
                Err("not an authorization scheme, expected one word such as Bearer")
            }
            scheme => Ok(scheme.to_owned()),
        })?;
        let auth = Self {
            scheme: scheme.unwrap_or_else(|| BEARER.to_owned()),
            credentials: take_source(&mut fields, "credentials", "credentials_file")?
                .unwrap_or_else(|| Source::Inline(Secret::default())),
        };
        fields.unsupported(&["credentials_ref"])?;
        fields.finish()?;
        Ok(auth)
    }
}

/// The value of `inline` or of `file`, of which at most one may be set; empty ones are not.
fn take_source<T: Decode + Empty>(
    fields: &mut Fields,
    inline: &'static str,
    file: &'static str,
) -> Result<Option<Source<T>>, ConfigError> {
    let value = fields.optional::<T>(inline)?.filter(|value| !value.empty());
    let path = fields.optional::<String>(file)?;
    match (value, path.filter(|path| !path.is_empty())) {
        (Some(_), Some(_)) => {
            Err(fields.error_at(file, format_args!("at most one of {inline} and {file}")))
        }
        (Some(value), None) => Ok(Some(Source::Inline(value))),
        (None, Some(path)) => Ok(Some(Source::File(path.into()))),
        (None, None) => Ok(None),
    }
}

/// Texts that may be empty, which is the same as absent.
trait Empty {
    fn empty(&self) -> bool;
}

impl Empty for String {
    fn empty(&self) -> bool {
        self.is_empty()
    }
}

impl Empty for Secret {
    fn empty(&self) -> bool {
        self.expose().is_empty()
    }
}

#[cfg(test)]
mod tests;
