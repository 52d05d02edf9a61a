//! `tls_server_config`.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use prom_config::{ConfigError, Fields, Node, Positioned};
use prom_model::secret::Secret;
use rustls::crypto::{CryptoProvider, SupportedKxGroup, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{
    RootCertStore, ServerConfig, SupportedCipherSuite, SupportedProtocolVersion, version,
};

use super::san::AllowedNames;
use super::text;

/// How TLS is spoken. Checked, but for the certificates, which are read when they are needed.
#[derive(Debug, Clone)]
pub struct TlsServerConfig {
    /// The server's certificate chain.
    pub certificate: Pem,
    /// Its private key.
    pub key: Pem,
    /// Whether clients show a certificate.
    pub client_auth: ClientAuth,
    /// The versions that are spoken.
    pub versions: Vec<&'static SupportedProtocolVersion>,
    /// Cipher suites and key exchange groups.
    pub provider: Arc<CryptoProvider>,
    /// Whether our order of cipher suites counts, not the client's.
    pub prefer_server_cipher_suites: bool,
    /// Whether HTTP/2 is offered.
    pub http2: bool,
}

/// A text in PEM, in the configuration or in a file.
#[derive(Clone, PartialEq, Eq)]
pub enum Pem {
    /// In the configuration.
    Inline(Secret),
    /// In a file.
    File(PathBuf),
}

/// Whether clients show a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientAuth {
    /// They aren't asked for one.
    None,
    /// They may; one that was not issued by `ca` is refused.
    IfGiven {
        /// Who issues certificates of clients.
        ca: Pem,
    },
    /// They must.
    Required {
        /// Who issues certificates of clients.
        ca: Pem,
        /// Subject alternative names of which the certificate must have one; `None` for any.
        allowed_sans: Option<Vec<String>>,
    },
}

/// Why TLS can't be spoken as configured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file can't be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no certificate in it.
    #[error("{what} holds no certificate in PEM")]
    NoCertificate {
        /// The certificate, or the file it was looked for in.
        what: String,
    },
    /// There is no private key in it.
    #[error("{what} holds no private key in PEM")]
    NoKey {
        /// The key, or the file it was looked for in.
        what: String,
    },
    /// Certificate and key aren't a pair, or something else that rustls finds.
    #[error("certificate and key cannot be used")]
    Unusable(#[source] rustls::Error),
    /// Certificates of clients can't be verified.
    #[error("the certificates of client_ca_file cannot be used")]
    ClientCa(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl TlsServerConfig {
    /// What `node` says, `None` where it leaves TLS off.
    pub(super) fn decode(
        node: &Node,
        directory: &Path,
        http2: bool,
    ) -> Result<Option<Self>, ConfigError> {
        let mut fields = node.fields()?;
        let certificate = pem(&mut fields, "cert", "cert_file", directory)?;
        let key = pem(&mut fields, "key", "key_file", directory)?;
        let ca = pem(&mut fields, "client_ca", "client_ca_file", directory)?;
        let client_auth_type = text(&mut fields, "client_auth_type")?;
        let sans = fields.optional::<Vec<String>>("client_allowed_sans")?;
        let versions = versions(&mut fields)?;
        let provider = provider(&mut fields)?;
        let prefer = fields
            .optional("prefer_server_cipher_suites")?
            .unwrap_or(true);
        let is_on =
            [&certificate, &key, &ca].iter().any(|pem| pem.is_some()) || client_auth_type.is_some();
        let client_auth = client_auth(&fields, client_auth_type, ca, sans)?;
        fields.finish()?;
        if !is_on {
            return Ok(None);
        }
        Ok(Some(Self {
            certificate: certificate.ok_or_else(|| node.error("cert_file (or cert) is missing"))?,
            key: key.ok_or_else(|| node.error("key_file (or key) is missing"))?,
            client_auth,
            versions,
            provider: Arc::new(provider),
            prefer_server_cipher_suites: prefer,
            http2,
        }))
    }

    /// The files that it names.
    pub(super) fn files(&self) -> Vec<&Path> {
        let ca = match &self.client_auth {
            ClientAuth::None => None,
            ClientAuth::IfGiven { ca } | ClientAuth::Required { ca, .. } => Some(ca),
        };
        let pems = [Some(&self.certificate), Some(&self.key), ca];
        pems.into_iter().flatten().filter_map(Pem::file).collect()
    }

    /// Reads the certificates. Blocks.
    ///
    /// # Errors
    /// As [`TlsError`] says.
    pub fn server_config(&self) -> Result<ServerConfig, TlsError> {
        let key_pem = self.key.read()?;
        let key = PrivateKeyDer::from_pem_slice(&key_pem).map_err(|_| TlsError::NoKey {
            what: self.key.describe("key"),
        })?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&self.versions)
            .map_err(TlsError::Unusable)?;
        let builder = match self.verifier()? {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder
            .with_single_cert(self.certificate.certificates("cert")?, key)
            .map_err(TlsError::Unusable)?;
        config.ignore_client_order = self.prefer_server_cipher_suites;
        config.alpn_protocols = match self.http2 {
            true => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            false => vec![b"http/1.1".to_vec()],
        };
        Ok(config)
    }

    fn verifier(&self) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
        let (ca, allowed_sans) = match &self.client_auth {
            ClientAuth::None => return Ok(None),
            ClientAuth::IfGiven { ca } => (ca, None),
            ClientAuth::Required { ca, allowed_sans } => (ca, allowed_sans.clone()),
        };
        let mut roots = RootCertStore::empty();
        for certificate in ca.certificates("client_ca")? {
            roots
                .add(certificate)
                .map_err(|error| TlsError::ClientCa(error.into()))?;
        }
        let builder =
            WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&self.provider));
        let builder = match &self.client_auth {
            ClientAuth::IfGiven { .. } => builder.allow_unauthenticated(),
            _ => builder,
        };
        let verifier = builder
            .build()
            .map_err(|error| TlsError::ClientCa(error.into()))?;
        Ok(Some(match allowed_sans {
            Some(names) => Arc::new(AllowedNames::new(verifier, names)),
            None => verifier,
        }))
    }
}

