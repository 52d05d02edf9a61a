//! Keeps users' accounts from being locked.
//!
//! Cloud Foundry's UAA locks an account for five minutes after five failures in a row within an hour, and again after each
//! further one. Whoever knows a user's name could do that to him here. So of one user, within an hour and since
//! a password of his was last right:
//! - three wrong passwords at most are sent, which leaves two for his own mistakes elsewhere;
//! - two of them from one address at most, so that somebody at another one can't use them all up;
//! - one that was refused before is sent again only while fewer than two failures count: a program that has
//!   a wrong password, and never gives up, leaves one to the user.
//!
//! A password that was right when it was last sent is sent whatever others have tried.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::{Duration, Instant};

use crate::auth::client::Client;
use crate::auth::recent::Recent;
use crate::auth::throttle::UserTag;

const WITHIN: Duration = Duration::from_secs(60 * 60);
const FAILURES: usize = 3;
const FAILURES_OF_ADDRESS: usize = 2;
const FAILURES_BEFORE_REPEAT: usize = 2;

/// What is remembered of a user, whatever happens.
const MAX_FAILURES: usize = 8;

/// Users that are remembered at least.
const REMEMBERED: usize = 4096;

/// Shortest and longest time for which an account counts as locked when it is said to be.
const LOCKED: (Duration, Duration) = (Duration::from_secs(10), WITHIN);

/// The failures of users.
#[derive(Debug, Default)]
pub(in crate::auth) struct Lockout(Mutex<Recent<UserTag, Attempts, REMEMBERED>>);

/// What is known of a password that is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attempt {
    /// Nothing.
    New(Client),
    /// It was refused.
    Repeated,
    /// It was right.
    Renewed,
}

#[derive(Debug, Default)]
struct Attempts {
    /// When, and from where where that counts.
    failures: Vec<(Instant, Option<Client>)>,
    /// Those whose outcome isn't known.
    under_way: Vec<Option<Client>>,
    locked_until: Option<Instant>,
}

/// An attempt that may be made. Dropped without an outcome, it was none.
#[derive(Debug)]
pub(super) struct Allowed {
    lockout: Arc<Lockout>,
    user: UserTag,
    client: Option<Client>,
}

impl Lockout {
    /// Whether an attempt may be made.
    ///
    /// # Errors
    /// How long to wait, where not.
    pub(super) fn allow(
        self: &Arc<Self>,
        user: UserTag,
        attempt: Attempt,
    ) -> Result<Allowed, Duration> {
        let now = Instant::now();
        let mut users = self.users();
        let attempts = users.get_or_insert_with(user, Attempts::default);
        attempts.wait(attempt, now).map_or(Ok(()), Err)?;
        let client = match attempt {
            Attempt::New(client) => Some(client),
            Attempt::Repeated | Attempt::Renewed => None,
        };
        attempts.under_way.push(client);
        let lockout = Arc::clone(self);
        Ok(Allowed {
            lockout,
            user,
            client,
        })
    }

    fn users(&self) -> MutexGuard<'_, Recent<UserTag, Attempts, REMEMBERED>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attempts {
    /// How long to wait for the attempt, `None` where it may be made now.
    fn wait(&mut self, attempt: Attempt, now: Instant) -> Option<Duration> {
        self.failures.retain(|(at, _)| now < *at + WITHIN);
        if let Some(locked) = self.locked_until.filter(|until| now < *until) {
            return Some(locked - now);
        }
        match attempt {
            Attempt::New(client) => self.missing(|_| true, FAILURES, now).max(self.missing(
                |from| from == Some(client),
                FAILURES_OF_ADDRESS,
                now,
            )),
            Attempt::Repeated => self.missing(|_| true, FAILURES_BEFORE_REPEAT, now),
            Attempt::Renewed => None,
        }
    }

    /// Until fewer than `limit` of those from `whom` count.
    fn missing(
        &self,
        whom: impl Fn(Option<Client>) -> bool,
        limit: usize,
        now: Instant,
    ) -> Option<Duration> {
        let under_way = self.under_way.iter().filter(|from| whom(**from)).count();
        let failures = self.failures.iter().filter(|(_, from)| whom(*from));
        let failures: Vec<Instant> = failures.map(|(at, _)| *at).collect();
        let surplus = (failures.len() + under_way).checked_sub(limit)?;
        // Where too many are under way, some of them may turn out to be right.
        let until = failures.get(surplus).map(|at| *at + WITHIN - now);
        Some(until.unwrap_or(Duration::from_secs(1)))
    }
}

