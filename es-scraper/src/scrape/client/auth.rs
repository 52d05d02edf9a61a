//! What a job's requests carry to show who asks.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue};
use prom_config::http_client::{HttpAuth, HttpClientConfig, HttpHeader, Source};
use prom_model::secret::Secret;

use super::file::FromFiles;
use crate::scrape::error::ScrapeError;

/// The headers that a job's configuration sets, read anew from their files when those change.
#[derive(Debug)]
pub(super) struct Credentials {
    auth: HttpAuth,
    authorization: FromFiles<Option<HeaderValue>>,
    configured: Vec<HttpHeader>,
    headers: FromFiles<Headers>,
}

/// Names and values of headers.
pub(super) type Headers = Arc<[(HeaderName, HeaderValue)]>;

impl Credentials {
    pub(super) fn new(config: &HttpClientConfig) -> Self {
        let auth_files = match &config.auth {
            HttpAuth::None => Vec::new(),
            HttpAuth::Basic(basic) => file_of(&basic.username)
                .chain(file_of(&basic.password))
                .collect(),
            HttpAuth::Authorization(authorization) => file_of(&authorization.credentials).collect(),
        };
        let header_files = config.headers.iter().flat_map(|header| &header.files);
        Self {
            auth: config.auth.clone(),
            authorization: FromFiles::new(auth_files),
            headers: FromFiles::new(header_files.cloned().collect()),
            configured: config.headers.clone(),
        }
    }

    /// Whether the job has neither `basic_auth` nor `authorization`.
    pub(super) const fn is_none(&self) -> bool {
        matches!(self.auth, HttpAuth::None)
    }

    /// The `Authorization` header.
    pub(super) fn authorization(&self) -> Result<Option<HeaderValue>, ScrapeError> {
        self.authorization.get(|| match &self.auth {
            HttpAuth::None => Ok(None),
            HttpAuth::Basic(config) => {
                let username = text(&config.username, "basic auth username")?;
                let password = secret(&config.password, "basic auth password")?;
                basic(&username, password.expose()).map(Some)
            }
            HttpAuth::Authorization(config) => {
                let credentials = secret(&config.credentials, "authorization credentials")?;
                let header = format!("{} {}", config.scheme, credentials.expose());
                sensitive(&header).map(Some)
            }
        })
    }

    /// The headers of `http_headers`.
    pub(super) fn headers(&self) -> Result<Headers, ScrapeError> {
        self.headers.get(|| {
            let mut headers = Vec::new();
            for header in &self.configured {
                let name =
                    HeaderName::try_from(&header.name).map_err(|_| ScrapeError::CredentialsText)?;
                for value in &header.values {
                    headers.push((name.clone(), sensitive(value)?));
                }
                for value in &header.secrets {
                    headers.push((name.clone(), sensitive(value.expose())?));
                }
                for path in &header.files {
                    let value = read(path, "http header")?;
                    headers.push((name.clone(), sensitive(value.expose())?));
                }
            }
            Ok(headers.into())
        })
    }
}

/// A header of HTTP basic authentication.
pub(super) fn basic(username: &str, password: &str) -> Result<HeaderValue, ScrapeError> {
    let encoded = STANDARD.encode(format!("{username}:{password}"));
    sensitive(&format!("Basic {encoded}"))
}

fn sensitive(text: &str) -> Result<HeaderValue, ScrapeError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| ScrapeError::CredentialsText)?;
    value.set_sensitive(true);
    Ok(value)
}

fn file_of<T>(source: &Source<T>) -> impl Iterator<Item = PathBuf> + use<T> {
    let path = match source {
        Source::Inline(_) => None,
        Source::File(path) => Some(path.clone()),
    };
    path.into_iter()
}

fn text(source: &Source<String>, kind: &'static str) -> Result<String, ScrapeError> {
    match source {
        Source::Inline(text) => Ok(text.clone()),
        Source::File(path) => Ok(read(path, kind)?.expose().to_owned()),
    }
}

fn secret(source: &Source<Secret>, kind: &'static str) -> Result<Secret, ScrapeError> {
    match source {
        Source::Inline(secret) => Ok(secret.clone()),
        Source::File(path) => read(path, kind),
    }
}

/// The text of a file without the white space around it.
pub(super) fn read(path: &Path, kind: &'static str) -> Result<Secret, ScrapeError> {
    let text = fs::read_to_string(path).map_err(|source| ScrapeError::Credentials {
        kind,
        path: path.display().to_string().into(),
        source,
    })?;
    Ok(Secret::new(text.trim()))
}
