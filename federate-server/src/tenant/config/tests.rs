use prom_config::yaml;

use super::*;
use crate::tenant::LARGEST_SHARE;

const HASH: &str = "$2b$04$EGdrhbKUv8Oc9vGiXX0HQOxSg445d458Muh7DAHskb6QbtCvdxcie";
const OTHER: &str = "$2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG";

fn take(text: &str) -> Result<TenantsConfig, String> {
    let taken = || {
        let mut fields = yaml::parse(text)?.root.fields()?;
        let config = TenantsConfig::take(&mut fields)?;
        fields.finish()?;
        Ok(config)
    };
    taken().map_err(|error: ConfigError| error.to_string())
}

fn warnings(config: &TenantsConfig) -> Vec<String> {
    config.warnings.iter().map(ToString::to_string).collect()
}

#[test]
fn absent_and_empty_sections_say_nothing() {
    for text in [
        "",
        "tenants:",
        "tenants: []\noperators:",
        "operators: {}",
        "operators: {basic_auth_users: }",
    ] {
        let config = take(text).unwrap();
        assert_eq!(config, TenantsConfig::default(), "{text}");
        assert!(config.is_empty());
        assert_eq!(config.shown(), Mapping::new());
    }
}

#[test]
fn every_key() {
    let text = format!(
        r#"
tenants:
- name: tenant-a
  targets: ['{{org_name="a"}}', '{{space_guid=~"1|2",job!=""}}']
  metrics: ['{{__name__=~"disk_.*"}}', up]
  basic_auth_users: {{a: {HASH}, rotated: [{HASH}, {OTHER}]}}
  concurrency_limit: 3
  series_limit: 1000
- name: B_2.x
  targets: ['{{org_name="b"}}']
  metrics: []
  basic_auth_users: {{b: {HASH}}}
- name: free
  targets: ['{{org_name="c"}}']
  basic_auth_users: {{c: {HASH}}}
  concurrency_limit: 0
operators:
  basic_auth_users: {{admin: {OTHER}}}
"#
    );
    let config = take(&text).unwrap();
    assert_eq!(warnings(&config), [""; 0]);
    let limits = |of: &TenantConfig| {
        let TenantLimits {
            concurrency,
            series,
        } = of.settings.limits;
        let value = |limit: Option<NonZeroUsize>| limit.map(NonZeroUsize::get);
        (value(concurrency), value(series))
    };
    let limits: Vec<_> = config.tenants.iter().map(limits).collect();
    let default = Some(DEFAULT_CONCURRENCY_LIMIT);
    assert_eq!(
        limits,
        [(Some(3), Some(1000)), (default, None), (None, None)]
    );
    let users: Vec<_> = config.tenants[0].users.iter().collect();
    let (one, other) = (HASH.into(), OTHER.into());
    assert_eq!(
        users,
        [("a", &[HASH.into()][..]), ("rotated", &[one, other])]
    );
    assert_eq!(
        config.shown().to_yaml(),
        r#"tenants:
- name: tenant-a
  targets:
  - '{org_name="a"}'
  - '{space_guid=~"1|2",job!=""}'
  metrics:
  - '{__name__=~"disk_.*"}'
  - up
  concurrency_limit: 3
  series_limit: 1000
  basic_auth_users:
    a: <secret>
    rotated:
    - <secret>
    - <secret>
- name: B_2.x
  targets:
  - '{org_name="b"}'
  concurrency_limit: 20
  basic_auth_users:
    b: <secret>
- name: free
  targets:
  - '{org_name="c"}'
  concurrency_limit: 0
  basic_auth_users:
    c: <secret>
operators:
  basic_auth_users:
    admin: <secret>
"#
    );
    let shown = format!("{config:?}");
    assert!(!shown.contains("$2"), "{shown}");
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let f = |text: &str, want: &str| assert_eq!(take(text).unwrap_err(), want, "{text}");
    let tenant = |keys: &str| format!("tenants:\n- name: a\n  {keys}");
    let targets = "targets: ['{a=\"1\"}']";
    f("tenants: {}", "1:10: expected a list, found a mapping");
    f("tenants: [{}]", "1:11: name is missing");
    f("tenants: [{name: ''}]", "1:18: name is empty");
    f(
        "tenants: [{name: 'a b'}]",
        "1:18: \"a b\" is no name of a tenant, expected letters, digits, '-', '_' and '.'",
    );
    f(
        &format!("tenants: [{{name: {}}}]", "a".repeat(201)),
        "1:18: name is longer than 200 characters",
    );
    f(&tenant("metrics: []"), "2:3: targets is missing");
    let none = "3:12: targets has no selector, expected one such as '{org_name=\"a\"}'";
    f(&tenant("targets: []"), none);
    f(
        &tenant("targets: '{a=\"1\"}'"),
        "3:12: expected a list, found a string",
    );
    f(
        &tenant("targets: [{a: 1}]"),
        "3:13: expected a selector in quotes, such as '{org_name=\"a\"}', found a mapping",
    );
    f(
        &tenant("targets: ['{a=\"1\"}', '{a=1}']"),
        "3:24: selector {a=1}: 1:4: parse error: unexpected character inside braces: '1'",
    );
    f(
        &tenant("targets: ['{}']"),
        "3:13: selector {}: has no condition, expected a selector in quotes, such as '{org_name=\"a\"}'",
    );
    for all in [
        r#"{a=~".*"}"#,
        r#"{a!="b"}"#,
        r#"{a=""}"#,
        r#"{a!~"b|c",d=~"x*"}"#,
    ] {
        let want = format!(
            "3:13: selector {all}: selects targets without labels, too, expected a condition that they don't meet; \
             who may see everything is an operator"
        );
        f(&tenant(&format!("targets: ['{all}']")), &want);
    }
    for named in ["up", r#"{__name__="up",a="1"}"#] {
        let want = format!(
            "3:13: selector {named}: names __name__, which targets don't have; did you mean metrics?"
        );
        f(&tenant(&format!("targets: ['{named}']")), &want);
    }
    f(
        &tenant(&format!("{targets}\n  metrics: ['{{']")),
        "4:13: selector {: 1:2: parse error: unexpected end of input inside braces",
    );
    f(
        &tenant(&format!("{targets}\n  series_limit: -1")),
        "4:17: negative, expected an integer of 0 or more, without quotes",
    );
    f(
        &tenant(&format!("{targets}\n  basic_auth_user: {{}}")),
        "4:3: unknown field \"basic_auth_user\", did you mean \"basic_auth_users\"?",
    );
    f(
        &tenant(&format!("{targets}\n- name: a\n  {targets}")),
        "4:9: more than one tenant has the name \"a\"",
    );
    f(
        "operators: {users: {}}",
        "1:13: unknown field \"users\", expected one of basic_auth_users",
    );
}

