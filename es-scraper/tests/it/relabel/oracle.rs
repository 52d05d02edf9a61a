//! The table and random rules, run by a real Prometheus as `metric_relabel_configs`.
//!
//! Each case is a job that scrapes one sample, whose value is the number of the case.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use es_scraper::relabel::{RelabelConfig, RelabelFields};
use prom_model::label::{INSTANCE, JOB, LabelSet, METRIC_NAME, is_legacy_label_name};
use serde_json::{Value, json};

use super::cases::{CASES, REFUSED, Since, TAKEN};
use super::{assert_none, relabel, sample};
use crate::prometheus::{Method, Prometheus};

/// Longest wait for the next scrape.
const PATIENCE: Duration = Duration::from_secs(30);
/// Random cases beside those of the table.
const RANDOM_CASES: usize = 300;

struct Question {
    rules: Vec<RelabelFields>,
    labels: LabelSet,
}

#[test]
#[ignore = "needs prometheus on PATH"]
fn prometheus_relabels_alike() {
    let folder = tempfile::tempdir().unwrap();
    let prometheus_3 = Prometheus::start(folder.path(), "{}").major() >= 3;
    let mut questions = Vec::new();
    for case in CASES {
        if case.since == Since::Always || prometheus_3 {
            questions.push(Question {
                rules: case.rules.iter().map(|rule| rule.fields()).collect(),
                labels: sample(questions.len(), case.labels),
            });
        }
    }
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    while questions.len() < CASES.len() + RANDOM_CASES {
        let question = random.question(questions.len());
        let answer = answer(&question);
        // A sample without a name, or with a name that isn't one, fails the scrape: not what is asked here.
        let valid = answer.is_none_or(|labels| {
            !labels.metric_name().is_empty()
                && labels.iter().all(|(name, _)| {
                    !name.is_empty() && (prometheus_3 || is_legacy_label_name(name))
                })
        });
        // Prometheus 2 refuses names of other characters where 3 sets them.
        let legacy = question.rules.iter().all(|rule| {
            let target = rule.target_label.as_deref().unwrap_or_default();
            !target.contains(['$', '.'])
        });
        if valid && (prometheus_3 || legacy) {
            questions.push(question);
        }
    }
    let theirs = ask(&questions);
    assert_none(
        questions
            .iter()
            .enumerate()
            .filter_map(|(index, question)| {
                let ours = answer(question);
                let theirs = theirs.get(&index);
                (ours.as_ref() != theirs).then_some((
                    &question.rules,
                    &question.labels,
                    ours.clone(),
                    theirs,
                ))
            }),
    );
}

fn answer(question: &Question) -> Option<LabelSet> {
    let rules = question.rules.iter().cloned();
    let rules: Vec<_> = rules
        .map(|rule| RelabelConfig::new(rule).unwrap())
        .collect();
    let mut labels = relabel(&rules, &question.labels)?;
    // Where it is scraped from, on one side only.
    labels.remove(INSTANCE);
    Some(labels)
}

