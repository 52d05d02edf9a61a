//! `http_headers`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use prom_model::secret::Secret;

use crate::decode::Decode;
use crate::error::ConfigError;
use crate::fields::Fields;
use crate::yaml::Node;

/// A header that is added to each request, once for each value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpHeader {
    /// The name: a token, and none of the headers that requests have anyway.
    pub name: String,
    /// Its values.
    pub values: Vec<String>,
    /// Its values that are not shown.
    pub secrets: Vec<Secret>,
    /// Files, each with one of its values.
    pub files: Vec<PathBuf>,
}

/// Headers that Prometheus doesn't let a configuration set, in lower case.
const RESERVED: [&str; 18] = [
    "accept-encoding",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "user-agent",
    "www-authenticate",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
    "x-prometheus-remote-read-version",
    "x-prometheus-remote-write-version",
    "x-prometheus-scrape-timeout-seconds",
];

impl HttpHeader {
    pub(super) fn set_directory(&mut self, directory: &Path) {
        for file in &mut self.files {
            *file = directory.join(&*file);
        }
    }
}

/// Values of one header; its name is the key that they stand under.
struct Values {
    values: Vec<String>,
    secrets: Vec<Secret>,
    files: Vec<PathBuf>,
}

impl Decode for Values {
    fn decode(node: &Node) -> Result<Self, ConfigError> {
        let mut fields = node.fields()?;
        let values = Self {
            values: take_list(&mut fields, "values", |value: &String| is_value(value))?,
            secrets: take_list(&mut fields, "secrets", |value: &Secret| {
                is_value(value.expose())
            })?,
            files: (fields.optional::<Vec<String>>("files")?.into_iter())
                .flatten()
                .map(PathBuf::from)
                .collect(),
        };
        fields.finish()?;
        Ok(values)
    }
}

fn take_list<T: Decode>(
    fields: &mut Fields,
    name: &'static str,
    is_valid: impl Fn(&T) -> bool,
) -> Result<Vec<T>, ConfigError> {
    let nodes = fields.optional::<Vec<Node>>(name)?.unwrap_or_default();
    let valid = |node: &Node| {
        let value = node.decode::<T>()?;
        if is_valid(&value) {
            Ok(value)
        } else {
            Err(node.error("a header's value with a control character"))
        }
    };
    nodes.iter().map(valid).collect()
}

/// Takes `http_headers`.
pub(super) fn take(fields: &mut Fields) -> Result<Vec<HttpHeader>, ConfigError> {
    let Some(node) = fields.node("http_headers") else {
        return Ok(Vec::new());
    };
    let headers: BTreeMap<String, Node> = node.decode()?;
    let named = headers.into_iter().map(|(name, node)| {
        if RESERVED
            .iter()
            .any(|reserved| name.eq_ignore_ascii_case(reserved))
        {
            return Err(node.error(format_args!("setting the header {name:?} is not allowed")));
        }
        if !is_token(&name) {
            return Err(node.error(format_args!("{name:?} is not the name of a header")));
        }
        let Values {
            values,
            secrets,
            files,
        } = node.decode()?;
        Ok(HttpHeader {
            name,
            values,
            secrets,
            files,
        })
    });
    named.collect()
}

/// Whether `text` is a token of RFC 9110, as names of headers are.
pub(super) fn is_token(text: &str) -> bool {
    let special = |byte| b"!#$%&'*+-.^_`|~".contains(&byte);
    let is_token_byte = |byte: u8| byte.is_ascii_alphanumeric() || special(byte);
    !text.is_empty() && text.bytes().all(is_token_byte)
}

fn is_value(text: &str) -> bool {
    !text
        .bytes()
        .any(|byte| (byte < b' ' && byte != b'\t') || byte == 0x7f)
}
