//! What targets see of a scrape: requests, connections, credentials.

use std::fmt;
use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use es_scraper::scrape::{
    Answer, Body, Buffers, Compression, Encoding, HttpSettings, HttpTransport, Scrape, ScrapeError,
    TlsSettings, Transport,
};
use es_scraper::target::{Target, TargetDefaults, Targets};
use fixtures::node::{Fault, Node, Transport as NodeTransport};
use fixtures::{MockAiven, wait_until};
use http::HeaderValue;
use prom_config::http_client::{
    Authorization, BasicAuth as BasicAuthConfig, HttpAuth, HttpHeader, Redirects, Source, TlsConfig,
};
use prom_model::target::{Access, BasicAuth, ServerIdentity, TargetGroup};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const LIMIT: usize = 1 << 20;
const PATIENCE: Duration = Duration::from_secs(30);

/// Scrapes one target, time and again.
struct Client {
    scrape: Box<dyn Scrape>,
    target: Arc<Target>,
    body: Body,
}

impl Client {
    fn new(address: &str, scheme: &str, settings: &HttpSettings) -> Self {
        Self::with_access(address, scheme, settings, None)
    }

    fn with_access(
        address: &str,
        scheme: &str,
        settings: &HttpSettings,
        access: Option<Arc<dyn Access>>,
    ) -> Self {
        let group = TargetGroup {
            targets: vec![[("__address__", address)].into_iter().collect()],
            access,
            ..TargetGroup::default()
        };
        let defaults = TargetDefaults {
            scheme: scheme.to_owned(),
            scrape_timeout: Duration::from_millis(9_500),
            params: [("a b".to_owned(), vec!["c&d".to_owned()])].into(),
            ..TargetDefaults::default()
        };
        let user_agent = HeaderValue::from_static("test/1");
        let transport = HttpTransport::new(settings, user_agent, Arc::<TlsSettings>::default());
        Self {
            scrape: transport.open(),
            target: Targets::from_groups(&[group], &defaults).active.remove(0),
            body: Body::new(Buffers::new(1)),
        }
    }

    async fn scrape(&mut self) -> Result<Answer, ScrapeError> {
        let scrape = self.scrape.scrape(&self.target, LIMIT, &mut self.body);
        tokio::time::timeout(PATIENCE, scrape).await.unwrap()
    }

    async fn error(&mut self) -> String {
        self.scrape().await.unwrap_err().to_string()
    }

    fn text(&self) -> &str {
        std::str::from_utf8(self.body.bytes()).unwrap()
    }
}

/// A server that answers each request on a connection with the next of its answers, and closes the connection after an
/// answer that says so or where there is none.
struct Server {
    address: String,
    /// Connection, counted from 1, and head of each request.
    requests: Arc<Mutex<Vec<(usize, String)>>>,
}

