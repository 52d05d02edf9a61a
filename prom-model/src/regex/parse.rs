//! RE2 syntax, as Go's `regexp/syntax` reads it with Perl flags.
//!
//! The parser keeps its own stack, so nesting in the text costs no call stack. What it builds is
//! at most [`MAX_HEIGHT`] levels deep, which bounds the recursion of whoever walks it.

use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, Hir, Look};

use super::class::{self, Case, Sense};
use super::error::{RegexError, RegexErrorKind};
use super::node::{Bounds, Kind, Node};

/// Bytes of one expression. Go has no limit of its own here.
const MAX_EXPRESSION_BYTES: usize = 1 << 20;
/// Levels of nesting, as in Go.
const MAX_HEIGHT: u32 = 1000;
/// Instructions that Go's compiler would need, by its estimate.
const MAX_INSTRUCTIONS: u64 = (128 << 20) / 40;
/// Largest count in `{n,m}`, also for the product of nested ones, as in Go.
const MAX_REPEAT: u32 = 1000;
/// Ranges in all the classes of one expression; `\pL` has some 650.
const MAX_CLASS_RANGES: usize = 1 << 18;

/// Whether `.` matches a newline where no flag says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DotMatchesNewline {
    Yes,
    No,
}

/// What an expression means.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) hir: Hir,
    /// Names of the groups 1, 2, …, empty for a nameless one.
    pub(super) names: Vec<Box<str>>,
    /// Levels of nesting in `hir`, which whoever walks it recursively descends.
    pub(super) height: u32,
}

/// Parses all of `expression`.
pub(super) fn parse(expression: &str, dot: DotMatchesNewline) -> Result<Parsed, RegexError> {
    if expression.len() > MAX_EXPRESSION_BYTES {
        let start = expression.floor_char_boundary(32);
        return Err(RegexError::new(
            RegexErrorKind::TooLarge,
            &format!("{}…", &expression[..start]),
        ));
    }
    let mut parser = Parser {
        whole: expression,
        rest: expression,
        flags: Flags {
            case: Case::Exact,
            multi_line: false,
            dot_matches_newline: dot == DotMatchesNewline::Yes,
            lazy: false,
        },
        stack: Vec::new(),
        names: Vec::new(),
        class_ranges: 0,
    };
    parser.run()?;
    let node = parser.alternation()?;
    if !parser.stack.is_empty() {
        return Err(parser.error(RegexErrorKind::MissingParen));
    }
    Ok(Parsed {
        hir: node.hir,
        names: parser.names,
        height: node.height,
    })
}

#[derive(Debug, Clone, Copy)]
struct Flags {
    case: Case,
    multi_line: bool,
    dot_matches_newline: bool,
    lazy: bool,
}

#[derive(Debug)]
enum Item {
    Node(Node),
    Bar,
    /// An open group, with the flags to return to when it closes.
    Group {
        flags: Flags,
        capture: Option<u32>,
    },
}

struct Parser<'a> {
    whole: &'a str,
    rest: &'a str,
    flags: Flags,
    stack: Vec<Item>,
    names: Vec<Box<str>>,
    class_ranges: usize,
}

type Result<T, E = RegexError> = std::result::Result<T, E>;

impl<'a> Parser<'a> {
    fn run(&mut self) -> Result<()> {
        // What follows the operand of the repetition just parsed, to tell `a**` from `a*`.
        let mut last_repeat = None;
        while let Some(c) = self.rest.chars().next() {
            let before = self.rest;
            let repeat = match c {
                '*' => Some(Bounds::new(0, None)),
                '+' => Some(Bounds::new(1, None)),
                '?' => Some(Bounds::new(0, Some(1))),
                '{' => self.repeat_bounds()?,
                _ => None,
            };
            if let Some(bounds) = repeat {
                if !bounds.counted {
                    self.rest = &self.rest[1..];
                }
                self.repeat(bounds, before, last_repeat)?;
                last_repeat = Some(before);
                continue;
            }
            last_repeat = None;
            self.rest = &self.rest[c.len_utf8()..];
            match c {
                '(' => self.open_group(before)?,
                ')' => self.close_group()?,
                '|' => {
                    let node = self.concat()?;
                    self.stack.push(Item::Node(node));
                    self.stack.push(Item::Bar);
                }
                '^' if self.flags.multi_line => self.look(Look::StartLF)?,
                '^' => self.look(Look::Start)?,
                '$' if self.flags.multi_line => self.look(Look::EndLF)?,
                '$' => self.look(Look::End)?,
                '.' => {
                    let class = if self.flags.dot_matches_newline {
                        class::range(0, char::MAX.into(), Case::Exact)
                    } else {
                        let mut newline = class::range('\n'.into(), '\n'.into(), Case::Exact);
                        newline.negate();
                        newline
                    };
                    self.push_class(class)?;
                }
                '[' => self.class(before)?,
                '\\' => self.escape(before)?,
                _ => self.literal(c.into())?,
            }
        }
        Ok(())
    }

