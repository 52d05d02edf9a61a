//! The table of routes.

use axum::routing::{MethodRouter, get, post};
use http::Method;

use super::{Shared, health};
use crate::{api, federate, metrics, pages};

/// One path.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// The path, a segment in braces standing for any one.
    pub path: &'static str,
    /// What it answers to.
    pub methods: &'static [Method],
    /// Who may ask.
    pub access: Access,
    /// What answers; also the `handler` label of request metrics.
    pub endpoint: Endpoint,
}

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody, whether or not there are users.
    Open,
    /// The users, or everybody where there are none. What a tenant is answered is its own.
    Users,
    /// Who sees everything: the path tells of everybody, or acts for everybody.
    Operators,
}

/// What answers on a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named after its path")]
pub enum Endpoint {
    Landing,
    TargetsPage,
    Federate,
    Metrics,
    Healthy,
    Ready,
    Reload,
    DiscoveredTargets,
    Targets,
    TargetsMetadata,
    Metadata,
    Labels,
    LabelValues,
    Series,
    BuildInfo,
    Config,
    Flags,
    RuntimeInfo,
}

const READ: &[Method] = &[Method::GET, Method::HEAD];
const QUERY: &[Method] = &[Method::GET, Method::HEAD, Method::POST];
const ACT: &[Method] = &[Method::POST, Method::PUT];

/// Every path there is.
pub const ROUTES: &[Route] = &[
    users("/", READ, Endpoint::Landing),
    users("/targets", READ, Endpoint::TargetsPage),
    users("/federate", READ, Endpoint::Federate),
    operators("/metrics", READ, Endpoint::Metrics),
    open("/-/healthy", Endpoint::Healthy),
    open("/-/ready", Endpoint::Ready),
    operators("/-/reload", ACT, Endpoint::Reload),
    users("/sd/targets", READ, Endpoint::DiscoveredTargets),
    users("/api/v1/targets", READ, Endpoint::Targets),
    users("/api/v1/targets/metadata", READ, Endpoint::TargetsMetadata),
    users("/api/v1/metadata", READ, Endpoint::Metadata),
    users("/api/v1/labels", QUERY, Endpoint::Labels),
    users("/api/v1/label/{name}/values", READ, Endpoint::LabelValues),
    users("/api/v1/series", QUERY, Endpoint::Series),
    users("/api/v1/status/buildinfo", READ, Endpoint::BuildInfo),
    operators("/api/v1/status/config", READ, Endpoint::Config),
    operators("/api/v1/status/flags", READ, Endpoint::Flags),
    operators("/api/v1/status/runtimeinfo", READ, Endpoint::RuntimeInfo),
];

const fn users(path: &'static str, methods: &'static [Method], endpoint: Endpoint) -> Route {
    Route {
        path,
        methods,
        access: Access::Users,
        endpoint,
    }
}

const fn operators(path: &'static str, methods: &'static [Method], endpoint: Endpoint) -> Route {
    Route {
        path,
        methods,
        access: Access::Operators,
        endpoint,
    }
}

const fn open(path: &'static str, endpoint: Endpoint) -> Route {
    Route {
        path,
        methods: READ,
        access: Access::Open,
        endpoint,
    }
}

impl Route {
    /// The route of a request's path.
    #[must_use]
    pub fn find(path: &str) -> Option<&'static Self> {
        ROUTES.iter().find(|route| route.matches(path))
    }

    fn matches(&self, path: &str) -> bool {
        let Some((before, rest)) = self.path.split_once('{') else {
            return self.path == path;
        };
        let after = rest.split_once('}').map_or("", |(_, after)| after);
        path.strip_prefix(before)
            .and_then(|path| path.strip_suffix(after))
            .is_some_and(|segment| !segment.contains('/'))
    }
}

impl Endpoint {
    pub(super) fn handler(self) -> MethodRouter<Shared> {
        match self {
            Self::Landing => get(pages::landing),
            Self::TargetsPage => get(pages::targets),
            Self::Federate => get(federate::serve),
            Self::Metrics => get(metrics::serve),
            Self::Healthy => get(health::healthy),
            Self::Ready => get(health::ready),
            Self::Reload => post(health::reload).put(health::reload),
            Self::DiscoveredTargets => get(api::discovered),
            Self::Targets => get(api::targets),
            Self::TargetsMetadata => get(api::targets_metadata),
            Self::Metadata => get(api::metadata),
            Self::Labels => get(api::labels).post(api::labels),
            Self::LabelValues => get(api::label_values),
            Self::Series => get(api::series).post(api::series),
            Self::BuildInfo => get(api::build_info),
            Self::Config => get(api::config),
            Self::Flags => get(api::flags),
            Self::RuntimeInfo => get(api::runtime_info),
        }
    }
}
