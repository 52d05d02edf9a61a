//! How long to wait before trying again.

use std::time::Duration;

use rand::RngExt;

/// Waits that double from a first one up to a limit, each shortened at random by up to half.
///
/// The jitter keeps many clients that failed together from coming back together.
///
/// ```
/// use std::time::Duration;
/// use rest_client::Backoff;
///
/// let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
/// assert!(backoff.next_delay() <= Duration::from_secs(1));
/// assert!(backoff.next_delay() >= Duration::from_secs(1));
/// ```
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    limit: Duration,
    next: Duration,
}

impl Backoff {
    /// Starts at `first` and stays at or under `limit`.
    #[must_use]
    pub fn new(first: Duration, limit: Duration) -> Self {
        let first = first.min(limit);
        Self {
            first,
            limit,
            next: first,
        }
    }

    /// The next wait, between half of the doubled step and all of it.
    pub fn next_delay(&mut self) -> Duration {
        let full = self.next;
        self.next = full.saturating_mul(2).min(self.limit);
        full.mul_f64(rand::rng().random_range(0.5..=1.0))
    }

    /// Starts again at the first wait, after a success.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_within_their_bounds() {
        let secs = Duration::from_secs;
        let mut backoff = Backoff::new(secs(1), secs(30));
        for full in [1, 2, 4, 8, 16, 30, 30] {
            let delay = backoff.next_delay();
            assert!(delay >= secs(full) / 2, "{delay:?} for {full} s");
            assert!(delay <= secs(full), "{delay:?} for {full} s");
        }
        backoff.reset();
        assert!(backoff.next_delay() <= secs(1));
    }

    #[test]
    fn a_limit_under_the_first_wait_wins() {
        let mut backoff = Backoff::new(Duration::from_secs(9), Duration::from_secs(2));
        assert!(backoff.next_delay() <= Duration::from_secs(2));
    }
}
