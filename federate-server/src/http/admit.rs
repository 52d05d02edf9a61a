//! How many requests of one tenant are answered at one time.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::StatusCode;
use http::header::{HeaderValue, RETRY_AFTER};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;

use super::{AppState, plain};
use crate::auth::Principal;
use crate::tenant::Scope;

/// Refuses a tenant's request where as many as it may have are being answered; one is until the end of its body.
pub(super) async fn admit(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let principal = request.extensions().get();
    let scope = principal.map(Principal::scope).cloned();
    let Some(Scope::Tenant(tenant)) = scope else {
        return next.run(request).await;
    };
    let counters = state.metrics.tenants.of(tenant.tenant());
    counters.requests.inc();
    let Some(place) = tenant.place() else {
        counters.refused.inc();
        return refusal();
    };
    let answer = next.run(request).await;
    answer.map(|body| {
        Body::new(Placed {
            body,
            _place: place,
        })
    })
}

fn refusal() -> Response {
    let text = "Too Many Requests: as many of yours as may be at one time are being answered";
    let mut response = plain(StatusCode::TOO_MANY_REQUESTS, text);
    let soon = HeaderValue::from_static("1");
    response.headers_mut().insert(RETRY_AFTER, soon);
    response
}

/// A body and the place that is given back with it.
#[derive(Debug)]
struct Placed {
    body: Body,
    _place: OwnedSemaphorePermit,
}

impl HttpBody for Placed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
