//! Token buckets.

use tokio::time::{Duration, Instant};

/// How many at once, and how long until there is one more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rate {
    burst: u32,
    every: Duration,
}

impl Rate {
    pub(super) const fn new(burst: u32, every: Duration) -> Self {
        Self { burst, every }
    }
}

/// A token bucket, told by the time at which it will be full again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bucket {
    full_at: Instant,
}

impl Bucket {
    pub(super) const fn full(now: Instant) -> Self {
        Self { full_at: now }
    }

    pub(super) fn is_full(self, now: Instant) -> bool {
        self.full_at <= now
    }

    /// Takes tokens, also those that aren't there.
    pub(super) fn take(&mut self, rate: Rate, tokens: u32, now: Instant) {
        self.full_at = self.full_at.max(now) + rate.every * tokens;
    }

    /// Until there are so many tokens.
    pub(super) fn wait(self, rate: Rate, tokens: u32, now: Instant) -> Duration {
        let missing = self.full_at.saturating_duration_since(now);
        missing.saturating_sub(rate.every * rate.burst.saturating_sub(tokens))
    }
}