impl Server {
    /// `answers` of the first connection, the second, …; later ones are answered like the last.
    async fn start(answers: &'static [&'static [&'static str]]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let requests = Arc::<Mutex<Vec<_>>>::default();
        let log = Arc::clone(&requests);
        tokio::spawn(async move {
            for connection in 1.. {
                let (stream, _) = listener.accept().await.unwrap();
                let answers = answers[(connection - 1).min(answers.len() - 1)];
                tokio::spawn(serve(stream, connection, answers, Arc::clone(&log)));
            }
        });
        Self { address, requests }
    }

    fn requests(&self) -> Vec<(usize, String)> {
        self.requests.lock().unwrap().clone()
    }

    fn connections(&self) -> Vec<usize> {
        self.requests()
            .into_iter()
            .map(|(connection, _)| connection)
            .collect()
    }
}

async fn serve(
    mut stream: TcpStream,
    connection: usize,
    answers: &[&str],
    log: Arc<Mutex<Vec<(usize, String)>>>,
) {
    for answer in answers {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let Ok(byte) = stream.read_u8().await else {
                return;
            };
            head.push(byte);
        }
        let head = String::from_utf8(head).unwrap();
        log.lock().unwrap().push((connection, head));
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\na 1\n";

#[tokio::test]
async fn requests_are_those_of_prometheus() {
    let server = Server::start(&[&[OK, OK]]).await;
    let mut settings = HttpSettings::default();
    settings.client.headers = vec![HttpHeader {
        name: "X-Scope".to_owned(),
        values: vec!["one".to_owned(), "two".to_owned()],
        secrets: vec!["three".into()],
        files: Vec::new(),
    }];
    let mut client = Client::new(&server.address, "http", &settings);
    let answer = client.scrape().await.unwrap();
    assert_eq!(
        (answer.encoding, &*answer.content_type),
        (Encoding::Identity, "text/plain")
    );
    assert_eq!(client.text(), "a 1\n");
    let (_, head) = server.requests().remove(0);
    let mut lines: Vec<_> = head.trim_end().split("\r\n").collect();
    lines[1..].sort_unstable();
    let host = format!("host: {}", server.address);
    assert_eq!(
        lines,
        [
            "GET /metrics?a+b=c%26d HTTP/1.1",
            "accept-encoding: gzip",
            "accept: application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
             application/openmetrics-text;version=0.0.1;q=0.5,\
             text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
             text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            &host,
            "user-agent: test/1",
            "x-prometheus-scrape-timeout-seconds: 9.5",
            "x-scope: one",
            "x-scope: three",
            "x-scope: two",
        ]
    );
    settings.compression = Compression::Off;
    let mut client = Client::new(&server.address, "http", &settings);
    client.scrape().await.unwrap();
    let (_, head) = server.requests().remove(1);
    assert!(head.contains("accept-encoding: identity\r\n"), "{head}");
}

#[tokio::test]
async fn a_connection_is_kept_and_made_anew_when_it_was_closed() {
    // The second connection dies in the middle of an answer.
    const HALF: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\na ";
    let server = Server::start(&[&[OK, OK], &[HALF], &[OK, OK]]).await;
    let mut client = Client::new(&server.address, "http", &HttpSettings::default());
    for _ in 0..2 {
        client.scrape().await.unwrap();
    }
    assert_eq!(client.error().await, "unexpected EOF");
    for _ in 0..2 {
        client.scrape().await.unwrap();
    }
    assert_eq!(server.connections(), [1, 1, 2, 3, 3]);
}

#[tokio::test]
async fn a_scrape_is_not_repeated_on_a_new_connection() {
    let server = Server::start(&[&[""], &[OK]]).await;
    let mut client = Client::new(&server.address, "http", &HttpSettings::default());
    assert_eq!(client.error().await, "EOF");
    assert_eq!(server.connections(), [1]);
}

#[tokio::test]
async fn a_scrape_is_repeated_where_a_kept_connection_ends_without_an_answer() {
    let server = Server::start(&[&[OK, ""], &[OK, "HTTP/1.1 200 OK\r\n"], &[OK]]).await;
    let mut client = Client::new(&server.address, "http", &HttpSettings::default());
    client.scrape().await.unwrap();
    client.scrape().await.unwrap();
    assert_eq!(server.connections(), [1, 1, 2]);
    // An answer that has begun may be of anything.
    assert_eq!(client.error().await, "unexpected EOF");
    client.scrape().await.unwrap();
    assert_eq!(server.connections(), [1, 1, 2, 2, 3]);
}

#[tokio::test]
async fn bytes_behind_an_answer_cost_the_connection() {
    const MORE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\na 1\nHTTP/1.1 200 OK\r\n\r\n";
    const CHUNKS: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                          2\r\na \r\n2;x\r\n2\n\r\n0\r\nA: b\r\n\r\n";
    const CLOSE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\na 3\n";
    let server = Server::start(&[&[MORE, ""], &[CHUNKS, CLOSE, ""], &[OK]]).await;
    let mut client = Client::new(&server.address, "http", &HttpSettings::default());
    let mut texts = Vec::new();
    for _ in 0..4 {
        client.scrape().await.unwrap();
        texts.push(client.text().to_owned());
    }
    assert_eq!(texts, ["a 1\n", "a 2\n", "a 3\n", "a 1\n"]);
    assert_eq!(server.connections(), [1, 2, 2, 3]);
}

#[tokio::test]
async fn an_answer_cut_short_by_the_caller_is_not_taken_for_the_next_one() {
    const SLOW: &str = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nold ";
    let server = Server::start(&[&[SLOW, ""], &[OK]]).await;
    let mut client = Client::new(&server.address, "http", &HttpSettings::default());
    {
        let scrape = client
            .scrape
            .scrape(&client.target, LIMIT, &mut client.body);
        tokio::select! {
            _ = scrape => panic!("the answer isn't complete"),
            asked = wait_until(PATIENCE, || !server.requests().is_empty()) => asked.unwrap(),
        }
    }
    client.scrape().await.unwrap();
    assert_eq!(client.text(), "a 1\n");
    assert_eq!(server.connections(), [1, 2]);
}

#[tokio::test]
async fn a_status_is_told_without_waiting_for_the_body() {
    const HANGS: &str = "HTTP/1.1 500 Oh no\r\nContent-Length: 8\r\n\r\nsorr";
    let server = Server::start(&[&[HANGS, ""], &[OK]]).await;
    let mut client = Client::new(&server.address, "http", &HttpSettings::default());
    assert_eq!(
        client.error().await,
        "server returned HTTP status 500 Internal Server Error"
    );
    client.scrape().await.unwrap();
    assert_eq!(client.text(), "a 1\n");
    assert_eq!(server.connections(), [1, 2]);
}

#[tokio::test]
async fn a_connection_outlives_a_short_body_of_another_status() {
    const SHORT: &str = "HTTP/1.1 503 Later\r\nContent-Length: 5\r\n\r\nlater";
    const CHUNKS: &str =
        "HTTP/1.1 503 Later\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nlater\r\n0\r\n\r\n";
    const EMPTY: &str = "HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n";
    let server = Server::start(&[&[SHORT, CHUNKS, EMPTY, OK]]).await;
    let mut client = Client::new(&server.address, "http", &HttpSettings::default());
    for _ in 0..3 {
        assert_eq!(
            client.error().await,
            "server returned HTTP status 503 Service Unavailable"
        );
    }
    client.scrape().await.unwrap();
    assert_eq!(server.connections(), [1, 1, 1, 1]);
}

#[tokio::test]
async fn a_long_body_of_another_status_costs_the_connection() {
    let body = "x".repeat(100_000);
    let length = body.len();
    let long = format!("HTTP/1.1 500 Oh no\r\nContent-Length: {length}\r\n\r\n{body}");
    let answers: &'static [&'static str] = vec![&*long.leak()].leak();
    let server = Server::start(vec![answers, &[OK]].leak()).await;
    let mut client = Client::new(&server.address, "http", &HttpSettings::default());
    client.error().await;
    client.scrape().await.unwrap();
    assert_eq!(server.connections(), [1, 2]);
}

#[tokio::test]
async fn what_is_no_http_is_told() {
    let server = Server::start(&[&["SSH-2.0-OpenSSH_9.2\r\n\r\n"]]).await;
    let mut client = Client::new(&server.address, "http", &HttpSettings::default());
    assert_eq!(client.error().await, "malformed HTTP response");
}

#[tokio::test]
async fn a_body_of_the_limit_is_within_it() {
    let server = |extra: usize| async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            // Unread, it would have the connection reset.
            assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
            let head = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
            let body = vec![b'#'; LIMIT + extra];
            let _ = stream.write_all(head.as_bytes()).await;
            let _ = stream.write_all(&body).await;
        });
        Client::new(&address, "http", &HttpSettings::default())
    };
    let mut client = server(0).await;
    client.scrape().await.unwrap();
    assert_eq!(client.body.bytes().len(), LIMIT);
    assert_eq!(server(1).await.error().await, "body size limit exceeded");
}

