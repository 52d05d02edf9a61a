//! Discovery and scraping of all jobs, as a configuration wants them.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use aiven_discovery::config::{AivenSdConfig, BuildError, BuildOptions};
use aiven_discovery::discovery::{Discoverer, Discovery as AivenDiscovery};
use aiven_discovery::metrics::Metrics as AivenMetrics;
use cloud_foundry::Credentials;
use es_scraper::config::ScrapeConfig;
use es_scraper::discovery::{Discovery, DiscoveryMetrics, HttpConfigError, JobGroups, JobInputs};
use es_scraper::scrape::{JobSettings, ScrapeJob, Scraper};
use federate_server::http::Readiness;
use http::HeaderValue;
use prom_config::http_client::Redirects;
use prom_model::secret::Secret;
use prom_model::target::{DiscoveredJob, DiscoveryStatus};
use prometheus_client::registry::Registry;
use tokio::task::{AbortHandle, JoinSet};
use tracing::info;

use crate::config::ExporterConfig;
use crate::config::access::Access;

use super::ready;

/// What is the same for every configuration.
#[derive(Debug, Clone)]
pub struct JobsOptions {
    /// The API's token, where a configuration has none.
    pub api_token: Option<Secret>,
    /// The API's address, where a configuration has none.
    pub api_url: Option<String>,
    /// Who asks a Cloud Foundry, where a configuration has no credentials for it.
    pub cloud_foundry_credentials: Option<Credentials>,
    /// The folder for last-known discovery.
    pub state_path: Option<PathBuf>,
    /// How to call oneself to servers.
    pub user_agent: HeaderValue,
}

/// Why a configuration that is valid can't be put to use; the former one stays in use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// Discovery through Aiven.
    #[error("job {job:?}: aiven_sd_configs")]
    Aiven {
        /// The job.
        job: Arc<str>,
        /// Why.
        source: BuildError,
    },
    /// Discovery through HTTP.
    #[error("http_sd_configs")]
    Http(#[from] HttpConfigError),
    /// `AIVEN_WEB_URL` is no URL.
    #[error("AIVEN_WEB_URL is no URL")]
    ApiUrl,
}

/// Everything discovered and how discovery is doing; what the server shows of [`Jobs`].
#[derive(Debug, Clone, Default)]
pub struct View {
    groups: Vec<JobGroups>,
    aiven: Vec<AivenDiscovery>,
}

impl View {
    /// The target groups of each job.
    #[must_use]
    pub fn discovered(&self) -> Vec<DiscoveredJob> {
        let jobs = self.groups.iter().map(|job| DiscoveredJob {
            job: Arc::clone(&job.job),
            groups: Arc::clone(&job.groups.borrow()),
        });
        jobs.collect()
    }

    /// A row for each discovery through Aiven.
    #[must_use]
    pub fn rows(&self) -> Vec<DiscoveryStatus> {
        self.aiven
            .iter()
            .map(AivenDiscovery::shown_status)
            .collect()
    }

    /// Of each row the services of these sources alone.
    #[must_use]
    pub fn services(&self, sources: &HashSet<Arc<str>>) -> Vec<DiscoveryStatus> {
        let discoveries = self.aiven.iter();
        let rows = discoveries.map(|discovery| DiscoveryStatus {
            services: discovery.shown_services(sources),
            ..DiscoveryStatus::default()
        });
        rows.collect()
    }
}

/// A running discovery through Aiven. Jobs of the same settings share it.
#[derive(Debug)]
struct RunningAiven {
    config: AivenSdConfig,
    discovery: AivenDiscovery,
    task: AbortHandle,
}

/// Runs what a configuration asks for.
#[derive(Debug)]
pub struct Jobs {
    scraper: Arc<Scraper>,
    discovery: Discovery,
    aiven: Vec<RunningAiven>,
    aiven_metrics: AivenMetrics,
    aiven_options: BuildOptions,
    tasks: JoinSet<()>,
    readiness: Arc<Readiness>,
    readiness_task: Option<AbortHandle>,
}

