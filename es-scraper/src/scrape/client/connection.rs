//! One HTTP/1.1 connection, driven by the task that uses it.

use std::fmt;
use std::io;
use std::sync::Arc;

use futures_util::future::poll_immediate;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;

use super::request::Request;
use super::response::{BodyReader, Finished, Head, HeadReader, Input, MAX_HEAD, ResponseError};
use super::stream::{Ciphertext, Stream};
use crate::scrape::buffer::{Body, Buffers};
use crate::scrape::error::{ScrapeError, io_reason};
use crate::target::Endpoint;

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

/// An established connection. Dropping it closes it.
///
/// Nothing happens on it while nobody waits for an answer: no task of its own runs, and no memory is held.
#[derive(Debug)]
pub(super) struct Connection {
    stream: Stream,
    host: Box<str>,
    port: u16,
    tls: Option<TlsPeer>,
}

/// Why there is no answer to a request.
#[derive(Debug)]
pub(super) enum AskError {
    /// Nothing came back; `None` where the server closed the connection.
    Unanswered(Option<io::Error>),
    /// An answer has begun, and can't be read.
    Failed(ScrapeError),
}

impl From<AskError> for ScrapeError {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Unanswered(None) => Self::Http("EOF".into()),
            AskError::Unanswered(Some(error)) => Self::Http(io_reason(&error).into()),
            AskError::Failed(error) => error,
        }
    }
}

impl Connection {
    /// Connects to the host of `endpoint`, which under TLS has to be `tls`.
    pub(super) async fn open(
        endpoint: &Endpoint,
        tls: Option<TlsPeer>,
        buffers: &Arc<Buffers>,
    ) -> Result<Self, ScrapeError> {
        let stream = connect(&endpoint.host, endpoint.port).await?;
        let stream = match &tls {
            None => Stream::Plain(stream),
            Some(tls) => {
                let connector = TlsConnector::from(Arc::clone(&tls.config));
                let stream = Ciphertext::new(stream, Arc::clone(buffers));
                let connecting = connector.connect(tls.name.clone(), stream);
                Stream::Tls(Box::new(connecting.await.map_err(ScrapeError::Tls)?))
            }
        };
        Ok(Self {
            stream,
            host: endpoint.host.clone(),
            port: endpoint.port,
            tls,
        })
    }

    /// Whether this connection leads where a new one would.
    pub(super) fn leads_to(&self, endpoint: &Endpoint, tls: Option<&TlsPeer>) -> bool {
        self.port == endpoint.port && self.host == endpoint.host && self.tls.as_ref() == tls
    }

    /// Whether this connection still holds, as far as is known, and the server has kept silent.
    pub(super) async fn is_idle(&mut self) -> bool {
        poll_immediate(self.stream.read(&mut [0])).await.is_none()
    }

    /// Sends `request` and waits for the head of the answer, with which `body` begins then.
    pub(super) async fn ask(
        &mut self,
        request: &Request<'_>,
        body: &mut Body,
    ) -> Result<Head, AskError> {
        request.write(body.restart());
        let sent = self.stream.write_all(body.received()).await;
        body.clear();
        sent.map_err(|error| AskError::Unanswered(Some(error)))?;
        let flushed = self.stream.flush().await;
        flushed.map_err(|error| AskError::Unanswered(Some(error)))?;
        let mut reader = HeadReader::default();
        loop {
            let received = body.receive(&mut self.stream, MAX_HEAD + 1).await;
            if body.received().is_empty() {
                return Err(AskError::Unanswered(received.err()));
            }
            let head = match received {
                Ok(0) => Err(ResponseError::Truncated.into()),
                Ok(_) => reader.read(body.received()).map_err(ScrapeError::from),
                Err(error) => Err(broken(&error)),
            };
            if let Some(head) = head.map_err(AskError::Failed)? {
                return Ok(head);
            }
        }
    }

    /// Waits for the rest of the body that `reader` reads. Returns whether something follows it.
    pub(super) async fn read(
        &mut self,
        reader: &mut BodyReader,
        body: &mut Body,
    ) -> Result<bool, ScrapeError> {
        let mut input = Input::Open;
        loop {
            let finished = reader.read(body.received(), input)?;
            if let Some(Finished {
                body: at,
                is_followed,
            }) = finished
            {
                body.set_body(at);
                return Ok(is_followed);
            }
            let received = body.receive(&mut self.stream, reader.most()).await;
            if received.map_err(|error| broken(&error))? == 0 {
                input = Input::Ended;
            }
        }
    }

    /// Reads over the body that `reader` reads as far as it has come. `None` where more has to come, else whether
    /// something follows it.
    pub(super) async fn skip(
        &mut self,
        reader: &mut BodyReader,
        body: &mut Body,
    ) -> Result<Option<bool>, ScrapeError> {
        loop {
            if let Some(finished) = reader.read(body.received(), Input::Open)? {
                return Ok(Some(finished.is_followed));
            }
            reader.forget(body.received());
            let receiving = body.receive(&mut self.stream, reader.most());
            match poll_immediate(receiving).await {
                None => return Ok(None),
                Some(Ok(0)) => return Err(ResponseError::Truncated.into()),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(broken(&error)),
            }
        }
    }
}

/// What went wrong in the middle of an answer.
fn broken(error: &io::Error) -> ScrapeError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => ResponseError::Truncated.into(),
        _ => ScrapeError::Http(io_reason(error).into()),
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
