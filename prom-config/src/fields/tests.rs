use super::*;
use crate::yaml::parse;

fn fields(text: &str) -> Fields {
    parse(text).unwrap().root.fields().unwrap()
}

fn refused(text: &str) -> String {
    parse(text).unwrap().root.fields().unwrap_err().to_string()
}

#[test]
fn an_absent_key_and_a_null_differ() {
    let mut fields = fields("a:\nb: ~\n");
    assert_eq!(fields.optional::<String>("a").unwrap(), Some(String::new()));
    assert_eq!(fields.optional::<bool>("b").unwrap(), Some(false));
    assert_eq!(fields.optional::<String>("c").unwrap(), None);
    fields.finish().unwrap();
}

#[test]
fn later_wins_between_own_and_merged_keys() {
    let f = |text: &str, want: &str| {
        let mut fields = fields(text);
        let got: String = fields.required("a").unwrap();
        assert_eq!(got, want, "{text}");
    };
    f("<<: {a: merged}\na: own", "own");
    f("a: own\n<<: {a: merged}", "merged");
    f("<<: [{a: first}, {a: second}]", "first");
    f("<<: {<<: {a: inner}, a: outer}", "outer");
    f("'<<': x\na: own", "own");
    f("!!merge <<: {a: merged}", "merged");
}

#[test]
fn only_mappings_merge() {
    assert_eq!(
        refused("<<: x"),
        "1:5: expected a mapping or a list of mappings to merge, found a string"
    );
    assert_eq!(
        refused("<<:"),
        "1:3: expected a mapping or a list of mappings to merge, found nothing"
    );
    assert_eq!(
        refused("<<: [x]"),
        "1:6: expected a mapping to merge, found a string"
    );
}

#[test]
fn keys_are_scalars_and_unique() {
    assert_eq!(refused("? [a]\n: b"), "1:3: expected a key, found a list");
    assert_eq!(
        refused("a: 1\nb: 2\na: 3"),
        "3:1: \"a\" is set twice, the first time in line 1"
    );
    assert_eq!(refused("x"), "1:1: expected a mapping, found a string");
}

#[test]
fn an_unknown_key_names_the_known_ones() {
    let f = |text: &str, want: &str| {
        let mut fields = fields(text);
        fields.node("scrape_interval");
        fields.node("scheme");
        assert_eq!(fields.finish().unwrap_err().to_string(), want, "{text}");
    };
    f(
        "scheme: a\nscrape_intervall: b\nx: y",
        "2:1: unknown field \"scrape_intervall\", did you mean \"scrape_interval\"?",
    );
    f(
        "x: y",
        "1:1: unknown field \"x\", expected one of scheme, scrape_interval",
    );
}

#[test]
fn prometheus_own_settings_are_refused_unless_empty() {
    let names = &["a", "b", "c", "d", "e"];
    fields("{a: [], b: {}, c: , d: false, e: ''}")
        .unsupported(names)
        .unwrap();
    fields("a: {b: [{c: [{d: }]}]}").unsupported(names).unwrap();
    assert_eq!(
        fields("b: {x: y}")
            .unsupported(names)
            .unwrap_err()
            .to_string(),
        "1:1: b is a Prometheus setting that this exporter does not have"
    );
}

#[test]
fn a_check_gets_the_position_of_its_value() {
    let mut fields = fields("a: 1\nb:   2\n");
    let checked = fields.checked("b", |value: u64| {
        if value > 1 {
            Err("too many")
        } else {
            Ok(value)
        }
    });
    assert_eq!(checked.unwrap_err().to_string(), "2:6: too many");
    assert_eq!(
        fields.required::<String>("z").unwrap_err().to_string(),
        "1:1: z is missing"
    );
}
