//! TLS settings, made once for all targets that share them.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use prom_config::http_client::{Source, TlsConfig, TlsVersion};
use prom_model::secret::Secret;
use prom_model::target::ServerIdentity;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme, SupportedProtocolVersion,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use super::auth::read;
use super::file::FromFiles;
use crate::scrape::error::ScrapeError;

/// TLS settings that don't depend on a job, each made when it is first asked for.
#[derive(Default)]
pub struct TlsSettings {
    system: OnceLock<Result<Arc<ClientConfig>, Arc<ScrapeError>>>,
    /// By the certificates that they trust.
    trusting: Mutex<Vec<(Box<str>, Arc<ClientConfig>)>>,
}

impl TlsSettings {
    /// Trusts what the system trusts.
    pub(super) fn system(&self) -> Result<Arc<ClientConfig>, ScrapeError> {
        let config = self.system.get_or_init(|| {
            let config = client_config(&TlsParts::default())?;
            Ok(Arc::new(config))
        });
        config.clone().map_err(ScrapeError::Shared)
    }

    /// Trusts the certificates of `identity` and nothing else. All identities with the same certificates share
    /// one, its resumable sessions included, which are kept by server name.
    pub(super) fn trusting(
        &self,
        identity: &ServerIdentity,
    ) -> Result<Arc<ClientConfig>, ScrapeError> {
        let mut known = self.trusting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, config)) = known.iter().find(|(pem, _)| **pem == *identity.ca_pem) {
            return Ok(Arc::clone(config));
        }
        known.retain(|(_, config)| Arc::strong_count(config) > 1);
        let config = Arc::new(client_config(&TlsParts {
            ca_pem: Some(identity.ca_pem.as_bytes()),
            ..TlsParts::default()
        })?);
        known.push((identity.ca_pem.as_str().into(), Arc::clone(&config)));
        Ok(config)
    }
}

impl fmt::Debug for TlsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSettings").finish_non_exhaustive()
    }
}

/// A job's `tls_config`, made anew when one of its files changes.
#[derive(Debug)]
pub(super) struct JobTls {
    config: TlsConfig,
    made: FromFiles<Made>,
}

#[derive(Clone)]
struct Made(Arc<ClientConfig>);

impl fmt::Debug for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Made").finish_non_exhaustive()
    }
}

impl JobTls {
    pub(super) fn new(config: TlsConfig) -> Self {
        let files = [
            file_of(&config.ca),
            file_of(&config.cert),
            file_of(&config.key),
        ];
        Self {
            made: FromFiles::new(files.into_iter().flatten().collect()),
            config,
        }
    }

    /// The name that each target's certificate must have, `None` for the host of its URL.
    pub(super) fn server_name(&self) -> Option<&str> {
        self.config.server_name.as_deref()
    }

    pub(super) fn config(&self) -> Result<Arc<ClientConfig>, ScrapeError> {
        let made = self.made.get(|| {
            let config = &self.config;
            let ca = pem(&config.ca, "CA", String::as_str)?;
            let cert = pem(&config.cert, "client certificate", String::as_str)?;
            let key = pem(&config.key, "client key", Secret::expose)?;
            let versions: Vec<_> = [(TlsVersion::Tls12, &TLS12), (TlsVersion::Tls13, &TLS13)]
                .into_iter()
                .filter(|(version, _)| config.min_version.is_none_or(|min| *version >= min))
                .filter(|(version, _)| config.max_version.is_none_or(|max| *version <= max))
                .map(|(_, supported)| supported)
                .collect();
            let client = cert.as_ref().zip(key.as_ref());
            client_config(&TlsParts {
                ca_pem: ca.as_ref().map(|pem| pem.expose().as_bytes()),
                client: client
                    .map(|(cert, key)| (cert.expose().as_bytes(), key.expose().as_bytes())),
                verification: match config.insecure_skip_verify {
                    true => Verification::None,
                    false => Verification::Full,
                },
                versions: &versions,
            })
            .map(|config| Made(Arc::new(config)))
        });
        made.map(|made| made.0)
    }
}

fn file_of<T>(source: &Option<Source<T>>) -> Option<PathBuf> {
    match source {
        Some(Source::File(path)) => Some(path.clone()),
        _ => None,
    }
}

fn pem<T>(
    source: &Option<Source<T>>,
    kind: &'static str,
    text: impl Fn(&T) -> &str,
) -> Result<Option<Secret>, ScrapeError> {
    match source {
        None => Ok(None),
        Some(Source::Inline(pem)) => Ok(Some(text(pem).into())),
        Some(Source::File(path)) => read(path, kind).map(Some),
    }
}

/// How the target's certificate is verified.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Verification {
    /// Issuer, validity and name.
    #[default]
    Full,
    /// Only that the target has the certificate's key (`insecure_skip_verify`).
    None,
}

/// What TLS settings are made from; certificates and keys are PEM.
#[derive(Default)]
struct TlsParts<'a> {
    /// Trusted issuers, `None` for those of the system.
    ca_pem: Option<&'a [u8]>,
    /// Certificate chain and key that the target is shown.
    client: Option<(&'a [u8], &'a [u8])>,
    verification: Verification,
    /// Protocol versions, empty for all that are supported.
    versions: &'a [&'static SupportedProtocolVersion],
}

fn client_config(parts: &TlsParts<'_>) -> Result<ClientConfig, ScrapeError> {
    let provider = Arc::new(ring::default_provider());
    let versions = match parts.versions {
        [] => rustls::DEFAULT_VERSIONS,
        versions => versions,
    };
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .map_err(|error| settings(&error))?
        .dangerous();
    let builder = builder.with_custom_certificate_verifier(verifier(parts, provider)?);
    let Some((chain, key)) = parts.client else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = certificates(chain)?;
    let key = PrivateKeyDer::from_pem_slice(key)
        .map_err(|_| ScrapeError::TlsSettings("no private key in key".into()))?;
    builder
        .with_client_auth_cert(chain, key)
        .map_err(|error| settings(&error))
}

fn verifier(
    parts: &TlsParts<'_>,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, ScrapeError> {
    if parts.verification == Verification::None {
        return Ok(Arc::new(AnyCertificate(provider)));
    }
    let mut roots = RootCertStore::empty();
    match parts.ca_pem {
        Some(pem) => {
            for certificate in certificates(pem)? {
                roots.add(certificate).map_err(|error| settings(&error))?;
            }
        }
        // What can't be read or parsed on this machine is left out, as everywhere.
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        return Err(ScrapeError::TlsSettings(
            "the system has no trusted certificates".into(),
        ));
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| settings(&error))?;
    Ok(verifier)
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, ScrapeError> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| settings(&error))?;
    if certificates.is_empty() {
        return Err(ScrapeError::TlsSettings("no certificate in PEM".into()));
    }
    Ok(certificates)
}

fn settings(error: &dyn fmt::Display) -> ScrapeError {
    ScrapeError::TlsSettings(error.to_string().into())
}

/// The name that a certificate must have for `host`, a host name or an IP address.
pub(super) fn server_name(host: &str) -> Result<ServerName<'static>, ScrapeError> {
    // The zone of an IPv6 address is this machine's business.
    let host = host.split('%').next().unwrap_or_default();
    ServerName::try_from(host.to_owned()).map_err(|_| {
        ScrapeError::TlsSettings("the server name is neither a host name nor an address".into())
    })
}

/// Takes every certificate whose key the target has.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
