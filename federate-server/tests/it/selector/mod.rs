//! `match[]`: what is a selector, and what it selects.

mod cases;
mod oracle;

use federate_server::selector::{
    MAX_EXPRESSION_BYTES, MAX_SELECTOR_BYTES, Selector, SelectorErrorKind,
};
use prom_model::label::LabelSet;
use proptest::prelude::*;

use self::cases::{Answer, CASES};

#[test]
fn texts_are_selectors_or_refused_as_in_prometheus() {
    assert_none(CASES.iter().filter_map(|case| {
        let got = match Selector::parse(case.text) {
            Ok(selector) if selector.requires_a_label() => "selects".to_owned(),
            Ok(_) => "selects by absence".to_owned(),
            Err(err) => err.to_string(),
        };
        let want = match case.want {
            Answer::Selects => "selects",
            Answer::SelectsByAbsence => "selects by absence",
            Answer::Refused(reason) | Answer::Reworded(reason) => reason,
        };
        (got != want).then_some((case, got))
    }));
}

#[test]
fn a_series_has_to_meet_every_condition() {
    let labels: LabelSet = [
        ("__name__", "up"),
        ("job", "aiven"),
        ("path", "a\"b\\c\nd"),
        ("host.name", "é"),
    ]
    .into_iter()
    .collect();
    let f = |text: &str, want: bool| {
        let selector = Selector::parse(text).unwrap_or_else(|err| panic!("{text}: {err}"));
        assert_eq!(selector.matches(&labels), want, "{text}");
    };
    f("up", true);
    f("down", false);
    f(r#"{"up"}"#, true);
    f(r#"up{__name__="down"}"#, false);
    f(r#"{__name__=~"u.",job!="x"}"#, true);
    f(r#"up{job="aiven",job="x"}"#, false);
    f(r#"{job=~"aiv"}"#, false);
    f(r#"{job=~"aiv.+"}"#, true);
    f(r#"{job!~"aiv.+"}"#, false);
    f(r#"{job=~"a|aiven"}"#, true);
    f(r#"{none=""}"#, true);
    f(r#"{none!=""}"#, false);
    f(r#"{none=~".*"}"#, true);
    f(r#"{none=~".+"}"#, false);
    f(r#"{path="a\"b\\c\nd"}"#, true);
    f(r#"{path='a"b\\c\nd'}"#, true);
    f("{path=`a\"b\\c\nd`}", true);
    f(r#"{path=~"a.b.c.d"}"#, true);
    f(r#"{"host.name"="\u00e9"}"#, true);
    f(r#"{"host.name"="\xc3\xa9"}"#, true);
    f(r#"{"host.name"="\303\251"}"#, true);
    f(r#"{"host.name"!~"[a-z]"}"#, true);
    f("{}", false);
    f("{ }", false);
}

#[test]
fn size_is_bounded() {
    let f = |text: &str| Selector::parse(text).err().map(|err| err.kind().clone());
    let limit = MAX_SELECTOR_BYTES;
    assert_eq!(f(&"a".repeat(limit)), None);
    let error = Some(SelectorErrorKind::TooLong { limit });
    assert_eq!(f(&"a".repeat(limit + 1)), error);

    let names: Vec<String> = (0..1000)
        .map(|at| format!("elasticsearch_metric_{at}"))
        .collect();
    assert_eq!(f(&format!("{{__name__=~\"{}\"}}", names.join("|"))), None);
    let limit = MAX_EXPRESSION_BYTES;
    let large: Vec<String> = (0..20).map(|at| format!("a=~`{at}.{{999}}`")).collect();
    let error = Some(SelectorErrorKind::TooLarge { limit });
    assert_eq!(f(&format!("{{{}}}", large.join(","))), error);
}

#[test]
fn bytes_that_are_not_utf8_are_refused() {
    let error = Selector::parse(r#"up{a="\xff"}"#).unwrap_err();
    assert_eq!(error.to_string(), "1:6: parse error: string is not UTF-8");
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,40}", dense in "[a{}=~!\"'`\\\\,#:0-9xuU \n]{0,24}") {
        for text in [text, format!("up{{{dense}"), dense] {
            if let Ok(selector) = Selector::parse(&text) {
                let _ = selector.matches(&LabelSet::new());
            }
        }
    }

    #[test]
    fn a_quoted_value_selects_that_value(value in "\\PC{1,12}", other in "\\PC{0,3}") {
        let quoted: String = value.chars().map(|c| format!("\\U{:08x}", u32::from(c))).collect();
        let selector = Selector::parse(&format!("{{a=\"{quoted}\"}}")).unwrap();
        let labels = |value: &str| [("a", value)].into_iter().collect::<LabelSet>();
        prop_assert!(selector.matches(&labels(&value)));
        prop_assert_eq!(selector.matches(&labels(&other)), value == other);
    }
}

/// Fails with all of `wrong`, one a line.
fn assert_none<T: std::fmt::Debug>(wrong: impl Iterator<Item = T>) {
    let wrong: Vec<String> = wrong.map(|it| format!("\n{it:?}")).collect();
    assert!(wrong.is_empty(), "{}", wrong.concat());
}
