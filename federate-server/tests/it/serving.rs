use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use axum::routing::get;
use federate_server::listener::ListenAddress;
use federate_server::metrics::ReloadMetrics;
use federate_server::serve::{Crowded, Drained, Limits, Pace, TlsSource, serve};
use federate_server::web_config::LiveWebConfig;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const PATIENCE: Duration = Duration::from_secs(30);

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    done: JoinHandle<Drained>,
}

impl Running {
    async fn start(app: Router, tls: Arc<dyn TlsSource>, limits: Limits) -> Self {
        let address: ListenAddress = "127.0.0.1:0".parse().unwrap();
        let listener = address.bind().await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let shutdown = async {
            let _ = stopped.await;
        };
        let done = tokio::spawn(serve(listener, app, tls, limits, shutdown));
        Self {
            address,
            stop,
            done,
        }
    }

    async fn stop(self) -> Drained {
        self.stop.send(()).unwrap();
        timeout(PATIENCE, self.done).await.unwrap().unwrap()
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

/// Everything that comes until the other side closes.
async fn rest(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    // A reset is an end as well.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut text))
        .await
        .unwrap();
    String::from_utf8_lossy(&text).into_owned()
}

fn hello() -> Router {
    Router::new().route(
        "/",
        get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.ip().to_string() }),
    )
}

