//! The page at `/targets`.

use std::collections::BTreeMap;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use prom_model::target::{DiscoveryStatus, PoolStatus, TargetHealth, TargetStatus};

use super::discovery::{self, Unwell};
use super::html::{Chips, Escaped, ago, brief, push};
use super::page;
use crate::http::{Shared, Turns, WorkLost};
use crate::tenant::Scope;

/// Label by which the targets of a job are grouped.
const SERVICE: &str = "aiven_service_name";

/// Which targets are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filter {
    All,
    Health(TargetHealth),
    Dropped,
}

const FILTERS: [(&str, &str, Filter); 5] = [
    ("all", "All", Filter::All),
    ("up", "Up", Filter::Health(TargetHealth::Up)),
    ("down", "Down", Filter::Health(TargetHealth::Down)),
    ("unknown", "Unknown", Filter::Health(TargetHealth::Unknown)),
    ("dropped", "Dropped", Filter::Dropped),
];

impl Filter {
    fn parse(query: &str) -> Self {
        let wanted = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("state="));
        FILTERS
            .iter()
            .find(|(name, ..)| Some(*name) == wanted)
            .map_or(Self::All, |(_, _, filter)| *filter)
    }

    fn shows(self, target: &TargetStatus) -> bool {
        match self {
            Self::All => true,
            Self::Health(health) => target.health == health,
            Self::Dropped => false,
        }
    }

    /// How many targets it shows.
    fn count(self, pools: &[PoolStatus]) -> usize {
        if self == Self::Dropped {
            return pools.iter().map(|pool| pool.dropped_count).sum();
        }
        let active = pools.iter().flat_map(|pool| &pool.active);
        active.filter(|target| self.shows(target)).count()
    }
}

/// Every job with its targets, grouped by service.
pub(crate) async fn targets(
    State(state): State<Shared>,
    Extension(turns): Extension<Turns>,
    scope: Scope,
    RawQuery(query): RawQuery,
) -> Result<Response, WorkLost> {
    let filter = Filter::parse(&query.unwrap_or_default());
    let made = turns.short.run(move || {
        let pools = state.fleet.pools(&scope);
        let discoveries = state.fleet.discovery(&scope);
        let body = render(&scope, &pools, &discoveries, filter, (state.now_ms)());
        page("Targets", &state.build.program, &scope, &body)
    });
    made.await
}

fn render(
    scope: &Scope,
    pools: &[PoolStatus],
    discoveries: &[DiscoveryStatus],
    filter: Filter,
    now_ms: i64,
) -> String {
    let mut html = String::from("<h1>Targets</h1>\n<nav class=\"filter\">");
    for (name, title, choice) in FILTERS {
        if choice == Filter::Dropped && *scope != Scope::Everything {
            continue;
        }
        let current = if choice == filter {
            " aria-current=\"page\""
        } else {
            ""
        };
        let count = choice.count(pools);
        push(
            &mut html,
            format_args!("<a href=\"?state={name}\"{current}>{title} <b>{count}</b></a>"),
        );
    }
    html.push_str("</nav>\n");
    match scope {
        Scope::Everything => discovery::render(&mut html, discoveries, now_ms),
        Scope::Tenant(_) => discovery::render_services(&mut html, discoveries),
    }
    if pools.is_empty() {
        html.push_str(match scope {
            Scope::Everything => "<p class=\"none\">No job is configured.</p>\n",
            Scope::Tenant(_) => "<p class=\"none\">There are no targets of yours.</p>\n",
        });
    }
    let unwell = discovery::unwell(discoveries);
    for pool in pools {
        render_pool(&mut html, pool, &unwell, filter, now_ms);
    }
    html
}

