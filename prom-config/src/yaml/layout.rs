//! What yaml.v2 refuses in the layout of a text, and the parser underneath takes.

use std::ops::RangeInclusive;

use saphyr_parser::{Event, Span};

use crate::error::{ConfigError, Position};

/// Refuses characters that may stand nowhere in a YAML text, and versions of YAML other than 1.1.
///
/// # Errors
/// At the first such place.
pub(super) fn check_text(text: &str) -> Result<(), ConfigError> {
    for (line, number) in text.lines().zip(1..) {
        let is_allowed = |character: char| {
            matches!(
                character,
                '\t' | '\r'
                    | ' '..='~'
                    | '\u{85}'
                    | '\u{a0}'..='\u{fefe}'
                    | '\u{ff00}'..='\u{fffd}'
                    | '\u{10000}'..
            )
        };
        let column = line.chars().position(|character| !is_allowed(character));
        if let Some(column) = column {
            return Err(at(number, column).error("not YAML: a control character"));
        }
        let version = line.strip_prefix("%YAML").map(str::trim);
        if version.is_some_and(|version| version != "1.1") && is_head(text, number) {
            return Err(at(number, 0).error("not YAML 1.1"));
        }
    }
    Ok(())
}

/// Whether no content comes before the line called `number`.
fn is_head(text: &str, number: usize) -> bool {
    let mut before = text.lines().take(number - 1);
    before.all(|line| line.is_empty() || line.starts_with(['#', '%']))
}

/// Finds tabs in the place of indentation.
#[derive(Debug)]
pub(super) struct Tabs<'a> {
    text: &'a str,
    characters: Vec<char>,
    /// For each list or mapping that is open, the line where it began if it is in brackets.
    open: Vec<Option<usize>>,
    /// Lines that begin within a scalar, or between brackets.
    inner: Vec<RangeInclusive<usize>>,
}

impl<'a> Tabs<'a> {
    /// `None` where `text` has no tab.
    pub(super) fn new(text: &'a str) -> Option<Self> {
        text.contains('\t').then(|| Self {
            text,
            characters: text.chars().collect(),
            open: Vec::new(),
            inner: Vec::new(),
        })
    }

    /// Takes note of an event of the text.
    pub(super) fn see(&mut self, event: &Event<'_>, span: &Span) {
        let (start, end) = (span.start.line(), span.end.line());
        match event {
            Event::Scalar(..) => {
                // A literal's end is the start of the line behind it.
                let last = if span.end.col() == 0 {
                    end.saturating_sub(1)
                } else {
                    end
                };
                self.inner.push(start + 1..=last);
            }
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                // Of an anchor or a tag, too, but these have no brackets in them.
                let own = self.characters.get(span.start.index()..span.end.index());
                let is_flow = own.is_some_and(|own| own.iter().any(|it| "[{".contains(*it)));
                self.open.push(is_flow.then_some(start));
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(Some(start)) = self.open.pop() {
                    // Where a comma comes last, that is where the parser sees the end.
                    let rest = self
                        .characters
                        .get(span.start.index()..)
                        .unwrap_or_default();
                    let within = rest.iter().take_while(|it| !"]}".contains(**it));
                    let more = within.filter(|it| **it == '\n').count();
                    self.inner.push(start + 1..=span.start.line() + more);
                }
            }
            _ => {}
        }
    }

    /// Refuses the first tab among the blanks before what a line has, dashes of list items included.
    ///
    /// # Errors
    /// Where there is one.
    pub(super) fn check(mut self) -> Result<(), ConfigError> {
        self.inner.sort_by_key(|lines| *lines.start());
        let mut inner = self.inner.into_iter().peekable();
        let mut last_inner = 0;
        for (line, number) in self.text.lines().zip(1..) {
            while let Some(lines) = inner.next_if(|lines| *lines.start() <= number) {
                last_inner = last_inner.max(*lines.end());
            }
            if line.starts_with("---") || line.starts_with("...") {
                // What follows the first document's end doesn't count.
                if number > 1 {
                    return Ok(());
                }
                continue;
            }
            let mut blanks = line
                .chars()
                .take_while(|character| " \t-".contains(*character));
            let tab = blanks.position(|character| character == '\t');
            if let Some(column) = tab.filter(|_| number > last_inner) {
                return Err(at(number, column).error("not YAML: a tab where spaces indent"));
            }
        }
        Ok(())
    }
}

const fn at(line: usize, column: usize) -> Position {
    Position {
        line,
        column: column + 1,
    }
}
