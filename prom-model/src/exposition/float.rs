//! Numbers as Go reads and prints them: `strconv.ParseFloat` without its newer notations, and the
//! formats `%g` of the text format and of OpenMetrics.

use crate::sample::NORMAL_NAN_BITS;

/// Why a token isn't a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FloatError {
    Syntax,
    /// The number rounds to infinity, which Go takes for an error where it wasn't written as one.
    Range,
}

/// Powers of ten that a double holds exactly.
const EXACT_POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// Parses a value: what Go 1.12's `strconv.ParseFloat` takes, every NaN made the same.
///
/// Newer versions also take hexadecimal numbers and `_` between digits, which Prometheus refuses.
pub(super) fn parse(token: &[u8]) -> Result<f64, FloatError> {
    if let Some((value, length)) = parse_plain(token)
        && length == token.len()
    {
        return Ok(value);
    }
    if let Some(value) = parse_special(token) {
        return Ok(value);
    }
    if !is_decimal(token) {
        return Err(FloatError::Syntax);
    }
    let number: f64 = std::str::from_utf8(token)
        .ok()
        .and_then(|token| token.parse().ok())
        .ok_or(FloatError::Syntax)?;
    if number.is_infinite() {
        return Err(FloatError::Range);
    }
    Ok(number)
}

/// The number at the start of `bytes` and its length, where it has digits, at most one sign `-`, one `.` and one
/// exponent, and few enough digits that one multiplication or division gives the nearest double.
///
/// `None` doesn't say that there is no number, nor does an answer say that the token ends there.
#[inline]
pub(super) fn parse_plain(bytes: &[u8]) -> Option<(f64, usize)> {
    let negative = bytes.first() == Some(&b'-');
    let start = usize::from(negative);
    let mut mantissa = 0_u64;
    let mut at = start;
    while let Some(digit) = digit(bytes, at) {
        mantissa = mantissa.wrapping_mul(10).wrapping_add(digit);
        at += 1;
    }
    let mut digits = at - start;
    let mut fraction = 0;
    if bytes.get(at) == Some(&b'.') {
        at += 1;
        let fraction_start = at;
        while let Some(digit) = digit(bytes, at) {
            mantissa = mantissa.wrapping_mul(10).wrapping_add(digit);
            at += 1;
        }
        fraction = at - fraction_start;
        digits += fraction;
    }
    // Nineteen digits can't have wrapped around, so the comparison with 2^53 means what it says.
    if digits == 0 || digits > 19 || mantissa > 1 << 53 {
        return None;
    }
    let mut power = 0;
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let (exponent, length) = parse_exponent(&bytes[at + 1..])?;
        power = exponent;
        at += 1 + length;
    }
    power -= fraction as isize;
    #[expect(clippy::cast_precision_loss, reason = "2^53 and less are exact")]
    let value = mantissa as f64;
    let factor = *EXACT_POWERS.get(power.unsigned_abs())?;
    let value = if power < 0 {
        value / factor
    } else {
        value * factor
    };
    Some((if negative { -value } else { value }, at))
}

/// More are left to the slow way.
const MAX_EXPONENT_DIGITS: usize = 4;

/// The exponent at the start of `bytes` and its length, where it has few digits.
fn parse_exponent(bytes: &[u8]) -> Option<(isize, usize)> {
    let sign = bytes.first().filter(|byte| matches!(byte, b'+' | b'-'));
    let start = usize::from(sign.is_some());
    let mut exponent = 0;
    let mut at = start;
    while let Some(digit) = digit(bytes, at) {
        if at - start == MAX_EXPONENT_DIGITS {
            return None;
        }
        exponent = exponent * 10 + digit as isize;
        at += 1;
    }
    let exponent = if sign == Some(&b'-') {
        -exponent
    } else {
        exponent
    };
    (at > start).then_some((exponent, at))
}

#[inline]
fn digit(bytes: &[u8], at: usize) -> Option<u64> {
    let digit = bytes.get(at)?.wrapping_sub(b'0');
    (digit < 10).then_some(u64::from(digit))
}

fn parse_special(token: &[u8]) -> Option<f64> {
    if token.eq_ignore_ascii_case(b"nan") {
        return Some(f64::from_bits(NORMAL_NAN_BITS));
    }
    let (infinity, word) = match token.split_first()? {
        (b'-', word) => (f64::NEG_INFINITY, word),
        (b'+', word) => (f64::INFINITY, word),
        _ => (f64::INFINITY, token),
    };
    (word.eq_ignore_ascii_case(b"inf") || word.eq_ignore_ascii_case(b"infinity"))
        .then_some(infinity)
}