    fn error(&self, kind: RegexErrorKind) -> RegexError {
        RegexError::new(kind, self.whole)
    }

    /// An error about the text from the start of `from` to where the parser is.
    fn error_since(&self, kind: RegexErrorKind, from: &str) -> RegexError {
        RegexError::new(kind, &from[..from.len() - self.rest.len()])
    }

    fn push(&mut self, node: Node) -> Result<()> {
        let node = self.checked(node)?;
        self.stack.push(Item::Node(node));
        Ok(())
    }

    fn checked(&self, node: Node) -> Result<Node> {
        if node.instructions > MAX_INSTRUCTIONS {
            return Err(self.error(RegexErrorKind::TooLarge));
        }
        if node.height > MAX_HEIGHT {
            return Err(self.error(RegexErrorKind::NestingDepth));
        }
        Ok(node)
    }

    fn look(&mut self, look: Look) -> Result<()> {
        self.push(Node::leaf(Hir::look(look), Kind::Other))
    }

    fn literal(&mut self, c: u32) -> Result<()> {
        let hir = match (char::from_u32(c), self.flags.case) {
            (Some(c), Case::Exact) => Hir::literal(c.encode_utf8(&mut [0; 4]).as_bytes()),
            _ => Hir::class(Class::Unicode(class::range(c, c, self.flags.case))),
        };
        self.push(Node::leaf(hir, Kind::Char))
    }

    fn push_class(&mut self, class: ClassUnicode) -> Result<()> {
        self.count_ranges(class.ranges().len())?;
        self.push(Node::leaf(Hir::class(Class::Unicode(class)), Kind::Char))
    }

    fn count_ranges(&mut self, ranges: usize) -> Result<()> {
        self.class_ranges += ranges;
        if self.class_ranges > MAX_CLASS_RANGES {
            return Err(self.error(RegexErrorKind::TooLarge));
        }
        Ok(())
    }

    fn nodes_above_mark(&mut self) -> Vec<Node> {
        let mark = self
            .stack
            .iter()
            .rposition(|item| !matches!(item, Item::Node(_)))
            .map_or(0, |at| at + 1);
        self.stack
            .drain(mark..)
            .filter_map(|item| match item {
                Item::Node(node) => Some(node),
                Item::Bar | Item::Group { .. } => None,
            })
            .collect()
    }

    /// Takes what stands since the last `|` or `(`.
    fn concat(&mut self) -> Result<Node> {
        let nodes = self.nodes_above_mark();
        self.checked(Node::concat(nodes))
    }

    /// Takes what stands since the last `(`.
    fn alternation(&mut self) -> Result<Node> {
        let mut branches = vec![self.concat()?];
        while matches!(self.stack.last(), Some(Item::Bar)) {
            self.stack.pop();
            if let Some(Item::Node(node)) = self.stack.pop() {
                branches.push(node);
            }
        }
        branches.reverse();
        self.checked(Node::alternation(branches))
    }

