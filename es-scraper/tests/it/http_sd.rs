//! Targets from an HTTP server: what is asked, what is taken, and what stays when something is wrong.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use es_scraper::discovery::{HttpConfig, JobInputs};
use prom_config::http_client::{
    Authorization, BasicAuth, HttpAuth, HttpClientConfig, HttpHeader, Redirects, Source,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::inputs::Inputs;

const FAILURES: &str = "prometheus_sd_http_failures_total";

/// Gives the same answer to every request until it is told another one.
struct Server {
    port: u16,
    answer: Arc<Mutex<Vec<u8>>>,
    /// Heads of all requests.
    requests: watch::Receiver<Vec<String>>,
    task: JoinHandle<()>,
}

impl Server {
    async fn start(answer: impl AsRef<[u8]>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let answer = Arc::new(Mutex::new(answer.as_ref().to_vec()));
        let (seen, requests) = watch::channel(Vec::new());
        let current = Arc::clone(&answer);
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    match stream.read_u8().await {
                        Ok(byte) => head.push(byte),
                        Err(_) => break,
                    }
                }
                seen.send_modify(|seen| seen.push(String::from_utf8_lossy(&head).into_owned()));
                let answer = current.lock().unwrap().clone();
                // Whoever asked may be gone already.
                drop(stream.write_all(&answer).await);
                drop(stream.shutdown().await);
            }
        });
        Self {
            port,
            answer,
            requests,
            task,
        }
    }

    fn answer(&self, answer: impl AsRef<[u8]>) {
        *self.answer.lock().unwrap() = answer.as_ref().to_vec();
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn config(&self) -> HttpConfig {
        HttpConfig {
            url: self.url("/sd"),
            refresh_interval: Duration::from_millis(100),
            client: HttpClientConfig::default(),
        }
    }

    /// The first request.
    async fn request(&mut self) -> String {
        let first = self.requests.wait_for(|requests| !requests.is_empty());
        timeout(Duration::from_secs(30), first)
            .await
            .unwrap()
            .unwrap()[0]
            .clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn start(config: HttpConfig) -> Inputs {
    let mut job = JobInputs::new("http");
    job.http.push(config);
    Inputs::start(job)
}

fn json(body: &str) -> String {
    answer("200 OK", "Content-Type: application/json\r\n", body)
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    let len = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {len}\r\n\r\n{body}")
}

/// Values of a header in a request.
fn values<'a>(request: &'a str, name: &str) -> Vec<&'a str> {
    let fields = request.lines().filter_map(|line| line.split_once(": "));
    let named = fields.filter(|(field, _)| field.eq_ignore_ascii_case(name));
    named.map(|(_, value)| value).collect()
}

