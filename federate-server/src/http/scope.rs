//! The scope of a request, for its handler.

use axum::extract::FromRequestParts;
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;

use super::plain;
use crate::auth::Principal;
use crate::tenant::Scope;

/// That of who sent the request. Without anybody there is no scope either, and no answer.
impl<S: Sync> FromRequestParts<S> for Scope {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let principal = parts.extensions.get::<Principal>();
        principal
            .map(|principal| principal.scope().clone())
            .ok_or_else(|| {
                plain(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "nobody sent this request",
                )
            })
    }
}
