//! Why a scrape failed.

use std::io;
use std::sync::Arc;

use http::StatusCode;
use prom_model::exposition::ParseError;
use prom_model::exposition::negotiate::ContentTypeError;

use super::inflate::InflateError;

/// Why a scrape failed. Nothing of it was stored.
///
/// The texts are those of Prometheus where it has one, short, and free of credentials and of the
/// body.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScrapeError {
    /// The target's answer took longer than the time-out.
    #[error("context deadline exceeded")]
    DeadlineExceeded,
    /// The target's address or scheme can't be asked.
    #[error(transparent)]
    Endpoint(#[from] crate::target::EndpointError),
    /// The target's host name has no address.
    #[error("dial tcp: lookup {host}: no such host")]
    Lookup {
        /// The host name.
        host: Box<str>,
    },
    /// No connection came about.
    #[error("dial tcp {address}: connect: {}", io_reason(source))]
    Connect {
        /// Host and port.
        address: Box<str>,
        /// What the operating system says; not repeated as a source.
        source: io::Error,
    },
    /// The TLS handshake failed, for example since the certificate was not acceptable.
    #[error("tls: {}", io_reason(.0))]
    Tls(io::Error),
    /// The job's TLS settings can't be used.
    #[error("tls settings: {0}")]
    TlsSettings(Box<str>),
    /// A file with credentials can't be read.
    #[error("unable to read {kind} file {path}: {}", io_reason(source))]
    Credentials {
        /// What the file holds.
        kind: &'static str,
        /// The file.
        path: Box<str>,
        /// What the operating system says.
        source: io::Error,
    },
    /// Credentials have a character that can't stand in a header.
    #[error("credentials are no valid header value")]
    CredentialsText,
    /// The connection ended, or carried something else than HTTP.
    #[error("{0}")]
    Http(Box<str>),
    /// More redirects than are followed.
    #[error("stopped after {0} redirects")]
    TooManyRedirects(usize),
    /// The target answered with a redirect to something that can't be asked.
    #[error("failed to parse Location header")]
    Redirect,
    /// The target answered with a redirect to another host or port, where that isn't followed.
    #[error("redirect to another host or port")]
    RedirectElsewhere,
    /// The target answered with another status than 200.
    #[error("server returned HTTP status {}", status_text(*.0))]
    Status(StatusCode),
    /// The body, as received or inflated, is larger than `body_size_limit`.
    #[error("body size limit exceeded")]
    BodyTooLarge,
    /// The body could not be inflated.
    #[error("{0}")]
    Inflate(InflateError),
    /// The Content-Type names no exposition format, and there is no `fallback_scrape_protocol`.
    #[error(transparent)]
    ContentType(#[from] ContentTypeError),
    /// The body is not exposition text.
    #[error("{0}")]
    Parse(ParseError),
    /// A line of the body is longer than a sane target's.
    #[error("line is longer than {limit} bytes")]
    LineTooLong {
        /// How long it may be.
        limit: usize,
    },
    /// A series has no name after relabelling.
    #[error("missing metric name (__name__ label)")]
    NoMetricName,
    /// A series exceeds `label_limit`, `label_name_length_limit` or `label_value_length_limit`.
    #[error("{0}")]
    LabelLimit(Box<str>),
    /// More samples are left after relabelling than `sample_limit`.
    #[error("sample limit exceeded")]
    SampleLimit,
    /// The job has more targets than `target_limit`; none of them is scraped. How many isn't said: those who may see
    /// one of the targets may not know of the others.
    #[error("target_limit exceeded (limit: {limit})")]
    TargetLimit {
        /// How many there may be.
        limit: u64,
    },
    /// A sink, a clock, a transport or the scraper itself panicked.
    #[error("the scrape panicked")]
    Panicked,
    /// Something that all targets of the job share can't be used.
    #[error(transparent)]
    Shared(#[from] Arc<Self>),
}

impl From<InflateError> for ScrapeError {
    fn from(error: InflateError) -> Self {
        match error {
            InflateError::TooLarge => Self::BodyTooLarge,
            other => Self::Inflate(other),
        }
    }
}

fn status_text(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_u16()),
        None => status.as_u16().to_string(),
    }
}

/// The operating system's reason in the words of Go, which people search for.
pub(super) fn io_reason(error: &io::Error) -> String {
    let known = match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused",
        io::ErrorKind::ConnectionReset => "connection reset by peer",
        io::ErrorKind::TimedOut => "connection timed out",
        io::ErrorKind::HostUnreachable => "no route to host",
        io::ErrorKind::NetworkUnreachable => "network is unreachable",
        io::ErrorKind::BrokenPipe => "broken pipe",
        io::ErrorKind::UnexpectedEof => "EOF",
        io::ErrorKind::NotFound => "no such file or directory",
        io::ErrorKind::PermissionDenied => "permission denied",
        _ => return error.to_string(),
    };
    known.to_owned()
}
