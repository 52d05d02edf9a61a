//! Rules with what they make of label sets, and rules that are refused, as in Prometheus 3.

use es_scraper::relabel::RelabelFields;

/// From which version of Prometheus on a case holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Since {
    Always,
    /// In Prometheus 2 names are not any UTF-8, `.` doesn't match a newline, `labelmap` goes by
    /// name alone, and a label whose name is expanded is not removed.
    Three,
}

/// [`RelabelFields`] that can be written in a table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    pub(super) source: &'static [&'static str],
    pub(super) separator: Option<&'static str>,
    pub(super) regex: Option<&'static str>,
    pub(super) modulus: Option<u64>,
    pub(super) target: Option<&'static str>,
    pub(super) replacement: Option<&'static str>,
    pub(super) action: Option<&'static str>,
}

impl Rule {
    pub(super) fn fields(&self) -> RelabelFields {
        let text = |field: Option<&str>| field.map(str::to_owned);
        RelabelFields {
            source_labels: self.source.iter().map(|&name| name.to_owned()).collect(),
            separator: text(self.separator),
            regex: text(self.regex),
            modulus: self.modulus,
            target_label: text(self.target),
            replacement: text(self.replacement),
            action: text(self.action),
        }
    }
}

type Labels = &'static [(&'static str, &'static str)];

/// What rules make of a label set, `None` where they drop it.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) rules: &'static [Rule],
    pub(super) labels: Labels,
    pub(super) want: Option<Labels>,
    pub(super) since: Since,
}

/// A rule that is refused, with the field at fault.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) rule: Rule,
    pub(super) field: &'static str,
    pub(super) message: &'static str,
}

const R: Rule = Rule {
    source: &[],
    separator: None,
    regex: None,
    modulus: None,
    target: None,
    replacement: None,
    action: None,
};

const fn replace(
    source: &'static [&'static str],
    regex: &'static str,
    target: &'static str,
    replacement: &'static str,
) -> Rule {
    Rule {
        source,
        regex: Some(regex),
        target: Some(target),
        replacement: Some(replacement),
        ..R
    }
}

