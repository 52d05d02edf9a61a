//! `services-file check`: whether Aiven has what a services file lists.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use aiven_discovery::api::{
    AivenApi as _, ApiError, HttpAivenApi, HttpApiBuildError, HttpApiOptions, MalformedService,
    Service,
};
use aiven_discovery::catalogue::{Catalogue as _, CatalogueError, Listing, ServicesFile};
use aiven_discovery::resolve::{Resolve, ResolveError};
use aiven_discovery::target_group::{NoTargets, TargetSettings};
use futures_util::StreamExt as _;
use futures_util::stream;

/// How many host names are looked up at one time.
const LOOKUPS: usize = 16;

/// What is checked against what.
#[derive(Debug, Clone)]
pub struct CheckSettings {
    /// The services file.
    pub file: PathBuf,
    /// How to reach Aiven's API, and which project.
    pub api: HttpApiOptions,
    /// The endpoint that services are to be integrated with.
    pub endpoint_id: String,
}

/// Why nothing was checked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The file.
    #[error(transparent)]
    File(#[from] CatalogueError),
    /// The API's client.
    #[error("the client of aiven's api can't be set up")]
    Client(#[from] HttpApiBuildError),
    /// The project's services can't be listed.
    #[error("aiven doesn't list the services")]
    Api(#[from] ApiError),
}

/// What is wrong with a service that is listed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Finding {
    /// The project has no service of that name.
    #[error("doesn't exist in the project")]
    Missing,
    /// There is one, and what Aiven says of it makes no sense.
    #[error("can't be understood: {0}")]
    Malformed(String),
    /// There is one that has no nodes to scrape.
    #[error("{0}")]
    NoTargets(NoTargets),
    /// Its host name has no addresses.
    #[error("no nodes: {host}: {why}")]
    NoNodes {
        /// The host name.
        host: String,
        /// Why.
        why: ResolveError,
    },
}

/// What was found out.
#[derive(Debug)]
pub struct Report {
    /// How many services are listed.
    pub services: usize,
    /// What is wrong with which of them, sorted by their names.
    pub findings: Vec<(String, Finding)>,
}

/// A line for each finding, and one for all.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (service, finding) in &self.findings {
            writeln!(f, "{service}: {finding}")?;
        }
        let (services, wrong) = (self.services, self.findings.len());
        writeln!(f, "{} of {services} services are well", services - wrong)
    }
}

/// Compares the file with what Aiven and `resolver` say.
///
/// # Errors
/// [`CheckError`]
pub async fn check(settings: CheckSettings, resolver: &dyn Resolve) -> Result<Report, CheckError> {
    let listing = ServicesFile::new(settings.file).list().await?;
    let listed = match listing {
        Listing::Services(listed) => listed,
        Listing::WholeProject => std::sync::Arc::default(),
    };
    let targets = TargetSettings {
        project: settings.api.project.clone(),
        endpoint_id: Some(settings.endpoint_id),
        service_types: Vec::new(),
        scheme: String::new(),
    };
    let list = HttpAivenApi::new(settings.api)?.services().await?;
    let known: BTreeMap<&str, &Service> = list
        .services
        .iter()
        .map(|service| (&*service.name, service))
        .collect();
    let check = async |name: &String| {
        let found = match known.get(&**name) {
            Some(service) => nodes(service, &targets, resolver).await,
            None => Err(unknown(name, &list.malformed)),
        };
        found.err().map(|finding| (name.clone(), finding))
    };
    let findings = stream::iter(listed.keys()).map(check).buffered(LOOKUPS);
    Ok(Report {
        services: listed.len(),
        findings: findings.filter_map(std::future::ready).collect().await,
    })
}

fn unknown(name: &str, malformed: &[MalformedService]) -> Finding {
    let item = malformed
        .iter()
        .find(|item| item.name.as_deref() == Some(name));
    item.map_or(Finding::Missing, |item| {
        Finding::Malformed(item.reason.clone())
    })
}

async fn nodes(
    service: &Service,
    targets: &TargetSettings,
    resolver: &dyn Resolve,
) -> Result<(), Finding> {
    let endpoint = targets
        .metrics_endpoint(service)
        .map_err(Finding::NoTargets)?;
    match resolver.resolve(&endpoint.host).await {
        Ok(_) => Ok(()),
        Err(why) => Err(Finding::NoNodes {
            host: endpoint.host,
            why,
        }),
    }
}