#[tokio::test]
async fn credentials_do_not_follow_a_redirect_to_another_host() {
    let elsewhere = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let port = elsewhere.local_addr().unwrap().port();
    let there = tokio::spawn(async move {
        let log = Arc::<Mutex<Vec<_>>>::default();
        let (stream, _) = elsewhere.accept().await.unwrap();
        serve(stream, 1, &[OK], Arc::clone(&log)).await;
        log.lock().unwrap().clone()
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let here = tokio::spawn(async move {
        let log = Arc::<Mutex<Vec<_>>>::default();
        let to_self =
            "HTTP/1.1 307 Temporary Redirect\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n";
        let away = format!(
            "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.2:{port}/c?d\r\nContent-Length: 0\r\n\r\n"
        );
        for answer in [to_self, &away] {
            let (stream, _) = listener.accept().await.unwrap();
            serve(stream, 1, &[answer], Arc::clone(&log)).await;
        }
        log.lock().unwrap().clone()
    });
    let mut settings = HttpSettings::default();
    settings.client.auth = HttpAuth::Authorization(Authorization {
        scheme: "Bearer".to_owned(),
        credentials: Source::Inline("hunter2".into()),
    });
    let mut client = Client::new(&address, "http", &settings);
    client.scrape().await.unwrap();
    assert_eq!(client.text(), "a 1\n");
    let bearer = |(_, head): &(usize, String)| head.contains("authorization: Bearer hunter2\r\n");
    let (here, there) = (here.await.unwrap(), there.await.unwrap());
    assert!(here.len() == 2 && here.iter().all(bearer), "{here:?}");
    assert!(here[1].1.starts_with("GET /b HTTP/1.1\r\n"), "{here:?}");
    assert!(there.len() == 1 && !there.iter().any(bearer), "{there:?}");
    assert!(there[0].1.starts_with("GET /c?d HTTP/1.1\r\n"), "{there:?}");
}

#[tokio::test]
async fn redirects_can_be_refused() {
    const MOVED: &str = "HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n";
    let server = Server::start(&[&[MOVED, MOVED]]).await;
    let mut settings = HttpSettings::default();
    settings.client.redirects = Redirects::Refuse;
    let mut client = Client::new(&server.address, "http", &settings);
    for _ in 0..2 {
        assert_eq!(
            client.error().await,
            "server returned HTTP status 302 Found"
        );
    }
    assert_eq!(server.connections(), [1, 1]);
}

#[tokio::test]
async fn redirects_can_be_kept_within_the_host() {
    const MOVED: &str = "HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n";
    let mut settings = HttpSettings::default();
    settings.client.redirects = Redirects::FollowWithinHost;
    let server = Server::start(&[&[MOVED], &[OK]]).await;
    let mut client = Client::new(&server.address, "http", &settings);
    client.scrape().await.unwrap();
    assert_eq!(client.text(), "a 1\n");
    let away = format!(
        "HTTP/1.1 302 Found\r\nLocation: http://{}/\r\nContent-Length: 0\r\n\r\n",
        server.address
    );
    let away: &'static [&'static str] = vec![&*away.leak()].leak();
    let other = Server::start(vec![away].leak()).await;
    let mut client = Client::new(&other.address, "http", &settings);
    assert_eq!(client.error().await, "redirect to another host or port");
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn credentials_are_read_again_when_their_file_changes() {
    let server = Server::start(&[&[OK, OK, OK]]).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("password");
    let mut settings = HttpSettings::default();
    settings.client.auth = HttpAuth::Basic(BasicAuthConfig {
        username: Source::Inline("user".to_owned()),
        password: Source::File(path.clone()),
    });
    let mut client = Client::new(&server.address, "http", &settings);
    let missing = format!(
        "unable to read basic auth password file {}: no such file or directory",
        path.display()
    );
    assert_eq!(client.error().await, missing);
    fs::write(&path, " one\n").unwrap();
    client.scrape().await.unwrap();
    fs::write(&path, "three").unwrap();
    client.scrape().await.unwrap();
    let sent: Vec<String> = server
        .requests()
        .into_iter()
        .map(|(_, head)| head)
        .collect();
    assert!(
        sent[0].contains("authorization: Basic dXNlcjpvbmU=\r\n"),
        "{sent:?}"
    );
    assert!(
        sent[1].contains("authorization: Basic dXNlcjp0aHJlZQ==\r\n"),
        "{sent:?}"
    );
}

/// Access whose password can be changed, as discovery does when it is told of a rejected one.
struct Changing {
    auth: Mutex<Arc<BasicAuth>>,
    identity: Arc<ServerIdentity>,
    rejected: Mutex<Vec<BasicAuth>>,
}

impl fmt::Debug for Changing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changing").finish_non_exhaustive()
    }
}

