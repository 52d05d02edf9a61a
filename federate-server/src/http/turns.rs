//! Work that would keep a thread of the runtime from others.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use tokio::sync::Semaphore;

use super::plain;

/// How much of it is done side by side. More than there are processors: the system shares them out more fairly
/// than a queue, in which what is short would wait for what is long.
const SIDE_BY_SIDE: usize = 8;

/// Does such work on threads of its own, not too much of it at a time.
#[derive(Debug, Clone)]
pub(crate) struct Turns(Arc<Semaphore>);

/// The work panicked, or the process is about to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer can't be made")]
pub(crate) struct WorkLost;

impl IntoResponse for WorkLost {
    fn into_response(self) -> Response {
        plain(StatusCode::INTERNAL_SERVER_ERROR, self.to_string())
    }
}

impl Default for Turns {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(SIDE_BY_SIDE)))
    }
}

impl Turns {
    /// What `work` comes to. It isn't begun where the request is given up before its turn, and is
    /// done to its end once it has begun.
    ///
    /// # Errors
    /// Where there is no result.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, WorkLost> {
        let turn = Arc::clone(&self.0).acquire_owned().await;
        let turn = turn.map_err(|_| WorkLost)?;
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        done.await.map_err(|_| WorkLost)
    }
}
