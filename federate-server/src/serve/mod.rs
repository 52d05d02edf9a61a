//! Serving a router on a listener: TLS, limits on connections, and a shutdown that lets answers finish.
//!
//! HTTP/2 is spoken where the client asks for it in the TLS handshake, HTTP/1.1 everywhere else, as
//! in Prometheus. What a connection may cost is bounded by [`Limits`].

mod activity;
mod paced;

use std::convert::Infallible;
use std::future::{Future, pending};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower_service::Service as _;
use tracing::{debug, warn};

use self::activity::{Activity, TimedBody};
pub use self::paced::Pace;
use self::paced::Paced;

/// How long a connection of the reserve may last.
const RESERVE_LIFETIME: Duration = Duration::from_secs(5);

/// How long connections that were cut off may take to end; one that computes ends when it next waits for something.
const CUT_OFF_TIME: Duration = Duration::from_secs(1);

/// Longest head of a request: a URL may be 64 KiB long, as one with many `match[]` is.
const MAX_HEAD: usize = 128 * 1024;

/// The TLS configuration for the next connection, `None` for plain HTTP.
///
/// It is asked at each connection, so that a renewed certificate is used at once.
pub trait TlsSource: Send + Sync + 'static {
    /// The configuration as it is now. ALPN names in it decide whether HTTP/2 is offered.
    fn server_config(&self) -> Option<Arc<ServerConfig>>;
}

/// Plain HTTP.
impl TlsSource for () {
    fn server_config(&self) -> Option<Arc<ServerConfig>> {
        None
    }
}

/// What connections may cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections at one time. Default 512.
    pub connections: usize,
    /// Further connections, whose requests are [`Crowded`] and which end after 5 seconds, so that health checks are
    /// answered whatever clients do; the next waits in the system's backlog. Default 32.
    pub reserve: usize,
    /// How long a TLS handshake may take. Default 10 seconds.
    pub handshake: Duration,
    /// How long a connection may take to send the head of its first request. Default 10 seconds.
    pub head: Duration,
    /// How long it may take to send the next one, idle times included. Default 2 minutes, so that a scrape each minute
    /// finds its connection open.
    pub idle: Duration,
    /// How slowly a client may take an answer. Default 64 KiB in 30 seconds.
    pub pace: Pace,
    /// How long a client may take to read an answer, whatever its pace: an answer keeps what it was made from in
    /// memory. Default 2 minutes, after which most scrapes are out of date.
    pub answer: Duration,
    /// How long answers in flight may take once the shutdown has begun; a second later at the most all of them
    /// have ended. Default 8 seconds.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            reserve: 32,
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(10),
            idle: Duration::from_secs(120),
            pace: Pace {
                bytes: 64 * 1024,
                every: Duration::from_secs(30),
            },
            answer: Duration::from_secs(120),
            drain: Duration::from_secs(8),
        }
    }
}

/// An extension of requests on connections beyond [`Limits::connections`]: only what is vital should be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crowded;

/// How a shutdown went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Every answer in flight was finished.
    Clean,
    /// Some took longer than [`Limits::drain`] and were cut off.
    CutOff,
}

/// Serves `app` on `listener` until `shutdown` resolves, then stops accepting, lets the answers in flight finish and
/// returns.
///
/// Requests carry [`ConnectInfo<SocketAddr>`] as an extension, and [`Crowded`] where that holds.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    tls: Arc<dyn TlsSource>,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) -> Drained {
    let places = Places {
        regular: Arc::new(Semaphore::new(limits.connections.max(1))),
        reserve: Arc::new(Semaphore::new(limits.reserve)),
    };
    let graceful = GracefulShutdown::new();
    let (stop, stopping) = watch::channel(());
    let mut tasks = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&listener, &places) => accepted,
            Some(_) = tasks.join_next(), if !tasks.is_empty() => continue,
        };
        let (stream, peer, place) = accepted;
        let connection = Connection {
            app: app.clone(),
            limits: limits.clone(),
            peer,
            kind: place.kind,
            watcher: graceful.watcher(),
            stopping: stopping.clone(),
        };
        let tls = tls.server_config();
        tasks.spawn(async move {
            tokio::select! {
                () = connection.run(stream, tls) => {}
                // Cut off, it has had its time.
                () = end_of(place.kind) => {}
            }
            drop(place);
        });
    }
    drop(listener);
    drop(stop);
    let drained = match timeout(limits.drain, graceful.shutdown()).await {
        Ok(()) => Drained::Clean,
        Err(_) => {
            warn!(deadline = ?limits.drain, "answers in flight are cut off");
            Drained::CutOff
        }
    };
    if timeout(CUT_OFF_TIME, tasks.shutdown()).await.is_err() {
        warn!("connections are left behind");
    }
    drained
}

/// The places that connections take.
struct Places {
    regular: Arc<Semaphore>,
    reserve: Arc<Semaphore>,
}

