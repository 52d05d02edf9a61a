//! Whom a client trusts, and the client that follows from it.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::time::timeout;

use crate::client::{BuildError, ClientOptions};
use crate::message::with_causes;
use crate::secret::READ_TIMEOUT;

/// Longest file of certificates, in bytes. The bundle of a whole system has a quarter of that.
const SIZE_LIMIT: u64 = 1024 * 1024;

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
    extra_ca: Option<Vec<u8>>,
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
        let mut renewal = match self.renewal.try_lock() {
            Ok(renewal) => renewal,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // Whoever comes meanwhile takes what there is.
            Err(TryLockError::WouldBlock) => return,
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

fn read(path: &Path) -> Result<Vec<u8>, BuildError> {
    let failed = |source| BuildError::ExtraCaFile {
        path: path.display().to_string(),
        source,
    };
    let mut content = Vec::new();
    let file = File::open(path).map_err(failed)?;
    let mut file = file.take(SIZE_LIMIT + 1);
    file.read_to_end(&mut content).map_err(failed)?;
    if content.len() as u64 > SIZE_LIMIT {
        return Err(BuildError::ExtraCaFileTooLarge {
            path: path.display().to_string(),
            limit: SIZE_LIMIT,
        });
    }
    Ok(content)
}

fn build(
    options: &ClientOptions,
    extra_ca: Option<&[u8]>,
    encrypted: bool,
) -> Result<reqwest::Client, BuildError> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls_config(options, extra_ca, encrypted)?)
        .user_agent(&options.user_agent)
        .timeout(options.request_timeout)
        .connect_timeout(options.request_timeout.min(Duration::from_secs(10)))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .map_err(BuildError::Client)
}

/// The system's certificates, those of `options` and those of its file, which holds `extra_ca`. Without `encrypted`
/// the system's aren't needed.
fn tls_config(
    options: &ClientOptions,
    extra_ca: Option<&[u8]>,
    encrypted: bool,
) -> Result<rustls::ClientConfig, BuildError> {
    let mut roots = rustls::RootCertStore::empty();
    if let Some(pem) = &options.extra_ca_pem {
        trust(&mut roots, pem.as_bytes()).map_err(|NoCertificate| BuildError::ExtraCa)?;
    }
    if let Some((path, pem)) = options.extra_ca_file.as_deref().zip(extra_ca) {
        trust(&mut roots, pem).map_err(|NoCertificate| BuildError::ExtraCaFileContent {
            path: path.display().to_string(),
        })?;
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

/// Something isn't PEM, or there is nothing to trust in it.
struct NoCertificate;

/// Adds the certificates of `pem` to `roots`.
fn trust(roots: &mut rustls::RootCertStore, pem: &[u8]) -> Result<(), NoCertificate> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|_| NoCertificate)?;
    match roots.add_parsable_certificates(certificates) {
        (0, _) => Err(NoCertificate),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_ends_no_renewals() {
        let folder = tempfile::tempdir().unwrap();
        let mut options = ClientOptions::new("test");
        let client = build(&options, None, false).unwrap();
        options.extra_ca_file = Some(folder.path().join("absent"));
        let made = Made {
            extra_ca: None,
            client,
        };
        let trusting = Trusting {
            options,
            encrypted: false,
            made: Mutex::new(made),
            renewal: Mutex::default(),
        };
        std::thread::scope(|scope| {
            let panicking = scope.spawn(|| {
                let _renewal = trusting.renewal.lock().unwrap();
                panic!("on purpose");
            });
            assert!(panicking.join().is_err());
        });
        assert!(trusting.renewal.is_poisoned());
        trusting.renew_now();
        let renewal = trusting.renewal.into_inner();
        let renewal = renewal.unwrap_or_else(PoisonError::into_inner);
        assert!(matches!(renewal, Renewal::Failed));
    }
}
