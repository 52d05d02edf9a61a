//! Target groups for other programs: Prometheus' JSON, and files of it.

pub mod file_sd;
pub mod http_sd;
pub mod sidecar;