/// What Prometheus stores for each question, by its number; nothing for one that is dropped.
fn ask(questions: &[Question]) -> BTreeMap<usize, LabelSet> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let bodies: Vec<String> = questions.iter().enumerate().map(exposition).collect();
    let (scraped, scrapes) = mpsc::channel();
    // Ends with the test's process.
    thread::spawn(move || serve(&listener, &bodies, &scraped));

    let jobs = questions.iter().enumerate().map(|(index, question)| {
        let rules: Vec<Value> = question.rules.iter().map(yaml).collect();
        json!({
            "job_name": format!("job_{index}"),
            "metrics_path": format!("/{index}"),
            "scrape_interval": "1s",
            "static_configs": [{"targets": [address.to_string()]}],
            "metric_relabel_configs": rules,
        })
    });
    let config = json!({"scrape_configs": jobs.collect::<Vec<_>>()});
    let folder = tempfile::tempdir().unwrap();
    let prometheus = Prometheus::start(folder.path(), &config.to_string());
    // By its second scrape a target's first one has been stored.
    let mut scrapes_left = vec![2_usize; questions.len()];
    while scrapes_left.iter().any(|left| *left > 0) {
        let index: usize = scrapes.recv_timeout(PATIENCE).unwrap();
        scrapes_left[index] = scrapes_left[index].saturating_sub(1);
    }

    let query = [("query", r#"{__name__!="",__name__!~"up|scrape_.*"}"#)];
    let (_, body) = prometheus.ask(Method::Post, "/api/v1/query", &query);
    let mut stored = BTreeMap::new();
    let up = up(&prometheus);
    assert_eq!(up, questions.len(), "scrapes that succeeded");
    let answer: Value = serde_json::from_str(&body).unwrap();
    for series in answer["data"]["result"].as_array().unwrap() {
        let value = series["value"][1].as_str().unwrap();
        let labels = series["metric"].as_object().unwrap().iter();
        let mut labels: LabelSet = labels
            .map(|(name, value)| (name, value.as_str().unwrap()))
            .collect();
        labels.remove(INSTANCE);
        stored.insert(value.parse().unwrap(), labels);
    }
    stored
}

fn up(prometheus: &Prometheus) -> usize {
    let (_, body) = prometheus.ask(Method::Get, "/api/v1/query", &[("query", "sum(up)")]);
    let answer: Value = serde_json::from_str(&body).unwrap();
    let value = answer["data"]["result"][0]["value"][1].as_str().unwrap();
    value.parse().unwrap()
}

/// The sample of a question without the labels that Prometheus adds.
fn exposition((index, question): (usize, &Question)) -> String {
    let mut labels = String::new();
    for (name, value) in question.labels.iter() {
        if name != METRIC_NAME && name != JOB {
            let value = value
                .replace('\\', r"\\")
                .replace('"', "\\\"")
                .replace('\n', r"\n");
            write!(labels, "{name}=\"{value}\",").unwrap();
        }
    }
    format!("{}{{{labels}}} {index}\n", question.labels.metric_name())
}

fn serve(listener: &TcpListener, bodies: &[String], scraped: &mpsc::Sender<usize>) {
    for stream in listener.incoming().flatten() {
        // Prometheus may hang up, and does at the end.
        drop(respond(stream, bodies, scraped));
    }
}

fn respond(
    stream: TcpStream,
    bodies: &[String],
    scraped: &mpsc::Sender<usize>,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(&stream).lines();
    let request = lines.next().unwrap()?;
    while !lines.next().unwrap()?.is_empty() {}
    let path = request.split(' ').nth(1).unwrap();
    let index: usize = path.trim_start_matches('/').parse().unwrap();
    let body = &bodies[index];
    let head =
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close\r\n";
    let length = body.len();
    write!(&stream, "{head}Content-Length: {length}\r\n\r\n{body}")?;
    // The receiver is gone once it has seen enough.
    scraped.send(index).ok();
    Ok(())
}

/// The rule as a configuration has it; JSON is YAML.
fn yaml(rule: &RelabelFields) -> Value {
    let mut yaml = serde_json::Map::new();
    let mut set = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            yaml.insert(key.to_owned(), value);
        }
    };
    let source = Some(&rule.source_labels).filter(|labels| !labels.is_empty());
    set("source_labels", source.map(|labels| json!(labels)));
    set("separator", rule.separator.as_ref().map(|it| json!(it)));
    set("regex", rule.regex.as_ref().map(|it| json!(it)));
    set("modulus", rule.modulus.map(|it| json!(it)));
    set(
        "target_label",
        rule.target_label.as_ref().map(|it| json!(it)),
    );
    set("replacement", rule.replacement.as_ref().map(|it| json!(it)));
    set("action", rule.action.as_ref().map(|it| json!(it)));
    yaml.into()
}

