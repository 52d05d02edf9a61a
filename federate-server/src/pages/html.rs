//! Text in HTML.

use std::fmt::{self, Write as _};
use std::time::Duration;

use prom_model::label::LabelSet;

/// Text that shows as itself, in an element or in a quoted attribute.
#[derive(Debug, Clone, Copy)]
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(['&', '<', '>', '"', '\'']) {
            f.write_str(&rest[..at])?;
            f.write_str(match rest.as_bytes()[at] {
                b'&' => "&amp;",
                b'<' => "&lt;",
                b'>' => "&gt;",
                b'"' => "&quot;",
                _ => "&#39;",
            })?;
            rest = &rest[at + 1..];
        }
        f.write_str(rest)
    }
}

/// The labels as a row of `name="value"` chips.
#[derive(Debug)]
pub(super) struct Chips<'a>(pub(super) &'a LabelSet);

impl fmt::Display for Chips<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<span class=\"labels\">")?;
        for (name, value) in self.0.iter() {
            let (name, value) = (Escaped(name), Escaped(value));
            write!(
                f,
                "<span class=\"label\">{name}=&quot;{value}&quot;</span> "
            )?;
        }
        f.write_str("</span>")
    }
}

/// A time as people say it: `12ms`, `3.2s`, `4m 10s`, `5h 3m`, `3d 4h`.
pub(super) fn brief(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 if duration.as_millis() == 0 => format!("{}µs", duration.as_micros()),
        0 => format!("{}ms", duration.as_millis()),
        1..60 => format!("{:.1}s", duration.as_secs_f64()),
        60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h {}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// How long before `now_ms` something happened: `3.2s ago`, or `never`.
pub(super) fn ago(then_ms: Option<i64>, now_ms: i64) -> String {
    let Some(then_ms) = then_ms else {
        return "never".to_owned();
    };
    let passed = u64::try_from(now_ms.saturating_sub(then_ms)).unwrap_or_default();
    let mut text = brief(Duration::from_millis(passed));
    let _ = text.write_str(" ago");
    text
}

/// Adds to a page; writing to a string can't fail.
pub(super) fn push(html: &mut String, text: fmt::Arguments<'_>) {
    let _ = html.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_breaks_out() {
        let f = |text: &str, want: &str| assert_eq!(Escaped(text).to_string(), want);
        f("plain ä", "plain ä");
        f(
            "<script>alert('1')</script>",
            "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;",
        );
        f("\" onload=\"x&y", "&quot; onload=&quot;x&amp;y");
        f("&lt;", "&amp;lt;");
    }

    #[test]
    fn times_are_brief() {
        let f = |ms, want: &str| assert_eq!(brief(Duration::from_millis(ms)), want);
        f(0, "0µs");
        f(12, "12ms");
        f(3200, "3.2s");
        f(250_000, "4m 10s");
        f(18_180_000, "5h 3m");
        f(273_600_000, "3d 4h");
        assert_eq!(ago(None, 0), "never");
        assert_eq!(ago(Some(5), 0), "0µs ago");
    }
}
