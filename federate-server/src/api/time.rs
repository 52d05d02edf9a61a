//! Times and durations as Prometheus' API writes and reads them.

const DAY_MS: i64 = 86_400_000;

/// RFC 3339 in UTC, as Go writes it: no trailing zeros after the decimal point. `None` is Go's zero time.
pub(super) fn rfc3339(timestamp_ms: Option<i64>) -> String {
    let Some(timestamp_ms) = timestamp_ms else {
        return "0001-01-01T00:00:00Z".to_owned();
    };
    let (year, month, day) = civil(timestamp_ms.div_euclid(DAY_MS));
    let ms = timestamp_ms.rem_euclid(DAY_MS);
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    let fraction = match ms % 1000 {
        0 => String::new(),
        ms => format!(".{ms:03}").trim_end_matches('0').to_owned(),
    };
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

/// Seconds since the Unix epoch, or RFC 3339, in milliseconds since then; times far out of range become the bounds.
pub(super) fn parse_time(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse::<f64>() {
        // Casts from floats saturate.
        return (!seconds.is_nan()).then_some((seconds * 1000.0).round() as i64);
    }
    parse_rfc3339(text).or(match text {
        // The bounds of Prometheus, which some clients send.
        "-292273086-05-16T16:47:06Z" => Some(i64::MIN),
        "+292277025-08-18T07:12:54.999999999Z" | "292277025-08-18T07:12:54.999999999Z" => {
            Some(i64::MAX)
        }
        _ => None,
    })
}

fn parse_rfc3339(text: &str) -> Option<i64> {
    let number = |range: std::ops::Range<usize>| -> Option<i64> {
        let digits = text.get(range)?;
        let valid = digits.bytes().all(|byte| byte.is_ascii_digit());
        valid.then(|| digits.parse().ok())?
    };
    let punctuated = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    let bytes = text.as_bytes();
    if !punctuated
        .iter()
        .all(|(at, mark)| bytes.get(*at) == Some(mark))
    {
        return None;
    }
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    if !(1..=12).contains(&month) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = days(year, month, day);
    if civil(days) != (year, month, day) {
        return None;
    }
    let mut rest = text.get(19..)?;
    let mut ms = 0;
    if let Some(fraction) = rest.strip_prefix(['.', ',']) {
        let length = fraction.bytes().take_while(u8::is_ascii_digit).count();
        let digits = fraction.get(..length).filter(|digits| !digits.is_empty())?;
        ms = format!("{digits:0<3}").get(..3)?.parse().ok()?;
        rest = fraction.get(length..)?;
    }
    let offset_minutes = match rest.as_bytes() {
        b"Z" => 0,
        [sign @ (b'+' | b'-'), _, _, b':', _, _] => {
            let at = text.len() - 5;
            let (hours, minutes) = (number(at..at + 2)?, number(at + 3..at + 5)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let minutes = hours * 60 + minutes;
            if *sign == b'-' { -minutes } else { minutes }
        }
        _ => return None,
    };
    let minutes = (days * 24 + hour) * 60 + minute - offset_minutes;
    Some((minutes * 60 + second) * 1000 + ms)
}

/// Days since 1970-01-01 of a date in the Gregorian calendar, by years that start in March.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let (era, year) = (year.div_euclid(400), year.rem_euclid(400));
    era * 146_097 + year * 365 + year / 4 - year / 100 + day_of_year - 719_468
}

/// Year, month and day of so many days since 1970-01-01.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let march_month = (5 * day + 2) / 153;
    let day = day - (153 * march_month + 2) / 5 + 1;
    let month = (march_month + 2) % 12 + 1;
    let year = era * 400 + year + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn writes_times_as_go_does() {
        let f = |ms, want: &str| assert_eq!(rfc3339(ms), want);
        f(None, "0001-01-01T00:00:00Z");
        f(Some(0), "1970-01-01T00:00:00Z");
        f(Some(-1), "1969-12-31T23:59:59.999Z");
        f(Some(1_795_366_816_014), "2026-11-22T17:00:16.014Z");
        f(Some(1_795_366_816_100), "2026-11-22T17:00:16.1Z");
        f(Some(951_782_400_000), "2000-02-29T00:00:00Z");
    }

    #[test]
    fn reads_times_as_prometheus_does() {
        let f = |text: &str, want| assert_eq!(parse_time(text), want, "{text}");
        f("0", Some(0));
        f("1.5", Some(1500));
        f("-1", Some(-1000));
        f("1e300", Some(i64::MAX));
        f("Inf", Some(i64::MAX));
        f("NaN", None);
        f("2015-07-01T20:10:51.781Z", Some(1_435_781_451_781));
        f("2015-07-01T22:10:51+02:00", Some(1_435_781_451_000));
        f("2015-07-01T20:10:51.7819999Z", Some(1_435_781_451_781));
        f("-292273086-05-16T16:47:06Z", Some(i64::MIN));
        for text in [
            "",
            "zz",
            "2015-07-01",
            "2015-02-29T00:00:00Z",
            "2015-13-01T00:00:00Z",
            "2015-07-01T20:10:51",
            "2015-07-01T20:10:51.Z",
            "2015-07-01T24:00:00Z",
            "2015-07-01T20:10:51+2:00",
            "2015-07-01T20:10:51é",
        ] {
            f(text, None);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(ms in -62_135_596_800_000_i64..253_402_300_800_000) {
            prop_assert_eq!(parse_time(&rfc3339(Some(ms))), Some(ms));
        }

        #[test]
        fn nothing_panics(text in ".*") {
            parse_time(&text);
        }
    }
}
