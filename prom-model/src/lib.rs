//! Prometheus' data model, and the seams between discovering, scraping and serving.
//!
//! - [`label`], [`sample`], [`metadata`]: label sets, samples and what an exposition says of them.
//! - [`exposition`]: the text 0.0.4 and OpenMetrics 1.0 formats, parsed without copying and
//!   encoded; delimited protobuf, encoded.
//! - [`target`]: target groups, as discovery publishes them, and the state of each scrape target.
//! - [`sink`]: where a scrape goes.
//! - [`matcher`], [`regex`]: label matchers, and the RE2 expressions that Prometheus anchors.
//!
//! No I/O, no clock, no async runtime: everything here is a value or a pure function.
//!
//! ```
//! use prom_model::label::LabelSet;
//!
//! let labels: LabelSet = [("job", "aiven"), ("__name__", "up"), ("host", "")].into_iter().collect();
//! assert_eq!(labels.to_string(), r#"up{job="aiven"}"#);
//! assert_eq!(labels.get("host"), None);
//! ```

pub mod exposition;
pub mod label;
pub mod matcher;
pub mod metadata;
pub mod regex;
pub mod sample;
pub mod secret;
pub mod sink;
pub mod target;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
