//! How long Aiven asks to wait.

use std::time::Duration;

use rest_client::longest_wait;

/// The wait that an answer asks for: its `Retry-After`, or a message as Aiven writes it: "try again in
/// 28s". The longer one where both are there.
pub(super) fn asked_wait(retry_after: Option<Duration>, message: &str) -> Option<Duration> {
    retry_after.max(wait_in_message(message)).map(longest_wait)
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
        let part = Duration::try_from_secs_f64(number * unit).unwrap_or(Duration::MAX);
        total = Some(total.unwrap_or(Duration::ZERO).saturating_add(part));
        rest = after[letters..].trim_start();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_read_from_header_and_message() {
        let secs = Duration::from_secs;
        let f = |header: Option<u64>, message: &str, want: Option<u64>| {
            let got = asked_wait(header.map(secs), message);
            assert_eq!(got, want.map(secs), "{header:?} {message:?}");
        };
        f(None, "", None);
        f(Some(7), "", Some(7));
        f(None, "Rate limit exceeded, try again in 28s", Some(28));
        f(None, "Try again in 28 seconds.", Some(28));
        f(None, "try again in 1m30s", Some(90));
        f(None, "try again in 2 minutes", Some(120));
        f(None, "try again in 5", Some(5));
        f(None, "try again in a moment", None);
        f(None, "try again in 3 fortnights", None);
        f(None, "try again in 1e999s", None);
        f(Some(3), "try again in 28s", Some(28));
        f(Some(30), "try again in 28s", Some(30));
    }

    proptest::proptest! {
        #[test]
        fn any_message_asks_for_a_bounded_wait(
            message in "(?i)(.{0,10}try again in )?[0-9.]{0,30} ?[a-z]{0,8}.{0,20}",
        ) {
            let wait = asked_wait(None, &message).unwrap_or_default();
            proptest::prop_assert!(wait <= Duration::from_secs(3600));
        }
    }
}
