//! The lexical rules that both text formats share, byte by byte as Prometheus' generated lexers have them.

use std::ops::Range;

use super::Format;
use super::error::{Found, ParseError, ParseErrorKind};

/// What becomes of NUL bytes.
///
/// Prometheus' lexers step over them within label values, help texts and comments. There they stay in what was
/// read; elsewhere they match nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nul {
    Reject,
    Skip,
}

/// Whether a quoted string may run over a line's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Newline {
    Reject,
    Accept,
}

/// A position in a body.
#[derive(Debug, Clone)]
pub(super) struct Scanner<'a> {
    pub(super) body: &'a [u8],
    pub(super) at: usize,
    pub(super) format: Format,
}

impl<'a> Scanner<'a> {
    /// The byte at the position; `None` behind the last one. A text body ends with a newline, whether it has one or not.
    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        match self.body.get(self.at) {
            Some(&byte) => Some(byte),
            None if self.at == self.body.len() && self.format == Format::Text => Some(b'\n'),
            None => None,
        }
    }

    pub(super) fn advance(&mut self, nul: Nul) {
        self.at += 1;
        while nul == Nul::Skip && self.body.get(self.at) == Some(&0) {
            self.at += 1;
        }
    }

    /// Steps over `byte`, or says no.
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.at += 1;
        }
        found
    }

    /// Steps over spaces and tabs.
    pub(super) fn skip_blanks(&mut self, nul: Nul) {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.advance(nul);
        }
    }

    /// Steps over `word`, or as much of it as there is and says no.
    pub(super) fn eat_word(&mut self, word: &[u8], nul: Nul) -> bool {
        word.iter().all(|&byte| {
            let found = self.peek() == Some(byte);
            if found {
                self.advance(nul);
            }
            found
        })
    }

    /// Steps to the next byte out of `stops`, NUL or the end of the body.
    pub(super) fn skip_token(&mut self, is_stop: impl Fn(u8) -> bool) -> &'a [u8] {
        let start = self.at;
        let rest = &self.body[start.min(self.body.len())..];
        let length = rest
            .iter()
            .position(|&byte| byte == 0 || is_stop(byte))
            .unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// Steps over a metric name without quotes.
    pub(super) fn eat_metric_name(&mut self) -> Option<Range<usize>> {
        self.eat_name(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':')
    }

    /// Steps over a label name without quotes.
    pub(super) fn eat_label_name(&mut self) -> Option<Range<usize>> {
        self.eat_name(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    }

    fn eat_name(&mut self, is_part: impl Fn(u8) -> bool) -> Option<Range<usize>> {
        let start = self.at;
        let rest = self.body.get(start..)?;
        let length = rest
            .iter()
            .position(|&byte| !is_part(byte))
            .unwrap_or(rest.len());
        if length == 0 || rest[0].is_ascii_digit() {
            return None;
        }
        self.at += length;
        Some(start..self.at)
    }

    /// Steps over a string in quotes and returns where it is, quotes included.
    ///
    /// # Errors
    /// Where there is no `"`, or the string doesn't end.
    pub(super) fn eat_quoted(
        &mut self,
        nul: Nul,
        newline: Newline,
        expected: &'static str,
    ) -> Result<Range<usize>, ParseError> {
        let start = self.at;
        if self.peek() != Some(b'"') {
            return Err(self.unexpected(expected));
        }
        self.advance(nul);
        loop {
            self.skip_ordinary(nul, newline);
            match self.peek() {
                Some(b'"') => {
                    self.advance(nul);
                    return Ok(start..self.at);
                }
                Some(b'\\') => {
                    self.advance(nul);
                    match self.peek() {
                        None | Some(b'\n' | 0) => return Err(self.unexpected("an escaped byte")),
                        Some(_) => self.advance(nul),
                    }
                }
                Some(b'\n') if newline == Newline::Accept => self.at += 1,
                _ => return Err(self.unexpected("a closing quote")),
            }
        }
    }

    /// Steps to the next byte that means something in a quoted string.
    fn skip_ordinary(&mut self, nul: Nul, newline: Newline) {
        let rest = &self.body[self.at.min(self.body.len())..];
        let special = match (nul, newline) {
            (Nul::Skip, Newline::Accept) => memchr::memchr2(b'"', b'\\', rest),
            (Nul::Skip, Newline::Reject) => memchr::memchr3(b'"', b'\\', b'\n', rest),
            (Nul::Reject, Newline::Accept) => memchr::memchr3(b'"', b'\\', 0, rest),
            (Nul::Reject, Newline::Reject) => rest
                .iter()
                .position(|byte| matches!(byte, b'"' | b'\\' | b'\n' | 0)),
        };
        self.at += special.unwrap_or(rest.len());
    }

    /// The rest of the line, and the position at its newline or at the end of the body.
    pub(super) fn rest_of_line(&mut self) -> &'a [u8] {
        let rest = &self.body[self.at.min(self.body.len())..];
        let length = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    pub(super) fn error(&self, at: usize, kind: ParseErrorKind) -> ParseError {
        ParseError::new(self.body, at, kind)
    }

    /// The error of what is at the position.
    pub(super) fn unexpected(&self, expected: &'static str) -> ParseError {
        let found = Found::at(self.body, self.at);
        self.error(self.at, ParseErrorKind::Unexpected { expected, found })
    }
}