impl Jobs {
    /// Nothing yet; metrics go into `registry`.
    ///
    /// # Errors
    /// [`ApplyError::ApiUrl`]
    pub fn new(
        scraper: Arc<Scraper>,
        options: JobsOptions,
        registry: &mut Registry,
    ) -> Result<Self, ApplyError> {
        let api_url = options.api_url.map(|url| url.parse()).transpose();
        let user_agent = options.user_agent.to_str().ok().map(str::to_owned);
        let aiven_metrics = AivenMetrics::default();
        aiven_metrics.register(registry);
        Ok(Self {
            scraper,
            discovery: Discovery::new(DiscoveryMetrics::register(registry), options.user_agent),
            aiven: Vec::new(),
            aiven_options: BuildOptions {
                api_token: options.api_token,
                api_url: api_url.map_err(|_| ApplyError::ApiUrl)?,
                user_agent,
                cloud_foundry_credentials: options.cloud_foundry_credentials,
                state_folder: options.state_path,
                metrics: aiven_metrics.clone(),
                ..BuildOptions::default()
            },
            aiven_metrics,
            tasks: JoinSet::new(),
            readiness: Arc::new(Readiness::new()),
            readiness_task: None,
        })
    }

    /// Ready once every discovery of the configuration has succeeded or failed, one having succeeded or been restored.
    #[must_use]
    pub fn readiness(&self) -> Arc<Readiness> {
        Arc::clone(&self.readiness)
    }

    /// Makes `config` the one in use. What it has in common with the former one goes on undisturbed.
    ///
    /// # Errors
    /// [`ApplyError`]; then nothing has changed.
    pub fn apply(&mut self, config: &ExporterConfig) -> Result<View, ApplyError> {
        let mut wanted: Vec<WantedAiven> = Vec::new();
        let staying: Vec<&str> = self
            .aiven
            .iter()
            .filter(|running| {
                let mut jobs = config.scrape_configs.iter();
                jobs.any(|job| job.extension.contains(&running.config))
            })
            .map(|running| running.discovery.name())
            .collect();
        let mut inputs = Vec::with_capacity(config.scrape_configs.len());
        for job in &config.scrape_configs {
            let mut job_inputs = JobInputs::from(job);
            for aiven in &job.extension {
                let place = match wanted.iter().position(|it| it.config == *aiven) {
                    Some(place) => place,
                    None => {
                        let taken = |name: &str| {
                            let mut names = wanted.iter().map(|wanted| wanted.discovery.name());
                            staying.contains(&name) || names.any(|taken| taken == name)
                        };
                        let it = self
                            .want(aiven, taken)
                            .map_err(|source| ApplyError::Aiven {
                                job: Arc::clone(&job.job_name),
                                source,
                            })?;
                        wanted.push(it);
                        wanted.len() - 1
                    }
                };
                job_inputs.external.push(wanted[place].discovery.groups());
            }
            inputs.push(job_inputs);
        }
        let groups = self.discovery.apply(inputs)?;
        // From here on nothing fails.
        let jobs = config
            .scrape_configs
            .iter()
            .zip(&groups)
            .map(|(job, found)| ScrapeJob {
                settings: settings(job, &config.extension),
                groups: found.groups.clone(),
            });
        self.scraper.apply(jobs.collect());
        self.run_aiven(wanted);
        let aiven = self
            .aiven
            .iter()
            .map(|running| running.discovery.clone())
            .collect();
        let view = View { groups, aiven };
        self.watch_readiness(&view);
        Ok(view)
    }

