//! An answer as a stream, made only as fast as the client reads.

use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body::{Body, Frame};

use super::encode::Exposition;
use crate::metrics::FederateMetrics;

/// How much text one step makes. What an answer takes in memory is a small multiple of it.
const CHUNK: usize = 64 << 10;

/// The body of a /federate answer.
#[derive(Debug)]
pub(crate) struct FederateBody {
    exposition: Option<Exposition>,
    text: Vec<u8>,
    gzip: Option<GzEncoder<Vec<u8>>>,
    metrics: FederateMetrics,
    start: Instant,
}

/// How a body is encoded for transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ContentEncoding {
    Identity,
    Gzip,
}

impl FederateBody {
    /// The body that answers a request of `start`.
    pub(crate) fn new(
        exposition: Exposition,
        encoding: ContentEncoding,
        metrics: FederateMetrics,
        start: Instant,
    ) -> Self {
        let gzip = match encoding {
            ContentEncoding::Identity => None,
            // The fastest level: the answer is read once, over a network that is faster than deflate.
            ContentEncoding::Gzip => Some(GzEncoder::new(Vec::new(), Compression::fast())),
        };
        Self {
            exposition: Some(exposition),
            text: Vec::with_capacity(CHUNK),
            gzip,
            metrics,
            start,
        }
    }

    /// The next chunk, `None` at the end.
    fn next_chunk(&mut self) -> std::io::Result<Option<Bytes>> {
        while let Some(exposition) = &mut self.exposition {
            let before = exposition.series_count();
            let more = exposition.write(&mut self.text, CHUNK);
            self.metrics.sent(exposition.series_count() - before, 0);
            if !more {
                self.exposition = None;
            }
            let Some(gzip) = &mut self.gzip else {
                let chunk = std::mem::replace(
                    &mut self.text,
                    Vec::with_capacity(if more { CHUNK } else { 0 }),
                );
                return Ok((!chunk.is_empty()).then(|| chunk.into()));
            };
            gzip.write_all(&self.text)?;
            self.text.clear();
            if more && gzip.get_ref().is_empty() {
                continue;
            }
            let chunk = match self.gzip.take() {
                Some(gzip) if !more => gzip.finish()?,
                mut gzip => {
                    let chunk = gzip.as_mut().map(|gzip| std::mem::take(gzip.get_mut()));
                    self.gzip = gzip;
                    chunk.unwrap_or_default()
                }
            };
            return Ok(Some(chunk.into()));
        }
        Ok(None)
    }
}

impl Body for FederateBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        let chunk = self.next_chunk();
        if let Ok(Some(chunk)) = &chunk {
            self.metrics.sent(0, chunk.len() as u64);
        }
        Poll::Ready(chunk.map(|chunk| chunk.map(Frame::data)).transpose())
    }

    fn is_end_stream(&self) -> bool {
        self.exposition.is_none()
    }
}

impl Drop for FederateBody {
    fn drop(&mut self) {
        match self.exposition {
            None => self.metrics.finished(self.start.elapsed()),
            Some(_) => self.metrics.abandoned(),
        }
    }
}
