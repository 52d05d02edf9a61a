//! The HTTP surface: which paths there are, who may ask, and what every answer carries.
//!
//! [`router`] is a plain function over [`AppState`]; [`ROUTES`] is the one table it is built from.

mod admit;
mod guard;
mod health;
mod route;
mod scope;
mod state;
mod turns;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};

pub use self::guard::ExtraHeaders;
use self::guard::Guard;
pub use self::route::{Access, Endpoint, ROUTES, Route};
pub(crate) use self::state::Shared;
pub use self::state::{AppState, BuildInfo, Provider, Readiness, Reload, RuntimeInfo};
pub(crate) use self::turns::{Line, Turns, WorkLost, blocking};

/// The whole of [`ROUTES`], answered from `state`.
///
/// Every answer passes through authentication (where the route asks for it), its tenant's limit, a debug log line,
/// request metrics and the security headers; a handler that panics yields a 500. `headers` are added to every answer
/// and override ours. What authentication counts is counted in the metrics of `state` from now on.
pub fn router(state: AppState, headers: ExtraHeaders) -> Router {
    state.auth.count_in(&state.metrics.auth);
    let state = Arc::new(state);
    let guard = Guard {
        state: Arc::clone(&state),
        headers,
        turns: Turns::default(),
    };
    let mut router = Router::new();
    for route in ROUTES {
        router = router.route(route.path, route.endpoint.handler());
    }
    router
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(Arc::new(guard), guard::guard))
        .with_state(state)
}

/// A line of text with a status.
pub(crate) fn plain(status: StatusCode, text: impl Into<String>) -> Response {
    let mut text = text.into();
    text.push('\n');
    let headers = [(CONTENT_TYPE, "text/plain; charset=utf-8")];
    (status, headers, text).into_response()
}

async fn not_found() -> Response {
    plain(StatusCode::NOT_FOUND, "404 page not found")
}

async fn method_not_allowed(request: Request) -> Response {
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
    if let Some(route) = Route::find(request.uri().path()) {
        response.headers_mut().extend(allowed(route));
    }
    response
}

fn allowed(route: &Route) -> HeaderMap {
    let methods: Vec<&str> = route.methods.iter().map(http::Method::as_str).collect();
    let value = methods.join(", ").try_into();
    value.map(|value| (ALLOW, value)).into_iter().collect()
}