    /// The discovery of `config`: the running one, or a new one that isn't running yet, with a name that isn't `taken`.
    fn want(
        &self,
        config: &AivenSdConfig,
        taken: impl Fn(&str) -> bool,
    ) -> Result<WantedAiven, BuildError> {
        if let Some(running) = self.aiven.iter().find(|running| running.config == *config) {
            let discovery = running.discovery.clone();
            return Ok(WantedAiven {
                config: config.clone(),
                discovery,
                new: None,
            });
        }
        // The same at each start with the same configuration, since it names the state file.
        let numbered = (2..).map(|number| format!("{}-{number}", config.project));
        let mut names = std::iter::once(config.project.clone()).chain(numbered);
        let name = names.find(|name| !taken(name)).unwrap_or_default();
        let (discoverer, discovery) = config.build(&name, &self.aiven_options)?;
        let discoverer = match self.former(config) {
            Some(former) => discoverer.succeeding(&former.discovery),
            None => discoverer,
        };
        Ok(WantedAiven {
            config: config.clone(),
            discovery,
            new: Some(discoverer),
        })
    }

    /// A running discovery of the same services under other settings, if possible with the same credentials.
    fn former(&self, config: &AivenSdConfig) -> Option<&RunningAiven> {
        let of_services = self.aiven.iter().filter(|running| {
            let former = &running.config;
            former.project == config.project
                && former.api_url == config.api_url
                && former.services.lists_the_same_as(&config.services)
        });
        of_services.max_by_key(|running| {
            running.config.prometheus_endpoint_id == config.prometheus_endpoint_id
        })
    }

    /// Stops what is no longer wanted, and starts what is new.
    fn run_aiven(&mut self, wanted: Vec<WantedAiven>) {
        let before = std::mem::take(&mut self.aiven);
        let is_wanted =
            |running: &RunningAiven| wanted.iter().any(|wanted| wanted.config == running.config);
        let (mut staying, gone): (Vec<_>, Vec<_>) = before.into_iter().partition(is_wanted);
        for gone in gone {
            info!(
                discovery = gone.discovery.name(),
                "discovery through Aiven ends"
            );
            gone.task.abort();
            let name = gone.discovery.name();
            // A successor counts on.
            if !wanted.iter().any(|wanted| wanted.discovery.name() == name) {
                self.aiven_metrics.forget(name);
            }
        }
        for WantedAiven {
            config,
            discovery,
            new,
        } in wanted
        {
            let known = staying.iter().position(|running| running.config == config);
            match (known, new) {
                (Some(at), _) => self.aiven.push(staying.swap_remove(at)),
                (None, Some(discoverer)) => {
                    info!(
                        discovery = discovery.name(),
                        "discovery through Aiven starts"
                    );
                    let task = self.tasks.spawn(discoverer.run());
                    self.aiven.push(RunningAiven {
                        config,
                        discovery,
                        task,
                    });
                }
                (None, None) => {}
            }
        }
        while self.tasks.try_join_next().is_some() {}
    }

    /// Sets the readiness once `view` is [`ready::ready`].
    fn watch_readiness(&mut self, view: &View) {
        if let Some(task) = self.readiness_task.take() {
            task.abort();
        }
        if self.readiness.is_ready() {
            return;
        }
        let readiness = Arc::clone(&self.readiness);
        let View { groups, aiven } = view.clone();
        self.readiness_task = Some(self.tasks.spawn(async move {
            let failed = ready::ready(aiven, groups).await;
            readiness.set_ready();
            info!(failed, "ready: targets are discovered");
        }));
    }

    /// Stops discovering.
    pub fn stop(&mut self) {
        self.tasks.abort_all();
    }
}

/// How `job` is scraped, with `access` saying who sees what.
fn settings<J>(job: &ScrapeConfig<J>, access: &Access) -> JobSettings {
    let mut settings = JobSettings::from(job);
    let redirects = &mut settings.http.client.redirects;
    // Whose a target's series are is said by its labels, so its node must not have another's scraped in its place.
    if !access.is_empty() && *redirects == Redirects::Follow {
        *redirects = Redirects::FollowWithinHost;
    }
    settings
}

/// A discovery through Aiven that a configuration asks for.
struct WantedAiven {
    config: AivenSdConfig,
    discovery: AivenDiscovery,
    new: Option<Discoverer>,
}
