//! How many requests of one tenant are answered at one time.

use axum::body::Body;
use axum::response::Response;
use http::StatusCode;
use http::header::{HeaderValue, RETRY_AFTER};

use super::{AppState, plain};
use crate::held::HeldBody;
use crate::tenant::Scope;

/// What `answer` comes to for one who sees `scope`; refuses where as many requests of the tenant as there may be are
/// being answered. One is until the end of its body.
pub(super) async fn admit(
    state: &AppState,
    scope: &Scope,
    answer: impl Future<Output = Response>,
) -> Response {
    let Scope::Tenant(tenant) = scope else {
        return answer.await;
    };
    let counters = state.metrics.tenants.of(tenant);
    counters.requests.inc();
    let Some(place) = tenant.place() else {
        counters.refused.inc();
        return refusal();
    };
    let answer = answer.await;
    answer.map(|body| Body::new(HeldBody::new(body, place)))
}

fn refusal() -> Response {
    let text = "Too Many Requests: as many of yours as may be at one time are being answered";
    let mut response = plain(StatusCode::TOO_MANY_REQUESTS, text);
    let soon = HeaderValue::from_static("1");
    response.headers_mut().insert(RETRY_AFTER, soon);
    response
}
