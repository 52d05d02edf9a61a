//! The envelope around every answer.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use prom_model::label::LabelSet;
use serde::{Serialize, Serializer};

use super::source::TooManySeries;
use crate::http::{Line, WorkLost};

/// Parts of a streamed answer are about so long.
const CHUNK: usize = 64 * 1024;
/// Said where a `limit` cut something off.
const TRUNCATED: &str = "results truncated due to limit";

/// Why a request has no answer; shown as Prometheus shows it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ApiError {
    /// A parameter is wrong.
    #[error("{0}")]
    BadData(String),
    /// The answer would have more than it may have.
    #[error(transparent)]
    TooManySeries(#[from] TooManySeries),
    /// It is our fault.
    #[error("{0}")]
    Internal(String),
}

impl ApiError {
    /// The parameter `name` is wrong.
    pub(super) fn parameter(name: &str, reason: impl std::fmt::Display) -> Self {
        Self::BadData(format!("invalid parameter {name:?}: {reason}"))
    }
}

impl From<WorkLost> for ApiError {
    fn from(lost: WorkLost) -> Self {
        Self::Internal(lost.to_string())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Envelope<'a> {
            status: &'a str,
            #[serde(rename = "errorType")]
            error_type: &'a str,
            error: String,
        }
        let (status, error_type) = match self {
            Self::BadData(_) => (StatusCode::BAD_REQUEST, "bad_data"),
            Self::TooManySeries(_) => (StatusCode::UNPROCESSABLE_ENTITY, "execution"),
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        };
        let envelope = Envelope {
            status: "error",
            error_type,
            error: self.to_string(),
        };
        json(status, &envelope)
    }
}

/// An answer that is at hand as a whole.
pub(super) fn success(data: &impl Serialize) -> Response {
    #[derive(Serialize)]
    struct Envelope<'a, T> {
        status: &'a str,
        data: &'a T,
    }
    let status = "success";
    json(StatusCode::OK, &Envelope { status, data })
}

fn json(status: StatusCode, envelope: &impl Serialize) -> Response {
    match serde_json::to_vec(envelope) {
        Ok(body) => (status, [(CONTENT_TYPE, "application/json")], body).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// An answer whose data is an array, made piece by piece as fast as the client takes it; of `items` only the first
/// `limit` where there is one.
///
/// Pieces are made in `line`: there may be much to look at between two items.
pub(super) fn array<T: Serialize>(
    items: impl Iterator<Item = T> + Send + 'static,
    limit: Option<usize>,
    line: Line,
) -> Response {
    let parts = ArrayParts {
        items: items.fuse(),
        left: limit.unwrap_or(usize::MAX),
        state: ArrayState::Start,
    };
    let next = move |mut parts: ArrayParts<_>| {
        let line = line.clone();
        async move {
            let made = line.run(move || {
                let part = parts.next()?;
                Some((part, parts))
            });
            made.await?.map_or(Ok(None), |(part, parts)| {
                part.map(|part| Some((part, parts)))
            })
        }
    };
    let body = Body::from_stream(stream::try_unfold(parts, next));
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

struct ArrayParts<I> {
    items: I,
    left: usize,
    state: ArrayState,
}

enum ArrayState {
    Start,
    Between,
    Done,
}

impl<T: Serialize, I: Iterator<Item = T>> Iterator for ArrayParts<I> {
    type Item = Result<Bytes, ApiError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut part = Vec::with_capacity(CHUNK + CHUNK / 4);
        let mut separator: &[u8] = match self.state {
            ArrayState::Start => {
                part.extend_from_slice(br#"{"status":"success","data":["#);
                b""
            }
            ArrayState::Between => b",",
            ArrayState::Done => return None,
        };
        self.state = ArrayState::Between;
        while part.len() < CHUNK {
            match self.items.next() {
                Some(item) if self.left > 0 => {
                    self.left -= 1;
                    part.extend_from_slice(separator);
                    separator = b",";
                    if let Err(error) = serde_json::to_writer(&mut part, &item) {
                        self.state = ArrayState::Done;
                        return Some(Err(ApiError::Internal(error.to_string())));
                    }
                }
                beyond => {
                    part.extend_from_slice(b"]");
                    if beyond.is_some() {
                        part.extend_from_slice(
                            format!(r#","warnings":["{TRUNCATED}"]"#).as_bytes(),
                        );
                    }
                    part.extend_from_slice(b"}");
                    self.state = ArrayState::Done;
                    break;
                }
            }
        }
        Some(Ok(part.into()))
    }
}

/// A label set as an object.
#[derive(Debug)]
pub(super) struct Labels(pub(super) Arc<LabelSet>);

impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter())
    }
}
