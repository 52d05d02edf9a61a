//! The head of a response.

use std::borrow::Cow;
use std::mem::MaybeUninit;

use http::{HeaderValue, StatusCode};
use httparse::{Header, ParserConfig, Status};

use super::ResponseError;
use crate::scrape::client::Encoding;

/// Bytes of a head, interim responses before it included. Go takes ten times as much.
pub(in crate::scrape::client) const MAX_HEAD: usize = 1 << 20;
/// Fields of a head. Go counts bytes alone, yet short fields take ten times their bytes here.
pub(in crate::scrape::client) const MAX_FIELDS: usize = 1000;
/// Heads of up to this many fields cost no memory.
const FEW_FIELDS: usize = 32;
/// What every response begins with.
const START: &[u8] = b"HTTP/1.";

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::scrape::client) enum Framing {
    /// After so many bytes.
    Length(u64),
    /// With an empty chunk.
    Chunked,
    /// With the connection.
    UntilClose,
}

/// Whether another request may follow on the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::scrape::client) enum Reuse {
    Keep,
    Close,
}

/// What a response says before its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::scrape::client) struct Head {
    pub(in crate::scrape::client) status: StatusCode,
    /// Empty where there is none.
    pub(in crate::scrape::client) content_type: String,
    pub(in crate::scrape::client) encoding: Encoding,
    pub(in crate::scrape::client) location: Option<HeaderValue>,
    pub(in crate::scrape::client) framing: Framing,
    pub(in crate::scrape::client) reuse: Reuse,
    /// Bytes up to the body.
    pub(in crate::scrape::client) len: usize,
}

/// Finds the head in the bytes that are received from the request on.
#[derive(Debug, Default)]
pub(in crate::scrape::client) struct HeadReader {
    /// Behind interim responses.
    start: usize,
    /// No line before here is the last one.
    scanned: usize,
}

impl HeadReader {
    /// Takes notice of what was appended to `bytes`. `None` where more has to come.
    pub(in crate::scrape::client) fn read(
        &mut self,
        bytes: &[u8],
    ) -> Result<Option<Head>, ResponseError> {
        loop {
            let rest = &bytes[self.start..];
            if rest.iter().zip(START).any(|(have, want)| have != want) {
                return Err(ResponseError::Malformed);
            }
            let end = self.end(bytes);
            if end.unwrap_or(bytes.len()) > MAX_HEAD {
                return Err(ResponseError::HeadTooLarge);
            }
            let Some(end) = end else {
                return Ok(None);
            };
            if let Some(head) = parse(&bytes[self.start..end], end)? {
                return Ok(Some(head));
            }
            self.start = end;
            self.scanned = end;
        }
    }

    /// The end of the first empty line.
    fn end(&mut self, bytes: &[u8]) -> Option<usize> {
        for newline in memchr::memchr_iter(b'\n', &bytes[self.scanned..]) {
            let next = self.scanned + newline + 1;
            match bytes[next..] {
                [b'\n', ..] => return Some(next + 1),
                [b'\r', b'\n', ..] => return Some(next + 2),
                [] | [b'\r'] => {
                    self.scanned = next - 1;
                    return None;
                }
                _ => {}
            }
        }
        self.scanned = bytes.len();
        None
    }
}

