//! Service instances, and which of them are asked for.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::error::{AnswerError, ListError, Server};
use crate::list::{Included, Item, List, Named, Query, ToOne};
use crate::session::Session;

/// Which service instances are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstanceFilter {
    /// Names of service offerings; empty for all.
    pub service_offerings: Vec<String>,
    /// Guids or names of organizations; empty for all that can be seen. What has the form of a UUID is a guid.
    pub organizations: Vec<String>,
}

/// What was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceInstances {
    /// The managed instances, in the order of their guids.
    pub instances: Vec<ServiceInstance>,
    /// Offerings of the filter that don't exist, or can't be seen.
    pub unknown_offerings: Vec<String>,
    /// Organizations of the filter that don't exist, or can't be seen.
    pub unknown_organizations: Vec<String>,
}

/// A managed service instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceInstance {
    /// Its guid: ASCII letters, digits, `-`, `_` and `.`. It stays when the instance is renamed or shared.
    pub guid: String,
    /// Its name, unique in its space.
    pub name: String,
    /// The name of its plan.
    pub plan_name: String,
    /// The name of the offering that the plan is one of.
    pub offering_name: String,
    /// The space that it was created in; sharing it with others doesn't change that.
    pub space: Space,
    /// The organization of that space.
    pub organization: Organization,
    /// What was last done with it.
    pub last_operation: Option<LastOperation>,
}

/// A space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Space {
    /// Its guid.
    pub guid: String,
    /// Its name, unique in its organization.
    pub name: String,
}

/// An organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    /// Its guid.
    pub guid: String,
    /// Its name; `None` where these credentials don't see the organization, as that of an instance shared from
    /// elsewhere.
    pub name: Option<String>,
}

/// What was last done with a service instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastOperation {
    /// `create`, `update` or `delete`.
    pub kind: String,
    /// How that went: `initial`, `in progress`, `succeeded` or `failed`.
    pub state: String,
}

#[derive(Deserialize)]
struct WirePlan {
    guid: String,
    name: String,
    relationships: PlanRelationships,
}

#[derive(Deserialize)]
struct PlanRelationships {
    service_offering: ToOne,
}

impl Item for WirePlan {
    fn guid(&self) -> &str {
        &self.guid
    }
}

#[derive(Deserialize)]
struct WireInstance {
    guid: String,
    name: String,
    last_operation: Option<WireOperation>,
    relationships: InstanceRelationships,
}

#[derive(Deserialize)]
struct WireOperation {
    #[serde(rename = "type")]
    kind: Option<String>,
    state: Option<String>,
}

#[derive(Deserialize)]
struct InstanceRelationships {
    space: ToOne,
    service_plan: ToOne,
}

impl Item for WireInstance {
    fn guid(&self) -> &str {
        &self.guid
    }
}

/// A plan and its offering, by name.
struct Plan {
    name: String,
    offering: String,
}

impl Session {
    /// The managed service instances that `filter` is for, as far as these credentials see them.
    ///
    /// It takes a request for the offerings, one for their plans, one for organizations where the filter has some, and
    /// one for each 5,000 instances of some fifty plans; none for each instance.
    ///
    /// # Errors
    /// [`ListError`]
    pub async fn service_instances(
        &self,
        filter: &InstanceFilter,
    ) -> Result<ServiceInstances, ListError> {
        let mut found = ServiceInstances::default();
        let offerings = self.offerings(filter, &mut found).await?;
        if offerings.is_empty() {
            return Ok(found);
        }
        let plans = self.plans(filter, offerings).await?;
        let all = Query::new("service_instances")
            .with("type", "managed")
            .with("fields[space]", "guid,name,relationships.organization")
            .with("fields[space.organization]", "guid,name");
        let mut queries = vec![all];
        if !filter.service_offerings.is_empty() {
            let guids: Vec<_> = plans.keys().collect();
            queries = split(&queries, "service_plan_guids", &guids);
        }
        if !filter.organizations.is_empty() {
            let guids = self.organizations(filter, &mut found).await?;
            let guids: Vec<_> = guids.into_iter().collect();
            queries = split(&queries, "organization_guids", &guids);
        }
        let mut instances = BTreeMap::new();
        for query in queries {
            let List { items, included } = self.list::<WireInstance>(&query).await?;
            for (guid, instance) in items {
                // Without a plan of the filter it is none of the instances that were asked for.
                if let Some(plan) = plans.get(&instance.relationships.service_plan.data.guid) {
                    instances.insert(guid, complete(instance, plan, &included)?);
                }
            }
        }
        found.instances = instances.into_values().collect();
        Ok(found)
    }

