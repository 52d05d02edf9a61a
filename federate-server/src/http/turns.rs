//! Work that would keep a thread of the runtime from others.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use tokio::sync::Semaphore;
use tracing::error;

use super::plain;

/// How much of one kind is done side by side. More than there are processors: the system shares them out more fairly
/// than a queue, in which what is short would wait for what is long.
const SIDE_BY_SIDE: usize = 8;

/// Where such work waits for its turn. What is short has turns of its own, so that it never waits for what is long.
#[derive(Debug, Clone, Default)]
pub(crate) struct Turns {
    /// For what goes through targets.
    pub(crate) short: Line,
    /// For what goes through series.
    pub(crate) long: Line,
}

/// Does work on threads of its own, not too much of it at a time.
#[derive(Debug, Clone)]
pub(crate) struct Line(Arc<Semaphore>);

/// The work panicked, or the process is about to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer can't be made")]
pub(crate) struct WorkLost;

impl IntoResponse for WorkLost {
    fn into_response(self) -> Response {
        plain(StatusCode::INTERNAL_SERVER_ERROR, self.to_string())
    }
}

/// What `work` comes to, on a thread of its own. It is done to its end, even if nobody waits for it. A panic is logged.
///
/// # Errors
/// Where there is no result.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, WorkLost> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| {
        if error.is_panic() {
            error!(%error, "making an answer panicked");
        }
        WorkLost
    })
}

impl Default for Line {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(SIDE_BY_SIDE)))
    }
}

impl Line {
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
        let work = move || {
            let _turn = turn;
            work()
        };
        blocking(work).await
    }
}
