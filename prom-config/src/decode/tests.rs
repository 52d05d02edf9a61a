use super::*;
use crate::yaml::parse;

fn decode<T: Decode>(text: &str) -> Result<T, String> {
    let root = parse(text).map_err(|error| error.to_string())?.root;
    root.decode().map_err(|error| error.to_string())
}

#[test]
fn a_string_is_any_scalar_by_its_text() {
    let f = |text: &str, want: &str| assert_eq!(decode::<String>(text).unwrap(), want, "{text}");
    f("1", "1");
    f("017", "017");
    f("true", "true");
    f("'true'", "true");
    f("2001-12-14", "2001-12-14");
    f("!!str 1", "1");
    f("!custom 1", "1");
    f("~", "");
    f("'~'", "~");
    f("|\n  a\n  b\n", "a\nb\n");
    assert_eq!(
        decode::<String>("[a]").unwrap_err(),
        "1:1: expected a string, found a list"
    );
    assert_eq!(
        decode::<String>("!!int a").unwrap_err(),
        "1:1: not an integer, as its tag !!int says"
    );
}

#[test]
fn a_boolean_is_one_of_yaml_1_1_without_quotes() {
    assert_eq!(decode("yes"), Ok(true));
    assert_eq!(decode("Off"), Ok(false));
    assert_eq!(decode("!!bool 'on'"), Ok(true));
    assert_eq!(
        decode::<bool>("'yes'").unwrap_err(),
        "1:1: expected a boolean, true or false without quotes, found a string"
    );
    assert!(decode::<bool>("1").is_err());
}

#[test]
fn an_integer_may_be_written_as_a_number() {
    let f = |text: &str, want: u64| assert_eq!(decode(text), Ok(want), "{text}");
    f("1e3", 1000);
    f("1.7", 1);
    f("017", 15);
    f("0x1F", 31);
    f("1_000", 1000);
    f("18446744073709551615", u64::MAX);
    f("-0.5", 0);
    for text in [
        "-1", "-1.5", "'5'", ".nan", ".inf", "1e20", "true", "5s", "[1]",
    ] {
        assert!(decode::<u64>(text).is_err(), "{text}");
    }
    assert_eq!(decode::<u16>("65535"), Ok(65535));
    assert_eq!(
        decode::<u16>("65536").unwrap_err(),
        "1:1: out of range, expected at most 65535"
    );
}

#[test]
fn durations_and_sizes_name_what_is_wrong() {
    assert_eq!(decode("1m30s"), Ok(Duration::from_secs(90)));
    assert_eq!(decode("0"), Ok(Duration::ZERO));
    assert_eq!(
        decode::<Duration>("30").unwrap_err(),
        "1:1: \"30\": not a duration, expected whole numbers with units y, w, d, h, m, s, ms in this order"
    );
    assert_eq!(decode("64MB"), Ok(ByteSize(64 << 20)));
    assert_eq!(
        decode::<ByteSize>("100").unwrap_err(),
        "1:1: \"100\": not a byte size, expected numbers with units such as 512KB, 64MB or 1GiB"
    );
}

#[test]
fn a_map_merges_but_never_overrides() {
    let f = decode::<LabelSet>;
    let want: LabelSet = [("a", "1"), ("b", "true")].into_iter().collect();
    assert_eq!(f("{a: 1, b: true}"), Ok(want.clone()));
    assert_eq!(f("a: 1\n<<: {b: true}"), Ok(want));
    assert_eq!(
        f("<<: {a: 1}\na: 2").unwrap_err(),
        "2:1: \"a\" is set here and in a merged mapping"
    );
    assert_eq!(
        f("a: 2\n<<: {a: 1}").unwrap_err(),
        "2:6: \"a\" is set here and in a merged mapping"
    );
    assert_eq!(
        f("a: 1\n'a': 2").unwrap_err(),
        "2:1: \"a\" is set twice, the first time in line 1"
    );
    assert_eq!(
        f("~: x").unwrap_err(),
        "1:1: an empty label name, expected at least one character"
    );
}

#[test]
fn no_error_quotes_a_secret() {
    for text in [
        "[hunter2]",
        "{hunter2: hunter2}",
        "!!int hunter2",
        "!!binary hunter2",
    ] {
        let error = decode::<Secret>(text).unwrap_err();
        assert!(!error.contains("hunter2"), "{error}");
    }
    assert_eq!(decode::<Secret>("1234").unwrap().expose(), "1234");
}
