//! The page at `/`.

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use prom_model::target::TargetHealth;

use super::html::{Escaped, ago};
use super::{may_follow, page};
use crate::http::{AppState, Shared, Turns, WorkLost};
use crate::tenant::Scope;

const LINKS: [(&str, &str); 10] = [
    ("targets", "targets, for people"),
    ("metrics", "metrics of this process"),
    ("api/v1/targets", "targets and how their last scrape went"),
    ("api/v1/metadata", "type and help of every metric family"),
    ("api/v1/labels", "label names"),
    ("api/v1/label/job/values", "values of a label"),
    (
        "api/v1/status/config",
        "the running configuration, without secrets",
    ),
    ("api/v1/status/flags", "the command line"),
    (
        "api/v1/status/runtimeinfo",
        "where and since when the process runs",
    ),
    ("sd/targets", "everything discovered, for http_sd_configs"),
];

/// Says what runs here and how to scrape it.
pub(crate) async fn landing(
    State(state): State<Shared>,
    Extension(turns): Extension<Turns>,
    scope: Scope,
) -> Result<Response, WorkLost> {
    turns.short.run(move || render(&state, &scope)).await
}

fn render(state: &AppState, scope: &Scope) -> Response {
    let build = &state.build;
    let (program, version) = (Escaped(&build.program), Escaped(&build.version));
    let (revision, rust) = (Escaped(&build.revision), Escaped(&build.rust_version));
    let started = ago(Some(state.runtime.start_ms), (state.now_ms)());
    let pools = state.fleet.pools(scope);
    let targets = || pools.iter().flat_map(|pool| &pool.active);
    let up = targets()
        .filter(|target| target.health == TargetHealth::Up)
        .count();
    let all = targets().count();
    let ready = if state.readiness.is_ready() {
        "<span class=\"state up\">ready</span>"
    } else {
        "<span class=\"state unknown\">waiting for the first discovery</span>"
    };
    let links: String = LINKS
        .iter()
        .filter(|(path, _)| may_follow(path, scope))
        .map(|(path, what)| {
            format!(
                "<tr><td><a href=\"{path}\"><code>/{path}</code></a></td><td>{what}</td></tr>\n"
            )
        })
        .collect();
    let configuration = Escaped(&example(&state.external_url.to_string())).to_string();
    let body = format!(
        "<h1>{program}</h1>\n\
         <p class=\"facts\">{ready} <span>{up} of <a href=\"targets\">{all} targets</a> up</span> \
         <span>version {version}</span> <span>revision <code>{revision}</code></span> <span>{rust}</span> \
         <span>started {started}</span></p>\n\
         <h2>Scraping from here</h2>\n\
         <p>Let your Prometheus federate what you need. Series keep their own <code>job</code> and \
         <code>instance</code> by <code>honor_labels</code>; the matcher leaves out the exporter’s own \
         <code>up</code> and <code>scrape_*</code>, which would collide with those of your Prometheus.</p>\n\
         <pre>{configuration}</pre>\n\
         <h2>More</h2>\n\
         <table class=\"links\">\n{links}</table>\n"
    );
    page("Overview", &build.program, scope, &body)
}

fn example(url: &str) -> String {
    let (scheme, address) = url.split_once("://").unwrap_or(("https", url));
    format!(
        "scrape_configs:\n  - job_name: federate\n    scheme: {scheme}\n    metrics_path: /federate\n    \
         honor_labels: true\n    track_timestamps_staleness: true\n    params:\n      match[]:\n        \
         - '{{__name__!~\"up|scrape_.*\"}}'\n    basic_auth:\n      username: <your user>\n      \
         password: <your password>\n    static_configs:\n      - targets: ['{address}']\n"
    )
}
