//! What a case consists of.

use serde_json::{Map, Value, json};

/// Prometheus releases that a case holds for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Release {
    Any,
    /// 2 does otherwise.
    Three,
}

/// How much of an answer reaches the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    Whole,
    Gzipped,
    /// The connection ends in the middle of the body.
    Cut,
    /// The body never comes.
    Hanging,
}

/// The answer to one scrape.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// No header where `None`.
    pub(crate) content_type: Option<Vec<u8>>,
    /// `<<-1000>>` stands for a time in milliseconds, a second before the server was started; `<<s-1000>>` for
    /// the same in seconds.
    pub(crate) body: Vec<u8>,
    pub(crate) delivery: Delivery,
    pub(crate) headers: Vec<(&'static str, String)>,
}

/// Exposition text, in the format of version 0.0.4.
pub(crate) fn text(body: impl AsRef<[u8]>) -> Answer {
    typed("text/plain; version=0.0.4; charset=utf-8", body)
}

/// An OpenMetrics body.
pub(crate) fn openmetrics(body: impl AsRef<[u8]>) -> Answer {
    typed(
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
        body,
    )
}

/// A body of some Content-Type.
pub(crate) fn typed(content_type: &str, body: impl AsRef<[u8]>) -> Answer {
    Answer {
        status: 200,
        content_type: Some(content_type.as_bytes().to_vec()),
        body: body.as_ref().to_vec(),
        delivery: Delivery::Whole,
        headers: Vec::new(),
    }
}

impl Answer {
    pub(crate) fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    pub(crate) fn untyped(self) -> Self {
        Self {
            content_type: None,
            ..self
        }
    }

    pub(crate) fn delivered(self, delivery: Delivery) -> Self {
        Self { delivery, ..self }
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

/// One job, scraped by both.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) release: Release,
    /// The job's settings, but for its name, `metrics_path` and `static_configs` where they are not here.
    pub(crate) job: Map<String, Value>,
    /// The answers to the first scrapes; the last one is that to all others, too. Where there is none, the series
    /// answered shows what was asked.
    pub(crate) answers: Vec<Answer>,
    /// Labels of the target.
    pub(crate) labels: Map<String, Value>,
    pub(crate) failure: Failure,
}

/// Where scrapes of a script fail, if they do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Before the first sample.
    Whole,
    /// In the middle of a body. Prometheus then goes on serving the last samples of what came before that place; the
    /// exporter does not, by design.
    Midway,
}

/// A case of one answer.
pub(crate) fn case(job: Value, answer: Answer) -> Case {
    script(job, [answer])
}

/// A case of the answers to scrapes one after the other.
pub(crate) fn script(job: Value, answers: impl IntoIterator<Item = Answer>) -> Case {
    Case {
        release: Release::Any,
        job: object(job),
        answers: answers.into_iter().collect(),
        labels: Map::new(),
        failure: Failure::Whole,
    }
}

/// A case in which the answer shows what was asked.
pub(crate) fn asked(job: Value) -> Case {
    script(job, [])
}

impl Case {
    /// Left out where there is a Prometheus 2 only.
    pub(crate) fn three(self) -> Self {
        Self {
            release: Release::Three,
            ..self
        }
    }

    /// Scrapes fail in the middle.
    pub(crate) fn failing_midway(self) -> Self {
        Self {
            failure: Failure::Midway,
            ..self
        }
    }

    /// The target has `labels`.
    pub(crate) fn labels(self, labels: Value) -> Self {
        Self {
            labels: object(labels),
            ..self
        }
    }

    /// The job's configuration, where the answers are served at `address`; `{}` in the settings stands for that
    /// address.
    pub(crate) fn config(&self, name: &str, path: &str, address: &str) -> Value {
        let mut job = self.job.clone();
        for value in job.values_mut() {
            fill_in(value, address);
        }
        job.insert("job_name".to_owned(), json!(name));
        job.entry("metrics_path").or_insert_with(|| json!(path));
        let targets = json!([{"targets": [address], "labels": self.labels}]);
        job.entry("static_configs").or_insert(targets);
        Value::Object(job)
    }
}

fn fill_in(value: &mut Value, address: &str) {
    match value {
        Value::String(text) if text.contains("{}") => *text = text.replace("{}", address),
        Value::Array(values) => values.iter_mut().for_each(|value| fill_in(value, address)),
        Value::Object(values) => values
            .values_mut()
            .for_each(|value| fill_in(value, address)),
        _ => {}
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        other => panic!("not an object: {other}"),
    }
}