#[test]
fn errors_quote_no_hash() {
    let f = |users: &str, want: &str| {
        let text = format!("operators:\n  basic_auth_users: {users}");
        assert_eq!(take(&text).unwrap_err(), want, "{users}");
    };
    f("{u: hunter2}", "2:25: user \"u\": not a bcrypt hash");
    f("{u: [hunter2]}", "2:26: user \"u\": not a bcrypt hash");
    f(
        "{u: {hunter2: x}}",
        "2:25: expected a string, found a mapping",
    );
    f("{u: [[hunter2]]}", "2:26: expected a string, found a list");
    let costly = OTHER.replace("$10", "$31");
    f(
        &format!("{{u: {costly}}}"),
        "2:25: user \"u\": bcrypt cost 31 is outside 4 to 20",
    );
    let none = "user \"u\" has no password, expected a bcrypt hash or a list of them";
    f("{u: []}", &format!("2:25: {none}"));
    f("{u: ~}", &format!("2:25: {none}"));
    f(
        &format!("{{'a:b': {HASH}}}"),
        "2:29: user \"a:b\": a user's name holds no colon",
    );
    f(&format!("{{'': {HASH}}}"), "2:26: a user without a name");
}

#[test]
fn a_user_belongs_to_one() {
    let tenant = |name: &str, user: &str| {
        format!(
            "- name: {name}\n  targets: ['{{o=\"{name}\"}}']\n  basic_auth_users: {{{user}: {HASH}}}\n"
        )
    };
    let text = format!("tenants:\n{}{}", tenant("a", "x"), tenant("b", "x"));
    assert_eq!(
        take(&text).unwrap_err(),
        "7:21: user \"x\" belongs to tenant \"a\" and to tenant \"b\", expected one"
    );
    let text = format!(
        "operators:\n  basic_auth_users: {{x: {HASH}}}\ntenants:\n{}",
        tenant("a", "x")
    );
    assert_eq!(
        take(&text).unwrap_err(),
        "2:21: user \"x\" belongs to tenant \"a\" and to the operators, expected one"
    );
}

