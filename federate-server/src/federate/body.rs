//! An answer as a stream, made only as fast as the client reads.

use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body::{Body, Frame};
use tokio::sync::OwnedSemaphorePermit;

use super::encode::Exposition;
use crate::metrics::SentMetrics;
use crate::store::Effort;

/// How much text one step makes. What an answer takes in memory is a small multiple of it.
const CHUNK: usize = 52 << 10;
/// Room for it and the series that ends it, so that hardly any chunk has to grow. Both stay below the 64 KiB from which
/// on freeing memory has glibc tidy up.
const CHUNK_CAPACITY: usize = CHUNK + (4 << 10);

/// How much one step looks at, a fraction of a millisecond's work: an answer that selects next to nothing mustn't keep
/// a thread of the runtime from health checks and scrapes.
const EFFORT: Effort = Effort(16 << 10);

/// The body of a /federate answer.
#[derive(Debug)]
pub(crate) struct FederateBody {
    exposition: Option<Exposition>,
    text: Vec<u8>,
    gzip: Option<GzEncoder<Vec<u8>>>,
    metrics: SentMetrics,
    start: Instant,
    _place: OwnedSemaphorePermit,
}

/// How a body is encoded for transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ContentEncoding {
    Identity,
    Gzip,
}

impl FederateBody {
    /// The body that answers a request of `start`; `place` is given back at its end.
    pub(crate) fn new(
        exposition: Exposition,
        encoding: ContentEncoding,
        metrics: SentMetrics,
        start: Instant,
        place: OwnedSemaphorePermit,
    ) -> Self {
        let gzip = match encoding {
            ContentEncoding::Identity => None,
            // The fastest level: the answer is read once, over a network that is faster than deflate.
            ContentEncoding::Gzip => Some(GzEncoder::new(Vec::new(), Compression::fast())),
        };
        Self {
            exposition: Some(exposition),
            text: Vec::with_capacity(CHUNK_CAPACITY),
            gzip,
            metrics,
            start,
            _place: place,
        }
    }

    /// Makes a bounded part of the answer.
    fn next_chunk(&mut self) -> std::io::Result<Chunk> {
        let Some(exposition) = &mut self.exposition else {
            return Ok(Chunk::End);
        };
        let before = exposition.series_count();
        let more = exposition.write(&mut self.text, CHUNK, EFFORT);
        self.metrics.sent(exposition.series_count() - before, 0);
        if more && self.text.len() < CHUNK {
            return Ok(Chunk::Later);
        }
        if !more {
            self.exposition = None;
        }
        let chunk = match self.gzip.take() {
            None => {
                let capacity = if more { CHUNK_CAPACITY } else { 0 };
                std::mem::replace(&mut self.text, Vec::with_capacity(capacity))
            }
            Some(mut gzip) => {
                gzip.write_all(&self.text)?;
                self.text.clear();
                if more {
                    let chunk = std::mem::take(gzip.get_mut());
                    self.gzip = Some(gzip);
                    chunk
                } else {
                    gzip.finish()?
                }
            }
        };
        Ok(match (chunk.is_empty(), more) {
            (true, true) => Chunk::Later,
            (true, false) => Chunk::End,
            (false, _) => Chunk::Ready(chunk.into()),
        })
    }
}

/// What a step came to.
enum Chunk {
    Ready(Bytes),
    /// There is nothing to send yet, and others shall have their turn.
    Later,
    End,
}

impl Body for FederateBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        Poll::Ready(match self.next_chunk() {
            Ok(Chunk::Ready(chunk)) => {
                self.metrics.sent(0, chunk.len() as u64);
                Some(Ok(Frame::data(chunk)))
            }
            Ok(Chunk::Later) => {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            Ok(Chunk::End) => None,
            Err(error) => Some(Err(error)),
        })
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
