//! Requests that compute for long: others are answered meanwhile, and no shutdown waits for them.
//!
//! Each test runs on a runtime of one thread, so what keeps it busy is noticed.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::middleware::from_fn;
use federate_server::api::{CurrentSeries, FamilyMetadata, ReadSeries, TooManySeries};
use federate_server::federate::Federation;
use federate_server::http::AppState;
use federate_server::listener::ListenAddress;
use federate_server::selector::Selector;
use federate_server::serve::{Drained, Limits, serve};
use federate_server::store::{DEFAULT_LOOKBACK, Store};
use federate_server::tenant::Scope;
use prom_model::label::LabelSet;
use prom_model::sample::Sample;
use prom_model::sink::Sink as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tower::ServiceExt as _;

use crate::support::{NOW_MS, app, get, labels, state};

const PATIENCE: Duration = Duration::from_secs(60);

/// Series that lie outside every range, without end while `running`.
struct Endless {
    running: Arc<AtomicBool>,
    /// Has a permit for each time somebody has begun to go through them.
    begun: Arc<Semaphore>,
}

/// Ends [`Endless`], lest the runtime wait for it.
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl ReadSeries for Endless {
    fn select(
        &self,
        _scope: &Scope,
        _selectors: &[Selector],
        _now_ms: i64,
        _most: Option<usize>,
    ) -> Result<Box<dyn Iterator<Item = CurrentSeries> + Send>, TooManySeries> {
        let running = Arc::clone(&self.running);
        let mut begun = Some(Arc::clone(&self.begun));
        let series = std::iter::repeat_with(|| CurrentSeries {
            labels: LabelSet::new(),
            timestamp_ms: 0,
        });
        Ok(Box::new(series.take_while(move |_| {
            if let Some(begun) = begun.take() {
                begun.add_permits(1);
            }
            running.load(Ordering::Relaxed)
        })))
    }

    fn metadata(&self, _scope: &Scope) -> Box<dyn Iterator<Item = FamilyMetadata> + Send> {
        Box::new(std::iter::empty())
    }
}

/// Sends `burning` to a server of `state`, asks for its health, and stops it at once.
async fn burn(state: AppState, burning: &str) {
    let asked = Arc::new(Notify::new());
    let noticed = Arc::clone(&asked);
    let app = app(state).layer(from_fn(
        move |request: Request, next: axum::middleware::Next| {
            let noticed = Arc::clone(&noticed);
            async move {
                noticed.notify_one();
                next.run(request).await
            }
        },
    ));
    let address: ListenAddress = "127.0.0.1:0".parse().unwrap();
    let listener = address.bind().await.unwrap();
    let address = listener.local_addr().unwrap();
    let limits = Limits {
        drain: Duration::ZERO,
        ..Limits::default()
    };
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(serve(listener, app, Arc::new(()), limits, async {
        let _ = stopped.await;
    }));
    let mut burner = send(address, burning).await;
    timeout(PATIENCE, asked.notified()).await.unwrap();
    let health = rest(&mut send(address, "/-/healthy").await).await;
    assert!(health.starts_with("HTTP/1.1 200 OK"), "{health}");
    stop.send(()).unwrap();
    let drained = timeout(PATIENCE, server).await.unwrap().unwrap();
    assert_eq!(drained, Drained::CutOff);
    let answer = rest(&mut burner).await;
    assert!(!answer.ends_with("0\r\n\r\n"), "{answer}");
}

async fn send(address: SocketAddr, target: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
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

#[tokio::test]
async fn thousands_of_selectors_that_match_nothing() {
    let store = Arc::new(Store::new(DEFAULT_LOOKBACK));
    let target = labels(&[("instance", "a:1")]);
    let mut writer = store.open(Arc::new(target.clone()));
    writer.begin(NOW_MS);
    for n in 0..5000 {
        let mut series = target.clone();
        series.extend([("__name__", "m"), ("n", &*n.to_string())]);
        let series = writer.resolve(&series, None);
        writer.append(series, Sample::new(1.0)).unwrap();
    }
    writer.commit();
    let mut burning = String::from("/federate?");
    // A URL has 64 KiB at most.
    for n in 0..2500 {
        write!(burning, "match[]={{n=%22x{n}%22}}&").unwrap();
    }
    let state = AppState {
        federation: Arc::new(Federation::new(store, &LabelSet::new())),
        ..state()
    };
    burn(state, &burning).await;
}

#[tokio::test]
async fn series_of_which_none_is_in_the_range() {
    let running = Arc::new(AtomicBool::new(true));
    let _stop = Stop(Arc::clone(&running));
    let begun = Arc::new(Semaphore::new(0));
    let series = Endless { running, begun };
    let state = AppState {
        series: Arc::new(series),
        ..state()
    };
    burn(state, "/api/v1/series?match[]=up&start=1").await;
}

#[tokio::test]
async fn targets_are_shown_beside_any_number_of_them() {
    let running = Arc::new(AtomicBool::new(true));
    let _stop = Stop(Arc::clone(&running));
    let begun = Arc::new(Semaphore::new(0));
    let series = Endless {
        running,
        begun: Arc::clone(&begun),
    };
    let app = app(AppState {
        series: Arc::new(series),
        ..state()
    });
    let mut asking = JoinSet::new();
    for _ in 0..32 {
        let request = http::Request::get("/api/v1/series?match[]=up&start=1");
        let answer = app.clone().oneshot(request.body(Body::empty()).unwrap());
        asking.spawn(async move { to_bytes(answer.await.unwrap().into_body(), usize::MAX).await });
    }
    // As many as are gone through at one time.
    let all_busy = timeout(PATIENCE, begun.acquire_many(8)).await;
    all_busy.unwrap().unwrap().forget();
    for path in ["/", "/targets", "/sd/targets", "/api/v1/targets"] {
        let answer = timeout(PATIENCE, get(&app, path)).await.unwrap();
        assert_eq!(answer.status, 200, "{path}");
    }
    assert_eq!(begun.available_permits(), 0);
}