fn render_pool(
    html: &mut String,
    pool: &PoolStatus,
    unwell: &Unwell<'_>,
    filter: Filter,
    now_ms: i64,
) {
    let job = Escaped(&pool.job);
    let all = pool.active.len();
    let up = pool
        .active
        .iter()
        .filter(|target| target.health == TargetHealth::Up)
        .count();
    let any_down = pool
        .active
        .iter()
        .any(|target| target.health == TargetHealth::Down);
    let class = match any_down {
        true => "down",
        false if up == all && all > 0 => "up",
        false => "unknown",
    };
    push(
        html,
        format_args!(
            "<section>\n<h2>{job} <span class=\"state {class}\">{up}/{all} up</span></h2>\n"
        ),
    );
    if all == 0 {
        html.push_str("<p class=\"none\">This job has no target.</p>\n");
    }
    for failure in &pool.failed {
        let failure = Escaped(failure);
        push(html, format_args!("<p class=\"error\">{failure}</p>\n"));
    }
    let mut services = BTreeMap::<&str, Vec<&TargetStatus>>::new();
    for target in pool.active.iter().filter(|target| filter.shows(target)) {
        let service = target
            .labels
            .get(SERVICE)
            .or_else(|| target.discovered_labels.get(SERVICE));
        services
            .entry(service.unwrap_or_default())
            .or_default()
            .push(target);
    }
    if services.is_empty() && all > 0 && filter != Filter::Dropped {
        html.push_str("<p class=\"none\">None of this job’s targets is in this state.</p>\n");
    }
    for (service, targets) in services {
        if !service.is_empty() {
            let name = Escaped(service);
            push(html, format_args!("<h3>{name}</h3>\n"));
            discovery::explain(html, unwell, service);
        }
        html.push_str(
            "<div class=\"scroll\"><table class=\"targets\"><thead><tr><th>State</th><th>Endpoint</th><th>Labels</th>\
             <th>Last scrape</th><th>Duration</th></tr></thead>\n<tbody>\n",
        );
        for target in targets {
            render_target(html, target, now_ms);
        }
        html.push_str("</tbody></table></div>\n");
    }
    if matches!(filter, Filter::All | Filter::Dropped) && pool.dropped_count > 0 {
        render_dropped(html, pool, filter);
    }
    html.push_str("</section>\n");
}

fn render_target(html: &mut String, target: &TargetStatus, now_ms: i64) {
    let health = target.health.as_str();
    let url = Escaped(&target.scrape_url);
    let labels = Chips(&target.labels);
    let discovered = Chips(&target.discovered_labels);
    let last = ago(target.last_scrape_ms, now_ms);
    let duration = match target.last_scrape_ms {
        Some(_) => brief(target.last_scrape_duration),
        None => String::new(),
    };
    let (interval, timeout) = (
        Escaped(&target.scrape_interval),
        Escaped(&target.scrape_timeout),
    );
    push(
        html,
        format_args!(
            "<tr><td><span class=\"state {health}\">{health}</span></td><td><code class=\"url\">{url}</code></td>\
         <td>{labels}<details><summary>before relabelling</summary>{discovered}</details></td>\
         <td class=\"time\" title=\"every {interval}, at most {timeout}\">{last}</td>\
         <td class=\"time\">{duration}</td></tr>\n"
        ),
    );
    if !target.last_error.is_empty() {
        let error = Escaped(&target.last_error);
        push(
            html,
            format_args!(
                "<tr class=\"reason\"><td></td><td colspan=\"4\" class=\"error\">{error}</td></tr>\n"
            ),
        );
    }
}

fn render_dropped(html: &mut String, pool: &PoolStatus, filter: Filter) {
    let open = if filter == Filter::Dropped {
        " open"
    } else {
        ""
    };
    let (count, kept) = (pool.dropped_count, pool.dropped.len());
    push(
        html,
        format_args!(
            "<details class=\"dropped\"{open}><summary>{count} dropped by relabelling</summary>\n"
        ),
    );
    if kept < count {
        push(
            html,
            format_args!("<p class=\"none\">The labels of {kept} of them are kept.</p>\n"),
        );
    }
    if kept > 0 {
        html.push_str("<ul>\n");
        for labels in &pool.dropped {
            let labels = Chips(labels);
            push(html, format_args!("<li>{labels}</li>\n"));
        }
        html.push_str("</ul>\n");
    }
    html.push_str("</details>\n");
}
