//! An element of `scrape_configs`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use prom_config::http_client::HttpClientConfig;
use prom_config::{ConfigError, Fields, Node};

use super::global::{read_names_and_histograms, read_times};
use super::{
    FileSdConfig, GlobalConfig, HttpSdConfig, Limits, RelabelRules, ScrapeProtocol, StaticConfig,
    warnings,
};

/// A job: which targets are scraped, and how.
///
/// What a job leaves open it has from [`GlobalConfig`]: interval, timeout, protocols, limits.
///
/// # Defaults
/// `metrics_path` `/metrics`, `scheme` `http`, `honor_timestamps` and `enable_compression` on,
/// `honor_labels` and `track_timestamps_staleness` off.
#[derive(Debug, Clone, PartialEq)]
pub struct ScrapeConfig<J = ()> {
    /// The name, unique and not empty.
    pub job_name: Arc<str>,
    /// Whether a scraped label wins over a target's label of the same name.
    pub honor_labels: bool,
    /// Whether scraped timestamps count.
    pub honor_timestamps: bool,
    /// Whether a series with timestamps of its own is marked stale when it vanishes.
    pub track_timestamps_staleness: bool,
    /// Parameters of the URL, each with its values.
    pub params: BTreeMap<String, Vec<String>>,
    /// Time between scrapes.
    pub scrape_interval: Duration,
    /// When a scrape is given up; at most the interval.
    pub scrape_timeout: Duration,
    /// Formats to ask for, most wanted first; at least one.
    pub scrape_protocols: Vec<ScrapeProtocol>,
    /// The format of an answer that doesn't say.
    pub fallback_scrape_protocol: Option<ScrapeProtocol>,
    /// Path of the URL; may be empty.
    pub metrics_path: String,
    /// Scheme of the URL; may be empty.
    pub scheme: String,
    /// Whether compressed answers are asked for.
    pub enable_compression: bool,
    /// Limits of the job and of each scrape.
    pub limits: Limits,
    /// How to reach the targets. Files are relative to the configuration file's directory already.
    pub http: HttpClientConfig,
    /// Targets that are written down.
    pub static_configs: Vec<StaticConfig>,
    /// Targets in files.
    pub file_sd_configs: Vec<FileSdConfig>,
    /// Targets that HTTP servers list.
    pub http_sd_configs: Vec<HttpSdConfig>,
    /// Rules for targets.
    pub relabel_configs: RelabelRules,
    /// Rules for samples.
    pub metric_relabel_configs: RelabelRules,
    /// What else there is.
    pub extension: J,
}

/// Service discoveries of Prometheus, and other keys of a scrape config, that are not served.
const UNSUPPORTED: [&str; 27] = [
    "azure_sd_configs",
    "consul_sd_configs",
    "digitalocean_sd_configs",
    "dns_sd_configs",
    "docker_sd_configs",
    "dockerswarm_sd_configs",
    "ec2_sd_configs",
    "eureka_sd_configs",
    "gce_sd_configs",
    "hetzner_sd_configs",
    "ionos_sd_configs",
    "kubernetes_sd_configs",
    "kuma_sd_configs",
    "lightsail_sd_configs",
    "linode_sd_configs",
    "marathon_sd_configs",
    "nerve_sd_configs",
    "nomad_sd_configs",
    "openstack_sd_configs",
    "ovhcloud_sd_configs",
    "puppetdb_sd_configs",
    "scaleway_sd_configs",
    "serverset_sd_configs",
    "stackit_sd_configs",
    "triton_sd_configs",
    "uyuni_sd_configs",
    "vultr_sd_configs",
];

