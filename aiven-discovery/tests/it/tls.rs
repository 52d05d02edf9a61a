use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aiven_discovery::api::{
    AivenApi, ApiError, HttpAivenApi, HttpApiBuildError, HttpApiOptions, RetryPolicy, SecretSource,
};
use aiven_discovery::config::{AivenSdConfig, BuildOptions, CloudFoundryConfig, ServicesSource};
use cloud_foundry::Credentials;
use fixtures::wait_until;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rest_client::{BuildError, CallError, Client, ClientOptions, Method};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

use crate::fakes::Running;

/// Serves an empty list of services with a certificate for `name`; the CA's certificate in PEM.
async fn serve(name: &str) -> (SocketAddr, String) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new([name.to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &ca).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            // A client that distrusts the certificate ends the handshake.
            let Ok(mut connection) = acceptor.accept(connection).await else {
                continue;
            };
            let mut request = [0; 4096];
            let _ = connection.read(&mut request).await;
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 16\r\nconnection: close\r\n\r\n{\"services\": []}";
            let _ = connection.write_all(answer).await;
            let _ = connection.shutdown().await;
        }
    });
    (address, ca.pem())
}

fn api(address: SocketAddr, ca: Option<String>) -> Result<HttpAivenApi, HttpApiBuildError> {
    let url = format!("https://{address}").parse().unwrap();
    HttpAivenApi::new(HttpApiOptions {
        extra_ca_pem: ca,
        request_timeout: Duration::from_secs(20),
        retry: RetryPolicy {
            attempts: 1,
            ..RetryPolicy::default()
        },
        ..HttpApiOptions::new(url, "paas", SecretSource::Inline("t".into()))
    })
}

#[tokio::test]
async fn a_certificate_of_the_additional_ca_is_trusted() {
    let (address, ca) = serve("127.0.0.1").await;
    let list = api(address, Some(ca)).unwrap().services().await.unwrap();
    assert!(list.services.is_empty());
}

#[tokio::test]
async fn no_other_certificate_is_trusted() {
    let (address, _) = serve("127.0.0.1").await;
    let (_, other_ca) = serve("127.0.0.1").await;
    let (misnamed, its_ca) = serve("127.0.0.2").await;
    let refused = [
        api(address, Some(other_ca)).unwrap(),
        api(misnamed, Some(its_ca)).unwrap(),
    ];
    for api in refused {
        let error = api.services().await.unwrap_err();
        assert!(matches!(error, ApiError::Unreachable { .. }), "{error}");
    }
    match api(address, None) {
        Ok(api) => assert!(api.services().await.is_err()),
        // A system without certificates trusts nobody.
        Err(error) => assert!(matches!(
            error,
            HttpApiBuildError::Client(BuildError::NoTrustedCertificates)
        )),
    }
}

#[tokio::test]
async fn a_changed_file_of_additional_cas_counts_at_once() {
    let (address, ca) = serve("127.0.0.1").await;
    let (_, other_ca) = serve("127.0.0.1").await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, &other_ca).unwrap();
    let url: url::Url = format!("https://{address}").parse().unwrap();
    let options = ClientOptions {
        extra_ca_file: Some(path.clone()),
        ..ClientOptions::new("test")
    };
    let client = Client::new(&url, options).unwrap();
    let status = async || {
        let answer = client.send(client.request(Method::GET, url.clone())).await;
        answer.map(|answer| answer.status)
    };
    let is_distrusted =
        |status: Result<u16, CallError>| matches!(status, Err(CallError::NotConnected { .. }));
    assert!(is_distrusted(status().await));
    std::fs::write(&path, &ca).unwrap();
    assert_eq!(status().await.unwrap(), 200);
    for no_ca in ["".to_owned(), "nothing".to_owned(), too_long(&other_ca)] {
        std::fs::write(&path, &no_ca).unwrap();
        assert_eq!(status().await.unwrap(), 200, "{} bytes", no_ca.len());
    }
    std::fs::remove_file(&path).unwrap();
    assert_eq!(status().await.unwrap(), 200);
    std::fs::write(&path, other_ca).unwrap();
    assert!(is_distrusted(status().await));
}

/// `pem`, and after it more than is read.
fn too_long(pem: &str) -> String {
    format!("{pem}{}", "\n".repeat(1024 * 1024))
}

#[tokio::test]
async fn a_file_of_additional_cas_that_is_none_is_named() {
    let (address, ca) = serve("127.0.0.1").await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    let shown = path.display().to_string();
    let url: url::Url = format!("https://{address}").parse().unwrap();
    let new = || {
        let options = ClientOptions {
            extra_ca_file: Some(path.clone()),
            ..ClientOptions::new("test")
        };
        Client::new(&url, options).map_err(|error| error.to_string())
    };
    assert_eq!(new().unwrap_err(), format!("can't read {shown}"));
    for (content, want) in [
        (Vec::new(), "is not a file of certificates in PEM"),
        (b"nothing".to_vec(), "is not a file of certificates in PEM"),
        (b"\xff".to_vec(), "is not a file of certificates in PEM"),
        (too_long(&ca).into(), "is larger than 1048576 bytes"),
    ] {
        std::fs::write(&path, content).unwrap();
        assert_eq!(new().unwrap_err(), format!("{shown} {want}"));
    }
    std::fs::write(&path, ca).unwrap();
    assert!(new().is_ok());
}

#[tokio::test]
async fn a_changed_ca_file_of_cloud_foundry_counts_at_once() {
    let (address, ca) = serve("127.0.0.1").await;
    let (_, other_ca) = serve("127.0.0.1").await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, other_ca).unwrap();
    let credentials = Credentials::Token(SecretSource::Inline("t".into()));
    let api = format!("https://{address}").parse().unwrap();
    let cloud_foundry = CloudFoundryConfig {
        refresh_interval: Duration::from_millis(50),
        ca_file: Some(path.clone()),
        ..CloudFoundryConfig::new(api, credentials, "prod")
    };
    let config = AivenSdConfig {
        api_url: Some("http://127.0.0.1:1".parse().unwrap()),
        integrate: false,
        services: ServicesSource::CloudFoundry(Box::new(cloud_foundry)),
        ..AivenSdConfig::new("paas")
    };
    let options = BuildOptions {
        api_token: Some("t".into()),
        ..BuildOptions::default()
    };
    let running = Running::start(config.build("test", &options).unwrap());
    let error_names = async |what: &str| {
        let named = || {
            let error = running.discovery.status().catalogue_error;
            error.is_some_and(|error| error.contains(what))
        };
        wait_until(Duration::from_secs(20), named).await.unwrap();
    };
    error_names("unreachable").await;
    std::fs::write(&path, ca).unwrap();
    // It is no Cloud Foundry that answers.
    error_names("makes no sense").await;
}
