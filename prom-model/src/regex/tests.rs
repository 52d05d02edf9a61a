use super::*;

fn regex(expression: &str) -> Regex {
    Regex::new(expression).unwrap_or_else(|err| panic!("{expression}: {err}"))
}

#[test]
fn a_text_matches_from_end_to_end() {
    let f = |expression: &str, text: &str, want: bool| {
        assert_eq!(
            regex(expression).is_match(text),
            want,
            "{expression} on {text:?}"
        );
        let relabel = RelabelRegex::new(expression).unwrap();
        assert_eq!(
            relabel.is_match(text),
            want,
            "relabel {expression} on {text:?}"
        );
    };
    f("", "", true);
    f("", "a", false);
    f("a|b", "b", true);
    f("a|b", "ab", false);
    f("a.b", "a\nb", true);
    f("(?-s)a.b", "a\nb", false);
    f("a.*", "a\n\nb", true);
    f(".+", "", false);
    f("^a$", "a", true);
    f("(?i)straße", "STRAßE", true);
    f(r"\w+", "é", false);
    f("x{2", "x{2", true);
    f(r"\Qa|b\E+", "a|bb", true);
    f("[[:alpha:]]+", "abC", true);
    f("[a&&b]+", "a&b", true);
}
