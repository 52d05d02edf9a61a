//! Keeping a target scraped although its loop may panic.
//!
//! Sink, clock and transport are others' code, and bodies are hostile. Without this the series of a target whose loop
//! has ended would stand still, and look alive, until they are too old to be served.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use prom_model::target::TargetHealth;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{Span, error};

use super::error::ScrapeError;
use super::loop_::{LastScrape, LastScrapeCell, LoopSettings, ScrapeLoop, Shared};

/// Runs a loop, which logs in `span`, until the sender of its settings is dropped. One that panics has its target's series ended, and another
/// one takes its place at the target's next moment.
pub(crate) async fn keep_scraping(
    shared: Arc<Shared>,
    mut settings: watch::Receiver<LoopSettings>,
    last_scrape: Arc<LastScrapeCell>,
    span: Span,
) {
    loop {
        // Outlives the panic, so that it can tell of it. What it holds is whole: a body changes it once it
        // has been read.
        let mut scrape_loop = None;
        let running = async {
            let new = ScrapeLoop::new(
                Arc::clone(&shared),
                settings.clone(),
                Arc::clone(&last_scrape),
                span.clone(),
            );
            scrape_loop.insert(new).run().await;
        };
        let Err(panic) = AssertUnwindSafe(running).catch_unwind().await else {
            return;
        };
        let url = settings.borrow().target.url().to_owned();
        error!(
            parent: &span,
            target.url = url,
            panic = message(&*panic),
            "scrape loop panicked and starts anew"
        );
        // A sink that panics again leaves the series as they are.
        let told = async {
            if let Some(mut scrape_loop) = scrape_loop {
                scrape_loop.panicked().await;
            }
        };
        if AssertUnwindSafe(told).catch_unwind().await.is_err() {
            error!(parent: &span, target.url = url, "series of the target can't be ended");
            let last = last_scrape.load();
            last_scrape.store(LastScrape {
                error: Arc::from(ScrapeError::Panicked.to_string()),
                health: TargetHealth::Down,
                ..last
            });
        }
        // The rest of the interval the next loop waits for itself, unless it panics before that.
        let pause = settings.borrow().target.interval() / 2;
        let dropped = async { while settings.changed().await.is_ok() {} };
        if timeout(pause, dropped).await.is_ok() {
            return;
        }
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    if let Some(text) = panic.downcast_ref::<&str>() {
        text
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text
    } else {
        "of unknown kind"
    }
}
