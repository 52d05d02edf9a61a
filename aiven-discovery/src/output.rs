//! Target groups for other programs: Prometheus' JSON, and files of it.

pub mod file_sd;
pub mod http_sd;
pub mod sidecar;

pub use crate::atomic_file::write_atomically;
