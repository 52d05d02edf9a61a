//! Pages for people: plain HTML that loads nothing, needs no script and works below any path prefix.
//!
//! Everything scraped or discovered is hostile text. It reaches a page through [`html::Escaped`] only, and the
//! Content-Security-Policy of the pages lets nothing run, should it ever not.

mod discovery;
mod html;
mod landing;
mod targets;

use std::sync::LazyLock;

use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_FRAME_OPTIONS};
use ring::digest::{SHA256, digest};

use self::html::Escaped;
pub(crate) use self::landing::landing;
pub(crate) use self::targets::targets;
use crate::http::{Access, Route};
use crate::tenant::Scope;

const STYLE: &str = include_str!("style.css");

/// Names the one style sheet by its digest and forbids everything else.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
});

/// A whole page for who may follow the links of `scope`. `body` is HTML already.
fn page(title: &str, program: &str, scope: &Scope, body: &str) -> Response {
    let (title, program) = (Escaped(title), Escaped(program));
    let metrics = match may_follow("metrics", scope) {
        true => "<a href=\"metrics\">Metrics</a>",
        false => "",
    };
    let html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title} – {program}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<header><a class=\"brand\" href=\"./\">{program}</a>\
         <nav><a href=\"targets\">Targets</a>{metrics}</nav></header>\n\
         <main>\n{body}</main>\n</body>\n</html>\n"
    );
    let policy =
        HeaderValue::from_str(&POLICY).unwrap_or(HeaderValue::from_static("default-src 'none'"));
    let headers = [
        (
            CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        ),
        (CONTENT_SECURITY_POLICY, policy),
        (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, html).into_response()
}

/// Whether the path that `link` leads to answers who has `scope`.
fn may_follow(link: &str, scope: &Scope) -> bool {
    let route = Route::find(&format!("/{link}"));
    route.is_some_and(|route| match route.access {
        Access::Open | Access::Users => true,
        Access::Operators => *scope == Scope::Everything,
    })
}
