//! Paths for those who run the process.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;

use super::{Shared, plain};

/// The process answers.
pub(super) async fn healthy(State(state): State<Shared>) -> Response {
    plain(
        StatusCode::OK,
        format!("{} is Healthy.", state.build.program),
    )
}

/// The first discovery has succeeded.
pub(super) async fn ready(State(state): State<Shared>) -> Response {
    if state.readiness.is_ready() {
        plain(StatusCode::OK, format!("{} is Ready.", state.build.program))
    } else {
        plain(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable")
    }
}

/// Reads the configuration again.
pub(super) async fn reload(State(state): State<Shared>) -> Response {
    // A client that hangs up doesn't leave half a reload.
    let reloading = tokio::spawn(async move { state.reload.reload().await });
    match reloading.await {
        Ok(Ok(())) => StatusCode::OK.into_response(),
        Ok(Err(error)) => {
            let text = format!("failed to reload config: {error}");
            plain(StatusCode::INTERNAL_SERVER_ERROR, text)
        }
        Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "failed to reload config"),
    }
}
