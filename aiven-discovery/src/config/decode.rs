//! Decoding an entry of `aiven_sd_configs`.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use prom_config::{ConfigError, Decode, Fields, Node};
use prom_model::secret::Secret;
use url::Url;

use super::{AivenSdConfig, CloudFoundryConfig, ServicesSource};
use crate::api::SecretSource;

const DNS_PORT: u16 = 53;

impl Decode for AivenSdConfig {
    fn decode(node: &Node) -> Result<Self, ConfigError> {
        let mut fields = node.fields()?;
        let project = fields
            .checked("project", project)?
            .ok_or_else(|| fields.error_at("project", "project is missing"))?;
        let mut config = Self {
            api_token: api_token(&mut fields)?,
            api_url: fields.checked("api_url", api_url)?.flatten(),
            prometheus_endpoint_id: optional_text(&mut fields, "prometheus_endpoint_id")?,
            ..Self::new(project)
        };
        if let Some(integrate) = fields.optional("integrate")? {
            config.integrate = integrate;
        }
        if config.integrate && config.prometheus_endpoint_id.is_none() {
            return Err(fields.error_at(
                "prometheus_endpoint_id",
                "prometheus_endpoint_id is missing, which integrate: true needs",
            ));
        }
        if let Some(types) = fields.checked("service_types", service_types)? {
            config.service_types = types;
        }
        let services_file = optional_text(&mut fields, "services_file")?;
        let cloud_foundry: Option<CloudFoundryConfig> = fields.optional("cloud_foundry")?;
        match (services_file, cloud_foundry) {
            (Some(_), Some(_)) => {
                return Err(fields.error_at(
                    "cloud_foundry",
                    "services_file and cloud_foundry are both set, expected at most one",
                ));
            }
            (Some(path), None) => config.services = ServicesSource::ServicesFile(path.into()),
            (None, Some(cloud_foundry)) => {
                config.services = ServicesSource::CloudFoundry(Box::new(cloud_foundry));
            }
            (None, None) => {}
        }
        if let Some(scheme) = fields.checked("scheme", scheme)? {
            config.scheme = scheme;
        }
        if let Some(interval) = fields.checked("refresh_interval", interval)? {
            config.refresh_interval = interval;
        }
        if let Some(interval) = fields.checked("dns_refresh_interval", interval)? {
            config.dns_refresh_interval = interval;
        }
        if let Some(nameservers) = fields.checked("nameservers", nameservers)? {
            config.nameservers = nameservers;
        }
        fields.finish()?;
        Ok(config)
    }
}

fn project(name: String) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() {
        Err("project is empty, expected the name of an Aiven project".to_owned())
    } else if !name.chars().all(allowed) || matches!(name.as_str(), "." | "..") {
        Err(format!(
            "{name:?} is no project, expected letters, digits, '-', '_' and '.'"
        ))
    } else {
        Ok(name)
    }
}

fn api_token(fields: &mut Fields) -> Result<Option<SecretSource>, ConfigError> {
    let token: Option<Secret> = fields.optional("api_token")?;
    let token = token.filter(|token| !token.expose().is_empty());
    let file = optional_text(fields, "api_token_file")?;
    match (token, file) {
        (Some(_), Some(_)) => Err(fields.error_at(
            "api_token_file",
            "api_token and api_token_file are both set, expected at most one",
        )),
        (Some(token), None) => Ok(Some(SecretSource::Inline(token))),
        (None, Some(file)) => Ok(Some(SecretSource::File(file.into()))),
        (None, None) => Ok(None),
    }
}

/// An empty text counts as absent.
pub(super) fn optional_text(
    fields: &mut Fields,
    name: &'static str,
) -> Result<Option<String>, ConfigError> {
    let text: Option<String> = fields.optional(name)?;
    Ok(text.filter(|text| !text.is_empty()))
}

/// Doesn't quote what may hold a password.
pub(super) fn api_url(text: String) -> Result<Option<Url>, &'static str> {
    if text.is_empty() {
        return Ok(None);
    }
    let wanted = "not an address for the API, expected http:// or https://, a host, and no user";
    rest_client::api_url(&text).map(Some).map_err(|_| wanted)
}

fn service_types(types: Vec<String>) -> Result<Vec<String>, &'static str> {
    if types.is_empty() || types.iter().any(String::is_empty) {
        return Err("service_types names no type, expected elasticsearch, opensearch or both");
    }
    Ok(types)
}

fn scheme(scheme: String) -> Result<String, String> {
    match scheme.as_str() {
        "http" | "https" => Ok(scheme),
        _ => Err(format!("{scheme:?} is no scheme, expected http or https")),
    }
}

pub(super) fn interval(interval: Duration) -> Result<Duration, &'static str> {
    if interval < Duration::from_secs(1) {
        return Err("too short, expected 1s or more");
    }
    Ok(interval)
}

fn nameservers(servers: Vec<String>) -> Result<Vec<SocketAddr>, String> {
    let nameserver = |text: String| {
        let address = text.parse::<SocketAddr>().ok();
        address
            .or_else(|| Some(SocketAddr::new(text.parse::<IpAddr>().ok()?, DNS_PORT)))
            .ok_or_else(|| format!("{text:?} is no name server, expected IP or IP:PORT"))
    };
    servers.into_iter().map(nameserver).collect()
}

#[cfg(test)]
mod tests;