impl Access for Changing {
    fn basic_auth(&self) -> Option<Arc<BasicAuth>> {
        Some(Arc::clone(&self.auth.lock().unwrap()))
    }

    fn server_identity(&self) -> Option<Arc<ServerIdentity>> {
        Some(Arc::clone(&self.identity))
    }

    fn rejected(&self, used: &BasicAuth) {
        self.rejected.lock().unwrap().push(used.clone());
    }
}

async fn one_node() -> (MockAiven, Node, Arc<Changing>) {
    let aiven = MockAiven::builder()
        .services(1)
        .nodes(1)
        .start()
        .await
        .unwrap();
    let node = aiven.nodes().remove(0);
    let access = Changing {
        auth: Mutex::new(Arc::new(BasicAuth {
            username: aiven.user(),
            password: "wrong".into(),
        })),
        identity: Arc::new(ServerIdentity {
            server_name: node.host().to_owned(),
            ca_pem: aiven.ca_pem(),
        }),
        rejected: Mutex::default(),
    };
    (aiven, node, Arc::new(access))
}

#[tokio::test]
async fn discovery_is_told_of_rejected_credentials_and_new_ones_count_at_once() {
    let (aiven, node, access) = one_node().await;
    let address = node.address().to_string();
    let settings = HttpSettings::default();
    let given = Some(Arc::clone(&access) as Arc<dyn Access>);
    let mut client = Client::with_access(&address, "https", &settings, given.clone());
    assert_eq!(
        client.error().await,
        "server returned HTTP status 401 Unauthorized"
    );
    assert_eq!(access.rejected.lock().unwrap().len(), 1);
    *access.auth.lock().unwrap() = Arc::new(BasicAuth {
        username: aiven.user(),
        password: aiven.password().into(),
    });
    let answer = client.scrape().await.unwrap();
    assert_eq!(answer.encoding, Encoding::Gzip);
    assert_eq!(node.connection_count(), 1);

    // Another failure is none of the credentials' business.
    node.fail(Fault::Status(500));
    client.error().await;
    assert_eq!(access.rejected.lock().unwrap().len(), 1);
    node.heal();

    // Credentials of the job come first.
    let mut settings = HttpSettings::default();
    settings.client.auth = HttpAuth::Basic(BasicAuthConfig {
        username: Source::Inline("job".to_owned()),
        password: Source::Inline("x".into()),
    });
    let mut client = Client::with_access(&address, "https", &settings, given);
    client.error().await;
    assert_eq!(node.scrapes().pop().unwrap().user.as_deref(), Some("job"));
    assert_eq!(access.rejected.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn tls_settings_of_the_job_come_first() {
    let (aiven, node, access) = one_node().await;
    *access.auth.lock().unwrap() = Arc::new(BasicAuth {
        username: aiven.user(),
        password: aiven.password().into(),
    });
    let address = node.address().to_string();
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    fs::write(&ca_file, aiven.ca_pem()).unwrap();
    let client = |tls: TlsConfig| {
        let mut settings = HttpSettings::default();
        settings.client.tls = Some(tls);
        let access = Some(Arc::clone(&access) as Arc<dyn Access>);
        Client::with_access(&address, "https", &settings, access)
    };
    let issued = || Some(Source::File(ca_file.clone()));

    // The certificate isn't for the address that is connected to.
    let error = client(TlsConfig {
        ca: issued(),
        ..TlsConfig::default()
    })
    .error()
    .await;
    assert!(
        error.starts_with("tls: invalid peer certificate: "),
        "{error}"
    );
    let mut named = client(TlsConfig {
        ca: issued(),
        server_name: Some(node.host().to_owned()),
        ..TlsConfig::default()
    });
    named.scrape().await.unwrap();
    let error = client(TlsConfig::default()).error().await;
    assert!(error.starts_with("tls"), "{error}");

    node.set_transport(NodeTransport::OtherAuthority)
        .await
        .unwrap();
    let error = named.error().await;
    assert!(
        error.starts_with("tls: invalid peer certificate: "),
        "{error}"
    );
    let mut careless = client(TlsConfig {
        insecure_skip_verify: true,
        ..TlsConfig::default()
    });
    careless.scrape().await.unwrap();

    let error = client(TlsConfig {
        ca: Some(Source::Inline("no certificate".to_owned())),
        ..TlsConfig::default()
    })
    .error()
    .await;
    assert_eq!(error, "tls settings: no certificate in PEM");
}
