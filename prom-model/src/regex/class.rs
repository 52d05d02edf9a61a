//! Character classes: Perl's, POSIX', Unicode's.

use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, HirKind};

/// Script names of four letters. All other names of that length are abbreviations, which Go doesn't know.
const SHORT_SCRIPT_NAMES: [&str; 9] = [
    "ahom", "cham", "kawi", "lisu", "miao", "modi", "newa", "thai", "toto",
];

/// A class to be extended, with or without folding of case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Exact,
    Folded,
}

/// Whether the class or its complement is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sense {
    Is,
    IsNot,
}

impl Sense {
    pub(super) const fn inverse(self) -> Self {
        match self {
            Self::Is => Self::IsNot,
            Self::IsNot => Self::Is,
        }
    }
}

/// The characters from `first` to `last`. Surrogates, which Go counts as characters and no text can hold, are left out.
pub(super) fn range(first: u32, last: u32, case: Case) -> ClassUnicode {
    let first = char::from_u32(first).unwrap_or('\u{e000}');
    let last = char::from_u32(last).unwrap_or('\u{d7ff}');
    let mut class = ClassUnicode::empty();
    if first <= last {
        class.push(ClassUnicodeRange::new(first, last));
    }
    apply(class, case, Sense::Is)
}

/// `\d`, `\s`, `\w` and their complements, ASCII all of them; `None` for another letter.
pub(super) fn perl(letter: char, case: Case) -> Option<ClassUnicode> {
    let ranges: &[(char, char)] = match letter.to_ascii_lowercase() {
        'd' => &[('0', '9')],
        's' => &[('\t', '\n'), ('\x0c', '\r'), (' ', ' ')],
        'w' => &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')],
        _ => return None,
    };
    let sense = if letter.is_ascii_uppercase() {
        Sense::IsNot
    } else {
        Sense::Is
    };
    Some(apply(of(ranges), case, sense))
}

/// The class named `name` in `[:name:]` or `[:^name:]`.
pub(super) fn posix(name: &str, case: Case) -> Option<ClassUnicode> {
    let (name, sense) = match name.strip_prefix('^') {
        Some(name) => (name, Sense::IsNot),
        None => (name, Sense::Is),
    };
    let ranges: &[(char, char)] = match name {
        "alnum" => &[('0', '9'), ('A', 'Z'), ('a', 'z')],
        "alpha" => &[('A', 'Z'), ('a', 'z')],
        "ascii" => &[('\0', '\x7f')],
        "blank" => &[('\t', '\t'), (' ', ' ')],
        "cntrl" => &[('\0', '\x1f'), ('\x7f', '\x7f')],
        "digit" => &[('0', '9')],
        "graph" => &[('!', '~')],
        "lower" => &[('a', 'z')],
        "print" => &[(' ', '~')],
        "punct" => &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')],
        "space" => &[('\t', '\r'), (' ', ' ')],
        "upper" => &[('A', 'Z')],
        "word" => &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')],
        "xdigit" => &[('0', '9'), ('A', 'F'), ('a', 'f')],
        _ => return None,
    };
    Some(apply(of(ranges), case, sense))
}

/// The Unicode general category or script of this name, as in `\p{name}`.
///
/// Case, spaces, hyphens and underscores don't count. Categories have short and long names,
/// scripts only long ones.
pub(super) fn unicode(name: &str, case: Case, sense: Sense) -> Option<ClassUnicode> {
    if !name.is_ascii() {
        return None;
    }
    let name: String = name
        .chars()
        .filter(|c| !matches!(c, '_' | '-' | ' '))
        .map(|c| c.to_ascii_lowercase())
        .collect();
    if name == "cs" || name == "surrogate" {
        return Some(apply(ClassUnicode::empty(), case, sense));
    }
    // regex-syntax takes `isGreek` for `Greek`; Go doesn't.
    if name.is_empty() || name.starts_with("is") || !name.bytes().all(|b| b.is_ascii_alphabetic()) {
        return None;
    }
    let script = name.len() != 4 || SHORT_SCRIPT_NAMES.contains(&&*name);
    let class = table(&format!(r"\p{{gc={name}}}")).or_else(|| {
        script
            .then(|| table(&format!(r"\p{{sc={name}}}")))
            .flatten()
    })?;
    Some(apply(class, case, sense))
}

/// Whether `c` is of category L or Nd, which is what names in templates are made of.
pub(super) fn is_letter_or_digit(c: char) -> bool {
    ["l", "nd"].into_iter().any(|category| {
        unicode(category, Case::Exact, Sense::Is).is_some_and(|class| {
            class
                .iter()
                .any(|range| (range.start()..=range.end()).contains(&c))
        })
    })
}

fn table(query: &str) -> Option<ClassUnicode> {
    let hir = regex_syntax::parse(query).ok()?;
    match hir.into_kind() {
        HirKind::Class(Class::Unicode(class)) => Some(class),
        // A class of one character comes back as that character.
        HirKind::Literal(literal) => {
            let c = std::str::from_utf8(&literal.0).ok()?.chars().next()?;
            Some(of(&[(c, c)]))
        }
        _ => None,
    }
}

fn of(ranges: &[(char, char)]) -> ClassUnicode {
    ClassUnicode::new(
        ranges
            .iter()
            .map(|&(first, last)| ClassUnicodeRange::new(first, last)),
    )
}

fn apply(mut class: ClassUnicode, case: Case, sense: Sense) -> ClassUnicode {
    if case == Case::Folded {
        class.case_fold_simple();
    }
    if sense == Sense::IsNot {
        class.negate();
    }
    class
}