impl Pem {
    fn file(&self) -> Option<&Path> {
        match self {
            Self::Inline(_) => None,
            Self::File(path) => Some(path),
        }
    }

    fn read(&self) -> Result<Vec<u8>, TlsError> {
        match self {
            Self::Inline(text) => Ok(text.expose().as_bytes().to_vec()),
            Self::File(path) => fs::read(path).map_err(|source| TlsError::Read {
                path: path.clone(),
                source,
            }),
        }
    }

    fn certificates(&self, what: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let pem = self.read()?;
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        let certificates = certificates
            .ok()
            .filter(|certificates| !certificates.is_empty());
        certificates.ok_or_else(|| TlsError::NoCertificate {
            what: self.describe(what),
        })
    }

    fn describe(&self, what: &str) -> String {
        self.file()
            .map_or_else(|| what.to_owned(), |path| path.display().to_string())
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(_) => f.write_str("Inline(..)"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

fn pem(
    fields: &mut Fields,
    inline: &'static str,
    file: &'static str,
    directory: &Path,
) -> Result<Option<Pem>, ConfigError> {
    let inline_text = text(fields, inline)?;
    let path = text(fields, file)?;
    match (inline_text, path) {
        (Some(text), Some(_)) => Err(text.error(format!("{inline} and {file} exclude each other"))),
        (Some(text), None) => Ok(Some(Pem::Inline(Secret::from(text.value)))),
        (None, Some(path)) => Ok(Some(Pem::File(directory.join(path.value)))),
        (None, None) => Ok(None),
    }
}

fn client_auth(
    fields: &Fields,
    client_auth_type: Option<Positioned<String>>,
    ca: Option<Pem>,
    allowed_sans: Option<Vec<String>>,
) -> Result<ClientAuth, ConfigError> {
    let name = client_auth_type
        .as_ref()
        .map_or("NoClientCert", |it| it.as_str());
    let error = |message: String| fields.error_at("client_auth_type", message);
    if allowed_sans.is_some() && name != "RequireAndVerifyClientCert" {
        let message = "client_allowed_sans needs client_auth_type RequireAndVerifyClientCert";
        return Err(fields.error_at("client_allowed_sans", message));
    }
    match (name, ca) {
        ("NoClientCert", None) => Ok(ClientAuth::None),
        ("NoClientCert", Some(_)) => Err(error(
            "client_ca_file needs a client_auth_type that verifies certificates".to_owned(),
        )),
        ("VerifyClientCertIfGiven", Some(ca)) => Ok(ClientAuth::IfGiven { ca }),
        ("RequireAndVerifyClientCert", Some(ca)) => Ok(ClientAuth::Required { ca, allowed_sans }),
        ("VerifyClientCertIfGiven" | "RequireAndVerifyClientCert", None) => {
            Err(error(format!("{name} needs client_ca_file")))
        }
        ("RequestClientCert" | "RequireAnyClientCert" | "RequireClientCert", _) => {
            Err(error(format!(
                "{name} isn't supported, since it lets in any certificate; expected NoClientCert, \
             VerifyClientCertIfGiven or RequireAndVerifyClientCert"
            )))
        }
        _ => Err(error(format!(
            "{name:?} is unknown, expected NoClientCert, VerifyClientCertIfGiven or RequireAndVerifyClientCert"
        ))),
    }
}

fn versions(fields: &mut Fields) -> Result<Vec<&'static SupportedProtocolVersion>, ConfigError> {
    let mut bound = |name: &'static str, default: u8| match text(fields, name)? {
        None => Ok(default),
        Some(version) => match version.as_str() {
            "TLS12" => Ok(12),
            "TLS13" => Ok(13),
            "TLS10" | "TLS11" => Err(version.error(format!(
                "{} isn't supported, expected TLS12 or TLS13",
                &*version
            ))),
            other => Err(version.error(format!("{other:?} is unknown, expected TLS12 or TLS13"))),
        },
    };
    let (min, max) = (bound("min_version", 12)?, bound("max_version", 13)?);
    if min > max {
        return Err(fields.error_at("min_version", "min_version is above max_version"));
    }
    let all = [(12, &version::TLS12), (13, &version::TLS13)];
    let spoken = all
        .into_iter()
        .filter(|(number, _)| (min..=max).contains(number));
    Ok(spoken.map(|(_, version)| version).collect())
}

fn provider(fields: &mut Fields) -> Result<CryptoProvider, ConfigError> {
    let mut provider = ring::default_provider();
    let suites: Vec<Positioned<String>> = fields.optional("cipher_suites")?.unwrap_or_default();
    if !suites.is_empty() {
        let tls13 = |suite: &SupportedCipherSuite| suite.tls13().is_some();
        // As in Go, the list is about TLS 1.2; the three suites of TLS 1.3 are always there.
        let mut chosen: Vec<_> = provider
            .cipher_suites
            .iter()
            .copied()
            .filter(tls13)
            .collect();
        for name in &suites {
            let suite = cipher_suite(name, &provider.cipher_suites)?;
            if !chosen.contains(&suite) {
                chosen.push(suite);
            }
        }
        provider.cipher_suites = chosen;
    }
    let curves: Vec<Positioned<String>> = fields.optional("curve_preferences")?.unwrap_or_default();
    if !curves.is_empty() {
        provider.kx_groups = curves.iter().map(curve).collect::<Result<_, _>>()?;
    }
    Ok(provider)
}

/// Go's names are the registered ones; rustls' for TLS 1.3 begin with `TLS13_`.
fn cipher_suite(
    name: &Positioned<String>,
    suites: &[SupportedCipherSuite],
) -> Result<SupportedCipherSuite, ConfigError> {
    let registered =
        |suite: &SupportedCipherSuite| format!("{:?}", suite.suite()).replace("TLS13_", "TLS_");
    // Go leaves the hash out of the names of these two.
    let wanted = match name.as_str() {
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305" => "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305" => "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        name => name,
    };
    let found = suites
        .iter()
        .find(|suite| registered(suite) == wanted)
        .copied();
    found.ok_or_else(|| {
        let names: Vec<String> = suites.iter().map(registered).collect();
        let expected = names.join(", ");
        name.error(format!(
            "cipher suite {:?} isn't supported, expected one of {expected}",
            &**name
        ))
    })
}

fn curve(name: &Positioned<String>) -> Result<&'static dyn SupportedKxGroup, ConfigError> {
    match name.as_str() {
        "X25519" => Ok(ring::kx_group::X25519),
        "CurveP256" => Ok(ring::kx_group::SECP256R1),
        "CurveP384" => Ok(ring::kx_group::SECP384R1),
        other => Err(name.error(format!(
            "curve {other:?} isn't supported, expected X25519, CurveP256 or CurveP384"
        ))),
    }
}
