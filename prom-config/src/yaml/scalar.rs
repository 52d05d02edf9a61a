//! What a scalar means: the types of YAML 1.1 as Go's yaml.v2 resolves them.

/// A scalar as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scalar {
    pub(crate) text: Box<str>,
    pub(crate) style: Style,
    pub(crate) tag: Tag,
}

/// Whether a scalar may be something other than a string by its look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Quoted,
}

/// An explicit type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tag {
    Absent,
    Null,
    Bool,
    Int,
    Float,
    Str,
    Timestamp,
    Binary,
    Merge,
    /// Some other type; the scalar is then a string.
    Other,
}

/// A scalar with its type. A string is the scalar's text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Resolved {
    Null,
    Bool(bool),
    Int(i64),
    /// An integer above `i64::MAX`.
    Large(u64),
    Float(f64),
    Str,
}

impl Resolved {
    /// The type with its article, for messages.
    pub(crate) const fn noun(self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::Large(_) => "an integer",
            Self::Float(_) => "a number",
            Self::Str => "a string",
        }
    }
}

impl Scalar {
    /// `text` without quotes and tag.
    pub(crate) fn plain(text: &str) -> Self {
        Self {
            text: text.into(),
            style: Style::Plain,
            tag: Tag::Absent,
        }
    }

    /// Whether it starts like a date, which some readers take for one.
    pub(crate) fn is_timestamp(&self) -> bool {
        let digits = self.text.bytes().take_while(u8::is_ascii_digit).count();
        digits == 4 && self.text.as_bytes().get(4) == Some(&b'-')
    }

    /// Whether this is the key that merges other mappings.
    pub(crate) fn is_merge_key(&self) -> bool {
        &*self.text == "<<"
            && match self.tag {
                Tag::Absent => self.style == Style::Plain,
                Tag::Merge => true,
                _ => false,
            }
    }

    /// The scalar with its type, or why its tag doesn't fit its text.
    pub(crate) fn resolve(&self) -> Result<Resolved, &'static str> {
        let plain = || by_look(&self.text);
        match (self.tag, self.style) {
            (Tag::Absent, Style::Plain) => Ok(plain()),
            (Tag::Absent, Style::Quoted) | (Tag::Str | Tag::Other | Tag::Merge, _) => {
                Ok(Resolved::Str)
            }
            (Tag::Timestamp, _) => match plain() {
                Resolved::Str => Ok(Resolved::Str),
                _ => Err("not a timestamp, as its tag !!timestamp says"),
            },
            (Tag::Binary, _) => Err("!!binary values are not supported"),
            (Tag::Null, _) => match plain() {
                Resolved::Null => Ok(Resolved::Null),
                _ => Err("not null, as its tag !!null says"),
            },
            (Tag::Bool, _) => match plain() {
                Resolved::Bool(value) => Ok(Resolved::Bool(value)),
                _ => Err("not a boolean, as its tag !!bool says"),
            },
            (Tag::Int, _) => match plain() {
                value @ (Resolved::Int(_) | Resolved::Large(_)) => Ok(value),
                _ => Err("not an integer, as its tag !!int says"),
            },
            (Tag::Float, _) => match plain() {
                value @ Resolved::Float(_) => Ok(value),
                Resolved::Int(value) => Ok(Resolved::Float(value as f64)),
                _ => Err("not a number, as its tag !!float says"),
            },
        }
    }
}

/// The type that an unquoted text has by its look.
fn by_look(text: &str) -> Resolved {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Resolved::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Resolved::Bool(true);
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Resolved::Bool(false);
        }
        ".nan" | ".NaN" | ".NAN" => return Resolved::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Resolved::Float(f64::INFINITY);
        }
        "-.inf" | "-.Inf" | "-.INF" => return Resolved::Float(f64::NEG_INFINITY),
        _ => {}
    }
    match text.as_bytes()[0] {
        b'.' => float(text).map_or(Resolved::Str, Resolved::Float),
        b'+' | b'-' | b'0'..=b'9' => {
            let digits = text.replace('_', "");
            integer(&digits)
                .or_else(|| float(&digits).map(Resolved::Float))
                .unwrap_or(Resolved::Str)
        }
        _ => Resolved::Str,
    }
}

/// An integer as Go reads one without a given base: `0x`, `0o` or a leading `0` for octal, `0b`.
fn integer(text: &str) -> Option<Resolved> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = if let Some(hex) = lower.strip_prefix("0x") {
        (16, hex)
    } else if let Some(octal) = lower.strip_prefix("0o") {
        (8, octal)
    } else if let Some(binary) = lower.strip_prefix("0b") {
        (2, binary)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, &lower[1..])
    } else {
        (10, &*lower)
    };
    // `from_str_radix` would take a second sign.
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    if negative {
        return i64::try_from(-i128::from(magnitude))
            .ok()
            .map(Resolved::Int);
    }
    Some(i64::try_from(magnitude).map_or(Resolved::Large(magnitude), Resolved::Int))
}

/// A decimal number: `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`.
fn float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let numeric = unsigned
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-'));
    // Rust's own grammar is the same apart from `inf` and `nan`, which have other letters.
    let value: f64 = text.parse().ok().filter(|_| numeric)?;
    // Out of range is no number in Go.
    value.is_finite().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Resolved {
        by_look(text)
    }

    #[test]
    fn numbers_are_those_of_yaml_1_1() {
        let f = |text: &str, want| assert_eq!(plain(text), want, "{text}");
        f("0", Resolved::Int(0));
        f("017", Resolved::Int(15));
        f("0o17", Resolved::Int(15));
        f("08", Resolved::Float(8.0));
        f("0x1F", Resolved::Int(31));
        f("0b101", Resolved::Int(5));
        f("-0b101", Resolved::Int(-5));
        f("1_000", Resolved::Int(1000));
        f("+5", Resolved::Int(5));
        f("1e3", Resolved::Float(1000.0));
        f("1.5", Resolved::Float(1.5));
        f(".5", Resolved::Float(0.5));
        f("5.", Resolved::Float(5.0));
        f("18446744073709551615", Resolved::Large(u64::MAX));
        f(
            "18446744073709551616",
            Resolved::Float(18_446_744_073_709_551_616.0),
        );
        f("-9223372036854775808", Resolved::Int(i64::MIN));
        for text in [
            "1h",
            "1.2.3.4",
            "2001-12-14",
            "0x",
            "--1",
            "1e999",
            "infinity",
            "nan",
            "-",
            ".",
        ] {
            f(text, Resolved::Str);
        }
    }

    #[test]
    fn booleans_are_those_of_yaml_1_1() {
        for text in ["y", "Yes", "on", "ON", "True"] {
            assert_eq!(plain(text), Resolved::Bool(true), "{text}");
        }
        for text in ["n", "NO", "off", "FALSE"] {
            assert_eq!(plain(text), Resolved::Bool(false), "{text}");
        }
        for text in ["yES", "tRUE", "oN"] {
            assert_eq!(plain(text), Resolved::Str, "{text}");
        }
    }
}
