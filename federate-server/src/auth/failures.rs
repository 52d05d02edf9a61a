//! One line a minute about the failures of an address.

use std::sync::{Mutex, PoisonError};

use tokio::time::{Duration, Instant};
use tracing::{info, warn};

use super::AuthError;
use super::client::Client;
use super::recent::Recent;
use super::throttle::UserTag;

/// How long an address isn't spoken of again.
const EVERY: Duration = Duration::from_secs(60);

/// Addresses that are remembered at least.
const REMEMBERED: usize = 1024;

/// Lines of all addresses within [`EVERY`].
const LINES: u32 = 60;

/// Users that are told apart.
const USERS: usize = 16;

/// Collects failures, and logs them now and then. User names aren't told: people type passwords there.
#[derive(Debug, Default)]
pub(super) struct Failures(Mutex<Collected>);

#[derive(Debug, Default)]
struct Collected {
    clients: Recent<Client, OfClient, REMEMBERED>,
    /// When [`LINES`] were counted from, and how many there were.
    lines: Option<(Instant, u32)>,
}

#[derive(Debug, Default)]
struct OfClient {
    told: Option<Instant>,
    wrong: u64,
    /// Of those, the ones that weren't looked at.
    slowed_down: u64,
    users: Vec<UserTag>,
}

impl Failures {
    /// Counts a request that failed with `error`, which is one that its sender is to blame for.
    pub(super) fn failed(&self, client: Client, user: UserTag, error: AuthError) {
        let slowed_down = match error {
            AuthError::Unauthorized => 0,
            AuthError::TooManyFailures { .. } => 1,
            AuthError::Busy | AuthError::Unavailable { .. } => return,
        };
        let now = Instant::now();
        let mut collected = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_client = collected
            .clients
            .get_or_insert_with(client, OfClient::default);
        of_client.wrong += 1;
        of_client.slowed_down += slowed_down;
        if of_client.users.len() < USERS && !of_client.users.contains(&user) {
            of_client.users.push(user);
        }
        if of_client.told.is_some_and(|told| now < told + EVERY) {
            return;
        }
        let told = OfClient {
            told: Some(now),
            ..OfClient::default()
        };
        let OfClient {
            wrong,
            slowed_down,
            users,
            ..
        } = std::mem::replace(of_client, told);
        if !collected.may_tell(now) {
            return;
        }
        drop(collected);
        let users = users.len();
        if slowed_down > 0 {
            warn!(%client, failures = wrong, slowed_down, users, "wrong users or passwords");
        } else {
            info!(%client, failures = wrong, users, "wrong users or passwords");
        }
    }
}

impl Collected {
    fn may_tell(&mut self, now: Instant) -> bool {
        let (since, lines) = self.lines.get_or_insert((now, 0));
        if now >= *since + EVERY {
            (*since, *lines) = (now, 0);
        }
        *lines += 1;
        *lines <= LINES
    }
}
