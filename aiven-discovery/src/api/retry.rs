//! When a call is tried again, and how long Aiven asks to wait.

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
    /// The longest wait that Aiven may ask for. Where it asks for more the call fails, and the
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

impl RetryPolicy {
    pub(super) fn backoff(&self) -> Backoff {
        Backoff::new(self.first_wait, self.wait_limit)
    }
}

/// The longest wait that is believed; whatever asks for more is mistaken.
const BELIEVABLE: Duration = Duration::from_secs(3600);

/// The wait that an answer asks for: `Retry-After` in seconds or as a date, or a message as Aiven
/// writes it: "try again in 28s". The longer one where both are there.
pub(super) fn asked_wait(
    retry_after: Option<&str>,
    message: &str,
    now: SystemTime,
) -> Option<Duration> {
    let header = retry_after.and_then(|value| {
        let value = value.trim();
        if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
            return Some(value.parse().map_or(BELIEVABLE, Duration::from_secs));
        }
        let at = httpdate::parse_http_date(value).ok()?;
        Some(at.duration_since(now).unwrap_or_default())
    });
    header
        .max(wait_in_message(message))
        .map(|wait| wait.min(BELIEVABLE))
}

fn wait_in_message(message: &str) -> Option<Duration> {
    let message = message.to_ascii_lowercase();
    let (_, mut rest) = message.split_once("try again in ")?;
    let mut total = None;
    loop {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let Ok(number) = rest[..digits].parse::<f64>() else {
            return total;
        };
        let after = rest[digits..].trim_start();
        let letters = after
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(after.len());
        let unit = match &after[..letters] {
            "" | "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
            "ms" => 0.001,
            "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
            "h" | "hour" | "hours" => 3600.0,
            _ => return total,
        };
        let part = Duration::try_from_secs_f64(number * unit).unwrap_or(BELIEVABLE);
        total = Some(total.unwrap_or(Duration::ZERO).saturating_add(part));
        rest = after[letters..].trim_start();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_read_from_header_and_message() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let f = |header: Option<&str>, message: &str, want: Option<u64>| {
            let got = asked_wait(header, message, now);
            assert_eq!(got, want.map(Duration::from_secs), "{header:?} {message:?}");
        };
        f(None, "", None);
        f(Some("7"), "", Some(7));
        f(Some(" 0 "), "", Some(0));
        f(Some("-7"), "", None);
        f(Some("soon"), "", None);
        f(Some("Sun, 06 Nov 1994 08:50:37 GMT"), "", Some(60));
        f(Some("Sun, 06 Nov 1994 08:40:37 GMT"), "", Some(0));
        f(Some("99999999999999999999999999"), "", Some(3600));
        f(None, "Rate limit exceeded, try again in 28s", Some(28));
        f(None, "Try again in 28 seconds.", Some(28));
        f(None, "try again in 1m30s", Some(90));
        f(None, "try again in 2 minutes", Some(120));
        f(None, "try again in 5", Some(5));
        f(None, "try again in a moment", None);
        f(None, "try again in 3 fortnights", None);
        f(None, "try again in 1e999s", None);
        f(Some("3"), "try again in 28s", Some(28));
        f(Some("30"), "try again in 28s", Some(30));
    }

    proptest::proptest! {
        #[test]
        fn any_header_and_message_ask_for_a_bounded_wait(
            header in ".{0,40}",
            message in "(?i)(.{0,10}try again in )?[0-9.]{0,30} ?[a-z]{0,8}.{0,20}",
        ) {
            let wait = asked_wait(Some(&header), &message, SystemTime::UNIX_EPOCH);
            proptest::prop_assert!(wait.unwrap_or_default() <= BELIEVABLE);
        }
    }
}