const GOOD: &str = r#"[{"targets": ["a:1", "b:1"], "labels": {"x": "y"}}, {"targets": ["c:1"]}]"#;
const GROUPS: [&str; 2] = [r#"sd:0 {x="y"} a:1,b:1"#, "sd:1 {} c:1"];

#[tokio::test]
async fn the_server_is_asked_as_prometheus_asks() {
    let mut server = Server::start(json(GOOD)).await;
    let mut inputs = start(HttpConfig {
        url: server.url("/sd?a=b"),
        refresh_interval: Duration::from_millis(1500),
        ..server.config()
    });
    inputs.first().await;
    let request = server.request().await;
    assert!(request.starts_with("GET /sd?a=b HTTP/1.1\r\n"), "{request}");
    let f = |name: &str, want: &str| assert_eq!(values(&request, name), [want], "{name}");
    f("Host", &format!("127.0.0.1:{}", server.port));
    f("Accept", "application/json");
    f("Accept-Encoding", "gzip");
    f("User-Agent", "test/1");
    f("X-Prometheus-Refresh-Interval-Seconds", "1.5");
    assert_eq!(values(&request, "Authorization"), [] as [&str; 0]);
    let groups = inputs.groups.borrow();
    assert_eq!(
        groups[1].labels.get("__meta_url"),
        Some(&*server.url("/sd?a=b"))
    );
    assert_eq!(*groups[1].source, format!("{}:1", server.url("/sd?a=b")));
}

#[tokio::test]
async fn every_refresh_replaces_the_groups() {
    let server = Server::start(json(GOOD)).await;
    let mut inputs = start(server.config());
    inputs.until(&GROUPS).await;
    server.answer(json(r#"[{"targets": ["d:1"]}]"#));
    inputs.until(&["sd:0 {} d:1"]).await;
    server.answer(json("[]"));
    inputs.until(&[]).await;
    assert_eq!(inputs.metric(FAILURES), Some(0.0));
}

#[tokio::test]
async fn a_failure_keeps_the_last_good_groups() {
    let server = Server::start(json(GOOD)).await;
    let mut inputs = start(server.config());
    inputs.until(&GROUPS).await;
    let failures = [
        answer(
            "500 Internal Server Error",
            "Content-Type: application/json\r\n",
            "[]",
        ),
        answer("204 No Content", "Content-Type: application/json\r\n", ""),
        answer("401 Unauthorized", "", ""),
        answer("200 OK", "", "[]"),
        answer("200 OK", "Content-Type: text/plain\r\n", "[]"),
        json(""),
        json("{}"),
        json("[null]"),
        json(r#"[{"target": []}]"#),
        // Cut short.
        json(GOOD).replace("Content-Length: ", "Content-Length: 1"),
        "HTTP/1.1 302 Found\r\n\r\n".to_owned(),
        "SSH-2.0-x\r\n".to_owned(),
        String::new(),
    ];
    for failure in failures {
        let before = inputs.metric(FAILURES).unwrap();
        server.answer(&failure);
        // The second one is of this answer for sure.
        inputs.until_metric(FAILURES, before + 2.0).await;
        assert_eq!(inputs.shown(), GROUPS, "{failure}");
        server.answer(json(GOOD));
    }
    let by_mechanism = r#"prometheus_sd_refresh_failures_total{mechanism="http"}"#;
    assert_eq!(inputs.metric(by_mechanism), inputs.metric(FAILURES));
}

#[tokio::test]
async fn other_settings_for_a_server_keep_its_last_good_groups() {
    let server = Server::start(json(GOOD)).await;
    let mut config = server.config();
    let mut inputs = start(config.clone());
    inputs.until(&GROUPS).await;
    server.answer(answer("401 Unauthorized", "", ""));
    config.refresh_interval = Duration::from_millis(150);
    let mut job = JobInputs::new("http");
    job.http.push(config);
    inputs.discovery.apply(vec![job]).unwrap();
    let failures = inputs.metric(FAILURES).unwrap();
    inputs.until_metric(FAILURES, failures + 3.0).await;
    assert_eq!(inputs.shown(), GROUPS);
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let inputs = start(HttpConfig {
        url: format!("http://127.0.0.1:{port}/"),
        refresh_interval: Duration::from_millis(50),
        client: HttpClientConfig::default(),
    });
    inputs.until_metric(FAILURES, 2.0).await;
}

#[tokio::test]
async fn an_inflated_answer_is_taken() {
    use std::io::Write as _;

    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(GOOD.as_bytes()).unwrap();
    let body = packed.finish().unwrap();
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n\
         Content-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    answer.extend(body);
    let server = Server::start(answer).await;
    start(server.config()).until(&GROUPS).await;
}

#[tokio::test]
async fn an_endless_answer_is_refused() {
    use std::io::Write as _;

    // 65 MiB of white space in front of a good answer.
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let spaces = vec![b' '; 1 << 20];
    for _ in 0..65 {
        packed.write_all(&spaces).unwrap();
    }
    packed.write_all(GOOD.as_bytes()).unwrap();
    let body = packed.finish().unwrap();
    let mut answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
        Content-Encoding: gzip\r\n\r\n"
        .to_vec();
    answer.extend(body);
    let server = Server::start(answer).await;
    let inputs = start(HttpConfig {
        refresh_interval: Duration::from_secs(20),
        ..server.config()
    });
    inputs.until_metric(FAILURES, 1.0).await;
    assert_eq!(inputs.shown(), [] as [&str; 0]);
}

#[tokio::test]
async fn credentials_are_sent_and_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "one\n").unwrap();
    let mut server = Server::start(json(GOOD)).await;
    let mut config = server.config();
    config.client.auth = HttpAuth::Authorization(Authorization {
        scheme: "Bearer".to_owned(),
        credentials: Source::File(token.clone()),
    });
    config.client.headers = vec![HttpHeader {
        name: "X-Scope".to_owned(),
        values: vec!["a".to_owned(), "b".to_owned()],
        ..HttpHeader::default()
    }];
    let mut inputs = start(config);
    inputs.until(&GROUPS).await;
    let request = server.request().await;
    assert_eq!(values(&request, "Authorization"), ["Bearer one"]);
    assert_eq!(values(&request, "X-Scope"), ["a", "b"]);

    let next = folder.path().join("next");
    std::fs::write(&next, "another").unwrap();
    std::fs::rename(&next, &token).unwrap();
    let changed = server.requests.wait_for(|requests| {
        let last = requests
            .last()
            .map(|request| values(request, "Authorization"));
        last == Some(vec!["Bearer another"])
    });
    timeout(Duration::from_secs(30), changed)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_password_in_the_url_is_used_and_not_shown() {
    let mut server = Server::start(json(GOOD)).await;
    let url = format!("http://user:p%40ss@127.0.0.1:{}/sd", server.port);
    let config = HttpConfig {
        url,
        ..server.config()
    };
    assert!(!format!("{config:?}").contains("p%40ss"));
    let mut inputs = start(config);
    inputs.until(&GROUPS).await;
    // user:p@ss
    assert_eq!(
        values(&server.request().await, "Authorization"),
        ["Basic dXNlcjpwQHNz"]
    );
    let shown = format!("http://user:xxxxx@127.0.0.1:{}/sd", server.port);
    let groups = inputs.groups.borrow();
    assert_eq!(groups[0].labels.get("__meta_url"), Some(&*shown));
    assert_eq!(*groups[0].source, format!("{shown}:0"));
}

#[tokio::test]
async fn redirects_leave_credentials_behind() {
    let mut other = Server::start(json(GOOD)).await;
    let location = format!("Location: http://localhost:{}/other\r\n", other.port);
    let mut server = Server::start(answer("302 Found", &location, "")).await;
    let mut config = server.config();
    config.client.auth = HttpAuth::Basic(BasicAuth {
        username: Source::Inline("user".to_owned()),
        password: Source::Inline("pass".into()),
    });
    let mut inputs = start(config.clone());
    inputs.until(&GROUPS).await;
    assert_eq!(values(&server.request().await, "Authorization").len(), 1);
    assert_eq!(
        values(&other.request().await, "Authorization"),
        [] as [&str; 0]
    );

    config.client.redirects = Redirects::Refuse;
    let inputs = start(config);
    inputs.until_metric(FAILURES, 1.0).await;
}
