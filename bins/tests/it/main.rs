//! The programs as their users run them: real binaries, a mocked Aiven, a real Prometheus.
//!
//! One binary, so that the programs and these tests are linked once; a module for each thing a user relies on.
#![expect(
    clippy::unwrap_used,
    reason = "a failed step fails the test; the lint's exemption doesn't reach functions beside tests"
)]

mod support;

/// That the tests' own tools do what the tests take for granted.
mod tools;
/// What goes wrong around the exporter, and what goes on all the same.
mod trouble;

/// The tenant's side: a Prometheus that federates from the exporter.
mod tenant;

/// Many tenants, one exporter: who is let in, and who sees what.
mod tenants;

/// The exporter beside a Prometheus that scrapes the same targets by the same configuration.
mod differential;

/// That what Prometheus would serve of the same nodes is what the exporter serves.
mod agreement;

/// Discovery alone, for a Prometheus that scrapes the nodes itself.
mod sidecar;

/// Services that a Cloud Foundry lists.
mod cloud_foundry;

/// The services file: printed and checked.
mod services_file;

/// From the start to the end: what it is told, keeps and leaves.
mod life;

/// What an operator relies on: readiness, users, the page of targets, an end in time.
mod operator;

/// `/federate` on the wire: formats, methods, parameters, and what receivers make of them.
mod federate;

/// The demo, which needs nothing but itself.
#[cfg(feature = "demo")]
mod demo;
