//! Keeps users' accounts from being locked.
//!
//! Cloud Foundry's UAA locks an account for five minutes after five failures in a row within an hour, and again after
//! each further one. Whoever knows a user's name could do that to him here. So of one user, since a password of his was
//! last right:
//! - three wrong passwords are sent at once, and one more each half hour. That is four in any hour at most, which
//!   leaves one to his own mistakes elsewhere. (Fewer at once and more later, such as two and one each 20 minutes,
//!   would shorten the wait, but leave nothing for the next point.);
//! - the last that is left isn't for an address that has had two of them within an hour, nor for a password that
//!   was refused before: neither somebody who guesses at one address nor a program that never gives up makes a user
//!   wait who comes with another password from elsewhere. They have one more each half hour, too;
//! - so a right password that isn't known here waits for half an hour at most until it may be sent, and that only
//!   while others guess from several addresses. So does one that was refused and has become right since;
//! - an attempt whose outcome isn't known counts as a failure, once for each password: UAA may have counted it. The
//!   same password may be sent again for nothing, as it is no further guess: its user gets in when UAA is back.
//!
//! A password that was right when it was last sent is sent whatever others have tried.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::{Duration, Instant};

use crate::auth::bucket::{Bucket, Rate};
use crate::auth::client::Client;
use crate::auth::recent::Recent;
use crate::auth::throttle::UserTag;

/// Failures of one user.
const FAILURES: Rate = Rate::new(3, Duration::from_secs(30 * 60));

/// How many there have to be for those who may not take the last one.
const NOT_THE_LAST: u32 = 2;

/// For how long failures of an address count, and how many it has before it may not take the last one.
const WITHIN: Duration = Duration::from_secs(60 * 60);
const FAILURES_OF_ADDRESS: usize = 2;

/// Failures whose address is remembered of a user.
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
    /// It was sent, and nobody knows whether it is right.
    Unanswered,
    /// It was right.
    Renewed,
}

#[derive(Debug)]
struct Attempts {
    left: Bucket,
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
        let attempts = users.get_or_insert_with(user, || Attempts::new(now));
        attempts.wait(attempt, now).map_or(Ok(()), Err)?;
        let client = match attempt {
            Attempt::New(client) => Some(client),
            Attempt::Repeated | Attempt::Unanswered | Attempt::Renewed => None,
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
    const fn new(now: Instant) -> Self {
        Self {
            left: Bucket::full(now),
            failures: Vec::new(),
            under_way: Vec::new(),
            locked_until: None,
        }
    }

    /// How long to wait for the attempt, `None` where it may be made now.
    fn wait(&mut self, attempt: Attempt, now: Instant) -> Option<Duration> {
        self.failures.retain(|(at, _)| now < *at + WITHIN);
        if let Some(locked) = self.locked_until.filter(|until| now < *until) {
            return Some(locked - now);
        }
        let needed = match attempt {
            Attempt::New(client) if self.failures_of(client) < FAILURES_OF_ADDRESS => 1,
            Attempt::New(_) | Attempt::Repeated => NOT_THE_LAST,
            Attempt::Unanswered | Attempt::Renewed => return None,
        };
        let wait = self.left.wait(FAILURES, needed, now);
        if !wait.is_zero() {
            return Some(wait);
        }
        let mut left = self.left;
        left.take(
            FAILURES,
            u32::try_from(self.under_way.len()).unwrap_or(u32::MAX),
            now,
        );
        // Some of those under way may turn out to be right.
        (!left.wait(FAILURES, needed, now).is_zero()).then_some(Duration::from_secs(1))
    }

    fn failures_of(&self, client: Client) -> usize {
        let failures = self.failures.iter().map(|(_, from)| from);
        let all = failures.chain(&self.under_way);
        all.filter(|from| **from == Some(client)).count()
    }
}

impl Allowed {
    /// The password is right: its user's failures are over, as they are for UAA.
    pub(super) fn succeeded(self) {
        self.change(|attempts, now| {
            attempts.left = Bucket::full(now);
            attempts.failures.clear();
            attempts.locked_until = None;
        });
    }

    /// It is wrong, or may be.
    pub(super) fn failed(self) {
        let client = self.client;
        self.change(|attempts, now| {
            attempts.left.take(FAILURES, 1, now);
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
        let now = Instant::now();
        let attempts = users.get_or_insert_with(self.user, || Attempts::new(now));
        change(attempts, now);
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
    async fn three_failures_and_one_each_half_hour_are_the_most() {
        let lockout = Arc::new(Lockout::default());
        let allow = |attempt| lockout.allow(USER, attempt);
        let minute = Duration::from_secs(60);
        allow(new(1)).unwrap().failed();
        tokio::time::advance(minute).await;
        allow(new(1)).unwrap().failed();
        tokio::time::advance(minute).await;
        // One is left, for others.
        assert_eq!(allow(new(1)).map(drop), Err(28 * minute));
        assert_eq!(allow(Attempt::Repeated).map(drop), Err(28 * minute));
        allow(new(2)).unwrap().failed();
        assert_eq!(allow(new(3)).map(drop), Err(28 * minute));
        allow(Attempt::Renewed).unwrap();
        allow(Attempt::Unanswered).unwrap();
        lockout.allow([2; 16], new(1)).unwrap();

        tokio::time::advance(28 * minute).await;
        assert!(allow(new(1)).is_err());
        allow(new(3)).unwrap().failed();
        assert_eq!(allow(new(4)).map(drop), Err(30 * minute));
        allow(Attempt::Renewed).unwrap().succeeded();
        allow(new(4)).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn no_hour_has_five_failures() {
        let lockout = Arc::new(Lockout::default());
        let minute = Duration::from_secs(60);
        let mut failures = Vec::new();
        for number in 0..600 {
            // Each time from another address, in bursts and without end.
            let attempt = new(u8::try_from(number % 250).unwrap());
            if let Ok(allowed) = lockout.allow(USER, attempt) {
                allowed.failed();
                failures.push(Instant::now());
            }
            if number % 3 == 0 {
                tokio::time::advance(minute).await;
            }
        }
        assert!(failures.len() > 8, "{failures:?}");
        let hours = failures.windows(5).map(|five| five[4] - five[0]);
        assert!(hours.min() >= Some(60 * minute), "{failures:?}");
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