#[test]
#[ignore = "needs promtool on PATH"]
fn promtool_refuses_alike() {
    let folder = tempfile::tempdir().unwrap();
    let takes = |rule: &RelabelFields| {
        let job = json!({"job_name": "a", "metric_relabel_configs": [yaml(rule)]});
        let file = folder.path().join("prometheus.yml");
        std::fs::write(&file, json!({"scrape_configs": [job]}).to_string()).unwrap();
        let output = Command::new("promtool")
            .args(["check", "config"])
            .arg(file)
            .output();
        output.unwrap().status.success()
    };
    assert_none(REFUSED.iter().filter(|case| takes(&case.rule.fields())));
    assert_none(TAKEN.iter().filter(|rule| !takes(&rule.fields())));
}

/// Xorshift, for the same cases in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn of(&mut self, choices: &[&str]) -> String {
        choices[self.below(choices.len())].to_owned()
    }

    fn question(&mut self, index: usize) -> Question {
        let mut labels = sample(index, &[]);
        for _ in 0..self.below(6) {
            let name = self.of(&["a", "a1", "a2", "b", "b_c", "x_a", "x_b"]);
            let value = self.of(&[
                "", "a", "b", "foo", "foo-bar", "a;b", "ÄÖ", "$1", "1", "x\"y\\z",
            ]);
            labels.set(&name, &value);
        }
        let mut rules = Vec::new();
        while rules.len() < 4 {
            let rule = self.rule();
            if RelabelConfig::new(rule.clone()).is_ok() {
                rules.push(rule);
            }
        }
        Question { rules, labels }
    }

    fn rule(&mut self) -> RelabelFields {
        let action = self.of(&[
            "replace",
            "replace",
            "replace",
            "Replace",
            "keep",
            "drop",
            "keepequal",
            "dropequal",
            "hashmod",
            "labelmap",
            "labelmap",
            "labeldrop",
            "labelkeep",
            "lowercase",
            "uppercase",
        ]);
        // Prometheus has labels by the name of what it scrapes from: no rule may touch them.
        let by_name = action.starts_with("label");
        let regexes: &[&str] = match &*action {
            "labelkeep" => &[
                "__name__|job|instance|a.*",
                "__name__|job|instance|[ab].*|x_.*",
                "(__name__|job|instance|.)",
            ],
            _ if by_name => &[
                "a",
                "a.",
                "(a)(.)",
                "x_(.*)",
                "(.)_(.)",
                "[ab]",
                "b)|(?:a",
                "(?i)A.?",
                "([ax])(.*)",
            ],
            "drop" => &["a", "foo.+", "x", "[0-9]"],
            "keep" => &["|a.*", ".*", "[^b]*", "(?:.|\\n)*", "a|b|foo.*|[0-9]?"],
            _ => &[
                "(.*)",
                "(.+)",
                "a",
                "(.*)-(.*)",
                "(?P<n>.)(.*)",
                "foo|a",
                "",
                "(a)|(b)",
                "[a-z]*",
                "(.*);(.*)",
                "a)|(b",
            ],
        };
        let maybe = |random: &mut Self, value: String| (random.below(3) > 0).then_some(value);
        let regex = self.of(regexes);
        let target = self.of(&["a", "a1", "b", "d", "x_b", "p_$1", "${1}", "d.e"]);
        let replacement = match &*action {
            "labelmap" => self.of(&["a1", "b", "y_$1", "${2}_z", "$0_", "n"]),
            _ => self.of(&["$1", "", "x", "${1}y", "$n", "$2-$1", "$$", "a"]),
        };
        let separator = self.of(&[";", "-", ""]);
        let sources = if by_name { 0 } else { self.below(3) };
        let source_labels = (0..sources)
            .map(|_| self.of(&["a", "b", "a1", "x_a", "d", "__name__"]))
            .collect();
        let modulus = (self.below(2) == 0).then(|| u64::try_from(1 + self.below(100)).unwrap());
        RelabelFields {
            source_labels,
            separator: maybe(self, separator).filter(|_| !by_name),
            regex: if by_name {
                Some(regex)
            } else {
                maybe(self, regex)
            },
            modulus: modulus.filter(|_| action == "hashmod"),
            target_label: Some(target).filter(|_| !by_name && action != "keep" && action != "drop"),
            replacement: maybe(self, replacement)
                .filter(|_| matches!(&*action.to_lowercase(), "replace" | "labelmap")),
            action: Some(action),
        }
    }
}
