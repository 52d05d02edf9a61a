//! What targets say of their metric families.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::Response;
use prom_model::label::LabelSet;
use prom_model::metadata::Metadata;
use serde::{Serialize, Serializer};

use super::answer::{ApiError, Labels, array, success};
use super::params::Params;
use super::source::FamilyMetadata;
use crate::http::{Shared, Turns};
use crate::selector::Selector;
use crate::tenant::Scope;

/// `/api/v1/metadata`
pub(crate) async fn metadata(
    State(state): State<Shared>,
    Extension(turns): Extension<Turns>,
    scope: Scope,
    request: Request,
) -> Result<Response, ApiError> {
    let params = Params::read(request).await;
    let limit = params.metadata_limit("limit")?;
    let per_metric = params
        .metadata_limit("limit_per_metric")?
        .filter(|limit| *limit > 0);
    let made = turns.long.run(move || {
        let families = state.series.metadata(&scope);
        let families = self::families(families, params.first("metric"), per_metric);
        success(&Families(families.iter().take(limit.unwrap_or(usize::MAX))))
    });
    Ok(made.await?)
}

type MetadataByFamily = BTreeMap<Box<str>, BTreeSet<Metadata>>;

/// What is said of `metric`, of every family where it is empty.
fn families(
    items: impl Iterator<Item = FamilyMetadata>,
    metric: &str,
    per_metric: Option<usize>,
) -> MetadataByFamily {
    let mut families = MetadataByFamily::new();
    for item in items.filter(|item| metric.is_empty() || *item.family == *metric) {
        let known = families.entry(item.family).or_default();
        if per_metric.is_none_or(|limit| known.len() < limit) {
            known.insert(item.metadata);
        }
    }
    families
}

/// Families as an object.
struct Families<I>(I);

impl<'a, I> Serialize for Families<I>
where
    I: Iterator<Item = (&'a Box<str>, &'a BTreeSet<Metadata>)> + Clone,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shown<'a> {
            r#type: &'a str,
            unit: &'a str,
            help: &'a str,
        }
        let shown = |metadata: &'a Metadata| Shown {
            r#type: metadata.metric_type.as_str(),
            unit: &metadata.unit,
            help: &metadata.help,
        };
        let families = self.0.clone();
        serializer.collect_map(families.map(|(family, known)| {
            let known: Vec<Shown<'_>> = known.iter().map(shown).collect();
            (family, known)
        }))
    }
}

/// `/api/v1/targets/metadata`
pub(crate) async fn targets_metadata(
    State(state): State<Shared>,
    Extension(turns): Extension<Turns>,
    scope: Scope,
    request: Request,
) -> Result<Response, ApiError> {
    let params = Params::read(request).await;
    let limit = params.metadata_limit("limit")?;
    let selector = match params.first("match_target") {
        "" => None,
        text => {
            let text = text.to_owned();
            let parsed = turns.long.run(move || Selector::parse(&text)).await?;
            Some(parsed.map_err(|error| ApiError::parameter("match_target", error))?)
        }
    };
    let metric = params.first("metric").to_owned();
    let whole = metric.is_empty();
    let matches = move |item: &FamilyMetadata| {
        let target = |selector: &Selector| selector.matches(&item.target);
        (whole || *item.family == *metric) && selector.as_ref().is_none_or(target)
    };
    let items = turns
        .long
        .run(move || state.series.metadata(&scope))
        .await?;
    let items = items.filter(matches);
    let items = whole_targets(items, limit.unwrap_or(usize::MAX));
    let shown = items.map(move |item| Shown::new(item, whole));
    Ok(array(shown, None, turns.long))
}

/// Of `items`, those of so many targets that there are `limit` of them or more. As in Prometheus, no target is cut.
fn whole_targets(
    items: impl Iterator<Item = FamilyMetadata> + Send + 'static,
    limit: usize,
) -> impl Iterator<Item = FamilyMetadata> + Send + 'static {
    let (mut taken, mut target) = (0, None::<Arc<LabelSet>>);
    items.take_while(move |item| {
        let same = target.as_ref().is_some_and(|target| *target == item.target);
        if !same && taken >= limit {
            return false;
        }
        if !same {
            target = Some(Arc::clone(&item.target));
        }
        taken += 1;
        true
    })
}

#[derive(Serialize)]
struct Shown {
    target: Labels,
    #[serde(skip_serializing_if = "Option::is_none")]
    metric: Option<Box<str>>,
    r#type: &'static str,
    help: Box<str>,
    unit: Box<str>,
}

impl Shown {
    fn new(item: FamilyMetadata, whole: bool) -> Self {
        Self {
            target: Labels(item.target),
            metric: whole.then_some(item.family),
            r#type: item.metadata.metric_type.as_str(),
            help: item.metadata.help,
            unit: item.metadata.unit,
        }
    }
}
