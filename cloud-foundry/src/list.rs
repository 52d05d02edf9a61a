//! Lists of the API, page by page.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use rest_client::Answer;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::error::{AnswerError, ListError, Server};
use crate::roots::below;
use crate::session::Session;

/// How many items a page may have; the API's own maximum.
const PER_PAGE: &str = "5000";
/// How many pages of a list are read.
const PAGES: usize = 200;
/// How often a list is read that changes from page to page.
const READINGS: usize = 3;
/// So many values go into one query, which keeps an address of guids under 2,500 bytes.
const VALUES: usize = 50;

/// A list, and what is asked of it beside its pages.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    pub(crate) path: &'static str,
    pub(crate) parameters: Vec<(&'static str, String)>,
}

/// The items of a list by guid, and what came with them.
#[derive(Debug)]
pub(crate) struct List<T> {
    pub(crate) items: BTreeMap<String, T>,
    pub(crate) included: Included,
}

/// What a page includes beside its items, by guid.
#[derive(Debug, Default)]
pub(crate) struct Included {
    pub(crate) spaces: BTreeMap<String, IncludedSpace>,
    /// Without those whose name the credentials may not learn.
    pub(crate) organizations: BTreeMap<String, String>,
}

#[derive(Debug)]
pub(crate) struct IncludedSpace {
    pub(crate) name: String,
    pub(crate) organization_guid: String,
}

/// An item of a list.
pub(crate) trait Item: DeserializeOwned {
    fn guid(&self) -> &str;
}

#[derive(Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
struct Page<T> {
    pagination: Pagination,
    resources: Vec<T>,
    included: Option<WireIncluded>,
}

#[derive(Deserialize)]
struct Pagination {
    total_results: Option<u64>,
    next: Option<Link>,
}

#[derive(Deserialize)]
struct Link {
    href: String,
}

#[derive(Deserialize)]
struct WireIncluded {
    #[serde(default)]
    spaces: Vec<WireSpace>,
    #[serde(default)]
    organizations: Vec<WireOrganization>,
}

#[derive(Deserialize)]
struct WireOrganization {
    guid: String,
    name: Option<String>,
}

#[derive(Deserialize)]
struct WireSpace {
    guid: String,
    name: String,
    relationships: SpaceRelationships,
}

#[derive(Deserialize)]
struct SpaceRelationships {
    organization: ToOne,
}

/// A relationship to one other thing.
#[derive(Deserialize)]
pub(crate) struct ToOne {
    pub(crate) data: Reference,
}

#[derive(Deserialize)]
pub(crate) struct Reference {
    pub(crate) guid: String,
}

/// What has a guid and a name.
#[derive(Debug, Deserialize)]
pub(crate) struct Named {
    pub(crate) guid: String,
    pub(crate) name: String,
}

impl Item for Named {
    fn guid(&self) -> &str {
        &self.guid
    }
}

/// What has a guid.
#[derive(Debug, Deserialize)]
pub(crate) struct Identified {
    guid: String,
}

impl Item for Identified {
    fn guid(&self) -> &str {
        &self.guid
    }
}

impl Query {
    pub(crate) const fn new(path: &'static str) -> Self {
        Self {
            path,
            parameters: Vec::new(),
        }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.parameters.push((name, value.into()));
        self
    }

    /// This query once for each part of `values` that an address has room for. None for no values: without the
    /// parameter the API would list everything.
    pub(crate) fn for_each_of(&self, name: &'static str, values: &[impl AsRef<str>]) -> Vec<Self> {
        values
            .chunks(VALUES)
            .map(|values| self.clone().with(name, comma_separated(values)))
            .collect()
    }

    fn url(&self, v3: &Url) -> Url {
        let mut url = below(v3, &[self.path]);
        let mut pairs = url.query_pairs_mut();
        pairs.extend_pairs(&self.parameters);
        pairs.append_pair("per_page", PER_PAGE);
        drop(pairs);
        url
    }
}

/// `values` as one parameter, which the API splits at commas; those of a value are escaped once more.
fn comma_separated(values: &[impl AsRef<str>]) -> String {
    let escaped = values
        .iter()
        .map(|value| value.as_ref().replace(',', "%2C"));
    escaped.collect::<Vec<_>>().join(",")
}

impl Session {
    /// Everything that `query` lists.
    ///
    /// The API counts pages from the start at each request, so that items move between pages when others come and go
    /// meanwhile. Such a list is read again; what one of the readings has is in the result.
    pub(crate) async fn list<T: Item>(&self, query: &Query) -> Result<List<T>, ListError> {
        let cloud_foundry = self.cloud_foundry();
        let roots = cloud_foundry.retry().run(|| cloud_foundry.roots()).await?;
        let first = query.url(&roots.v3);
        let mut list = List {
            items: BTreeMap::new(),
            included: Included::default(),
        };
        for _ in 0..READINGS {
            if self.read_pages(query, &first, &mut list).await?.is_break() {
                break;
            }
        }
        Ok(list)
    }

