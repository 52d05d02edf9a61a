//! Log events as lines of text.

use std::fmt::{self, Debug, Write as _};
use std::io::Write as _;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// How a line is written. Both have the keys `time`, `level`, `source` and `msg`, as in Prometheus, then the event's
/// fields, then those of the spans it is in, innermost first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineFormat {
    /// `key=value`, values quoted as in Go where they have to be.
    Logfmt,
    /// An object.
    Json,
}

/// Writes each event to standard error.
#[derive(Debug)]
pub(super) struct Lines(pub(super) LineFormat);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        let mut time = String::new();
        // A string takes whatever is written.
        let _ = SystemTime.format_time(&mut Writer::new(&mut time));
        let mut line = Line::new(self.0);
        line.text("time", &time);
        line.text("level", metadata.level().as_str());
        line.text("source", metadata.target());
        let mut fields = Fields::default();
        event.record(&mut fields);
        line.text("msg", &fields.message);
        line.fields(&fields);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(fields) = span.extensions().get::<Fields>() {
                line.fields(fields);
            }
        }
        // There is nobody to tell where standard error is closed.
        let _ = std::io::stderr().write_all(line.end().as_bytes());
    }
}

/// The fields of an event or a span.
#[derive(Debug, Default)]
struct Fields {
    message: String,
    others: Vec<(&'static str, Value)>,
}

#[derive(Debug)]
enum Value {
    Text(String),
    /// Written the same in both formats.
    Plain(String),
}

impl Fields {
    fn set(&mut self, field: &Field, value: Value) {
        self.others.push((field.name(), value));
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            self.set(field, Value::Text(format!("{value:?}")));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, Value::Text(value.to_owned()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, Value::Plain(value.to_string()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, Value::Plain(value.to_string()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, Value::Plain(value.to_string()));
    }
}

/// A line in the making. Of several fields of one name the first one counts.
struct Line {
    format: LineFormat,
    text: String,
    names: Vec<&'static str>,
}

impl Line {
    fn new(format: LineFormat) -> Self {
        let text = match format {
            LineFormat::Logfmt => String::new(),
            LineFormat::Json => "{".to_owned(),
        };
        Self {
            format,
            text,
            names: Vec::new(),
        }
    }

    fn fields(&mut self, fields: &Fields) {
        for (name, value) in &fields.others {
            match value {
                Value::Text(value) => self.text(name, value),
                Value::Plain(value) => self.plain(name, value),
            }
        }
    }

    fn text(&mut self, name: &'static str, value: &str) {
        let quoted = match self.format {
            LineFormat::Logfmt if needs_quotes(value) => go_quoted(value),
            LineFormat::Logfmt => value.to_owned(),
            LineFormat::Json => serde_json::Value::from(value).to_string(),
        };
        self.plain(name, &quoted);
    }

    fn plain(&mut self, name: &'static str, value: &str) {
        if self.names.contains(&name) {
            return;
        }
        let is_first = self.names.is_empty();
        self.names.push(name);
        let written = match (self.format, is_first) {
            (LineFormat::Logfmt, true) => write!(self.text, "{name}={value}"),
            (LineFormat::Logfmt, false) => write!(self.text, " {name}={value}"),
            (LineFormat::Json, true) => write!(self.text, "\"{name}\":{value}"),
            (LineFormat::Json, false) => write!(self.text, ",\"{name}\":{value}"),
        };
        // A string takes whatever is written.
        let _ = written;
    }

    fn end(mut self) -> String {
        self.text.push_str(match self.format {
            LineFormat::Logfmt => "\n",
            LineFormat::Json => "}\n",
        });
        self.text
    }
}

fn needs_quotes(value: &str) -> bool {
    let is_special = |c: char| matches!(c, ' ' | '=' | '"' | '\\') || is_unprintable(c);
    value.is_empty() || value.contains(is_special)
}

/// Control characters, and what changes the order or look of the characters around it.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// As Go's `strconv.Quote` does, by which readers of logfmt unquote.
fn go_quoted(value: &str) -> String {
    let mut quoted = String::with_capacity(value.len() + 2);
    quoted.push('"');
    for c in value.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if is_unprintable(c) => escape(&mut quoted, c),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

fn escape(quoted: &mut String, c: char) {
    let code = u32::from(c);
    let written: fmt::Result = if code < 0x80 {
        write!(quoted, "\\x{code:02x}")
    } else {
        write!(quoted, "\\u{code:04x}")
    };
    // A string takes whatever is written.
    let _ = written;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(format: LineFormat) -> String {
        let mut line = Line::new(format);
        line.text("msg", "can't go on");
        line.fields(&Fields {
            message: String::new(),
            others: vec![
                ("count", Value::Plain("3".to_owned())),
                ("target.url", Value::Text("https://h:1/m".to_owned())),
                ("error", Value::Text("a \"b\"\n\u{1b}[31m".to_owned())),
                ("count", Value::Plain("4".to_owned())),
            ],
        });
        line.end()
    }

    #[test]
    fn logfmt_is_quoted_as_in_go() {
        let want = "msg=\"can't go on\" count=3 target.url=https://h:1/m \
                    error=\"a \\\"b\\\"\\n\\x1b[31m\"\n";
        assert_eq!(line(LineFormat::Logfmt), want);
        let f = |value: &str, want: &str| {
            let shown = if needs_quotes(value) {
                go_quoted(value)
            } else {
                value.to_owned()
            };
            assert_eq!(shown, want);
        };
        f("", "\"\"");
        f("ä'µ", "ä'µ");
        f("a=b", "\"a=b\"");
        f("C:\\x", "\"C:\\\\x\"");
        f("\u{202e}\u{7f}\u{85}", "\"\\u202e\\x7f\\u0085\"");
    }

    #[test]
    fn json_is_an_object() {
        let want = serde_json::json!({
            "msg": "can't go on",
            "count": 3,
            "target.url": "https://h:1/m",
            "error": "a \"b\"\n\u{1b}[31m",
        });
        let line = line(LineFormat::Json);
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&line).unwrap(),
            want
        );
        assert!(line.ends_with("}\n"), "{line}");
    }
}
