//! RE2 expressions: what they match, what they capture, what is refused.

mod cases;
mod oracle;
mod properties;

use prom_model::regex::{Regex, RelabelRegex};

use self::cases::{MATCHES, REFUSED};

/// What a relabel rule's expression makes of a template, `None` where `text` doesn't match.
fn expand(expression: &str, text: &str, template: &str) -> Option<String> {
    let regex = RelabelRegex::new(expression).unwrap_or_else(|err| panic!("{expression}: {err}"));
    let template = regex.template(template);
    regex
        .expand(text, [&template])
        .map(|[expanded]| expanded.into_owned())
}

#[test]
fn expressions_match_and_capture_as_in_prometheus() {
    let wrong = MATCHES.iter().filter_map(|case| {
        let got = expand(case.expression, case.text, case.template);
        (got.as_deref() != case.want).then_some((case, got))
    });
    assert_none(wrong);
}

#[test]
fn a_matcher_agrees_with_a_relabel_rule() {
    // Some mean something as part of a larger text only.
    let wrong = MATCHES.iter().filter_map(|case| {
        let got = Regex::new(case.expression).ok()?.is_match(case.text);
        (got != case.want.is_some()).then_some((case, got))
    });
    assert_none(wrong);
}

#[test]
fn refusals_are_worded_as_in_prometheus() {
    let wrong = REFUSED.iter().filter_map(|case| {
        let got = Regex::new(case.expression).map_err(|err| err.to_string());
        let want = Err(format!("error parsing regexp: {}", case.want));
        (got != want).then_some((case, got))
    });
    assert_none(wrong);
}

/// Fails with all of `wrong`, one a line.
fn assert_none<T: std::fmt::Debug>(wrong: impl Iterator<Item = T>) {
    let wrong: Vec<String> = wrong.map(|it| format!("\n{it:?}")).collect();
    assert!(wrong.is_empty(), "{}", wrong.concat());
}
