//! From Aiven's JSON to what discovery looks at.
//!
//! Only the fields that are used are read: a service also holds its `service_uri` and its users'
//! passwords. For the same reason no text of a JSON error is passed on, which may quote a value;
//! its position is.

use std::collections::BTreeMap;

use prom_model::secret::Secret;
use prom_model::target::BasicAuth;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::service::{Component, Integration, NodeState, Route, Service, ServiceState};
use super::{ApiError, MalformedService, ServiceList};

const PROMETHEUS: &str = "prometheus";

pub(super) fn service_list(body: &[u8]) -> Result<ServiceList, ApiError> {
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(borrow, default)]
        services: Option<Vec<&'a RawValue>>,
        #[serde(default)]
        errors: Option<Vec<IgnoredAny>>,
    }
    let body: Body<'_> = decode(body)?;
    let errors = body.errors.unwrap_or_default().len();
    if errors > 0 {
        return Err(nonsense(format!("success with {errors} errors")));
    }
    let items = body
        .services
        .ok_or_else(|| nonsense("there is no list of services"))?;
    let mut list = ServiceList::default();
    for item in items {
        match service(item) {
            Ok(service) => list.services.push(service),
            Err(malformed) => list.malformed.push(malformed),
        }
    }
    Ok(list)
}

pub(super) fn is_service(body: &[u8]) -> Result<(), ApiError> {
    #[derive(Deserialize)]
    struct Body {
        #[serde(default)]
        service: Option<IgnoredAny>,
    }
    match decode::<Body>(body)?.service {
        Some(IgnoredAny) => Ok(()),
        None => Err(nonsense("there is no service")),
    }
}

pub(super) fn integration(body: &[u8]) -> Result<(), ApiError> {
    #[derive(Deserialize)]
    struct Body {
        #[serde(default)]
        service_integration: Option<IgnoredAny>,
    }
    match decode::<Body>(body)?.service_integration {
        Some(IgnoredAny) => Ok(()),
        None => Err(nonsense("there is no service_integration")),
    }
}

pub(super) fn endpoint(body: &[u8]) -> Result<Option<BasicAuth>, ApiError> {
    #[derive(Deserialize)]
    struct Body {
        #[serde(default)]
        service_integration_endpoint: Option<Endpoint>,
    }
    #[derive(Deserialize)]
    struct Endpoint {
        #[serde(default)]
        user_config: Option<UserConfig>,
    }
    #[derive(Deserialize)]
    struct UserConfig {
        #[serde(default)]
        basic_auth_username: Option<String>,
        #[serde(default)]
        basic_auth_password: Option<String>,
    }
    let user_config = decode::<Body>(body)?
        .service_integration_endpoint
        .ok_or_else(|| nonsense("there is no service_integration_endpoint"))?
        .user_config
        .ok_or_else(|| nonsense("the endpoint has no user_config"))?;
    let told = |text: Option<String>| text.filter(|text| !text.is_empty());
    match (
        told(user_config.basic_auth_username),
        told(user_config.basic_auth_password),
    ) {
        (Some(username), Some(password)) => Ok(Some(BasicAuth {
            username,
            password: Secret::new(password),
        })),
        (None, None) => Ok(None),
        _ => Err(nonsense(
            "the endpoint has a user without password or the reverse",
        )),
    }
}

pub(super) fn certificate(body: &[u8]) -> Result<String, ApiError> {
    #[derive(Deserialize)]
    struct Body {
        #[serde(default)]
        certificate: Option<String>,
    }
    let pem = decode::<Body>(body)?.certificate.unwrap_or_default();
    if !pem.contains("-----BEGIN CERTIFICATE-----") {
        return Err(nonsense("there is no certificate"));
    }
    Ok(pem)
}

fn decode<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| nonsense(place(&error)))
}

fn nonsense(reason: impl Into<String>) -> ApiError {
    ApiError::Nonsense {
        reason: reason.into(),
    }
}

fn place(error: &serde_json::Error) -> String {
    use serde_json::error::Category;
    let what = match error.classify() {
        Category::Io | Category::Syntax => "not JSON",
        Category::Eof => "JSON that ends too soon",
        Category::Data => "a value of the wrong kind",
    };
    format!("{what} at line {} column {}", error.line(), error.column())
}

