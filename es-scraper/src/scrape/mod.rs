//! Scraping: a loop for each target, which fetches its exposition and writes it into the sink.
//!
//! - [`Scraper`] holds all jobs; a pool for each keeps a loop running for each of its targets.
//! - A loop scrapes at fixed distances, at a moment of the interval that it shares with few others, over a
//!   connection that is the target's own ([`HttpTransport`]).
//!   One that panics costs its target a scrape, and starts anew.
//! - What a body holds goes by the rules of its job ([`SampleRules`]) into the sink. A scrape
//!   becomes visible all at once; one that fails leaves nothing but its report (`up` and four more), and ends the
//!   target's series.
//!
//! Semantics are those of Prometheus 3, but for three things: a scrape that fails in the
//! middle of its body leaves nothing of it; when a whole job is gone its series end, too; and a line of
//! more than 1 MiB fails the scrape.

mod append;
mod buffer;
mod cache;
mod client;
mod error;
mod family;
mod inflate;
mod loop_;
mod metrics;
mod pool;
#[cfg(test)]
#[path = "../../tests/it/recording.rs"]
mod recording;
mod rules;
mod scraper;
mod supervision;
mod workspace;
mod writer;

pub use append::Counts;
pub use buffer::{Body, Buffers};
#[doc(hidden)]
pub use client::check_response;
pub use client::{
    Answer, Compression, Encoding, HttpSettings, HttpTransport, Scrape, TlsSettings, Transport,
};
pub(crate) use client::{Fetched, Fetcher};
pub use error::ScrapeError;
pub use inflate::InflateError;
pub use loop_::{Clock, SystemClock};
pub use metrics::ScrapeMetrics;
pub use pool::JobSettings;
pub use rules::SampleRules;
pub use scraper::{ScrapeJob, Scraper, ScraperOptions, offset_seed};
pub use workspace::Workspace;
pub use writer::{Received, ScrapeTime, TargetWriter};
