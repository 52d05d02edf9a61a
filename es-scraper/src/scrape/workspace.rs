//! Memory to inflate and parse in, of which there is one for each core and not for each target.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Semaphore;
use tokio::task::block_in_place;

use super::cache::PassMemory;
use super::inflate::Inflater;

/// Inflated bodies up to this size find their memory already there.
const KEPT_BODY: usize = 4 << 20;

/// Memory that one body after the other is inflated and parsed in, of whatever target.
pub struct Workspace {
    pub(crate) inflater: Inflater,
    pub(crate) memory: PassMemory,
}

impl Workspace {
    /// A workspace without memory, which comes with the first body.
    #[must_use]
    pub fn new() -> Self {
        Self {
            inflater: Inflater::new(),
            memory: PassMemory::default(),
        }
    }
}

impl Default for Workspace {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Workspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workspace").finish_non_exhaustive()
    }
}

/// Bodies from this size on may take long, so that other tasks of the thread get another one meanwhile.
const LARGE_BODY: usize = 1 << 20;

/// All workspaces. Who gets one may use a core, so that thousands of targets can't keep each other
/// from the network.
#[derive(Debug)]
pub(crate) struct Workspaces {
    permits: Semaphore,
    idle: Mutex<Vec<Workspace>>,
}

impl Workspaces {
    /// At most `count` of them, and at least one.
    pub(crate) fn new(count: usize) -> Self {
        Self {
            permits: Semaphore::new(count.clamp(1, Semaphore::MAX_PERMITS)),
            idle: Mutex::default(),
        }
    }

    /// Waits for a workspace, first come first served, and does `work` in it on a body of `size` bytes.
    pub(crate) async fn run<R>(&self, size: usize, work: impl FnOnce(&mut Workspace) -> R) -> R {
        // Only fails once the semaphore is closed, which nobody does.
        let _permit = self.permits.acquire().await;
        let idle = self.lock().pop();
        let mut workspace = idle.unwrap_or_default();
        let can_move = || Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread;
        let result = if size >= LARGE_BODY && can_move() {
            block_in_place(|| work(&mut workspace))
        } else {
            work(&mut workspace)
        };
        workspace.inflater.shrink_to(KEPT_BODY);
        workspace.memory.shrink();
        self.lock().push(workspace);
        result
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Workspace>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
