//! Buffers for bodies, shared by all targets.

use std::fmt;
use std::future::{Future as _, poll_fn};
use std::io;
use std::ops::Range;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::error::ScrapeError;

/// Idle buffers that were larger give their memory back.
const KEPT_CAPACITY: usize = 1 << 20;
/// Room in which something is first received: for all that a usual target answers.
const FIRST_CAPACITY: usize = 32 * 1024;

/// Buffers that no scrape holds now.
///
/// A scrape holds one from the first byte of a body to its last, so that memory follows the scrapes
/// under way and not the number of targets.
#[derive(Default)]
pub struct Buffers {
    idle: Mutex<Vec<Vec<u8>>>,
    kept: usize,
}

impl Buffers {
    /// No buffers yet; at most `kept` stay allocated while nobody uses them.
    #[must_use]
    pub fn new(kept: usize) -> Arc<Self> {
        Arc::new(Self {
            idle: Mutex::default(),
            kept,
        })
    }

    pub(super) fn take(&self) -> Vec<u8> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.pop().unwrap_or_default()
    }

    pub(super) fn put(&self, mut bytes: Vec<u8>) {
        if !(1..=KEPT_CAPACITY).contains(&bytes.capacity()) {
            return;
        }
        bytes.clear();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < self.kept {
            idle.push(bytes);
        }
    }
}

impl fmt::Debug for Buffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffers").finish_non_exhaustive()
    }
}

/// Appends to `received` what `stream` has, so that it holds no more than `most` bytes. Whoever has to wait for the
/// first ones holds no buffer meanwhile.
pub(super) fn receive(
    stream: &mut (impl AsyncRead + Unpin),
    context: &mut Context<'_>,
    buffers: &Buffers,
    received: &mut Vec<u8>,
    most: usize,
) -> Poll<io::Result<usize>> {
    if received.capacity() == 0 {
        *received = buffers.take();
        received.reserve_exact(FIRST_CAPACITY);
    } else if received.len() == received.capacity() {
        let len = received.len();
        let doubled = len.saturating_mul(2).min(most).max(len + 1);
        received.reserve_exact(doubled - len);
    }
    let polled = pin!(stream.read_buf(received)).poll(context);
    if received.is_empty() {
        buffers.put(std::mem::take(received));
    }
    polled
}

/// The body of one response as it was received, in a buffer that goes back when this is dropped.
#[derive(Debug)]
pub struct Body {
    buffers: Arc<Buffers>,
    /// The body, and around it what else was received with it.
    received: Vec<u8>,
    body: Range<usize>,
}

impl Body {
    /// An empty body, which holds no memory until it gets its first byte.
    #[must_use]
    pub const fn new(buffers: Arc<Buffers>) -> Self {
        Self {
            buffers,
            received: Vec::new(),
            body: 0..0,
        }
    }

    /// What has been received.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.received.get(self.body.clone()).unwrap_or_default()
    }

    /// Appends `bytes`. Grows to no more than `limit` bytes.
    ///
    /// # Errors
    /// [`ScrapeError::BodyTooLarge`] where the body would be larger than `limit`; nothing was appended.
    pub fn push(&mut self, bytes: &[u8], limit: usize) -> Result<(), ScrapeError> {
        if bytes.len() > limit.saturating_sub(self.body.len()) {
            return Err(ScrapeError::BodyTooLarge);
        }
        if self.received.capacity() == 0 && !bytes.is_empty() {
            self.received = self.buffers.take();
        }
        self.received.truncate(self.body.end);
        let held = self.received.len();
        let needed = held + bytes.len();
        if needed > self.received.capacity() {
            let most = limit.saturating_add(self.body.start);
            let doubled = self.received.capacity().saturating_mul(2).min(most);
            self.received.reserve_exact(doubled.max(needed) - held);
        }
        self.received.extend_from_slice(bytes);
        self.body.end = needed;
        Ok(())
    }

    /// Forgets what has been received, and holds no memory any more.
    pub fn clear(&mut self) {
        self.body = 0..0;
        self.buffers.put(std::mem::take(&mut self.received));
    }

    /// Forgets what has been received, and takes memory to put something else in.
    pub(super) fn restart(&mut self) -> &mut Vec<u8> {
        self.clear();
        self.received = self.buffers.take();
        &mut self.received
    }

    /// Where its memory comes from.
    pub(super) const fn buffers(&self) -> &Arc<Buffers> {
        &self.buffers
    }

    /// All that was received, the body and what is around it, to put the body together in.
    pub(super) const fn received(&mut self) -> &mut Vec<u8> {
        &mut self.received
    }

    /// Says where the body is in what was received.
    pub(super) fn set_body(&mut self, body: Range<usize>) {
        self.body = body;
    }

    /// Receives what `stream` has next, so that no more than `most` bytes are held in all. Returns how many it was, 0
    /// at the end of the stream.
    pub(super) async fn receive(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        most: usize,
    ) -> io::Result<usize> {
        let Self {
            buffers, received, ..
        } = self;
        poll_fn(|context| receive(stream, context, buffers, received, most)).await
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_grows_to_its_limit_and_its_memory_is_used_again() {
        let buffers = Buffers::new(1);
        let mut body = Body::new(Arc::clone(&buffers));
        for _ in 0..100 {
            body.push(&[b'x'; 10], 1000).unwrap();
        }
        assert!(body.received.capacity() <= 1000);
        assert!(matches!(
            body.push(b"x", 1000),
            Err(ScrapeError::BodyTooLarge)
        ));
        assert_eq!(body.bytes().len(), 1000);
        let memory = body.bytes().as_ptr();
        drop(body);
        let mut body = Body::new(buffers);
        body.push(b"y", 1000).unwrap();
        assert_eq!((body.bytes(), body.bytes().as_ptr()), (&b"y"[..], memory));
    }

    #[test]
    fn what_is_idle_is_bounded() {
        let buffers = Buffers::new(2);
        let body = |len| {
            let mut body = Body::new(Arc::clone(&buffers));
            body.push(&vec![0; len], len).unwrap();
            body
        };
        drop([body(10), body(10), body(10), body(2 * KEPT_CAPACITY)]);
        let idle = buffers.idle.lock().unwrap();
        assert_eq!(idle.len(), 2);
        assert!(idle.iter().all(|bytes| bytes.capacity() <= KEPT_CAPACITY));
    }
}