    /// Reads what follows a `(`, which is where `before` starts.
    fn open_group(&mut self, before: &'a str) -> Result<()> {
        let Some(after) = self.rest.strip_prefix('?') else {
            self.open_capture("");
            return Ok(());
        };
        let named = before
            .strip_prefix("(?<")
            .or_else(|| before.strip_prefix("(?P<"));
        if let Some(named) = named.filter(|named| !named.is_empty()) {
            let Some((name, rest)) = named.split_once('>') else {
                return Err(RegexError::new(RegexErrorKind::InvalidNamedCapture, before));
            };
            self.rest = rest;
            if name.is_empty() || !name.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric()) {
                return Err(self.error_since(RegexErrorKind::InvalidNamedCapture, before));
            }
            self.open_capture(name);
            return Ok(());
        }
        self.rest = after;
        self.flag_group(before)
    }

    fn open_capture(&mut self, name: &str) {
        self.names.push(name.into());
        self.stack.push(Item::Group {
            flags: self.flags,
            capture: u32::try_from(self.names.len()).ok(),
        });
    }

    /// Reads `i)`, `-s)`, `:`, `i-s:` and the like after `(?`.
    fn flag_group(&mut self, before: &'a str) -> Result<()> {
        let mut flags = self.flags;
        let mut on = true;
        let mut dangling_minus = false;
        while let Some(c) = self.rest.chars().next() {
            self.rest = &self.rest[c.len_utf8()..];
            match c {
                'i' => flags.case = if on { Case::Folded } else { Case::Exact },
                'm' => flags.multi_line = on,
                's' => flags.dot_matches_newline = on,
                'U' => flags.lazy = on,
                '-' if on => {
                    on = false;
                    dangling_minus = true;
                    continue;
                }
                ':' | ')' if !dangling_minus => {
                    if c == ':' {
                        self.stack.push(Item::Group {
                            flags: self.flags,
                            capture: None,
                        });
                    }
                    self.flags = flags;
                    return Ok(());
                }
                _ => break,
            }
            dangling_minus = false;
        }
        Err(self.error_since(RegexErrorKind::InvalidPerlOp, before))
    }

    fn close_group(&mut self) -> Result<()> {
        let node = self.alternation()?;
        let Some(Item::Group { flags, capture }) = self.stack.pop() else {
            return Err(self.error(RegexErrorKind::UnexpectedParen));
        };
        self.flags = flags;
        match capture {
            Some(index) => self.push(node.captured(index)),
            None => self.push(node),
        }
    }

    /// Reads `{n}`, `{n,}` or `{n,m}`; `None` where the brace opens none of these and is a literal.
    fn repeat_bounds(&mut self) -> Result<Option<Bounds>> {
        let before = self.rest;
        let parsed = (|| {
            let (min, rest) = split_count(before.strip_prefix('{')?)?;
            if let Some(rest) = rest.strip_prefix('}') {
                return Some((min, Some(min), rest));
            }
            let rest = rest.strip_prefix(',')?;
            if let Some(rest) = rest.strip_prefix('}') {
                return Some((min, None, rest));
            }
            let (max, rest) = split_count(rest)?;
            Some((min, Some(max), rest.strip_prefix('}')?))
        })();
        let Some((min, max, rest)) = parsed else {
            return Ok(None);
        };
        self.rest = rest;
        if min > MAX_REPEAT || max.is_some_and(|max| max > MAX_REPEAT || min > max) {
            return Err(self.error_since(RegexErrorKind::InvalidRepeatSize, before));
        }
        Ok(Some(Bounds {
            min,
            max,
            counted: true,
        }))
    }

    fn repeat(&mut self, bounds: Bounds, before: &str, last_repeat: Option<&str>) -> Result<()> {
        let mut greedy = !self.flags.lazy;
        if let Some(rest) = self.rest.strip_prefix('?') {
            self.rest = rest;
            greedy = !greedy;
        }
        if let Some(last_repeat) = last_repeat {
            return Err(self.error_since(RegexErrorKind::InvalidRepeatOp, last_repeat));
        }
        let Some(Item::Node(operand)) = self.stack.pop_if(|item| matches!(item, Item::Node(_)))
        else {
            return Err(self.error_since(RegexErrorKind::MissingRepeatArgument, before));
        };
        let node = self.checked(operand.repeated(bounds, greedy))?;
        if bounds.counted && node.repeats > MAX_REPEAT {
            return Err(self.error_since(RegexErrorKind::InvalidRepeatSize, before));
        }
        self.stack.push(Item::Node(node));
        Ok(())
    }

    /// Reads what follows a backslash outside of a class; `before` starts with the backslash.
    fn escape(&mut self, before: &'a str) -> Result<()> {
        let Some(c) = self.rest.chars().next() else {
            return Err(RegexError::new(RegexErrorKind::TrailingBackslash, ""));
        };
        let look = match c {
            'A' => Some(Look::Start),
            'z' => Some(Look::End),
            'b' => Some(Look::WordAscii),
            'B' => Some(Look::WordAsciiNegate),
            _ => None,
        };
        if let Some(look) = look {
            self.rest = &self.rest[1..];
            return self.look(look);
        }
        if let Some(quoted) = self.rest.strip_prefix('Q') {
            let (quoted, rest) = quoted.split_once(r"\E").unwrap_or((quoted, ""));
            self.rest = rest;
            for c in quoted.chars() {
                self.literal(c.into())?;
            }
            return Ok(());
        }
        if let Some(class) = self.escaped_class(before)? {
            return self.push_class(class);
        }
        let c = self.escaped_char(before)?;
        self.literal(c)
    }

    /// Reads `d`, `p{Greek}` and the like after a backslash, and nothing if it is none of these.
    fn escaped_class(&mut self, before: &'a str) -> Result<Option<ClassUnicode>> {
        let Some(c) = self.rest.chars().next() else {
            return Ok(None);
        };
        if let Some(class) = class::perl(c, self.flags.case) {
            self.rest = &self.rest[1..];
            return Ok(Some(class));
        }
        let mut sense = match c {
            'p' => Sense::Is,
            'P' => Sense::IsNot,
            _ => return Ok(None),
        };
        self.rest = &self.rest[1..];
        let name = if let Some(braced) = self.rest.strip_prefix('{') {
            let Some((name, rest)) = braced.split_once('}') else {
                return Err(RegexError::new(RegexErrorKind::InvalidCharRange, before));
            };
            self.rest = rest;
            name
        } else {
            let end = self.rest.chars().next().map_or(0, char::len_utf8);
            let (name, rest) = self.rest.split_at(end);
            self.rest = rest;
            name
        };
        let name = match name.strip_prefix('^') {
            Some(name) => {
                sense = sense.inverse();
                name
            }
            None => name,
        };
        match class::unicode(name, self.flags.case, sense) {
            Some(class) => Ok(Some(class)),
            None => Err(self.error_since(RegexErrorKind::InvalidCharRange, before)),
        }
    }

    /// Reads an escape that stands for one character; `before` starts with its backslash.
    fn escaped_char(&mut self, before: &'a str) -> Result<u32> {
        let Some(c) = self.next() else {
            return Err(RegexError::new(RegexErrorKind::TrailingBackslash, ""));
        };
        let octal = |text: &str| matches!(text.bytes().next(), Some(b'0'..=b'7'));
        let value = match c {
            '0' => Some(self.octal(0)),
            // One digit alone would be a backreference.
            '1'..='7' if octal(self.rest) => Some(self.octal(u32::from(c) - u32::from('0'))),
            'x' => self.hex(),
            'a' => Some(0x07),
            'f' => Some(0x0c),
            'n' => Some(0x0a),
            'r' => Some(0x0d),
            't' => Some(0x09),
            'v' => Some(0x0b),
            _ if c.is_ascii() && !c.is_ascii_alphanumeric() => Some(c.into()),
            _ => None,
        };
        value.ok_or_else(|| self.error_since(RegexErrorKind::InvalidEscape, before))
    }

    fn octal(&mut self, first: u32) -> u32 {
        let mut value = first;
        for _ in 0..2 {
            let Some(digit) = self.rest.chars().next().and_then(|c| c.to_digit(8)) else {
                break;
            };
            value = value * 8 + digit;
            self.rest = &self.rest[1..];
        }
        value
    }

    /// Reads `7f` or `{10ffff}`.
    fn hex(&mut self) -> Option<u32> {
        let first = self.next()?;
        if first != '{' {
            let second = self.next();
            return Some(first.to_digit(16)? * 16 + second?.to_digit(16)?);
        }
        let mut value = None;
        loop {
            let c = self.next()?;
            if c == '}' {
                return value;
            }
            let next = value.unwrap_or(0) * 16 + c.to_digit(16)?;
            if next > char::MAX.into() {
                return None;
            }
            value = Some(next);
        }
    }

    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    /// Reads what follows a `[`, which is where `before` starts.
    fn class(&mut self, before: &'a str) -> Result<()> {
        let mut ranges: Vec<ClassUnicodeRange> = Vec::new();
        let negated = match self.rest.strip_prefix('^') {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        };
        let mut first = true;
        loop {
            if !first && let Some(rest) = self.rest.strip_prefix(']') {
                self.rest = rest;
                break;
            }
            first = false;
            let had = ranges.len();
            ranges.extend_from_slice(self.class_item(before)?.ranges());
            self.count_ranges(ranges.len() - had)?;
        }
        let mut class = ClassUnicode::new(ranges);
        if negated {
            class.negate();
        }
        self.push_class(class)
    }

    fn class_item(&mut self, whole_class: &'a str) -> Result<ClassUnicode> {
        let before = self.rest;
        if let Some(named) = before.strip_prefix("[:")
            && let Some((name, rest)) = named.split_once(":]")
        {
            self.rest = rest;
            return class::posix(name, self.flags.case)
                .ok_or_else(|| self.error_since(RegexErrorKind::InvalidCharRange, before));
        }
        if let Some(rest) = before.strip_prefix('\\') {
            self.rest = rest;
            if let Some(class) = self.escaped_class(before)? {
                return Ok(class);
            }
            self.rest = before;
        }
        let first = self.class_char(whole_class)?;
        let mut last = first;
        if let Some(rest) = self.rest.strip_prefix('-')
            && !rest.is_empty()
            && !rest.starts_with(']')
        {
            self.rest = rest;
            last = self.class_char(whole_class)?;
            if last < first {
                return Err(self.error_since(RegexErrorKind::InvalidCharRange, before));
            }
        }
        Ok(class::range(first, last, self.flags.case))
    }

    fn class_char(&mut self, whole_class: &'a str) -> Result<u32> {
        let before = self.rest;
        match self.next() {
            None => Err(RegexError::new(RegexErrorKind::MissingBracket, whole_class)),
            Some('\\') => self.escaped_char(before),
            Some(c) => Ok(c.into()),
        }
    }
}

/// Splits a decimal number without leading zeros off `text`; one too large for any use is `u32::MAX`.
fn split_count(text: &str) -> Option<(u32, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    if digits.is_empty() || (digits.len() > 1 && digits.starts_with('0')) {
        return None;
    }
    Some((digits.parse().unwrap_or(u32::MAX), rest))
}