#[test]
fn what_is_likely_not_meant_is_warned_of() {
    let text = "tenants:\n- name: a\n  targets: ['{__meta_x=\"1\"}']\n";
    let want = [
        "3:13: selector {__meta_x=\"1\"}: label \"__meta_x\" is dropped from targets once they are relabelled",
        "2:3: tenant \"a\" has no basic_auth_users, so nobody can ask as it",
    ];
    assert_eq!(warnings(&take(text).unwrap()), want);
    let limit = |limit: usize| {
        let text = format!(
            "tenants:\n- name: a\n  targets: ['{{o=\"1\"}}']\n  basic_auth_users: {{u: {HASH}}}\n  \
             concurrency_limit: {limit}"
        );
        warnings(&take(&text).unwrap())
    };
    assert_eq!(limit(LARGEST_SHARE), [""; 0]);
    let want = "5:22: concurrency_limit is 49, and no tenant has more than 48 requests answered at one time";
    assert_eq!(limit(LARGEST_SHARE + 1), [want]);
}

#[test]
fn a_tenant_that_stays_as_it_is_keeps_its_scope() {
    let of = |text: &str| take(text).unwrap().tenants;
    let tenant = |name: &str, more: &str| {
        format!("- {{name: {name}, targets: ['{{o=\"{name}\"}}'], {more}}}\n")
    };
    let user = |hash: &str| format!("basic_auth_users: {{u: {hash}}}");
    let text = format!("tenants:\n{}{}", tenant("a", &user(HASH)), tenant("b", ""));
    let first = TenantScopes::default().succeeded_by(&of(&text));
    let scopes = |scopes: &TenantScopes| scopes.iter().cloned().collect::<Vec<_>>();
    let before = scopes(&first);
    assert_eq!(before.len(), 2);

    // Another place in the file and another password are no other settings, …
    let text = format!("tenants:\n{}{}", tenant("b", ""), tenant("a", &user(OTHER)));
    let second = first.succeeded_by(&of(&text));
    assert_eq!(scopes(&second), [before[1].clone(), before[0].clone()]);
    // … a limit is; and who goes and comes again is another tenant.
    let text = format!("tenants:\n{}", tenant("a", "series_limit: 1"));
    let third = second.succeeded_by(&of(&text));
    assert_ne!(scopes(&third), [before[0].clone()]);
    let text = format!("tenants:\n{}", tenant("b", ""));
    let fourth = third.succeeded_by(&of(&text));
    assert_ne!(scopes(&fourth), [before[1].clone()]);
}

#[test]
fn a_tenant_that_sees_something_else_has_no_more_places() {
    let scopes = |former: &TenantScopes, keys: &str| {
        let config = take(&format!("tenants:\n- {{name: a, {keys}}}")).unwrap();
        former.succeeded_by(&config.tenants)
    };
    let place = |scopes: &TenantScopes| {
        let scope = scopes.iter().next().unwrap();
        scope.tenant().unwrap().place()
    };
    let keys = "targets: ['{o=\"1\"}'], concurrency_limit: 1";
    let first = scopes(&TenantScopes::default(), keys);
    let taken = place(&first).unwrap();
    let other = [
        "targets: ['{o=\"2\"}'], concurrency_limit: 1",
        "targets: ['{o=\"1\"}'], concurrency_limit: 1, metrics: [up]",
    ];
    let other = other.map(|keys| scopes(&first, keys));
    assert!(other.iter().all(|scopes| place(scopes).is_none()));
    let sees = |scopes: &TenantScopes, org: &str| {
        let target = [("o", org)].into_iter().collect();
        scopes.iter().all(|scope| scope.sees_target(&target))
    };
    assert!(sees(&other[0], "2") && !sees(&other[0], "1"));
    assert_eq!(other[1].iter().next().unwrap().metrics().len(), 1);
    let more = scopes(&first, "targets: ['{o=\"1\"}'], concurrency_limit: 2");
    assert!(place(&more).is_some());
    drop(taken);
    assert!(other.iter().all(|scopes| place(scopes).is_some()));
}
