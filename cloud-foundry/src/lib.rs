//! A small, read-only client of the Cloud Foundry API v3 and UAA.
//!
//! - [`CloudFoundry`]: where the API and UAA are; [`CloudFoundry::login`] tells which service instances a user sees.
//! - [`Credentials`], [`Session`]: a token, got and renewed.
//! - [`Session::service_instances`]: managed service instances with plan, space and organization, in a few requests.
//!
//! It writes nothing, asks nothing for each instance, and verifies every certificate. Of an answer that failed, errors
//! hold a title or a code, never a body or a secret.
//!
//! ```
//! use cloud_foundry::{CloudFoundry, CloudFoundryOptions, Credentials, InstanceFilter, SecretSource};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let options = CloudFoundryOptions {
//!     user_agent: "exporter/1.0".to_owned(),
//!     ..CloudFoundryOptions::new("http://127.0.0.1:1".parse()?)
//! };
//! let session = CloudFoundry::new(options)?.session(Credentials::Client {
//!     id: "exporter".to_owned(),
//!     secret: SecretSource::File("/run/secrets/exporter".into()),
//! });
//! let filter = InstanceFilter {
//!     service_offerings: vec!["elasticsearch".to_owned(), "opensearch".to_owned()],
//!     ..InstanceFilter::default()
//! };
//! let not_asked_yet = session.service_instances(&filter);
//! # drop(not_asked_yet);
//! # Ok(())
//! # }
//! ```

mod client;
mod credentials;
mod error;
mod instances;
mod list;
mod login;
mod roots;
mod session;
mod uaa;

pub use client::{CloudFoundry, CloudFoundryOptions};
pub use credentials::Credentials;
pub use error::{AnswerError, ListError, LoginError, Server, TokenError};
pub use instances::{
    InstanceFilter, LastOperation, Organization, ServiceInstance, ServiceInstances, Space,
};
pub use rest_client::{BuildError, RetryPolicy, SecretError, SecretSource, Transient, api_url};
pub use session::Session;

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
