//! The process: what runs, with which flags and configuration.

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;

use super::answer::success;
use super::time::rfc3339;
use crate::http::Shared;

/// `/api/v1/status/buildinfo`
pub(crate) async fn build_info(State(state): State<Shared>) -> Response {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Shown<'a> {
        version: &'a str,
        revision: &'a str,
        branch: &'a str,
        build_user: &'a str,
        build_date: &'a str,
        go_version: &'a str,
        rust_version: &'a str,
    }
    let build = &state.build;
    success(&Shown {
        version: &build.version,
        revision: &build.revision,
        branch: &build.branch,
        build_user: &build.build_user,
        build_date: &build.build_date,
        go_version: "",
        rust_version: &build.rust_version,
    })
}

/// `/api/v1/status/config`
pub(crate) async fn config(State(state): State<Shared>) -> Response {
    #[derive(Serialize)]
    struct Shown {
        yaml: String,
    }
    let yaml = (state.config_yaml)();
    success(&Shown { yaml })
}

/// `/api/v1/status/flags`
pub(crate) async fn flags(State(state): State<Shared>) -> Response {
    success(&*state.flags)
}

/// `/api/v1/status/runtimeinfo`
///
/// What only Go or a time series database has is there, as clients expect it, and zero or empty.
pub(crate) async fn runtime_info(State(state): State<Shared>) -> Response {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Shown<'a> {
        start_time: String,
        #[serde(rename = "CWD")]
        working_directory: &'a str,
        hostname: &'a str,
        server_time: String,
        reload_config_success: bool,
        last_config_time: String,
        corruption_count: i64,
        goroutine_count: usize,
        #[serde(rename = "GOMAXPROCS")]
        go_max_procs: usize,
        #[serde(rename = "GOMEMLIMIT")]
        go_mem_limit: i64,
        #[serde(rename = "GOGC")]
        go_gc: &'a str,
        #[serde(rename = "GODEBUG")]
        go_debug: &'a str,
        storage_retention: &'a str,
    }
    let config = &state.metrics.config;
    let configured = Some(config.last_success_seconds()).filter(|seconds| *seconds != 0);
    success(&Shown {
        start_time: rfc3339(Some(state.runtime.start_ms)),
        working_directory: &state.runtime.working_directory,
        hostname: &state.runtime.hostname,
        server_time: rfc3339(Some((state.now_ms)())),
        reload_config_success: config.last_succeeded(),
        last_config_time: rfc3339(configured.map(|seconds| seconds.saturating_mul(1000))),
        corruption_count: 0,
        goroutine_count: tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks(),
        go_max_procs: std::thread::available_parallelism().map_or(1, usize::from),
        go_mem_limit: 0,
        go_gc: "",
        go_debug: "",
        storage_retention: "",
    })
}
