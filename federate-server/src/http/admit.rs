//! How many requests of one tenant are answered at one time.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::StatusCode;
use http::header::{HeaderValue, RETRY_AFTER};

use super::{AppState, plain};
use crate::auth::Principal;
use crate::held::HeldBody;
use crate::tenant::Scope;

/// Refuses a tenant's request where as many as it may have are being answered; one is until the end of its body.
pub(super) async fn admit(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let principal = request.extensions().get();
    let scope = principal.map(Principal::scope).cloned();
    let Some(Scope::Tenant(tenant)) = scope else {
        return next.run(request).await;
    };
    let counters = state.metrics.tenants.of(&tenant);
    counters.requests.inc();
    let Some(place) = tenant.place() else {
        counters.refused.inc();
        return refusal();
    };
    let answer = next.run(request).await;
    answer.map(|body| Body::new(HeldBody::new(body, place)))
}

fn refusal() -> Response {
    let text = "Too Many Requests: as many of yours as may be at one time are being answered";
    let mut response = plain(StatusCode::TOO_MANY_REQUESTS, text);
    let soon = HeaderValue::from_static("1");
    response.headers_mut().insert(RETRY_AFTER, soon);
    response
}
