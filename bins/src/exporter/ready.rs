//! When the exporter is ready: there is something to serve, and nothing more is about to come.

use std::future::Future;
use std::time::Duration;

use aiven_discovery::discovery::{Discovery as AivenDiscovery, Progress};
use es_scraper::discovery::{InputProgress, JobGroups};
use futures_util::future::{BoxFuture, FutureExt as _, select_all};
use tokio::time::timeout;

/// How long a first attempt is waited for; one that hangs for longer counts as failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Resolves once every discovery has succeeded, been restored, or failed in its first attempt; at least one having
/// succeeded or been restored, unless all targets are static. How many have not.
///
/// One server that is down, or one token that has expired, thus costs its own targets and no others.
pub(super) async fn ready(aiven: Vec<AivenDiscovery>, jobs: Vec<JobGroups>) -> usize {
    let settled = async {
        for discovery in &aiven {
            reaches(discovery, Progress::Failed).await;
        }
        for job in &jobs {
            let tried = |progress: &InputProgress| progress.tried == progress.inputs;
            // An error means that discovery was stopped, with whoever waits here to follow.
            let _ = job.progress.clone().wait_for(tried).await;
        }
    };
    let _ = timeout(PATIENCE, settled).await;
    let with_inputs = jobs
        .iter()
        .filter(|job| job.progress.borrow().inputs > 0)
        .map(|job| succeeded(job).boxed());
    let successes: Vec<BoxFuture<'_, ()>> = aiven
        .iter()
        .map(|discovery| discovered(discovery).boxed())
        .chain(with_inputs)
        .collect();
    if !successes.is_empty() {
        select_all(successes).await;
    }
    for job in &jobs {
        // Until the scraper has been told.
        let _ = job.groups.clone().changed().await;
    }
    let failed = aiven
        .iter()
        .filter(|discovery| *discovery.progress().borrow() < Progress::Restored)
        .count();
    let failed_inputs = jobs.iter().map(|job| {
        let progress = *job.progress.borrow();
        progress.inputs - progress.succeeded
    });
    failed + failed_inputs.sum::<usize>()
}

/// Whether `discovery` has come to `progress`; not if it ends before.
fn reaches(discovery: &AivenDiscovery, progress: Progress) -> impl Future<Output = bool> + use<> {
    let mut receiver = discovery.progress();
    async move { receiver.wait_for(|now| *now >= progress).await.is_ok() }
}

async fn discovered(discovery: &AivenDiscovery) {
    if !reaches(discovery, Progress::Restored).await {
        std::future::pending().await
    }
}

async fn succeeded(job: &JobGroups) {
    let mut progress = job.progress.clone();
    let any = progress.wait_for(|progress| progress.succeeded > 0);
    if any.map(|any| any.is_err()).await {
        std::future::pending().await
    }
}
