//! What is sent to ask for something.

use std::io::Write as _;
use std::time::Duration;

use http::header::{AUTHORIZATION, HOST};
use http::{HeaderName, HeaderValue};

use super::auth;
use crate::target::Endpoint;

const TIMEOUT_SECONDS: &str = "x-prometheus-scrape-timeout-seconds";

/// A request for what is at `endpoint`.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) endpoint: &'a Endpoint,
    /// Headers that any server may see, apart from `Host`.
    pub(super) shared: &'a [(HeaderName, HeaderValue)],
    /// How long an answer may take, where the server is told that.
    pub(super) timeout: Option<Duration>,
    /// Those that only the target itself may see; they come instead of shared ones of the same name.
    pub(super) own: Option<&'a OwnHeaders>,
}

/// Headers that only the target itself may see.
#[derive(Debug)]
pub(super) struct OwnHeaders {
    pub(super) authorization: Option<HeaderValue>,
    pub(super) configured: auth::Headers,
}

impl Request<'_> {
    /// Appends it to `out`, as it is sent.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let configured = self.own.map_or(&[][..], |own| &own.configured);
        out.extend_from_slice(b"GET ");
        out.extend_from_slice(self.endpoint.path_and_query.as_str().as_bytes());
        out.extend_from_slice(b" HTTP/1.1\r\n");
        field(out, &HOST, &self.endpoint.host_header);
        for (name, value) in self.shared {
            if configured.iter().all(|(other, _)| other != name) {
                field(out, name, value);
            }
        }
        if let Some(timeout) = self.timeout {
            let _ = match timeout.subsec_nanos() {
                0 => write!(out, "{TIMEOUT_SECONDS}: {}\r\n", timeout.as_secs()),
                _ => write!(out, "{TIMEOUT_SECONDS}: {}\r\n", timeout.as_secs_f64()),
            };
        }
        let authorization = self.own.and_then(|own| own.authorization.as_ref());
        if let Some(authorization) = authorization {
            field(out, &AUTHORIZATION, authorization);
        }
        for (name, value) in configured {
            field(out, name, value);
        }
        out.extend_from_slice(b"\r\n");
    }
}

fn field(out: &mut Vec<u8>, name: &HeaderName, value: &HeaderValue) {
    out.extend_from_slice(name.as_str().as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\r\n");
}
