//! When a call is tried again, and how long a server asks to wait.

use std::future::Future;
use std::time::{Duration, SystemTime};

use crate::backoff::Backoff;

/// How a call deals with failures that may pass by themselves.
///
/// # Defaults
/// 4 attempts, waits from 1 s doubling to 30 s, no wait longer than 60 s.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How often a call is tried in all; 0 counts as 1.
    pub attempts: u32,
    /// The first wait.
    pub first_wait: Duration,
    /// The longest wait of its own accord.
    pub wait_limit: Duration,
    /// The longest wait that a server may ask for. Where it asks for more the call fails, and the
    /// error says how long to wait.
    pub asked_wait_limit: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 4,
            first_wait: Duration::from_secs(1),
            wait_limit: Duration::from_secs(30),
            asked_wait_limit: Duration::from_secs(60),
        }
    }
}

/// A failure that may pass by itself, or not.
pub trait Transient {
    /// Whether the same call may succeed without anybody doing anything.
    fn is_transient(&self) -> bool;

    /// How long the server asked to wait before the next call.
    fn retry_after(&self) -> Option<Duration>;
}

impl RetryPolicy {
    /// Calls `attempt` until it succeeds, fails for good, or has failed often enough.
    ///
    /// # Errors
    /// The last failure.
    pub async fn run<T, E, F>(&self, mut attempt: impl FnMut() -> F) -> Result<T, E>
    where
        E: Transient,
        F: Future<Output = Result<T, E>>,
    {
        let mut backoff = Backoff::new(self.first_wait, self.wait_limit);
        let mut attempts = 1;
        loop {
            let error = match attempt().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let asked = error.retry_after().unwrap_or_default();
            if attempts >= self.attempts || !error.is_transient() || asked > self.asked_wait_limit {
                return Err(error);
            }
            tokio::time::sleep(backoff.next_delay().max(asked)).await;
            attempts += 1;
        }
    }
}

/// The longest wait that is believed; whatever asks for more is mistaken.
const BELIEVABLE: Duration = Duration::from_secs(3600);

/// `wait`, or the longest one that is believed.
#[must_use]
pub fn longest_wait(wait: Duration) -> Duration {
    wait.min(BELIEVABLE)
}

/// The wait that a `Retry-After` asks for, in seconds or as a date.
#[must_use]
pub fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(longest_wait(
            value.parse().map_or(BELIEVABLE, Duration::from_secs),
        ));
    }
    let at = httpdate::parse_http_date(value).ok()?;
    Some(longest_wait(at.duration_since(now).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn waits_are_read_from_seconds_and_dates() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let f = |value: &str, want: Option<u64>| {
            assert_eq!(
                retry_after(value, now),
                want.map(Duration::from_secs),
                "{value}"
            );
        };
        f("", None);
        f("7", Some(7));
        f(" 0 ", Some(0));
        f("-7", None);
        f("soon", None);
        f("Sun, 06 Nov 1994 08:50:37 GMT", Some(60));
        f("Sun, 06 Nov 1994 08:40:37 GMT", Some(0));
        f("99999999999999999999999999", Some(3600));
    }

    proptest::proptest! {
        #[test]
        fn any_header_asks_for_a_bounded_wait(header in ".{0,40}") {
            let wait = retry_after(&header, SystemTime::UNIX_EPOCH);
            proptest::prop_assert!(wait.unwrap_or_default() <= BELIEVABLE);
        }
    }

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Failure {
        Passing(u64),
        Final,
    }

    impl Transient for Failure {
        fn is_transient(&self) -> bool {
            *self != Self::Final
        }

        fn retry_after(&self) -> Option<Duration> {
            match self {
                Self::Passing(asked) => Some(Duration::from_secs(*asked)),
                Self::Final => None,
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_pass_is_tried_so_often() {
        let f = async |failures: &[Failure], want: Result<(), Failure>, attempts: usize| {
            let made = Cell::new(0);
            let got = RetryPolicy::default()
                .run(|| {
                    let failure = failures.get(made.get()).copied();
                    made.set(made.get() + 1);
                    async move { failure.map_or(Ok(()), Err) }
                })
                .await;
            assert_eq!((got, made.get()), (want, attempts), "{failures:?}");
        };
        use Failure::{Final, Passing};
        f(&[], Ok(()), 1).await;
        f(&[Passing(0), Passing(60)], Ok(()), 3).await;
        f(&[Passing(0), Final], Err(Final), 2).await;
        f(&[Passing(61)], Err(Passing(61)), 1).await;
        f(&[Passing(0); 9], Err(Passing(0)), 4).await;
    }
}
