//! From tokens to matchers.

use prom_model::label::METRIC_NAME;
use prom_model::matcher::{MatchOp, Matcher};
use prom_model::regex::Regex;

use super::error::{SelectorError, SelectorErrorKind};
use super::lex::{Foreign, Lexer, Place, Spanned, Token};
use super::unquote::unquote;
use super::{MAX_EXPRESSION_BYTES, MAX_SELECTOR_BYTES};

type Result<T, E = SelectorError> = std::result::Result<T, E>;

/// The matchers of the one selector that `text` is.
pub(super) fn parse(text: &str) -> Result<Vec<Matcher>> {
    let mut parser = Parser {
        text,
        lexer: Lexer::new(text),
        matchers: Vec::new(),
        expression_bytes: 0,
    };
    if text.len() > MAX_SELECTOR_BYTES {
        let limit = MAX_SELECTOR_BYTES;
        return Err(parser.error(0, SelectorErrorKind::TooLong { limit }));
    }
    parser.selector()?;
    Ok(parser.matchers)
}

struct Parser<'a> {
    text: &'a str,
    lexer: Lexer<'a>,
    matchers: Vec<Matcher>,
    expression_bytes: usize,
}

impl<'a> Parser<'a> {
    fn selector(&mut self) -> Result<()> {
        let mut next = self.lexer.next(Place::OutsideBraces)?;
        let mut name = None;
        if let Token::Word(word) = next.token
            && !is_reserved(word)
        {
            name = Some((next.at, word));
            next = self.lexer.next(Place::OutsideBraces)?;
        }
        if next.token == Token::LeftBrace {
            self.matchers()?;
            next = self.lexer.next(Place::OutsideBraces)?;
        } else if name.is_none() {
            return Err(self.unexpected(next, ""));
        }
        if next.token != Token::End {
            return Err(self.unexpected(next, ""));
        }
        if let Some((at, name)) = name {
            self.push(at, METRIC_NAME, MatchOp::Equal, name)?;
        }
        Ok(())
    }

    /// Reads what follows the opening brace, and the closing one.
    fn matchers(&mut self) -> Result<()> {
        loop {
            let next = self.lexer.next(Place::InsideBraces)?;
            let after = match next.token {
                Token::RightBrace => return Ok(()),
                Token::Word(label) => {
                    let op = self.lexer.next(Place::InsideBraces)?;
                    let Token::MatchOp(op) = op.token else {
                        return Err(self.unexpected(op, "expected label matching operator"));
                    };
                    self.value(next.at, label, op)?;
                    self.lexer.next(Place::InsideBraces)?
                }
                Token::String(quoted) => {
                    let label = self.unquote(next.at, quoted)?;
                    let after = self.lexer.next(Place::InsideBraces)?;
                    if let Token::MatchOp(op) = after.token {
                        self.value(next.at, &label, op)?;
                        self.lexer.next(Place::InsideBraces)?
                    } else {
                        self.push(next.at, METRIC_NAME, MatchOp::Equal, &label)?;
                        after
                    }
                }
                _ => return Err(self.unexpected(next, r#"expected identifier or "}""#)),
            };
            match after.token {
                Token::Comma => {}
                Token::RightBrace => return Ok(()),
                _ => return Err(self.unexpected(after, r#"expected "," or "}""#)),
            }
            // A comma alone is no list, so `{,}` is refused and `{a="b",}` isn't.
        }
    }

    fn value(&mut self, at: usize, label: &str, op: MatchOp) -> Result<()> {
        let value = self.lexer.next(Place::InsideBraces)?;
        let Token::String(quoted) = value.token else {
            return Err(self.unexpected(value, "expected string"));
        };
        let value = self.unquote(value.at, quoted)?;
        self.push(at, label, op, &value)
    }

    fn push(&mut self, at: usize, label: &str, op: MatchOp, value: &str) -> Result<()> {
        let matcher = Matcher::new(label, op, value).map_err(|err| self.error(at, err.into()))?;
        self.expression_bytes += matcher.regex().map_or(0, Regex::memory_usage);
        if self.expression_bytes > MAX_EXPRESSION_BYTES {
            let limit = MAX_EXPRESSION_BYTES;
            return Err(self.error(at, SelectorErrorKind::TooLarge { limit }));
        }
        self.matchers.push(matcher);
        Ok(())
    }

    fn unquote(&self, at: usize, quoted: &str) -> Result<String> {
        unquote(quoted).ok_or_else(|| self.error(at, SelectorErrorKind::NotUtf8))
    }

    /// `expected` is empty outside of braces.
    fn unexpected(&self, found: Spanned<'a>, expected: &str) -> SelectorError {
        let mut message = match found.token {
            // Keywords are ordinary names within braces.
            Token::Word(word) if !expected.is_empty() => format!("identifier {word:?}"),
            token => describe(token),
        };
        if !expected.is_empty() {
            message.push_str(" in label matching, ");
            message.push_str(expected);
        }
        self.error(found.at, SelectorErrorKind::Unexpected(message))
    }

    fn error(&self, at: usize, kind: SelectorErrorKind) -> SelectorError {
        SelectorError::at(self.text, at, kind)
    }
}

/// Whether PromQL's grammar has no place for `word` as a metric's name. Most keywords are names too.
fn is_reserved(word: &str) -> bool {
    let reserved = [
        "atan2",
        "bool",
        "group_left",
        "group_right",
        "ignoring",
        "on",
    ];
    reserved.iter().any(|it| word.eq_ignore_ascii_case(it))
}

/// A token as Prometheus' parser names it.
fn describe(token: Token<'_>) -> String {
    match token {
        Token::Word(word) => describe_word(word),
        Token::String(quoted) => format!("string {}", abridged(quoted)),
        Token::MatchOp(MatchOp::Equal) => r#""=""#.to_owned(),
        Token::MatchOp(op) => format!("<op:{}>", op.as_str()),
        Token::LeftBrace => r#""{""#.to_owned(),
        Token::RightBrace => r#""}""#.to_owned(),
        Token::Comma => r#"",""#.to_owned(),
        Token::End => "end of input".to_owned(),
        Token::Foreign(Foreign::Number(number)) => format!("number {}", abridged(number)),
        Token::Foreign(Foreign::Duration(duration)) => format!("duration {}", abridged(duration)),
        Token::Foreign(Foreign::Operator(operator)) => format!("<op:{operator}>"),
        Token::Foreign(Foreign::Bracket(bracket)) => format!("{bracket:?}"),
    }
}

fn describe_word(word: &str) -> String {
    match word.to_ascii_lowercase().as_str() {
        "and" | "or" | "unless" | "atan2" => format!("<op:{word}>"),
        "sum" | "avg" | "count" | "min" | "max" | "group" | "stddev" | "stdvar" | "topk"
        | "bottomk" | "count_values" | "quantile" | "limitk" | "limit_ratio" => {
            format!("<aggr:{word}>")
        }
        "offset" | "by" | "without" | "on" | "ignoring" | "group_left" | "group_right" | "bool" => {
            format!("<{word}>")
        }
        "start" | "end" => format!("{word:?}"),
        _ if word.contains(':') => format!("metric identifier {word:?}"),
        _ => format!("identifier {word:?}"),
    }
}

/// `text` in quotes, its end left out past ten characters.
fn abridged(text: &str) -> String {
    match text.char_indices().nth(10) {
        Some((end, _)) => format!("{:?}...", &text[..end]),
        None => format!("{text:?}"),
    }
}
