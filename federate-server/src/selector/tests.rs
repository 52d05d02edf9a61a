use super::*;

#[test]
fn a_name_outside_the_braces_comes_last() {
    let selector = Selector::parse(r#"up{job="aiven",node!~"x.*"}"#).unwrap();
    let shown: Vec<_> = selector
        .matchers()
        .iter()
        .map(|it| format!("{}{}{}", it.name(), it.op().as_str(), it.value()))
        .collect();
    assert_eq!(shown, ["job=aiven", "node!~x.*", "__name__=up"]);
}
