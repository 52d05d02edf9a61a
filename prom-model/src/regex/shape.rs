//! Expressions simple enough to need no automaton.

use regex_syntax::hir::{Class, Hir, HirKind};

/// How many texts a list may hold, and how many bytes in all.
///
/// Past that an automaton that shares their prefixes is smaller.
const MAX_LITERALS: usize = 4096;
const MAX_LITERAL_BYTES: usize = 256 << 10;

/// An expression that a comparison or a search in a list can decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    /// These texts, sorted: `a`, `a|b`, `es_(jvm|os)_cpu`, `x?[ab]`.
    Literals(Box<[Box<str>]>),
    /// Anything between a prefix and a suffix, both maybe empty: `.*`, `a.*`, `a.+z`.
    Affixes {
        prefix: Box<str>,
        suffix: Box<str>,
        /// Bytes that there have to be between them: 1 for `.+`, 0 for `.*`.
        between: usize,
    },
}

impl Shape {
    /// The shape of an expression that has to match from end to end.
    pub(super) fn of(hir: &Hir) -> Option<Self> {
        if let Some(mut literals) = literals(hir) {
            literals.sort_unstable();
            literals.dedup();
            return Some(Self::Literals(
                literals.into_iter().map(String::into_boxed_str).collect(),
            ));
        }
        affixes(hir)
    }

    pub(super) fn is_match(&self, text: &str) -> bool {
        match self {
            Self::Literals(literals) => match &**literals {
                [literal] => **literal == *text,
                _ => literals
                    .binary_search_by(|literal| (**literal).cmp(text))
                    .is_ok(),
            },
            Self::Affixes {
                prefix,
                suffix,
                between,
            } => {
                text.len() >= prefix.len() + between + suffix.len()
                    && text.starts_with(&**prefix)
                    && text.ends_with(&**suffix)
            }
        }
    }

    pub(super) fn memory_usage(&self) -> usize {
        match self {
            Self::Literals(literals) => literals
                .iter()
                .map(|literal| literal.len() + size_of::<Box<str>>())
                .sum(),
            Self::Affixes { prefix, suffix, .. } => prefix.len() + suffix.len(),
        }
    }

    pub(super) fn literals(&self) -> Option<impl ExactSizeIterator<Item = &str>> {
        match self {
            Self::Literals(literals) => Some(literals.iter().map(|literal| &**literal)),
            Self::Affixes { .. } => None,
        }
    }
}

/// Every text that `hir` matches, if it is a short list.
///
/// Where alternatives overlap, which one wins decides what the groups capture and not whether a
/// whole text matches, so their order is of no account.
fn literals(hir: &Hir) -> Option<Vec<String>> {
    let texts = match hir.kind() {
        HirKind::Empty => vec![String::new()],
        HirKind::Literal(literal) => vec![String::from_utf8(literal.0.to_vec()).ok()?],
        HirKind::Class(Class::Unicode(class)) => {
            let mut texts = Vec::new();
            for range in class.iter() {
                if texts.len() + range.len() > MAX_LITERALS {
                    return None;
                }
                texts.extend((range.start()..=range.end()).map(String::from));
            }
            texts
        }
        HirKind::Capture(capture) => literals(&capture.sub)?,
        HirKind::Repetition(repetition) if repetition.max == Some(1) => {
            let mut texts = literals(&repetition.sub)?;
            if repetition.min == 0 {
                texts.push(String::new());
            }
            texts
        }
        HirKind::Alternation(branches) => {
            let mut texts = Vec::new();
            for branch in branches {
                texts.append(&mut literals(branch)?);
                if texts.len() > MAX_LITERALS {
                    return None;
                }
            }
            texts
        }
        HirKind::Concat(parts) => {
            let mut texts = vec![String::new()];
            for part in parts {
                let tails = literals(part)?;
                if texts.len().saturating_mul(tails.len()) > MAX_LITERALS {
                    return None;
                }
                texts = texts
                    .iter()
                    .flat_map(|head| tails.iter().map(move |tail| format!("{head}{tail}")))
                    .collect();
                if bytes(&texts) > MAX_LITERAL_BYTES {
                    return None;
                }
            }
            texts
        }
        HirKind::Class(Class::Bytes(_)) | HirKind::Look(_) | HirKind::Repetition(_) => return None,
    };
    (bytes(&texts) <= MAX_LITERAL_BYTES).then_some(texts)
}

fn bytes(texts: &[String]) -> usize {
    texts.iter().map(String::len).sum()
}

fn affixes(hir: &Hir) -> Option<Shape> {
    let hir = uncapture(hir);
    let parts = match hir.kind() {
        HirKind::Concat(parts) => parts,
        _ => std::slice::from_ref(hir),
    };
    let (prefix, anything, suffix) = match parts {
        [anything] => ("", anything, ""),
        [prefix, suffix] => match (literal(prefix), literal(suffix)) {
            (Some(prefix), None) => (prefix, suffix, ""),
            (None, Some(suffix)) => ("", prefix, suffix),
            _ => return None,
        },
        [prefix, anything, suffix] => (literal(prefix)?, anything, literal(suffix)?),
        _ => return None,
    };
    let HirKind::Repetition(repetition) = uncapture(anything).kind() else {
        return None;
    };
    let HirKind::Class(Class::Unicode(class)) = uncapture(&repetition.sub).kind() else {
        return None;
    };
    let every_char =
        matches!(class.ranges(), [all] if all.start() == '\0' && all.end() == char::MAX);
    if !every_char || repetition.min > 1 || repetition.max.is_some() {
        return None;
    }
    Some(Shape::Affixes {
        prefix: prefix.into(),
        suffix: suffix.into(),
        between: if repetition.min == 0 { 0 } else { 1 },
    })
}

fn literal(hir: &Hir) -> Option<&str> {
    match uncapture(hir).kind() {
        HirKind::Literal(literal) => std::str::from_utf8(&literal.0).ok(),
        _ => None,
    }
}

fn uncapture(mut hir: &Hir) -> &Hir {
    while let HirKind::Capture(capture) = hir.kind() {
        hir = &capture.sub;
    }
    hir
}
