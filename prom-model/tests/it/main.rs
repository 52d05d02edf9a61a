//! The public interface of `prom-model` on whole expositions.

#![expect(clippy::unwrap_used, reason = "a test that can't go on should fail")]

/// Bodies, and what Prometheus 3 makes of them.
mod cases;
/// Encoding: numbers, names, families, protobuf.
mod encode;
/// The bodies of [`cases`] and many like them, shown to a real Prometheus.
mod oracle;
/// Parsing: the bodies of [`cases`], positions of errors, the captures, lines known from before.
mod parse;
/// A real Prometheus, for the tests named oracle.
mod prometheus;
/// What holds for any input.
mod properties;
/// RE2 expressions, by table and by property.
mod regex;
