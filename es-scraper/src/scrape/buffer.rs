//! Buffers for bodies, shared by all targets.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

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

    /// Appends `bytes`.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.bytes.capacity() == 0 && !bytes.is_empty() {
            self.bytes = self.buffers.take();
        }
        self.bytes.extend_from_slice(bytes);
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
