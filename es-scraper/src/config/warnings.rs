//! What is valid and likely not meant.

use prom_config::{ConfigError, Fields, Position};

use super::{RelabelRules, ScrapeConfig};

/// Warns of rules for targets that name the metric's name, which no target has.
pub(super) fn of_target_rules(
    rules: &RelabelRules,
    position: Position,
    warnings: &mut Vec<ConfigError>,
) {
    let named = (rules.iter().enumerate()).filter(|(_, rule)| rule.names_metric_name());
    warnings.extend(named.map(|(at, _)| {
        position.error(format_args!(
            "rule {} of relabel_configs names __name__, which targets don't have; \
             did you mean metric_relabel_configs?",
            at + 1
        ))
    }));
}

/// Warns of connections that aren't what they seem.
pub(super) fn of_connection(job: &ScrapeConfig, fields: &Fields, warnings: &mut Vec<ConfigError>) {
    if job
        .http
        .tls
        .as_ref()
        .is_some_and(|tls| tls.insecure_skip_verify)
    {
        let message =
            "insecure_skip_verify: anyone between here and the targets can read the credentials";
        warnings.push(fields.error_at("tls_config", message));
    }
    if !matches!(&*job.scheme, "http" | "https" | "") {
        let message = format!(
            "scheme {:?} can't be scraped, expected http or https",
            job.scheme
        );
        warnings.push(fields.error_at("scheme", message));
    }
}
