//! The settings as Prometheus shows them.

use super::{
    Http2, HttpAuth, HttpClientConfig, HttpHeader, Redirects, Source, TlsConfig, TlsVersion,
};
use crate::render::{Mapping, Value};

impl HttpClientConfig {
    /// The settings as Prometheus shows them, in its order, without secrets.
    #[must_use]
    pub fn shown(&self) -> Mapping {
        let mut mapping = match &self.auth {
            HttpAuth::None => Mapping::new(),
            HttpAuth::Basic(basic) => {
                let username = match &basic.username {
                    Source::Inline(name) => Mapping::new().with_nonzero("username", name),
                    Source::File(path) => Mapping::new().with("username_file", path.as_path()),
                };
                let password = with_secret(username, "password", "password_file", &basic.password);
                Mapping::new().with("basic_auth", password)
            }
            HttpAuth::Authorization(authorization) => {
                let scheme = Mapping::new().with("type", &authorization.scheme);
                let credentials = &authorization.credentials;
                let shown = with_secret(scheme, "credentials", "credentials_file", credentials);
                Mapping::new().with("authorization", shown)
            }
        };
        if let Some(tls) = &self.tls {
            mapping = mapping.with("tls_config", tls.shown());
        }
        mapping
            .with("follow_redirects", self.redirects != Redirects::Refuse)
            .with("enable_http2", self.http2 == Http2::Allowed)
            .with_nonzero("http_headers", headers(&self.headers))
    }
}

impl TlsConfig {
    /// The settings as Prometheus shows them, without the client's key.
    #[must_use]
    pub fn shown(&self) -> Mapping {
        let with = |mapping: Mapping, inline, file, source: &Option<Source<String>>| match source {
            None => mapping,
            Some(Source::Inline(text)) => mapping.with(inline, text),
            Some(Source::File(path)) => mapping.with(file, path.as_path()),
        };
        let mapping = with(Mapping::new(), "ca", "ca_file", &self.ca);
        let mut mapping = with(mapping, "cert", "cert_file", &self.cert);
        if let Some(key) = &self.key {
            mapping = with_secret(mapping, "key", "key_file", key);
        }
        mapping
            .with_some("server_name", self.server_name.as_ref())
            .with("insecure_skip_verify", self.insecure_skip_verify)
            .with_some("min_version", self.min_version.map(TlsVersion::as_str))
            .with_some("max_version", self.max_version.map(TlsVersion::as_str))
    }
}

fn with_secret(
    mapping: Mapping,
    inline: &str,
    file: &str,
    source: &Source<prom_model::secret::Secret>,
) -> Mapping {
    match source {
        Source::Inline(secret) if secret.expose().is_empty() => mapping,
        Source::Inline(_) => mapping.with(inline, Value::secret()),
        Source::File(path) => mapping.with(file, path.as_path()),
    }
}

fn headers(headers: &[HttpHeader]) -> Mapping {
    headers.iter().fold(Mapping::new(), |mapping, header| {
        let shown = Mapping::new()
            .with_nonzero("values", header.values.iter().collect::<Value>())
            .with_nonzero(
                "secrets",
                header
                    .secrets
                    .iter()
                    .map(|_| Value::secret())
                    .collect::<Value>(),
            )
            .with_nonzero(
                "files",
                header
                    .files
                    .iter()
                    .map(|file| file.as_path())
                    .collect::<Value>(),
            );
        mapping.with(&header.name, shown)
    })
}
