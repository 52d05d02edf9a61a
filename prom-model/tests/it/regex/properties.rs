//! What holds for any expression and any text.

use std::fmt::Write as _;

use prom_model::regex::{Regex, RegexErrorKind, RelabelRegex};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Text dense in what means something in an expression.
fn expression() -> impl Strategy<Value = String> {
    let piece = select(vec![
        "a",
        "b",
        "é",
        "ab",
        "(",
        ")",
        "(?:",
        "(?P<n>",
        "(?i)",
        "(?-s)",
        "[",
        "]",
        "[^",
        "-",
        "|",
        "*",
        "+",
        "?",
        "{2}",
        "{0,3}",
        "{",
        "}",
        ".",
        "^",
        "$",
        r"\",
        r"\b",
        r"\d",
        r"\pL",
        r"\Q",
        r"\E",
        "[[:alpha:]]",
        ",",
        "1",
    ]);
    vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// Expressions of the shapes that are matched without an automaton.
fn simple() -> impl Strategy<Value = String> {
    let leaf = select(vec![
        "a", "ab", "b", "é", "", "[ab]", "a?", "(?:ab)?", "b{1}", "a{0}",
    ])
    .prop_map(str::to_owned);
    let literals = leaf.prop_recursive(3, 24, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 1..4).prop_map(|branches| format!("({})", branches.join("|"))),
            vec(inner.clone(), 1..4).prop_map(|parts| parts.concat()),
            inner.prop_map(|it| format!("(?:{it})")),
        ]
    });
    let any = select(vec!["", ".*", ".+", "(.*)", "(.+)", "(?:.*?)", "(.)*"]);
    (literals.clone(), any, literals)
        .prop_map(|(before, any, after)| format!("{before}{any}{after}"))
}

fn text() -> impl Strategy<Value = String> {
    vec(select(vec!["a", "b", "é", "ab", "\n", "-", "A"]), 0..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn parsing_and_matching_never_panic(expression in "\\PC{0,24}", other in expression(), text in ".{0,12}") {
        for expression in [expression, other] {
            if let Ok(regex) = Regex::new(&expression) {
                let _ = regex.is_match(&text);
            }
            if let Ok(regex) = RelabelRegex::new(&expression) {
                let template = regex.template(&text);
                let _ = regex.expand(&text, [&template]);
                let _ = regex.replace_all(&text, &template);
            }
        }
    }

    /// An assertion that always holds keeps an expression from having a simple shape.
    #[test]
    fn simple_shapes_agree_with_the_automaton(expression in simple(), text in text()) {
        let shape = Regex::new(&expression).unwrap();
        let automaton = Regex::new(&format!("(?:{expression})(?:\\b|\\B)")).unwrap();
        prop_assert_eq!(shape.is_match(&text), automaton.is_match(&text));
        if let Some(literals) = shape.literals() {
            for literal in literals {
                prop_assert!(automaton.is_match(literal), "{}", literal);
            }
        }

        let shape = RelabelRegex::new(&expression).unwrap();
        let automaton = RelabelRegex::new(&format!("(?:{expression})(?:\\b|\\B)")).unwrap();
        let [ours, theirs] = [&shape, &automaton].map(|regex| {
            let template = regex.template("<$0,$1,$2>");
            regex.expand(&text, [&template]).map(|[expanded]| expanded.into_owned())
        });
        prop_assert_eq!(ours, theirs);
    }

    /// `regex-syntax` reads an escaped text as that text in any syntax.
    #[test]
    fn a_quoted_text_matches_itself_alone(text in "\\PC{0,12}", other in text()) {
        let quoted: String = text.chars().fold(String::new(), |mut quoted, c| {
            write!(quoted, "\\x{{{:x}}}", u32::from(c)).unwrap();
            quoted
        });
        let regex = Regex::new(&quoted).unwrap();
        prop_assert!(regex.is_match(&text));
        prop_assert_eq!(regex.is_match(&other), text == other);
    }
}

#[test]
fn hostile_expressions_are_refused_or_harmless() {
    let f = |expression: &str, want: Option<RegexErrorKind>| {
        let got = Regex::new(expression).map(|regex| regex.is_match("aaa"));
        let shown: String = expression.chars().take(20).collect();
        assert_eq!(got.err().map(|err| err.kind()), want, "{shown}…");
        let got = RelabelRegex::new(expression).err().map(|err| err.kind());
        assert_eq!(got, want, "relabel {shown}…");
    };
    let nested =
        |open: &str, close: &str, levels| open.repeat(levels) + "a" + &close.repeat(levels);
    f(&nested("(", ")", 900), None);
    f(
        &nested("(", ")", 100_000),
        Some(RegexErrorKind::NestingDepth),
    );
    f(&nested("(a|b", ")*", 240), None);
    f(
        &nested("(a|b", ")*", 100_000),
        Some(RegexErrorKind::NestingDepth),
    );
    f(&nested("(?:", ")", 100_000), None);
    f(&nested("((?:", ")?)", 330), None);
    f(&"(".repeat(100_000), Some(RegexErrorKind::MissingParen));
    f(&"a|".repeat(100_000), None);
    f(&"(a{0,9})".repeat(2000), None);
    f(&r"\pL".repeat(50_000), Some(RegexErrorKind::TooLarge));
    f(
        &format!("[{}]", r"\pL".repeat(50_000)),
        Some(RegexErrorKind::TooLarge),
    );
    f(r"(?:\pL{30}){30}", Some(RegexErrorKind::TooLarge));
    f("(?:(?:a{10}){10}){10}", None);
    f(
        "(?:(?:(?:a{10}){10}){10}){10}",
        Some(RegexErrorKind::InvalidRepeatSize),
    );
    f(
        &"(?:a{1000}){1}".repeat(4000),
        Some(RegexErrorKind::TooLarge),
    );
    f(&"a".repeat(2 << 20), Some(RegexErrorKind::TooLarge));
}
