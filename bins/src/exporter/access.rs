//! Who may ask and what each sees, as configurations want it.

use std::sync::Arc;
use std::time::Duration;

use cloud_foundry::{BuildError, CloudFoundry, CloudFoundryOptions};
use federate_server::auth::{Authenticator, Login, LoginError, PasswordError, Users};
use federate_server::tenant::config::{DEFAULT_CONCURRENCY_LIMIT, TenantScopes, TenantsConfig};
use federate_server::tenant::{Scope, TargetFilter, Tenant, TenantLimits};
use futures_util::future::BoxFuture;
use http::HeaderValue;
use prom_model::secret::Secret;

use crate::config::access::{Access, CloudFoundryLogin};

/// The label of targets that says which service instance they belong to.
const SERVICE_GUID: &str = "service_guid";
/// For how long UAA locks an account, unless it is set up otherwise.
const LOCKED: Duration = Duration::from_secs(300);
/// The name of the tenant of every user of Cloud Foundry. It becomes a label of metrics, where people's names have no
/// business. No configured tenant has a colon in its name.
const USERS: &str = "cf:users";

/// Why nobody could be let in as a configuration wants it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// The hash of a password.
    #[error("basic_auth_users")]
    Password(#[from] PasswordError),
    /// The client of Cloud Foundry.
    #[error("cloud_foundry_login")]
    Login(#[from] BuildError),
}

/// Tells an [`Authenticator`] what configurations say.
#[derive(Debug)]
pub struct AccessControl {
    auth: Arc<Authenticator>,
    user_agent: String,
    scopes: TenantScopes,
    login: Option<ActiveLogin>,
}

#[derive(Debug, Clone)]
struct ActiveLogin {
    config: CloudFoundryLogin,
    login: Arc<dyn Login>,
}

/// What is to be put to use.
#[derive(Debug)]
pub struct PreparedAccess {
    accounts: Option<Users>,
    scopes: TenantScopes,
    login: Option<ActiveLogin>,
}

impl AccessControl {
    /// Nothing is said to `auth` yet. `user_agent` is how to call oneself to Cloud Foundry.
    #[must_use]
    pub fn new(auth: Arc<Authenticator>, user_agent: &HeaderValue) -> Self {
        Self {
            auth,
            user_agent: user_agent.to_str().unwrap_or_default().to_owned(),
            scopes: TenantScopes::default(),
            login: None,
        }
    }

    /// Makes ready what `access` wants; what it has in common with the former one goes on undisturbed.
    ///
    /// # Errors
    /// [`AccessError`]
    pub fn prepare(&self, access: &Access) -> Result<PreparedAccess, AccessError> {
        let scopes = self.scopes.succeeded_by(&access.tenants.tenants);
        let login = match &access.cloud_foundry_login {
            Some(config) => Some(self.login(config)?),
            None => None,
        };
        let accounts = match access.tenants.is_empty() {
            true => None,
            false => Some(accounts(&access.tenants, &scopes)?),
        };
        Ok(PreparedAccess {
            accounts,
            scopes,
            login,
        })
    }

    /// Puts `prepared` to use.
    pub fn apply(&mut self, prepared: PreparedAccess) {
        let PreparedAccess {
            accounts,
            scopes,
            login,
        } = prepared;
        self.auth.set_accounts(accounts);
        self.auth
            .set_login(login.as_ref().map(|active| Arc::clone(&active.login)));
        self.scopes = scopes;
        self.login = login;
    }

    fn login(&self, config: &CloudFoundryLogin) -> Result<ActiveLogin, AccessError> {
        if let Some(active) = &self.login
            && active.config == *config
        {
            return Ok(active.clone());
        }
        let cloud_foundry = CloudFoundry::new(CloudFoundryOptions {
            user_agent: self.user_agent.clone(),
            extra_ca_file: config.ca_file.clone(),
            ..CloudFoundryOptions::new(config.api.clone())
        })?;
        let users = CloudFoundryUsers {
            cloud_foundry,
            cache_time: config.cache_time,
        };
        Ok(ActiveLogin {
            config: config.clone(),
            login: Arc::new(users),
        })
    }
}

/// The users of tenants and operators.
fn accounts(config: &TenantsConfig, scopes: &TenantScopes) -> Result<Users, PasswordError> {
    let of_tenants = config.tenants.iter().map(|tenant| &tenant.users);
    let of_tenants = of_tenants.zip(scopes.iter().cloned());
    let all = of_tenants.chain([(&config.operators, Scope::Everything)]);
    let mut users = Users::builder();
    for (of, scope) in all {
        for (name, hashes) in of.iter() {
            for hash in hashes {
                users = users.bcrypt(name, hash.expose())?;
            }
            users = users.scope(name, scope.clone());
        }
    }
    Ok(users.build())
}

/// Lets users of Cloud Foundry in, who see the service instances that they see there.
struct CloudFoundryUsers {
    cloud_foundry: CloudFoundry,
    cache_time: Duration,
}

impl Login for CloudFoundryUsers {
    fn login<'a>(
        &'a self,
        user: &'a str,
        password: &'a Secret,
    ) -> BoxFuture<'a, Result<Tenant, LoginError>> {
        Box::pin(async move {
            let guids = self.cloud_foundry.login(user, password).await;
            let guids = guids.map_err(login_error)?;
            Ok(Tenant {
                name: USERS.into(),
                targets: TargetFilter::Values {
                    name: SERVICE_GUID.into(),
                    values: guids.into_iter().map(Into::into).collect(),
                },
                metrics: Vec::new(),
                limits: TenantLimits {
                    concurrency: DEFAULT_CONCURRENCY_LIMIT.try_into().ok(),
                    series: None,
                },
            })
        })
    }

    fn fresh(&self) -> Duration {
        self.cache_time
    }
}

