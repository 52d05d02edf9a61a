use proptest::prelude::*;

use super::*;

fn root(text: &str) -> Node {
    parse(text).unwrap().root
}

fn refused(text: &str) -> String {
    match parse(text) {
        Ok(document) => panic!("accepted {text:?} as {:?}", document.root),
        Err(error) => error.to_string(),
    }
}

#[test]
fn an_empty_text_is_a_null() {
    for text in ["", "\n", "# comment\n", "---\n", "~", "\u{feff}"] {
        assert!(root(text).is_null(), "{text:?}");
    }
}

#[test]
fn only_the_first_document_counts() {
    let document = parse("a\n---\nb\n").unwrap();
    assert_eq!(document.root.decode::<String>().unwrap(), "a");
    assert_eq!(document.ignored, Some(Position { line: 2, column: 1 }));
    let document = parse("a\n---\n[").unwrap();
    assert!(document.ignored.is_some());
    assert_eq!(parse("---\na\n...\n").unwrap().ignored, None);
}

#[test]
fn positions_count_from_one() {
    let list = root("# comment\n- a\n-   ä: b\n");
    let items = list.items().unwrap();
    assert_eq!(items[0].position(), Position { line: 2, column: 3 });
    assert_eq!(items[1].position(), Position { line: 3, column: 5 });
}

#[test]
fn an_alias_is_the_anchors_node_at_its_own_place() {
    let list = root("- &a [x, y]\n- *a\n- &a z\n- *a\n");
    let items = list.items().unwrap();
    assert!(items[0] == items[1] && items[2] == items[3] && items[1] != items[2]);
    assert_eq!(items[1].position(), Position { line: 2, column: 3 });
}

#[test]
fn an_alias_needs_a_complete_anchor() {
    assert_eq!(refused("a: &x [*x]"), "1:8: an alias within its own anchor");
    assert_eq!(
        refused("*x"),
        "1:1: not YAML: while parsing node, found unknown anchor"
    );
}

#[test]
fn what_aliases_expand_to_is_bounded() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let before = level - 1;
        let tens = vec![format!("*a{before}"); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{tens}]\n"));
    }
    assert_eq!(refused(&bomb), "6:5: too much comes from aliases");

    let long = format!("- &a {}\n{}", "x".repeat(1 << 20), "- *a\n".repeat(9));
    assert_eq!(refused(&long), "1:1: too much comes from aliases");

    let many = format!("- &a x\n{}", "- *a\n".repeat(5000));
    assert_eq!(root(&many).items().unwrap().len(), 5001);
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(parse(&nested(64)).is_ok());
    assert_eq!(refused(&nested(65)), "1:65: nested deeper than 64 levels");
    assert!(parse(&"- ".repeat(100_000)).is_err());
    assert!(parse(&"[".repeat(100_000)).is_err());
    assert!(parse(&"a: {".repeat(100_000)).is_err());
    let through_aliases = format!(
        "- &a {}\n- {}*a{}\n",
        nested(40),
        "[".repeat(40),
        "]".repeat(40)
    );
    assert_eq!(
        refused(&through_aliases),
        "2:43: nested deeper than 64 levels"
    );
}

#[test]
fn debug_shows_no_text() {
    assert_eq!(format!("{:?}", root("hunter2")), "Node(a string at 1:1)");
}

proptest! {
    #[test]
    fn no_text_panics(text in "[-a-z0-9:{}\\[\\],&*!|>%@`'\"?#~<. \t\n]{0,60}") {
        let _ = parse(&text);
    }

    #[test]
    fn no_unicode_panics(text in any::<String>()) {
        let _ = parse(&text);
    }
}

#[test]
fn tabs_indent_nothing() {
    for text in [
        "\t",
        "\ta: b\n",
        "a:\n\tb: c\n",
        "a:\n \tb: c\n",
        "a: b\n\t\n",
        "a: b\n\t# comment\n",
        "-\ta\n",
        "- - \ta\n",
        "a: {b: c}\n\t\nd: e\n",
    ] {
        let tab = text.lines().position(|line| line.contains('\t')).unwrap();
        let place = format!("{}:", tab + 1);
        assert!(refused(text).starts_with(&place), "{text:?}");
    }
    for text in [
        "a: b\t\n",
        "a: b\t# comment\n",
        "a: {b: c,\n\t\n}\n",
        "a: &x !!map {b: [c,\n\t\n]\n\t}\n",
        "a: |\n  b\n  \tc\n",
        "a: 'b\tc'\n",
        "a: b\tc\n",
        "--- {a: b}\n---\n\t",
    ] {
        root(text);
    }
}

#[test]
fn other_versions_and_control_characters_are_refused() {
    assert_eq!(refused("%YAML 1.2\n---\na\n"), "1:1: not YAML 1.1");
    root("%YAML 1.1\n---\na\n");
    assert_eq!(
        refused("a: b\n\"\u{1}\"\n"),
        "2:2: not YAML: a control character"
    );
    root("\"\u{85}\u{a0}\u{fffd}\u{1f600}\"");
}
