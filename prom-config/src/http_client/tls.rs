//! `tls_config`.

use std::path::Path;

use prom_model::secret::Secret;

use super::{Source, take_source};
use crate::decode::Decode;
use crate::error::ConfigError;
use crate::yaml::Node;

/// How a server's certificate is verified, and which one is shown to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsConfig {
    /// Certificates in PEM, one of which must have issued the server's; `None` for the system's.
    pub ca: Option<Source<String>>,
    /// The client's certificate in PEM; there if and only if `key` is.
    pub cert: Option<Source<String>>,
    /// The key of `cert` in PEM.
    pub key: Option<Source<Secret>>,
    /// The name in the server's certificate, where it is not the host of the URL. Never empty.
    pub server_name: Option<String>,
    /// Whether the server's certificate is not verified at all.
    pub insecure_skip_verify: bool,
    /// The oldest protocol; `None` for TLS 1.2.
    pub min_version: Option<TlsVersion>,
    /// The newest protocol; `None` for TLS 1.3.
    pub max_version: Option<TlsVersion>,
}

/// A version of TLS. Prometheus also knows `TLS10` and `TLS11`, which are refused here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// `TLS12`
    Tls12,
    /// `TLS13`
    Tls13,
}

impl TlsVersion {
    /// The name in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tls12 => "TLS12",
            Self::Tls13 => "TLS13",
        }
    }
}

impl TlsConfig {
    pub(super) fn set_directory(&mut self, directory: &Path) {
        for source in [&mut self.ca, &mut self.cert].into_iter().flatten() {
            source.set_directory(directory);
        }
        if let Some(key) = &mut self.key {
            key.set_directory(directory);
        }
    }
}

impl Decode for TlsConfig {
    fn decode(node: &Node) -> Result<Self, ConfigError> {
        let mut fields = node.fields()?;
        let tls = Self {
            ca: take_source(&mut fields, "ca", "ca_file")?,
            cert: take_source(&mut fields, "cert", "cert_file")?,
            key: take_source(&mut fields, "key", "key_file")?,
            server_name: fields
                .optional::<String>("server_name")?
                .filter(|name| !name.is_empty()),
            insecure_skip_verify: fields.optional("insecure_skip_verify")?.unwrap_or(false),
            min_version: fields.optional("min_version")?,
            max_version: fields.optional("max_version")?,
        };
        fields.unsupported(&["ca_ref", "cert_ref", "key_ref"])?;
        let incomplete = match (&tls.cert, &tls.key) {
            (Some(_), None) => Some("a client certificate without a key, expected key or key_file"),
            (None, Some(_)) => {
                Some("a client key without a certificate, expected cert or cert_file")
            }
            _ => None,
        };
        if let Some(incomplete) = incomplete {
            return Err(node.error(incomplete));
        }
        if let (Some(min), Some(max)) = (tls.min_version, tls.max_version)
            && min > max
        {
            return Err(fields.error_at("min_version", "min_version is above max_version"));
        }
        fields.finish()?;
        Ok(tls)
    }
}

impl Decode for TlsVersion {
    fn decode(node: &Node) -> Result<Self, ConfigError> {
        match &*node.decode::<String>()? {
            "TLS12" => Ok(Self::Tls12),
            "TLS13" => Ok(Self::Tls13),
            "TLS10" | "TLS11" => Err(node
                .error("this Prometheus setting is not supported here, expected TLS12 or TLS13")),
            other => Err(node.error(format_args!(
                "unknown TLS version {other:?}, expected TLS12 or TLS13"
            ))),
        }
    }
}
