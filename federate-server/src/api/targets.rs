//! Targets, as they are scraped and as they were discovered.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::header::CONTENT_TYPE;
use prom_model::target::{PoolStatus, TargetStatus};
use serde::{Serialize, Serializer};

use super::answer::{ApiError, Labels, success};
use super::params::Params;
use super::time::rfc3339;
use crate::external::ExternalUrl;
use crate::http::{AppState, Shared, Turns, WorkLost};
use crate::tenant::Scope;

/// `/sd/targets`
pub(crate) async fn discovered(
    State(state): State<Shared>,
    Extension(turns): Extension<Turns>,
    scope: Scope,
) -> Result<Response, WorkLost> {
    let body = turns.short.run(move || state.fleet.http_sd(&scope)).await?;
    Ok(([(CONTENT_TYPE, "application/json")], body).into_response())
}

/// `/api/v1/targets`
pub(crate) async fn targets(
    State(state): State<Shared>,
    Extension(turns): Extension<Turns>,
    scope: Scope,
    request: Request,
) -> Result<Response, ApiError> {
    let params = Params::read(request).await;
    Ok(turns
        .short
        .run(move || shown(&state, &scope, &params))
        .await?)
}

fn shown(state: &AppState, scope: &Scope, params: &Params) -> Response {
    let wanted = params.first("state").to_lowercase();
    let job = params.first("scrapePool");
    let show = |kind: &str| ["", "any", kind].contains(&wanted.as_str());
    let mut pools = state.fleet.pools(scope);
    pools.sort_by(|a, b| a.job.cmp(&b.job));
    let of_job = |pool: &&PoolStatus| job.is_empty() || *pool.job == *job;
    let active = pools.iter().filter(of_job).filter(|_| show("active"));
    let dropped = pools.iter().filter(of_job).filter(|_| show("dropped"));
    success(&Shown {
        active_targets: active
            .flat_map(|pool| {
                let shown = |target| ActiveTarget::new(&pool.job, target, &state.external_url);
                pool.active.iter().map(shown).collect::<Vec<_>>()
            })
            .collect(),
        dropped_targets: dropped
            .flat_map(|pool| {
                pool.dropped.iter().map(|labels| DroppedTarget {
                    discovered_labels: Labels(Arc::clone(labels)),
                    scrape_pool: &pool.job,
                })
            })
            .collect(),
        dropped_target_counts: show("dropped").then(|| {
            let told = pools.iter().filter(|_| *scope == Scope::Everything);
            told.map(|pool| (&*pool.job, pool.dropped_count)).collect()
        }),
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    active_targets: Vec<ActiveTarget<'a>>,
    dropped_targets: Vec<DroppedTarget<'a>>,
    dropped_target_counts: Option<BTreeMap<&'a str, usize>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ActiveTarget<'a> {
    discovered_labels: Labels,
    labels: Labels,
    scrape_pool: &'a str,
    scrape_url: &'a str,
    global_url: String,
    last_error: &'a str,
    last_scrape: String,
    #[serde(serialize_with = "go_float")]
    last_scrape_duration: f64,
    health: &'static str,
    scrape_interval: &'a str,
    scrape_timeout: &'a str,
}

impl<'a> ActiveTarget<'a> {
    fn new(job: &'a str, target: &'a TargetStatus, external: &ExternalUrl) -> Self {
        Self {
            discovered_labels: Labels(Arc::clone(&target.discovered_labels)),
            labels: Labels(Arc::clone(&target.labels)),
            scrape_pool: job,
            scrape_url: &target.scrape_url,
            global_url: external.globalize(&target.scrape_url),
            last_error: &target.last_error,
            last_scrape: rfc3339(target.last_scrape_ms),
            last_scrape_duration: target.last_scrape_duration.as_secs_f64(),
            health: target.health.as_str(),
            scrape_interval: &target.scrape_interval,
            scrape_timeout: &target.scrape_timeout,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DroppedTarget<'a> {
    discovered_labels: Labels,
    scrape_pool: &'a str,
}

/// Go writes whole numbers without a decimal point.
fn go_float<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        serializer.serialize_i64(*value as i64)
    } else {
        serializer.serialize_f64(*value)
    }
}