    /// The names of the offerings that were asked for, by guid.
    async fn offerings(
        &self,
        filter: &InstanceFilter,
        found: &mut ServiceInstances,
    ) -> Result<BTreeMap<String, String>, ListError> {
        let mut queries = vec![Query::new("service_offerings")];
        if !filter.service_offerings.is_empty() {
            queries = split(&queries, "names", &filter.service_offerings);
        }
        let mut offerings = BTreeMap::new();
        for query in queries {
            let items = self.list::<Named>(&query).await?.items;
            offerings.extend(items.into_values().map(|it| (it.guid, it.name)));
        }
        let is_unknown = |name: &&String| !offerings.values().any(|known| known == *name);
        let unknown = filter.service_offerings.iter().filter(is_unknown);
        found.unknown_offerings = unknown.cloned().collect();
        Ok(offerings)
    }

    /// The plans of `offerings` by guid.
    async fn plans(
        &self,
        filter: &InstanceFilter,
        offerings: BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, Plan>, ListError> {
        let mut queries = vec![Query::new("service_plans")];
        if !filter.service_offerings.is_empty() {
            let names: BTreeSet<_> = offerings.values().collect();
            let names: Vec<_> = names.into_iter().collect();
            queries = split(&queries, "service_offering_names", &names);
        }
        let mut plans = BTreeMap::new();
        for query in queries {
            let items = self.list::<WirePlan>(&query).await?.items;
            plans.extend(items.into_values().filter_map(|plan| {
                let offering = offerings.get(&plan.relationships.service_offering.data.guid)?;
                let offering = offering.clone();
                let name = plan.name;
                Some((plan.guid, Plan { name, offering }))
            }));
        }
        Ok(plans)
    }

    /// The guids of the organizations that were asked for.
    async fn organizations(
        &self,
        filter: &InstanceFilter,
        found: &mut ServiceInstances,
    ) -> Result<BTreeSet<String>, ListError> {
        let (guids, names): (Vec<&String>, Vec<&String>) =
            filter.organizations.iter().partition(|it| is_uuid(it));
        let all = [Query::new("organizations")];
        let mut queries = split(&all, "guids", &guids);
        queries.extend(split(&all, "names", &names));
        let mut organizations = BTreeMap::new();
        for query in queries {
            let items = self.list::<Named>(&query).await?.items;
            organizations.extend(items.into_values().map(|it| (it.guid, it.name)));
        }
        for asked in &filter.organizations {
            let known = match is_uuid(asked) {
                true => organizations.contains_key(asked),
                false => organizations.values().any(|name| name == asked),
            };
            if !known {
                found.unknown_organizations.push(asked.clone());
            }
        }
        Ok(organizations.into_keys().collect())
    }
}

/// Each of `queries` for each part of `values`.
fn split(queries: &[Query], name: &'static str, values: &[impl AsRef<str>]) -> Vec<Query> {
    let split = queries.iter().map(|query| query.for_each_of(name, values));
    split.flatten().collect()
}

fn complete(
    instance: WireInstance,
    plan: &Plan,
    included: &Included,
) -> Result<ServiceInstance, AnswerError> {
    let missing = |what: &str| {
        let guid = &instance.guid;
        AnswerError::nonsense(Server::Api, format!("instance {guid} comes without {what}"))
    };
    let space_guid = &instance.relationships.space.data.guid;
    let space = included.spaces.get(space_guid);
    let space = space.ok_or_else(|| missing("its space"))?;
    let organization = included.organizations.get(&space.organization_guid);
    Ok(ServiceInstance {
        name: instance.name,
        plan_name: plan.name.clone(),
        offering_name: plan.offering.clone(),
        space: Space {
            guid: space_guid.clone(),
            name: space.name.clone(),
        },
        organization: Organization {
            guid: space.organization_guid.clone(),
            name: organization.cloned(),
        },
        last_operation: instance.last_operation.map(|operation| LastOperation {
            kind: operation.kind.unwrap_or_default(),
            state: operation.state.unwrap_or_default(),
        }),
        guid: instance.guid,
    })
}

fn is_uuid(text: &str) -> bool {
    let hyphens = [8, 13, 18, 23];
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match byte {
            b'-' => hyphens.contains(&at),
            _ => byte.is_ascii_hexdigit() && !hyphens.contains(&at),
        })
}
