//! `/federate`: the latest samples of selected series, in an exposition format.
//!
//! An answer is planned from a snapshot of the store (`plan`), written a piece at a time (`encode`, with label
//! text prepared by `labels`) and streamed at the client's pace (`body`), so its size costs no memory.

mod body;
mod encode;
mod labels;
mod plan;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER, VARY};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use prom_model::exposition::{Format, negotiate};
use prom_model::label::LabelSet;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use self::body::{ContentEncoding, FederateBody};
use self::encode::Exposition;
pub use self::encode::Timestamps;
use self::labels::{Additions, TextMemory};
use crate::api::{Params, TooManySeries};
use crate::http::{AppState, Shared, blocking, plain};
use crate::selector::Selector;
use crate::store::{Effort, Store};
use crate::tenant::Scope;

/// How much of a bad selector is named to the client.
const NAMED_CHARS: usize = 200;

/// How many answers are made at one time. Each takes its buffers, its selectors and the snapshot that it is made from,
/// and a slow client makes it last.
const ANSWERS: usize = 64;

/// How long a request waits until it is one of them.
const ANSWER_WAIT: Duration = Duration::from_secs(10);

/// What `/federate` serves: the series of a store, and the labels added to each.
#[derive(Debug)]
pub struct Federation {
    store: Arc<Store>,
    additions: ArcSwap<Additions>,
    /// One for each answer that is made.
    places: Arc<Semaphore>,
    text_memory: Arc<TextMemory>,
}

impl Federation {
    /// Serves `store`, `external_labels` added to every series that has none of the name.
    #[must_use]
    pub fn new(store: Arc<Store>, external_labels: &LabelSet) -> Self {
        Self {
            store,
            additions: ArcSwap::from_pointee(Additions::new(external_labels)),
            places: Arc::new(Semaphore::new(ANSWERS)),
            text_memory: Arc::default(),
        }
    }

    /// Adds these from now on.
    pub fn set_external_labels(&self, external_labels: &LabelSet) {
        self.additions
            .store(Arc::new(Additions::new(external_labels)));
    }

    /// A whole answer in memory: the series that any of `selectors` selects at `now_ms` (milliseconds since the Unix
    /// epoch), of those that `scope` sees, in `style`.
    ///
    /// For servers other than [`crate::http::router`], which streams instead.
    ///
    /// # Errors
    /// Where the series are more than an answer may have in `scope`.
    pub fn encode(
        &self,
        scope: &Scope,
        selectors: &[Selector],
        style: negotiate::Response,
        timestamps: Timestamps,
        now_ms: i64,
    ) -> Result<Vec<u8>, TooManySeries> {
        let mut body = Vec::new();
        let mut exposition = self.exposition(scope, selectors, style, timestamps, now_ms)?;
        while exposition.write(&mut body, usize::MAX, Effort::UNBOUNDED) {}
        Ok(body)
    }

    /// The series in `scope` that any of `selectors` selects at `now_ms`; none without a selector.
    fn exposition(
        &self,
        scope: &Scope,
        selectors: &[Selector],
        style: negotiate::Response,
        timestamps: Timestamps,
        now_ms: i64,
    ) -> Result<Exposition, TooManySeries> {
        let snapshot = self.store.snapshot(scope);
        let selection = snapshot.into_selection(Some(selectors), now_ms);
        if let Some(most) = scope.series_limit() {
            selection.hold_to(most)?;
        }
        let additions = self.additions.load_full();
        let memory = Arc::clone(&self.text_memory);
        let exposition = Exposition::new(selection, additions, style, timestamps, memory);
        Ok(exposition)
    }
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("{0}")]
    BadRequest(String),
    #[error(transparent)]
    TooManySeries(#[from] TooManySeries),
}

impl Refusal {
    const fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::TooManySeries(_) => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }
}

/// Answers `GET` and `HEAD` of `/federate`.
pub(crate) async fn serve(State(state): State<Shared>, scope: Scope, request: Request) -> Response {
    let response = match answer(&state, scope, request).await {
        Ok(response) => response,
        Err(refusal) => plain(refusal.status(), refusal.to_string()),
    };
    state.metrics.federate.answered(response.status());
    response
}

