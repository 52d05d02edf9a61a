//! Whom a client trusts, and the client that follows from it.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::time::timeout;

use crate::client::{BuildError, ClientOptions};
use crate::message::with_causes;
use crate::secret::READ_TIMEOUT;

/// The HTTP client, made anew when the file of additional certificates changes.
#[derive(Debug)]
pub(crate) struct Trusting {
    options: ClientOptions,
    encrypted: bool,
    made: Mutex<Made>,
    /// Held while the file is read, so that one that never ends takes one thread.
    renewal: Mutex<Renewal>,
}

#[derive(Debug)]
struct Made {
    /// What the file held.
    extra_ca: Option<String>,
    client: reqwest::Client,
}

/// How the last reading of the file ended.
#[derive(Debug, Default)]
enum Renewal {
    #[default]
    Fine,
    Failed,
}

impl Trusting {
    /// The first client. The system's certificates are read only if it is to be `encrypted`.
    pub(crate) fn new(options: ClientOptions, encrypted: bool) -> Result<Self, BuildError> {
        let extra_ca = options.extra_ca_file.as_deref().map(read).transpose()?;
        let client = build(&options, extra_ca.as_deref(), encrypted)?;
        Ok(Self {
            options,
            encrypted,
            made: Mutex::new(Made { extra_ca, client }),
            renewal: Mutex::default(),
        })
    }

    pub(crate) fn client(&self) -> reqwest::Client {
        self.made().client.clone()
    }

    /// Reads the file again, if there is one. What fails is logged once, and the former client stays.
    pub(crate) async fn renew(self: &Arc<Self>) {
        if self.options.extra_ca_file.is_none() {
            return;
        }
        let this = Arc::clone(self);
        let renewal = tokio::task::spawn_blocking(move || this.renew_now());
        if timeout(READ_TIMEOUT, renewal).await.is_err() {
            tracing::debug!("the additional certificates are still being read");
        }
    }

    fn renew_now(&self) {
        let Some(path) = &self.options.extra_ca_file else {
            return;
        };
        // Whoever comes meanwhile takes what there is.
        let Ok(mut renewal) = self.renewal.try_lock() else {
            return;
        };
        match (self.try_renew(path), &*renewal) {
            (Ok(()), _) => *renewal = Renewal::Fine,
            (Err(_), Renewal::Failed) => {}
            (Err(error), Renewal::Fine) => {
                *renewal = Renewal::Failed;
                tracing::warn!(
                    path = %path.display(),
                    error = with_causes(&error),
                    "the additional certificates can't be read again, the former ones stay in use"
                );
            }
        }
    }

    fn try_renew(&self, path: &Path) -> Result<(), BuildError> {
        let extra_ca = read(path)?;
        if self.made().extra_ca.as_ref() == Some(&extra_ca) {
            return Ok(());
        }
        let client = build(&self.options, Some(&extra_ca), self.encrypted)?;
        *self.made() = Made {
            extra_ca: Some(extra_ca),
            client,
        };
        tracing::info!(path = %path.display(), "the additional certificates were read again");
        Ok(())
    }

    /// Nothing that holds the lock leaves it half changed, so a panic elsewhere spoils nothing.
    fn made(&self) -> MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(path: &Path) -> Result<String, BuildError> {
    std::fs::read_to_string(path).map_err(|source| BuildError::ExtraCaFile {
        path: path.display().to_string(),
        source,
    })
}

fn build(
    options: &ClientOptions,
    extra_ca: Option<&str>,
    encrypted: bool,
) -> Result<reqwest::Client, BuildError> {
    let extra_ca = [options.extra_ca_pem.as_deref(), extra_ca];
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls_config(extra_ca.into_iter().flatten(), encrypted)?)
        .user_agent(&options.user_agent)
        .timeout(options.request_timeout)
        .connect_timeout(options.request_timeout.min(Duration::from_secs(10)))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .map_err(BuildError::Client)
}

/// The system's certificates and those of each of `extra_ca`. Without `encrypted` nobody need be trusted.
fn tls_config<'a>(
    extra_ca: impl Iterator<Item = &'a str>,
    encrypted: bool,
) -> Result<rustls::ClientConfig, BuildError> {
    let mut roots = rustls::RootCertStore::empty();
    for pem in extra_ca {
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|_| BuildError::ExtraCa)?;
        let (added, _) = roots.add_parsable_certificates(certificates);
        if added == 0 {
            return Err(BuildError::ExtraCa);
        }
    }
    if encrypted {
        let system = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(system.certs);
    }
    if encrypted && roots.is_empty() {
        return Err(BuildError::NoTrustedCertificates);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(BuildError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}