const fn on(action: &'static str, source: &'static [&'static str], regex: &'static str) -> Rule {
    Rule {
        source,
        regex: Some(regex),
        action: Some(action),
        ..R
    }
}

const fn to(action: &'static str, source: &'static [&'static str], target: &'static str) -> Rule {
    Rule {
        source,
        target: Some(target),
        action: Some(action),
        ..R
    }
}

const fn names(action: &'static str, regex: &'static str) -> Rule {
    Rule {
        regex: Some(regex),
        action: Some(action),
        ..R
    }
}

const fn map(regex: &'static str, replacement: &'static str) -> Rule {
    Rule {
        regex: Some(regex),
        replacement: Some(replacement),
        action: Some("labelmap"),
        ..R
    }
}

const fn hashmod(source: &'static [&'static str], modulus: u64) -> Rule {
    Rule {
        source,
        target: Some("d"),
        modulus: Some(modulus),
        action: Some("hashmod"),
        ..R
    }
}

const fn c(rules: &'static [Rule], labels: Labels, want: Option<Labels>) -> Case {
    Case {
        rules,
        labels,
        want,
        since: Since::Always,
    }
}

const fn c3(rules: &'static [Rule], labels: Labels, want: Option<Labels>) -> Case {
    Case {
        rules,
        labels,
        want,
        since: Since::Three,
    }
}

const ABC: Labels = &[("a", "foo"), ("b", "bar"), ("c", "baz")];

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    c(&[], ABC, Some(ABC)),
    // replace
    c(&[replace(&["a"], "f(.*)", "d", "ch${1}-ch${1}")], ABC, Some(&[("a", "foo"), ("b", "bar"), ("c", "baz"), ("d", "choo-choo")])),
    c(&[replace(&["a", "b"], "f(.*);(.*)r", "a", "b${1}${2}m")], ABC, Some(&[("a", "boobam"), ("b", "bar"), ("c", "baz")])),
    c(&[replace(&["a"], "x", "d", "y")], ABC, Some(ABC)),
    c(&[replace(&["a"], "fo", "d", "y")], ABC, Some(ABC)),
    c(&[replace(&["a"], "o", "d", "y")], ABC, Some(ABC)),
    c(&[replace(&["a"], "^foo$", "d", "y")], &[("a", "foo")], Some(&[("a", "foo"), ("d", "y")])),
    c(&[Rule { source: &["a"], target: Some("d"), ..R }], &[("a", "foo")], Some(&[("a", "foo"), ("d", "foo")])),
    c(&[Rule { source: &["a", "b"], target: Some("d"), ..R }], &[("a", "1"), ("b", "2")], Some(&[("a", "1"), ("b", "2"), ("d", "1;2")])),
    c(&[Rule { source: &["a", "b"], separator: Some("-"), target: Some("d"), ..R }], &[("a", "1"), ("b", "2")], Some(&[("a", "1"), ("b", "2"), ("d", "1-2")])),
    c(&[Rule { source: &["a", "b"], separator: Some(""), target: Some("d"), ..R }], &[("a", "1"), ("b", "2")], Some(&[("a", "1"), ("b", "2"), ("d", "12")])),
    c(&[Rule { source: &["a", "x", "b"], target: Some("d"), ..R }], &[("a", "1"), ("b", "2")], Some(&[("a", "1"), ("b", "2"), ("d", "1;;2")])),
    c(&[Rule { source: &["a", "a"], target: Some("d"), ..R }], &[("a", "1")], Some(&[("a", "1"), ("d", "1;1")])),
    c(&[Rule { target: Some("d"), replacement: Some("fix"), ..R }], &[("a", "1")], Some(&[("a", "1"), ("d", "fix")])),
    c(&[Rule { target: Some("d"), replacement: Some(""), ..R }], &[("a", "1"), ("d", "2")], Some(&[("a", "1")])),
    c(&[Rule { target: Some("d"), ..R }], &[("a", "1"), ("d", "2")], Some(&[("a", "1")])),
    c(&[Rule { source: &["x"], target: Some("a"), ..R }], &[("a", "1")], Some(&[])),
    c(&[replace(&["x"], "", "d", "empty")], &[("a", "1")], Some(&[("a", "1"), ("d", "empty")])),
    c(&[replace(&["a"], "", "d", "y")], &[("a", "1")], Some(&[("a", "1")])),
    c(&[replace(&["a"], ".*", "d", "")], &[("a", "1"), ("d", "2")], Some(&[("a", "1")])),
    c(&[replace(&["a"], "(x)?.*", "d", "$1")], &[("a", "1"), ("d", "2")], Some(&[("a", "1")])),
    c(&[replace(&["a"], "(x)?.*", "d", "<$1>")], &[("a", "1")], Some(&[("a", "1"), ("d", "<>")])),
    c(&[replace(&["a"], "(.*)", "d", "$$1")], &[("a", "1")], Some(&[("a", "1"), ("d", "$1")])),
    c(&[replace(&["a"], "(.*)", "d", "$1x")], &[("a", "1"), ("d", "2")], Some(&[("a", "1")])),
    c(&[replace(&["a"], "(.*)", "d", "${1}x")], &[("a", "1")], Some(&[("a", "1"), ("d", "1x")])),
    c(&[replace(&["a"], "(.*)", "d", "$0$")], &[("a", "1")], Some(&[("a", "1"), ("d", "1$")])),
    c(&[replace(&["a"], "(?P<n>.)(.*)", "d", "${2}${n}")], &[("a", "123")], Some(&[("a", "123"), ("d", "231")])),
    c(&[replace(&["a"], "(?i)FOO", "d", "y")], &[("a", "foo")], Some(&[("a", "foo"), ("d", "y")])),
    c3(&[replace(&["a"], "x.y", "d", "z")], &[("a", "x\ny")], Some(&[("a", "x\ny"), ("d", "z")])),
    c(&[replace(&["a"], "(?-s)x.y", "d", "z")], &[("a", "x\ny")], Some(&[("a", "x\ny")])),
    c(&[replace(&["a"], "1|2", "d", "z")], &[("a", "2")], Some(&[("a", "2"), ("d", "z")])),
    c(&[replace(&["a"], "1|2", "d", "z")], &[("a", "12")], Some(&[("a", "12")])),
    c(&[replace(&["a"], "1)|(2", "d", "z$1")], &[("a", "x2")], Some(&[("a", "x2"), ("d", "z2")])),
    // The target's name is a template too.
    c(&[replace(&["a"], "(.*)", "$1", "y")], &[("a", "d")], Some(&[("a", "d"), ("d", "y")])),
    c(&[replace(&["a"], "(.*)-(.*)", "${2}_$1", "$1")], &[("a", "x-y")], Some(&[("a", "x-y"), ("y_x", "x")])),
    c(&[replace(&["a"], "(.*)", "${1}", "y")], &[("b", "d")], Some(&[("b", "d")])),
    c(&[replace(&["a"], "(.*)", "${2}", "y")], &[("a", "d")], Some(&[("a", "d")])),
    c3(&[replace(&["a"], "(.*)", "p_$1", "")], &[("a", "d"), ("p_d", "x")], Some(&[("a", "d")])),
    c3(&[replace(&["a"], "(.*)", "$1", "y")], &[("a", "1.2-é")], Some(&[("a", "1.2-é"), ("1.2-é", "y")])),
    c3(&[replace(&["a"], "(.*)", "$$1", "y")], &[("a", "d")], Some(&[("a", "d"), ("$1", "y")])),
    c3(&[Rule { source: &["a"], target: Some("host.name"), ..R }], &[("a", "d")], Some(&[("a", "d"), ("host.name", "d")])),
    c3(&[Rule { source: &["a"], target: Some("0"), ..R }], &[("a", "d")], Some(&[("a", "d"), ("0", "d")])),
    // One after another.
    c(&[replace(&["a"], "(.*)", "t", "${1}1"), replace(&["t"], "(.*)", "d", "${1}2"), names("labeldrop", "t")], &[("a", "x")], Some(&[("a", "x"), ("d", "x12")])),
    c(&[replace(&["a"], "x", "d", "y"), on("keep", &["d"], "y")], &[("a", "x")], Some(&[("a", "x"), ("d", "y")])),
    c(&[replace(&["a"], "x", "d", "y"), on("keep", &["d"], "y")], &[("a", "z")], None),
    c(&[on("drop", &["a"], "x"), replace(&["a"], ".*", "a", "x")], &[("a", "z")], Some(&[("a", "x")])),
    c(&[replace(&["a"], ".*", "a", "x"), on("drop", &["a"], "x")], &[("a", "z")], None),
    c(&[replace(&["a"], "(.*)", "__tmp", "$1"), replace(&["__tmp"], "(.*)", "d", "$1"), names("labeldrop", "__tmp")], &[("a", "z")], Some(&[("a", "z"), ("d", "z")])),
    // keep and drop
    c(&[on("keep", &["a"], "f.*")], &[("a", "foo")], Some(&[("a", "foo")])),
    c(&[on("keep", &["a"], "b.*")], &[("a", "foo")], None),
    c(&[on("keep", &["a"], "fo")], &[("a", "foo")], None),
    c(&[on("keep", &["x"], "")], &[("a", "foo")], Some(&[("a", "foo")])),
    c(&[on("keep", &["x"], ".+")], &[("a", "foo")], None),
    c(&[on("keep", &[], "")], &[("a", "foo")], Some(&[("a", "foo")])),
    c(&[on("keep", &[], "x")], &[("a", "foo")], None),
    c(&[on("keep", &["a", "b"], "foo;bar")], ABC, Some(ABC)),
    c(&[on("drop", &["a"], "f.*")], &[("a", "foo")], None),
    c(&[on("drop", &["a"], "oo")], &[("a", "foo")], Some(&[("a", "foo")])),
    c(&[on("drop", &["x"], "")], &[("a", "foo")], None),
    c(&[Rule { source: &["a"], action: Some("keep"), ..R }], &[("a", "foo")], Some(&[("a", "foo")])),
    c(&[Rule { source: &["a"], action: Some("drop"), ..R }], &[("a", "foo")], None),
    c(&[on("KEEP", &["a"], "foo")], &[("a", "foo")], Some(&[("a", "foo")])),
    c(&[on("Drop", &["a"], "foo")], &[("a", "foo")], None),
    // keepequal and dropequal
    c(&[to("keepequal", &["a"], "b")], &[("a", "1"), ("b", "1")], Some(&[("a", "1"), ("b", "1")])),
    c(&[to("keepequal", &["a"], "b")], &[("a", "1"), ("b", "2")], None),
    c(&[to("keepequal", &["x"], "y")], &[("a", "1")], Some(&[("a", "1")])),
    c(&[to("keepequal", &["a", "b"], "d")], &[("a", "1"), ("b", "2"), ("d", "1;2")], Some(&[("a", "1"), ("b", "2"), ("d", "1;2")])),
    c(&[to("dropequal", &["a"], "b")], &[("a", "1"), ("b", "1")], None),
    c(&[to("dropequal", &["a"], "b")], &[("a", "1"), ("b", "2")], Some(&[("a", "1"), ("b", "2")])),
    c(&[to("dropequal", &["x"], "y")], &[("a", "1")], None),
    c(&[to("DropEqual", &[], "y")], &[("a", "1")], None),
    // hashmod
    c(&[hashmod(&["c"], 1000)], &[("c", "baz")], Some(&[("c", "baz"), ("d", "976")])),
    c(&[hashmod(&["a"], 1000)], &[("a", "foo\nbar")], Some(&[("a", "foo\nbar"), ("d", "734")])),
    c(&[hashmod(&["a", "b"], 8)], &[("a", "foo"), ("b", "bar")], Some(&[("a", "foo"), ("b", "bar"), ("d", "6")])),
    c(&[hashmod(&[], 7)], &[("a", "1")], Some(&[("a", "1"), ("d", "1")])),
    c(&[hashmod(&["a"], 1)], &[("a", "1")], Some(&[("a", "1"), ("d", "0")])),
    c(&[hashmod(&["a"], u64::MAX)], &[("a", "1")], Some(&[("a", "1"), ("d", "994258241967195291")])),
    // labelmap
    c(&[map("(b.*)", "bar_${1}")], &[("a", "foo"), ("b1", "bar"), ("b2", "baz")], Some(&[("a", "foo"), ("b1", "bar"), ("b2", "baz"), ("bar_b1", "bar"), ("bar_b2", "baz")])),
    c(&[map("x_(x_.*)", "$1")], &[("x_x_a", "1"), ("x_a", "2")], Some(&[("x_x_a", "1"), ("x_a", "1")])),
    c(&[map("a(.)", "x")], &[("a1", "1"), ("a2", "2")], Some(&[("a1", "1"), ("a2", "2"), ("x", "2")])),
    c(&[map("[ab]", "b")], &[("a", "1"), ("b", "2")], Some(&[("a", "1"), ("b", "2")])),
    c(&[map("[ab]", "a")], &[("a", "1"), ("b", "2")], Some(&[("a", "2"), ("b", "2")])),
    c(&[map("a", "b"), map("b", "c")], &[("a", "1")], Some(&[("a", "1"), ("b", "1"), ("c", "1")])),
    c(&[map("(a)", "${1}x")], &[("a", "1"), ("ax", "2")], Some(&[("a", "1"), ("ax", "1")])),
    c(&[map("ac)|(cd", "x")], &[("accd", "1")], Some(&[("accd", "1"), ("xx", "1")])),
    // Labels that rules have set come after those that were there, in the order of their setting.
    c3(&[replace(&["a3"], "(.*)", "a1", "set"), map("a.", "x")], &[("a2", "2"), ("a3", "3")], Some(&[("a1", "set"), ("a2", "2"), ("a3", "3"), ("x", "set")])),
    c3(&[replace(&[], "", "a2", "n2"), replace(&[], "", "a1", "n1"), map("a.", "x")], &[("a3", "3")], Some(&[("a1", "n1"), ("a2", "n2"), ("a3", "3"), ("x", "n1")])),
    c(&[replace(&[], "", "a1", "n1"), replace(&[], "", "a2", "n2"), replace(&[], "", "a1", "m1"), map("a.", "x")], &[], Some(&[("a1", "m1"), ("a2", "n2"), ("x", "n2")])),
    c3(&[replace(&[], "", "a1", "n1"), replace(&[], "", "a2", "n2"), replace(&[], "", "a1", ""), replace(&[], "", "a1", "m1"), map("a.", "x")], &[], Some(&[("a1", "m1"), ("a2", "n2"), ("x", "m1")])),
    c3(&[replace(&[], "", "a1", "n1"), replace(&[], "", "a2", "n2"), names("labeldrop", "a1"), replace(&[], "", "a1", "m1"), map("a.", "x")], &[], Some(&[("a1", "m1"), ("a2", "n2"), ("x", "m1")])),
    c3(&[replace(&[], "", "a1", "n1"), map("a.", "x")], &[("a1", "1"), ("a2", "2")], Some(&[("a1", "n1"), ("a2", "2"), ("x", "n1")])),
    c3(&[map("(.)_(.)", "$1.$2")], &[("a_b", "1")], Some(&[("a_b", "1"), ("a.b", "1")])),
    // labeldrop and labelkeep
    c(&[names("labeldrop", "b.*")], &[("a", "1"), ("b1", "2"), ("b2", "3"), ("ab", "4")], Some(&[("a", "1"), ("ab", "4")])),
    c(&[names("labeldrop", "^b$")], &[("a", "1"), ("b", "2")], Some(&[("a", "1")])),
    c(&[names("labelkeep", "b.*|__name__|job|instance")], &[("a", "1"), ("b1", "2"), ("b2", "3")], Some(&[("b1", "2"), ("b2", "3")])),
    c(&[names("labelkeep", "__name__|job|instance")], &[("a", "1")], Some(&[])),
    // lowercase and uppercase
    c(&[to("lowercase", &["a"], "d")], &[("a", "FoO1É")], Some(&[("a", "FoO1É"), ("d", "foo1é")])),
    c(&[to("uppercase", &["a"], "d")], &[("a", "FoO1é")], Some(&[("a", "FoO1é"), ("d", "FOO1É")])),
    c(&[to("uppercase", &["a"], "a")], &[("a", "straßeŉǰΐﬁ")], Some(&[("a", "STRAßEŉǰΐﬁ")])),
    c(&[to("lowercase", &["a"], "a")], &[("a", "ΣΑΣ İI")], Some(&[("a", "σασ ii")])),
    c(&[to("uppercase", &["a"], "a")], &[("a", "ᾀᾐᾳῃῳᾼǆıſµÿ")], Some(&[("a", "ᾈᾘᾼῌῼᾼǄISΜŸ")])),
    c(&[to("uppercase", &["a", "b"], "d")], &[("a", "x"), ("b", "y")], Some(&[("a", "x"), ("b", "y"), ("d", "X;Y")])),
    c(&[to("uppercase", &["x"], "a")], &[("a", "1")], Some(&[])),
    // The rules of a tenant's configuration.
    c(&[
        replace(&["__name__"], "(.*)", "saved", "$1"),
        replace(&["__name__"], "(.*)", "__name__", "paas_es_${1}"),
        replace(&["__name__"], "paas_es_case_.*", "__store_this__", "store_this"),
        on("keep", &["__store_this__"], "^store_this$"),
        replace(&["saved"], "(.*)", "__name__", "$1"),
        names("labeldrop", "^__store_this__$|saved"),
    ], &[("a", "1")], Some(&[("a", "1")])),
];