/// Refuses a request that has waited for long enough.
fn busy() -> Response {
    let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable");
    let soon = HeaderValue::from_static("1");
    response.headers_mut().insert(RETRY_AFTER, soon);
    response
}

/// The answer, or what is wrong with the request.
async fn answer(state: &AppState, scope: Scope, request: Request) -> Result<Response, Refusal> {
    let start = Instant::now();
    let is_head = request.method() == Method::HEAD;
    let accept = list(request.headers(), &ACCEPT);
    let encoding = content_encoding(&list(request.headers(), &ACCEPT_ENCODING));
    let params = Params::read(request).await;
    let strict = params.strict();
    strict.map_err(|error| Refusal::BadRequest(error.to_string()))?;
    let timestamps = match params.first("timestamps") {
        "" | "true" | "1" => Timestamps::Written,
        "false" | "0" => Timestamps::LeftOut,
        other => {
            return Err(Refusal::BadRequest(format!(
                "invalid parameter \"timestamps\": {other:?}, expected true or false"
            )));
        }
    };
    let style = negotiate::Response::negotiate(&accept);
    let now_ms = (state.now_ms)();
    let federation = Arc::clone(&state.federation);
    let place = Arc::clone(&federation.places).acquire_owned();
    let Ok(Ok(place)) = timeout(ANSWER_WAIT, place).await else {
        return Ok(busy());
    };
    // Compiling and deciding thousands of selectors, or making the index, would keep a thread of the runtime from
    // others. It goes on where the client goes away, and keeps its place until then.
    let sent = state.metrics.sent(&scope);
    let plan = move || {
        let selectors = selectors(&params).map_err(Refusal::BadRequest)?;
        let exposition = federation.exposition(&scope, &selectors, style, timestamps, now_ms)?;
        Ok::<_, Refusal>((exposition, place))
    };
    let (mut exposition, place) = match blocking(plan).await {
        Ok(planned) => planned?,
        Err(lost) => return Ok(lost.into_response()),
    };
    if style.format.text_format() == Some(Format::OpenMetrics) && !exposition.suits_openmetrics() {
        // Prometheus prefers OpenMetrics, and would take counters for series of unknown type.
        let other = negotiate::Response::negotiate_without_openmetrics(&accept);
        exposition.set_style(other.unwrap_or(style));
    }
    let headers = answer_headers(exposition.style(), encoding);
    if is_head {
        return Ok(headers.into_response());
    }
    let body = FederateBody::new(exposition, encoding, sent, start, place);
    Ok((headers, axum::body::Body::new(body)).into_response())
}

/// The selectors of `match[]`, or which of them isn't one, and why.
fn selectors(params: &Params) -> Result<Vec<Selector>, String> {
    Selector::parse_all(params.all("match[]")).map_err(|(text, error)| {
        let named: String = text.chars().take(NAMED_CHARS).collect();
        format!("invalid parameter \"match[]\": {named}: {error}")
    })
}

/// All values of a header that is a list, as one list.
fn list(headers: &HeaderMap, name: &HeaderName) -> String {
    let values = headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values.collect::<Vec<_>>().join(",")
}

/// Gzip where `accepted` (an `Accept-Encoding`) names it, or everything, with a quality above zero.
fn content_encoding(accepted: &str) -> ContentEncoding {
    let mut any = None;
    for coding in accepted.split(',') {
        let mut parts = coding.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let quality = parts.find_map(|part| part.strip_prefix("q="));
        let wanted =
            quality.is_none_or(|quality| quality.parse().is_ok_and(|quality: f64| quality > 0.0));
        if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") {
            return if wanted {
                ContentEncoding::Gzip
            } else {
                ContentEncoding::Identity
            };
        }
        if name == "*" {
            any = Some(wanted);
        }
    }
    if any == Some(true) {
        ContentEncoding::Gzip
    } else {
        ContentEncoding::Identity
    }
}

fn answer_headers(style: negotiate::Response, encoding: ContentEncoding) -> HeaderMap {
    let mut headers = HeaderMap::new();
    // Made of fixed texts, so it always is a header's value.
    if let Ok(content_type) = HeaderValue::from_str(&style.content_type()) {
        headers.insert(CONTENT_TYPE, content_type);
    }
    headers.insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    if encoding == ContentEncoding::Gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    headers
}
