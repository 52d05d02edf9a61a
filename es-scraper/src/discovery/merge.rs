//! The groups of all inputs of one job, as one.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join_all, select_all};
use prom_model::target::TargetGroup;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{debug, info};

use super::{DiscoveryMetrics, Found, Groups, InputProgress, Task};

/// How long the first publication waits for inputs that have not been asked yet, so that a job that is
/// configured anew does not lose the targets of a slow input for a moment.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is merged.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) job: Arc<str>,
    pub(super) static_groups: Vec<TargetGroup>,
    pub(super) inputs: Vec<watch::Receiver<Found>>,
    pub(super) external: Vec<watch::Receiver<Groups>>,
}

/// Publishes to `groups` what the inputs have, and to `progress` how far they are, after `predecessor`, which publishes there too, has ended.
pub(super) async fn run(
    mut plan: Plan,
    groups: watch::Sender<Groups>,
    progress: watch::Sender<InputProgress>,
    predecessor: Option<Task>,
    metrics: DiscoveryMetrics,
) {
    if let Some(predecessor) = predecessor {
        predecessor.end().await;
    }
    let asked = plan.inputs.iter_mut().map(|input| async {
        // One that has ended answers nothing more.
        drop(input.wait_for(|found| !found.is_waiting()).await);
    });
    if timeout(PATIENCE, join_all(asked)).await.is_err() {
        debug!("not every input has answered yet");
    }
    let mut first = true;
    loop {
        let merged = plan.merged();
        let targets = merged.iter().map(|group| group.targets.len()).sum();
        metrics.discovered(&plan.job, targets);
        groups.send_if_modified(|published| {
            let news = *published != merged;
            if news {
                info!(groups = merged.len(), targets, "discovered targets changed");
                *published = merged;
            }
            // Told of once even if there are none: that too is an answer.
            news || std::mem::take(&mut first)
        });
        progress.send_replace(plan.progress());
        plan.changed().await;
    }
}

impl Plan {
    /// What the inputs have now, which [`Plan::changed`] then takes for seen.
    fn merged(&mut self) -> Groups {
        let mut groups = self.static_groups.clone();
        for input in &mut self.inputs {
            groups.extend(
                input
                    .borrow_and_update()
                    .groups()
                    .into_iter()
                    .flat_map(|found| found.iter().cloned()),
            );
        }
        for input in &mut self.external {
            groups.extend(input.borrow_and_update().iter().cloned());
        }
        Arc::new(groups)
    }

    fn progress(&self) -> InputProgress {
        let mut progress = InputProgress {
            inputs: self.inputs.len(),
            ..InputProgress::default()
        };
        for input in &self.inputs {
            let found = input.borrow();
            progress.tried += usize::from(!found.is_waiting());
            progress.succeeded += usize::from(found.groups().is_some());
        }
        progress
    }

    /// Returns once any input has news; never where all of them have ended.
    async fn changed(&mut self) {
        let inputs = self
            .inputs
            .iter_mut()
            .map(|input| Box::pin(news(input)) as BoxFuture<'_>);
        let external = self
            .external
            .iter_mut()
            .map(|input| Box::pin(news(input)) as BoxFuture<'_>);
        let mut waits: Vec<_> = inputs.chain(external).collect();
        if waits.is_empty() {
            waits.push(Box::pin(std::future::pending()));
        }
        select_all(waits).await;
    }
}

type BoxFuture<'a> = std::pin::Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

async fn news<T: Sync + Send>(input: &mut watch::Receiver<T>) {
    if input.changed().await.is_err() {
        std::future::pending().await
    }
}
