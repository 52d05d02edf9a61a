//! The client against scripted servers.
//!
//! One binary, so that the crate is linked once. Time is real, since sockets are; waits are short.
#![expect(
    clippy::unwrap_used,
    reason = "a test that can't set itself up has failed"
)]

mod failures;
mod login;
mod mocked_cloud_foundry;
mod pages;
mod platform;
mod tokens;
