//! Buffers for bodies, shared by all targets.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::error::ScrapeError;

/// Idle buffers that were larger give their memory back.
const KEPT_CAPACITY: usize = 1 << 20;

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

    fn take(&self) -> Vec<u8> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.pop().unwrap_or_default()
    }

    fn put(&self, mut bytes: Vec<u8>) {
        if bytes.capacity() > KEPT_CAPACITY {
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

/// The body of one response as it was received, in a buffer that goes back when this is dropped.
#[derive(Debug)]
pub struct Body {
    buffers: Arc<Buffers>,
    bytes: Vec<u8>,
}

impl Body {
    /// An empty body, which holds no memory until it gets its first byte.
    #[must_use]
    pub const fn new(buffers: Arc<Buffers>) -> Self {
        Self {
            buffers,
            bytes: Vec::new(),
        }
    }

    /// What has been received.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Appends `bytes`. Grows to no more than `limit` bytes.
    ///
    /// # Errors
    /// [`ScrapeError::BodyTooLarge`] where the body would be larger than `limit`; nothing was appended.
    pub fn push(&mut self, bytes: &[u8], limit: usize) -> Result<(), ScrapeError> {
        let held = self.bytes.len();
        if bytes.len() > limit.saturating_sub(held) {
            return Err(ScrapeError::BodyTooLarge);
        }
        if self.bytes.capacity() == 0 && !bytes.is_empty() {
            self.bytes = self.buffers.take();
        }
        let needed = held + bytes.len();
        if needed > self.bytes.capacity() {
            let doubled = self.bytes.capacity().saturating_mul(2).min(limit);
            self.bytes.reserve_exact(doubled.max(needed) - held);
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Forgets what has been received.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if self.bytes.capacity() > 0 {
            self.buffers.put(std::mem::take(&mut self.bytes));
        }
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
        assert!(body.bytes.capacity() <= 1000);
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
