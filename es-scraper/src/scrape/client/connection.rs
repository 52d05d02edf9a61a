//! One HTTP/1.1 connection, driven by the task that uses it.

use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as _;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;

use crate::scrape::error::{ScrapeError, io_reason};

/// Size of a connection's read buffer: each idle connection keeps its own, so a small one; it also bounds the head
/// of an answer.
const READ_BUFFER: usize = 16 * 1024;
/// Header fields an answer may have.
const MAX_HEADERS: usize = 100;

type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Whom a TLS connection must lead to.
#[derive(Clone)]
pub(super) struct TlsPeer {
    pub(super) config: Arc<ClientConfig>,
    pub(super) name: ServerName<'static>,
}

/// Equal when a connection to the one will do for the other.
impl PartialEq for TlsPeer {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.config, &other.config) && self.name == other.name
    }
}

impl fmt::Debug for TlsPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TlsPeer").field(&self.name).finish()
    }
}

/// Where a connection leads to.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Peer {
    pub(super) host: Box<str>,
    pub(super) port: u16,
    pub(super) tls: Option<TlsPeer>,
}

/// An established connection. Dropping it closes it.
///
/// Nothing happens on it while nobody waits for an answer: no task of its own runs.
pub(super) struct Connection {
    sender: SendRequest<Empty<Bytes>>,
    driver: Option<Driver>,
    peer: Peer,
}

impl Connection {
    /// Connects to `peer`.
    pub(super) async fn open(peer: Peer) -> Result<Self, ScrapeError> {
        let stream = connect(&peer.host, peer.port).await?;
        let (sender, driver) = match &peer.tls {
            None => handshake(stream).await?,
            Some(tls) => {
                let connector = TlsConnector::from(Arc::clone(&tls.config));
                let connecting = connector.connect(tls.name.clone(), stream);
                handshake(connecting.await.map_err(ScrapeError::Tls)?).await?
            }
        };
        Ok(Self {
            sender,
            driver: Some(driver),
            peer,
        })
    }

    /// Whether this connection leads to `peer` and, as far as is known, still holds.
    pub(super) async fn serves(&mut self, peer: &Peer) -> bool {
        if self.peer != *peer {
            return false;
        }
        // Notice what happened since the last answer, such as its end.
        let driver = &mut self.driver;
        poll_fn(|context| {
            drive(driver, context);
            Poll::Ready(())
        })
        .await;
        self.driver.is_some() && self.sender.is_ready()
    }

    /// Sends `request` and waits for the head of the answer.
    pub(super) async fn send(
        &mut self,
        request: Request<Empty<Bytes>>,
    ) -> Result<Response<Incoming>, hyper::Error> {
        let driver = &mut self.driver;
        let mut answer = pin!(self.sender.send_request(request));
        poll_fn(|context| {
            drive(driver, context);
            answer.as_mut().poll(context)
        })
        .await
    }

    /// The next piece of `body`, an answer of this connection; `None` at its end.
    pub(super) async fn next_data(
        &mut self,
        body: &mut Incoming,
    ) -> Option<Result<Bytes, hyper::Error>> {
        let driver = &mut self.driver;
        loop {
            let frame = poll_fn(|context| {
                drive(driver, context);
                Pin::new(&mut *body).poll_frame(context)
            })
            .await?;
            match frame.map(http_body::Frame::into_data) {
                Ok(Ok(data)) => return Some(Ok(data)),
                Ok(Err(_trailers)) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

fn drive(driver: &mut Option<Driver>, context: &mut Context<'_>) {
    if let Some(connection) = driver
        && connection.as_mut().poll(context).is_ready()
    {
        *driver = None;
    }
}

async fn connect(host: &str, port: u16) -> Result<TcpStream, ScrapeError> {
    let addresses = lookup_host((host, port))
        .await
        .map_err(|_| ScrapeError::Lookup { host: host.into() })?;
    let mut failed = None;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // Requests are one small write each, which must not wait for more.
                stream
                    .set_nodelay(true)
                    .map_err(|source| ScrapeError::Connect {
                        address: address.to_string().into(),
                        source,
                    })?;
                return Ok(stream);
            }
            Err(source) => failed = Some((address, source)),
        }
    }
    Err(match failed {
        Some((address, source)) => ScrapeError::Connect {
            address: address.to_string().into(),
            source,
        },
        None => ScrapeError::Lookup { host: host.into() },
    })
}

async fn handshake<S>(stream: S) -> Result<(SendRequest<Empty<Bytes>>, Driver), ScrapeError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(READ_BUFFER)
        .max_headers(MAX_HEADERS)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| http_error(&error))?;
    // How it ended is told to the request that was under way; without one it doesn't matter.
    let driver = Box::pin(async move { drop(connection.await) });
    Ok((sender, driver))
}

/// Whether a request on a kept connection failed since the target had closed it meanwhile.
pub(super) fn was_closed(error: &hyper::Error) -> bool {
    let closed_below = source_io(error).is_some_and(|error| {
        matches!(
            error.kind(),
            io::ErrorKind::BrokenPipe
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::NotConnected
                | io::ErrorKind::UnexpectedEof
        )
    });
    error.is_incomplete_message() || error.is_canceled() || error.is_closed() || closed_below
}

/// What went wrong on a connection, in the words of Go.
pub(super) fn http_error(error: &hyper::Error) -> ScrapeError {
    let reason = if let Some(error) = source_io(error) {
        io_reason(error)
    } else if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        "EOF".to_owned()
    } else if error.is_parse() {
        "malformed HTTP response".to_owned()
    } else {
        error.to_string()
    };
    ScrapeError::Http(reason.into())
}

/// What went wrong in the middle of a body.
pub(super) fn body_error(error: &hyper::Error) -> ScrapeError {
    match http_error(error) {
        ScrapeError::Http(reason) if &*reason == "EOF" => {
            ScrapeError::Http("unexpected EOF".into())
        }
        other => other,
    }
}

fn source_io(error: &hyper::Error) -> Option<&io::Error> {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            return Some(io);
        }
        source = cause.source();
    }
    None
}