/// The complete head `bytes`, which ends behind `len` bytes; `None` for an interim response.
fn parse(bytes: &[u8], len: usize) -> Result<Option<Head>, ResponseError> {
    let mut few = [const { MaybeUninit::<Header<'_>>::uninit() }; FEW_FIELDS];
    match parse_fields(bytes, len, &mut few) {
        Err(httparse::Error::TooManyHeaders) => {
            let lines = memchr::memchr_iter(b'\n', bytes).count();
            let fields = lines.min(MAX_FIELDS);
            let mut many = vec![MaybeUninit::<Header<'_>>::uninit(); fields];
            parse_fields(bytes, len, &mut many).map_err(|error| match error {
                httparse::Error::TooManyHeaders => ResponseError::TooManyFields,
                _ => ResponseError::Malformed,
            })?
        }
        Err(_) => Err(ResponseError::Malformed),
        Ok(head) => head,
    }
}

type Parsed = Result<Option<Head>, ResponseError>;

fn parse_fields<'b>(
    bytes: &'b [u8],
    len: usize,
    fields: &mut [MaybeUninit<Header<'b>>],
) -> Result<Parsed, httparse::Error> {
    let mut config = ParserConfig::default();
    config.allow_obsolete_multiline_headers_in_responses(true);
    let mut response = httparse::Response::new(&mut []);
    let parsed = config.parse_response_with_uninit_headers(&mut response, bytes, fields)?;
    let (Status::Complete(read), Some(minor_version), Some(code)) =
        (parsed, response.version, response.code)
    else {
        return Ok(Err(ResponseError::Malformed));
    };
    if read != bytes.len() {
        return Ok(Err(ResponseError::Malformed));
    }
    let Ok(status) = StatusCode::from_u16(code) else {
        return Ok(Err(ResponseError::Malformed));
    };
    if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(Ok(None));
    }
    let mut fields = Fields::default();
    for field in &*response.headers {
        if let Err(error) = fields.take(field) {
            return Ok(Err(error));
        }
    }
    Ok(fields.head(status, minor_version, len).map(Some))
}

/// The fields that mean something here, the first one where a field comes more than once.
#[derive(Debug, Default)]
struct Fields<'b> {
    content_type: Option<Cow<'b, [u8]>>,
    content_encoding: Option<Cow<'b, [u8]>>,
    content_length: Option<Cow<'b, [u8]>>,
    transfer_encoding: Option<Cow<'b, [u8]>>,
    transfer_encodings: usize,
    location: Option<Cow<'b, [u8]>>,
    closes: bool,
    keeps_alive: bool,
}

impl<'b> Fields<'b> {
    fn take(&mut self, field: &Header<'b>) -> Result<(), ResponseError> {
        let is = |name: &str| field.name.eq_ignore_ascii_case(name);
        let known = if is("content-type") {
            &mut self.content_type
        } else if is("content-encoding") {
            &mut self.content_encoding
        } else if is("content-length") {
            let value = unfolded(field.value);
            if self.content_length.get_or_insert_with(|| value.clone()) != &value {
                return Err(ResponseError::ContentLengths);
            }
            return Ok(());
        } else if is("transfer-encoding") {
            self.transfer_encodings += 1;
            &mut self.transfer_encoding
        } else if is("location") {
            &mut self.location
        } else if is("connection") {
            let value = unfolded(field.value);
            for token in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                self.closes |= token.eq_ignore_ascii_case(b"close");
                self.keeps_alive |= token.eq_ignore_ascii_case(b"keep-alive");
            }
            return Ok(());
        } else {
            return Ok(());
        };
        known.get_or_insert_with(|| unfolded(field.value));
        Ok(())
    }

    fn head(
        self,
        status: StatusCode,
        minor_version: u8,
        len: usize,
    ) -> Result<Head, ResponseError> {
        let framing = self.framing(status, minor_version)?;
        let keeps = match minor_version {
            // What follows is no longer HTTP.
            _ if status == StatusCode::SWITCHING_PROTOCOLS => false,
            0 => self.keeps_alive && !self.closes,
            _ => !self.closes,
        };
        let is_gzip = self
            .content_encoding
            .is_some_and(|value| *value == *b"gzip");
        let content_type = self.content_type.unwrap_or_default();
        let location = self
            .location
            .and_then(|value| HeaderValue::from_bytes(&value).ok());
        Ok(Head {
            status,
            content_type: String::from_utf8_lossy(&content_type).into_owned(),
            encoding: match is_gzip {
                true => Encoding::Gzip,
                false => Encoding::Identity,
            },
            location,
            framing,
            reuse: match keeps && framing != Framing::UntilClose {
                true => Reuse::Keep,
                false => Reuse::Close,
            },
            len,
        })
    }

    fn framing(&self, status: StatusCode, minor_version: u8) -> Result<Framing, ResponseError> {
        let is_chunked = match &self.transfer_encoding {
            // HTTP/1.0 knows no such field.
            Some(coding) if minor_version > 0 => {
                if self.transfer_encodings > 1 || !coding.eq_ignore_ascii_case(b"chunked") {
                    return Err(ResponseError::TransferEncoding);
                }
                true
            }
            _ => false,
        };
        let has_no_body = matches!(
            status,
            StatusCode::SWITCHING_PROTOCOLS | StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
        );
        if has_no_body {
            return Ok(Framing::Length(0));
        }
        // Whoever states a length beside chunks may be up to something; the chunks count.
        if is_chunked {
            return Ok(Framing::Chunked);
        }
        let Some(len) = &self.content_length else {
            return Ok(Framing::UntilClose);
        };
        if len.is_empty() || !len.iter().all(u8::is_ascii_digit) {
            return Err(ResponseError::ContentLength);
        }
        let len = std::str::from_utf8(len)
            .ok()
            .and_then(|len| len.parse::<i64>().ok());
        let len = len.and_then(|len| u64::try_from(len).ok());
        Ok(Framing::Length(len.ok_or(ResponseError::ContentLength)?))
    }
}

/// A value on one line.
fn unfolded(value: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\n', value).is_none() {
        return Cow::Borrowed(value.trim_ascii());
    }
    let lines: Vec<&[u8]> = value
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .collect();
    Cow::Owned(lines.join(&b' '))
}
