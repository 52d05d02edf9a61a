//! The configuration as text for people, without secrets.

use prom_config::ByteSize;
use prom_config::render::{Mapping, Value};

use super::{
    Config, Extension, FileSdConfig, GlobalConfig, HttpSdConfig, Limits, ScrapeConfig,
    ScrapeProtocol, StaticConfig,
};

impl<R, J> Config<R, J> {
    /// The configuration as YAML, as Prometheus shows its own: defaults filled in, `<secret>` for
    /// secrets and for user and password in URLs.
    #[must_use]
    pub fn to_yaml<X>(&self, extension: &X) -> String
    where
        X: Extension<Root = R, Job = J>,
    {
        let jobs: Value = (self.scrape_configs.iter())
            .map(|job| {
                shown_job(job)
                    .and(shown_rules(job))
                    .and(extension.show_job(&job.extension))
                    .and(shown_discoveries(job))
            })
            .collect();
        Mapping::new()
            .with("global", shown_global(&self.global))
            .with_nonzero("scrape_configs", jobs)
            .and(extension.show_root(&self.extension))
            .to_yaml()
    }
}

fn shown_global(global: &GlobalConfig) -> Mapping {
    Mapping::new()
        .with("scrape_interval", global.scrape_interval)
        .with("scrape_timeout", global.scrape_timeout)
        .with("scrape_protocols", protocols(&global.scrape_protocols))
        .with("evaluation_interval", global.evaluation_interval)
        .with_nonzero("external_labels", &global.external_labels)
        .and(shown_limits(&global.limits))
        .and(shown_names())
}

fn shown_job<J>(job: &ScrapeConfig<J>) -> Mapping {
    let params = job
        .params
        .iter()
        .fold(Mapping::new(), |mapping, (name, values)| {
            mapping.with(name, values.iter().collect::<Value>())
        });
    let fallback = job.fallback_scrape_protocol.map(ScrapeProtocol::as_str);
    Mapping::new()
        .with("job_name", &*job.job_name)
        .with_nonzero("honor_labels", job.honor_labels)
        .with("honor_timestamps", job.honor_timestamps)
        .with("track_timestamps_staleness", job.track_timestamps_staleness)
        .with_nonzero("params", params)
        .with("scrape_interval", job.scrape_interval)
        .with("scrape_timeout", job.scrape_timeout)
        .with("scrape_protocols", protocols(&job.scrape_protocols))
        .with_some("fallback_scrape_protocol", fallback)
        .with("metrics_path", &job.metrics_path)
        .with("scheme", &job.scheme)
        .with("enable_compression", job.enable_compression)
        .and(shown_limits(&job.limits))
        .and(shown_names())
        .and(job.http.shown())
}

fn shown_rules<J>(job: &ScrapeConfig<J>) -> Mapping {
    Mapping::new()
        .with_nonzero("relabel_configs", job.relabel_configs.shown())
        .with_nonzero("metric_relabel_configs", job.metric_relabel_configs.shown())
}

fn shown_discoveries<J>(job: &ScrapeConfig<J>) -> Mapping {
    Mapping::new()
        .with_nonzero(
            "file_sd_configs",
            job.file_sd_configs
                .iter()
                .map(shown_files)
                .collect::<Value>(),
        )
        .with_nonzero(
            "http_sd_configs",
            job.http_sd_configs
                .iter()
                .map(shown_http)
                .collect::<Value>(),
        )
        .with_nonzero(
            "static_configs",
            job.static_configs
                .iter()
                .map(shown_static)
                .collect::<Value>(),
        )
}

fn shown_limits(limits: &Limits) -> Mapping {
    Mapping::new()
        .with("body_size_limit", ByteSize(limits.body_size))
        .with_nonzero("sample_limit", limits.samples)
        .with_nonzero("target_limit", limits.targets)
        .with_nonzero("label_limit", limits.labels)
        .with_nonzero("label_name_length_limit", limits.label_name_length)
        .with_nonzero("label_value_length_limit", limits.label_value_length)
        .with_nonzero("keep_dropped_targets", limits.keep_dropped_targets)
}

fn shown_names() -> Mapping {
    Mapping::new()
        .with("metric_name_validation_scheme", "utf8")
        .with("metric_name_escaping_scheme", "allow-utf-8")
}

fn shown_static(config: &StaticConfig) -> Mapping {
    Mapping::new()
        .with("targets", config.targets.iter().collect::<Value>())
        .with_nonzero("labels", &config.labels)
}

fn shown_files(config: &FileSdConfig) -> Mapping {
    Mapping::new()
        .with("files", config.files.iter().collect::<Value>())
        .with("refresh_interval", config.refresh_interval)
}

fn shown_http(config: &HttpSdConfig) -> Mapping {
    config
        .http
        .shown()
        .with("refresh_interval", config.refresh_interval)
        .with("url", Value::url(&config.url))
}

fn protocols(protocols: &[ScrapeProtocol]) -> Value {
    protocols.iter().map(|protocol| protocol.as_str()).collect()
}
