//! Durations as Prometheus writes them: `1h30m`.

use std::time::Duration;

/// Units from the largest to the smallest, in milliseconds.
const UNITS: [(&str, u64); 7] = [
    ("y", 365 * DAY),
    ("w", 7 * DAY),
    ("d", DAY),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];
const DAY: u64 = 86_400_000;

/// Longest duration: what 63 bits of nanoseconds hold, about 292 years.
const LONGEST_NANOS: u128 = i64::MAX as u128;

/// Why a text is not a duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DurationError {
    /// There is no text.
    #[error("empty duration")]
    Empty,
    /// Not whole numbers with units, each unit once and larger units first.
    #[error("not a duration, expected whole numbers with units y, w, d, h, m, s, ms in this order")]
    Syntax,
    /// Longer than 63 bits of nanoseconds.
    #[error("duration out of range, expected at most 292 years")]
    OutOfRange,
}

/// Parses `text` as Prometheus' `model.ParseDuration` does: whole numbers, each with one of the
/// units `y` (365 days), `w`, `d`, `h`, `m`, `s`, `ms`, larger units first and each at most once;
/// a bare `0` is zero.
///
/// # Errors
/// For any other text, and past 63 bits of nanoseconds.
///
/// ```
/// use std::time::Duration;
/// assert_eq!(prom_config::duration::parse("1h30m"), Ok(Duration::from_secs(5400)));
/// assert!(prom_config::duration::parse("30m1h").is_err());
/// ```
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    match text {
        "0" => return Ok(Duration::ZERO),
        "" => return Err(DurationError::Empty),
        _ => {}
    }
    let mut rest = text;
    let mut units = UNITS.iter();
    let mut nanos: u128 = 0;
    while !rest.is_empty() {
        let (number, after) = split_while(rest, |byte| byte.is_ascii_digit());
        let (unit, after) = split_while(after, |byte| !byte.is_ascii_digit());
        let number: u64 = number.parse().map_err(|_| DurationError::Syntax)?;
        let (_, millis) = units
            .find(|(name, _)| *name == unit)
            .ok_or(DurationError::Syntax)?;
        nanos += u128::from(number) * u128::from(*millis) * 1_000_000;
        if nanos > LONGEST_NANOS {
            return Err(DurationError::OutOfRange);
        }
        rest = after;
    }
    // At most 63 bits, checked above.
    Ok(Duration::from_nanos(
        u64::try_from(nanos).map_err(|_| DurationError::OutOfRange)?,
    ))
}

/// Writes `duration` as Prometheus does: years and weeks only where nothing remains (`90d`, not
/// `12w6d`), below a millisecond nothing, zero as `0s`.
///
/// ```
/// use std::time::Duration;
/// assert_eq!(prom_config::duration::format(Duration::from_secs(90)), "1m30s");
/// ```
#[must_use]
pub fn format(duration: Duration) -> String {
    let mut millis = duration.as_millis();
    if millis == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, size) in UNITS {
        let size = u128::from(size);
        let only_exact = matches!(unit, "y" | "w");
        if millis < size || (only_exact && !millis.is_multiple_of(size)) {
            continue;
        }
        text.push_str(&(millis / size).to_string());
        text.push_str(unit);
        millis %= size;
    }
    text
}

/// The longest prefix of bytes that `take` holds for, and what follows it. Only ASCII bytes end
/// a prefix, so the cut is at a character.
fn split_while(text: &str, take: impl Fn(u8) -> bool) -> (&str, &str) {
    let end = text.bytes().position(|byte| !take(byte));
    text.split_at(end.unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parses_what_prometheus_parses() {
        let f = |text: &str, millis: u64| {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        };
        f("0", 0);
        f("0s", 0);
        f("0w", 0);
        f("324ms", 324);
        f("3s", 3_000);
        f("5m", 300_000);
        f("1h", 3_600_000);
        f("4d", 4 * DAY);
        f("4d1h", 4 * DAY + 3_600_000);
        f("14d", 14 * DAY);
        f("3w", 21 * DAY);
        f("3w2d1h", 23 * DAY + 3_600_000);
        f("10y", 3650 * DAY);
        f("007s", 7_000);
        f("2h1m1s1ms", 7_261_001);
    }

    #[test]
    fn refuses_what_prometheus_refuses() {
        let f = |text: &str, want| assert_eq!(parse(text), Err(want), "{text:?}");
        f("", DurationError::Empty);
        for text in [
            "1",
            "1y1m1d",
            "-1w",
            "1.5d",
            "d",
            "1s1s",
            "1ms1s",
            "1 s",
            " 1s",
            "1s ",
            "1µs",
            "+1s",
            "99999999999999999999s",
            "1h30",
            "s1",
            "1S",
        ] {
            f(text, DurationError::Syntax);
        }
        f("294y", DurationError::OutOfRange);
        f("200y10400w", DurationError::OutOfRange);
        f("107675d", DurationError::OutOfRange);
        f("2584200h", DurationError::OutOfRange);
    }

    #[test]
    fn formats_as_prometheus_does() {
        let f = |text: &str, want: &str| assert_eq!(format(parse(text).unwrap()), want, "{text}");
        f("0", "0s");
        f("90d", "90d");
        f("12w6d", "90d");
        f("14d", "2w");
        f("365d", "1y");
        f("2y", "2y");
        f("60s", "1m");
        f("90s", "1m30s");
        f("1500ms", "1s500ms");
        f("36h", "1d12h");
        assert_eq!(format(Duration::from_nanos(999_999)), "0s");
    }

    proptest! {
        #[test]
        fn a_formatted_duration_parses_to_itself(millis in 0..=9_223_372_036_854_u64) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse(&format(duration)), Ok(duration));
        }

        #[test]
        fn no_text_panics(text in "[0-9ywdhms.µ -]{0,24}") {
            let _ = parse(&text);
        }
    }
}