/// A place that is taken until this is dropped.
struct Place {
    kind: PlaceKind,
    _permit: Option<OwnedSemaphorePermit>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PlaceKind {
    Regular,
    Reserve,
}

/// Waits until a connection in a place of this `kind` has lasted for as long as it may.
async fn end_of(kind: PlaceKind) {
    match kind {
        PlaceKind::Regular => pending().await,
        PlaceKind::Reserve => sleep(RESERVE_LIFETIME).await,
    }
}

impl Places {
    /// Waits for a free place.
    async fn any(&self) -> Place {
        let take = async |places: &Arc<Semaphore>, kind| Place {
            kind,
            // Neither semaphore is ever closed.
            _permit: Arc::clone(places).acquire_owned().await.ok(),
        };
        tokio::select! {
            biased;
            place = take(&self.regular, PlaceKind::Regular) => place,
            place = take(&self.reserve, PlaceKind::Reserve) => place,
        }
    }

    /// A regular place instead of one of the reserve, where there is one by now.
    fn better(&self, place: Place) -> Place {
        match Arc::clone(&self.regular).try_acquire_owned() {
            Ok(permit) if place.kind == PlaceKind::Reserve => Place {
                kind: PlaceKind::Regular,
                _permit: Some(permit),
            },
            _ => place,
        }
    }
}

/// Waits for a free place, then for a connection.
async fn accept(listener: &TcpListener, places: &Places) -> (TcpStream, SocketAddr, Place) {
    let place = places.any().await;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, places.better(place)),
            Err(error) if is_of_connection(&error) => debug!(%error, "connection lost"),
            Err(error) => {
                // Most likely out of file descriptors, of which closing connections give some back.
                warn!(%error, "cannot accept connections, trying again");
                sleep(Duration::from_millis(500)).await;
            }
        }
    }
}

/// Whether an error of `accept` is about the one connection, not about accepting.
fn is_of_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

struct Connection {
    app: Router,
    limits: Limits,
    peer: SocketAddr,
    kind: PlaceKind,
    watcher: Watcher,
    /// Closes when the shutdown begins.
    stopping: watch::Receiver<()>,
}

/// A connection that is served until it ends. In a box, as it would be moved several times before that, and is large.
type Served = Pin<Box<dyn Future<Output = Result<(), hyper::Error>> + Send>>;

impl Connection {
    /// Serves it until it ends, or is idle for too long.
    async fn run(mut self, stream: TcpStream, tls: Option<Arc<ServerConfig>>) {
        let peer = self.peer;
        let Limits { head, idle, .. } = self.limits;
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%peer, %error, "connection lost");
            return;
        }
        let activity = Activity::default();
        let served = match tls {
            None => self.http1(stream, &activity),
            Some(config) => match Box::pin(self.shake_hands(stream, config)).await {
                Some(stream) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => {
                    self.http2(stream, &activity)
                }
                Some(stream) => self.http1(stream, &activity),
                None => return,
            },
        };
        tokio::select! {
            ended = served => {
                ended.unwrap_or_else(|error| debug!(%peer, %error, "connection failed"));
            }
            () = activity.idle(head, idle) => debug!(%peer, "connection was idle for too long"),
        }
    }

    /// The connection once it speaks TLS, none where that fails.
    async fn shake_hands(
        &mut self,
        stream: TcpStream,
        config: Arc<ServerConfig>,
    ) -> Option<TlsStream<TcpStream>> {
        let peer = self.peer;
        let handshake = TlsAcceptor::from(config).accept(stream);
        let handshake = tokio::select! {
            handshake = timeout(self.limits.handshake, handshake) => handshake,
            _ = self.stopping.changed() => return None,
        };
        match handshake {
            Ok(Ok(stream)) => return Some(stream),
            Ok(Err(error)) => debug!(%peer, %error, "TLS handshake failed"),
            Err(_) => debug!(%peer, "TLS handshake timed out"),
        }
        None
    }

    fn http1<S>(self, stream: S, activity: &Activity) -> Served
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let stream = TokioIo::new(Paced::new(stream, self.limits.pace));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.idle)
            .max_buf_size(MAX_HEAD)
            .serve_connection(stream, self.service(activity));
        Box::pin(self.watcher.watch(connection))
    }

    fn http2<S>(self, stream: S, activity: &Activity) -> Served
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let stream = TokioIo::new(Paced::new(stream, self.limits.pace));
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(self.limits.idle / 2)
            .keep_alive_timeout(self.limits.handshake)
            .max_concurrent_streams(64)
            .max_header_list_size(MAX_HEAD as u32)
            .max_send_buf_size(256 * 1024)
            .serve_connection(stream, self.service(activity));
        Box::pin(self.watcher.watch(connection))
    }

    /// The router as hyper calls it.
    fn service(
        &self,
        activity: &Activity,
    ) -> impl hyper::service::Service<
        Request<Incoming>,
        Response = Response<TimedBody>,
        Error = Infallible,
        Future = impl Future<Output = Result<Response<TimedBody>, Infallible>> + Send + use<>,
    > + use<> {
        let (app, activity) = (self.app.clone(), activity.clone());
        let (peer, kind, time) = (self.peer, self.kind, self.limits.answer);
        service_fn(move |request: Request<Incoming>| {
            let open = activity.request();
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(peer));
            if kind == PlaceKind::Reserve {
                request.extensions_mut().insert(Crowded);
            }
            let answer = app.clone().call(request);
            async move {
                let answer = answer.await?;
                Ok(answer.map(|body| TimedBody::timed(body, time, open)))
            }
        })
    }
}