const fn r(rule: Rule, field: &'static str, message: &'static str) -> Refused {
    Refused {
        rule,
        field,
        message,
    }
}

#[rustfmt::skip]
pub(super) const REFUSED: &[Refused] = &[
    r(R, "target_label", "relabel configuration for replace action requires 'target_label' value"),
    r(Rule { target: Some(""), ..R }, "target_label", "relabel configuration for replace action requires 'target_label' value"),
    r(Rule { action: Some("frobnicate"), ..R }, "action", "unknown relabel action \"frobnicate\""),
    r(Rule { action: Some(""), ..R }, "action", "unknown relabel action \"\""),
    r(Rule { source: &["a", ""], target: Some("d"), ..R }, "source_labels", "\"\" is not a valid label name"),
    r(replace(&["a"], "(", "d", "x"), "regex", "error parsing regexp: missing closing ): `^(?s:()$`"),
    r(on("keep", &["a"], "a**"), "regex", "error parsing regexp: invalid nested repetition operator: `**`"),
    r(names("labeldrop", "(?=a)"), "regex", "error parsing regexp: invalid or unsupported Perl syntax: `(?=`"),
    r(to("hashmod", &["a"], "d"), "modulus", "relabel configuration for hashmod requires non-zero modulus"),
    r(Rule { modulus: Some(0), ..to("hashmod", &["a"], "d") }, "modulus", "relabel configuration for hashmod requires non-zero modulus"),
    r(Rule { modulus: Some(8), source: &["a"], action: Some("hashmod"), ..R }, "target_label", "relabel configuration for hashmod action requires 'target_label' value"),
    r(Rule { source: &["a"], action: Some("lowercase"), ..R }, "target_label", "relabel configuration for lowercase action requires 'target_label' value"),
    r(Rule { source: &["a"], action: Some("keepequal"), ..R }, "target_label", "relabel configuration for keepequal action requires 'target_label' value"),
    r(Rule { source: &["a"], action: Some("DropEqual"), ..R }, "target_label", "relabel configuration for dropequal action requires 'target_label' value"),
    r(Rule { replacement: Some("x"), ..to("lowercase", &["a"], "d") }, "replacement", "'replacement' can not be set for lowercase action"),
    r(Rule { replacement: Some(""), ..to("uppercase", &["a"], "d") }, "replacement", "'replacement' can not be set for uppercase action"),
    r(Rule { replacement: Some("x"), ..to("keepequal", &["a"], "d") }, "replacement", "'replacement' can not be set for keepequal action"),
    r(Rule { regex: Some("x"), ..to("keepequal", &["a"], "d") }, "regex", "'regex' can not be set for keepequal action"),
    r(Rule { regex: Some("(.*)"), ..to("dropequal", &["a"], "d") }, "regex", "'regex' can not be set for dropequal action"),
    r(Rule { modulus: Some(1), ..to("dropequal", &["a"], "d") }, "modulus", "'modulus' can not be set for dropequal action"),
    r(Rule { separator: Some(","), ..to("dropequal", &["a"], "d") }, "separator", "'separator' can not be set for dropequal action"),
    r(Rule { source: &["a"], ..names("labeldrop", "x") }, "source_labels", "'source_labels' can not be set for labeldrop action"),
    r(Rule { target: Some("a"), ..names("labelkeep", "x") }, "target_label", "'target_label' can not be set for labelkeep action"),
    r(Rule { modulus: Some(1), ..names("labelkeep", "x") }, "modulus", "'modulus' can not be set for labelkeep action"),
    r(Rule { separator: Some(""), ..names("labeldrop", "x") }, "separator", "'separator' can not be set for labeldrop action"),
    r(Rule { replacement: Some("x"), ..names("labeldrop", "x") }, "replacement", "'replacement' can not be set for labeldrop action"),
    r(map("x", ""), "replacement", "\"\" is invalid 'replacement' for labelmap action"),
];

/// Rules that look odd and are taken.
#[rustfmt::skip]
pub(super) const TAKEN: &[Rule] = &[
    Rule { action: Some("keep"), ..R },
    Rule { action: Some("labelmap"), ..R },
    Rule { action: Some("labeldrop"), ..R },
    Rule { action: Some("LabelKeep"), ..R },
    Rule { separator: Some(";"), replacement: Some("$1"), modulus: Some(0), target: Some(""), ..names("labeldrop", "x") },
    Rule { separator: Some(";"), replacement: Some("$1"), modulus: Some(0), ..to("keepequal", &["a"], "d") },
    Rule { replacement: Some("$1"), regex: Some("x"), separator: Some("-"), modulus: Some(3), ..to("lowercase", &["a"], "d") },
    Rule { target: Some("d"), modulus: Some(8), ..R },
    Rule { target: Some("d"), source: &["a"], ..map("x", "y") },
    Rule { regex: Some(""), target: Some("d"), ..R },
    Rule { modulus: Some(8), regex: Some("x"), replacement: Some("y"), ..to("hashmod", &[], "d") },
    replace(&["a"], "a)(b", "d", "$1"),
    replace(&["a"], "(.*)", "${1}_x", "$1"),
];