fn login_error(error: cloud_foundry::LoginError) -> LoginError {
    use cloud_foundry::LoginError::{AccountLocked, WrongCredentials};
    match error {
        WrongCredentials => LoginError::Refused,
        AccountLocked => LoginError::TooManyAttempts {
            retry_after: LOCKED,
        },
        error => LoginError::Unavailable(Box::new(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use rustls::pki_types::PrivatePkcs8KeyDer;
    use rustls::{ServerConfig, ServerConnection, StreamOwned};
    use url::Url;

    use super::*;

    /// A server that knows nothing, its certificate in PEM, and how many requests it has had.
    fn serve() -> (Url, String, Arc<AtomicUsize>) {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key.into())
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&requests);
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let tls = ServerConnection::new(Arc::clone(&config)).unwrap();
                let mut connection = StreamOwned::new(tls, connection.unwrap());
                // A client that distrusts the certificate ends the handshake.
                if let Ok(1..) = connection.read(&mut [0; 4096]) {
                    counted.fetch_add(1, Ordering::Relaxed);
                    let answer =
                        b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                    let _ = connection.write_all(answer);
                }
            }
        });
        (url.parse().unwrap(), cert.pem(), requests)
    }

    #[tokio::test]
    async fn a_renewed_ca_file_counts_for_a_login_that_goes_on() {
        let (api, ca, requests) = serve();
        let (_, other_ca, _) = serve();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let access = Access {
            cloud_foundry_login: Some(CloudFoundryLogin {
                api,
                ca_file: Some(path.clone()),
                cache_time: Duration::from_secs(60),
            }),
            ..Access::default()
        };
        let auth = Arc::new(Authenticator::new(Users::default()));
        let control = AccessControl::new(auth, &HeaderValue::from_static("test"));
        for no_ca in [None, Some("nothing")] {
            if let Some(content) = no_ca {
                std::fs::write(&path, content).unwrap();
            }
            let AccessError::Login(error) = control.prepare(&access).unwrap_err() else {
                panic!("another error for {no_ca:?}");
            };
            let error = error.to_string();
            assert!(error.contains(&path.display().to_string()), "{error}");
        }
        std::fs::write(&path, other_ca).unwrap();
        let login = control.prepare(&access).unwrap().login.unwrap().login;
        let ask = async || {
            let outcome = login.login("ann", &"pw".into()).await;
            assert!(matches!(outcome, Err(LoginError::Unavailable(_))));
            requests.load(Ordering::Relaxed)
        };
        assert_eq!(ask().await, 0);
        std::fs::write(&path, ca).unwrap();
        assert!(ask().await > 0);
    }

    #[test]
    fn a_login_goes_on_until_its_settings_change() {
        let auth = Arc::new(Authenticator::new(Users::default()));
        let mut control = AccessControl::new(auth, &HeaderValue::from_static("test"));
        let mut applied = |cache_time| {
            let access = Access {
                cloud_foundry_login: Some(CloudFoundryLogin {
                    api: "http://api.example.org".parse().unwrap(),
                    ca_file: None,
                    cache_time: Duration::from_secs(cache_time),
                }),
                ..Access::default()
            };
            let prepared = control.prepare(&access).unwrap();
            let login = Arc::clone(&prepared.login.as_ref().unwrap().login);
            control.apply(prepared);
            login
        };
        let before = applied(60);
        assert!(Arc::ptr_eq(&before, &applied(60)));
        assert!(!Arc::ptr_eq(&before, &applied(61)));
    }
}
