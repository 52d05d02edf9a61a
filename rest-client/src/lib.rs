//! What clients of other people's APIs have in common.
//!
//! - [`Client`]: one request and its answer, bounded in time and size. It follows no redirect, so that
//!   credentials go nowhere else, takes no proxy from the environment, and trusts the system's certificates.
//! - [`RetryPolicy`], [`Backoff`], [`retry_after`]: when a call is tried again.
//! - [`SecretSource`]: a secret, or the file that holds it.
//! - [`with_causes`], [`presentable`]: errors in a form that may be logged.
//!
//! It knows no API: statuses, bodies and errors are the business of those who use it.
//!
//! ```
//! use std::time::Duration;
//! use rest_client::{Client, ClientOptions, Method};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let options = ClientOptions {
//!     request_timeout: Duration::from_secs(5),
//!     ..ClientOptions::new("probe/1.0")
//! };
//! let url = "http://127.0.0.1:1/v3".parse()?;
//! let client = Client::new(&url, options)?;
//! let answer = async {
//!     let answer = client.send(client.request(Method::GET, url)).await?;
//!     Ok::<_, rest_client::CallError>((answer.status, answer.body.len()))
//! };
//! # drop(answer);
//! # Ok(())
//! # }
//! ```

mod backoff;
mod client;
mod message;
mod retry;
mod secret;
mod trust;

pub use backoff::Backoff;
pub use client::{Answer, BuildError, CallError, Client, ClientOptions, api_url};
pub use message::{presentable, with_causes};
pub use reqwest::{Method, RequestBuilder, header};
pub use retry::{RetryPolicy, Transient, longest_wait, retry_after};
pub use secret::{SecretError, SecretSource};

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
