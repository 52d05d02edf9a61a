use proptest::prelude::*;

use super::*;

/// The groups in a line, or what is wrong with them, as it is logged.
fn shown(format: Format, document: &[u8]) -> String {
    match parse(format, document) {
        Ok(found) => {
            let group = |group: &Found| {
                let address = |target: &LabelSet| target.get(ADDRESS).unwrap_or("-").to_owned();
                let targets: Vec<_> = group.targets.iter().map(address).collect();
                format!("{}{}", targets.join(","), group.labels)
            };
            found.iter().map(group).collect::<Vec<_>>().join(" ")
        }
        Err(err) => crate::discovery::file::with_causes(&err),
    }
}

#[test]
fn json_is_read_as_in_prometheus() {
    let f = |document: &str, want: &str| {
        assert_eq!(shown(Format::Json, document.as_bytes()), want, "{document}");
    };
    f("[]", "");
    f("null", "");
    f(
        r#"[{"targets": ["a:1", "b:1"], "labels": {"x": "y"}}, {"targets": ["c:1"]}]"#,
        r#"a:1,b:1{x="y"} c:1{}"#,
    );
    f("[{}]", "{}");
    f(r#"[{"targets": null, "labels": null}]"#, "{}");
    f(r#"[{"targets": [null, ""]}]"#, "-,-{}");
    f(r#"[{"labels": {"a": null, "b": ""}}]"#, "{}");
    f(r#"[{"labels": {"a.b": "c"}}]"#, r#"{"a.b"="c"}"#);
    f(
        r#"[{"Targets": ["a:1"], "LABELS": {"a": "b"}}]"#,
        r#"a:1{a="b"}"#,
    );
    f(r#"[{"targets": ["a:1"], "targets": ["b:1"]}]"#, "b:1{}");
    f(r#"[{"labels": {"a": "1", "a": "2"}}]"#, r#"{a="2"}"#);
    f(r#"[{"targets": ["a\u00e4"]}]"#, "aä{}");

    let group = "target group 0: ";
    f("[null]", &format!("{group}nil target group item found"));
    for no_object in ["[[]]", "[1]", r#"["a:1"]"#] {
        f(
            no_object,
            &format!("{group}expected an object with targets and labels"),
        );
    }
    for targets in ["\"a:1\"", "{}", "1", "[1]", "[{}]", "[[]]", "[true]"] {
        let want = format!("{group}expected targets to be a list of strings");
        f(&format!("[{{\"targets\": {targets}}}]"), &want);
    }
    for labels in [
        "\"a\"",
        "[]",
        "1",
        "{\"a\": 1}",
        "{\"a\": true}",
        "{\"a\": []}",
    ] {
        let want = format!("{group}expected labels to be an object of strings");
        f(&format!("[{{\"labels\": {labels}}}]"), &want);
    }
    f(
        r#"[{"labels": {"": "a"}}]"#,
        &format!(r#"{group}"" is not a valid label name"#),
    );
    f(
        r#"[{}, {"target": []}]"#,
        r#"target group 1: unknown field "target", expected targets or labels"#,
    );
    for no_list in ["{}", "1", "\"a\"", "true"] {
        f(no_list, "expected a list of target groups");
    }
}

#[test]
fn what_is_no_json_is_refused() {
    for document in [
        "",
        " ",
        "[",
        "[] x",
        "[]]",
        "\u{feff}[]",
        "[{},]",
        "[{'a': 1}]",
        "// a\n[]",
    ] {
        let err = parse(Format::Json, document.as_bytes()).unwrap_err();
        assert!(matches!(err, FormatError::Json(_)), "{document}: {err}");
    }
    // As in Go.
    let broken = b"[{\"targets\": [\"a\xff:1\"]}]";
    assert_eq!(shown(Format::Json, broken), "a\u{fffd}:1{}");
}

#[test]
fn yaml_is_read_as_in_prometheus() {
    let f = |document: &str, want: &str| {
        assert_eq!(shown(Format::Yaml, document.as_bytes()), want, "{document}");
    };
    f("", "");
    f("~", "");
    f("# nothing\n---\n", "");
    f("[]", "");
    f(
        "- targets: ['a:1', b]\n  labels: {x: 1, y: true, z: 1e3}\n- targets: [c]\n",
        r#"a:1,b{x="1", y="true", z="1e3"} c{}"#,
    );
    f("\u{feff}- targets: [a]", "a{}");
    f("- {}", "{}");
    f("- targets:\n  labels:\n", "{}");
    f("- targets: [~, '']", "-,-{}");
    f("- labels: {a: ~}", "{}");
    f("- targets: [017, 0x10, 1.50]", "017,0x10,1.50{}");
    f("- &a {targets: [a]}\n- *a\n", "a{} a{}");
    f("- targets: [a]\n---\n- targets: [b]\n", "a{}");

    let yaml = "not YAML target groups: ";
    f("- ~", &format!("{yaml}1:3: nil target group item found"));
    f(
        "targets: [a]",
        &format!("{yaml}1:1: expected a list, found a mapping"),
    );
    f(
        "- target: [a]",
        &format!("{yaml}1:3: unknown field \"target\", did you mean \"targets\"?"),
    );
    f(
        "- Targets: [a]",
        &format!("{yaml}1:3: unknown field \"Targets\", did you mean \"targets\"?"),
    );
    f(
        "- {targets: [a], targets: [b]}",
        &format!("{yaml}1:18: \"targets\" is set twice, the first time in line 1"),
    );
    f(
        "- targets: a",
        &format!("{yaml}1:12: expected a list, found a string"),
    );
}

#[test]
fn groups_are_named_after_their_origin() {
    let found = parse(
        Format::Json,
        br#"[{"targets": ["a"]}, {"labels": {"__meta_x": "own", "b": "c"}}]"#,
    );
    let groups = into_groups(found.unwrap(), "o", "__meta_x");
    let shown: Vec<_> = groups
        .iter()
        .map(|group| format!("{} {}", group.source, group.labels))
        .collect();
    assert_eq!(
        shown,
        [r#"o:0 {__meta_x="o"}"#, r#"o:1 {__meta_x="o", b="c"}"#]
    );
}

proptest! {
    #[test]
    fn nothing_panics(document in prop::collection::vec(any::<u8>(), 0..64)) {
        drop(parse(Format::Json, &document));
        drop(parse(Format::Yaml, &document));
    }

    #[test]
    fn json_and_yaml_agree(
        targets in prop::collection::vec("[a-z0-9.:]{0,8}", 0..4),
        labels in prop::collection::btree_map("[a-z_]{1,4}", "[ -~]{0,6}", 0..4),
    ) {
        let document = serde_json::json!([{"targets": targets, "labels": labels}]).to_string();
        let json = parse(Format::Json, document.as_bytes()).unwrap();
        prop_assert_eq!(json, parse(Format::Yaml, document.as_bytes()).unwrap());
    }
}
