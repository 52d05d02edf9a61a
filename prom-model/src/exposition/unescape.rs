//! Escapes, read as leniently as Prometheus reads them: what isn't an escape stands for itself.

use std::borrow::Cow;

/// Which escapes there are beside `\\` and `\n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Escapes {
    /// `\"` too: names, label values, and help texts of OpenMetrics.
    Quoted,
    /// None: help texts of the text format.
    Help,
}

/// `text` with its escapes resolved.
pub(super) fn unescape(text: &str, escapes: Escapes) -> Cow<'_, str> {
    let Some(first) = memchr::memchr(b'\\', text.as_bytes()) else {
        return Cow::Borrowed(text);
    };
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    let mut next = Some(first);
    while let Some(backslash) = next {
        let (before, escape) = rest.split_at(backslash);
        plain.push_str(before);
        let (byte, length) = match (escape.as_bytes().get(1), escapes) {
            (Some(b'\\'), _) => ('\\', 2),
            (Some(b'n'), _) => ('\n', 2),
            (Some(b'"'), Escapes::Quoted) => ('"', 2),
            _ => ('\\', 1),
        };
        plain.push(byte);
        rest = &escape[length..];
        next = memchr::memchr(b'\\', rest.as_bytes());
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_an_escape_stands_for_itself() {
        let f = |text: &str, quoted: &str, help: &str| {
            assert_eq!(unescape(text, Escapes::Quoted), quoted, "{text}");
            assert_eq!(unescape(text, Escapes::Help), help, "{text}");
        };
        f("", "", "");
        f("plain", "plain", "plain");
        f(r"a\nb", "a\nb", "a\nb");
        f(r"a\\nb", r"a\nb", r"a\nb");
        f(r#"\"q\""#, r#""q""#, r#"\"q\""#);
        f(r"\x\", r"\x\", r"\x\");
        f(r"\\\", r"\\", r"\\");
        f(r"ä\nö", "ä\nö", "ä\nö");
    }
}
