//! The targets of all cases: one HTTP server that answers by path, by client and by how often it was asked.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io::Write as _;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use futures_util::StreamExt as _;
use http::HeaderValue;
use tokio::net::TcpListener;

use super::case::{Answer, Delivery};
use super::now_ms;

/// Who scrapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Client {
    Exporter,
    Prometheus,
}

/// A client and the path that it asks for.
type Asked = (Client, String);

/// The path at which [`shown`] shows formats.
pub(crate) const FORMATS: &str = "/formats";

/// Serves scripts of answers. It ends with this value.
#[derive(Debug)]
pub(crate) struct ScriptedServer {
    address: String,
    state: Arc<Scripts>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Debug)]
struct Scripts {
    start_ms: i64,
    by_path: Mutex<HashMap<String, Vec<Answer>>>,
    /// When each path was asked for.
    arrivals: Mutex<HashMap<Asked, Vec<i64>>>,
}

impl ScriptedServer {
    /// Serves each script at its path; at any other path, a series that shows what was asked.
    pub(crate) async fn start(by_path: HashMap<String, Vec<Answer>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let state = Arc::new(Scripts {
            start_ms: now_ms(),
            by_path: Mutex::new(by_path),
            arrivals: Mutex::default(),
        });
        let app = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&state));
        let task = tokio::spawn(async move {
            axum::serve(listener, app).await.expect("serving");
        });
        Self {
            address,
            state,
            task,
        }
    }

    /// Answers each request for `path` with `answer` from now on.
    pub(crate) fn answer(&self, path: &str, answer: Answer) {
        let mut by_path = self.state.by_path.lock().expect("no panic");
        by_path.insert(path.to_owned(), vec![answer]);
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// What the times in bodies are counted from.
    pub(crate) fn start_ms(&self) -> i64 {
        self.state.start_ms
    }

    /// When `client` asked for `path`, in milliseconds since the Unix epoch.
    pub(crate) fn arrivals(&self, client: Client, path: &str) -> Vec<i64> {
        let arrivals = self.state.arrivals.lock().expect("no panic");
        let asked = (client, path.to_owned());
        arrivals.get(&asked).cloned().unwrap_or_default()
    }
}

impl Drop for ScriptedServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(State(scripts): State<Arc<Scripts>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let agent = request.headers().get("user-agent");
    let is_prometheus = agent.is_some_and(|agent| agent.as_bytes().starts_with(b"Prometheus/"));
    let client = if is_prometheus {
        Client::Prometheus
    } else {
        Client::Exporter
    };
    let nth = {
        let mut arrivals = scripts.arrivals.lock().expect("no panic");
        let arrivals = arrivals.entry((client, path.clone())).or_default();
        arrivals.push(now_ms());
        arrivals.len() - 1
    };
    let scripted = {
        let by_path = scripts.by_path.lock().expect("no panic");
        let answers = by_path.get(&path).filter(|answers| !answers.is_empty());
        answers.map(|answers| answers[nth.min(answers.len() - 1)].clone())
    };
    let answer = scripted.unwrap_or_else(|| super::case::text(shown(&request)));
    let body = with_times(&answer.body, scripts.start_ms);
    let mut response = Response::builder().status(answer.status);
    if let Some(content_type) = &answer.content_type {
        response = response.header("content-type", content_type.as_slice());
    }
    for (name, value) in &answer.headers {
        response = response.header(*name, value);
    }
    let body = match answer.delivery {
        Delivery::Whole => Body::from(body),
        Delivery::Gzipped => {
            response = response.header("content-encoding", "gzip");
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(&body).expect("memory");
            Body::from(encoder.finish().expect("memory"))
        }
        Delivery::Cut => {
            response = response.header("content-length", body.len() + 1);
            Body::from_stream(futures_util::stream::iter([Ok::<_, Infallible>(
                Bytes::from(body),
            )]))
        }
        Delivery::Hanging => {
            let first = futures_util::stream::iter([Ok::<_, Infallible>(Bytes::from(body))]);
            Body::from_stream(first.chain(futures_util::stream::pending()))
        }
    };
    response.body(body).expect("a valid answer")
}

/// A series that shows what a scrape asks for; at [`FORMATS`], in which formats.
fn shown(request: &Request) -> String {
    let mut labels = format!("uri={:?}", request.uri().to_string());
    let names: &[&str] = match request.uri().path() {
        FORMATS => &["accept", "accept-encoding"],
        _ => &[
            "accept-encoding",
            "authorization",
            "x-prometheus-scrape-timeout-seconds",
        ],
    };
    for name in names {
        let value = request.headers().get(*name).map(HeaderValue::as_bytes);
        let value = String::from_utf8_lossy(value.unwrap_or_default());
        labels += &format!(",{}={value:?}", name.replace('-', "_"));
    }
    format!("request{{{labels}}} 1\n")
}

/// `body` with its `<<…>>` replaced.
fn with_times(body: &[u8], start_ms: i64) -> Vec<u8> {
    let find = |bytes: &[u8], pair: &[u8]| bytes.windows(2).position(|window| window == pair);
    let mut done = Vec::new();
    let mut rest = body;
    while let Some(start) = find(rest, b"<<") {
        let Some(len) = find(&rest[start..], b">>") else {
            break;
        };
        let template = std::str::from_utf8(&rest[start + 2..start + len]).expect("a time");
        done.extend_from_slice(&rest[..start]);
        let offset = |text: &str| text.parse::<i64>().expect("an offset in milliseconds");
        let time = match template.strip_prefix('s') {
            Some(text) => {
                let ms = start_ms + offset(text);
                format!("{}.{:03}", ms / 1000, ms % 1000)
            }
            None => (start_ms + offset(template)).to_string(),
        };
        done.extend_from_slice(time.as_bytes());
        rest = &rest[start + len + 2..];
    }
    done.extend_from_slice(rest);
    done
}
