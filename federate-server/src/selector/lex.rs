//! Tokens of a selector.

use super::error::{SelectorError, SelectorErrorKind};
use prom_model::matcher::MatchOp;

/// A token with the byte where it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spanned<'a> {
    pub(super) at: usize,
    pub(super) token: Token<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// Letters, digits, `_`, and outside of braces `:`.
    Word(&'a str),
    /// A string with its quotes and escapes.
    String(&'a str),
    MatchOp(MatchOp),
    LeftBrace,
    RightBrace,
    Comma,
    /// A token of PromQL that no selector has.
    Foreign(Foreign<'a>),
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Foreign<'a> {
    Number(&'a str),
    Duration(&'a str),
    Operator(&'a str),
    Bracket(&'a str),
}

/// Which characters are tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    OutsideBraces,
    InsideBraces,
}

pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

type Result<T, E = SelectorError> = std::result::Result<T, E>;

impl<'a> Lexer<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The next token, blanks and comments left out.
    pub(super) fn next(&mut self, place: Place) -> Result<Spanned<'a>> {
        self.skip_blanks();
        let at = self.at;
        let token = match (self.peek(), place) {
            (Some('"' | '\''), _) => self.quoted(at)?,
            (Some('`'), _) => self.raw(at)?,
            (Some(','), _) => self.take(1, Token::Comma),
            (c, Place::OutsideBraces) => self.outside(c)?,
            (c, Place::InsideBraces) => self.inside(c)?,
        };
        Ok(Spanned { at, token })
    }

    fn outside(&mut self, c: Option<char>) -> Result<Token<'a>> {
        let rest = &self.text[self.at..];
        let second = rest.chars().nth(1);
        Ok(match c {
            None => Token::End,
            Some('{') => self.take(1, Token::LeftBrace),
            Some('=') if second == Some('~') => {
                return Err(self.unexpected_after('=', second));
            }
            Some('!') if second != Some('=') => return Err(self.unexpected_after('!', second)),
            Some('=') if second != Some('=') => self.take(1, Token::MatchOp(MatchOp::Equal)),
            Some('=' | '!') => self.operator(2),
            Some('<' | '>') if second == Some('=') => self.operator(2),
            Some('<' | '>' | '+' | '-' | '*' | '/' | '%' | '^' | '@') => self.operator(1),
            Some('(' | '[') => self.take(1, Token::Foreign(Foreign::Bracket(&rest[..1]))),
            Some(')') => {
                let kind = "unexpected right parenthesis ')'".to_owned();
                return Err(self.error(self.at + 1, kind));
            }
            Some(']') => {
                return Err(self.error(self.at, "unexpected right bracket ']'".to_owned()));
            }
            Some(c) if is_word_start(c) || c == ':' => {
                let word = self.word(|c| is_word_char(c) || c == ':');
                match word.to_ascii_lowercase().as_str() {
                    "inf" | "nan" => Token::Foreign(Foreign::Number(word)),
                    _ => Token::Word(word),
                }
            }
            Some('0'..='9') => self.number()?,
            Some('.') if second.is_some_and(|c| c.is_ascii_digit()) => self.number()?,
            Some(c) => return Err(self.error(self.at, format!("unexpected character: {c:?}"))),
        })
    }

    fn inside(&mut self, c: Option<char>) -> Result<Token<'a>> {
        let second = self.text[self.at..].chars().nth(1);
        Ok(match (c, second) {
            (Some('}'), _) => self.take(1, Token::RightBrace),
            (Some('='), Some('~')) => self.take(2, Token::MatchOp(MatchOp::Regex)),
            (Some('='), _) => self.take(1, Token::MatchOp(MatchOp::Equal)),
            (Some('!'), Some('~')) => self.take(2, Token::MatchOp(MatchOp::NotRegex)),
            (Some('!'), Some('=')) => self.take(2, Token::MatchOp(MatchOp::NotEqual)),
            (Some('!'), _) => {
                let after = shown(second);
                let kind = format!("unexpected character after '!' inside braces: {after}");
                return Err(self.error(self.at, kind));
            }
            (Some(c), _) if is_word_start(c) => Token::Word(self.word(is_word_char)),
            (Some('{'), _) => {
                return Err(self.error(self.at, "unexpected left brace '{'".to_owned()));
            }
            (Some(c), _) => {
                let kind = format!("unexpected character inside braces: {c:?}");
                return Err(self.error(self.at, kind));
            }
            (None, _) => {
                let kind = "unexpected end of input inside braces".to_owned();
                return Err(self.error(self.at, kind));
            }
        })
    }

    fn quoted(&mut self, start: usize) -> Result<Token<'a>> {
        let quote = self.bump();
        loop {
            match self.bump() {
                None | Some('\n') => {
                    return Err(self.error(start, "unterminated quoted string".to_owned()));
                }
                // Go can't tell a replacement character from bytes that aren't UTF-8.
                Some('\u{fffd}') => {
                    return Err(self.error(start, "invalid UTF-8 rune".to_owned()));
                }
                Some('\\') => self.escape(quote).map_err(|kind| self.error(start, kind))?,
                c if c == quote => return Ok(Token::String(&self.text[start..self.at])),
                Some(_) => {}
            }
        }
    }

    fn raw(&mut self, start: usize) -> Result<Token<'a>> {
        let quote = self.bump();
        loop {
            match self.bump() {
                None => return Err(self.error(start, "unterminated raw string".to_owned())),
                Some('\u{fffd}') => {
                    return Err(self.error(start, "invalid UTF-8 rune".to_owned()));
                }
                c if c == quote => return Ok(Token::String(&self.text[start..self.at])),
                Some(_) => {}
            }
        }
    }

    /// Checks the escape whose backslash has been read.
    fn escape(&mut self, quote: Option<char>) -> std::result::Result<(), String> {
        let c = self.peek();
        let (digits, radix, max) = match c {
            None => return Err("escape sequence not terminated".to_owned()),
            Some('a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '\\') => {
                self.bump();
                return Ok(());
            }
            Some('0'..='7') => (3, 8, 255),
            Some('x') => (2, 16, 255),
            Some('u') => (4, 16, u32::from(char::MAX)),
            Some('U') => (8, 16, u32::from(char::MAX)),
            _ if c == quote => {
                self.bump();
                return Ok(());
            }
            Some(c) => return Err(format!("unknown escape sequence {}", code_point(c))),
        };
        if radix == 16 {
            self.bump();
        }
        let mut value = 0_u64;
        for _ in 0..digits {
            let Some(c) = self.bump() else {
                return Err("escape sequence not terminated".to_owned());
            };
            let Some(digit) = c.to_digit(radix) else {
                let c = code_point(c);
                return Err(format!("illegal character {c} in escape sequence"));
            };
            value = value * u64::from(radix) + u64::from(digit);
        }
        if value > u64::from(max) || (0xd800..0xe000).contains(&value) {
            return Err("escape sequence is an invalid Unicode code point".to_owned());
        }
        Ok(())
    }

    /// Reads what starts like a number, roughly as PromQL does: it is an error in any case.
    fn number(&mut self) -> Result<Token<'a>> {
        let start = self.at;
        let word = self.word(|c| is_word_char(c) || c == '.');
        let hex = word.len() > 1 && word[..2].eq_ignore_ascii_case("0x");
        if hex || word.replace('_', "").parse::<f64>().is_ok() {
            return Ok(Token::Foreign(Foreign::Number(word)));
        }
        let unit = |c| matches!(c, 's' | 'm' | 'h' | 'd' | 'w' | 'y');
        if word.ends_with(unit) && word.chars().all(|c| c.is_ascii_digit() || unit(c)) {
            return Ok(Token::Foreign(Foreign::Duration(word)));
        }
        Err(self.error(start, format!("bad number or duration syntax: {word:?}")))
    }

    fn skip_blanks(&mut self) {
        loop {
            match self.peek() {
                Some(' ' | '\t' | '\n' | '\r') => {
                    self.bump();
                }
                Some('#') => {
                    let rest = &self.text[self.at..];
                    self.at += rest.find(['\n', '\r']).unwrap_or(rest.len());
                }
                _ => return,
            }
        }
    }

    fn word(&mut self, part: impl Fn(char) -> bool) -> &'a str {
        let rest = &self.text[self.at..];
        let end = rest.find(|c| !part(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn operator(&mut self, length: usize) -> Token<'a> {
        let operator = &self.text[self.at..self.at + length];
        self.take(length, Token::Foreign(Foreign::Operator(operator)))
    }

    fn take(&mut self, length: usize, token: Token<'a>) -> Token<'a> {
        self.at += length;
        token
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn unexpected_after(&self, first: char, second: Option<char>) -> SelectorError {
        let second = shown(second);
        self.error(
            self.at,
            format!("unexpected character after '{first}': {second}"),
        )
    }

    fn error(&self, at: usize, message: String) -> SelectorError {
        SelectorError::at(self.text, at, SelectorErrorKind::Lexical(message))
    }
}

const fn is_word_start(c: char) -> bool {
    c == '_' || c.is_ascii_alphabetic()
}

const fn is_word_char(c: char) -> bool {
    c == '_' || c.is_ascii_alphanumeric()
}

/// A character in quotes, and at the end of the text what Go makes of it.
fn shown(c: Option<char>) -> String {
    format!("{:?}", c.unwrap_or('\u{fffd}'))
}

/// `U+0064 'd'`, the character left out where it can't be shown.
fn code_point(c: char) -> String {
    let number = format!("U+{:04X}", u32::from(c));
    if c.is_control() {
        number
    } else {
        format!("{number} '{c}'")
    }
}
