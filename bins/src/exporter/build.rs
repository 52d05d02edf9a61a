//! What is running, and where.

use federate_server::http::BuildInfo;
use http::HeaderValue;

use crate::config::Environment;
use crate::platform;

/// The program's name.
pub const PROGRAM: &str = "elasticsearch-metric-exporter";
/// The program's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What was built. The revision comes from the variable `GIT_REVISION` at build time, where it is set.
#[must_use]
pub fn info() -> BuildInfo {
    BuildInfo {
        program: PROGRAM.to_owned(),
        version: VERSION.to_owned(),
        revision: option_env!("GIT_REVISION").unwrap_or_default().to_owned(),
        rust_version: env!("CARGO_PKG_RUST_VERSION").to_owned(),
        ..BuildInfo::default()
    }
}

/// How the program calls itself to servers.
#[must_use]
pub fn user_agent(environment: Environment<'_>) -> HeaderValue {
    platform::user_agent(&format!("{PROGRAM}/{VERSION}"), environment)
}

/// The machine's name, empty where it can't be told.
#[must_use]
pub fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}
