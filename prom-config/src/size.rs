//! Byte sizes as Prometheus writes them: `64MB`, `1KiB`; all powers of 1024.

use std::fmt;

/// A number of bytes.
///
/// Parses as Prometheus' `units.Base2Bytes`: numbers with units `B`, `KB`, `MB`, `GB`, `TB`, `PB`,
/// `EB` or `B`, `KiB`, `MiB`, …, where `KB` and `KiB` are both 1024 bytes but are not mixed;
/// fractions and sums (`1.5MB`, `1MiB512KiB`) are fine, a number without a unit is not, except `0`.
/// Prometheus also takes a negative size and means no limit by it; here it is an error.
///
/// ```
/// use prom_config::size::ByteSize;
/// assert_eq!("64MB".parse(), Ok(ByteSize(64 * 1024 * 1024)));
/// assert_eq!(ByteSize(1536).to_string(), "1KiB512B");
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(
    /// The bytes.
    pub u64,
);

/// Why a text is not a byte size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ByteSizeError {
    /// Not numbers with units.
    #[error("not a byte size, expected numbers with units such as 512KB, 64MB or 1GiB")]
    Syntax,
    /// Below zero.
    #[error("negative byte size, expected 0 or more")]
    Negative,
    /// More than 63 bits.
    #[error("byte size out of range, expected less than 8EiB")]
    OutOfRange,
}

const PREFIXES: &str = "KMGTPE";

impl std::str::FromStr for ByteSize {
    type Err = ByteSizeError;

    fn from_str(text: &str) -> Result<Self, ByteSizeError> {
        let (negative, digits) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        if digits == "0" {
            return Ok(Self(0));
        }
        let bytes = sum(digits, "iB")
            .or_else(|| sum(digits, "B"))
            .ok_or(ByteSizeError::Syntax)?;
        // Two to the 63rd, which f64 holds exactly.
        if bytes >= 9_223_372_036_854_775_808.0 {
            return Err(ByteSizeError::OutOfRange);
        }
        if negative && bytes >= 1.0 {
            return Err(ByteSizeError::Negative);
        }
        Ok(Self(bytes as u64))
    }
}

/// The sum of numbers with units, where a unit above the byte is a prefix and `suffix`.
fn sum(mut text: &str, suffix: &str) -> Option<f64> {
    if text.is_empty() {
        return None;
    }
    let is_number = |byte: u8| byte.is_ascii_digit() || byte == b'.';
    let mut total = 0.0;
    while !text.is_empty() {
        let unit_at = text.bytes().position(|byte| !is_number(byte))?;
        let (number, rest) = text.split_at(unit_at);
        let unit_end = rest.bytes().position(is_number).unwrap_or(rest.len());
        let (unit, rest) = rest.split_at(unit_end);
        // `.` alone and a second `.` don't parse; what does is digits with at most one point.
        let whole = number.split('.').next()?;
        if whole.parse::<i64>().is_err() && !whole.is_empty() {
            return None;
        }
        total += number.parse::<f64>().ok()? * scale(unit, suffix)?;
        text = rest;
    }
    Some(total)
}

fn scale(unit: &str, suffix: &str) -> Option<f64> {
    if unit == "B" {
        return Some(1.0);
    }
    let prefix = unit.strip_suffix(suffix)?;
    let power = PREFIXES.find(prefix).filter(|_| prefix.len() == 1)?;
    Some(1024_f64.powi(i32::try_from(power).ok()? + 1))
}

/// As Prometheus prints it: `64MiB`, `1KiB512B`, `0B`.
impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0B");
        }
        for (power, prefix) in PREFIXES.char_indices().rev() {
            let part = self.0 >> (10 * (power + 1));
            // The largest unit takes all that is left above it.
            let part = if power + 1 == PREFIXES.len() {
                part
            } else {
                part % 1024
            };
            if part != 0 {
                write!(f, "{part}{prefix}iB")?;
            }
        }
        match self.0 % 1024 {
            0 => Ok(()),
            bytes => write!(f, "{bytes}B"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parses_what_prometheus_parses() {
        let f = |text: &str, want: u64| assert_eq!(text.parse(), Ok(ByteSize(want)), "{text}");
        f("0", 0);
        f("-0", 0);
        f("0B", 0);
        f("1B", 1);
        f("1KB", 1024);
        f("1KiB", 1024);
        f("64MB", 64 << 20);
        f("+64MB", 64 << 20);
        f("1.5KiB", 1536);
        f(".5KB", 512);
        f("1.KB", 1024);
        f("1MiB1KiB", (1 << 20) + 1024);
        f("1GB", 1 << 30);
        f("7EiB", 7 << 60);
    }

    #[test]
    fn refuses_the_rest() {
        let f = |text: &str, want| assert_eq!(text.parse::<ByteSize>(), Err(want), "{text:?}");
        for text in [
            "",
            "+",
            "100",
            "KB",
            "1kB",
            "1K",
            "1M",
            "1 MB",
            " 1MB",
            "1MB ",
            "1MB1KiB",
            "..B",
            ".B",
            "1e3B",
            "1mb",
            "64 MB",
            "1.2.3KB",
            "99999999999999999999B",
            "1B2",
            "1YB",
            "1iB",
            "1KMB",
        ] {
            f(text, ByteSizeError::Syntax);
        }
        f("-1MB", ByteSizeError::Negative);
        f("8EiB", ByteSizeError::OutOfRange);
    }

    proptest! {
        #[test]
        fn a_shown_size_parses_to_itself(bytes in 0_u64..1 << 53) {
            prop_assert_eq!(ByteSize(bytes).to_string().parse(), Ok(ByteSize(bytes)));
        }

        #[test]
        fn no_text_panics(text in "[-+0-9.KMGiBä ]{0,24}") {
            let _ = text.parse::<ByteSize>();
        }
    }
}
