//! The tables and many expressions like them, asked of a real Prometheus.

use std::fmt::Write as _;

use prom_model::regex::{Regex, RelabelRegex};
use serde_json::Value;

use super::assert_none;
use super::cases::{MATCHES, REFUSED, Since};
use crate::prometheus::{Method, Prometheus};

#[test]
#[ignore = "needs prometheus on PATH"]
fn prometheus_agrees_with_the_tables() {
    let folder = tempfile::tempdir().unwrap();
    let prometheus = Prometheus::start(folder.path(), "{}");
    let holds = |since| since == Since::Always || prometheus.major() >= 3;
    let matches = MATCHES.iter().filter(|case| holds(case.since));
    assert_none(matches.filter_map(|case| {
        let got = label_replace(&prometheus, case.expression, case.text, case.template);
        let want = Ok(case.want.map(str::to_owned));
        (got != want).then_some((case, got))
    }));
    let refused = REFUSED.iter().filter(|case| holds(case.since));
    assert_none(refused.filter_map(|case| {
        let got = refusal(&prometheus, case.expression);
        let want = Some(format!("error parsing regexp: {}", case.want));
        // Prometheus 2 words it for the text with its anchors.
        let agrees = got == want || (got.is_some() && prometheus.major() < 3);
        (!agrees).then_some((case, got))
    }));
}

/// Expressions put together at random, most of them valid, against texts of the same few letters.
#[test]
#[ignore = "needs prometheus on PATH"]
fn prometheus_agrees_with_random_expressions() {
    let folder = tempfile::tempdir().unwrap();
    let prometheus = Prometheus::start(folder.path(), "{}");
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let texts = [
        "", "a", "b", "ab", "ba", "aab", "abab", "B", "Aß", "a-b", "1", "aé",
    ];
    let mut wrong = Vec::new();
    for _ in 0..2500 {
        let expression = random.expression();
        let template = "$0,$1,${2},$n,$$";
        let regex = RelabelRegex::new(&expression);
        for _ in 0..3 {
            let text = texts[random.below(texts.len())];
            let theirs = label_replace(&prometheus, &expression, text, template);
            let ours = regex.as_ref().map(|regex| {
                let template = regex.template(template);
                let expanded = regex.expand(text, [&template]);
                expanded.map(|[expanded]| expanded.into_owned())
            });
            if ours.as_ref().ok() != theirs.as_ref().ok() {
                wrong.push(format!(
                    "{expression} on {text:?}: {ours:?}, not {theirs:?}"
                ));
            }
        }
        let theirs = refusal(&prometheus, &expression);
        let ours = Regex::new(&expression).err().map(|err| err.to_string());
        let agree = match prometheus.major() {
            2 => ours.is_some() == theirs.is_some(),
            _ => ours == theirs,
        };
        if !agree {
            wrong.push(format!("{expression}: {ours:?}, not {theirs:?}"));
        }
    }
    assert_none(wrong.iter());
}

/// Xorshift, for the same expressions in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn expression(&mut self) -> String {
        let length = 1 + self.below(7);
        (0..length).map(|_| self.fragment()).collect()
    }

    fn fragment(&mut self) -> String {
        const FRAGMENTS: &[&str] = &[
            "a",
            "b",
            "a",
            "b",
            "ab",
            "-",
            "é",
            "B",
            "ß",
            ".",
            ".*",
            ".+",
            "|",
            "|",
            "*",
            "+",
            "?",
            "*?",
            "+?",
            "??",
            "{2}",
            "{0,1}",
            "{1,}",
            "{0}",
            "{1,2}?",
            "{",
            "{2",
            "}",
            "(?i)",
            "(?-i)",
            "(?U)",
            "(?m)",
            "^",
            "$",
            r"",
            r"\B",
            r"\A",
            r"\z",
            r"\d",
            r"\w",
            r"\W",
            r"\s",
            r"\pL",
            r"\p{Lu}",
            r"\P{Ll}",
            "[ab]",
            "[^a]",
            "[a-b1]",
            "[[:alpha:]]",
            "[^[:lower:]]",
            "[]a]",
            "[a",
            "]",
            ")",
            "(",
            r"\Qa|b\E",
            r"a",
            r"a",
            r"\.",
            r"",
            "()",
            "(|a)",
            "&&",
            "~~",
            r"",
            "(?",
            "(?P<n>a)",
        ];
        match self.below(9) {
            0 => format!("({})", self.inner()),
            1 => format!("(?:{})", self.inner()),
            2 => format!("(?P<n>{})", self.inner()),
            _ => FRAGMENTS[self.below(FRAGMENTS.len())].to_owned(),
        }
    }

    fn inner(&mut self) -> String {
        let length = 1 + self.below(3);
        (0..length).map(|_| self.fragment()).collect()
    }
}

/// The template expanded by Prometheus, `None` where the text doesn't match.
///
/// `label_replace` compiles its expression exactly as a relabel rule does.
fn label_replace(
    prometheus: &Prometheus,
    expression: &str,
    text: &str,
    template: &str,
) -> Result<Option<String>, String> {
    let [expression, text, template] = [expression, text, &format!("={template}")].map(quote);
    // A template's marker tells an empty result from none; in the source label it tells "" from absent.
    let query = format!(
        r#"label_replace(label_replace(vector(1),"source",{text},"",""),"result",{template},"source",{expression})"#
    );
    let (_, body) = prometheus.ask(Method::Post, "/api/v1/query", &[("query", &query)]);
    let answer: Value = serde_json::from_str(&body).unwrap();
    if let Some(error) = answer["error"].as_str() {
        return Err(error.to_owned());
    }
    let result = answer["data"]["result"][0]["metric"]["result"].as_str();
    Ok(result.map(|result| result.strip_prefix('=').unwrap().to_owned()))
}

/// Why Prometheus refuses `expression` in a matcher, if it does.
fn refusal(prometheus: &Prometheus, expression: &str) -> Option<String> {
    let selector = format!(r#"up{{a=~{}}}"#, quote(expression));
    let form = [("match[]", selector.as_str())];
    let (_, body) = prometheus.ask(Method::Get, "/api/v1/series", &form);
    let answer: Value = serde_json::from_str(&body).unwrap();
    let (_, reason) = answer["error"].as_str()?.split_once("parse error: ")?;
    Some(reason.to_owned())
}

/// A string of PromQL.
fn quote(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            ' '..='~' if c != '"' && c != '\\' => quoted.push(c),
            _ => write!(quoted, "\\U{:08x}", u32::from(c)).unwrap(),
        }
    }
    quoted.push('"');
    quoted
}
