//! `--web.config.file`: TLS, headers and users, in the format that Prometheus and its exporters share.
//!
//! [`WebConfig::parse`] checks a file's text, [`LiveWebConfig`] keeps one in use and reads it again when it, or a
//! certificate that it names, changes.
//!
//! Every key of the format is known. What rustls can't do is refused with a message that says so: TLS below 1.2, cipher
//! suites without forward secrecy, P-521, and client certificates that nobody verifies.

mod live;
mod san;
mod tls;

use std::collections::BTreeMap;
use std::path::Path;

use http::header::{HeaderName, HeaderValue};
use prom_config::{ConfigError, Fields, Node, Positioned, yaml};
use prom_model::secret::Secret;

pub use self::live::{LiveWebConfig, ReloadError};
pub use self::tls::{ClientAuth, Pem, TlsError, TlsServerConfig};
use crate::auth::{PasswordError, Users};

/// Headers that may be configured, each with the values it may have; any where there are none.
const HEADERS: [(&str, &[&str]); 5] = [
    ("Content-Security-Policy", &[]),
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
];

/// A checked web configuration file. Certificates are only named in it, not read.
#[derive(Debug)]
pub struct WebConfig {
    /// How TLS is spoken, `None` for plain HTTP.
    pub tls: Option<TlsServerConfig>,
    /// Headers of every answer.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Who may ask; everybody where there are none.
    pub users: Users,
}

impl WebConfig {
    /// Checks `text`, relative paths in which start at `directory`.
    ///
    /// ```
    /// use std::path::Path;
    /// use federate_server::web_config::WebConfig;
    ///
    /// let text = "basic_auth_users:\n  tenant: $2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG\n";
    /// let config = WebConfig::parse(text, Path::new("."))?;
    /// assert_eq!(config.users.names().collect::<Vec<_>>(), ["tenant"]);
    /// assert!(config.tls.is_none());
    /// # Ok::<(), prom_config::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// Where it isn't YAML, has an unknown key, or asks for what isn't supported; with line and column.
    pub fn parse(text: &str, directory: &Path) -> Result<Self, ConfigError> {
        let mut fields = yaml::parse(text)?.root.fields()?;
        let tls = fields.node("tls_server_config");
        let http = fields.node("http_server_config");
        let users = fields.node("basic_auth_users");
        if let Some(node) = fields.node("rate_limit") {
            return Err(node.error("rate_limit isn't supported"));
        }
        fields.finish()?;
        let (http2, headers) =
            http.map_or_else(|| Ok((true, Vec::new())), |node| http_server(&node))?;
        let tls = match tls {
            Some(node) => TlsServerConfig::decode(&node, directory, http2)?,
            None => None,
        };
        Ok(Self {
            tls,
            headers,
            users: users.map_or_else(|| Ok(Users::default()), |node| basic_auth_users(&node))?,
        })
    }
}

type Headers = Vec<(HeaderName, HeaderValue)>;

fn http_server(node: &Node) -> Result<(bool, Headers), ConfigError> {
    let mut fields = node.fields()?;
    let http2 = fields.optional("http2")?.unwrap_or(true);
    let headers: Option<BTreeMap<String, Positioned<String>>> = fields.optional("headers")?;
    fields.finish()?;
    let headers = headers.unwrap_or_default().into_iter();
    let headers = headers.filter(|(_, value)| !value.is_empty());
    Ok((
        http2,
        headers
            .map(|(name, value)| header(&name, value))
            .collect::<Result<_, _>>()?,
    ))
}

fn header(name: &str, value: Positioned<String>) -> Result<(HeaderName, HeaderValue), ConfigError> {
    let Some((_, allowed)) = HEADERS.iter().find(|(allowed, _)| *allowed == name) else {
        let names = HEADERS.map(|(name, _)| name).join(", ");
        let message = format!("header {name:?} can't be configured, expected one of {names}");
        return Err(value.error(message));
    };
    if !allowed.is_empty() && !allowed.contains(&value.as_str()) {
        let allowed = allowed.join(" or ");
        return Err(value.error(format!(
            "{:?} isn't a value of {name}, expected {allowed}",
            &*value
        )));
    }
    let invalid = || value.error(format!("not the value of a header: {:?}", &*value));
    let name = HeaderName::try_from(name).map_err(|_| invalid())?;
    let parsed = HeaderValue::try_from(value.as_str()).map_err(|_| invalid())?;
    Ok((name, parsed))
}

fn basic_auth_users(node: &Node) -> Result<Users, ConfigError> {
    let mut users = Users::builder();
    for (name, hash) in node.decode::<BTreeMap<String, Positioned<Secret>>>()? {
        let refused = |error: PasswordError| hash.error(format!("user {name:?}: {error}"));
        users = users.bcrypt(&name, hash.expose()).map_err(refused)?;
    }
    Ok(users.build())
}

/// The text of a key, `None` where it is absent or empty.
fn text(
    fields: &mut Fields,
    name: &'static str,
) -> Result<Option<Positioned<String>>, ConfigError> {
    let text = fields.optional::<Positioned<String>>(name)?;
    Ok(text.filter(|text| !text.is_empty()))
}