#[derive(Deserialize)]
struct WireService {
    service_name: String,
    #[serde(default)]
    service_type: Option<String>,
    #[serde(default)]
    plan: Option<String>,
    #[serde(default)]
    cloud_name: Option<String>,
    #[serde(default)]
    node_count: Option<u32>,
    #[serde(default)]
    state: Option<String>,
    #[serde(default)]
    service_uri_params: Option<UriParams>,
    #[serde(default)]
    components: Option<Vec<WireComponent>>,
    #[serde(default)]
    node_states: Option<Vec<WireNodeState>>,
    #[serde(default)]
    service_integrations: Option<Vec<WireIntegration>>,
    #[serde(default)]
    tags: Option<BTreeMap<String, serde_json::Value>>,
}

#[derive(Deserialize)]
struct UriParams {
    #[serde(default)]
    host: Option<String>,
}

#[derive(Deserialize)]
struct WireComponent {
    #[serde(default)]
    component: Option<String>,
    #[serde(default)]
    host: Option<String>,
    #[serde(default)]
    port: Option<u16>,
    #[serde(default)]
    route: Option<String>,
}

#[derive(Deserialize)]
struct WireNodeState {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    state: Option<String>,
    #[serde(default)]
    role: Option<String>,
}

#[derive(Deserialize)]
struct WireIntegration {
    #[serde(default)]
    integration_type: Option<String>,
    #[serde(default)]
    source_service: Option<String>,
    #[serde(default)]
    dest_endpoint_id: Option<String>,
    #[serde(default)]
    enabled: Option<bool>,
}

fn service(item: &RawValue) -> Result<Service, MalformedService> {
    let wire: WireService = match serde_json::from_str(item.get()) {
        Ok(wire) => wire,
        Err(error) => {
            return Err(MalformedService {
                name: name_of(item),
                reason: place(&error),
            });
        }
    };
    if wire.service_name.is_empty() {
        return Err(MalformedService {
            name: None,
            reason: "a service without a name".to_owned(),
        });
    }
    let is_prometheus = |kind: &Option<String>| kind.as_deref() == Some(PROMETHEUS);
    let prometheus_components = some_or_none(wire.components)
        .filter(|component| is_prometheus(&component.component))
        .map(|component| Component {
            host: component.host.filter(|host| !host.is_empty()),
            port: component.port.filter(|port| *port != 0),
            route: route(component.route.as_deref()),
        })
        .collect();
    let prometheus_integrations = some_or_none(wire.service_integrations)
        .filter(|integration| is_prometheus(&integration.integration_type))
        .filter(|integration| {
            let source = integration.source_service.as_deref();
            source.is_none_or(|source| source == wire.service_name)
        })
        .map(|integration| Integration {
            endpoint_id: integration.dest_endpoint_id,
            disabled: integration.enabled == Some(false),
        })
        .collect();
    let tags = some_or_none(wire.tags)
        .filter_map(|(key, value)| Some((key, value.as_str()?.to_owned())))
        .collect();
    let node_states = some_or_none(wire.node_states)
        .map(|node| NodeState {
            name: node.name.unwrap_or_default(),
            state: node.state.unwrap_or_default(),
            role: node.role,
        })
        .collect();
    Ok(Service {
        name: wire.service_name,
        service_type: wire.service_type.unwrap_or_default(),
        plan: wire.plan.unwrap_or_default(),
        cloud: wire.cloud_name.unwrap_or_default(),
        node_count: wire.node_count,
        state: ServiceState::from(wire.state.unwrap_or_default()),
        host: wire
            .service_uri_params
            .and_then(|params| params.host)
            .filter(|host| !host.is_empty()),
        prometheus_components,
        prometheus_integrations,
        tags,
        node_states,
    })
}

fn name_of(item: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        service_name: String,
    }
    let named: Named = serde_json::from_str(item.get()).ok()?;
    Some(named.service_name).filter(|name| !name.is_empty())
}

fn some_or_none<I: IntoIterator>(items: Option<I>) -> impl Iterator<Item = I::Item> {
    items.into_iter().flatten()
}

fn route(name: Option<&str>) -> Route {
    match name {
        None | Some("" | "dynamic") => Route::Dynamic,
        Some("public") => Route::Public,
        Some("private") => Route::Private,
        Some("privatelink") => Route::PrivateLink,
        Some(_) => Route::Other,
    }
}

#[cfg(test)]
mod tests;