    /// Adds all pages to `list`; breaks where nothing changed meanwhile.
    async fn read_pages<T: Item>(
        &self,
        query: &Query,
        first: &Url,
        list: &mut List<T>,
    ) -> Result<ControlFlow<()>, ListError> {
        let too_long = |limit| ListError::TooLong {
            path: query.path,
            limit,
        };
        let mut visited = Vec::new();
        let mut bytes = 0;
        let mut items = 0;
        let mut total = None;
        let mut steady = true;
        let mut next = Some(first.clone());
        while let Some(url) = next {
            if visited.len() == PAGES {
                return Err(too_long(format!("{PAGES} pages")));
            }
            let Answer { body, .. } = self.get(&url).await?;
            bytes += body.len();
            let limit = self.cloud_foundry().list_size_limit();
            if bytes > limit {
                return Err(too_long(format!("{limit} bytes")));
            }
            let page: Page<T> = serde_json::from_slice(&body)
                .map_err(|error| AnswerError::no_json(Server::Api, &error))?;
            let counted = page.pagination.total_results;
            steady &= visited.is_empty() || counted == total;
            total = counted;
            items += page.resources.len();
            list.add(page.resources, page.included)?;
            visited.push(url);
            next = match page.pagination.next {
                None => None,
                Some(link) => Some(
                    next_page(first, &link.href, &visited)
                        .ok_or(ListError::ForeignPage { path: query.path })?,
                ),
            };
        }
        // An item that moved to a later page was there twice, and one that moved to an earlier page not at all.
        let complete =
            total.is_none_or(|total| usize::try_from(total).is_ok_and(|total| total == items));
        Ok(if steady && (complete || visited.len() == 1) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    }
}

/// Where the next page is, if it is one of the same list that wasn't read yet: the token goes nowhere else.
fn next_page(first: &Url, href: &str, visited: &[Url]) -> Option<Url> {
    let next = first.join(href).ok()?;
    let same_list = next.origin() == first.origin()
        && next.path() == first.path()
        && next.username().is_empty()
        && next.password().is_none();
    (same_list && !visited.contains(&next)).then_some(next)
}

impl<T: Item> List<T> {
    fn add(&mut self, items: Vec<T>, included: Option<WireIncluded>) -> Result<(), AnswerError> {
        for item in items {
            let guid = item.guid();
            if !is_guid(guid) {
                return Err(AnswerError::nonsense(Server::Api, "a guid is none"));
            }
            self.items.insert(guid.to_owned(), item);
        }
        let Some(included) = included else {
            return Ok(());
        };
        for space in included.spaces {
            let included = IncludedSpace {
                name: space.name,
                organization_guid: space.relationships.organization.data.guid,
            };
            self.included.spaces.insert(space.guid, included);
        }
        for organization in included.organizations {
            if let Some(name) = organization.name {
                let organizations = &mut self.included.organizations;
                organizations.insert(organization.guid, name);
            }
        }
        Ok(())
    }
}

/// Guids are UUIDs as a rule; brokers and tests have others, which are as harmless in names and labels.
fn is_guid(text: &str) -> bool {
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=100).contains(&text.len()) && text.bytes().all(harmless)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_cut_to_what_an_address_has_room_for() {
        let guids: Vec<_> = (0..120).map(|at| format!("{at:036}")).collect();
        let queries = Query::new("service_instances").for_each_of("service_plan_guids", &guids);
        let v3 = Url::parse("https://api.x/v3").unwrap();
        let lengths: Vec<_> = queries
            .iter()
            .map(|query| query.url(&v3).as_str().len())
            .collect();
        assert_eq!(lengths.len(), 3);
        assert!(lengths.iter().all(|length| *length < 2500), "{lengths:?}");
        let none: [String; 0] = [];
        assert!(
            Query::new("service_instances")
                .for_each_of("service_plan_guids", &none)
                .is_empty()
        );
    }

    #[test]
    fn values_keep_their_commas() {
        let f = |values: &[&str], want: &str| assert_eq!(comma_separated(values), want);
        f(&["a", "b"], "a,b");
        f(&["a,b", "50%"], "a%2Cb,50%");
    }

    #[test]
    fn the_next_page_is_one_of_the_same_list() {
        let first = Url::parse("https://api.x/v3/service_instances?per_page=2").unwrap();
        let f = |href: &str, want: Option<&str>| {
            let next = next_page(&first, href, std::slice::from_ref(&first));
            assert_eq!(next.as_ref().map(Url::as_str), want, "{href}");
        };
        let next = "https://api.x/v3/service_instances?page=2&per_page=2";
        f(next, Some(next));
        f(
            "https://api.x:443/v3/service_instances?page=2&per_page=2",
            Some(next),
        );
        f("?page=2&per_page=2", Some(next));
        f("/v3/service_instances?page=2&per_page=2", Some(next));
        for href in [
            "",
            "https://api.x/v3/service_instances?per_page=2",
            "https://api.y/v3/service_instances?page=2",
            "https://api.x:444/v3/service_instances?page=2",
            "https://api.x.y/v3/service_instances?page=2",
            "https://api.x@y/v3/service_instances?page=2",
            "https://u:p@api.x/v3/service_instances?page=2",
            "http://api.x/v3/service_instances?page=2",
            "//y/v3/service_instances?page=2",
            "https://api.x/v3/apps?page=2",
            "https://api.x/v3/service_instances/../apps?page=2",
            "file:///etc/passwd",
            "https://",
        ] {
            f(href, None);
        }
    }
}