/// Whether `token` is digits with at most one `.` before, among or after them, and an exponent
/// with at least one digit, or none.
fn is_decimal(token: &[u8]) -> bool {
    let unsigned = |bytes: &[u8]| usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    let digits = |bytes: &[u8]| {
        bytes
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count()
    };

    let mut rest = &token[unsigned(token)..];
    let whole = digits(rest);
    rest = &rest[whole..];
    let mut fraction = 0;
    if let Some(after) = rest.strip_prefix(b".") {
        fraction = digits(after);
        rest = &after[fraction..];
    }
    if whole + fraction == 0 {
        return false;
    }
    match rest.split_first() {
        None => true,
        Some((b'e' | b'E', exponent)) => {
            let exponent = &exponent[unsigned(exponent)..];
            !exponent.is_empty() && digits(exponent) == exponent.len()
        }
        Some(_) => false,
    }
}

/// `value`, the text of an `le` or `quantile` label, the way OpenMetrics writes it; `None` where it
/// isn't a number or is written so.
pub(super) fn normalize(value: &str) -> Option<String> {
    // Here Prometheus takes all that Go takes, of which `_` between digits is all that metrics
    // might ever hold.
    let number = if value.contains('_') && underscores_separate_digits(value.as_bytes()) {
        parse(value.replace('_', "").as_bytes())
    } else {
        parse(value.as_bytes())
    };
    let mut text = Vec::with_capacity(24);
    write_openmetrics_float(&mut text, number.ok()?);
    String::from_utf8(text).ok().filter(|text| text != value)
}

fn underscores_separate_digits(value: &[u8]) -> bool {
    value.iter().enumerate().all(|(at, &byte)| {
        byte != b'_'
            || (at > 0
                && value[at - 1].is_ascii_digit()
                && value.get(at + 1).is_some_and(u8::is_ascii_digit))
    })
}

/// Appends `value` as the text format writes it: `1`, `0.5`, `1e+06`, `NaN`, `+Inf`.
pub fn write_float(out: &mut Vec<u8>, value: f64) {
    if value.is_nan() {
        out.extend_from_slice(b"NaN");
    } else if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"+Inf" } else { b"-Inf" });
    } else if value == 0.0 {
        out.push(b'0');
    } else if value.abs() < 1e6 && value.fract() == 0.0 {
        #[expect(clippy::cast_possible_truncation, reason = "whole and below 1e6")]
        write_int(out, value as i64);
    } else {
        write_shortest(out, value);
    }
}

/// Appends `value` as OpenMetrics writes it: as [`write_float`], and `.0` after a whole number.
pub fn write_openmetrics_float(out: &mut Vec<u8>, value: f64) {
    let start = out.len();
    write_float(out, value);
    if value.is_finite() && !out[start..].iter().any(|byte| matches!(byte, b'e' | b'.')) {
        out.extend_from_slice(b".0");
    }
}

/// Appends `value` in decimal.
pub fn write_int(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends the shortest digits that give `value` again, with an exponent where Go's `%g` has one.
fn write_shortest(out: &mut Vec<u8>, value: f64) {
    let mut buffer = ryu::Buffer::new();
    let text = buffer.format_finite(value.abs());
    let (mantissa, exponent) = match text.split_once('e') {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().unwrap_or_default()),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));

    // The digits without leading and trailing zeros, and the place of the point among them.
    let mut digits = [0_u8; 32];
    let mut length = 0;
    let mut point = exponent;
    for (at, digit) in whole.bytes().chain(fraction.bytes()).enumerate() {
        point += i32::from(at < whole.len());
        if length == 0 && digit == b'0' {
            point -= 1;
        } else if length < digits.len() {
            digits[length] = digit;
            length += 1;
        }
    }
    while length > 1 && digits[length - 1] == b'0' {
        length -= 1;
    }
    let digits = &digits[..length];

    if value.is_sign_negative() {
        out.push(b'-');
    }
    let exponent = point - 1;
    if (-4..6).contains(&exponent) {
        write_positional(out, digits, point);
    } else {
        write_scientific(out, digits, exponent);
    }
}

fn write_positional(out: &mut Vec<u8>, digits: &[u8], point: i32) {
    match usize::try_from(point) {
        Ok(point) if point > 0 => {
            let whole = point.min(digits.len());
            out.extend_from_slice(&digits[..whole]);
            out.extend(std::iter::repeat_n(b'0', point - whole));
            if whole < digits.len() {
                out.push(b'.');
                out.extend_from_slice(&digits[whole..]);
            }
        }
        _ => {
            out.extend_from_slice(b"0.");
            let zeros = point.unsigned_abs() as usize;
            out.extend(std::iter::repeat_n(b'0', zeros));
            out.extend_from_slice(digits);
        }
    }
}

fn write_scientific(out: &mut Vec<u8>, digits: &[u8], exponent: i32) {
    out.push(digits[0]);
    if digits.len() > 1 {
        out.push(b'.');
        out.extend_from_slice(&digits[1..]);
    }
    out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
    if exponent.unsigned_abs() < 10 {
        out.push(b'0');
    }
    write_int(out, i64::from(exponent.unsigned_abs()));
}
