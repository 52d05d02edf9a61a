//! The text formats that metrics are exposed in: parsing, encoding and negotiating them.
//!
//! [`Parser`] reads what Prometheus 3 reads, to the byte: its tolerances (blanks before a name, bytes after a NUL,
//! missing commas) are tolerated and its rules (no `\r`, no hexadecimal numbers) enforced. It copies nothing
//! of the body except labels and help texts that have escapes in them.
//!
//! ```
//! use prom_model::exposition::{Entry, Format, Parser};
//! use prom_model::label::LabelSet;
//!
//! let body = b"# TYPE up gauge\nup{job=\"aiven\"} 1\n";
//! let mut parser = Parser::new(body, Format::Text);
//! let mut labels = LabelSet::new();
//! while let Some(entry) = parser.next_entry()? {
//!     if let Entry::Series(series) = entry {
//!         parser.labels(&mut labels)?;
//!         assert_eq!(labels.to_string(), r#"up{job="aiven"}"#);
//!         assert_eq!(series.value, 1.0);
//!     }
//! }
//! # Ok::<(), prom_model::exposition::ParseError>(())
//! ```

mod encode;
mod error;
mod escaping;
mod family;
mod float;
mod labels;
pub mod negotiate;
mod openmetrics;
mod parser;
mod protobuf;
mod scanner;
mod text;
mod unescape;

pub use encode::{
    encode, header, write_eof, write_header, write_label_value, write_quoted, write_sample,
    write_seconds, write_series, write_unit,
};
pub use error::{Found, ParseError, ParseErrorKind};
pub use escaping::Escaping;
pub use family::{MetricFamily, is_member, parse_families};
pub use float::{write_float, write_int, write_openmetrics_float};
pub use parser::{Entry, Parser, SeriesEntry};
pub use protobuf::encode_protobuf;

/// A text format that can be parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Prometheus' text format, version 0.0.4 and, which differs in escaping only, 1.0.0.
    Text,
    /// OpenMetrics, versions 0.0.1 and 1.0.0.
    OpenMetrics,
}
