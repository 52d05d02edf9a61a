//! Texts of `match[]`, and what Prometheus 3 says to them.

/// From which version of Prometheus on a case holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Since {
    Always,
    /// Prometheus 2 has no quoted names, and words some refusals otherwise.
    Three,
}

/// What is said to a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is a selector.
    Selects,
    /// It is a selector at `/federate`; the HTTP API refuses it, as it selects by absent labels alone.
    SelectsByAbsence,
    /// It isn't a selector, for this reason.
    Refused(&'static str),
    /// It isn't a selector, for a reason that Prometheus words a little differently.
    Reworded(&'static str),
}

#[derive(Debug)]
pub(super) struct Case {
    pub(super) text: &'static str,
    pub(super) want: Answer,
    pub(super) since: Since,
}

const fn selects(text: &'static str) -> Case {
    Case {
        text,
        want: Answer::Selects,
        since: Since::Always,
    }
}

const fn selects3(text: &'static str) -> Case {
    Case {
        text,
        want: Answer::Selects,
        since: Since::Three,
    }
}

const fn selects_by_absence(text: &'static str) -> Case {
    Case {
        text,
        want: Answer::SelectsByAbsence,
        since: Since::Always,
    }
}

const fn selects_by_absence3(text: &'static str) -> Case {
    Case {
        text,
        want: Answer::SelectsByAbsence,
        since: Since::Three,
    }
}

const fn refused(text: &'static str, reason: &'static str) -> Case {
    Case {
        text,
        want: Answer::Refused(reason),
        since: Since::Always,
    }
}

const fn refused3(text: &'static str, reason: &'static str) -> Case {
    Case {
        text,
        want: Answer::Refused(reason),
        since: Since::Three,
    }
}

const fn reworded(text: &'static str, reason: &'static str) -> Case {
    Case {
        text,
        want: Answer::Reworded(reason),
        since: Since::Always,
    }
}

pub(super) const CASES: &[Case] = &[
    refused3("", "unknown position: parse error: unexpected end of input"),
    selects_by_absence("{}"),
    selects("up"),
    refused("(up)", r#"1:1: parse error: unexpected "(""#),
    selects(r#"up{__name__="a"}"#),
    selects(r#"{__name__="a",__name__="b"}"#),
    selects3(r#"{"a","b"}"#),
    refused3(
        r#"{"a" b}"#,
        r#"1:6: parse error: unexpected identifier "b" in label matching, expected "," or "}""#,
    ),
    selects3(r#"{"a" = "b"}"#),
    selects3(r#"{"a"="b","c"}"#),
    refused("up[5m]", r#"1:3: parse error: unexpected "[""#),
    refused("up offset 5m", "1:4: parse error: unexpected <offset>"),
    reworded("up @ 1", r#"1:4: parse error: unexpected <op:@>"#),
    refused(
        r#"{a="1" or b="2"}"#,
        r#"1:8: parse error: unexpected identifier "or" in label matching, expected "," or "}""#,
    ),
    refused(
        "up{",
        "1:4: parse error: unexpected end of input inside braces",
    ),
    refused(
        "up{a",
        "1:5: parse error: unexpected end of input inside braces",
    ),
    refused(
        "up{a=",
        "1:6: parse error: unexpected end of input inside braces",
    ),
    refused(
        r#"up{a="b""#,
        "1:9: parse error: unexpected end of input inside braces",
    ),
    refused(
        r#"up{a="b" c="d"}"#,
        r#"1:10: parse error: unexpected identifier "c" in label matching, expected "," or "}""#,
    ),
    selects(r#"up{a="b",}"#),
    refused(
        "{,}",
        r#"1:2: parse error: unexpected "," in label matching, expected identifier or "}""#,
    ),
    refused3(
        r#"up{a=~"["}"#,
        "1:4: parse error: error parsing regexp: missing closing ]: `[`",
    ),
    refused(
        r#"up{a=~"a)(b"}"#,
        "1:4: parse error: error parsing regexp: unexpected ): `a)(b`",
    ),
    refused("bool", "1:1: parse error: unexpected <bool>"),
    refused("on", "1:1: parse error: unexpected <on>"),
    refused("atan2", "1:1: parse error: unexpected <op:atan2>"),
    selects("limitk"),
    selects("limit_ratio"),
    refused("inf", r#"1:1: parse error: unexpected number "inf""#),
    selects("sum"),
    selects("Sum"),
    selects("and"),
    selects("start"),
    selects("end"),
    refused("group_left", "1:1: parse error: unexpected <group_left>"),
    refused("123", r#"1:1: parse error: unexpected number "123""#),
    refused("1e5", r#"1:1: parse error: unexpected number "1e5""#),
    refused(
        r#""a""#,
        "1:1: parse error: unexpected string \"\\\"a\\\"\"",
    ),
    refused(
        r#""a"{b="c"}"#,
        "1:1: parse error: unexpected string \"\\\"a\\\"\"",
    ),
    selects("up # comment"),
    selects("up{a=\"b\" # c\n}"),
    refused(
        "up{a=\"\\d\"}",
        "1:6: parse error: unknown escape sequence U+0064 'd'",
    ),
    selects("up{a=\"\\u00e9\"}"),
    selects("up{a='x'}"),
    selects("up{a=`\n`}"),
    refused(
        "up{a=\"\n\"}",
        "1:6: parse error: unterminated quoted string",
    ),
    refused("up{a=\"\u{fffd}\"}", "1:6: parse error: invalid UTF-8 rune"),
    refused(
        "up{a==b}",
        r#"1:6: parse error: unexpected "=" in label matching, expected string"#,
    ),
    refused(
        r#"up{1a="b"}"#,
        "1:4: parse error: unexpected character inside braces: '1'",
    ),
    refused(
        r#"up{a:b="c"}"#,
        "1:5: parse error: unexpected character inside braces: ':'",
    ),
    refused("é", "1:1: parse error: unexpected character: 'é'"),
    refused(
        r#"up{é="x"}"#,
        "1:4: parse error: unexpected character inside braces: 'é'",
    ),
    refused("up up", r#"1:4: parse error: unexpected identifier "up""#),
    refused("up,", r#"1:3: parse error: unexpected ",""#),
    refused("up)", "1:4: parse error: unexpected right parenthesis ')'"),
    refused("up+1", "1:3: parse error: unexpected <op:+>"),
    refused(
        r#"up{a="b"}{c="d"}"#,
        r#"1:10: parse error: unexpected "{""#,
    ),
    refused("-up", "1:1: parse error: unexpected <op:->"),
    refused3(
        r#"{"a""#,
        "1:5: parse error: unexpected end of input inside braces",
    ),
    selects_by_absence3(r#"{""}"#),
    selects3(r#"{""="x"}"#),
    refused3(
        r#"{"":x}"#,
        "1:4: parse error: unexpected character inside braces: ':'",
    ),
    refused(
        "up{a!b}",
        "1:5: parse error: unexpected character after '!' inside braces: 'b'",
    ),
    refused(
        r#"up{a="b"}}"#,
        "1:10: parse error: unexpected character: '}'",
    ),
    refused("{{}}", "1:2: parse error: unexpected left brace '{'"),
    refused("0x1f", r#"1:1: parse error: unexpected number "0x1f""#),
    refused("5m", r#"1:1: parse error: unexpected duration "5m""#),
    refused(
        "up{a=~\"\\d+\"}",
        "1:7: parse error: unknown escape sequence U+0064 'd'",
    ),
    selects("up{a=~\"\\\\d+\"}"),
    selects_by_absence(r#"{a=~".*"}"#),
    selects_by_absence(r#"{a=""}"#),
    selects_by_absence(r#"{a!="b"}"#),
    refused3(
        r#"up{a=~"(?P<n"}"#,
        "1:4: parse error: error parsing regexp: invalid named capture: `(?P<n`",
    ),
    selects3("{\"a\\nb\"}"),
    refused("up;", "1:3: parse error: unexpected character: ';'"),
    refused(
        "up{a=1}",
        "1:6: parse error: unexpected character inside braces: '1'",
    ),
    refused(
        "up{a=b}",
        r#"1:6: parse error: unexpected identifier "b" in label matching, expected string"#,
    ),
    refused("=", r#"1:1: parse error: unexpected "=""#),
    refused(
        "!",
        "1:1: parse error: unexpected character after '!': '\u{fffd}'",
    ),
    refused("==", "1:1: parse error: unexpected <op:==>"),
    refused(
        "=~",
        "1:1: parse error: unexpected character after '=': '~'",
    ),
    refused("$", "1:1: parse error: unexpected character: '$'"),
    refused(
        r#"up{a="b",,}"#,
        r#"1:10: parse error: unexpected "," in label matching, expected identifier or "}""#,
    ),
    selects("by"),
    selects(r#"without{a="b"}"#),
    selects("offset"),
    selects("foo:bar"),
    selects(":a"),
    selects(r#"a:b{c="d"}"#),
    selects3(r#"up{"a"="b",up2="c"}"#),
    selects3(r#"up{"x"}"#),
    refused3(
        r#"{"a" =}"#,
        r#"1:7: parse error: unexpected "}" in label matching, expected string"#,
    ),
    refused3(
        r#"{"a" b="c"}"#,
        r#"1:6: parse error: unexpected identifier "b" in label matching, expected "," or "}""#,
    ),
    refused(
        r#"up{a="b"} 1"#,
        r#"1:11: parse error: unexpected number "1""#,
    ),
    refused(
        "up bbbbbbbbbbbbbbbbbbbb",
        r#"1:4: parse error: unexpected identifier "bbbbbbbbbbbbbbbbbbbb""#,
    ),
    refused(
        r#"up "aaaaaaaaaaaaaaaaaaaaaa""#,
        "1:4: parse error: unexpected string \"\\\"aaaaaaaaa\"...",
    ),
    refused(
        r#"up{a "bbbbbbbbbbbbbbbbbbb"}"#,
        "1:6: parse error: unexpected string \"\\\"bbbbbbbbb\"... in label matching, expected label matching operator",
    ),
    refused(
        r#"up{a="b" "ccccccccccccccccccc"}"#,
        "1:10: parse error: unexpected string \"\\\"ccccccccc\"... in label matching, expected \",\" or \"}\"",
    ),
    refused3(
        "up 1e",
        r#"1:4: parse error: bad number or duration syntax: "1e""#,
    ),
    refused("up 0x", r#"1:4: parse error: unexpected number "0x""#),
    refused(r#"up "x"#, "1:4: parse error: unterminated quoted string"),
    refused("up 'x'", r#"1:4: parse error: unexpected string "'x'""#),
    refused("up `x", "1:4: parse error: unterminated raw string"),
    refused("up 5m", r#"1:4: parse error: unexpected duration "5m""#),
    refused("up .5", r#"1:4: parse error: unexpected number ".5""#),
    refused("up <= 2", "1:4: parse error: unexpected <op:<=>"),
    refused("up ^", "1:4: parse error: unexpected <op:^>"),
    refused("up ]", "1:4: parse error: unexpected right bracket ']'"),
    refused("up [", r#"1:4: parse error: unexpected "[""#),
    refused(
        "up {",
        "1:5: parse error: unexpected end of input inside braces",
    ),
    refused("up == 1", "1:4: parse error: unexpected <op:==>"),
    refused(
        r#"up =~ "x""#,
        "1:4: parse error: unexpected character after '=': '~'",
    ),
    refused(
        "up !~",
        "1:4: parse error: unexpected character after '!': '~'",
    ),
    refused("up != 1", "1:4: parse error: unexpected <op:!=>"),
    refused("up \\", "1:4: parse error: unexpected character: '\\\\'"),
    refused("up é", "1:4: parse error: unexpected character: 'é'"),
    refused("up and x", "1:4: parse error: unexpected <op:and>"),
    refused("up or", "1:4: parse error: unexpected <op:or>"),
    refused("up sum", "1:4: parse error: unexpected <aggr:sum>"),
    refused("up bool", "1:4: parse error: unexpected <bool>"),
    refused("up inf", r#"1:4: parse error: unexpected number "inf""#),
    refused("up start", r#"1:4: parse error: unexpected "start""#),
    refused(
        "up foo:bar",
        r#"1:4: parse error: unexpected metric identifier "foo:bar""#,
    ),
    selects("# c\nup"),
    refused("# c", "1:4: parse error: unexpected end of input"),
    selects("up{#c\n}"),
    refused(
        "up{a=\"\\\n\"}",
        "1:6: parse error: unknown escape sequence U+000A",
    ),
    refused(
        "up{a=\"\\",
        "1:6: parse error: escape sequence not terminated",
    ),
    refused(
        "up{a=\"\\x4",
        "1:6: parse error: escape sequence not terminated",
    ),
    refused(
        "up{a=\"\\x4g\"}",
        "1:6: parse error: illegal character U+0067 'g' in escape sequence",
    ),
    refused(
        "up{a=\"\\400\"}",
        "1:6: parse error: escape sequence is an invalid Unicode code point",
    ),
    refused(
        "up{a=\"\\ud800\"}",
        "1:6: parse error: escape sequence is an invalid Unicode code point",
    ),
    refused(
        "up{a=\"\\U00110000\"}",
        "1:6: parse error: escape sequence is an invalid Unicode code point",
    ),
    refused(
        "up{a=\"\\é\"}",
        "1:6: parse error: unknown escape sequence U+00E9 'é'",
    ),
    refused(
        "up{a=\"\\'\"}",
        "1:6: parse error: unknown escape sequence U+0027 '''",
    ),
    refused(
        "up{a='\\\"'}",
        r#"1:6: parse error: unknown escape sequence U+0022 '"'"#,
    ),
    refused(
        "up{a=\"\\x\"}",
        r#"1:6: parse error: illegal character U+0022 '"' in escape sequence"#,
    ),
    selects("up{a=\"\t\"}"),
    refused(
        r#"up{a="a"b"}"#,
        r#"1:9: parse error: unexpected identifier "b" in label matching, expected "," or "}""#,
    ),
    refused(r#"up{a="x"#, "1:6: parse error: unterminated quoted string"),
    refused("up{a=`x", "1:6: parse error: unterminated raw string"),
    selects("up{a=\"\r\"}"),
    refused("up\n\n +", "3:2: parse error: unexpected <op:+>"),
    refused(
        "{\"a\\x\"}",
        r#"1:2: parse error: illegal character U+0022 '"' in escape sequence"#,
    ),
    refused(
        "up{=}",
        r#"1:4: parse error: unexpected "=" in label matching, expected identifier or "}""#,
    ),
    refused(
        "up{=~}",
        r#"1:4: parse error: unexpected <op:=~> in label matching, expected identifier or "}""#,
    ),
    refused(
        "up{a=~}",
        r#"1:7: parse error: unexpected "}" in label matching, expected string"#,
    ),
    refused(
        "up{a!}",
        "1:5: parse error: unexpected character after '!' inside braces: '}'",
    ),
    refused(
        "up{!a}",
        "1:4: parse error: unexpected character after '!' inside braces: 'a'",
    ),
    refused(
        "up{~}",
        "1:4: parse error: unexpected character inside braces: '~'",
    ),
    refused(
        r#"up{a="b"=~}"#,
        r#"1:9: parse error: unexpected <op:=~> in label matching, expected "," or "}""#,
    ),
    refused(
        r#"up{a=~"*"}, x"#,
        "1:4: parse error: error parsing regexp: missing argument to repetition operator: `*`",
    ),
    refused(
        "up{a=~\"*\",b=\"\\z\"}",
        "1:4: parse error: error parsing regexp: missing argument to repetition operator: `*`",
    ),
    selects(r#"up {a = "b" , c != "d" , }"#),
    selects_by_absence("{ }"),
    selects("\tup\r\n"),
    reworded("up @ start()", r#"1:4: parse error: unexpected <op:@>"#),
    refused("nan", r#"1:1: parse error: unexpected number "nan""#),
    refused("Inf", r#"1:1: parse error: unexpected number "Inf""#),
    selects("up{a='\\x41\\101\\u0041\\U00000041\\a\\b\\f\\n\\r\\t\\v\\\\'}"),
    selects("up:"),
    selects("up::x"),
    selects(r#"{__name__=~"a|b",job!~"x.*"}"#),
    refused(
        r#"up{a=~"x{2000}"}"#,
        "1:4: parse error: error parsing regexp: invalid repeat count: `{2000}`",
    ),
    refused3(
        "up{a=~\"\\\\\"}",
        "1:4: parse error: error parsing regexp: trailing backslash at end of expression: ``",
    ),
    selects3("up{a=~\"a\\\\Qb\"}"),
    refused(
        r#""up"{}"#,
        "1:1: parse error: unexpected string \"\\\"up\\\"\"",
    ),
    refused(".", "1:1: parse error: unexpected character: '.'"),
    reworded(
        "5x",
        r#"1:1: parse error: bad number or duration syntax: "5x""#,
    ),
    refused3("1_000", r#"1:1: parse error: unexpected number "1_000""#),
    refused(">", "1:1: parse error: unexpected <op:>>"),
    refused(">=", "1:1: parse error: unexpected <op:>=>"),
    refused("<", "1:1: parse error: unexpected <op:<>"),
    refused("(", r#"1:1: parse error: unexpected "(""#),
    refused(")", "1:2: parse error: unexpected right parenthesis ')'"),
    refused("%", "1:1: parse error: unexpected <op:%>"),
    refused("*", "1:1: parse error: unexpected <op:*>"),
    refused("/", "1:1: parse error: unexpected <op:/>"),
    refused("^", "1:1: parse error: unexpected <op:^>"),
    refused("+", "1:1: parse error: unexpected <op:+>"),
    reworded("@", r#"1:1: parse error: unexpected <op:@>"#),
    refused("~", "1:1: parse error: unexpected character: '~'"),
    refused("&", "1:1: parse error: unexpected character: '&'"),
    refused("?", "1:1: parse error: unexpected character: '?'"),
    refused("''", r#"1:1: parse error: unexpected string "''""#),
    refused("'a", "1:1: parse error: unterminated quoted string"),
    refused(r#"""#, "1:1: parse error: unterminated quoted string"),
    refused("`", "1:1: parse error: unterminated raw string"),
    selects(r#"up{a= "b"}"#),
    selects(r#"up{a="b" ,}"#),
    refused("a.b", "1:2: parse error: unexpected character: '.'"),
    refused("up-1", "1:3: parse error: unexpected <op:->"),
    refused(
        r#"up{a="b"}[5m:1m]"#,
        r#"1:10: parse error: unexpected "[""#,
    ),
    refused(
        r#"up{a="b"} offset -1m"#,
        "1:11: parse error: unexpected <offset>",
    ),
    refused("ignoring", "1:1: parse error: unexpected <ignoring>"),
    refused("group_right", "1:1: parse error: unexpected <group_right>"),
    selects("unless"),
    selects("topk"),
    selects("count_values"),
    selects("quantile"),
    selects("stddev"),
    selects("stdvar"),
    selects("bottomk"),
    selects("group"),
    selects("avg"),
    selects("min"),
    selects("max"),
    selects("count"),
    selects("or"),
    refused(
        r#"up{a="b" or c="d"}"#,
        r#"1:10: parse error: unexpected identifier "or" in label matching, expected "," or "}""#,
    ),
    refused("sum(up)", r#"1:4: parse error: unexpected "(""#),
    refused("rate(up[5m])", r#"1:5: parse error: unexpected "(""#),
    refused("up > 1", "1:4: parse error: unexpected <op:>>"),
    selects("{job='aiven'}"),
    selects3(r#"{"my.metric","a.b"="c"}"#),
    selects3("up{\"a\\x62\"=\"c\"}"),
    selects3("{'a'}"),
    selects3(r#"{`a`="b"}"#),
    selects(r#"{__name__="up",job="x"}"#),
    selects(r#"{a=~".+"}"#),
    selects(r#"{a!~""}"#),
    selects(r#"{a!=""}"#),
    selects_by_absence(r#"{a!~".+"}"#),
    selects_by_absence(r#"{a=~"x?"}"#),
    selects(r#"{a=~"x?",b="c"}"#),
    selects("up{}"),
    refused(r#"{a="b"}}"#, "1:8: parse error: unexpected character: '}'"),
    refused(
        r#"up{a="b";}"#,
        "1:9: parse error: unexpected character inside braces: ';'",
    ),
    refused(
        r#"up{a:="b"}"#,
        "1:5: parse error: unexpected character inside braces: ':'",
    ),
    refused(
        r#"up{a=b"}"#,
        r#"1:6: parse error: unexpected identifier "b" in label matching, expected string"#,
    ),
    refused(
        r#"up{a=~"a**"}"#,
        "1:4: parse error: error parsing regexp: invalid nested repetition operator: `**`",
    ),
    refused(
        r#"up{a!~"(?x)"}"#,
        "1:4: parse error: error parsing regexp: invalid or unsupported Perl syntax: `(?x`",
    ),
    refused(
        "up{a=~\"\\\\pX\"}",
        "1:4: parse error: error parsing regexp: invalid character class range: `\\pX`",
    ),
    refused(
        r#"{a="b",c}"#,
        r#"1:9: parse error: unexpected "}" in label matching, expected label matching operator"#,
    ),
    refused(
        r#"{c,a="b"}"#,
        r#"1:3: parse error: unexpected "," in label matching, expected label matching operator"#,
    ),
    selects3(r#"{"c",a="b"}"#),
    selects3(r#"{a="b","c"}"#),
    selects("up{a=\"b\"}#x\n#y"),
    selects("up #\n {a=\"b\"}"),
    reworded(
        "up\u{b}",
        "1:3: parse error: unexpected character: '\\u{b}'",
    ),
    reworded("up\x0c", "1:3: parse error: unexpected character: '\\u{c}'"),
    reworded(
        "\u{feff}up",
        "1:1: parse error: unexpected character: '\\u{feff}'",
    ),
];