impl Allowed {
    /// The password is right: its user's failures are over, as they are for UAA.
    pub(super) fn succeeded(self) {
        self.change(|attempts, _| {
            attempts.failures.clear();
            attempts.locked_until = None;
        });
    }

    /// It is wrong.
    pub(super) fn failed(self) {
        let client = self.client;
        self.change(|attempts, now| {
            attempts.failures.push((now, client));
            if attempts.failures.len() > MAX_FAILURES {
                attempts.failures.remove(0);
            }
        });
    }

    /// The account is locked; for how long, as far as that is believed.
    pub(super) fn locked(self, retry_after: Duration) -> Duration {
        let (shortest, longest) = LOCKED;
        let locked = retry_after.clamp(shortest, longest);
        self.change(|attempts, now| attempts.locked_until = Some(now + locked));
        locked
    }

    fn change(&self, change: impl FnOnce(&mut Attempts, Instant)) {
        let mut users = self.lockout.users();
        let attempts = users.get_or_insert_with(self.user, Attempts::default);
        change(attempts, Instant::now());
    }
}

impl Drop for Allowed {
    fn drop(&mut self) {
        let mut users = self.lockout.users();
        let Some(attempts) = users.get(&self.user) else {
            return;
        };
        let under_way = &mut attempts.under_way;
        if let Some(at) = under_way.iter().position(|from| *from == self.client) {
            under_way.swap_remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const USER: UserTag = [1; 16];

    fn client(number: u8) -> Client {
        Client::of(Ipv4Addr::new(192, 0, 2, number).into())
    }

    fn new(number: u8) -> Attempt {
        Attempt::New(client(number))
    }

    #[tokio::test(start_paused = true)]
    async fn three_failures_an_hour_are_the_most() {
        let lockout = Arc::new(Lockout::default());
        let allow = |attempt| lockout.allow(USER, attempt);
        let minute = Duration::from_secs(60);
        let hour = 60 * minute;
        allow(new(1)).unwrap().failed();
        tokio::time::advance(minute).await;
        allow(new(1)).unwrap().failed();
        tokio::time::advance(minute).await;
        assert_eq!(allow(new(1)).map(drop), Err(hour - 2 * minute));
        assert_eq!(
            allow(Attempt::Repeated).map(drop),
            Err(hour - minute - minute)
        );
        allow(new(2)).unwrap().failed();
        assert_eq!(allow(new(3)).map(drop), Err(hour - 2 * minute));
        allow(Attempt::Renewed).unwrap();
        lockout.allow([2; 16], new(1)).unwrap();

        tokio::time::advance(hour - 2 * minute).await;
        allow(new(3)).unwrap().failed();
        assert_eq!(allow(new(4)).map(drop), Err(minute));
        allow(Attempt::Renewed).unwrap().succeeded();
        allow(new(4)).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn those_under_way_count_until_they_end() {
        let lockout = Arc::new(Lockout::default());
        let allow = |attempt| lockout.allow(USER, attempt);
        let second = Duration::from_secs(1);
        let (one, _two) = (allow(new(1)).unwrap(), allow(new(1)).unwrap());
        assert_eq!(allow(new(1)).map(drop), Err(second));
        let _three = allow(new(2)).unwrap();
        assert_eq!(allow(new(3)).map(drop), Err(second));
        drop(one);
        allow(new(1)).unwrap().locked(30 * second);
        assert_eq!(allow(new(1)).map(drop), Err(30 * second));
        assert_eq!(allow(Attempt::Renewed).map(drop), Err(30 * second));
        tokio::time::advance(30 * second).await;
        allow(new(1)).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn repeated_ones_leave_one_to_the_user() {
        let lockout = Arc::new(Lockout::default());
        let allow = |attempt| lockout.allow(USER, attempt);
        allow(new(1)).unwrap().failed();
        allow(Attempt::Repeated).unwrap().failed();
        assert!(allow(Attempt::Repeated).is_err());
        allow(new(1)).unwrap().failed();
        assert!(allow(new(2)).is_err());
    }
}
