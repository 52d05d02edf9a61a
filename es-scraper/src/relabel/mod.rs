//! Relabelling: Prometheus' rules that rewrite, keep and drop label sets.
//!
//! `relabel_configs` act on targets and `metric_relabel_configs` on samples; both are lists of
//! [`RelabelConfig`], applied in order by [`apply`]. A rule is checked once, as Prometheus 3
//! checks it (any UTF-8 label name is valid), and can't fail afterwards. Whether the labels that
//! come out make a valid target or sample is for their receiver to say.
//!
//! ```
//! use es_scraper::relabel::{Keep, RelabelConfig, RelabelFields, apply};
//! use prom_model::label::LabelSet;
//!
//! let rules = [RelabelConfig::new(RelabelFields {
//!     source_labels: vec!["__address__".to_owned()],
//!     regex: Some(r"([^:]+)(:\d+)?".to_owned()),
//!     target_label: Some("__address__".to_owned()),
//!     replacement: Some("${1}:9273".to_owned()),
//!     ..RelabelFields::default()
//! })?];
//! let mut labels: LabelSet = [("__address__", "10.0.0.1")].into_iter().collect();
//! assert_eq!(apply(&rules, &mut labels), Keep::Kept);
//! assert_eq!(labels.get("__address__"), Some("10.0.0.1:9273"));
//! # Ok::<(), es_scraper::relabel::RelabelConfigError>(())
//! ```

mod apply;
mod config;
mod simple_case;

pub use self::apply::apply;
pub use self::config::{Keep, RelabelAction, RelabelConfig, RelabelConfigError, RelabelFields};