/// Answers once it is told to; tells when it was asked.
fn gated() -> (Router, Arc<Notify>, Arc<Notify>) {
    let (asked, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let handler = {
        let (asked, go) = (Arc::clone(&asked), Arc::clone(&go));
        move || async move {
            asked.notify_one();
            go.notified().await;
            "done"
        }
    };
    (Router::new().route("/", get(handler)), asked, go)
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

#[tokio::test]
async fn a_shutdown_lets_answers_finish_and_accepts_no_more() {
    let (app, asked, go) = gated();
    let running = Running::start(app, Arc::new(()), Limits::default()).await;
    let address = running.address;
    let mut busy = running.connect().await;
    busy.write_all(REQUEST).await.unwrap();
    timeout(PATIENCE, asked.notified()).await.unwrap();
    let mut idle = running.connect().await;
    let stopped = tokio::spawn(running.stop());
    // An idle connection is closed, while the answer under way keeps the server.
    assert_eq!(rest(&mut idle).await, "");
    assert!(TcpStream::connect(address).await.is_err());
    assert!(!stopped.is_finished());
    go.notify_one();
    let answer = rest(&mut busy).await;
    assert!(
        answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("done"),
        "{answer}"
    );
    assert_eq!(stopped.await.unwrap(), Drained::Clean);
}

#[tokio::test]
async fn a_shutdown_ends_by_its_deadline() {
    let (app, asked, _go) = gated();
    let limits = Limits {
        drain: Duration::from_millis(50),
        ..Limits::default()
    };
    let running = Running::start(app, Arc::new(()), limits).await;
    let mut busy = running.connect().await;
    busy.write_all(REQUEST).await.unwrap();
    timeout(PATIENCE, asked.notified()).await.unwrap();
    assert_eq!(running.stop().await, Drained::CutOff);
    assert_eq!(rest(&mut busy).await, "");
}

#[tokio::test]
async fn a_connection_that_sends_no_request_is_closed() {
    let limits = Limits {
        head: Duration::from_millis(50),
        ..Limits::default()
    };
    let running = Running::start(hello(), Arc::new(()), limits).await;
    let mut silent = running.connect().await;
    let mut halting = running.connect().await;
    halting.write_all(b"GET / HTTP/1.1\r\nHos").await.unwrap();
    assert_eq!(rest(&mut silent).await, "");
    assert!(!rest(&mut halting).await.contains("200 OK"));
    assert_eq!(running.stop().await, Drained::Clean);
}

#[tokio::test]
async fn a_connection_may_be_idle_for_longer_after_its_first_request() {
    let limits = Limits {
        head: Duration::from_millis(50),
        ..Limits::default()
    };
    let running = Running::start(hello(), Arc::new(()), limits).await;
    let mut lasting = running.connect().await;
    let answer = async |stream: &mut TcpStream| {
        stream.write_all(REQUEST).await.unwrap();
        let mut text = Vec::new();
        while !text.ends_with(b"127.0.0.1") {
            let read = stream.read_buf(&mut text);
            assert_ne!(timeout(PATIENCE, read).await.unwrap().unwrap(), 0);
        }
    };
    answer(&mut lasting).await;
    // One that came later and was silent is gone, the other is still there.
    let mut silent = running.connect().await;
    assert_eq!(rest(&mut silent).await, "");
    answer(&mut lasting).await;

    let limits = Limits {
        idle: Duration::from_millis(50),
        ..Limits::default()
    };
    let running = Running::start(hello(), Arc::new(()), limits).await;
    let mut idle = running.connect().await;
    answer(&mut idle).await;
    assert_eq!(rest(&mut idle).await, "");
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_broken_off() {
    let endless = || async {
        let parts = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>("x"));
        Body::from_stream(parts)
    };
    let limits = Limits {
        answer: Duration::from_millis(50),
        ..Limits::default()
    };
    let running =
        Running::start(Router::new().route("/", get(endless)), Arc::new(()), limits).await;
    let mut client = running.connect().await;
    client.write_all(REQUEST).await.unwrap();
    let answer = rest(&mut client).await;
    // It lacks the last chunk, so the client knows.
    assert!(answer.starts_with("HTTP/1.1 200 OK") && !answer.ends_with("0\r\n\r\n"));
    assert_eq!(running.stop().await, Drained::Clean);
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_a_place() {
    let limits = Limits {
        connections: 1,
        reserve: 0,
        ..Limits::default()
    };
    let running = Running::start(hello(), Arc::new(()), limits).await;
    let mut first = running.connect().await;
    first.write_all(REQUEST).await.unwrap();
    let mut byte = [0];
    timeout(PATIENCE, first.read_exact(&mut byte))
        .await
        .unwrap()
        .unwrap();
    let mut second = running.connect().await;
    second.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let answer = tokio::spawn(async move { rest(&mut second).await });
    tokio::task::yield_now().await;
    assert!(!answer.is_finished());
    drop(first);
    assert!(
        timeout(PATIENCE, answer)
            .await
            .unwrap()
            .unwrap()
            .contains("200 OK")
    );
    running.stop().await;
}

#[tokio::test]
async fn a_reserve_of_connections_is_for_what_is_vital() {
    let app = Router::new().route(
        "/",
        get(|request: axum::extract::Request| async move {
            let is_crowded = request.extensions().get::<Crowded>().is_some();
            if is_crowded { "crowded" } else { "regular" }
        }),
    );
    let limits = Limits {
        connections: 1,
        reserve: 1,
        ..Limits::default()
    };
    let running = Running::start(app, Arc::new(()), limits).await;
    let mut first = running.connect().await;
    first.write_all(REQUEST).await.unwrap();
    let mut head = [0; 12];
    timeout(PATIENCE, first.read_exact(&mut head))
        .await
        .unwrap()
        .unwrap();
    let ask = async || {
        let mut stream = running.connect().await;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
        rest(&mut stream).await
    };
    assert!(ask().await.ends_with("crowded"));
    // The reserve is there again once its connection has ended, and regular places as soon as one is free.
    assert!(ask().await.ends_with("crowded"));
    drop(first);
    timeout(PATIENCE, async {
        while !ask().await.ends_with("regular") {}
    })
    .await
    .unwrap();
    assert_eq!(running.stop().await, Drained::Clean);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off() {
    let endless = || async {
        let part = Bytes::from(vec![b'x'; 64 * 1024]);
        let parts =
            futures_util::stream::repeat_with(move || Ok::<_, std::io::Error>(part.clone()));
        Body::from_stream(parts)
    };
    let pace = Pace {
        bytes: 1024,
        every: Duration::from_millis(50),
    };
    let limits = Limits {
        pace,
        ..Limits::default()
    };
    let running =
        Running::start(Router::new().route("/", get(endless)), Arc::new(()), limits).await;
    let mut client = running.connect().await;
    client.write_all(REQUEST).await.unwrap();
    client.readable().await.unwrap();
    // Nothing is read, and in the end the server closes.
    timeout(PATIENCE, async {
        while client.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .unwrap();
    assert_eq!(running.stop().await, Drained::Clean);
}

/// A directory with a server's certificate, a client's, and a web configuration file.
struct Pki {
    directory: tempfile::TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Pki {
    fn new(rest: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let pki = Self {
            directory: tempfile::tempdir().unwrap(),
            issuer,
        };
        let (certificate, key) = pki.issue("127.0.0.1");
        pki.write("cert.pem", &certificate);
        pki.write("key.pem", &key);
        pki.write("ca.pem", &pki.issuer.pem());
        pki.write(
            "web.yml",
            &format!("tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n{rest}"),
        );
        pki
    }

    fn issue(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.directory.path().join(name), text).unwrap();
    }

    fn open(&self) -> Arc<LiveWebConfig> {
        let path = self.directory.path().join("web.yml");
        Arc::new(LiveWebConfig::open(&path, ReloadMetrics::default()).unwrap())
    }

    /// How a client speaks TLS that trusts this issuer, with a certificate of `identity` where there is one.
    fn client_config(&self, identity: Option<&str>) -> rustls::ClientConfig {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let Some((certificate, key)) = identity.map(|name| self.issue(name)) else {
            return builder.with_no_client_auth();
        };
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        builder
            .with_client_auth_cert(vec![certificate], key)
            .unwrap()
    }

    fn client(&self, identity: Option<&str>) -> reqwest::Client {
        let config = self.client_config(identity);
        let builder = reqwest::Client::builder().tls_backend_preconfigured(config);
        builder.no_proxy().build().unwrap()
    }
}

async fn version_of(client: &reqwest::Client, running: &Running) -> Option<http::Version> {
    let answer = client
        .get(format!("https://{}/", running.address))
        .send()
        .await
        .ok()?;
    let version = answer.version();
    (answer.text().await.ok()? == "127.0.0.1").then_some(version)
}

#[tokio::test]
async fn tls_is_spoken_with_the_configured_certificate() {
    let pki = Pki::new("");
    let live = pki.open();
    let running = Running::start(hello(), live.clone(), Limits::default()).await;
    assert_eq!(
        version_of(&pki.client(None), &running).await,
        Some(http::Version::HTTP_11)
    );
    let stranger = Pki::new("").client(None);
    assert_eq!(version_of(&stranger, &running).await, None);
    // A certificate of another issuer takes the place of the first: now the other client is served.
    let other = Pki::new("");
    for file in ["cert.pem", "key.pem"] {
        std::fs::copy(
            other.directory.path().join(file),
            pki.directory.path().join(file),
        )
        .unwrap();
    }
    live.reload().unwrap();
    assert!(version_of(&pki.client(None), &running).await.is_none());
    assert!(version_of(&other.client(None), &running).await.is_some());
    assert_eq!(running.stop().await, Drained::Clean);
}

/// The protocol that TLS agrees on with a client that speaks both.
async fn negotiated(pki: &Pki, running: &Running) -> (TlsStream<TcpStream>, Option<Vec<u8>>) {
    let mut config = pki.client_config(None);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let connector = TlsConnector::from(Arc::new(config));
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let stream = connector
        .connect(name, running.connect().await)
        .await
        .unwrap();
    let protocol = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
    (stream, protocol)
}

#[tokio::test]
async fn http2_is_spoken_where_it_is_asked_for_and_configured() {
    let pki = Pki::new("");
    let running = Running::start(hello(), pki.open(), Limits::default()).await;
    let (stream, protocol) = negotiated(&pki, &running).await;
    assert_eq!(protocol.as_deref(), Some(&b"h2"[..]));
    let executor = TokioExecutor::new();
    let client = hyper::client::conn::http2::handshake(executor, TokioIo::new(stream));
    let (mut client, connection) = client.await.unwrap();
    let connection = tokio::spawn(connection);
    let request = http::Request::get(format!("https://{}/", running.address)).body(Body::empty());
    let answer = client.send_request(request.unwrap()).await.unwrap();
    let body = axum::body::to_bytes(Body::new(answer.into_body()), 100)
        .await
        .unwrap();
    assert_eq!(&*body, b"127.0.0.1");
    assert_eq!(running.stop().await, Drained::Clean);
    let _ = timeout(PATIENCE, connection).await.unwrap();

    let pki = Pki::new("http_server_config: {http2: false}\n");
    let running = Running::start(hello(), pki.open(), Limits::default()).await;
    let (_stream, protocol) = negotiated(&pki, &running).await;
    assert_eq!(protocol.as_deref(), Some(&b"http/1.1"[..]));
    running.stop().await;
}

#[tokio::test]
async fn clients_must_show_a_certificate_of_an_allowed_name() {
    let pki = Pki::new(
        "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n  \
         client_allowed_sans: [good.example]\n",
    );
    let running = Running::start(hello(), pki.open(), Limits::default()).await;
    assert!(
        version_of(&pki.client(Some("good.example")), &running)
            .await
            .is_some()
    );
    assert!(
        version_of(&pki.client(Some("bad.example")), &running)
            .await
            .is_none()
    );
    assert!(version_of(&pki.client(None), &running).await.is_none());
    running.stop().await;
}

#[tokio::test]
async fn a_handshake_that_stalls_is_given_up() {
    let pki = Pki::new("");
    let limits = Limits {
        handshake: Duration::from_millis(50),
        ..Limits::default()
    };
    let running = Running::start(hello(), pki.open(), limits).await;
    let mut silent = running.connect().await;
    assert_eq!(rest(&mut silent).await, "");
    let mut plain = running.connect().await;
    plain.write_all(REQUEST).await.unwrap();
    assert!(!rest(&mut plain).await.contains("HTTP/1.1"));
    assert_eq!(running.stop().await, Drained::Clean);
}

#[tokio::test]
async fn a_shutdown_waits_for_no_handshake() {
    let pki = Pki::new("");
    let running = Running::start(hello(), pki.open(), Limits::default()).await;
    let mut silent = running.connect().await;
    assert!(version_of(&pki.client(None), &running).await.is_some());
    assert_eq!(running.stop().await, Drained::Clean);
    assert_eq!(rest(&mut silent).await, "");
}