impl ScrapeConfig {
    pub(super) fn read(
        name: &str,
        fields: &mut Fields,
        global: &GlobalConfig,
        directory: &Path,
        warnings: &mut Vec<ConfigError>,
    ) -> Result<Self, ConfigError> {
        let times = read_times(fields, global.scrape_interval, global.scrape_timeout)?;
        let protocols = (fields.node("scrape_protocols")).filter(|node| !node.is_null());
        let relabel_configs: RelabelRules = fields.optional("relabel_configs")?.unwrap_or_default();
        warnings::of_target_rules(
            &relabel_configs,
            fields.position_of("relabel_configs"),
            warnings,
        );
        let mut http = HttpClientConfig::take(fields)?;
        http.set_directory(directory);
        let job = Self {
            job_name: name.into(),
            honor_labels: fields.optional("honor_labels")?.unwrap_or(false),
            honor_timestamps: fields.optional("honor_timestamps")?.unwrap_or(true),
            track_timestamps_staleness: fields
                .optional("track_timestamps_staleness")?
                .unwrap_or(false),
            params: fields.optional("params")?.unwrap_or_default(),
            scrape_interval: times.interval,
            scrape_timeout: times.timeout,
            scrape_protocols: match protocols {
                Some(node) => ScrapeProtocol::read_list(&node, warnings)?,
                None => global.scrape_protocols.clone(),
            },
            fallback_scrape_protocol: (fields.node("fallback_scrape_protocol"))
                .filter(|node| !node.is_empty())
                .map(|node| node.decode())
                .transpose()?,
            metrics_path: (fields.optional("metrics_path")?)
                .unwrap_or_else(|| "/metrics".to_owned()),
            scheme: (fields.optional("scheme")?).unwrap_or_else(|| "http".to_owned()),
            enable_compression: fields.optional("enable_compression")?.unwrap_or(true),
            limits: global.limits.overridden(fields)?,
            http,
            static_configs: match fields.node("static_configs") {
                Some(node) => StaticConfig::read_list(&node, !relabel_configs.is_empty())?,
                None => Vec::new(),
            },
            file_sd_configs: discoveries(fields, "file_sd_configs", |node| {
                FileSdConfig::read(node, directory)
            })?,
            http_sd_configs: discoveries(fields, "http_sd_configs", |node| {
                HttpSdConfig::read(node, directory)
            })?,
            metric_relabel_configs: (fields.optional("metric_relabel_configs")?)
                .unwrap_or_default(),
            relabel_configs,
            extension: (),
        };
        read_names_and_histograms(fields)?;
        fields.optional::<u64>("native_histogram_bucket_limit")?;
        fields.optional::<f64>("native_histogram_min_bucket_factor")?;
        fields.unsupported(&["scrape_failure_log_file"])?;
        fields.unsupported(&UNSUPPORTED)?;
        warnings::of_connection(&job, fields, warnings);
        Ok(job)
    }

    pub(super) fn with_extension<J>(self, extension: J) -> ScrapeConfig<J> {
        ScrapeConfig {
            job_name: self.job_name,
            honor_labels: self.honor_labels,
            honor_timestamps: self.honor_timestamps,
            track_timestamps_staleness: self.track_timestamps_staleness,
            params: self.params,
            scrape_interval: self.scrape_interval,
            scrape_timeout: self.scrape_timeout,
            scrape_protocols: self.scrape_protocols,
            fallback_scrape_protocol: self.fallback_scrape_protocol,
            metrics_path: self.metrics_path,
            scheme: self.scheme,
            enable_compression: self.enable_compression,
            limits: self.limits,
            http: self.http,
            static_configs: self.static_configs,
            file_sd_configs: self.file_sd_configs,
            http_sd_configs: self.http_sd_configs,
            relabel_configs: self.relabel_configs,
            metric_relabel_configs: self.metric_relabel_configs,
            extension,
        }
    }
}

/// Reads the list of one service discovery, whose elements may not be null.
fn discoveries<T>(
    fields: &mut Fields,
    name: &'static str,
    read: impl Fn(&Node) -> Result<T, ConfigError>,
) -> Result<Vec<T>, ConfigError> {
    let Some(node) = fields.node(name) else {
        return Ok(Vec::new());
    };
    let configs = node.items()?.iter().map(|node| {
        if node.is_null() {
            return Err(node.error(format_args!("an empty section in {name}")));
        }
        read(node)
    });
    configs.collect()
}
