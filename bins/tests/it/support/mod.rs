//! What the tests run and ask: programs, Prometheus, HTTP, expositions.

pub(crate) mod exporter;
pub(crate) mod http;
pub(crate) mod program;
pub(crate) mod prometheus;
pub(crate) mod raw;
pub(crate) mod samples;
pub(crate) mod system;

use std::time::{Duration, Instant};

/// How long anything may take before a test fails. Generous, since many tests share few cores.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How long to wait between two looks.
pub(crate) const POLL: Duration = Duration::from_millis(20);

/// Asks `attempt` until it has an answer.
///
/// # Panics
/// When there is none within [`PATIENCE`]; the message has `what` was waited for.
pub(crate) async fn eventually<T>(what: &str, mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = attempt().await {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        tokio::time::sleep(POLL).await;
    }
}

/// Asks `attempt` until it succeeds.
///
/// # Panics
/// When it fails for [`PATIENCE`]; the message has `what` was waited for, and the last failure.
pub(crate) async fn eventually_ok<T>(
    what: &str,
    mut attempt: impl AsyncFnMut() -> Result<T, String>,
) -> T {
    let start = Instant::now();
    loop {
        match attempt().await {
            Ok(answer) => return answer,
            Err(why) => assert!(
                start.elapsed() < PATIENCE,
                "waited in vain for {what}: {why}"
            ),
        }
        tokio::time::sleep(POLL).await;
    }
}
