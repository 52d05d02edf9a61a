//! Serves the latest samples of scraped targets: Prometheus federation, HTTP API and pages.
//!
//! - [`store`]: a [`Sink`](prom_model::sink::Sink) that keeps each series' latest sample;
//! - [`federate`], [`selector`]: `/federate`, for another Prometheus;
//! - [`api`]: Prometheus' JSON paths about series, targets and the process;
//! - [`http`]: the table of paths and the router over it; `/targets` and `/` are pages for people;
//! - [`auth`], [`web_config`]: users, TLS and headers, in the format of Prometheus' exporters;
//! - [`listener`], [`serve`]: sockets, connections and their limits, a shutdown that lets answers finish;
//! - [`tenant`]: who sees what;
//! - [`metrics`]: what the process tells of itself.
//!
//! Who scrapes, and how targets are found, is none of its business: samples come through the sink, what
//! pages show of targets through [`TargetStatuses`](prom_model::target::TargetStatuses). Nothing is global,
//! and nothing is read from the environment.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use federate_server::store::Store;
//! use federate_server::tenant::Scope;
//! use prom_model::label::LabelSet;
//! use prom_model::sample::Sample;
//! use prom_model::sink::Sink;
//!
//! let store = Arc::new(Store::new(Duration::from_secs(300)));
//! let target: LabelSet = [("job", "app"), ("instance", "a:1")].into_iter().collect();
//! let mut sink = store.open(Arc::new(target.clone()));
//! let mut up = target;
//! up.set("__name__", "up");
//!
//! sink.begin(1_000);
//! let series = sink.resolve(&up, None);
//! sink.append(series, Sample::new(1.0))?;
//! sink.commit();
//! assert_eq!(store.snapshot(&Scope::Everything).series_count(), 1);
//! # Ok::<(), prom_model::sink::AppendError>(())
//! ```
//!
//! How the rest is put together shows the README.

pub mod api;
pub mod auth;
pub mod external;
pub mod federate;
mod held;
pub mod http;
pub mod listener;
pub mod metrics;
mod pages;
pub mod selector;
pub mod serve;
pub mod store;
pub mod tenant;
pub mod web_config;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
