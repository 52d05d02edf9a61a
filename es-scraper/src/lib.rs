//! Scrapes Prometheus targets, as Prometheus 3 does, and writes what they expose into a
//! [`Sink`](prom_model::sink::Sink).
//!
//! - [`config`]: `global` and `scrape_configs` of Prometheus' configuration file.
//! - [`discovery`]: target groups from static lists, files, HTTP, and from whatever passes them in.
//! - [`relabel`]: rules for the labels of targets and samples.
//! - [`target`]: what discovery found, made into what is scraped.
//! - [`scrape`]: fetching, parsing and writing, one loop a target.
//!
//! What becomes of the samples is the sink's business, and who runs the targets is discovery's: nothing here
//! stores, serves or knows any platform. Must run within a tokio runtime with time and I/O enabled.
//!
//! ```
//! use std::path::Path;
//! use std::sync::Arc;
//!
//! use es_scraper::config::{Config, LoadOptions};
//! use es_scraper::discovery::{Discovery, DiscoveryMetrics, JobInputs};
//! use es_scraper::scrape::{ScrapeJob, ScrapeMetrics, Scraper, ScraperOptions};
//! use prom_model::label::LabelSet;
//! use prom_model::metadata::Metadata;
//! use prom_model::sample::Sample;
//! use prom_model::sink::{AppendError, FamilyRef, SeriesRef, Sink, TargetSink};
//! use prom_model::target::TargetStatuses;
//! use prometheus_client::registry::Registry;
//!
//! /// Where samples would be stored.
//! struct Nowhere;
//!
//! impl Sink for Nowhere {
//!     fn open(&self, _target: Arc<LabelSet>) -> Box<dyn TargetSink> {
//!         Box::new(Nowhere)
//!     }
//! }
//!
//! impl TargetSink for Nowhere {
//!     fn resolve(&mut self, _labels: &LabelSet, _family: Option<FamilyRef>) -> SeriesRef {
//!         SeriesRef(0)
//!     }
//!     fn describe(&mut self, _name: &str, _metadata: &Metadata) -> FamilyRef {
//!         FamilyRef(0)
//!     }
//!     fn begin(&mut self, _timestamp_ms: i64) {}
//!     fn append(&mut self, _series: SeriesRef, _sample: Sample) -> Result<(), AppendError> {
//!         Ok(())
//!     }
//!     fn commit(&mut self) {}
//!     fn release(&mut self, _series: SeriesRef) {}
//! }
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! let text = "
//! scrape_configs:
//! - job_name: nodes
//!   metrics_path: /stats
//!   static_configs:
//!   - targets: ['192.0.2.1:9273']
//! ";
//! let options = LoadOptions { file: Path::new("exporter.yml"), environment: &|_| None };
//! let config = Config::load(text, options, &())?;
//! let mut registry = Registry::default();
//!
//! let options = ScraperOptions::default();
//! let metrics = DiscoveryMetrics::register(&mut registry);
//! let mut discovery = Discovery::new(metrics, options.user_agent.clone());
//! let inputs = config.scrape_configs.iter().map(JobInputs::from).collect();
//! let mut groups = discovery.apply(inputs)?;
//! groups[0].groups.changed().await?;
//!
//! let metrics = ScrapeMetrics::register(&mut registry);
//! let scraper = Scraper::new(Arc::new(Nowhere), metrics, options);
//! scraper.apply(
//!     (config.scrape_configs.iter().zip(groups))
//!         .map(|(job, found)| ScrapeJob { settings: job.into(), groups: found.groups })
//!         .collect(),
//! );
//! # tokio::task::yield_now().await;
//! assert_eq!(&*scraper.pools()[0].job, "nodes");
//! scraper.shutdown().await;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

pub mod config;
pub mod discovery;
pub mod relabel;
pub mod scrape;
pub mod target;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
