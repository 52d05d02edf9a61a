//! Parameters, from the URL and from a posted form.

use std::borrow::Cow;
use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::Request;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;
use tokio::time::timeout;

use super::answer::ApiError;
use super::time::parse_time;
use crate::selector::Selector;

/// Longest form that is read.
const MAX_FORM: usize = 1 << 20;

/// How long a client may take to send it.
const FORM_TIME: Duration = Duration::from_secs(30);

/// The parameters of a request: those of the form before those of the URL.
#[derive(Debug, Default)]
pub(crate) struct Params {
    pairs: Vec<(String, String)>,
    /// The first part that was no parameter.
    malformed: Option<String>,
}

impl Params {
    /// Reads the request, its body included where it is a form.
    pub(crate) async fn read(request: Request) -> Self {
        let mut params = Self::default();
        let (head, body) = request.into_parts();
        if head.method == Method::POST && is_form(&head.headers) {
            match timeout(FORM_TIME, to_bytes(body, MAX_FORM)).await {
                Ok(Ok(form)) => params.extend(&String::from_utf8_lossy(&form)),
                Ok(Err(_)) => params.malformed = Some("request body too large".to_owned()),
                Err(_) => params.malformed = Some("request body takes too long".to_owned()),
            }
        }
        params.extend(head.uri.query().unwrap_or_default());
        params
    }

    fn extend(&mut self, encoded: &str) {
        for pair in encoded.split('&').filter(|pair| !pair.is_empty()) {
            match decode_pair(pair) {
                Ok(pair) => self.pairs.push(pair),
                Err(reason) => {
                    self.malformed.get_or_insert(reason);
                }
            }
        }
    }

    /// Refuses a request in which anything was malformed.
    pub(crate) fn strict(&self) -> Result<(), ApiError> {
        match &self.malformed {
            Some(reason) => Err(ApiError::BadData(format!(
                "error parsing form values: {reason}"
            ))),
            None => Ok(()),
        }
    }

    /// The first value of `name`, empty where there is none.
    pub(crate) fn first(&self, name: &str) -> &str {
        let mut of_name = self.pairs.iter().filter(|(have, _)| have == name);
        of_name.next().map_or("", |(_, value)| value)
    }

    /// Every value of `name`.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let of_name = self.pairs.iter().filter(move |(have, _)| have == name);
        of_name.map(|(_, value)| value.as_str())
    }

    /// `limit` of lists, `None` for no limit.
    pub(super) fn limit(&self) -> Result<Option<usize>, ApiError> {
        let text = self.first("limit");
        if text.is_empty() {
            return Ok(None);
        }
        let limit = go_atoi(text).map_err(|reason| ApiError::parameter("limit", reason))?;
        let limit = usize::try_from(limit)
            .map_err(|_| ApiError::parameter("limit", "limit must be non-negative"))?;
        Ok((limit > 0).then_some(limit))
    }

    /// A limit of the metadata paths, where a negative one is none.
    pub(super) fn metadata_limit(&self, name: &str) -> Result<Option<usize>, ApiError> {
        let text = self.first(name);
        if text.is_empty() {
            return Ok(None);
        }
        let limit =
            go_atoi(text).map_err(|_| ApiError::BadData(format!("{name} must be a number")))?;
        Ok(usize::try_from(limit).ok())
    }

    /// `start` and `end` in milliseconds since the Unix epoch, both inclusive.
    pub(super) fn range(&self) -> Result<(i64, i64), ApiError> {
        let bound = |name: &str, default| match self.first(name) {
            "" => Ok(default),
            text => parse_time(text).ok_or_else(|| {
                let reason = format!(
                    "invalid time value for '{name}': cannot parse {text:?} to a valid timestamp"
                );
                ApiError::parameter(name, reason)
            }),
        };
        Ok((bound("start", i64::MIN)?, bound("end", i64::MAX)?))
    }

    /// Every `match[]`. Thousands of expressions take their time.
    ///
    /// # Errors
    /// The text for the user, where one isn't a selector.
    fn selectors(&self) -> Result<Vec<Selector>, String> {
        let selectors = Selector::parse_all(self.all("match[]"));
        selectors.map_err(|(_, error)| error.to_string())
    }

    /// The same for paths on which none may select by absent labels alone.
    pub(super) fn narrow_selectors(&self) -> Result<Vec<Selector>, String> {
        let selectors = self.selectors()?;
        if selectors.iter().all(Selector::requires_a_label) {
            Ok(selectors)
        } else {
            Err("match[] must contain at least one non-empty matcher".to_owned())
        }
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let media = value
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default();
    media
        .trim()
        .eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

fn decode_pair(pair: &str) -> Result<(String, String), String> {
    if pair.contains(';') {
        return Err("invalid semicolon separator in query".to_owned());
    }
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    Ok((decode(name)?, decode(value)?))
}

/// Undoes form encoding.
pub(super) fn decode(encoded: &str) -> Result<String, String> {
    let bytes = encoded.as_bytes();
    for (at, _) in encoded.match_indices('%') {
        let digits = bytes.get(at + 1..at + 3).unwrap_or_default();
        if digits.len() < 2 || !digits.iter().all(u8::is_ascii_hexdigit) {
            let shown = String::from_utf8_lossy(&bytes[at..bytes.len().min(at + 3)]);
            return Err(format!("invalid URL escape {shown:?}"));
        }
    }
    let spaced = encoded.replace('+', " ");
    let decoded = percent_decode_str(&spaced)
        .decode_utf8()
        .map(Cow::into_owned);
    decoded.map_err(|_| "invalid UTF-8".to_owned())
}

/// An integer as Go's `strconv.Atoi` reads it.
fn go_atoi(text: &str) -> Result<i64, String> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("strconv.Atoi: parsing {text:?}: invalid syntax"));
    }
    let parsed = text.parse();
    parsed.map_err(|_| format!("strconv.Atoi: parsing {text:?}: value out of range"))
}
