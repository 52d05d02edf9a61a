//! What every request passes through.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::FutureExt as _;
use http::header::{
    CONNECTION, HeaderName, HeaderValue, REFERRER_POLICY, RETRY_AFTER, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, Method, StatusCode, Uri};
use tracing::{debug, error};

use super::admit::admit;
use super::{Access, AppState, Provider, Route, Shared, Turns, plain};
use crate::auth::{AuthError, CHALLENGE, Principal};
use crate::serve::Crowded;
use crate::tenant::Scope;

/// Headers for every answer, asked for at each.
pub type ExtraHeaders = Provider<Arc<[(HeaderName, HeaderValue)]>>;

/// What the guard of a router has.
pub(super) struct Guard {
    pub(super) state: Shared,
    pub(super) headers: ExtraHeaders,
    /// For the handlers, each of which has it as an extension.
    pub(super) turns: Turns,
}

/// Answers a request: counts and logs it, lets it pass or refuses it, and adds the headers of every answer.
///
/// It's one function, as each layer around a router costs every request several allocations, and what someone who
/// guesses passwords costs is mostly that.
pub(super) async fn guard(
    State(guard): State<Arc<Guard>>,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let uri = request.uri().clone();
    let mut response = answer(&guard, request, next).await;
    observe(&guard.state, &method, &uri, &response, started.elapsed());
    add_headers(response.headers_mut(), &guard.headers);
    response
}

/// Lets a request pass with its [`Principal`] as an extension, or refuses it.
async fn answer(guard: &Guard, mut request: Request, next: Next) -> Response {
    let state = &guard.state;
    let access = Route::find(request.uri().path()).map_or(Access::Users, |route| route.access);
    let is_crowded = request.extensions().get::<Crowded>().is_some();
    let principal = match access {
        Access::Open => Ok(Principal::Anonymous),
        Access::Users | Access::Operators if is_crowded => Err(AuthError::Busy),
        Access::Users | Access::Operators => {
            let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
            let peer = peer.map(|ConnectInfo(peer)| peer.ip());
            state.auth.authenticate(peer, request.headers()).await
        }
    };
    let principal = match principal {
        Ok(principal) => principal,
        Err(error) => return refusal(error),
    };
    let mut response = if access == Access::Operators && *principal.scope() != Scope::Everything {
        plain(StatusCode::FORBIDDEN, "Forbidden: this is for operators")
    } else {
        let extensions = request.extensions_mut();
        extensions.insert(principal.clone());
        extensions.insert(guard.turns.clone());
        admit(state, principal.scope(), contain_panics(request, next)).await
    };
    response.extensions_mut().insert(principal);
    response
}

/// What is answered to a request without a principal. Whatever the reason, it says how to give a password.
fn refusal(error: AuthError) -> Response {
    let (status, text, retry_after) = match error {
        AuthError::Unauthorized => (StatusCode::UNAUTHORIZED, "Unauthorized", None),
        AuthError::Busy => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Service Unavailable",
            Some(Duration::from_secs(1)),
        ),
        AuthError::TooManyFailures { retry_after } => (
            StatusCode::TOO_MANY_REQUESTS,
            "Too Many Requests: too many wrong passwords",
            Some(retry_after),
        ),
        AuthError::Unavailable { retry_after } => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Service Unavailable: users can't be looked up",
            Some(retry_after),
        ),
    };
    let mut response = plain(status, text);
    let headers = response.headers_mut();
    headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE));
    if let AuthError::TooManyFailures { .. } = error {
        // Whoever guesses costs least that way: there is nothing more to wait for on the connection.
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if let Some(retry_after) = retry_after {
        let seconds = retry_after.as_millis().div_ceil(1000).max(1);
        let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
        headers.insert(RETRY_AFTER, seconds.into());
    }
    response
}

/// Answers 500 where a handler panics.
async fn contain_panics(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(_) => {
            error!(path, "handler panicked");
            plain(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
        }
    }
}

/// Counts a request and logs it, once its answer's head is known.
fn observe(state: &AppState, method: &Method, uri: &Uri, response: &Response, duration: Duration) {
    let route = Route::find(uri.path());
    // Health checks take no lock, not even that of a metric.
    if route.is_none_or(|route| route.access != Access::Open) {
        let endpoint = route.map(|route| route.endpoint);
        state
            .metrics
            .http
            .observe(endpoint, response.status(), duration);
    }
    let user = response.extensions().get().and_then(Principal::name);
    debug!(
        %method,
        path = uri.path(),
        query = uri.query(),
        status = response.status().as_u16(),
        ?duration,
        user,
        "request"
    );
}

/// Adds the headers of every answer; those of the configuration, `extra`, override what a handler set.
fn add_headers(headers: &mut HeaderMap, extra: &ExtraHeaders) {
    add(headers, X_CONTENT_TYPE_OPTIONS, "nosniff");
    add(headers, REFERRER_POLICY, "no-referrer");
    for (name, value) in extra().iter() {
        headers.insert(name, value.clone());
    }
}

fn add(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers
        .entry(name)
        .or_insert(HeaderValue::from_static(value));
}
